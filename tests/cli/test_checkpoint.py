"""`indelible checkpoint`, and that OpenSSL and a shell check what it prints, as docs/checkpoints.md says."""

from __future__ import annotations

import re
import subprocess
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from indelible.archive.directory import DirectoryArchive
from indelible.cli import signing
from indelible.cli.worker import archive_of
from indelible.ledger.checkpoint import Checkpoint, open_checkpoint
from indelible.ledger.note import Verifier
from indelible.ledger.signing import SigningKey, sign_checkpoint
from indelible.ledger.tlog_proof import InclusionProof, dump_tlog_proof
from indelible.ledger.tree import node_hash
from indelible.settings import Settings
from tests.cli.conftest import Command
from tests.postgres import Database
from tests.signed import leaves_of, origin_of, sign
from tests.store.samples import as_superuser

PAGE = Path(__file__).parents[2] / "docs" / "checkpoints.md"
KEY = SigningKey.generate()
SIGNS = {"INDELIBLE_SIGNING_KEY": KEY.pem()}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "_PATIENCE", timedelta(seconds=0.3))


def log(run: Command, tenant: str, times: int = 1) -> None:
    for _ in range(times):
        assert run("log", "user.joined", "--tenant", tenant, "--actor", "user:usr_7").code == 0


def opened(note: str, database: Database, tenant: str = "acme") -> Checkpoint:
    return open_checkpoint(note.encode(), [KEY.verifier(origin_of(database, tenant))])[0]


def test_with_the_key_it_signs_the_ledger_as_it_is(run: Command, external: Database) -> None:
    log(run, "acme", 2)
    done = run("checkpoint", "--tenant", "acme", **SIGNS)
    assert (done.code, done.err) == (0, "")
    assert opened(done.out, external).size == 3
    assert run("checkpoint", "--tenant", "acme", **SIGNS).out == done.out, "a ledger that did not grow has one"
    log(run, "acme")
    assert opened(run("checkpoint", "--tenant", "acme", **SIGNS).out, external).size == 4


def test_it_writes_exactly_the_note_into_a_file(run: Command, tmp_path: Path) -> None:
    log(run, "acme")
    shown = run("checkpoint", "--tenant", "acme", **SIGNS).out
    done = run("checkpoint", "--tenant", "acme", "--out", "acme.checkpoint", **SIGNS)
    assert (done.code, done.out) == (0, "")
    assert (tmp_path / "acme.checkpoint").read_text() == shown
    missing = run("checkpoint", "--tenant", "acme", "--out", "no/such/file", **SIGNS)
    assert (missing.code, missing.err) == (2, "indelible: no/such/file: No such file or directory\n")


def test_it_goes_into_the_archive_too(run: Command, external: Database, tmp_path: Path) -> None:
    log(run, "acme")
    (tmp_path / "archive").mkdir()
    done = run("checkpoint", "--tenant", "acme", INDELIBLE_CHECKPOINT_ARCHIVE="archive", **SIGNS)
    (kept,) = (tmp_path / "archive" / origin_of(external, "acme")).glob("*.checkpoint")
    assert kept.read_text() == done.out


@pytest.mark.usefixtures("impatient")
def test_without_key_and_worker_it_is_the_latest_one_and_says_what_it_lacks(run: Command, external: Database) -> None:
    """Exit code 1: a script that looks at the code alone must not think that everything is covered."""
    log(run, "acme")
    sign(external, "acme", KEY)
    whole = run("checkpoint", "--tenant", "acme")
    assert (whole.code, whole.err, opened(whole.out, external).size) == (0, "", 2)
    log(run, "acme", 3)
    done = run("checkpoint", "--tenant", "acme")
    assert (done.code, done.out) == (1, whole.out)
    assert "is `indelible worker` running?" in done.err
    assert "It lacks the newest 3 of 5 entries." in done.err


@pytest.mark.usefixtures("impatient")
def test_where_nothing_was_signed_there_is_none(run: Command) -> None:
    log(run, "acme")
    done = run("checkpoint", "--tenant", "acme")
    assert (done.code, done.out) == (2, "")
    assert "nothing was signed of the ledger of acme yet" in done.err


def test_a_ledger_that_another_key_signed_is_refused(run: Command, external: Database) -> None:
    log(run, "acme")
    sign(external, "acme", SigningKey.generate())
    log(run, "acme")
    done = run("checkpoint", "--tenant", "acme", **SIGNS)
    assert done.code == 1
    assert "docs/checkpoints.md#foreign-key" in done.err
    assert len(done.out.splitlines()) == 5, "the latest one is shown, for whoever has its key"


@pytest.mark.usefixtures("impatient")
def test_what_a_worker_refuses_is_not_signed_by_who_knows_less(run: Command, external: Database) -> None:
    """The worker has read an archive which this command is not told of."""
    log(run, "acme")
    first = run("checkpoint", "--tenant", "acme", **SIGNS).out
    log(run, "acme")
    as_superuser(external, "INSERT INTO indelible.refusals VALUES ('acme', 'h/x', 'the archive has more', now())")
    done = run("checkpoint", "--tenant", "acme", **SIGNS)
    assert (done.code, done.out) == (1, first)
    assert "the archive has more" in done.err
    assert "It lacks the newest 1 of 3 entries" in done.err


