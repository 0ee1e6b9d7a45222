"""Which ledgers there are."""

from datetime import UTC, datetime
from typing import NamedTuple, cast

from indelible.ledger import base64url
from indelible.store.session import Database

__all__ = ["Ledger", "ledgers", "size_of", "tenants"]


class Ledger(NamedTuple):
    tenant_id: str
    origin: str
    size: int
    head: str | None
    """The leaf hash of the last entry, base64url."""
    created_at: datetime


async def ledgers(
    database: Database, *, tenant: str | None = None, after: str | None = None, limit: int | None = None
) -> list[Ledger]:
    """All there are, or that of `tenant`, by tenant; at most `limit` of those whose tenants come `after` that one."""
    async with database.transaction("control") as connection:
        cursor = await connection.execute(
            "SELECT tenant_id, origin, size, head, created_at FROM indelible.ledgers "
            "WHERE (%(tenant)s::text IS NULL OR tenant_id = %(tenant)s) "
            "AND (%(after)s::text IS NULL OR tenant_id > %(after)s) ORDER BY tenant_id LIMIT %(limit)s",
            {"tenant": tenant, "after": after, "limit": limit},
        )
        rows = cast("list[tuple[str, str, int, bytes | None, datetime]]", await cursor.fetchall())
    return [Ledger(t, o, s, None if h is None else base64url.encode(h), c.astimezone(UTC)) for t, o, s, h, c in rows]


async def size_of(database: Database, tenant: str) -> int:
    """How many entries a ledger has; none where there is no such ledger. Raises as `Database.transaction` does."""
    async with database.transaction("reader", tenant) as connection:
        cursor = await connection.execute("SELECT size FROM indelible.ledgers WHERE tenant_id = %s", (tenant,))
        row = await cursor.fetchone()
    return 0 if row is None else cast("int", row[0])


async def tenants(database: Database) -> list[str]:
    """Of whom there is a ledger, or are entries: somebody may have removed the one without the other."""
    async with database.transaction("control", snapshot=True) as connection:
        cursor = await connection.execute(
            "SELECT tenant_id FROM indelible.ledgers UNION SELECT indelible.tenants_with_entries() ORDER BY 1"
        )
        return [tenant for (tenant,) in cast("list[tuple[str]]", await cursor.fetchall())]
