"""The command: what it reads, what it says, and its exit codes. It must not stumble over anything it is given."""

from __future__ import annotations

import json
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Sequence
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


BESIDE = [("README.txt", b"read me"), ("verify.py", b"raise SystemExit(0)")]
EXPORT = [*BESIDE, ("evidence.jsonl", HONEST)]

Members = Sequence[tuple[str | zipfile.ZipInfo, bytes]]


def zipped(path: Path, members: Members, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data, compression)
    return path


def member(name: str, mode: int = 0, attributes: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16 | attributes
    return info


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
    assert main([str(honest), "--key", KEY, "--after", str(kept)]) == 2
    forged = sample(3)
    forged.append("user.left")
    kept.write_text(forged.checkpoint())
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
    for order in (EXPORT, EXPORT[::-1]):
        path = zipped(tmp_path / "a.zip", order, compression)
        assert main([str(path), "--key", KEY]) == 0


def test_a_zip_that_another_program_wrote(tmp_path: Path) -> None:
    """Regular files with the permissions of one."""
    path = zipped(tmp_path / "a.zip", [(member(str(name), 0o100644), data) for name, data in EXPORT])
    assert main([str(path), "--key", KEY]) == 0


EVIDENCE = ("evidence.jsonl", HONEST)
REFUSED = "is not the zip of an export: that holds the files README.txt, evidence.jsonl, verify.py, each once"


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("members", "compression"),
    [
        ([EVIDENCE], zipfile.ZIP_DEFLATED),
        ([*BESIDE, ("other.jsonl", HONEST)], zipfile.ZIP_DEFLATED),
        ([*EXPORT, ("argparse.py", b"raise SystemExit(0)")], zipfile.ZIP_DEFLATED),
        ([*EXPORT, ("indelible/", b"")], zipfile.ZIP_DEFLATED),
        ([*EXPORT, EVIDENCE], zipfile.ZIP_DEFLATED),
        ([*EXPORT, BESIDE[0]], zipfile.ZIP_DEFLATED),
        ([BESIDE[0], BESIDE[0], EVIDENCE], zipfile.ZIP_DEFLATED),
        ([*BESIDE, ("a/evidence.jsonl", HONEST)], zipfile.ZIP_DEFLATED),
        ([*BESIDE, ("./evidence.jsonl", HONEST)], zipfile.ZIP_DEFLATED),
        ([*BESIDE, ("Evidence.jsonl", HONEST)], zipfile.ZIP_DEFLATED),
        ([*EXPORT, ("Evidence.jsonl", HONEST)], zipfile.ZIP_DEFLATED),
        ([*BESIDE, (member("evidence.jsonl", 0o120777), b"/etc/passwd")], zipfile.ZIP_DEFLATED),
        ([BESIDE[0], (member("verify.py", 0o120777), b"/tmp/mine.py"), EVIDENCE], zipfile.ZIP_DEFLATED),
        ([BESIDE[0], (member("verify.py", 0o040755), b""), EVIDENCE], zipfile.ZIP_DEFLATED),
        ([BESIDE[0], (member("verify.py", 0, 0x10), b""), EVIDENCE], zipfile.ZIP_DEFLATED),
        (EXPORT, zipfile.ZIP_BZIP2),
        (EXPORT, zipfile.ZIP_LZMA),
    ],
)  # fmt: skip
def test_a_zip_of_anything_else_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], members: Members, compression: int
) -> None:
    """Other programs might unpack other evidence than is read here, or put beside it what Python takes for its own."""
    assert main([str(zipped(tmp_path / "a.zip", members, compression)), "--key", KEY]) == 2
    assert REFUSED in capsys.readouterr().err


def test_a_zip_that_others_read_differently_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.zip"
    with_nul = zipped(path, [*BESIDE, ("evidence.jsonlXhid", HONEST)]).read_bytes().replace(b"jsonlXhid", b"jsonl\0hid")
    encrypted = bytearray(zipped(path, EXPORT).read_bytes())
    for signature, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        encrypted[encrypted.rindex(signature) + at] |= 1
    behind_another = zipped(tmp_path / "b.zip", [("evidence.jsonl", b"forged")]).read_bytes() + path.read_bytes()
    for data in (with_nul, bytes(encrypted), behind_another):
        path.write_bytes(data)
        assert main([str(path), "--key", KEY]) == 2
        assert REFUSED in capsys.readouterr().err


def test_a_zip_of_a_million_files_costs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its directory is not read as a whole: zipfile would make an object of each line of it."""
    path = zipped(tmp_path / "a.zip", EXPORT)
    data = path.read_bytes()
    start, end = data.index(b"PK\1\2"), data.rindex(b"PK\5\6")
    line = data[start : data.index(b"PK\1\2", start + 1)]
    lines = line * (30_000_000 // len(line))
    tail = data[end : end + 8] + b"\xff\xff\xff\xff" + struct.pack("<II", len(lines), start) + b"\0\0"
    path.write_bytes(data[:start] + lines + tail)
    tracemalloc.start()
    try:
        assert main([str(path), "--key", KEY]) == 2
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
    assert "a.zip is a zip that cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_zip_is_no_traceback(tmp_path: Path, compression: int) -> None:
    """And where it is proven all the same, what was flipped is nothing that is read."""
    data = zipped(tmp_path / "good.zip", EXPORT, compression).read_bytes()
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
