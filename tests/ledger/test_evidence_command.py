"""The command: what it reads, what it says, and its exit codes. It must not stumble over anything it is given."""

from __future__ import annotations

import json
import random
import zipfile
from pathlib import Path

import pytest

from indelible.ledger.evidence_command import Unusable, main, open_evidence, read_keys
from tests.ledger.evidence_files import ORIGIN, PINNED, ended, sample

LEDGER = sample(6)
HONEST = ended(LEDGER.lines())
KEY = str(PINNED[0])


@pytest.fixture
def honest(tmp_path: Path) -> Path:
    path = tmp_path / "evidence.jsonl"
    path.write_bytes(HONEST)
    return path


def zipped(path: Path, members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def test_a_file_is_proven_and_the_report_printed(honest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(honest), "--key", KEY]) == 0
    printed = capsys.readouterr()
    assert (printed.out.split("\n")[0], printed.err) == ("PROVEN", "")
    assert main([str(honest), "--key", KEY, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["verdict"], report["origin"], report["tenant_id"], report["size"]) == ("proven", ORIGIN, "acme", 6)


def test_exit_codes(honest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    altered, cut, kept = tmp_path / "altered", tmp_path / "cut", tmp_path / "kept"
    altered.write_bytes(HONEST.replace(b"usr_7", b"usr_8"))
    cut.write_bytes(HONEST[:-100])
    kept.write_text(LEDGER.checkpoint(3))
    assert main([str(altered), "--key", KEY]) == 1
    assert main([str(cut), "--key", KEY]) == 2
    assert main([str(honest), "--key", KEY, "--after", str(kept)]) == 0
    kept.write_text(sample(9).checkpoint())
    assert main([str(honest), "--key", KEY, "--after", str(kept)]) == 1
    assert "step 27" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required"), (["FILE"], "--key"), (["--key", KEY], "FILE"), (["FILE", "--key"], "expected one argument"),
        (["FILE", "--key", "nobody+00000000+AAAA"], "neither a file nor a key"), (["FILE", "--key", "/"], "neither"),
        (["FILE", "--key", "FILE"], "the key file"), (["FILE", "--key", "EMPTY"], "no key was given"),
        (["FILE", "--key", "a\0b"], "neither a file nor a key"), (["FILE", "--key", KEY, "--after", "gone"], "gone"),
        (["gone", "--key", KEY], "gone cannot be read"), (["/", "--key", KEY], "cannot be read"),
        (["FILE", "--key", KEY, "--since", "2026"], "unrecognized"),
    ],
)  # fmt: skip
def test_what_cannot_be_tried_is_said_in_a_sentence(
    arguments: list[str], said: str, honest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").write_text("# no key yet\n\n")
    names = {"FILE": str(honest), "EMPTY": str(tmp_path / "empty")}
    try:
        code = main([names.get(each, each) for each in arguments])
    except SystemExit as stop:  # argparse
        code = int(stop.code or 0)
    printed = capsys.readouterr()
    assert (code, printed.out) == (2, "")
    assert said in printed.err


def test_keys_are_given_as_they_are_or_in_files(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"# acme\n{KEY}\r\n\n  {KEY}  \n")
    assert read_keys([KEY]) == read_keys([f" {KEY}\n"]) == PINNED
    assert read_keys([str(path), KEY]) == PINNED * 3
    for key in (KEY[:-1], KEY + "A", KEY.replace("+", "-"), str(tmp_path)):
        with pytest.raises(Unusable):
            read_keys([KEY, key])
    with pytest.raises(Unusable):
        read_keys([])


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_is_read_as_it_is(tmp_path: Path, compression: int) -> None:
    path = zipped(tmp_path / "a.zip", [("verify.py", b"raise SystemExit(0)"), ("evidence.jsonl", HONEST)], compression)
    assert main([str(path), "--key", KEY]) == 0


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_without_one_evidence_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two of one name are read differently by different programs."""
    for members, compression in (
        ([("other.jsonl", HONEST)], zipfile.ZIP_DEFLATED),
        ([("evidence.jsonl", HONEST), ("evidence.jsonl", HONEST)], zipfile.ZIP_DEFLATED),
        ([("a/evidence.jsonl", HONEST)], zipfile.ZIP_DEFLATED),
        ([("evidence.jsonl", HONEST)], zipfile.ZIP_BZIP2),
        ([("evidence.jsonl", HONEST)], zipfile.ZIP_LZMA),
    ):
        assert main([str(zipped(tmp_path / "a.zip", members, compression)), "--key", KEY]) == 2
        assert "without exactly one readable evidence.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_zip_is_no_traceback(tmp_path: Path, compression: int) -> None:
    """And where it is proven all the same, what was flipped is nothing that is read."""
    data = zipped(tmp_path / "good.zip", [("evidence.jsonl", HONEST)], compression).read_bytes()
    path = tmp_path / "bad.zip"
    chance = random.Random(7)
    for _ in range(150):
        at = chance.randrange(len(data))
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :])
        if main([str(path), "--key", KEY]) == 0:
            with open_evidence(path) as file:
                assert file.read() == HONEST
    for size in range(0, len(data), 97):
        path.write_bytes(data[:size])
        assert main([str(path), "--key", KEY]) == 2
