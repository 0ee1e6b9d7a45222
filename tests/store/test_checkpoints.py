"""Checkpoints as they are stored: who reads which, in what order they come, and what the signer reads of a ledger."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import psycopg
import pytest

from indelible.ledger.tree import Frontier
from indelible.store import checkpoints, proofs
from indelible.store.appender import Appender
from indelible.store.checkpoints import MissingLeaves, Signed
from indelible.store.intake import Intake
from indelible.store.session import Connection
from indelible.store.session import Database as Connections
from tests.postgres import Database
from tests.store.samples import as_superuser, rows, send, take

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def signing(connections: Connections, tenant: str) -> AsyncIterator[Connection]:
    async with connections.transaction("signer", tenant, snapshot=True) as connection:
        yield connection


async def store(connections: Connections, tenant: str, *sizes: int) -> list[Signed]:
    """Checkpoints whose notes say their size and no more."""
    stored = []
    for previous, size in zip((0, *sizes[:-1]), sizes, strict=True):
        async with signing(connections, tenant) as connection:
            stored.append(await checkpoints.insert(connection, tenant, previous, size, f"note of {size}"))
    return stored


@pytest.fixture
async def tenant(appender: Appender, intake: Intake, tenants: list[str]) -> str:
    """One whose ledger has 700 entries, beside a neighbour's."""
    await send(appender, *[take(intake, tenants[0]) for _ in range(699)])
    await send(appender, take(intake, tenants[1]))
    return tenants[0]


async def test_the_latest_and_the_earliest_that_is_large_enough(connections: Connections, tenants: list[str]) -> None:
    mine, other, nobody = tenants
    three, nine, twenty = await store(connections, mine, 3, 9, 20)
    await store(connections, other, 7)
    assert await checkpoints.latest(connections, mine) == twenty
    assert await checkpoints.latest(connections, nobody) is None
    expected = {0: three, 3: three, 4: nine, 9: nine, 10: twenty, 20: twenty, 21: None}
    assert {size: await checkpoints.at_least(connections, mine, size) for size in expected} == expected
    assert three.note == "note of 3"
    assert three.signed_at.utcoffset() == timedelta()


async def test_of_two_that_follow_the_same_checkpoint_one_wins(connections: Connections, tenants: list[str]) -> None:
    mine = tenants[0]
    (three,) = await store(connections, mine, 3)

    async def lose() -> None:
        async with signing(connections, mine) as late:
            assert await checkpoints.last(late, mine) == three
            async with signing(connections, mine) as early:
                await checkpoints.insert(early, mine, 3, 5, "x")
            assert await checkpoints.last(late, mine) == three, "it sees one moment"
            await checkpoints.insert(late, mine, 3, 6, "y")

    with pytest.raises(psycopg.errors.UniqueViolation):
        await lose()
    with pytest.raises(psycopg.errors.UniqueViolation):
        async with signing(connections, mine) as late:
            await checkpoints.insert(late, mine, 0, 6, "y")
    with pytest.raises(psycopg.errors.CheckViolation):
        async with signing(connections, mine) as late:
            await checkpoints.insert(late, mine, 5, 5, "y")


async def test_a_checkpoint_is_stored_for_the_tenant_that_is_set(connections: Connections, tenants: list[str]) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with signing(connections, tenants[0]) as connection:
            await checkpoints.insert(connection, tenants[1], 0, 5, "x")


async def test_waiting_for_a_checkpoint(connections: Connections, tenants: list[str], database: Database) -> None:
    """It is asked for, once, and found when it is there."""
    mine = tenants[0]
    async with await psycopg.AsyncConnection.connect(database.url, autocommit=True) as hearing:
        await hearing.execute(f"LISTEN {checkpoints.CHANNEL}".encode())
        waiting = asyncio.create_task(checkpoints.wait_for(connections, mine, 5, timedelta(seconds=10)))
        heard = [notice.payload async for notice in hearing.notifies(timeout=10, stop_after=1)]
        assert heard == [mine]
        await store(connections, mine, 4)
        await asyncio.sleep(0.2)
        assert not waiting.done()
        async with signing(connections, mine) as connection:
            six = await checkpoints.insert(connection, mine, 4, 6, "x")
        assert await waiting == six
        assert await checkpoints.wait_for(connections, mine, 5, timedelta()) == six
        assert [notice.payload async for notice in hearing.notifies(timeout=0.3)] == [], "it was there already"


async def test_keys_are_listed_newest_first(connections: Connections, database: Database) -> None:
    keys = [bytes([n]) * 32 for n in range(3)]
    for newest in (keys[:1], keys[1::-1], keys[1::-1], keys[2:]):
        async with connections.transaction("signer") as connection:
            await checkpoints.save_public_keys(connection, newest)
    assert await checkpoints.public_keys(connections) == keys[::-1]
    as_superuser(database, "DELETE FROM indelible.signers")


async def test_two_keys_that_are_new_at_once(connections: Connections, database: Database) -> None:
    keys = [b"n" * 32, b"o" * 32]
    async with connections.transaction("signer") as connection:
        await checkpoints.save_public_keys(connection, keys)
    assert await checkpoints.public_keys(connections) == keys
    as_superuser(database, "DELETE FROM indelible.signers")


