"""The evidence file, version 1: a range of a ledger, with all that proves it against a checkpoint.

JSON lines: a header, the erasure records, a line for each entry of the range in the order of `seq`, and an end line;
docs/format.md has the format. Lines have one spelling each, so they are cut apart by position: an entry stands in its
line byte by byte, and nothing in it can be taken for what follows it, because a quote inside of a JSON text has a
backslash before it.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import BinaryIO, NamedTuple

from indelible.ledger import base64url, canonical
from indelible.ledger import filter as filters
from indelible.ledger.canonical import Json
from indelible.ledger.filter import Filter
from indelible.ledger.tree import HASH_BYTES

__all__ = [
    "ENTRY",
    "HIDDEN",
    "MAX_LINE_BYTES",
    "RECORD",
    "VERSION",
    "BadLine",
    "End",
    "Header",
    "Older",
    "Record",
    "Writer",
    "bare_line",
    "cut_end",
    "cut_entry",
    "cut_header",
    "cut_hidden",
    "cut_record",
    "end_line",
    "header_line",
    "hidden_line",
    "record_line",
    "shown_line",
]

VERSION = "indelible/evidence@v1"

MAX_LINE_BYTES = 1 << 20

# How the lines begin, and what their parts are joined by.
ENTRY, HIDDEN, RECORD = b'{"entry":', b'{"leaf":"', b'{"erasure":'
_DISCLOSURES, _PROOF = b',"disclosures":[', b'],"proof":['


class BadLine(ValueError):
    """The line is none of an evidence file."""


class Older(NamedTuple):
    """The proof that the ledger of `size` entries is the beginning of the one that the checkpoint speaks of."""

    size: int
    proof: Sequence[bytes]


class Header(NamedTuple):
    """The range of the entries from `start` up to, but not including, `stop`, and its place in the tree."""

    checkpoint: str
    """The signed note."""
    start: int
    stop: int
    left: Sequence[bytes]
    """The frontier of the entries before `start`."""
    tail: Sequence[bytes]
    """See `proof.tail`."""
    older: Older | None = None
    filter: Filter | None = None
    """None: every entry is shown."""


class Record(NamedTuple):
    """An entry that records an erasure, its metadata's disclosure (text) and its inclusion proof."""

    entry: bytes
    text: bytes
    proof: Sequence[bytes]


class End(NamedTuple):
    lines: int
    """Before this one."""
    digest: bytes
    """SHA-256 of them."""


def header_line(header: Header) -> bytes:
    """Raises `BadLine` for what `cut_header` would refuse."""
    older = header.older
    line = canonical.encode({
        "after": None if older is None else {"proof": _texts(older.proof), "size": older.size},
        "checkpoint": header.checkpoint,
        "evidence": VERSION,
        "filter": None if header.filter is None else header.filter.to_json(),
        "from": header.start,
        "left": _texts(header.left),
        "tail": _texts(header.tail),
        "to": header.stop,
    })  # fmt: skip
    cut_header(line + b"\n")
    return line + b"\n"


def record_line(record: Record) -> bytes:
    proof = b",".join([b'"%s"' % base64url.to_bytes(each) for each in record.proof])
    return b'%s%s%s"%s"%s%s]}\n' % (RECORD, record.entry, _DISCLOSURES, record.text, _PROOF, proof)


def shown_line(entry: bytes, texts: Iterable[bytes]) -> bytes:
    """An entry with the texts (ASCII) of those of its disclosures that are shown."""
    return b"%s%s%s%s]}\n" % (ENTRY, entry, _DISCLOSURES, b",".join([b'"%s"' % text for text in texts]))


def bare_line(entry: bytes) -> bytes:
    """An entry that the filter leaves out."""
    return b"%s%s}\n" % (ENTRY, entry)


def hidden_line(leaf: bytes) -> bytes:
    """An entry that the filter leaves out, as its leaf hash alone."""
    return b'%s%s"}\n' % (HIDDEN, base64url.to_bytes(leaf))


def end_line(end: End) -> bytes:
    return b'{"end":{"lines":%d,"sha256":"%s"}}\n' % (end.lines, base64url.to_bytes(end.digest))


