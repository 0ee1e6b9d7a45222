"""The search box: from what a person writes to conditions. The grammar is in search_box.lark.

docs/search.md is the page about it.
"""

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any, Final, Literal, cast

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError

from indelible.catalog import Catalog
from indelible.server.conditions import condition, did_you_mean, fault
from indelible.server.moments import moment
from indelible.server.parameters import FILTER_PARAMETERS, MAX_QUERY, MAX_WORD, named
from indelible.store.filter import Changed, Condition, Term
from indelible.store.words import tokens

__all__ = ["QUALIFIERS", "BadSearch", "Search", "search"]

QUALIFIERS: Final = (
    "actor", "target", "action", "category", "operation", "outcome", "source", "severity", "ip", "session", "request",
    "actor_id", "actor_type", "target_id", "type", "changed", "since", "until",
)  # fmt: skip
"""As people write them. Those that the URL has are known by the names of there as well."""

_PARAMETERS: Final = {"session": "session_id", "request": "request_id", "type": "target_type"}
"""The parameter that a qualifier stands for, where it has another name."""

_MEANT: Final = {
    "after": "since", "before": "until", "by": "actor", "changes": "changes.FIELD", "date": "since", "event": "action",
    "from": "changes.FIELD.from", "ip_addr": "ip", "level": "severity", "object": "target", "on": "target",
    "resource": "target", "result": "outcome", "status": "outcome", "to": "changes.FIELD.to", "user": "actor",
    "who": "actor",
}  # fmt: skip
"""What other search boxes call it."""

_URL_NAMES: Final = tuple(
    name for p in FILTER_PARAMETERS if p.repeatable and not p.prefix for name in (p.name, *p.aliases)
)
_NAMES: Final = tuple(dict.fromkeys((*QUALIFIERS, *_URL_NAMES)))

_PUNCTUATION: Final = string.punctuation + "“”‘’„«»…–—"
_ADDRESS = re.compile(r"[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*", re.IGNORECASE)
_QUOTES: Final = '"“”„'

_Of = Literal["actor", "target"]


class BadSearch(ValueError):
    """The text says nothing that can be looked for; the message begins with where it goes wrong."""

    def __init__(self, position: int, detail: str) -> None:
        """`position` counts characters from 1."""
        super().__init__(f"at character {position}: {detail}")
        self.position = position
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Search:
    conditions: tuple[Condition, ...]
    since: datetime | None = None
    until: datetime | None = None
    values: int = 0
    """How many words, phrases and values of qualifiers there are."""


def search(text: str, *, now: datetime, catalog: Catalog) -> Search:
    """What `text` looks for. Raises `BadSearch`."""
    if len(text) > MAX_QUERY:
        raise BadSearch(MAX_QUERY + 1, f"it is longer than {MAX_QUERY:,} characters; leave something out")
    if "\0" in text:
        raise BadSearch(text.index("\0") + 1, "there is a NUL; remove it")
    reading = _Reading(now, catalog)
    for item in _items(text):
        reading.take(item)
    return reading.search()


@dataclass(frozen=True, slots=True)
class _Value:
    text: str
    quoted: bool
    position: int


@dataclass(frozen=True, slots=True)
class _Item:
    """A word or a phrase; or with a `name` a qualifier."""

    values: Sequence[_Value]
    position: int
    name: str | None = None
    excluded: bool = False


class _Items(Transformer[Token, list[_Item]]):
    """From the parser's tree to items."""

    def start(self, items: list[_Item]) -> list[_Item]:
        return items

    def item(self, parts: list[Any]) -> _Item:
        minus, what = parts
        if isinstance(what, Token):
            if what.type == "UNKNOWN":
                raise _unknown(what)
            what = _Item([_value(what)], _place(what))
        found = cast("_Item", what)
        return found if minus is None else replace(found, excluded=True)

    def qualifier(self, parts: list[Any]) -> _Item:
        name, *values = parts
        return _Item(values, _place(name), str(name)[:-1])

    def value(self, parts: list[Token]) -> _Value:
        return _value(parts[0])


def _place(token: Token) -> int:
    return (token.start_pos or 0) + 1


def _value(token: Token) -> _Value:
    quoted = token.type == "QUOTED"
    return _Value(str(token)[1:-1] if quoted else str(token), quoted, _place(token))


@cache
def _grammar() -> Lark:
    source = resources.files("indelible.server").joinpath("search_box.lark").read_text("utf-8")
    # The longest first, as target would do for target_id.
    names = "|".join(sorted(_NAMES, key=len, reverse=True))
    return Lark(source.replace("%NAMES%", names), parser="lalr", lexer="contextual", maybe_placeholders=True)


