"""The words of an event: what it is found by besides its time.

Each is a lexeme of `event_personal.search`: three characters that follow from the tenant, a letter that says where it
was found, and the word itself. Names, changes and metadata are taken apart into words of letters and digits, folded;
ids, actions and addresses are words as a whole, as they were written.
"""

import re
import struct
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, Literal, Protocol

from indelible.event import Event
from indelible.ledger import base64url
from indelible.ledger.disclosure import Disclosure
from indelible.ledger.entry import Entry

__all__ = [
    "IMPERSONATED",
    "MAX_WHOLE",
    "MIDDLE",
    "OF_A_PART",
    "SEARCHED",
    "Mark",
    "fold",
    "is_listed",
    "lexeme",
    "listed",
    "name_has",
    "search_vector",
    "tokens",
    "without_escapes",
    "words_of",
]

Mark = Literal["=", "o", "u", "i", "y", "a", "b", "t", "c", "m", "x", "s", "r"]
"""Where a word was found.

Of the entry: `=` action, `o` outcome unless it is success, `u` actor's id, `i` a target's id, `y` a target's type. Of
the disclosures: `a` names, e-mail addresses and reason of actor and impersonator, `b` impersonator's id, `t` targets'
names, `c` changes, `m` metadata, `x` IP address, `s` session id, `r` request id. An erasure removes those of its groups
(`erase_disclosures`), and members look for those alone that they are shown (`hidden_words`).
"""

OF_A_PART: Final[Mapping[Mark, str]] = {
    "c": "changes", "m": "metadata", "x": "ip_address", "s": "session_id", "r": "request_id",
}  # fmt: skip
"""The part of an event (`store.view.Part`) that words with this mark are shown with; those of the others are always."""

IMPERSONATED: Final = "impersonated support agent"
"""Words that every event has which one of the vendor's staff did as somebody else: its sentence says so."""

SEARCHED: Final = "audit_log.searched"
"""Of an event of this action the metadata are not words of it: else whoever looks for something finds first of all that
they looked for it."""

MAX_WHOLE: Final = 256
"""Characters that count of what is a word as a whole."""

MIDDLE: Final = 3
"""Characters, from which on the middle of a word is looked for."""

_WORD = re.compile(r"[^\W_]{1,64}")
_ESCAPE = re.compile(r"\\(?:u[0-9a-f]{4}|.)", re.DOTALL)
_FIRST_VALUE: Final = {"changes": 37, "metadata": 38}
"""Where the value of a disclosure begins: after the salt, whose length is fixed, and the group's name."""

_LISTED = re.compile(r"(?=.*[^0-9])(?:.{3,15}|[^0-9]{16,40})", re.DOTALL)


_KNOWN: Final = 20_000
"""Characters of which it is remembered what folding leaves: of all 1.1 million it would take 80 MB."""


class _WithoutMarks(dict[int, int | None]):
    """For `str.translate`: what it leaves of each character, found out when it first occurs."""

    def __missing__(self, character: int) -> int | None:
        if len(self) >= _KNOWN:
            self.clear()
        kept = None if unicodedata.category(chr(character)).startswith("M") else character
        self[character] = kept
        return kept


_without_marks = _WithoutMarks()


def fold(text: str) -> str:
    """Without case and accents: `Müller` and `MULLER` are one word. What is folded, folding leaves as it is."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKD", text).translate(_without_marks).casefold().lower()


def tokens(text: str) -> set[str]:
    """The words of letters and digits in `text`, folded; of longer ones pieces of 64 characters."""
    return set(_WORD.findall(fold(text)))


def lexeme(tenant: str, mark: Mark, word: str) -> str:
    """The word as the index has it."""
    return f"{_prefix(tenant)}{mark}{word}"


def is_listed(word: str) -> bool:
    """Whether the directory lists such a word of a name, so that its middle is found too: no number, and no long id."""
    return _LISTED.fullmatch(word) is not None


def name_has(word: str, name: str) -> bool:
    """Whether a word that somebody looks for stands for the word of a name: as its beginning, or as its middle."""
    return name.startswith(word) or (len(word) >= MIDDLE and word in name and is_listed(name))


def listed(names: Iterable[str]) -> list[str]:
    return [word for word in names if is_listed(word)]


def search_vector(event: Event, disclosures: Mapping[str, Disclosure]) -> tuple[bytes, set[str]]:
    """The words of the event as a tsvector in PostgreSQL's binary format, and those of them that are words of names."""
    actor, context = event.actor, event.context
    who = staff = None
    if "actor" in disclosures:
        who = f"{actor.name or ''} {actor.email or ''}"
        if (by := actor.impersonator) is not None:
            who += f" {by.name or ''} {by.email or ''} {by.reason or ''} {IMPERSONATED}"
            staff = by.id
    named = [target.name for target in event.targets if target.name is not None] if "targets" in disclosures else None
    found, names = _words(
        event, who, staff, named,
        _json(disclosures["changes"].decode(), "changes") if "changes" in disclosures else None,
        _json(disclosures["metadata"].decode(), "metadata") if "metadata" in disclosures else None,
        context.ip_address, context.session_id, context.request_id,
    )  # fmt: skip
    prefix = _prefix(event.tenant_id)
    separator = f"\0\0\0{prefix}"  # ends a lexeme that has no positions, and begins the next one
    return struct.pack(">i", len(found)) + f"{prefix}{separator.join(found)}\0\0\0".encode(), names


