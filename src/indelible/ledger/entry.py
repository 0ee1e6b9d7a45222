"""An entry: the exact bytes that are hashed and stored for one event, format version 1."""

import json
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
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
    "is_millis",
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


class Entry(NamedTuple):
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


# One expression for all that an entry may be: its shape, and at the same time the canonical form of everything in it.
# A text holds what needs no escape, and RFC 8785's escapes; UTF-8 that decodes holds no lone surrogate.
_CHARACTERS = r'[^"\\\x00-\x1f]*+(?:\\(?:["\\bfnrt]|u00(?:0[0-7bef]|1[0-9a-f]))[^"\\\x00-\x1f]*+)*+'
_TEXT = f'"{_CHARACTERS}"'
_HASH = "[A-Za-z0-9_-]{43}"
_SUBJECT = rf'\{{(?:"id":{_TEXT},)?"type":{_TEXT}\}}'
_TIME = r"([0-9]{4}-[0-9]{2}-[0-9]{2})T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]"
_MILLIS, _MICROS = _TIME + "{3}Z", _TIME + "{6}Z"
_ENTRY = re.compile(
    rf'\{{"_sd":\[(?:"({_HASH}(?:","{_HASH})*+)")?\],"action":"({_CHARACTERS})","actor":({_SUBJECT}),'
    rf'"category":(?:null|"({_CHARACTERS})"),"id":"([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})",'
    rf'"occurred_at":"({_MILLIS})","operation":(?:null|"({_CHARACTERS})"),"outcome":"({"|".join(sorted(OUTCOMES))})",'
    rf'"prev":"({_HASH})","recorded_at":"({_MICROS})","seq":(0|[1-9][0-9]{{0,15}}),'
    rf'"source":"({"|".join(sorted(SOURCES))})","targets":\[((?:{_SUBJECT}(?:,{_SUBJECT})*+)?)\],"v":{VERSION}\}}'
)
_MAX_CACHED = 256


def parse(data: bytes) -> Entry:
    """What the entry says. Raises `BadEntry` unless it is canonical and of exactly the shape of version 1."""
    if len(data) > MAX_ENTRY_BYTES:
        raise BadEntry(f"has {len(data)} bytes; an entry has at most {MAX_ENTRY_BYTES}")
    try:
        found = _ENTRY.fullmatch(data.decode())
    except UnicodeDecodeError:
        found = None
    if found is None:
        raise _fault(data)
    (
        sd, action, actor, category, id_, occurred_at, occurred_on, operation, outcome, prev, recorded_at, recorded_on,
        seq, source, targets,
    ) = found.groups()  # fmt: skip
    digests: tuple[str, ...] = tuple(sd.split('","')) if sd else ()
    if any(map(str.__ge__, digests, digests[1:])):
        raise BadEntry("has digests (_sd) that are not a sorted list of different hashes")
    if not (_is_date(occurred_on) and _is_date(recorded_on)):
        raise BadEntry(_BAD_TIME)
    if b"\\" in data:
        action, category, operation = map(_read, (action, category, operation))
    number = int(seq)
    if number > canonical.MAX_INTEGER:
        raise _fault(data)
    return Entry(
        digests,
        action,
        _subjects(actor)[0] if len(actor) <= _MAX_CACHED else _read_subjects(actor)[0],
        category,
        id_,
        occurred_at,
        operation,
        outcome,
        prev,
        recorded_at,
        number,
        source,
        _subjects(targets) if len(targets) <= _MAX_CACHED else _read_subjects(targets),
    )


_BAD_TIME = "has a time that is none, or is written otherwise"


def _fault(data: bytes) -> BadEntry:
    """What is wrong with bytes that `_ENTRY` does not match."""
    try:
        value = canonical.parse(data)
    except canonical.NotCanonical as error:
        return BadEntry(f"is {error}")
    match value:
        case {"occurred_at": str(occurred_at), "recorded_at": str(recorded_at)} if not (
            re.fullmatch(_MILLIS, occurred_at) and re.fullmatch(_MICROS, recorded_at)
        ):
            return BadEntry(_BAD_TIME)
    return BadEntry("is not of the shape of format version 1")


def is_millis(text: str) -> bool:
    """Whether it is a time as `millis` writes it."""
    found = _MILLIS_TIME.fullmatch(text)
    return found is not None and _is_date(found[1])


_MILLIS_TIME = re.compile(_MILLIS)


@lru_cache(maxsize=1024)
def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _read(characters: str | None) -> str | None:
    """What a JSON text says, which `_ENTRY` has matched."""
    return None if characters is None else str(json.loads(f'"{characters}"'))


def _read_subjects(objects: str) -> tuple[Subject, ...]:
    return tuple(Subject(each["type"], each.get("id")) for each in json.loads(f"[{objects}]"))


_subjects = lru_cache(maxsize=8192)(_read_subjects)


@lru_cache(maxsize=4096)
def _object(subject: Subject) -> str:
    identifier = "" if subject.id is None else f'"id":{quote(subject.id)},'
    return f'{{{identifier}"type":{quote(subject.type)}}}'


@lru_cache(maxsize=1024)
def _label(label: str | None) -> str:
    return "null" if label is None else quote(label)
