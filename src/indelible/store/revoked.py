"""Viewer tokens that are no longer good, though they have not expired."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, cast

from indelible.store.epoch import in_force_everywhere
from indelible.store.session import Database

__all__ = ["Revocations", "RevokedKind", "issue_time", "revocations", "revoke"]

RevokedKind = Literal["token", "actor", "tenant"]
"""The token of an id; all that were issued to a person until now; all of the tenant's until now."""

# A volatile default is evaluated once; of two at the same time the later one stays.
_REVOKE = (
    "INSERT INTO indelible.revoked_tokens AS r (tenant_id, kind, value) VALUES (%s, %s, %s) "
    "ON CONFLICT (tenant_id, kind, value) DO UPDATE SET revoked_at = greatest(r.revoked_at, EXCLUDED.revoked_at) "
    "RETURNING revoked_at"
)


@dataclass(frozen=True, slots=True)
class Revocations:
    """Those of one tenant."""

    tokens: frozenset[str] = frozenset()
    actors: Mapping[str, datetime] = field(default_factory=dict)
    """Until when what was issued to whom is revoked."""
    all_until: datetime | None = None

    def cover(self, token_id: str, actor_id: str, issued_at: datetime) -> bool:
        until = self.actors.get(actor_id)
        return (
            token_id in self.tokens
            or (until is not None and issued_at <= until)
            or (self.all_until is not None and issued_at <= self.all_until)
        )


async def revoke(database: Database, tenant: str, kind: RevokedKind, value: str = "") -> datetime:
    """Until when it is revoked, by PostgreSQL's clock; returns once it is in force on every process.

    `value` is the id of the token or of the person, and "" for a tenant.
    """
    async with database.transaction("control") as connection:
        # Of those there is none left that lives.
        await connection.execute(
            "DELETE FROM indelible.revoked_tokens WHERE tenant_id = %s AND revoked_at < now() - interval '1 day'",
            (tenant,),
        )
        cursor = await connection.execute(_REVOKE, (tenant, kind, value))
        (until,) = cast("tuple[datetime]", await cursor.fetchone())
    await in_force_everywhere()
    return until.astimezone(UTC)


async def revocations(database: Database, tenant: str) -> Revocations:
    """Those that may still matter: of what was issued before them, nothing else lives any more."""
    async with database.transaction("control") as connection:
        cursor = await connection.execute(
            "SELECT kind, value, revoked_at FROM indelible.revoked_tokens "
            "WHERE tenant_id = %s AND revoked_at > now() - interval '20 minutes'",
            (tenant,),
        )
        rows = cast("list[tuple[RevokedKind, str, datetime]]", await cursor.fetchall())
    return Revocations(
        frozenset(value for kind, value, _ in rows if kind == "token"),
        {value: until for kind, value, until in rows if kind == "actor"},
        next((until for kind, _, until in rows if kind == "tenant"), None),
    )


async def issue_time(database: Database, tenant: str) -> datetime | None:
    """PostgreSQL's clock, which revocations go by as well; None where there is no such tenant."""
    async with database.transaction("control") as connection:
        cursor = await connection.execute(
            "SELECT clock_timestamp() FROM indelible.ledgers WHERE tenant_id = %s", (tenant,)
        )
        row = cast("tuple[datetime] | None", await cursor.fetchone())
    return None if row is None else row[0].astimezone(UTC)
