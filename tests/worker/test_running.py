"""The signer as it runs: at once when asked, and through whatever happens to PostgreSQL."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from structlog.testing import capture_logs

from indelible.archive import open_archive
from indelible.catalog import Catalog
from indelible.ledger.signing import SigningKey
from indelible.store import checkpoints
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.errors import StoreUnavailable
from indelible.store.intake import Intake
from indelible.store.session import Database as Connections
from indelible.worker import requests
from indelible.worker.signer import Signer
from tests.conftest import Cluster
from tests.postgres import Database
from tests.worker.signing import KEY, Bench, until

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def running(signer: Signer) -> AsyncIterator[asyncio.Task[None]]:
    stop = asyncio.Event()
    task = asyncio.create_task(signer.run(stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait_for(task, 15)


async def test_it_signs_what_grows_until_it_is_stopped(bench: Bench) -> None:
    async with running(bench.signer()) as task:
        for _ in range(3):
            await bench.grow("acme", 1)
            size = bench.size("acme")
            await until(lambda size=size: bench.sizes("acme") and bench.sizes("acme")[-1][0] == size)
        assert not task.done()
    await bench.grow("acme", 1)
    await asyncio.sleep(0.3)
    assert bench.sizes("acme")[-1][0] == bench.size("acme") - 1


async def test_it_signs_at_once_when_it_is_asked(bench: Bench) -> None:
    """Whoever asks gets the checkpoint that holds the entry, long before the next round."""
    await bench.grow("acme", 1)
    async with running(bench.signer(interval=3600)):
        await until(lambda: bench.sizes("acme") == [(2, 0)])
        for size in (3, 4, 5):
            await bench.grow("acme", 1)
            signed = await checkpoints.wait_for(bench.connections, "acme", size, timedelta(seconds=5))
            assert signed is not None
            assert signed.size == size
        await checkpoints.request(bench.connections, "nobody")
        await checkpoints.request(bench.connections, "")
        await bench.grow("globex", 1)
        assert await checkpoints.wait_for(bench.connections, "globex", 2, timedelta(seconds=5))


async def test_whoever_asks_often_gets_a_checkpoint_a_second(bench: Bench) -> None:
    """Each is kept for ever. The last one covers everything all the same."""
    await bench.grow("acme", 1)
    loop = asyncio.get_running_loop()
    async with running(bench.signer(interval=3600)):
        await until(lambda: bench.sizes("acme") == [(2, 0)])
        began = loop.time()
        while loop.time() - began < 2.2:
            await bench.grow("acme", 1)
            await checkpoints.request(bench.connections, "acme")
            await asyncio.sleep(0.02)
        size = bench.size("acme")
        assert await checkpoints.wait_for(bench.connections, "acme", size, timedelta(seconds=5))
        passed = loop.time() - began
    assert 3 <= len(bench.sizes("acme")) <= passed + 3


async def test_what_nobody_can_have_meant_is_not_waited_for(bench: Bench) -> None:
    """Whoever can log in may say anything on the channel: others are served all the same."""
    signer = bench.signer(interval=3600)
    async with running(signer):
        await bench.grow("acme", 1)
        await until(lambda: signer._connected.is_set() and signer._is_prepared)
        with psycopg.connect(bench.database.url, autocommit=True) as noise:
            noise.execute("SELECT pg_notify('indelible_sign', repeat('x', 7000) || g) FROM generate_series(1, 500) g")
            noise.execute("SELECT pg_notify('indelible_sign', 'nobody-' || g) FROM generate_series(1, 50) g")
        await bench.grow("acme", 1)
        assert await checkpoints.wait_for(bench.connections, "acme", 3, timedelta(seconds=5))


async def test_requests_come_in_order_and_one_ledger_not_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "_INTERVAL", 0.2)
    asked = requests.Requests()
    for tenant in ("c", "a", "b", "a", "", "no tenant", "x" * 129, "a\n"):
        asked.add(tenant)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await asked.next() == "c"
    asked.add("c")
    assert [await asked.next() for _ in range(2)] == ["a", "b"]
    assert loop.time() - began < 0.15, "nobody waits for the one who had a turn"
    assert await asked.next() == "c"
    assert loop.time() - began >= 0.2
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asked.next(), 0.1)


def test_no_more_wait_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "_MOST", 3)
    asked = requests.Requests()
    for number in range(9):
        asked.add(f"tenant-{number}")
    assert len(asked) == 3


async def test_waiting_ends_where_nobody_signs(bench: Bench) -> None:
    await bench.grow("acme", 1)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await checkpoints.wait_for(bench.connections, "acme", 1, timedelta(seconds=0.5)) is None
    assert 0.4 < loop.time() - began < 3


def lock_out(database: Database) -> None:
    """Ends every session of the database, and lets nobody in."""
    with psycopg.connect(database.admin_url.replace(database.name, "postgres"), autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false".encode())
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database.name,))


def let_in(database: Database) -> None:
    with psycopg.connect(database.admin_url.replace(database.name, "postgres"), autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true".encode())


async def test_it_survives_a_postgresql_that_is_away(bench: Bench) -> None:
    await bench.grow("acme", 1)
    signer = bench.signer(interval=0.1)
    with capture_logs() as logs:
        async with running(signer) as task:
            await until(lambda: bench.sizes("acme") == [(2, 0)])
            for _ in range(2):
                lock_out(bench.database)
                await until(lambda: not signer._is_prepared)
                with pytest.raises(StoreUnavailable):
                    await signer.sign("acme")
                await asyncio.sleep(0.5)
                assert not task.done()
                let_in(bench.database)
                await bench.grow("acme", 1)
                size = bench.size("acme")
                await until(lambda size=size: bench.sizes("acme")[-1][0] == size)
            # It hears who asks again as well.
            await bench.grow("globex", 1)
            assert await checkpoints.wait_for(bench.connections, "globex", 2, timedelta(seconds=5))
    assert any(each["event"] == "the connection to PostgreSQL was lost" for each in logs)
    assert await bench.refusals() == []


async def test_it_waits_for_a_postgresql_that_is_not_there_yet(bench: Bench) -> None:
    lock_out(bench.database)
    async with running(bench.signer()) as task:
        await asyncio.sleep(0.5)
        assert not task.done()
        let_in(bench.database)
        await bench.grow("acme", 1)
        await until(lambda: bench.sizes("acme") == [(2, 0)])


async def test_it_stops_while_postgresql_is_away(bench: Bench) -> None:
    lock_out(bench.database)
    async with running(bench.signer()):
        await asyncio.sleep(0.3)
    let_in(bench.database)


async def test_a_backup_restored_while_it_runs(
    cluster: Cluster, database: Database, catalog: Catalog, tmp_path: Path
) -> None:
    """This signer saw the first entries only, another one signed the rest: when PostgreSQL comes back, from a backup,
    it asks the archive before it signs."""
    archive = open_archive(str(tmp_path), retention=timedelta(days=1))
    async with opened(database, catalog) as bench:
        await bench.grow("acme", 1)
        await bench.signer(archive=archive).sign_changed()
    dump = cluster.databases.clone(database)
    async with opened(database, catalog) as bench:
        signer = bench.signer(archive=archive, interval=0.1)
        await signer.sign_changed()
        assert signer._memory.seen[bench.origin("acme")].ledger.size == 2
        await bench.grow("acme", 5)
        other = bench.signer(archive=archive)
        await other.sign_changed()
        await other.publish()
        cluster.databases.drop(database)
        with psycopg.connect(database.admin_url.replace(database.name, "postgres"), autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {database.name} TEMPLATE {dump.name}".encode())
        await bench.grow("acme", 9)
        async with running(signer):

            async def is_refused() -> bool:
                return "acme" in dict(await bench.refusals())

            await until(is_refused)
        ((_, reason),) = await bench.refusals()
        assert "archive" in reason
        assert bench.sizes("acme") == [(2, 0)]
    cluster.databases.drop(dump)


@asynccontextmanager
async def opened(database: Database, catalog: Catalog) -> AsyncIterator[Bench]:
    async with Connections.open(database.url) as connections, Appender.open(connections, Rules(catalog)) as appender:
        yield Bench(database, connections, appender, Intake(catalog), catalog)


async def test_a_ledger_that_somebody_holds_locked_does_not_hold_up_the_others(bench: Bench) -> None:
    """Another signer froze just before it committed."""
    for tenant in ("a", "b"):
        await bench.grow(tenant, 1)
    signed = await bench.signer().sign("a")
    await bench.grow("a", 1)
    with psycopg.connect(bench.database.admin_url) as frozen:
        frozen.execute(
            "INSERT INTO indelible.checkpoints (tenant_id, size, previous, note) VALUES ('a', 3, 2, %s)", (signed.note,)
        )
        signer = bench.signer()
        assert await signer.sign_changed() == 1
        frozen.rollback()
        assert await signer.sign_changed() == 1
    assert [bench.sizes(tenant) for tenant in "ab"] == [[(2, 0), (3, 2)], [(2, 0)]]


_SIGNING_PROCESS = """
import asyncio, sys
from datetime import timedelta
from indelible.archive import open_archive
from indelible.catalog import Catalog
from indelible.ledger.signing import SigningKey
from indelible.store.append import Rules
from indelible.store.session import Database
from indelible.worker.signer import Signer

