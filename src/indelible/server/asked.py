"""Questions in the search box: which of their words say when, and which say nothing that an event could have.

They are words that only a question needs, and docs/search.md tells of them. A word that tells one event from another is
none of them: no `not`, no `or`, no `off`. In quotes, or where it is all there is, each is a word like others.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from indelible.server.moments import day, moment, months
from indelible.server.search_items import Item, bare, unmarked
from indelible.store.words import fold, tokens

__all__ = ["FILLERS", "TO_A_TIME", "counted", "dated", "word_of"]

FILLERS: Final = frozenset(
    """
    who whom whose what which when where why how
    a an the this that and of to by from for with at in on
    is are was were be been do does did has have had
    happen happened happens anybody anyone anything somebody someone something
    wer wen wem wessen wann wo wie warum welche welchem welchen welcher welches
    der die das den dem des ein eine einem einen einer eines und von vom zu zum zur mit bei beim fur im am
    ist sind war waren wird wurde wurden hat haben hatte hatten passiert passierte jemand
    """.split()
)
"""Folded, English and German."""

_PARTICLES: Final = frozenset({"in", "on"})
_WITH_PARTICLES: Final = frozenset(
    """
    log logs logged logging sign signs signed signing switch switches switched switching turn turns turned turning
    """.split()
)
"""Directly behind one of these, or as the last word, `in` and `on` say what happened: once, and where no other does."""

_OTHERS: Final = frozenset({"off", "out", "up"})

_BEFORE: Final = {
    "on": "on", "since": "since", "until": "until", "before": "until", "am": "on", "seit": "since", "bis": "until",
    "vor": "until", "in": "on", "im": "on",
}  # fmt: skip
"""What stands before a time, and the qualifier that it is."""

_RANGES: Final = {"from": ("to", "until"), "between": ("and",), "von": ("bis",), "zwischen": ("und",)}
"""What stands before the first of two days, and before the last."""

TO_A_TIME: Final = frozenset({*_BEFORE, "after", "around", "at", "from", "gegen", "nach", "um"})
"""What may stand between a day and a time of it."""

_DAYS: Final = {"today": "today", "yesterday": "yesterday", "heute": "today", "gestern": "yesterday"}


def dated(items: Sequence[Item], now: datetime) -> list[Item]:
    """With qualifiers in place of the words that say when: `yesterday`, `on 2026-11-05`, `since 7d`.

    A search that names a time as a qualifier means that one alone. Times that do not go together are all there.
    """
    if any((item.name or "").lower() in ("since", "until", "on") for item in items):
        return [*items]
    found: list[Item] = []
    rest = [*items]
    while rest:
        if word_of(rest[0]) in _RANGES and (days := _from_to(rest[:4], now)):
            found += days
            del rest[:4]
            continue
        item = rest.pop(0)
        is_day = word_of(item) in _DAYS and not (found and _is_name(found[-1], item))
        # `in` and `on` before `yesterday` belong to what is before them: "turned on yesterday".
        before = _BEFORE.get(word_of(found[-1])) if found else None
        before = None if is_day and before == "on" else before
        name = before or ("on" if is_day else None)
        if name is None or not word_of(item) or not _is_time(name, when := _when(item), now):
            found.append(item)
            continue
        found.append(_qualifier(name, found.pop() if before else None, item, when))
    return found


def counted(items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """Those that are looked for, and those that count for nothing; these are none where nothing else is left."""
    looked_for: list[Item] = []
    fillers: list[Item] = []
    last = max((place for place, item in enumerate(items) if not item.name), default=0)
    before, lacks_particle = "", False
    for place, item in enumerate(items):
        word = word_of(item)
        is_particle = word in _PARTICLES and lacks_particle and (before in _WITH_PARTICLES or place == last)
        (fillers if word in FILLERS and not is_particle else looked_for).append(item)
        lacks_particle = word in _WITH_PARTICLES or (lacks_particle and not is_particle and word not in _OTHERS)
        before = word
    if any(item.name or tokens(item.values[0].text) for item in looked_for):
        return looked_for, fillers
    return [*items], []


def word_of(item: Item) -> str:
    """Folded; empty for what is none, or is left out, or in quotes."""
    (value, *_) = item.values
    return "" if item.name or item.excluded or value.quoted else fold(bare(value.text))


def _from_to(items: Sequence[Item], now: datetime) -> list[Item]:
    """The beginning of the first day and the end of the last, where the four items say both; or nothing."""
    words = [word_of(item) for item in items]
    if len(words) < 4 or words[2] not in _RANGES[words[0]] or not all(words):
        return []
    first, begins, last, ends = items
    try:
        since, until = day(_when(begins), now)[0], day(_when(ends), now)[1]
    except ValueError:
        return []
    return [
        _qualifier("since", first, begins, since.date().isoformat()),
        _qualifier("until", last, ends, until.date().isoformat()),
    ]


def _qualifier(name: str, before: Item | None, item: Item, when: str) -> Item:
    written = f"{before.written} {unmarked(item)}" if before else unmarked(item)
    return Item([replace(item.values[0], text=when)], (before or item).position, name, written=written)


def _when(item: Item) -> str:
    return _DAYS.get(word_of(item), bare(item.values[0].text))


def _is_name(before: Item, item: Item) -> bool:
    """As in USA Today."""
    return bare(before.written)[:1].isupper() and bare(item.written).istitle()


def _is_time(name: str, text: str, now: datetime) -> bool:
    try:
        day(text, now) if name == "on" else moment(text, now)
    except ValueError:
        # What is meant for one is told what to write instead.
        return name != "on" and months(text) > 0
    return True
