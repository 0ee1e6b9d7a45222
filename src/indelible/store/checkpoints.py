"""Checkpoints: what was signed of each ledger, as it is read, asked for, and written by the signer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, cast

from indelible.store.session import Connection, Database

__all__ = [
    "CHANNEL",
    "Grown",
    "Ledger",
    "MissingLeaves",
    "Refusal",
    "Signed",
    "at_least",
    "every_ledger",
    "grown",
    "insert",
    "last",
    "latest",
    "leaves",
    "ledger",
    "namesake",
    "public_keys",
    "refusals",
    "refuse",
    "refused",
    "request",
    "save_public_keys",
    "unrefuse",
    "vanished",
    "wait_for",
]

CHANNEL = "indelible_sign"
"""NOTIFY this with a tenant's id, and the signer signs its ledger now."""

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5
"""Seconds between looks for a checkpoint that is waited for."""


class Signed(NamedTuple):
    size: int
    note: str
    """The signed note, verbatim (C2SP tlog-checkpoint)."""
    signed_at: datetime


# --- for those who read one tenant's checkpoints


async def latest(database: Database, tenant: str) -> Signed | None:
    """The tenant's latest checkpoint."""
    return await _one(database, tenant, "ORDER BY size DESC LIMIT 1")


async def at_least(database: Database, tenant: str, size: int) -> Signed | None:
    """The earliest checkpoint of at least `size` entries."""
    return await _one(database, tenant, "AND size >= %(size)s ORDER BY size LIMIT 1", size)


async def request(database: Database, tenant: str) -> None:
    """Asks the signer to sign the tenant's ledger now. Says nothing about whether there is a signer."""
    async with database.transaction("control") as connection:
        await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, tenant))


async def wait_for(database: Database, tenant: str, size: int, timeout: timedelta) -> Signed | None:  # noqa: ASYNC109
    """The earliest checkpoint of at least `size` entries, which the signer is asked for where there is none yet.

    None where there is none within `timeout`: no signer runs, or it refuses to sign this ledger.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout.total_seconds()
    pause = _SHORTEST_PAUSE
    found = await at_least(database, tenant, size)
    if found is None:
        await request(database, tenant)
    while found is None and loop.time() < deadline:
        await asyncio.sleep(min(pause, max(deadline - loop.time(), 0)))
        pause = min(2 * pause, _LONGEST_PAUSE)
        found = await at_least(database, tenant, size)
    return found


async def public_keys(database: Database) -> list[bytes]:
    """The keys that checkpoints were signed with, newest first. For lists: whoever verifies pins theirs elsewhere."""
    async with database.transaction("reader") as connection:
        cursor = await connection.execute(
            "SELECT public_key FROM indelible.signers ORDER BY first_used_at DESC, public_key"
        )
        return [key for (key,) in cast("list[tuple[bytes]]", await cursor.fetchall())]


async def _one(database: Database, tenant: str, which: str, size: int = 0) -> Signed | None:
    query = f"SELECT size, note, signed_at FROM indelible.checkpoints WHERE tenant_id = %(tenant)s {which}"  # noqa: S608
    async with database.transaction("reader", tenant) as connection:
        cursor = await connection.execute(query.encode(), {"tenant": tenant, "size": size})
        return _signed(await cursor.fetchone())


def _signed(row: Sequence[object] | None) -> Signed | None:
    if row is None:
        return None
    size, note, signed_at = cast("tuple[int, str, datetime]", row)
    return Signed(size, note, signed_at.astimezone(UTC))


# --- for operators


class Refusal(NamedTuple):
    """A ledger that is not signed now."""

    tenant_id: str
    """'' where there is a checkpoint in the archive, and no ledger of its origin."""
    origin: str
    reason: str
    since: datetime


async def refusals(database: Database) -> list[Refusal]:
    async with database.transaction("control") as connection:
        return await refused(connection)


# --- for the signer, in its own transactions


class MissingLeaves(Exception):
    """Hashes of the tree are not stored that would have to be."""


class Ledger(NamedTuple):
    """A ledger's own row."""

    tenant: str
    origin: str
    size: int
    head: bytes | None
    frontier: bytes