class _Reading:
    """Items, as they are taken one after the other, and what they come to together."""

    def __init__(self, now: datetime, catalog: Catalog) -> None:
        self._now = now
        self._catalog = catalog
        self._values: dict[tuple[str, bool], list[str]] = {}
        self._conditions: dict[Condition, None] = {}
        self._moments: dict[str, datetime] = {}
        self._count = 0

    def search(self) -> Search:
        conditions = [*self._conditions]
        for (name, excluded), values in self._values.items():
            if name in ("actor", "target"):
                conditions.append(Term(tuple(dict.fromkeys(values)), of=cast("_Of", name), excluded=excluded))
            else:
                conditions.append(condition(name, values, self._catalog, excluded=excluded))
        if not conditions and not self._moments:
            raise BadSearch(1, "there is no letter and no digit to look for; write a word")
        since, until = self._moments.get("since"), self._moments.get("until")
        return Search(tuple(conditions), since, until, self._count)

    def take(self, item: _Item) -> None:
        """Raises `BadSearch`."""
        if item.name is None:
            self._word(item)
            return
        self._count += len(item.values)
        name = _own_name(item.name)
        if name in ("since", "until"):
            self._moment(name, item)
        elif name == "changed":
            field = _only(item, "write changed: again for events that changed both")
            self._conditions[Changed(_sound(field), excluded=item.excluded)] = None
        else:
            taken = self._values.setdefault((name, item.excluded), [])
            taken += [_as_meant(name, value) for value in item.values]

    def _word(self, item: _Item) -> None:
        (value,) = item.values
        text = value.text if value.quoted else _trimmed(value.text)
        if tokens(text):
            self._count += 1
            term = Term((_sound(replace(value, text=text)),), phrase=value.quoted, excluded=item.excluded)
            self._conditions[term] = None

    def _moment(self, name: str, item: _Item) -> None:
        if item.excluded:
            other = "until" if name == "since" else "since"
            raise BadSearch(item.position, f"{name}: takes no minus; write {other}: for the other side of it")
        value = _only(item, "it is one moment")
        if name in self._moments:
            raise BadSearch(item.position, f"{name}: is there twice; leave one out")
        try:
            self._moments[name] = moment(value.text, self._now)
        except ValueError as error:
            raise BadSearch(value.position, f"{name}: {error}") from None


def _own_name(written: str) -> str:
    """The parameter that it stands for, or the qualifier itself."""
    if written.lower().startswith("changes."):
        return "changes." + written[len("changes.") :]
    name = written.lower()
    name = _PARAMETERS.get(name, name)
    parameter = named(name)
    return name if parameter is None else parameter.name


def _as_meant(name: str, value: _Value) -> str:
    """The value as a condition has it. Raises `BadSearch`."""
    text = value.text
    if name in ("actor", "target"):
        if not tokens(text):
            raise BadSearch(value.position, f"{name}: found no letter and no digit, expected a name or an id")
        return _sound(value)
    parameter = named(name)
    assert parameter is not None
    if parameter.allowed:
        text = text.lower()
    if said := fault(parameter, text):
        raise BadSearch(value.position, f"{name}: {said}")
    if name == "action" and not value.quoted and "*" not in text:
        return f"*{text}*"
    return text


def _sound(value: _Value) -> str:
    if not 1 <= len(value.text) <= MAX_WORD:
        raise BadSearch(value.position, f"must have 1 to {MAX_WORD} characters")
    return value.text


def _only(item: _Item, why: str) -> _Value:
    first, *others = item.values
    if others:
        raise BadSearch(others[0].position, f"found another value, expected one alone for {item.name}:; {why}")
    return first


def _trimmed(word: str) -> str:
    """Without the punctuation around it, but for what an IPv6 address begins with."""
    return word.rstrip(_PUNCTUATION) if _ADDRESS.match(word) else word.strip(_PUNCTUATION)


def _items(text: str) -> list[_Item]:
    # Spaces around it mean nothing; those in front still count as characters.
    start = len(text) - len(text.lstrip())
    body = text.strip()
    if not body:
        raise BadSearch(1, "there is nothing to look for; write a word")
    try:
        return _Items().transform(_grammar().parse(body))
    except VisitError as error:
        raise _moved(error.orig_exc, start) from None
    except UnexpectedInput as error:
        raise _moved(_misread(error, body), start) from None


def _moved(error: Exception, start: int) -> Exception:
    """With the position in the whole text, of which the first `start` characters were left out."""
    if not isinstance(error, BadSearch):
        return error
    return BadSearch(error.position + start, error.detail)


def _misread(error: UnexpectedInput, text: str) -> BadSearch:
    """What the parser has against `text`, in words."""
    if isinstance(error, UnexpectedCharacters):
        place = (cast("int | None", error.pos_in_stream) or 0) + 1
        if text[place - 1] in _QUOTES:
            return BadSearch(place, 'found a quote without its other half, expected a second "')
        return BadSearch(place, f"found {text[place - 1]!r}, expected a word")
    assert isinstance(error, UnexpectedToken)
    token = error.token
    at_end = token.type == "$END"
    place = len(text) if at_end else _place(token)
    if "_SPACE" in error.expected:
        return BadSearch(place, f"found {text[place - 1]!r}, expected a space behind the closing quote")
    behind = "the comma" if text[: place - (not at_end)].endswith(",") else "the colon"
    found = "the end" if at_end else "a space" if token.type == "_SPACE" else repr(text[place - 1])
    return BadSearch(place, f"found {found}, expected a value right behind {behind}, in quotes if it has spaces")


def _unknown(token: Token) -> BadSearch:
    name = str(token).partition(":")[0]
    meant = _MEANT.get(name.lower())
    hint = f"; did you mean {meant}:?" if meant else did_you_mean(name, _NAMES).replace("?", ":?")
    there_are = ", ".join(f"{known}:" for known in (*QUALIFIERS, "changes.FIELD"))
    expected = f"a qualifier that there is{hint}" if hint else f"one of {there_are}."
    as_text = f': "{token}"' if not set(_QUOTES) & set(token) and len(token) <= MAX_WORD else ""
    detail = f"found {name[:MAX_WORD]}:, expected {expected} To look for it as text, put it in quotes{as_text}"
    return BadSearch(_place(token), detail)