async def main(url, key, where):
    async with Database.open(url) as database:
        archive = open_archive(where, retention=timedelta(days=1))
        interval = timedelta(seconds=0.01)
        signer = Signer(database, Rules(Catalog.load()), [SigningKey.parse(key)], archive,
                        interval=interval, archive_interval=interval)
        await signer.run(asyncio.Event())

asyncio.run(main(*sys.argv[1:]))
"""


async def test_killed_at_any_moment_it_leaves_a_chain_that_goes_on(bench: Bench, tmp_path: Path) -> None:
    """SIGKILL, again and again, while two of them sign the same ledgers."""
    command = [sys.executable, "-c", _SIGNING_PROCESS, bench.database.url, KEY.pem(), str(tmp_path)]
    for _ in range(3):
        processes = [await asyncio.create_subprocess_exec(*command) for _ in range(2)]
        growing = asyncio.create_task(keep_growing(bench))
        enough = len(bench.sizes("acme")) + 4
        await until(lambda enough=enough: len(bench.sizes("acme")) >= enough, 30)
        for process in processes:
            process.kill()
            await process.wait()
        growing.cancel()
    await bench.grow("acme", 1)
    archive = open_archive(str(tmp_path), retention=timedelta(days=1))
    signer = bench.signer(archive=archive)
    await signer.sign_changed()
    await signer.publish()
    assert await bench.refusals() == []
    sizes = bench.sizes("acme")
    assert sizes[-1][0] == bench.size("acme")
    assert [previous for _, previous in sizes] == [0, *[size for size, _ in sizes[:-1]]]
    assert [each.size async for each in archive.latest({})] == [sizes[-1][0]]


async def keep_growing(bench: Bench) -> None:
    while True:
        await bench.grow("acme", 1)
        await asyncio.sleep(0.02)


async def test_the_first_start_with_a_new_key_announces_it_in_idle_ledgers_too(bench: Bench) -> None:
    old, new = SigningKey.generate(), SigningKey.generate()
    for tenant in ("acme", "globex"):
        await bench.grow(tenant, 1)
    await bench.signer(old).sign_changed()
    async with running(bench.signer(new, old)):
        await until(lambda: bench.sizes("acme") == bench.sizes("globex") == [(2, 0), (3, 2)])
    assert bench.actions("globex") == ["ledger.created", "ledger.key_rotated"]
