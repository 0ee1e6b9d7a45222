"""verify.py: one file, the standard library, and the same verdicts as the package's."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from indelible.ledger.evidence_command import main
from indelible.ledger.filter import Filter
from indelible.ledger.signing import SigningKey
from indelible.ledger.standalone import source
from tests.ledger.evidence_files import PINNED, ended, sample

ROOT = Path(__file__).parent.parent.parent
PUBLISHED = ROOT / "docs" / "verify.py"


def test_the_published_file_is_the_generated_one() -> None:
    """If not: python -m indelible.ledger.standalone > docs/verify.py"""
    assert PUBLISHED.read_text("utf-8") == source()


def test_it_is_the_same_whatever_the_order_of_sets() -> None:
    """Each process orders sets of texts otherwise."""
    program = "from indelible.ledger.standalone import source; import hashlib; print(hash(source()) and source())"
    texts = {
        subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed}, check=True,
                       capture_output=True, text=True, encoding="utf-8").stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert texts == {source() + "\n"}


def test_it_imports_the_standard_library_and_nothing_else() -> None:
    imported = set()
    for node in ast.walk(ast.parse(source())):
        match node:
            case ast.Import(names=names):
                imported |= {alias.name for alias in names}
            case ast.ImportFrom(module=str(module)):
                imported.add(module)
    assert imported
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names
    assert not imported & {"subprocess", "socket", "urllib", "urllib.request", "http", "ctypes", "os", "importlib"}


def test_it_reads_like_a_file_that_somebody_wrote() -> None:
    """Nothing undefined or unused, no line that is too long, and the docstrings and comments of the modules."""
    rules = ["--isolated", "--no-cache", "--line-length", "120", "--select", "F,E,W"]
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", *rules, "-"], input=source(), capture_output=True, text=True,
        encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert ast.get_docstring(ast.parse(source()))
    assert "# 24. What is shown matches the filter" in source()
    assert "indelible.ledger import" not in source()


def cases(folder: Path) -> list[list[str]]:
    """Good and bad files, as the command's arguments."""
    ledger = sample(9)
    ledger.erase((2, "actor"), (4, "actor"))
    wanted = Filter(action=frozenset({"user.left"}), since="2026-11-21T09:30:00.000Z")
    honest = ended(ledger.lines())
    files = {
        "honest": honest,
        "range": ended(ledger.lines(ledger.header(3, 7, after=2))),
        "filtered": ended(ledger.lines(ledger.header(wanted=wanted))),
        "hidden": ended(ledger.lines(ledger.header(wanted=wanted), hide=True)),
        "withheld": ended(ledger.lines(records=[])),
        "altered": honest.replace(b"usr_7", b"usr_8"),
        "not_entries": honest.replace(b'"v":1}', b'"v":2}'),
        "cut": honest[:-500],
        "binary": bytes(range(256)) * 50,
        "empty": b"",
        "other_key": ended(sample(9, key=SigningKey.generate()).lines()),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    with zipfile.ZipFile(folder / "zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (("README.txt", b""), ("verify.py", b""), ("evidence.jsonl", honest)):
            archive.writestr(name, data)
    (folder / "kept").write_text(ledger.checkpoint(2), "utf-8")
    (folder / "key").write_text(f"{PINNED[0]}\n", "utf-8")
    key = ["--key", str(folder / "key"), "--json"]
    runs = [[str(folder / name), *key] for name in [*files, "zip"]]
    runs += [[str(folder / name), *key, "--after", str(folder / "kept")] for name in ("honest", "range", "altered")]
    runs.append([str(folder / "hidden"), *key, "--accept-hidden"])
    runs.append([str(folder / "withheld"), *key, "--accept-withheld"])
    return runs


def test_it_says_what_the_package_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run as an auditor runs it: no site packages, nothing of ours in reach, an empty folder."""
    (tmp_path / "files").mkdir()
    (tmp_path / "empty").mkdir()
    program = tmp_path / "verify.py"
    program.write_text(source(), "utf-8")
    codes = []
    for arguments in cases(tmp_path / "files"):
        alone = subprocess.run(
            [sys.executable, "-I", "-S", str(program), *arguments], cwd=tmp_path / "empty", capture_output=True
        )
        capsys.readouterr()
        code = main(arguments)
        assert (alone.returncode, alone.stderr) == (code, b"")
        assert json.loads(alone.stdout) == json.loads(capsys.readouterr().out)
        codes.append(code)
    assert codes == [0, 0, 0, 2, 2, 1, 1, 2, 2, 2, 2, 0, 0, 0, 1, 0, 0]
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.parametrize("options", [[], ["-I"]], ids=["as it is", "isolated"])
def test_modules_that_lie_beside_it_are_not_taken(tmp_path: Path, options: list[str]) -> None:
    """A forged zip, unpacked, with the genuine verifier beside modules that say yes."""
    (tmp_path / "verify.py").write_text(source(), "utf-8")
    (tmp_path / "evidence.jsonl").write_bytes(ended(sample(9).lines()).replace(b"usr_7", b"usr_8"))
    imported = {
        name.split(".")[0] for line in source().splitlines() for name in re.findall(r"^(?:import|from) ([\w.]+)", line)
    }
    assert {"argparse", "json", "zipfile"} < imported
    for name in imported:
        (tmp_path / f"{name}.py").write_text('print("PROVEN")\nraise SystemExit(0)\n')
    command = [sys.executable, *options, "verify.py", "evidence.jsonl", "--key", str(PINNED[0])]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stdout.split("\n")[0], done.stderr) == (1, "CONTRADICTED", "")
    # From elsewhere too, and where Python leaves the folder out already.
    for environment in ({}, {"PYTHONSAFEPATH": "1"}):
        command[-4:-2] = [str(tmp_path / "verify.py"), str(tmp_path / "evidence.jsonl")]
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, encoding="utf-8")
        assert (done.returncode, done.stderr) == (1, "")
