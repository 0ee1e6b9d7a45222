"""`indelible worker`, as a process of its own beside a PostgreSQL that somebody else runs."""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from indelible.ledger.checkpoint import Checkpoint, open_checkpoint
from indelible.ledger.signing import SigningKey
from tests.cli.conftest import Command as Run
from tests.conftest import Cluster
from tests.faults.running import Command, until
from tests.postgres import Database
from tests.signed import leaves_of, origin_of
from tests.store.samples import as_superuser

KEY = SigningKey.generate()


def working(directory: Path, database: Database, **settings: str) -> Command:
    given = {"INDELIBLE_DATABASE_URL": database.url, "INDELIBLE_SIGNING_KEY": KEY.pem(), **settings}
    return Command(directory, "worker", **given)


def notes(database: Database, tenant: str) -> list[bytes]:
    """All checkpoints of it, oldest first."""
    query = "SELECT note FROM indelible.checkpoints WHERE tenant_id = %s ORDER BY size"
    with psycopg.connect(database.admin_url) as connection:
        return [note.encode() for (note,) in connection.execute(query, (tenant,))]


def latest(database: Database, tenant: str, key: SigningKey = KEY) -> Checkpoint | None:
    """Verified with the ledger's own vkey."""
    found = notes(database, tenant)
    return open_checkpoint(found[-1], [key.verifier(origin_of(database, tenant))])[0] if found else None


def is_signed(database: Database, tenant: str, key: SigningKey = KEY) -> bool:
    found = latest(database, tenant, key)
    return found is not None and found.size == len(leaves_of(database, tenant))


def log(run: Run, tenant: str) -> None:
    assert run("log", "user.joined", "--tenant", tenant, "--actor", "user:usr_7").code == 0


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_it_signs_what_is_logged_until_it_is_told_to_stop(
    run: Run, external: Database, tmp_path: Path, end: signal.Signals
) -> None:
    log(run, "acme")
    with working(tmp_path, external, INDELIBLE_CHECKPOINT_INTERVAL="0.2") as worker:
        until(lambda: is_signed(external, "acme"), "it is signed")
        for tenant in ("acme", "umbra"):
            log(run, tenant)
        until(lambda: is_signed(external, "acme") and is_signed(external, "umbra"), "what came later is signed")
        began = time.monotonic()
        assert worker.stop(end) == 0
        assert time.monotonic() - began < 5
        assert "Traceback" not in worker.err
        assert "INDELIBLE_CHECKPOINT_ARCHIVE" in worker.err, "that they are in the database alone is worth a warning"
        assert worker.out == ""