async def test_refusals_are_listed_once_and_go(connections: Connections, tenants: list[str]) -> None:
    mine = tenants[0]
    for reason in ("first", "second"):
        async with connections.transaction("signer") as connection:
            await checkpoints.refuse(connection, mine, "o", reason)
    for origin in ("p", "q"):
        async with connections.transaction("signer") as connection:
            await checkpoints.refuse(connection, "", origin, "gone")
    listed = await checkpoints.refusals(connections)
    assert [(each.tenant_id, each.origin, each.reason) for each in listed] == [
        ("", "p", "gone"), ("", "q", "gone"), (mine, "o", "second"),
    ]  # fmt: skip
    async with connections.transaction("signer") as connection:
        await checkpoints.unrefuse(connection, "", "p")
        await checkpoints.unrefuse(connection, mine)
        assert [each.origin for each in await checkpoints.refused(connection)] == ["q"]
        await checkpoints.unrefuse(connection, "")


async def read_leaves(connections: Connections, tenant: str, start: int, stop: int) -> list[list[bytes]]:
    async with signing(connections, tenant) as connection:
        return [chunk async for chunk in checkpoints.leaves(connection, tenant, start, stop)]


@pytest.mark.parametrize(("start", "stop"), [(0, 700), (0, 0), (255, 257), (699, 700), (700, 700), (3, 4)])
async def test_leaves_are_read_in_order_and_of_one_tenant(
    connections: Connections, database: Database, tenant: str, start: int, stop: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(checkpoints, "_CHUNK", 100)
    query = "SELECT leaf_hash FROM indelible.events WHERE tenant_id = %s AND seq >= %s AND seq < %s ORDER BY seq"
    expected = [leaf for (leaf,) in rows(database, query, tenant, start, stop)]
    chunks = await read_leaves(connections, tenant, start, stop)
    assert [leaf for chunk in chunks for leaf in chunk] == expected
    assert all(len(chunk) <= 100 for chunk in chunks)


@pytest.mark.parametrize("seq", [0, 99, 100, 350, 699])
async def test_leaves_that_are_missing(
    connections: Connections, database: Database, tenant: str, seq: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_CHUNK", 100)
    as_superuser(database, "DELETE FROM indelible.events WHERE tenant_id = %(t)s AND seq = %(seq)s", t=tenant, seq=seq)
    with pytest.raises(MissingLeaves, match=f"entry {seq} is missing"):
        await read_leaves(connections, tenant, 0, 700)


async def test_leaves_that_are_there_twice(connections: Connections, database: Database, tenant: str) -> None:
    as_superuser(
        database,
        "UPDATE indelible.events SET seq = 8, recorded_at = recorded_at + interval '1 us' "
        "WHERE tenant_id = %(t)s AND seq = 9",
        t=tenant,
    )
    with pytest.raises(MissingLeaves, match="entry 9 is missing, or is there twice"):
        await read_leaves(connections, tenant, 0, 700)


async def test_the_signer_finds_its_way_from_stored_rows(
    connections: Connections, tenant: str, database: Database
) -> None:
    """As the role that it is, which sees nothing of an entry but its hash."""
    query = "SELECT leaf_hash FROM indelible.events WHERE tenant_id = %s ORDER BY seq"
    frontier = Frontier()
    frontier.extend(leaf for (leaf,) in rows(database, query, tenant))
    async with signing(connections, tenant) as connection:
        assert b"".join(await proofs.left(connection, tenant, 700)) == bytes(frontier)
        ledger = await checkpoints.ledger(connection, tenant)
        assert ledger is not None
        assert (ledger.tenant, ledger.size, ledger.frontier) == (tenant, 700, bytes(frontier))
        for column in ("entry", "action", "actor_id"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                async with connection.transaction(force_rollback=True):
                    await connection.execute(f"SELECT {column} FROM indelible.events".encode())


async def test_what_grew_and_what_vanished(
    connections: Connections, database: Database, appender: Appender, intake: Intake, tenants: list[str]
) -> None:
    first, second, third = tenants
    for tenant, entries in ((first, 9), (second, 2), (third, 4)):
        await send(appender, *[take(intake, tenant) for _ in range(entries)])
    await store(connections, third, 2, 5)
    await store(connections, first, 3)
    await store(connections, f"{first}-gone", 1, 2, 3)

    async def grown() -> list[tuple[str, int, int]]:
        async with connections.transaction("signer") as connection:
            return [each for each in await checkpoints.grown(connection) if each[0] in tenants]

    assert await grown() == [(third, 0, 5), (second, 3, 0), (first, 7, 3)]
    # A ledger that became smaller is to be looked at, too.
    await store(connections, second, 30)
    assert await grown() == [(second, -27, 30), (third, 0, 5), (first, 7, 3)]
    # Nor is it one that was signed a while ago.
    as_superuser(
        database, "UPDATE indelible.checkpoints SET signed_at = now() - interval '1 h' WHERE tenant_id = %(t)s", t=third
    )
    assert await grown() == [(second, -27, 30), (first, 7, 3)]
    async with signing(connections, first) as connection:
        assert [each for each in await checkpoints.vanished(connection) if first in each] == [f"{first}-gone"]
        sizes = {
            ledger.tenant: (ledger.size, last.size if last else None)
            async for ledger, last in checkpoints.every_ledger(connection)
        }
    assert [sizes[tenant] for tenant in tenants] == [(10, 3), (3, 30), (5, 5)]
    assert rows(database, "SELECT count(*) FROM indelible.ledgers") == [(len(sizes),)]
