"""Questions in the search box: which of their words say when, and which say nothing that an event could have.

They are words that only a question needs, and docs/search.md tells of them. A word that tells one event from another is
none of them: no `not`, no `or`, no `off`. In quotes, or where it is all there is, each is a word like others.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from indelible.server.moments import day, moment
from indelible.server.search_items import Item, bare, unmarked
from indelible.store.words import fold, tokens

__all__ = ["FILLERS", "counted", "dated"]

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
"""Behind one of these, `in` and `on` say what happened."""

_BEFORE: Final = {
    "on": "on", "since": "since", "until": "until", "before": "until", "am": "on", "seit": "since", "bis": "until",
    "vor": "until",
}  # fmt: skip
"""What stands before a time, and the qualifier that it is."""

_DAYS: Final = {"today": "today", "yesterday": "yesterday", "heute": "today", "gestern": "yesterday"}


def dated(items: Sequence[Item], now: datetime) -> list[Item]:
    """With qualifiers in place of the words that say when: `yesterday`, `on 2026-11-05`, `since 7d`.

    A search that names a time as a qualifier means that one alone.
    """
    if any((item.name or "").lower() in ("since", "until", "on") for item in items):
        return [*items]
    found: list[Item] = []
    taken: set[str] = set()
    for item in items:
        before = _BEFORE.get(_word(found[-1])) if found else None
        when = _DAYS.get(_word(item), bare(item.values[0].text)) if _word(item) else ""
        name = before or ("on" if _word(item) in _DAYS else None)
        bounds = {"since", "until"} if name == "on" else {name or ""}
        if name is None or not _is_time(name, when, now) or bounds & taken:
            found.append(item)
            continue
        taken |= bounds
        value = replace(item.values[0], text=when)
        written, position = unmarked(item), item.position
        if before:
            preposition = found.pop()
            written, position = f"{preposition.written} {written}", preposition.position
        found.append(Item([value], position, name, written=written))
    return found


def counted(items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """Those that are looked for, and those that count for nothing; these are none where nothing else is left."""
    looked_for: list[Item] = []
    fillers: list[Item] = []
    for item in items:
        word = _word(item)
        is_particle = word in _PARTICLES and any(_word(other) in _WITH_PARTICLES for other in looked_for)
        (fillers if word in FILLERS and not is_particle else looked_for).append(item)
    if any(item.name or tokens(item.values[0].text) for item in looked_for):
        return looked_for, fillers
    return [*items], []


def _word(item: Item) -> str:
    """Folded; empty for what is none, or is left out, or in quotes."""
    (value, *_) = item.values
    return "" if item.name or item.excluded or value.quoted else fold(bare(value.text))


def _is_time(name: str, text: str, now: datetime) -> bool:
    try:
        day(text, now) if name == "on" else moment(text, now)
    except ValueError:
        return False
    return True