def words_of(entry: Entry, disclosed: Mapping[str, Any], texts: Mapping[str, str | None]) -> list[str]:
    """The words of a sealed event, each with its mark. `disclosed` are the values of those disclosures that fit the
    entry, by group, and `texts` those of changes and metadata as they are stored: `[salt, name, value]`.
    """
    who = staff = None
    if "actor" in disclosed:
        actor = _object(disclosed["actor"])
        who = f"{actor.get('name') or ''} {actor.get('email') or ''}"
        if isinstance(by := actor.get("impersonator"), dict):
            who += f" {by.get('name') or ''} {by.get('email') or ''} {by.get('reason') or ''} {IMPERSONATED}"
            staff = _text(by.get("id")) or None
    named = disclosed.get("targets")
    context = _object(disclosed.get("context"))
    found, _ = _words(
        entry, who, staff, [name for name in named if isinstance(name, str)] if isinstance(named, list) else None,
        _json(texts["changes"] or "", "changes") if "changes" in disclosed else None,
        _json(texts["metadata"] or "", "metadata") if "metadata" in disclosed else None,
        _text(context.get("ip_address")), _text(context.get("session_id")), _text(context.get("request_id")),
    )  # fmt: skip
    return found


class _Subject(Protocol):
    @property
    def type(self) -> str: ...
    @property
    def id(self) -> str | None: ...


class _Said(Protocol):
    """What an event and its entry say alike."""

    @property
    def action(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def actor(self) -> _Subject: ...
    @property
    def targets(self) -> Sequence[_Subject]: ...


def _words(
    said: _Said,
    who: str | None,
    staff: str | None,
    named: Sequence[str] | None,
    changes: str | None,
    metadata: str | None,
    ip_address: str | None,
    session_id: str | None,
    request_id: str | None,
) -> tuple[list[str], set[str]]:
    """All different, as PostgreSQL wants those of a tsvector in its binary format; and the words of names."""
    found = [f"={said.action}"]
    if said.outcome != "success":
        found.append(f"o{said.outcome}")
    if said.actor.id is not None:
        found.append(f"u{said.actor.id}")
    if targets := said.targets:
        found += {f"i{target.id}" for target in targets if target.id is not None}
        found += {f"y{target.type}" for target in targets}
    names: set[str] = set()
    if who is not None:
        names = tokens(who)
        found += [f"a{word}" for word in names]
    if staff is not None:
        found.append(f"b{staff}")
    if named is not None:
        of_targets = tokens(" ".join(named))
        found += [f"t{word}" for word in of_targets]
        names = names | of_targets
    if changes is not None:
        found += [f"c{word}" for word in tokens(changes)]
    if metadata is not None and said.action != SEARCHED:
        found += [f"m{word}" for word in tokens(metadata)]
    if ip_address:
        found.append(f"x{ip_address[:MAX_WHOLE]}")
    if session_id:
        found.append(f"s{session_id[:MAX_WHOLE]}")
    if request_id:
        found.append(f"r{request_id[:MAX_WHOLE]}")
    return found, names


def _json(disclosure: str, group: str) -> str:
    """The JSON of what is disclosed, without its escapes, which are not of its words."""
    return without_escapes(disclosure[_FIRST_VALUE[group] :])


def without_escapes(json: str) -> str:
    return _ESCAPE.sub(" ", json) if "\\" in json else json


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


@lru_cache(maxsize=10_000)
def _prefix(tenant: str) -> str:
    return base64url.encode(sha256(tenant.encode()).digest())[:3]
