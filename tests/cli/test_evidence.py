"""`indelible evidence`: its exit codes, what it prints, and what it says to what cannot be used."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from indelible.ledger.standalone import source
from tests.cli.conftest import Done, environment, indelible
from tests.ledger.evidence_files import KEY, ORIGIN, SYSTEM, Ledger, ended, sample

VKEY = str(KEY.verifier(ORIGIN))


@pytest.fixture
def ledger() -> Ledger:
    return sample(6)


@pytest.fixture
def file(ledger: Ledger, tmp_path: Path) -> Path:
    """Honest evidence."""
    path = tmp_path / "e.jsonl"
    path.write_bytes(ended(ledger.lines()))
    return path


def verify(file: Path, *options: str) -> Done:
    return indelible("evidence", "verify", str(file), "--key", VKEY, *options)


def test_it_needs_no_database(file: Path) -> None:
    done = verify(file)
    assert (done.code, done.err) == (0, "")
    assert done.lines[0] == "PROVEN"


def test_the_report_as_json(file: Path) -> None:
    (report,) = verify(file, "--json").objects
    assert (report["verdict"], report["exit_code"], report["findings"]) == ("proven", 0, [])
    assert (report["origin"], report["from"], report["to"], report["size"]) == (ORIGIN, 0, 6, 6)
    file.write_bytes(file.read_bytes().replace(b"user.joined", b"user.Joined"))
    done = verify(file, "--json")
    assert done.code == 1
    assert done.objects[0]["verdict"] == "contradicted"
    assert {"contradicted", "not proven"} >= {finding["kind"] for finding in done.objects[0]["findings"]}


def test_each_exit_code(file: Path, ledger: Ledger) -> None:
    assert verify(file).code == 0
    file.write_bytes(ended(ledger.lines()).replace(b"user.left", b"user.Left"))
    assert verify(file).code == 1
    file.write_bytes(ended(ledger.lines())[:-5])
    assert verify(file).code == 2


def test_an_earlier_checkpoint(file: Path, ledger: Ledger, tmp_path: Path) -> None:
    kept = tmp_path / "kept.txt"
    kept.write_text(ledger.checkpoint(3))
    done = verify(file, "--after", str(kept))
    assert done.code == 0
    assert "the one of 3 entries of the earlier checkpoint" in done.out
    ledger.entries[1] = ledger.entries[1]._replace(entry=ledger.entries[1].entry.replace(b"usr_7", b"usr_6"))
    kept.write_text(ledger.checkpoint(3))
    done = verify(file, "--after", str(kept))
    assert done.code == 1
    assert "history was rewritten" in done.out


def test_the_keys_may_be_in_a_file(file: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.txt"
    keys.write_text(f"# of my contract\n\n{VKEY}\n")
    assert indelible("evidence", "verify", str(file), "--key", str(keys)).code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.jsonl", "--key", VKEY], "none.jsonl cannot be read: No such file or directory"),
        ([".", "--key", VKEY], ". cannot be read: Is a directory"),
        (["e.jsonl", "--key", "none.txt"], "the key 'none.txt' is neither a file nor a key"),
        (["e.jsonl", "--key", VKEY[:-1]], "is neither a file nor a key"),
        (["e.jsonl", "--key", VKEY, "--after", "none.txt"], "none.txt cannot be read: No such file or directory"),
        (["damaged.zip", "--key", VKEY], "damaged.zip is a zip that cannot be read"),
        (["e.jsonl"], "Missing option '--key'"),
    ],
)
def test_what_cannot_be_tried_is_2(file: Path, arguments: list[str], said: str) -> None:
    """Never 0: a script that looks at the code alone must not be reassured."""
    (file.parent / "damaged.zip").write_bytes(b"PK\3\4 and so on")
    done = indelible("evidence", "verify", *arguments, cwd=file.parent)
    assert (done.code, done.out) == (2, "")
    assert said in re.sub(r"\s+", " ", done.err)


def opening_with(tenant: str) -> bytes:
    ledger = Ledger()
    ledger.append("ledger.created", {"metadata": {"origin": ORIGIN, "tenant_id": tenant}}, actor=SYSTEM)
    return ended(ledger.lines())


@pytest.mark.parametrize("tenant", ["\ud800", "\x1b[2J\n", "\U0001f600"])
def test_what_somebody_put_into_it_is_no_traceback(tmp_path: Path, tenant: str) -> None:
    """JSON can name half of a character, and no encoding has a place for it."""
    file = tmp_path / "e.jsonl"
    file.write_bytes(opening_with(tenant))
    done = verify(file, "--json")
    assert (done.code, done.err, done.objects[0]["tenant_id"]) == (0, "", tenant)
    done = verify(file)
    assert (done.code, done.err, done.lines[0]) == (0, "", "PROVEN")
    assert "\x1b" not in done.out


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_terminal_without_the_characters_is_no_traceback(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "e.jsonl").write_bytes(opening_with("\U0001f600"))
    command = [sys.executable, "-m", "indelible", "evidence", "verify", "e.jsonl", "--key", VKEY, *options]
    env = environment(PYTHONIOENCODING="latin-1")
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, encoding="latin-1")
    assert (done.returncode, done.stderr) == (0, "")
    assert ("\\U0001f600" in done.stdout) != bool(options)


def test_modules_that_lie_around_are_not_taken(file: Path) -> None:
    """As where a forged zip was unpacked."""
    file.write_bytes(file.read_bytes().replace(b"usr_7", b"usr_8"))
    for name in ("typer", "click", "json", "argparse", "msgspec", "pathlib"):
        (file.parent / f"{name}.py").write_text('print("PROVEN")\nraise SystemExit(0)\n')
    command = [sys.executable, "-m", "indelible", "evidence", "verify", "e.jsonl", "--key", VKEY]
    done = subprocess.run(command, cwd=file.parent, env=environment(), capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stdout.split("\n")[0]) == (1, "CONTRADICTED")


# --- verify.py


def test_verify_py_is_written_and_says_the_same(file: Path, tmp_path: Path) -> None:
    written = indelible("evidence", "verifier", "--out", "verify.py", cwd=tmp_path)
    assert (written.code, written.out) == (0, "")
    assert sha256((tmp_path / "verify.py").read_bytes()).hexdigest() in written.err
    assert indelible("evidence", "verifier").out == source() == (tmp_path / "verify.py").read_text()
    for options in ([], ["--json"]):
        command = [sys.executable, "-I", "-S", "verify.py", str(file), "--key", VKEY, *options]
        alone = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        done = verify(file, *options)
        assert alone.returncode == done.code == 0
        said, alone_said = (json.loads(out) if options else out for out in (done.out, alone.stdout))
        assert alone_said == said


def test_verify_py_is_not_written_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "verify.py").write_text("mine")
    done = indelible("evidence", "verifier", "--out", "verify.py", cwd=tmp_path)
    assert (done.code, done.err) == (2, "indelible: verify.py exists already, and is not overwritten\n")
    assert (tmp_path / "verify.py").read_text() == "mine"
    assert indelible("evidence", "verifier", "--out", "no/verify.py", cwd=tmp_path).code == 2
