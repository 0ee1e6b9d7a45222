"""`indelible export --evidence`, and that what it wrote is proven, by the command and by verify.py alone."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from indelible.catalog import Catalog
from indelible.cli import signing
from indelible.cli.output import Progress
from indelible.export import evidence as export_module
from indelible.ledger import base64url, evidence
from indelible.ledger.disclosure import GROUPS
from indelible.ledger.signing import SigningKey
from indelible.ledger.standalone import source
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.intake import Intake
from indelible.store.session import Database as Connections
from tests.cli.conftest import Command, Done
from tests.postgres import Database
from tests.signed import origin_of
from tests.store.samples import FULL, as_superuser, send, take

KEY = SigningKey.generate()
SIGNS = {"INDELIBLE_SIGNING_KEY": KEY.pem()}

Export = Callable[..., Done]


def fill(database: Database, catalog: Catalog, size: int, tenant: str = "acme", **fields: Any) -> None:
    """The tenant's ledger gets so many entries; the opening is one of them."""

    async def run() -> None:
        intake = Intake(catalog)
        events = [take(intake, tenant, **{**FULL, **fields}) for _ in range(size - 1)]
        async with Connections.open(database.url) as connections, Appender.open(connections, Rules(catalog)) as to:
            await send(to, *events)

    asyncio.run(run())


@pytest.fixture
def export(run: Command) -> Export:
    """`indelible export --evidence --tenant acme …`, with the signing key."""

    def command(out: str, *options: str, tenant: str = "acme", **settings: str) -> Done:
        given = {**SIGNS, **settings}
        return run("export", "--evidence", "--tenant", tenant, "--out", out, *options, **given)

    return command


@pytest.fixture
def verify(run: Command, external: Database) -> Export:
    def command(file: str, *options: str, tenant: str = "acme") -> Done:
        return run("evidence", "verify", file, "--key", str(KEY.verifier(origin_of(external, tenant))), *options)

    return command


def entries_in(file: Path) -> list[tuple[bytes, list[bytes] | None] | None]:
    """The entry and the disclosures of each line; None for a hidden one."""
    lines = file.read_bytes().splitlines(keepends=True)
    return [
        evidence.cut_entry(line) if line.startswith(evidence.ENTRY) else None
        for line in lines
        if line.startswith((evidence.ENTRY, evidence.HIDDEN))
    ]


# --- it is proven


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 1000])
def test_ledgers_of_all_sizes_and_ranges_of_them_are_proven(
    run: Command, export: Export, verify: Export, external: Database, catalog: Catalog, size: int
) -> None:
    """Around the subtrees that are stored, too. The last entry is the one that records the export."""
    if size == 1:
        assert run("tenants", "create", "acme").code == 0
    else:
        fill(external, catalog, size)
    assert export("all.zip").code == 0
    done = verify("all.zip")
    assert done.code == 0, done.out
    assert f"{size + 1:,} shown" in done.out
    edges = sorted({edge for edge in (0, 1, 128, 254, 255, 256, 257, 999, size) if edge <= size})
    for number, (start, stop) in enumerate(pairwise(edges)):
        for first, last in {(start, stop), (0, stop), (start, size)}:
            name = f"{number}-{first}-{last}.jsonl"
            assert export(name, "--from", str(first), "--to", str(last)).code == 0
            done = verify(name)
            assert done.code == 0, done.out
            assert f"{last - first:,} shown" in done.out