_LEDGER = "l.tenant_id, l.origin, l.size, l.head, l.frontier"
_LAST = """
    SELECT c.size, c.note, c.signed_at FROM indelible.checkpoints c WHERE c.tenant_id = {} ORDER BY c.size DESC LIMIT 1
"""
_WITH_LAST = f"FROM indelible.ledgers l LEFT JOIN LATERAL ({_LAST.format('l.tenant_id')}) c ON true"
_EVERY = f"SELECT {_LEDGER}, c.size, c.note, c.signed_at {_WITH_LAST} ORDER BY l.tenant_id"
_GROWN = f"""
    SELECT l.tenant_id, l.size - coalesce(c.size, 0), coalesce(c.size, 0) {_WITH_LAST}
    WHERE l.size <> coalesce(c.size, 0) OR c.signed_at > now() - interval '2 minutes'
    ORDER BY 2, 1
"""

_NAMESAKE = f"""
    SELECT l.tenant_id {_WITH_LAST}
    WHERE l.origin = %(origin)s AND l.tenant_id <> %(tenant)s
      AND CASE WHEN starts_with(c.note, %(origin)s || E'\\n') THEN c.size ELSE 0 END >= %(signed)s
    LIMIT 1
"""

# A step for each tenant, and not for each checkpoint.
_WITH_CHECKPOINTS = """
    WITH RECURSIVE signed AS (
        SELECT min(tenant_id) AS tenant_id FROM indelible.checkpoints
        UNION ALL
        SELECT (SELECT min(c.tenant_id) FROM indelible.checkpoints c WHERE c.tenant_id > s.tenant_id)
        FROM signed s WHERE s.tenant_id IS NOT NULL
    )
    SELECT s.tenant_id FROM signed s WHERE s.tenant_id IS NOT NULL
"""
_VANISHED = f"""
    {_WITH_CHECKPOINTS} AND NOT EXISTS (SELECT FROM indelible.ledgers l WHERE l.tenant_id = s.tenant_id)
"""

# The first checkpoint and the last: nobody but the owner of the table can put one before the first.
_SIGNED_NAMESAKE = f"""
    {_WITH_CHECKPOINTS} AND s.tenant_id <> %(tenant)s AND EXISTS (
        SELECT FROM (
            (SELECT note FROM indelible.checkpoints c WHERE c.tenant_id = s.tenant_id AND c.previous = 0)
            UNION ALL
            (SELECT note FROM indelible.checkpoints c WHERE c.tenant_id = s.tenant_id ORDER BY c.size DESC LIMIT 1)
        ) n WHERE starts_with(n.note, %(origin)s || E'\\n')
    ) LIMIT 1
"""  # noqa: S608 - the names are ours

_LEAVES = """
    SELECT seq, leaf_hash FROM indelible.events
    WHERE tenant_id = %(tenant)s AND seq >= %(start)s AND seq < %(stop)s ORDER BY seq
"""

_CHUNK = 4096
"""Leaves that are read at once."""


async def ledger(connection: Connection, tenant: str) -> Ledger | None:
    cursor = await connection.execute(
        f"SELECT {_LEDGER} FROM indelible.ledgers l WHERE l.tenant_id = %s".encode(),  # noqa: S608
        (tenant,),
    )
    row = await cursor.fetchone()
    return Ledger(*cast("Ledger", row)) if row else None


async def last(connection: Connection, tenant: str) -> Signed | None:
    """The tenant's latest checkpoint, as the transaction sees it."""
    return _signed(await (await connection.execute(_LAST.format("%s").encode(), (tenant,))).fetchone())


async def every_ledger(connection: Connection) -> AsyncIterator[tuple[Ledger, Signed | None]]:
    """All ledgers, each with its latest checkpoint, by tenant."""
    async with connection.cursor("ledgers", binary=True) as cursor:
        await cursor.execute(_EVERY.encode())
        while rows := await cursor.fetchmany(500):
            for row in rows:
                yield Ledger(*cast("Ledger", row[:5])), _signed(row[5:]) if row[5] is not None else None


class Grown(NamedTuple):
    tenant: str
    entries: int
    """By how many its ledger grew since it was signed; less than 0 where it became smaller."""
    signed: int
    """How many entries were signed last."""