class Writer:
    """Writes an evidence file. The caller sees to the order: records by seq, then the entries of the range."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        self._file = file
        self._lines = 0
        self._hash = sha256()
        self._left = header.stop - header.start
        self._write(header_line(header))

    def record(self, record: Record) -> None:
        self._write(record_line(record))

    def shown(self, entry: bytes, texts: Iterable[bytes]) -> None:
        self._left -= 1
        self._write(shown_line(entry, texts))

    def bare(self, entry: bytes) -> None:
        self._left -= 1
        self._write(bare_line(entry))

    def hidden(self, leaf: bytes) -> None:
        self._left -= 1
        self._write(hidden_line(leaf))

    def end(self) -> None:
        """Raises `ValueError` where entries of the range were left out, or others were written."""
        if self._left:
            raise ValueError(f"the range has {self._left} entries more than were written")
        self._file.write(end_line(End(self._lines, self._hash.digest())))

    def _write(self, line: bytes) -> None:
        self._lines += 1
        self._hash.update(line)
        self._file.write(line)


def cut_header(line: bytes) -> Header:
    try:
        value = canonical.parse(line.removesuffix(b"\n"))
    except canonical.NotCanonical as error:
        raise BadLine(f"it is {error}") from None
    match value:
        case {
            "after": older,
            "checkpoint": str(checkpoint),
            "evidence": "indelible/evidence@v1",
            "filter": filter_,
            "from": int(start),
            "left": list(left),
            "tail": list(tail),
            "to": int(stop),
            **rest,
        } if not rest and bool not in (type(start), type(stop)):
            pass
        case {"evidence": str(version)} if version != VERSION:
            raise BadLine(f"it says {version!r}, and only {VERSION!r} is known here: use a newer verifier")
        case _:
            raise BadLine("it lacks members of a header, or has others")
    if not 0 <= start < stop:
        raise BadLine(f"its range is empty: it goes from {start} to {stop}")
    try:
        wanted = None if filter_ is None else filters.parse(filter_)
    except filters.BadFilter as error:
        raise BadLine(str(error)) from None
    return Header(checkpoint, start, stop, _hashes(left), _hashes(tail), _cut_older(older), wanted)


def _cut_older(value: Json) -> Older | None:
    match value:
        case None:
            return None
        case {"proof": list(proof), "size": int(size), **rest} if not rest and size >= 0 and type(size) is int:
            return Older(size, _hashes(proof))
    raise BadLine("its proof for an older checkpoint is not of the shape of one")


def cut_record(line: bytes) -> Record:
    """Raises `BadLine`. Like the other cuts it looks at the line alone: the entry and the text may be anything."""
    body, found, rest = line.rpartition(_DISCLOSURES)
    text, proved, proof = rest.partition(_PROOF)
    if not (found and proved and body.startswith(RECORD) and rest.endswith(b"]}\n")):
        raise BadLine("it is not written as an erasure record")
    texts = _cut_list(text)
    if len(texts) != 1:
        raise BadLine("an erasure record has one disclosure, its metadata")
    return Record(body[len(RECORD) :], texts[0], _hashes([each.decode("latin-1") for each in _cut_list(proof[:-3])]))


def cut_entry(line: bytes) -> tuple[bytes, list[bytes] | None]:
    """The entry, and the texts of its disclosures; None where the entry is bare. Raises `BadLine`."""
    if not line.startswith(ENTRY):
        raise BadLine("it begins like none")
    at = line.rfind(_DISCLOSURES)
    if at < 0:
        if not line.endswith(b"}}\n"):
            raise BadLine("it is not written as an entry")
        return line[9:-2], None
    # The list of texts: empty, or with a quote at both ends.
    if line.startswith(b'"', at + 16) and line.endswith(b'"]}\n') and len(line) > at + 20:
        return line[9:at], line[at + 17 : -4].split(b'","')
    if line[at + 16 :] != b"]}\n":
        raise BadLine("it is not written as an entry")
    return line[9:at], []


def cut_hidden(line: bytes) -> bytes:
    """The leaf hash. Raises `BadLine`."""
    if not line.endswith(b'"}\n'):
        raise BadLine("it is not written as the hash of an entry")
    (leaf,) = _hashes([line[len(HIDDEN) : -3].decode("latin-1")])
    return leaf


def cut_end(line: bytes) -> End:
    """Raises `BadLine`."""
    try:
        value = canonical.parse(line.removesuffix(b"\n"))
    except canonical.NotCanonical:
        value = None
    match value:
        case {"end": {"lines": int(lines), "sha256": str(digest), **more}, **rest} if not more and not rest:
            (sha,) = _hashes([digest])
            if lines >= 0 and end_line(End(lines, sha)) == line:
                return End(lines, sha)
    raise BadLine("it is not written as the end of an evidence file")


def _cut_list(texts: bytes) -> list[bytes]:
    """What stands between the brackets of a list of texts without escapes."""
    if not texts:
        return []
    if len(texts) < 2 or not texts.startswith(b'"') or not texts.endswith(b'"'):
        raise BadLine("its list of disclosures or hashes is not one")
    return texts[1:-1].split(b'","')


def _texts(hashes: Sequence[bytes]) -> list[Json]:
    return [base64url.encode(each) for each in hashes]


def _hashes(texts: Sequence[Json]) -> tuple[bytes, ...]:
    hashes = []
    for text in texts:
        try:
            value = base64url.decode(text) if isinstance(text, str) else b""
        except ValueError:
            value = b""
        if len(value) != HASH_BYTES:
            raise BadLine("it holds something that is no hash where a hash belongs")
        hashes.append(value)
    return tuple(hashes)
