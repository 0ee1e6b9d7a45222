"""Which ledgers there are."""

from datetime import UTC, datetime
from typing import NamedTuple, cast

from indelible.ledger import base64url
from indelible.store.session import Database

__all__ = ["Ledger", "ledgers"]


class Ledger(NamedTuple):
    tenant_id: str
    origin: str
    size: int
    head: str | None
    """The leaf hash of the last entry, base64url."""
    created_at: datetime


async def ledgers(database: Database, *, tenant: str | None = None) -> list[Ledger]:
    """All there are, or that of `tenant`, by tenant."""
    query = "SELECT tenant_id, origin, size, head, created_at FROM indelible.ledgers"
    condition = b"" if tenant is None else b" WHERE tenant_id = %s"
    async with database.transaction("control") as connection:
        cursor = await connection.execute(
            query.encode() + condition + b" ORDER BY tenant_id", None if tenant is None else (tenant,)
        )
        rows = cast("list[tuple[str, str, int, bytes | None, datetime]]", await cursor.fetchall())
    return [Ledger(t, o, s, None if h is None else base64url.encode(h), c.astimezone(UTC)) for t, o, s, h, c in rows]
