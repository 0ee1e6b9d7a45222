"""The command that verifies an evidence file: `verify.py`, and what `indelible evidence verify` does.

Exit code 0: proven; 1: contradicted; 2: not proven, or it could not be tried.
"""

import argparse
import json
import stat
import sys
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import BinaryIO, cast

from indelible.ledger.evidence_verifier import verify
from indelible.ledger.note import MAX_NOTE_BYTES, BadKey, Verifier

__all__ = ["EVIDENCE_NAME", "Unusable", "escape_unprintable", "main", "open_evidence", "read_checkpoint", "read_keys"]

EVIDENCE_NAME = "evidence.jsonl"
"""What the evidence is called inside of a zip."""

_ZIP_NAMES = ["README.txt", EVIDENCE_NAME, "verify.py"]
_MSDOS_FOLDER, _ENCRYPTED = 0x10, 0x1

_MAX_KEY_FILE_BYTES = 1_000_000
_BUFFER_BYTES = 1 << 18
_PATIENCE = 2.0  # seconds until the command says how far it is, and between two times


class Unusable(ValueError):
    """What the command was given cannot be used; the text says why."""


@contextmanager
def open_evidence(path: Path) -> Iterator[BinaryIO]:
    """The evidence in a file, which is read as it goes: the file itself, or the member of an export's zip.

    Raises `Unusable`.
    """
    try:
        with path.open("rb") as file:
            is_zip = file.read(4) == b"PK\x03\x04"
            file.seek(0)
            if not is_zip:
                yield file
                return
            with _member(path, file) as member:
                yield cast("BinaryIO", BufferedReader(member, _BUFFER_BYTES))
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror or error}") from None


class _Pieces:
    """A file that gives `_BUFFER_BYTES` at once at most, so that a zip's directory is no longer than that.

    zipfile would have any directory in memory, a hundred times its size; and takes a short one for a damaged one.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self._read = file.read

    def read(self, size: int = -1) -> bytes:
        return self._read(min(size, _BUFFER_BYTES) if size >= 0 else _BUFFER_BYTES)


def _member(path: Path, file: BinaryIO) -> zipfile.ZipExtFile:
    try:
        archive = zipfile.ZipFile(cast("BinaryIO", _Pieces(file)))
        members = archive.infolist()
        if _is_export(members):
            return cast("zipfile.ZipExtFile", archive.open(EVIDENCE_NAME))
    # A damaged archive makes zipfile raise what comes.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, LookupError) as error:
        raise Unusable(f"{path} is a zip that cannot be read: {error}") from None
    raise Unusable(
        f"{path} is not the zip of an export: that holds the files {', '.join(_ZIP_NAMES)}, each once, not encrypted, "
        "and nothing else. Get it again, as it was written"
    )


def _is_export(members: Sequence[zipfile.ZipInfo]) -> bool:
    """Whether every program that unpacks the zip finds the evidence in it that is read here, and nothing beside it."""
    # A name may be followed by NUL and more, or have another one for those who read Unicode: these are the bytes.
    if sorted(each.orig_filename for each in members) != _ZIP_NAMES:
        return False
    return min(each.header_offset for each in members) == 0 and all(
        each.filename == each.orig_filename
        and stat.S_IFMT(each.external_attr >> 16) in (0, stat.S_IFREG)
        and not each.external_attr & _MSDOS_FOLDER
        and not each.flag_bits & _ENCRYPTED
        and each.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        for each in members
    )


def read_keys(keys: Iterable[str]) -> list[Verifier]:
    """Each of `keys` is a vkey, or the path of a file with one a line (blank lines and `#` are passed over).

    Raises `Unusable`.
    """
    found = []
    for key in keys:
        try:
            found.append(Verifier.parse(key.strip()))
            continue
        except BadKey as error:
            fault = error
        try:
            with Path(key).open("rb") as file:
                lines = [line.strip() for line in file.read(_MAX_KEY_FILE_BYTES).decode().split("\n")]
            found += [Verifier.parse(line) for line in lines if line and not line.startswith("#")]
        except BadKey as error:
            raise Unusable(f"the key file {key}: {error}") from None
        except (OSError, ValueError):
            raise Unusable(f"the key {key!r} is neither a file nor a key: {fault}") from None
    if not found:
        raise Unusable("no key was given: without one that you trust a file can only prove itself")
    return found


def read_checkpoint(path: Path) -> bytes:
    """A note that was kept. Raises `Unusable` where there is none to read."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_NOTE_BYTES + 1)
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror or error}") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    escape_unprintable()
    chosen = _parser().parse_args(arguments)
    progress = _Progress()
    try:
        keys = read_keys(chosen.key)
        after = None if chosen.after is None else read_checkpoint(chosen.after)
        with open_evidence(chosen.file) as file:
            report = verify(
                file,
                keys,
                after=after,
                accept_withheld=chosen.accept_withheld,
                accept_hidden=chosen.accept_hidden,
                progress=progress,
            )
    except Unusable as error:
        sys.stderr.write(f"{error}\n")
        return 2
    finally:
        progress.close()
    sys.stdout.write(json.dumps(report.to_json(), indent=2) + "\n" if chosen.json else str(report))
    return report.exit_code


def escape_unprintable() -> None:
    """What a terminal has no characters for must not end the verification."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Verify an evidence file offline, against keys that you trust.",
        epilog="Exit code 0: proven; 1: contradicted; 2: not proven, or it could not be tried.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the zip as it came, or evidence.jsonl")
    parser.add_argument(
        "--key",
        action="append",
        required=True,
        metavar="VKEY",
        help="the ledger's public key, or a file with keys; from elsewhere than the evidence. Can be repeated",
    )
    parser.add_argument(
        "--after", type=Path, metavar="CHECKPOINT", help="a checkpoint kept earlier, which the ledger has to continue"
    )
    parser.add_argument(
        "--accept-withheld", action="store_true", help="personal parts may be missing without a recorded erasure"
    )
    parser.add_argument(
        "--accept-hidden", action="store_true", help="entries outside of the filter may be there as hashes only"
    )
    parser.add_argument("--json", action="store_true", help="the report as a JSON object")
    return parser


class _Progress:
    """Says on stderr how far it is, when that takes long."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _PATIENCE
        self._is_shown = False

    def __call__(self, done: int, entries: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _PATIENCE
            self._is_shown = True
            sys.stderr.write(f"\r{done:,} of {entries:,} entries")
            sys.stderr.flush()

    def close(self) -> None:
        if self._is_shown:
            sys.stderr.write("\n")
            self._is_shown = False