def test_the_zip_holds_all_that_an_auditor_needs(
    export: Export, external: Database, catalog: Catalog, tmp_path: Path
) -> None:
    """A Python without our packages, in another directory, verifies it."""
    fill(external, catalog, 12)
    done = export("acme.zip")
    assert done.err == ""
    assert "Covered by the checkpoint at 13 entries." in done.out
    elsewhere = tmp_path / "elsewhere"
    zipfile.ZipFile(tmp_path / "acme.zip").extractall(elsewhere)
    assert sorted(os.listdir(elsewhere)) == ["README.txt", "evidence.jsonl", "verify.py"]
    assert (elsewhere / "verify.py").read_text() == source()
    vkey = str(KEY.verifier(origin_of(external, "acme")))
    assert "\n  python3 -I verify.py acme.zip --key VKEY\n" in done.out
    assert "    python3 -I verify.py evidence.zip --key" in (elsewhere / "README.txt").read_text()
    for file in ("evidence.jsonl", "../acme.zip"):
        command = [sys.executable, "-I", "-S", "verify.py", file, "--key", vkey]
        alone = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True)
        assert (alone.returncode, alone.stderr) == (0, "")
        assert alone.stdout.startswith("PROVEN")


def test_every_line_is_json_and_holds_the_entry_as_it_is_stored(
    export: Export, external: Database, catalog: Catalog, tmp_path: Path
) -> None:
    fill(external, catalog, 5, metadata={"note": '],"disclosures":["'})
    export("acme.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "acme.jsonl").read_bytes().splitlines()]
    assert [each["entry"]["seq"] for each in lines[1:-1]] == list(range(6))
    assert lines[-2]["entry"]["action"] == "audit_log.exported"
    groups = [json.loads(base64url.decode(text))[1] for text in lines[3]["disclosures"]]
    assert groups == sorted(GROUPS)
    assert (tmp_path / "verify.py").read_text() == source()


@pytest.mark.usefixtures("filtered")
@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (["--action", "user.left"], [4, 8]),
        (["--action", "user.left", "--action", "user.joined"], [3, 4, 8]),
        (["--actor", "usr_7"], [1, 2]),
        (["--actor-type", "api_key"], [6]),
        (["--target", "usr_second"], [5]),
        (["--target", "usr_second", "--target-type", "team"], []),
        (["--target-type", "team"], [5]),
        (["--category", "access", "--operation", "updated"], [1, 2]),
        (["--outcome", "denied"], [1, 2]),
        (["--source", "admin_panel"], [7, 9]),  # as is the entry that records the export
        (["--actor", "nobody"], []),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
def test_a_filter_shows_what_matches_and_proves_that_it_is_all(
    export: Export, verify: Export, tmp_path: Path, options: list[str], numbers: list[int]
) -> None:
    assert export("f.jsonl", *options).code == 0
    shown = [n for n, each in enumerate(entries_in(tmp_path / "f.jsonl")) if each and each[1] is not None]
    assert shown == numbers
    done = verify("f.jsonl")
    assert done.code == 0, done.out
    assert f"{len(numbers)} shown, {10 - len(numbers)} outside of the filter" in done.out


@pytest.fixture
def filtered(external: Database, catalog: Catalog) -> None:
    """Entries 1 and 2 are FULL, the others differ from them in one way each."""
    fill(external, catalog, 3)
    targets = [{"type": "team", "id": "t1"}, {"type": "user", "id": "usr_second"}]
    plain: dict[str, Any] = {"actor": {"type": "user", "id": "usr_1"}, "outcome": "success", "action": "user.met"}
    changes: list[dict[str, Any]] = [
        {"action": "user.joined"},
        {"action": "user.left"},
        {"targets": targets},
        {"actor": {"type": "api_key"}},
        {"source": "admin_panel"},
        {"action": "user.left"},
    ]
    for fields in changes:
        fill(external, catalog, 2, **{**plain, **fields})


@pytest.mark.usefixtures("filtered")
def test_what_is_hidden_is_there_as_a_hash_only(export: Export, verify: Export, tmp_path: Path) -> None:
    done = export("h.jsonl", "--action", "user.left", "--hide")
    assert done.code == 0
    assert done.out.count(" h.jsonl --key VKEY --accept-hidden\n") == 2
    assert "Whoever verifies it has to agree to --accept-hidden: without, the file is not proven." in done.out
    assert [n for n, each in enumerate(entries_in(tmp_path / "h.jsonl")) if each] == [4, 8]
    assert b"usr_7" not in (tmp_path / "h.jsonl").read_bytes()
    assert verify("h.jsonl").code == 2
    assert verify("h.jsonl", "--accept-hidden").code == 0


def test_what_is_withheld_is_not_there(
    export: Export, verify: Export, external: Database, catalog: Catalog, tmp_path: Path
) -> None:
    """But what the ledger says of itself is: it is needed to verify it."""
    fill(external, catalog, 3)
    done = export("w.jsonl", "--withhold", "actor", "--withhold", "metadata")
    assert done.code == 0
    assert done.out.count(" w.jsonl --key VKEY --accept-withheld\n") == 2
    assert "Whoever verifies it has to agree to --accept-withheld: without, the file is not proven." in done.out
    assert "--accept" not in export("whole.jsonl").out
    opening, first, *_ = entries_in(tmp_path / "w.jsonl")
    assert opening is not None
    assert len(opening[1] or ()) == 1
    assert first is not None
    groups = [json.loads(base64url.decode(text.decode()))[1] for text in first[1] or ()]
    assert groups == ["changes", "context", "targets"]
    assert verify("w.jsonl").code == 2
    assert verify("w.jsonl", "--accept-withheld").code == 0


def test_since_begins_one_entry_before(
    export: Export,
    verify: Export,
    external: Database,
    catalog: Catalog,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """So that the file shows by itself that nothing recorded since was left out."""
    monkeypatch.setattr(export_module, "_CLOCKS", timedelta())
    fill(external, catalog, 4)
    time.sleep(0.01)
    since = datetime.now(UTC).isoformat()
    time.sleep(0.01)
    fill(external, catalog, 3)
    assert export("s.jsonl", "--since", since).code == 0
    (before, after, *_) = entries_in(tmp_path / "s.jsonl")
    assert before is not None
    assert (json.loads(before[0])["seq"], before[1]) == (3, None)
    assert after is not None
    assert after[1] is not None
    assert verify("s.jsonl").code == 0


def test_after_proves_that_the_ledger_continues_an_earlier_checkpoint(
    run: Command, export: Export, verify: Export, external: Database, catalog: Catalog
) -> None:
    """Wherever the range lies."""
    fill(external, catalog, 5)
    assert run("checkpoint", "--tenant", "acme", "--out", "kept.txt", **SIGNS).code == 0
    fill(external, catalog, 7)
    for number, options in enumerate((["--to", "3"], ["--to", "5"], ["--from", "5"], ["--from", "8"], [])):
        assert export(f"{number}.jsonl", *options, "--after", "kept.txt").code == 0
        done = verify(f"{number}.jsonl", "--after", "kept.txt")
        assert done.code == 0, done.out
        assert "the one of 5 entries of the earlier checkpoint" in done.out


def test_after_of_something_else_is_refused(
    run: Command, export: Export, external: Database, catalog: Catalog, tmp_path: Path
) -> None:
    fill(external, catalog, 3)
    fill(external, catalog, 3, tenant="umbra")
    assert run("checkpoint", "--tenant", "umbra", "--out", "umbra.txt", **SIGNS).code == 0
    (tmp_path / "text.txt").write_text("something\n")
    for file, said in [
        ("umbra.txt", "the earlier checkpoint is of another ledger"),
        ("text.txt", "--after 'text.txt' is no checkpoint: the note has no blank line before its signatures"),
        ("none.txt", "--after 'none.txt' cannot be read: No such file or directory"),
    ]:
        done = export("e.jsonl", "--after", file)
        assert done.code == 2
        assert said in done.err


def test_what_was_erased_is_proven_with_its_records(
    run: Command, export: Export, verify: Export, external: Database, catalog: Catalog
) -> None:
    """Whether the record is in the range or not; and what was exported before still is proven."""
    fill(external, catalog, 4)
    assert export("before.zip").code == 0
    assert run("erase", "--tenant", "acme", "--actor", "usr_7", "--reason", "asked for", "--yes").code == 0
    for number, options in enumerate(([], ["--to", "4"], ["--from", "2", "--to", "3"], ["--action", "user.left"])):
        assert export(f"{number}.jsonl", *options).code == 0
        done = verify(f"{number}.jsonl")
        assert done.code == 0, done.out
    assert verify("before.zip").code == 0


# --- what is signed


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "_PATIENCE", timedelta(seconds=0.3))


@pytest.mark.usefixtures("impatient")
def test_without_the_key_it_gives_what_was_signed_and_says_what_it_lacks(
    run: Command, export: Export, verify: Export, external: Database, catalog: Catalog
) -> None:
    fill(external, catalog, 5)
    done = export("e.zip", INDELIBLE_SIGNING_KEY="")
    assert done.code == 2
    assert "nothing of tenant 'acme' has been signed yet: run `indelible worker` with a signing key" in done.err
    assert run("checkpoint", "--tenant", "acme", **SIGNS).code == 0
    fill(external, catalog, 4)
    done = export("e.zip", INDELIBLE_SIGNING_KEY="")
    assert done.code == 1
    said = "Entries from 6 on are not signed, and not in the file, which lacks 4: is `indelible worker` running?"
    assert said in done.err
    # Nothing is lacking of what is asked for.
    done = export("part.zip", "--to", "6", INDELIBLE_SIGNING_KEY="")
    assert (done.code, "are not signed" in done.err) == (0, False)
    done = verify("e.zip")
    assert done.code == 0
    assert "6 shown" in done.out


@pytest.mark.usefixtures("impatient")
def test_an_erasure_that_is_not_signed_yet_cannot_be_proven(
    run: Command, export: Export, external: Database, catalog: Catalog, tmp_path: Path
) -> None:
    """A file that nobody could verify is not written."""
    fill(external, catalog, 4)
    assert run("checkpoint", "--tenant", "acme", **SIGNS).code == 0
    assert run("erase", "--tenant", "acme", "--actor", "usr_7", "--reason", "asked for", "--yes").code == 0
    done = export("e.zip", INDELIBLE_SIGNING_KEY="")
    assert done.code == 2
    assert "entry 4 records that something of entries 1 to 3 was erased, and is not signed yet" in done.err
    assert "is `indelible worker` running?" in done.err
    assert not list(tmp_path.glob("e.zip*"))
    assert export("e.zip").code == 0


@pytest.mark.usefixtures("impatient")
def test_an_erasure_that_is_never_signed_does_not_keep_the_rest_back(
    run: Command, export: Export, verify: Export, external: Database, catalog: Catalog, tmp_path: Path
) -> None:
    """A ledger that is refused stays for evidence up to the size that was signed."""
    fill(external, catalog, 4)
    erase = ["erase", "--tenant", "acme", "--actor", "usr_7", "--reason", "asked for", "--yes"]
    assert run(*erase, "--groups", "metadata").code == 0
    fill(external, catalog, 3)
    assert run("checkpoint", "--tenant", "acme", **SIGNS).code == 0
    assert run(*erase).code == 0
    as_superuser(external, "INSERT INTO indelible.refusals VALUES ('acme', 'h/x', 'a fork', now())")
    for options in ([], ["--withhold", "actor"], ["--from", "3", "--to", "4"]):
        done = export("e.zip", *options)
        assert done.code == 2
        assert "the ledger is not signed any more. Export a range without these entries (--from, --to)" in done.err
        assert "(--withhold actor --withhold context)" in done.err
        assert "running?" not in done.err
    assert not list(tmp_path.glob("e.zip*"))
    # Without what was erased, and with what was erased by a record that is signed.
    done = export("e.zip", "--withhold", "actor", "--withhold", "context")
    assert done.code == 1
    # The record of the second erasure, and those of four exports, one of which is this.
    assert "which lacks 5: this ledger is not signed any more" in done.err
    assert verify("e.zip").code == 2
    proven = verify("e.zip", "--accept-withheld")
    assert proven.code == 0, proven.out
    assert "3 erased" in proven.out
    assert export("before.zip", "--to", "1").code == 0
    assert verify("before.zip").code == 0


def test_a_range_past_the_end_is_said(export: Export, verify: Export, external: Database, catalog: Catalog) -> None:
    fill(external, catalog, 3)
    done = export("e.zip", "--to", "9")
    assert (done.code, verify("e.zip").code) == (0, 0)
    assert "--to 9: the ledger ends before, it has 4 entries" in done.err
    assert "--to" not in export("all.zip", "--to", "3").err


# --- what is not to be had


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("out", "options", "said"),
    [
        ("e.zip", ["--from", "9"], "tenant 'acme' has no entries there: its ledger has 4 that are signed"),
        ("e.zip", ["--from", "4"], "tenant 'acme' has no entries there: its ledger has 4 that are signed"),
        ("e.zip", ["--from", "2", "--to", "2"], "--to 2: the range begins with --from 2 and ends before --to"),
        ("e.zip", ["--since", "2999-01-01T00:00:00Z"], "none of them since then"),
        (
            "e.zip",
            ["--since", "soon"],
            "--since must be a date in UTC (2026-11-21, 2026-11, today, yesterday), RFC 3339",
        ),
        ("e.zip", ["--category", "secrets"], "--category must be one of auth, access"),
        ("e.zip", ["--actor", ""], "indelible: --actor must have 1 to 256 characters"),
        ("e.zip", ["--hide"], "--hide is about entries outside of a filter: give one as well"),
        ("e.zip", ["--withhold", "name"], "--withhold 'name': there is no such group; there are actor, changes"),
        ("e.pdf", [], "--out 'e.pdf': the name has to end in .zip or .jsonl"),
        ("no/e.zip", [], "--out 'no/e.zip': there is no directory 'no'"),
        ("there.zip", [], "there.zip exists already, and is not overwritten"),
        ("mine/e.jsonl", [], "mine/verify.py exists already, and is not overwritten"),
        ("left.zip", [], "left.zip.part is left from an export that was killed, or one is writing it"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_cannot_be_done_leaves_everything_as_it_was(
    export: Export, tmp_path: Path, out: str, options: list[str], said: str
) -> None:
    (tmp_path / "there.zip").write_text("mine")
    (tmp_path / "left.zip.part").write_text("mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "verify.py").write_bytes(b"\xff mine")
    before = sorted(tmp_path.rglob("*"))
    done = export(out, *options)
    assert done.code == 2
    assert said in done.err
    assert done.err.startswith("indelible: ")
    assert done.out == ""
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "there.zip").read_text() == "mine"


@pytest.fixture
def small(external: Database, catalog: Catalog) -> None:
    fill(external, catalog, 3)


@pytest.mark.usefixtures("small")
def test_a_tenant_that_is_not_there(export: Export, tmp_path: Path) -> None:
    done = export("e.zip", tenant="nobody")
    assert (done.code, done.err) == (
        2,
        "indelible: there is no tenant 'nobody'; `indelible tenants list` names those there are\n",
    )
    assert not list(tmp_path.iterdir())


def test_an_empty_ledger(export: Export, verify: Export, external: Database) -> None:
    """There is none but where somebody made one by hand. The entry that records the export follows its first one."""
    as_superuser(external, "INSERT INTO indelible.ledgers (tenant_id, origin) VALUES ('acme', 'example.com/none')")
    assert export("e.zip").code == 0
    done = verify("e.zip")
    assert done.code == 0, done.out
    assert "2 shown" in done.out


@pytest.mark.usefixtures("impatient", "small")
def test_without_the_key_only_its_own_record_may_be_lacking(run: Command, export: Export, verify: Export) -> None:
    """Else every export would count as incomplete where nobody signs any more, for having been recorded."""
    assert run("checkpoint", "--tenant", "acme", **SIGNS).code == 0
    done = export("e.zip", INDELIBLE_SIGNING_KEY="")
    assert done.code == 0
    assert "Entry 3, which records this export, is not signed yet, and not in the file." in done.err
    assert "3 shown" in verify("e.zip").out
    again = export("again.zip", INDELIBLE_SIGNING_KEY="")
    assert again.code == 1
    assert "which lacks 2" in again.err


@pytest.mark.parametrize("suffix", [".zip", ".jsonl"])
def test_a_disk_that_is_full(export: Export, external: Database, catalog: Catalog, tmp_path: Path, suffix: str) -> None:
    """As far as a limit on the size of files goes for one: writing fails in the middle."""
    fill(external, catalog, 1000)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        done = export("e" + suffix)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert (done.code, done.err) == (2, f"indelible: e{suffix} cannot be written: File too large\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".zip", ".jsonl"])
def test_an_interruption_leaves_no_file(
    export: Export, external: Database, catalog: Catalog, tmp_path: Path, suffix: str
) -> None:
    fill(external, catalog, 3000)
    shown = []

    def interrupt(_self: object, done: int, _total: int) -> None:
        shown.append(done)
        raise KeyboardInterrupt

    with mock.patch.object(Progress, "__call__", interrupt):
        done = export("e" + suffix)
    assert shown == [1000]
    assert done.code != 0
    assert not list(tmp_path.iterdir())


def test_a_file_that_appeared_meanwhile_is_not_overwritten(
    export: Export, external: Database, catalog: Catalog, tmp_path: Path
) -> None:
    fill(external, catalog, 2000)

    def appear(_self: object, _done: int, _total: int) -> None:
        (tmp_path / "e.jsonl").write_text("mine")

    with mock.patch.object(Progress, "__call__", appear):
        done = export("e.jsonl")
    assert (done.code, done.err) == (2, "indelible: e.jsonl exists already, and is not overwritten\n")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("e.jsonl", "mine")]


@pytest.mark.usefixtures("small")
def test_without_links_it_is_renamed(export: Export, verify: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", mock.Mock(side_effect=PermissionError(1, "Operation not permitted")))
    assert export("e.jsonl").code == 0
    assert verify("e.jsonl").code == 0
    again = export("e.jsonl")
    assert (again.code, again.err) == (2, "indelible: e.jsonl exists already, and is not overwritten\n")


# --- what is stored is not what was


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("suffix", [".zip", ".jsonl"])
def test_an_altered_entry_is_exported_and_said(export: Export, verify: Export, external: Database, suffix: str) -> None:
    """1: the file is there, and something is wrong."""
    as_superuser(
        external,
        "UPDATE indelible.events SET entry = replace(encode(entry, 'escape'), 'usr_7', 'usr_6')::bytea "
        "WHERE tenant_id = 'acme' AND seq = 1",
    )
    done = export("e" + suffix)
    assert done.code == 1
    assert "what is stored contradicts the checkpoint that was signed of it: entries were altered" in done.err
    assert verify("e" + suffix).code == 1


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (["DELETE FROM indelible.events WHERE seq = 1"], "the ledger of 'acme' was altered: entry 1 is missing"),
        (["UPDATE indelible.checkpoints SET note = 'none'"], "the stored checkpoint of 'acme' was altered: "),
    ],
)
def test_a_ledger_with_holes_is_not_exported(
    export: Export, external: Database, tmp_path: Path, statements: list[str], said: str
) -> None:
    assert export("before.jsonl").code == 0
    as_superuser(external, *statements)
    done = export("e.jsonl")
    assert done.code == 2
    assert said in done.err
    assert not list(tmp_path.glob("e.jsonl*"))