async def grown(connection: Connection) -> list[Grown]:
    """The ledgers that are not of the size that was signed last, and those signed a moment ago; least first."""
    rows = await (await connection.execute(_GROWN.encode())).fetchall()
    return [Grown(*cast("Grown", row)) for row in rows]


async def namesake(connection: Connection, ledger: Ledger, signed: int) -> str | None:
    """Another tenant under whose ledger's name, which is this ledger's, at least as many entries were signed.

    `signed` entries were of this ledger; while it has none, whoever has the name as well is such a tenant.
    """
    parameters = {"tenant": ledger.tenant, "origin": ledger.origin, "signed": signed}
    for query in (_NAMESAKE,) if signed else (_NAMESAKE, _SIGNED_NAMESAKE):
        if (row := await (await connection.execute(query.encode(), parameters)).fetchone()) is not None:
            return cast("str", row[0])
    return None


async def vanished(connection: Connection) -> list[str]:
    """The tenants of whom there are checkpoints, and no ledger."""
    rows = await (await connection.execute(_VANISHED.encode())).fetchall()
    return [tenant for (tenant,) in cast("list[tuple[str]]", rows)]


async def leaves(connection: Connection, tenant: str, start: int, stop: int) -> AsyncIterator[list[bytes]]:
    """The leaf hashes of the entries from `start` up to, but not including, `stop`, in chunks.

    Raises `MissingLeaves` where one is missing, or there are two of one number.
    """
    async with connection.cursor("leaves", binary=True) as cursor:
        await cursor.execute(_LEAVES.encode(), {"tenant": tenant, "start": start, "stop": stop})
        while rows := cast("list[tuple[int, bytes]]", await cursor.fetchmany(_CHUNK)):
            expected = range(start, start + len(rows))
            if (wrong := next((e for (seq, _), e in zip(rows, expected, strict=True) if seq != e), None)) is not None:
                raise MissingLeaves(f"entry {wrong} is missing, or is there twice")
            yield [leaf for _, leaf in rows]
            start += len(rows)
    if start != stop:
        raise MissingLeaves(f"entry {start} is missing")


async def insert(connection: Connection, tenant: str, previous: int, size: int, note: str) -> Signed:
    """Stores the checkpoint that follows that of `previous` entries.

    Raises `psycopg.errors.UniqueViolation` where another signer was quicker.
    """
    cursor = await connection.execute(
        "INSERT INTO indelible.checkpoints (tenant_id, size, previous, note) VALUES (%s, %s, %s, %s) "
        "RETURNING size, note, signed_at",
        (tenant, size, previous, note),
    )
    signed = _signed(await cursor.fetchone())
    assert signed is not None
    return signed


async def save_public_keys(connection: Connection, keys: Sequence[bytes]) -> None:
    """Records keys that sign from now on; newest first."""
    for key in reversed(keys):
        await connection.execute(
            "INSERT INTO indelible.signers (public_key) VALUES (%s) ON CONFLICT (public_key) DO NOTHING", (key,)
        )


async def refuse(connection: Connection, tenant: str, origin: str, reason: str) -> None:
    """Records, for people, that this ledger is not signed, and why."""
    await connection.execute(
        "INSERT INTO indelible.refusals (tenant_id, origin, reason) VALUES (%s, %s, %s) "
        "ON CONFLICT (tenant_id, origin) DO UPDATE SET reason = EXCLUDED.reason "
        "WHERE refusals.reason IS DISTINCT FROM EXCLUDED.reason",
        (tenant, origin, reason),
    )


async def unrefuse(connection: Connection, tenant: str, origin: str | None = None) -> None:
    """The tenant's ledger is signed again; for '', the ledger of `origin` is there again."""
    await connection.execute(
        "DELETE FROM indelible.refusals WHERE tenant_id = %s AND origin = coalesce(%s, origin)", (tenant, origin)
    )


async def refused(connection: Connection) -> list[Refusal]:
    cursor = await connection.execute(
        "SELECT tenant_id, origin, reason, since FROM indelible.refusals ORDER BY tenant_id, origin"
    )
    rows = cast("list[tuple[str, str, str, datetime]]", await cursor.fetchall())
    return [Refusal(tenant, origin, reason, since.astimezone(UTC)) for tenant, origin, reason, since in rows]
