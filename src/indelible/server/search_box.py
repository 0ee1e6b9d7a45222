"""The search box: from what a person writes to conditions.

docs/search.md is the page about it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Final, Literal, cast

from indelible.catalog import Catalog
from indelible.server.asked import TO_A_TIME, counted, dated, word_of
from indelible.server.conditions import condition, fault
from indelible.server.moments import day, moment, written
from indelible.server.parameters import MAX_QUERY, MAX_WORD, named
from indelible.server.qualifiers import NAMES, OPERATORS, OUTCOMES, QUALIFIERS, own_name
from indelible.server.search_items import BadSearch, Item, Value, bare, items, unmarked
from indelible.store.filter import Changed, Condition, Term
from indelible.store.words import tokens

__all__ = ["QUALIFIERS", "BadSearch", "Search", "search"]

_TIME_ALONE = re.compile(r"([0-9]{1,2})(:[0-9]{2}(?::[0-9]{2})?)(Z|[+-][0-9]{2}:[0-9]{2})?", re.IGNORECASE)
_GROUPED = re.compile(r"(?<![\w,.])[0-9]{1,3}(?:,[0-9]{3})+(?!\w|,\w)")
"""A number as sentences show it; logged it has no commas."""
_LOGGED: Final = {"on": "true", "off": "false"}
"""Likewise what was switched. To leave it out would leave out every switch."""

_Of = Literal["actor", "target"]
_Bound = Literal["since", "until"]


@dataclass(frozen=True, slots=True)
class Search:
    conditions: tuple[Condition, ...]
    since: datetime | None = None
    until: datetime | None = None
    values: int = 0
    """How many words, phrases and values of qualifiers there are."""
    items: tuple[str, ...] = ()
    """What it looks for, as it was written."""
    ignored: tuple[str, ...] = ()
    """What counts for nothing, likewise: see `server.asked`."""


def search(text: str, *, now: datetime, catalog: Catalog) -> Search:
    """What `text` looks for; `since` is before `until`. Raises `BadSearch`."""
    if len(text) > MAX_QUERY:
        raise BadSearch(MAX_QUERY + 1, f"it is longer than {MAX_QUERY:,} characters; leave something out")
    if "\0" in text:
        raise BadSearch(text.index("\0") + 1, "there is a NUL; remove it")
    reading = _Reading(now, catalog)
    looked_for, ignored = counted(dated(items(text), now))
    for item, following in pairwise(item for item in looked_for if word_of(item) not in TO_A_TIME):
        _refuse_time_alone(item, following, now)
        if ":" not in following.written:
            _refuse_time_alone(following, item, now)
    for item in looked_for:
        reading.take(item)
    return replace(reading.search(), items=_as_written(looked_for), ignored=_as_written(ignored))


class _Reading:
    """Items, as they are taken one after the other, and what they come to together."""

    def __init__(self, now: datetime, catalog: Catalog) -> None:
        self._now = now
        self._catalog = catalog
        self._values: dict[tuple[str, bool], list[str]] = {}
        self._conditions: dict[Condition, None] = {}
        self._bounds: dict[_Bound, tuple[datetime, Item]] = {}
        self._count = 0

    def search(self) -> Search:
        conditions = [*self._conditions]
        for (name, excluded), values in self._values.items():
            if name in ("actor", "target"):
                conditions.append(Term(tuple(dict.fromkeys(values)), of=cast("_Of", name), excluded=excluded))
            else:
                conditions.append(condition(name, values, self._catalog, excluded=excluded))
        if not conditions and not self._bounds:
            raise BadSearch(1, "there is no letter and no digit to look for; write a word")
        since, until = (self._bounds[name][0] if name in self._bounds else None for name in ("since", "until"))
        if since is not None and until is not None and since >= until:
            place = max(item.values[0].position for _, item in self._bounds.values())
            said = f"since: must be before until:, and {written(since)} is not before {written(until)}"
            raise BadSearch(place, said)
        return Search(tuple(conditions), since, until, self._count)

    def take(self, item: Item) -> None:
        """Raises `BadSearch`."""
        if item.name is None:
            self._word(item)
            return
        self._count += len(item.values)
        name = own_name(item.name)
        if name in ("since", "until", "on"):
            self._time(name, item)
        elif name == "changed":
            field = _only(item, "write changed: again for events that changed both")
            self._conditions[Changed(_sound(field), excluded=item.excluded)] = None
        else:
            taken = self._values.setdefault((name, item.excluded), [])
            taken += [_as_meant(name, value) for value in item.values]

    def _word(self, item: Item) -> None:
        (value,) = item.values
        text = value.text
        if not value.quoted:
            _refuse_other_syntax(value)
            text = _GROUPED.sub(lambda number: number[0].replace(",", ""), bare(text))
        if tokens(text):
            self._count += 1
            texts = [_sound(replace(value, text=text))]
            if not value.quoted and not item.excluded and (logged := _LOGGED.get(text.lower())):
                texts.append(logged)
            term = Term(tuple(texts), phrase=value.quoted, excluded=item.excluded)
            self._conditions[term] = None

    def _time(self, name: str, item: Item) -> None:
        if item.excluded:
            instead = {"since": "until: for the other side of it", "until": "since: for the other side of it"}
            said = instead.get(name, "until: for before it, or since: for after it")
            raise BadSearch(item.position, f"{name}: takes no minus; write {said}")
        value = _only(item, "it is one moment" if name != "on" else "for several days write since: and until:")
        bounds: dict[_Bound, datetime] = {}
        try:
            if name == "on":
                bounds["since"], bounds["until"] = day(value.text, self._now)
            else:
                bounds[cast("_Bound", name)] = moment(value.text, self._now)
        except ValueError as error:
            hint = "; what it was done to is target:" if name == "on" else ""
            raise BadSearch(value.position, f"{name}: {error}{hint}") from None
        for bound, at in bounds.items():
            if bound in self._bounds:
                other = self._bounds[bound][1]
                if ":" not in item.written:
                    said = f"found {item.written} beside {other.written}: leave one out"
                    raise BadSearch(item.position, f"{said}. To look for it as text, put it in quotes")
                before = own_name(other.name or "")
                said = "is there twice" if before == name else f"is there beside {before}:, and both say {bound} when"
                raise BadSearch(item.position, f"{name}: {said}; leave one out")
            self._bounds[bound] = at, item


def _refuse_time_alone(item: Item, following: Item, now: datetime) -> None:
    """Raises `BadSearch` for a time of day with a space before it, which is no word that somebody looks for."""
    name = (item.name or "").lower()
    if name not in ("since", "until", "on") or following.name is not None:
        return
    (word,) = following.values
    time = None if word.quoted else _TIME_ALONE.fullmatch(bare(word.text))
    if time is None:
        return
    try:
        date = day(item.values[-1].text, now)[0]
    except ValueError:
        return
    bound = "since" if name == "on" else name
    example = f"{bound}:{date:%Y-%m-%d}T{int(time[1]):02}{time[2]}{(time[3] or 'Z').upper()}"
    whole = "on: is a whole day; " if name == "on" else ""
    raise BadSearch(word.position, f"found {time[0]} alone: {whole}a time goes with T and Z: {example}")


def _refuse_other_syntax(word: Value) -> None:
    """Raises `BadSearch` for what is written as in other search boxes, or as in an address."""
    name, equals, rest = word.text.partition("=")
    place = word.position
    if instead := OPERATORS.get(word.text):
        said = f"found {word.text}: {instead}"
    elif equals and rest and name.lower() in NAMES:
        said = f"found {name}=, expected a colon, {name}:"
    elif word.text in ("-", "\u2212"):
        said = "found a minus alone: the minus stands directly before what it leaves out, -word"
    elif "*" in word.text:
        place += word.text.index("*")
        said = f"found * in a word: {_without_star(word.text)}"
    else:
        return
    raise BadSearch(place, f"{said}. To look for it as text, put it in quotes")


def _without_star(text: str) -> str:
    begins = text.partition("*")[0] or text.replace("*", "")
    begins = bare(begins)[:MAX_WORD]
    instead = f"write {begins}" if tokens(begins) else "leave it out"
    action = f", or action:{text} for actions" if re.fullmatch(r"[\w*]+(?:\.[\w*]+)+", text) else ""
    return f"a word finds what begins with it anyway; {instead}{action[:MAX_WORD]}"


def _as_meant(name: str, value: Value) -> str:
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
    if name == "outcome":
        text = OUTCOMES.get(text, text)
    if said := fault(parameter, text):
        raise BadSearch(value.position, f"{name}: {said}")
    if name == "action" and not value.quoted and "*" not in text:
        return f"*{text}*"
    return text


def _sound(value: Value) -> str:
    if not 1 <= len(value.text) <= MAX_WORD:
        raise BadSearch(value.position, f"must have 1 to {MAX_WORD} characters")
    return value.text


def _only(item: Item, why: str) -> Value:
    first, *others = item.values
    if others:
        raise BadSearch(others[0].position, f"found another value, expected one alone for {item.name}:; {why}")
    return first


def _as_written(items: Sequence[Item]) -> tuple[str, ...]:
    return tuple(unmarked(item) for item in items if item.name or tokens(item.values[0].text))
