"""The archive remembers what a database forgot: a restored backup must not become a second history."""

import asyncio
import os
import re
import socket
import stat
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from indelible.archive import Archive, ArchiveUnavailable, open_archive
from indelible.catalog import Catalog
from indelible.ledger.checkpoint import MAX_SIZE, Checkpoint
from indelible.ledger.signing import SigningKey, sign_checkpoint
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.checkpoints import latest
from indelible.store.intake import Intake
from indelible.store.session import Database as Connections
from tests.archive.seaweed import Server
from tests.conftest import Cluster
from tests.postgres import Database
from tests.store.tampering import Ledger
from tests.worker.signing import KEY, Bench, until

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)


@pytest.fixture(params=["directory", "s3"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "directory":
        return str(tmp_path)
    server: Server = request.getfixturevalue("s3")
    return server.bucket().where


@pytest.fixture
def archive(where: str) -> Archive:
    return open_archive(where, retention=DAY)


async def published(archive: Archive) -> dict[str, int]:
    return {each.origin: each.size async for each in archive.latest({})}


@asynccontextmanager
async def opened(database: Database, catalog: Catalog) -> AsyncIterator[Bench]:
    async with Connections.open(database.url) as connections, Appender.open(connections, Rules(catalog)) as appender:
        yield Bench(database, connections, appender, Intake(catalog), catalog)


@pytest.fixture
async def dump(cluster: Cluster, database: Database, catalog: Catalog, archive: Archive) -> AsyncIterator[Database]:
    """A backup of `database`, in which acme has 4 entries and globex 2. In `database` acme has 9 by now, signed and
    published; and there is initech."""
    async with opened(database, catalog) as bench:
        await bench.grow("acme", 3)
        await bench.grow("globex", 1)
        signer = bench.signer(archive=archive)
        assert await signer.sign_changed() == 2
        await signer.publish()
    clone = cluster.databases.clone(database)
    async with opened(database, catalog) as bench:
        await bench.grow("acme", 5)
        await bench.grow("initech", 1)
        signer = bench.signer(archive=archive)
        assert await signer.sign_changed() == 2
        await signer.publish()
        assert await published(archive) == {
            bench.origin("acme"): 9, bench.origin("globex"): 2, bench.origin("initech"): 2,
        }  # fmt: skip
    yield clone
    cluster.databases.drop(clone)


async def test_a_restored_backup_is_not_signed(dump: Database, catalog: Catalog, archive: Archive) -> None:
    """Neither as it is, nor when it grows past what was signed. What the backup has whole goes on."""
    async with opened(dump, catalog) as bench:
        await bench.grow("globex", 1)
        signer = bench.signer(archive=archive)
        refused = await bench.refused(signer, "acme")
        assert refused.kind == "archive_ahead"
        assert "has 4 entries, and the archive a checkpoint of 9" in refused.reason
        assert re.search(r"acme|/[0-9A-Z]{26}/0{19}9\.checkpoint\)", refused.reason), "the file is named"
        assert bench.sizes("globex") == [(2, 0), (3, 2)]
        assert bench.sizes("acme") == [(4, 0)]
        missing = [reason for tenant, reason in await bench.refusals() if tenant == ""]
        assert len(missing) == 1
        assert "the ledger is gone, and the archive has a checkpoint of 2 entries" in missing[0]
        listed = " ".join(reason for _, reason in await bench.refusals())
        assert ".checkpoint" not in listed, "everybody reads it at /readyz"
        # Later it has more entries than were signed, and others.
        await bench.grow("acme", 20)
        for each in (signer, bench.signer(archive=archive)):
            refused = await bench.refused(each, "acme")
            assert refused.kind == "archive_differs"
            assert "first 9 entries" in refused.reason
        assert bench.actions("acme", "ledger.incident") == ["ledger.incident"] * 2, "one of each kind"


async def test_without_the_archive_nobody_could_tell(dump: Database, catalog: Catalog) -> None:
    """What the archive is for: to the database itself a restored backup is as good as new."""
    async with opened(dump, catalog) as bench:
        await bench.grow("acme", 20)
        assert await bench.signer().sign_changed() == 1


@pytest.mark.usefixtures("dump")
async def test_a_backup_from_between_the_entries_and_their_checkpoint(
    database: Database, catalog: Catalog, archive: Archive
) -> None:
    """The archive is ahead of the checkpoints, and the entries are all there: it goes on from where it is."""
    async with opened(database, catalog) as bench:
        bench.tamper("DELETE FROM indelible.checkpoints WHERE tenant_id = 'acme' AND size = 9")
        signer = bench.signer(archive=archive)
        assert await signer.sign_changed() == 1
        assert await bench.refusals() == []
        assert bench.sizes("acme") == [(4, 0), (9, 4)]
        await signer.publish()
        await bench.grow("acme", 1)
        assert (await signer.sign("acme")).size == 10


async def test_the_archive_is_read_before_anything_is_signed(
    database: Database, catalog: Catalog, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(database, catalog) as bench:
        await bench.grow("acme", 3)

        async def fail(_: object) -> None:
            raise ArchiveUnavailable("it is away")

        with monkeypatch.context() as patch:
            patch.setattr(type(archive), "check", fail)
            signer = bench.signer(archive=archive)
            for attempt in (signer.sign_changed(), signer.sign("acme")):
                with pytest.raises(ArchiveUnavailable):
                    await attempt
        assert bench.sizes("acme") == []
        assert await signer.sign_changed() == 1


async def test_killed_between_signing_and_publishing(database: Database, catalog: Catalog, archive: Archive) -> None:
    """The next start publishes what is the latest then."""
    async with opened(database, catalog) as bench:
        await bench.grow("acme", 1)
        assert await bench.signer(archive=archive).sign_changed() == 1
        assert await published(archive) == {}
        signer = bench.signer(archive=archive)
        assert await signer.sign_changed() == 0
        await signer.publish()
        assert await published(archive) == {bench.origin("acme"): 2}
        await signer.publish()


async def test_another_checkpoint_in_the_archive(database: Database, catalog: Catalog, archive: Archive) -> None:
    """Two histories were signed with our key, and the archive has the other: from then on nothing is signed."""
    async with opened(database, catalog) as bench:
        await bench.grow("acme", 4)
        other = sign_checkpoint(Checkpoint(bench.origin("acme"), 5, b"x" * 32), [KEY])
        signer = bench.signer(archive=archive)
        await signer.sign_changed()
        await archive.put(bench.origin("acme"), 5, other)
        await signer.publish()
        await bench.grow("acme", 1)
        for each in (signer, bench.signer(archive=archive)):
            assert (await bench.refused(each, "acme")).kind == "archive_differs"


@pytest.mark.parametrize("what", ["of_another_key", "no_note"])
async def test_what_is_in_the_archive_and_none_of_ours(
    database: Database, catalog: Catalog, archive: Archive, what: str
) -> None:
    """It hides what is below: the ledger is not signed until somebody has looked."""
    async with opened(database, catalog) as bench:
        await bench.grow("acme", 1)
        await bench.grow("globex", 1)
        origin = bench.origin("acme")
        stated = Checkpoint(origin, 40, b"x" * 32)
        await archive.put(
            origin, 40, sign_checkpoint(stated, [SigningKey.generate()]) if what == "of_another_key" else "x\n"
        )
        await archive.put(origin.replace("indelible.local", "somewhere.else"), 40, "x\n")
        with capture_logs() as logs:
            refused = await bench.refused(bench.signer(archive=archive), "acme")
        assert refused.kind == "foreign_key"
        assert f"{40:020}.checkpoint" in refused.reason
        assert [tenant for tenant, _ in await bench.refusals()] == ["acme"]
        assert bench.sizes("globex") == [(2, 0)]
        files = [each["file"] for each in logs if each["event"] == "a checkpoint in the archive is none of ours"]
        assert len(files) == 2


async def test_a_checkpoint_that_lies_in_the_wrong_place(
    database: Database, catalog: Catalog, archive: Archive
) -> None:
    """Signed by us, it counts for the ledger that it names; and that under whose name it lies is not signed until
    somebody has looked, since it may hide one there."""
    async with opened(database, catalog) as bench:
        for tenant in ("acme", "globex", "initech"):
            await bench.grow(tenant, 1)
        stated = Checkpoint(bench.origin("acme"), 40, b"x" * 32)
        await archive.put(bench.origin("globex"), 1, sign_checkpoint(stated, [KEY]))
        signer = bench.signer(archive=archive)
        assert (await bench.refused(signer, "acme")).kind == "archive_ahead"
        refused = await bench.refused(signer, "globex")
        assert refused.kind == "misfiled"
        assert "checkpoint of 1 entries is one of 40 entries" in refused.reason
        assert bench.sizes("initech") == [(2, 0)]


@pytest.mark.parametrize("of", ["acme", "globex"])
async def test_a_checkpoint_that_hides_the_newest_one(
    database: Database, catalog: Catalog, archive: Archive, of: str
) -> None:
    """A genuine older one, or another ledger's, under the largest number that there is: whoever can add to the archive
    must not get a history signed that contradicts what is beneath."""
    async with opened(database, catalog) as bench:
        signer = bench.signer(archive=archive)
        await bench.grow("acme", 4)
        await bench.grow("globex", 1)
        await signer.sign_changed()
        old = await latest(bench.connections, of)
        assert old is not None
        await bench.grow("acme", 5)
        await signer.sign_changed()
        await signer.publish()
        await archive.put(bench.origin("acme"), MAX_SIZE, old.note)
        Ledger("acme", "", database, bench.connections).rewrite(
            lambda seq, data: data.replace(b'"api"', b'"ui"') if seq == 7 else data
        )
        bench.tamper("DELETE FROM indelible.checkpoints WHERE tenant_id = 'acme' AND size > 5")
        await bench.grow("acme", 1)
        refused = await bench.refused(bench.signer(archive=archive), "acme")
        assert refused.kind == "misfiled"
        assert f"{MAX_SIZE:020}.checkpoint" in refused.reason
        assert await bench.signer(archive=archive).sign_changed() == 0
        assert [tenant for tenant, _ in await bench.refusals()] == ["acme"]
        await bench.grow("globex", 1)
        assert await bench.signer(archive=archive).sign_changed() == 1


async def test_a_checkpoint_that_lies_elsewhere_is_published_where_it_belongs(
    database: Database, catalog: Catalog, archive: Archive
) -> None:
    async with opened(database, catalog) as bench:
        await bench.grow("acme", 1)
        signed = await bench.signer().sign("acme")
        elsewhere = bench.origin("acme").replace("indelible.local", "somewhere.else")
        await archive.put(elsewhere, 9, signed.note)
        signer = bench.signer(archive=archive)
        await signer.sign_changed()
        await signer.publish()
        assert await published(archive) == {bench.origin("acme"): 2, elsewhere: 9}


@pytest.mark.parametrize("what", ["link", "directory", "socket"])
async def test_a_name_in_the_archive_that_is_no_file(bench: Bench, tmp_path: Path, what: str) -> None:
    """It stops the ledger under whose name it is, and no other; also when it lies where the next one has to go."""
    archive = open_archive(str(tmp_path), retention=DAY)
    for tenant in ("acme", "globex"):
        await bench.grow(tenant, 1)
    signer = bench.signer(archive=archive)
    await signer.sign_changed()
    await signer.publish()
    name = tmp_path / bench.origin("acme") / f"{3:020}.checkpoint"
    if what == "link":
        name.symlink_to("/nowhere")
    elif what == "directory":
        name.mkdir()
    else:
        os.mknod(name, stat.S_IFSOCK | 0o600)
    for tenant in ("acme", "globex"):
        await bench.grow(tenant, 1)
    await signer.sign_changed()
    await signer.publish()
    assert published_sizes(tmp_path / bench.origin("globex")) == [2, 3]
    await bench.grow("globex", 1)
    for each, kind in ((signer, "archive_differs"), (bench.signer(archive=archive), "foreign_key")):
        assert (await bench.refused(each, "acme")).kind == kind
    assert bench.sizes("globex") == [(2, 0), (3, 2), (4, 3)]


async def test_history_rewritten_before_what_the_archive_has(
    database: Database, catalog: Catalog, archive: Archive
) -> None:
    """Checkpoints removed and everything computed anew, so that the database itself knows of nothing."""
    async with opened(database, catalog) as bench:
        await bench.grow("acme", 5)
        signer = bench.signer(archive=archive)
        await signer.sign_changed()
        await signer.publish()
        Ledger("acme", "", database, bench.connections).rewrite(
            lambda seq, data: data.replace(b'"api"', b'"ui"') if seq == 2 else data
        )
        bench.tamper("DELETE FROM indelible.checkpoints")
        for grown in (0, 3):
            if grown:
                await bench.grow("acme", grown)
            refused = await bench.refused(bench.signer(archive=archive), "acme")
            assert refused.kind == "archive_differs"


async def test_a_checkpoint_in_the_archive_that_is_older_than_the_last(
    database: Database, catalog: Catalog, archive: Archive
) -> None:
    """It is compared with the ledger as well: it may be the other signer's, in another history."""
    async with opened(database, catalog) as bench:
        await bench.grow("acme", 300)
        await bench.signer().sign_changed()
        await bench.grow("acme", 300)
        await bench.signer().sign_changed()
        stated = Checkpoint(bench.origin("acme"), 290, bench.root("acme", 290))
        await archive.put(stated.origin, 290, sign_checkpoint(stated, [KEY]))
        assert await bench.signer(archive=archive).sign_changed() == 0
        assert await bench.refusals() == []
        await archive.put(stated.origin, 291, sign_checkpoint(stated._replace(size=291), [KEY]))
        assert (await bench.refused(bench.signer(archive=archive), "acme")).kind == "archive_differs"


# --- publishing


async def test_the_latest_only_is_published_and_not_too_often(bench: Bench, tmp_path: Path) -> None:
    archive = open_archive(str(tmp_path), retention=DAY)
    signer = bench.signer(archive=archive, archive_interval=1.0)
    stop = asyncio.Event()
    running = asyncio.create_task(signer.run(stop))
    loop = asyncio.get_running_loop()
    began = loop.time()
    while loop.time() - began < 2.5:
        await bench.grow("acme", 1)
        await asyncio.sleep(0.02)
    await until(lambda: bench.sizes("acme")[-1][0] == bench.size("acme"))
    during = len(published_sizes(tmp_path))
    stop.set()
    await running
    assert 2 <= during <= (loop.time() - began) + 1
    assert len(bench.sizes("acme")) > during + 3
    assert await published(archive) == {bench.origin("acme"): bench.size("acme")}, "the last one, as it stopped"


async def test_an_archive_that_hangs_does_not_hold_up_signing(
    bench: Bench, s3: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was there at the start; then it takes connections and says nothing."""
    assert s3.address
    archive = open_archive(s3.bucket().where, retention=DAY)
    await bench.grow("acme", 1)
    signer = bench.signer(archive=archive)
    await signer.sign_changed()
    with silent() as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        monkeypatch.setattr("indelible.worker.publisher._PATIENCE", 0.5)
        signer._archive = None
        assert signer._publisher is not None
        signer._publisher._archive = open_archive("s3://bucket", retention=DAY)
        stop = asyncio.Event()
        running = asyncio.create_task(signer.run(stop))
        with capture_logs() as logs:
            for _ in range(5):
                await bench.grow("acme", 1)
                size = bench.size("acme")
                await until(lambda size=size: bench.sizes("acme")[-1][0] == size, 3)
            await until(lambda: any(each["event"] == "checkpoints cannot be published" for each in logs), 5)
        signer._publisher._archive = archive
        monkeypatch.setattr("indelible.worker.publisher._PATIENCE", 30)  # on a busy machine it answers late
        stop.set()
        await running
    assert await published(archive) == {bench.origin("acme"): bench.size("acme")}


class silent:  # noqa: N801 - a context manager
    """A server that takes connections and never answers; its address."""

    def __enter__(self) -> str:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            try:
                self._open.append(self._socket.accept()[0])
            except OSError:
                return

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for each in self._open:
            each.close()


async def test_an_archive_that_is_away_for_a_while(bench: Bench, tmp_path: Path) -> None:
    """Signing goes on, the operator is told, and what waits is published when it is back."""
    place = tmp_path / "archive"
    place.mkdir()
    archive = open_archive(str(place), retention=DAY)
    signer, stop = bench.signer(archive=archive), asyncio.Event()
    with capture_logs() as logs:
        running = asyncio.create_task(signer.run(stop))
        await bench.grow("acme", 1)
        await until(lambda: published_sizes(place) == [2])
        place.rename(tmp_path / "away")
        await bench.grow("acme", 1)
        await until(lambda: bench.sizes("acme")[-1][0] == 3)
        await until(lambda: any(each["event"] == "checkpoints cannot be published" for each in logs))
        (tmp_path / "away").rename(place)
        await until(lambda: published_sizes(place) == [2, 3])
        stop.set()
        await running
    (said,) = [each for each in logs if each["event"] == "checkpoints cannot be published"][:1]
    assert (said["log_level"], said["waiting"]) == ("error", 1)
    assert str(place) in said["error"]


def published_sizes(place: Path) -> list[int]:
    return sorted(int(file.stem) for file in place.rglob("*.checkpoint"))


async def test_one_ledger_that_cannot_be_filed_does_not_stop_the_others(bench: Bench, tmp_path: Path) -> None:
    """Somebody gave it a name that leads elsewhere: it is neither published nor followed."""
    archive = open_archive(str(tmp_path), retention=DAY)
    await bench.grow("acme", 1)
    await bench.grow("globex", 1)
    bench.tamper("UPDATE indelible.ledgers SET origin = '../../x' WHERE tenant_id = 'acme'")
    signer = bench.signer(archive=archive)
    assert await signer.sign_changed() == 2
    with capture_logs() as logs:
        await signer.publish()
    assert await published(archive) == {bench.origin("globex"): 2}
    assert any(each["event"] == "a checkpoint cannot be published" and each["tenant"] == "acme" for each in logs)