@pytest.mark.usefixtures("impatient")
def test_a_ledger_that_fell_behind_the_archive_is_not_signed(run: Command, external: Database, tmp_path: Path) -> None:
    """As when a backup was restored: what the database says is consistent, and older."""
    log(run, "acme")
    archive = tmp_path / "archive"
    archive.mkdir()
    settings = SIGNS | {"INDELIBLE_CHECKPOINT_ARCHIVE": str(archive)}
    assert run("checkpoint", "--tenant", "acme", **settings).code == 0
    (kept,) = archive.glob("*/*/*.checkpoint")
    origin = origin_of(external, "acme")
    ahead = sign_checkpoint(Checkpoint(origin, 9, bytes(32)), [KEY])
    kept.with_name(f"{9:020}.checkpoint").write_text(ahead)
    log(run, "acme")
    done = run("checkpoint", "--tenant", "acme", **settings)
    assert done.code == 1
    assert opened(done.out, external).size == 2
    assert "docs/checkpoints.md#archive-ahead" in done.err


def test_the_directory_of_dev_counts_for_its_own_database_alone(tmp_path: Path) -> None:
    embedded, external = Settings.from_env({}), Settings.from_env({"INDELIBLE_DATABASE_URL": "host=/run/pg"})
    assert archive_of(embedded, tmp_path) is None
    (tmp_path / "checkpoints").mkdir()
    assert isinstance(archive_of(embedded, tmp_path), DirectoryArchive)
    assert archive_of(external, tmp_path) is None


@pytest.mark.parametrize("settings", [SIGNS, {}], ids=["signing", "asking"])
def test_a_tenant_that_is_not_there_is_named(run: Command, settings: dict[str, str]) -> None:
    done = run("checkpoint", "--tenant", "nobody", **settings)
    assert (done.code, done.out) == (2, "")
    assert "there is no tenant 'nobody' yet" in done.err


# --- by hand


def script(name: str, directory: Path) -> Path:
    (text,) = re.findall(
        rf"^```bash\n(#!/usr/bin/env bash\n# {name} .*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    file = directory / name
    file.write_text(text)
    return file


def bash(*arguments: object) -> tuple[bool, str]:
    done = subprocess.run(["bash", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    return done.returncode == 0, done.stdout


def test_openssl_verifies_a_checkpoint_as_the_page_says(run: Command, tmp_path: Path) -> None:
    log(run, "acme")
    old = {"INDELIBLE_OLD_SIGNING_KEY": SigningKey.generate().pem()}
    note = run("checkpoint", "--tenant", "acme", **SIGNS, **old).out
    vkeys = run("keys", "vkeys", "--tenant", "acme", **SIGNS, **old).lines
    (tmp_path / "note").write_text(note)
    check = script("check-note.sh", tmp_path)
    assert len(vkeys) == 2
    for vkey in vkeys:
        good, said = bash(check, vkey, tmp_path / "note")
        assert good
        assert said == "Signature Verified Successfully\n" + note.partition("\n\n")[0] + "\n"
    origin = note.split("\n")[0]
    other_ledger = Verifier.of("audit.example.com/other", KEY.public_key)
    other_key = SigningKey.generate().verifier(origin)
    for stranger in (other_ledger, other_key):
        assert not bash(check, stranger, tmp_path / "note")[0]
    (tmp_path / "note").write_text(note.replace("\n2\n", "\n3\n"))
    assert not bash(check, vkeys[0], tmp_path / "note")[0]


def path_to(number: int, leaves: list[bytes]) -> list[bytes]:
    """The inclusion proof of RFC 9162 section 2.1.3.1, as it is defined there."""
    if len(leaves) == 1:
        return []
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if number < k:
        return [*path_to(number, leaves[:k]), root_of(leaves[k:])]
    return [*path_to(number - k, leaves[k:]), root_of(leaves[:k])]


def root_of(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(root_of(leaves[:k]), root_of(leaves[k:]))


def test_a_shell_checks_a_proof_as_the_page_says(run: Command, external: Database, tmp_path: Path) -> None:
    log(run, "acme", 6)
    note = run("checkpoint", "--tenant", "acme", **SIGNS).out
    leaves = leaves_of(external, "acme")
    check = script("check-proof.sh", tmp_path)
    entries = entries_of(external, "acme")
    assert len(entries) == 7, "a tree that is not balanced"
    proofs = [dump_tlog_proof(InclusionProof(n, tuple(path_to(n, leaves)), note)) for n in range(len(leaves))]
    for number, entry in enumerate(entries):
        (tmp_path / "entry").write_bytes(entry)
        for other, proof in enumerate(proofs):
            (tmp_path / "proof").write_text(proof)
            good, said = bash(check, tmp_path / "entry", tmp_path / "proof")
            assert good == (number == other)
            assert said == (f"entry {number} is in the ledger of 7 entries\n" if good else "NOT in the ledger\n")


def entries_of(database: Database, tenant: str) -> list[bytes]:
    query = "SELECT entry FROM indelible.events WHERE tenant_id = %s ORDER BY seq"
    with psycopg.connect(database.admin_url) as connection:
        return [bytes(entry) for (entry,) in connection.execute(query, (tenant,))]
