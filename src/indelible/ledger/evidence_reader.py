"""Reading an evidence file, line by line; step 20 of docs/format.md.

The file is whole: each line is of a known form and in its place, and the last one counts and hashes those before it.
"""

import zlib
from hashlib import sha256
from typing import BinaryIO
from zipfile import BadZipFile

from indelible.ledger import evidence
from indelible.ledger.evidence import MAX_LINE_BYTES, BadLine, Header

__all__ = ["Reader", "Unreadable"]

# What files, and files inside of a zip, raise when they are damaged.
_DAMAGED = (OSError, EOFError, BadZipFile, zlib.error)

_SAVED_AGAIN = (
    ". It may have been one: an editor or a mail program that saves a file again can change it, the ends of its lines "
    "for instance. Get the file again"
)


class Unreadable(ValueError):
    """The file does not go on as an evidence file does."""


class Reader:
    """The lines of a file, counted and hashed. Holds one line at a time, of `MAX_LINE_BYTES` at most.

    Every method raises `Unreadable`, with what is wrong.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = sha256()
        self._line = b""
        self.lines = 0
        """How many were read; while there is one, its number."""

    def next(self) -> bytes:
        """The next line, with its newline."""
        self._hash.update(self._line)
        try:
            line = self._file.readline(MAX_LINE_BYTES + 1)
        except _DAMAGED as error:
            raise Unreadable(f"the file cannot be read after line {self.lines}: {error}") from None
        if not line and not self.lines:
            raise Unreadable("the file is empty")
        if not line:
            raise Unreadable(f"the file ends after line {self.lines}, without its end line: it was cut off")
        self.lines += 1
        if len(line) > MAX_LINE_BYTES:
            raise Unreadable(f"line {self.lines} has more than {MAX_LINE_BYTES} bytes: no evidence file has that")
        if not line.endswith(b"\n"):
            raise Unreadable(f"the file ends in the middle of line {self.lines}: it was cut off")
        self._line = line
        return line

    def header(self) -> Header:
        """What the first line says."""
        line = self.next()
        try:
            return evidence.cut_header(line)
        except BadLine as error:
            hint = _SAVED_AGAIN if evidence.VERSION.encode() in line else ""
            raise Unreadable(f"the first line is no header of an evidence file: {error}{hint}") from None

    def end(self) -> None:
        """Checks that the line just read is the end, that it speaks of those before it, and that nothing follows."""
        if self._line.startswith((evidence.ENTRY, evidence.HIDDEN)):
            raise Unreadable(f"line {self.lines} is one entry more than the file's first line announces")
        try:
            end = evidence.cut_end(self._line)
        except BadLine as error:
            raise Unreadable(f"line {self.lines} should be the file's end, and is not: {error}") from None
        if end.lines != self.lines - 1:
            raise Unreadable(
                f"the file's end counts {end.lines} lines before it, and there are {self.lines - 1}: "
                "it was damaged or altered; get it again"
            )
        if end.digest != self._hash.digest():
            raise Unreadable(
                "the file is not as it was when its last line was written: it was damaged or altered, which other "
                "findings may come of; get it again"
            )
        try:
            more = self._file.read(1)
        except _DAMAGED as error:
            raise Unreadable(f"the file cannot be read after its end: {error}") from None
        if more:
            raise Unreadable("there is something after the file's end")
