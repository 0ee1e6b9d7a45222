"""How the ledgers stand, all of them together: how large they are, and how far what is in them was signed."""

from typing import NamedTuple, cast

from indelible.store.session import Database

__all__ = ["PATIENCE", "Refused", "Standing", "standing"]

PATIENCE = 60
"""Seconds within which a signer that runs has signed what was appended."""

_SHOWN = 3
_PROBED = 10


class Refused(NamedTuple):
    """A ledger that the signer does not sign now, and why."""

    origin: str
    reason: str


class Standing(NamedTuple):
    ledgers: int
    entries: int
    is_signed: bool
    """Whether a signer ever ran."""
    waiting: int
    """Ledgers that have not been of the size signed for longer than `PATIENCE`; without those refused."""
    lag: float
    """Seconds that the oldest unsigned entry has been waiting, 0 where there is none; without ledgers refused."""
    refused: int
    refusals: tuple[Refused, ...]
    """The first few."""


# Seconds since a time: since 2000 for what was never, and for times that somebody made up.
_AGE = "extract(epoch FROM now() - least(greatest({}, '2000-01-01Z'), now()))::float8"

# Each ledger's latest checkpoint is looked up by itself (LIMIT 1): there are many more checkpoints than ledgers. The
# first unsigned entry came after that checkpoint, and not after the ledger's last change.
_STANDING = f"""
    WITH unsigned AS MATERIALIZED (
        SELECT l.tenant_id, c.size, l.size < c.size AS is_short,
            {_AGE.format("l.recorded_at")} AS at_least,
            {_AGE.format("coalesce(c.signed_at, l.created_at)")} AS at_most
        FROM indelible.ledgers l
        LEFT JOIN LATERAL (
            SELECT size, signed_at FROM indelible.checkpoints WHERE tenant_id = l.tenant_id ORDER BY size DESC LIMIT 1
        ) c ON true
        WHERE l.size <> coalesce(c.size, 0)
          AND NOT EXISTS (SELECT FROM indelible.refusals r WHERE r.tenant_id = l.tenant_id)
    ), probed AS (
        SELECT tenant_id, size FROM unsigned
        WHERE NOT is_short AND at_most > %(patience)s ORDER BY at_most DESC LIMIT %(probed)s
    ), known AS (
        SELECT CASE
            WHEN is_short THEN greatest(at_most, at_least)
            WHEN size IS NULL THEN at_most
            ELSE at_least
        END AS age FROM unsigned
        WHERE tenant_id NOT IN (SELECT tenant_id FROM probed)
    )
    SELECT (SELECT count(*) FROM indelible.ledgers),
        (SELECT coalesce(sum(size), 0)::text FROM indelible.ledgers),
        EXISTS (SELECT FROM indelible.signers),
        (SELECT count(*) FROM known WHERE age > %(patience)s),
        (SELECT coalesce(max(age), 0) FROM known),
        (SELECT count(*) FROM indelible.refusals),
        ARRAY(SELECT tenant_id FROM probed ORDER BY tenant_id),
        ARRAY(SELECT size FROM probed ORDER BY tenant_id)
"""  # noqa: S608 - the names are ours

_REFUSALS = b"SELECT origin, reason FROM indelible.refusals ORDER BY since, tenant_id, origin LIMIT %s"

_RECORDED = f"SELECT {_AGE.format('recorded_at')} FROM indelible.events WHERE tenant_id = %s AND seq = %s"  # noqa: S608


async def standing(database: Database) -> Standing:
    """How the ledgers stand now. Raises `StoreUnavailable`, or `psycopg.Error` where it is no database of ours.

    How long an entry has been waiting is known exactly of those ledgers that were signed longest ago; of others, where
    there are many, as long as nothing was appended to them.
    """
    async with database.transaction("control") as connection:
        cursor = await connection.execute(_STANDING.encode(), {"patience": PATIENCE, "probed": _PROBED})
        row = cast("tuple[int, str, bool, int, float, int, list[str], list[int]] | None", await cursor.fetchone())
        assert row is not None
        ledgers, entries, is_signed, waiting, lag, refused, tenants, sizes = row
        cursor = await connection.execute(_REFUSALS, (_SHOWN,))
        refusals = tuple(Refused(*found) for found in cast("list[tuple[str, str]]", await cursor.fetchall()))
    for tenant, size in zip(tenants, sizes, strict=True):
        age = await _age(database, tenant, size)
        waiting += age > PATIENCE
        lag = max(lag, age)
    return Standing(ledgers, int(entries), is_signed, waiting, lag, refused, refusals)


async def _age(database: Database, tenant: str, seq: int) -> float:
    """Seconds since an entry was recorded; 0 where it is not there."""
    async with database.transaction("reader", tenant) as connection:
        row = await (await connection.execute(_RECORDED.encode(), (tenant, seq))).fetchone()
    return cast("float", row[0]) if row else 0.0
