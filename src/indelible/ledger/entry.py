"""An entry: the exact bytes that are hashed and stored for one event, format version 1."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring as quote  # RFC 8785's escapes: \b \t \n \f \r \" \\ and \u00xx
from typing import NamedTuple

from indelible.ledger import base64url, canonical
from indelible.ledger.tree import leaf_hash

__all__ = [
    "MAX_ENTRY_BYTES",
    "OUTCOMES",
    "SOURCES",
    "VERSION",
    "BadEntry",
    "Entry",
    "Subject",
    "Unsealed",
    "genesis",
    "micros",
    "millis",
    "parse",
    "seal",
    "size_at_most",
    "unsealed",
]

VERSION = 1
MAX_ENTRY_BYTES = 32 * 1024


OUTCOMES = frozenset({"success", "failure", "denied"})
SOURCES = frozenset({"ui", "admin_panel", "api", "background"})

_HASH = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class BadEntry(ValueError):
    """The bytes are no entry of format version 1."""


class Subject(NamedTuple):
    """An actor or a target, without its personal parts."""

    type: str
    id: str | None


class Unsealed(NamedTuple):
    """An entry but for its place in the ledger, which goes between the two parts."""

    head: bytes
    tail: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """What an entry says. Times are as they stand in it: RFC 3339, UTC, milli- and microseconds."""

    digests: tuple[str, ...]
    action: str
    actor: Subject
    category: str | None
    id: str
    occurred_at: str
    operation: str | None
    outcome: str
    prev: str
    recorded_at: str
    seq: int
    source: str
    targets: tuple[Subject, ...]


def genesis(origin: str) -> str:
    """What `prev` is in entry 0: it ties the ledger to its name."""
    return base64url.encode(leaf_hash(origin.encode()))


def millis(moment: datetime) -> str:
    """`2026-11-21T09:30:00.123Z`. `moment` is in UTC; zero fractions stay written out."""
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


@lru_cache(maxsize=256)  # all events of a transaction are recorded at once
def micros(moment: datetime) -> str:
    """`2026-11-21T09:30:00.123456Z`. `moment` is in UTC."""
    return moment.isoformat(timespec="microseconds")[:26] + "Z"


def unsealed(
    *,
    id: str,  # noqa: A002
    action: str,
    actor: Subject,
    targets: Iterable[Subject],
    category: str | None,
    operation: str | None,
    outcome: str,
    source: str,
    occurred_at: datetime,
    digests: Iterable[str],
) -> Unsealed:
    """All of an entry that is known before its ledger is locked.

    The keys stand in canonical order: `_sd action actor category id occurred_at operation outcome`,
    then `prev recorded_at seq` of `seal`, then `source targets v`.
    """
    sd = ",".join([f'"{d}"' for d in sorted(digests)])
    objects = ",".join([_object(target) for target in targets])
    head = (
        f'{{"_sd":[{sd}],"action":{quote(action)},"actor":{_object(actor)},"category":{_label(category)},'
        f'"id":"{id}","occurred_at":"{millis(occurred_at)}","operation":{_label(operation)},"outcome":"{outcome}",'
    )
    return Unsealed(head.encode(), f'"source":"{source}","targets":[{objects}],"v":{VERSION}}}'.encode())


def seal(entry: Unsealed, seq: int, prev: str, recorded_at: str) -> bytes:
    """The entry at its place: number `seq`, after the leaf hash `prev`, recorded at `recorded_at` (see `micros`)."""
    return b'%s"prev":"%s","recorded_at":"%s","seq":%d,%s' % (
        entry.head,
        prev.encode(),
        recorded_at.encode(),
        seq,
        entry.tail,
    )


_PLACE_BYTES = len(seal(Unsealed(b"", b""), 2**53 - 1, "x" * 43, micros(datetime.max.replace(tzinfo=UTC))))


def size_at_most(entry: Unsealed) -> int:
    """How many bytes the entry has at the furthest place there is. More than `MAX_ENTRY_BYTES` is no entry."""
    return len(entry.head) + len(entry.tail) + _PLACE_BYTES


def parse(data: bytes) -> Entry:
    """What the entry says. Raises `BadEntry` unless it is canonical and of exactly the shape of version 1."""
    if len(data) > MAX_ENTRY_BYTES:
        raise BadEntry(f"has {len(data)} bytes; an entry has at most {MAX_ENTRY_BYTES}")
    try:
        value = canonical.parse(data)
    except canonical.NotCanonical as error:
        raise BadEntry(f"is {error}") from None
    match value:
        case {
            "_sd": list(sd),
            "action": str(action),
            "actor": dict(actor),
            "category": None | str() as category,
            "id": str(id_),
            "occurred_at": str(occurred_at),
            "operation": None | str() as operation,
            "outcome": str(outcome),
            "prev": str(prev),
            "recorded_at": str(recorded_at),
            "seq": int(seq),
            "source": str(source),
            "targets": list(targets),
            "v": int(version),
            **rest,
        } if not rest and version == VERSION and bool not in (type(seq), type(version)):
            pass
        case _:
            raise BadEntry("is not of the shape of format version 1")
    digests = tuple(d for d in sd if isinstance(d, str) and _HASH.fullmatch(d))
    if len(digests) != len(sd) or list(digests) != sorted(set(digests)):
        raise BadEntry("has digests (_sd) that are not a sorted list of different hashes")
    if not _HASH.fullmatch(prev):
        raise BadEntry("has a prev that is no hash")
    if not _UUID.fullmatch(id_):
        raise BadEntry("has an id that is no UUID")
    if not (_is_time(occurred_at, "milliseconds") and _is_time(recorded_at, "microseconds")):
        raise BadEntry("has a time that is none, or is written otherwise")
    if outcome not in OUTCOMES or source not in SOURCES:
        raise BadEntry("has an outcome or a source that there is not")
    return Entry(
        digests, action, _subject(actor), category, id_, occurred_at, operation, outcome, prev, recorded_at, seq,
        source, tuple(_subject(target) for target in targets),
    )  # fmt: skip


def _is_time(text: str, timespec: str) -> bool:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return False
    return moment.tzinfo is UTC and moment.replace(tzinfo=None).isoformat(timespec=timespec) + "Z" == text


@lru_cache(maxsize=4096)
def _object(subject: Subject) -> str:
    identifier = "" if subject.id is None else f'"id":{quote(subject.id)},'
    return f'{{{identifier}"type":{quote(subject.type)}}}'


@lru_cache(maxsize=1024)
def _label(label: str | None) -> str:
    return "null" if label is None else quote(label)


def _subject(value: canonical.Json) -> Subject:
    match value:
        case {"type": str(type_), "id": str(id_), **rest} if not rest:
            return Subject(type_, id_)
        case {"type": str(type_), **rest} if not rest:
            return Subject(type_, None)
    raise BadEntry("its actor or a target is more, or less, than a type and an id")