def test_the_archive_has_what_was_signed(run: Run, external: Database, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    log(run, "acme")
    settings = {"INDELIBLE_CHECKPOINT_ARCHIVE": str(archive), "INDELIBLE_CHECKPOINT_INTERVAL": "0.2"}
    with working(tmp_path, external, **settings) as worker:
        folder = archive / origin_of(external, "acme")
        until(lambda: is_signed(external, "acme") and folder.exists() and list(folder.glob("*.checkpoint")), "a copy")
        assert worker.stop() == 0
    kept = [file.read_bytes() for file in sorted(folder.glob("*.checkpoint"))]
    assert kept[-1] == notes(external, "acme")[-1]


def test_it_can_be_asked_to_sign_at_once(run: Run, external: Database, tmp_path: Path) -> None:
    """By `indelible checkpoint`, where no key is."""
    log(run, "acme")
    with working(tmp_path, external, INDELIBLE_CHECKPOINT_INTERVAL="3600") as worker:
        until(lambda: is_signed(external, "acme"), "it is signed at the start")
        log(run, "acme")
        began = time.monotonic()
        done = run("checkpoint", "--tenant", "acme")
        assert (done.code, done.err) == (0, "")
        assert time.monotonic() - began < 5
        assert done.out.encode() == notes(external, "acme")[-1]
        assert is_signed(external, "acme")
        assert worker.stop() == 0


def test_a_ledger_that_is_refused_stops_neither_it_nor_the_others(run: Run, external: Database, tmp_path: Path) -> None:
    for tenant in ("acme", "umbra"):
        log(run, tenant)
    with working(tmp_path, external, INDELIBLE_CHECKPOINT_INTERVAL="0.2") as worker:
        until(lambda: is_signed(external, "acme") and is_signed(external, "umbra"), "both are signed")
        assert worker.stop() == 0
        before = notes(external, "acme")
        as_superuser(
            external, "UPDATE indelible.events SET leaf_hash = sha256('x') WHERE tenant_id = 'acme' AND seq = 1"
        )
        log(run, "acme")
        worker.start().says("is not signed")
        log(run, "umbra")
        until(lambda: is_signed(external, "umbra"), "the other one is signed")
        assert notes(external, "acme") == before
        shown = run("checkpoint", "--tenant", "acme")
        assert (shown.code, shown.out.encode()) == (1, before[-1])
        assert "docs/checkpoints.md#" in shown.err
        assert not worker.has_ended()
        assert worker.stop() == 0


def test_during_a_rotation_either_key_verifies(run: Run, external: Database, tmp_path: Path) -> None:
    """And afterwards the new one does, for every ledger, also for one that does not grow any more."""
    for tenant in ("acme", "dormant"):
        log(run, tenant)
    new = SigningKey.generate()
    with working(tmp_path, external, INDELIBLE_CHECKPOINT_INTERVAL="0.2") as worker:
        until(lambda: is_signed(external, "acme") and is_signed(external, "dormant"), "signed with the old key")
        assert worker.stop() == 0
    both = {"INDELIBLE_SIGNING_KEY": new.pem(), "INDELIBLE_OLD_SIGNING_KEY": KEY.pem()}
    with working(tmp_path, external, INDELIBLE_CHECKPOINT_INTERVAL="0.2", **both) as worker:
        log(run, "acme")
        until(lambda: len(notes(external, "dormant")) > 1 and len(notes(external, "acme")) > 1, "signed with both")
        until(lambda: is_signed(external, "acme", new) and is_signed(external, "dormant", new), "and up to the end")
        assert is_signed(external, "acme", KEY)
        assert worker.stop() == 0
    with working(tmp_path, external, INDELIBLE_CHECKPOINT_INTERVAL="0.2", INDELIBLE_SIGNING_KEY=new.pem()) as worker:
        for tenant in ("acme", "dormant"):
            log(run, tenant)
        until(lambda: is_signed(external, "acme", new) and is_signed(external, "dormant", new), "with the new one")
        assert worker.stop() == 0
        assert "is not signed" not in worker.err


# --- what it needs


@pytest.fixture
def empty(clusters: Callable[[int], Cluster]) -> Iterator[Database]:
    """A database that nobody has migrated."""
    cluster = clusters(18)
    made = cluster.databases.create(f"empty_{secrets.token_hex(4)}")
    yield made
    cluster.databases.drop(made)


def test_a_database_that_is_not_migrated_is_refused_with_the_command(empty: Database, tmp_path: Path) -> None:
    worker = working(tmp_path, empty)
    assert worker.start().wait() == 2
    assert "run `indelible migrate`" in worker.err
    assert "Traceback" not in worker.err


def test_without_a_key_it_says_how_to_make_one(run: Run) -> None:
    done = run("worker")
    assert (done.code, done.out) == (2, "")
    assert "there is no signing key: `indelible keys new --out FILE` makes one" in done.err


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"INDELIBLE_SIGNING_KEY": KEY.pem()[:-40]}, "INDELIBLE_SIGNING_KEY: expected an Ed25519 private key"),
        ({"INDELIBLE_SIGNING_KEY_FILE": "no-such.key"}, "INDELIBLE_SIGNING_KEY_FILE: no-such.key cannot be read"),
        ({"INDELIBLE_SIGNING_KEY": KEY.pem(), "INDELIBLE_OLD_SIGNING_KEY": KEY.pem()}, "expected the key before"),
        (
            {"INDELIBLE_SIGNING_KEY": KEY.pem(), "INDELIBLE_CHECKPOINT_ARCHIVE": "no-such-directory"},
            "INDELIBLE_CHECKPOINT_ARCHIVE: the archive no-such-directory is no directory",
        ),
        (
            {"INDELIBLE_SIGNING_KEY": KEY.pem(), "INDELIBLE_CHECKPOINT_ARCHIVE": "s3://Bucket"},
            "INDELIBLE_CHECKPOINT_ARCHIVE: expected a directory, or s3://bucket/prefix",
        ),
    ],
    ids=["cut off", "no such file", "the same twice", "no such archive", "no such bucket"],
)
def test_what_is_wrong_is_named_before_anything_is_signed(
    external: Database, tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    worker = Command(tmp_path, "worker", INDELIBLE_DATABASE_URL=external.url, **settings)
    assert worker.start().wait() == 2
    assert said in worker.err
    assert "Traceback" not in worker.err
    assert KEY.pem().splitlines()[1][20:] not in worker.err


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_it_waits_for_postgresql_and_may_be_stopped_meanwhile(tmp_path: Path, end: signal.Signals) -> None:
    nowhere = Database("none", f"postgresql://nobody@localhost/none?host={tmp_path}", "")
    with working(tmp_path, nowhere) as worker:
        worker.says("Waiting for the database")
        began = time.monotonic()
        assert worker.stop(end) == 0
        assert time.monotonic() - began < 5
