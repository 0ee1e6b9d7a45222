"""Finding events: the newest first that fulfil a filter, or from a place in the timeline on, in either direction.

The timeline is ordered by `(occurred_at, seq)`. Whatever is asked, no statement looks at more than some thousand
entries, and between two of them the time is looked at: a page that could not be filled in time says so, and where to go
on.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple, cast

from indelible.catalog import Catalog
from indelible.ledger.disclosure import open_disclosure
from indelible.store.deciding import fulfils
from indelible.store.errors import TooSlow
from indelible.store.filter import Filter
from indelible.store.narrowing import HiddenPart, narrowed
from indelible.store.places import Place
from indelible.store.read import Spot, records
from indelible.store.sealing import Record
from indelible.store.session import Database
from indelible.store.view import View
from indelible.store.walking import Walk

__all__ = ["BUDGET", "HiddenPart", "Page", "Place", "Row", "Sample", "find", "sample"]

BUDGET = timedelta(seconds=2)
"""How long a page is looked for. What one statement more takes, `_MORE` than that at most, may come on top of it."""

_MORE: Final = timedelta(seconds=1)

_READ: Final = 100
"""Records that are read before others get their turn."""

_DECIDED: Final = 50
"""Records that are read and decided on before others get their turn, and the time is looked at."""


@dataclass(frozen=True, slots=True)
class Page:
    records: list[Record]
    next: Place | None
    """The place to go on after; None: there is no more."""
    cut: bool = False
    """Whether there was no time to look for as many as were wanted."""
    ends: tuple[Place, Place] | None = None
    """Those of the first and the last record, if there are any. What an altered entry says of itself is none."""


class Row(NamedTuple):
    """What of an event is counted."""

    occurred_at: datetime
    seq: int
    recorded_at: datetime
    action: str
    category: str | None
    operation: str | None
    outcome: str
    source: str
    actor_type: str
    actor_id: str | None
    target_type: str | None
    target_id: str | None
    country: str | None
    """As the metadata of the event says, if its reader is shown that; of the newest `COUNTRIES` alone."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The newest events that fulfil a filter."""

    rows: list[Row]
    capped: bool
    """Whether there are more than were asked for."""
    cut: bool
    """Whether there was no time to look for all of them."""
    back_to: datetime | None
    """From when on they are complete; None: they are all."""


async def find(
    database: Database,
    view: View,
    where: Filter,
    catalog: Catalog,
    *,
    limit: int = 50,
    after: Place | None = None,
    newer: bool = False,
    budget: timedelta = BUDGET,
) -> Page:
    """Up to `limit` events of the view that `where` describes: the newest first, from just before the place `after` on.

    `newer` goes the other way: the oldest first, from just after it. Raises `HiddenPart` where a condition is on a part
    that the view does not show, and as `Database.transaction` does; `TooSlow` only where nothing at all was looked at.
    """
    deadline = time.monotonic() + budget.total_seconds()
    found: list[tuple[Place, Record]] = []
    looked_to: Place | None = None
    try:
        async with _patient(database, budget).transaction(view.role, view.tenant, member=view.member) as connection:
            narrow = await narrowed(connection, view, where, catalog)
            walk = Walk(connection, view, where, narrow, after, newer=newer, wanted=limit + 1)
            async for group, to in _groups(walk, min(limit + 1, _DECIDED if narrow.undecided else _READ)):
                # What altered columns tell besides must not lead back to where the walk was.
                times = {spot.seq: spot.occurred_at for spot in group}
                for place, record in await records(connection, view, group):
                    if not narrow.undecided or fulfils(record, narrow.undecided, catalog):
                        found.append((Place(times[place.seq], place.seq), record))
                looked_to = to
                if len(found) > limit or (looked_to is not None and time.monotonic() > deadline):
                    break
    except TooSlow:
        if looked_to is None:
            raise
    return _page(found, limit, looked_to, newer=newer)


def _patient(database: Database, budget: timedelta) -> Database:
    """Whose statements take no longer than the time there is and `_MORE`."""
    # In whole seconds: what a transaction begins with is kept for each limit.
    limit = timedelta(seconds=max(math.ceil(budget.total_seconds()), 0)) + _MORE
    return replace(database, statement_timeout=min(database.statement_timeout or limit, limit))


async def _groups(walk: Walk, size: int | None) -> AsyncIterator[tuple[Sequence[Spot], Place | None]]:
    """What the walk comes upon, `size` at a time, and the last place that was looked at then; None at the end."""
    async for spots, to in walk.steps():
        each = size or max(len(spots), 1)
        for start in range(0, len(spots) - each, each):
            group = spots[start : start + each]
            yield group, Place(*group[-1][:2])
        yield spots[(max(len(spots) - 1, 0) // each) * each :], to


def _page(found: list[tuple[Place, Record]], limit: int, looked_to: Place | None, *, newer: bool) -> Page:
    """The first `limit` that were found, of all as far as `looked_to`; None: to the end."""
    found.sort(key=lambda each: each[0], reverse=not newer)
    shown = found[:limit]
    shown_records = [record for _, record in shown]
    ends = (shown[0][0], shown[-1][0]) if shown else None
    if len(found) > limit:
        return Page(shown_records, shown[-1][0], ends=ends)
    return Page(shown_records, looked_to, cut=looked_to is not None and len(shown) < limit, ends=ends)


_METADATA = """
    SELECT e.seq, e.metadata FROM indelible.events_at(%(seqs)s::bigint[], %(times)s::timestamptz[]) e
    WHERE e.metadata LIKE '%%country%%'
"""

COUNTRIES: Final = 1000
"""Of how many events of a sample, the newest, the country is looked up."""


async def sample(
    database: Database,
    view: View,
    where: Filter,
    catalog: Catalog,
    *,
    most: int,
    budget: timedelta = BUDGET,
) -> Sample:
    """The newest events that `find` finds, `most` at most, as rows. Raises as it does."""
    deadline = time.monotonic() + budget.total_seconds()
    found: list[Spot] = []
    looked_to: Place | None = None
    patient = _patient(database, budget)
    try:
        async with patient.transaction(view.role, view.tenant, member=view.member) as connection:
            narrow = await narrowed(connection, view, where, catalog)
            walk = Walk(connection, view, where, narrow, None, wanted=most + 1, columns=True)
            async for group, to in _groups(walk, _DECIDED if narrow.undecided else None):
                if narrow.undecided:
                    shown = await records(connection, view, group)
                    fit = {place.seq for place, record in shown if fulfils(record, narrow.undecided, catalog)}
                    found += [spot for spot in group if spot.seq in fit]
                else:
                    found += group
                looked_to = to
                if len(found) > most or time.monotonic() > deadline:
                    break
    except TooSlow:
        if looked_to is None:
            raise
    countries = await _countries(patient, view, found[: min(most, COUNTRIES)])
    rows = [Row(*[*spot[:3], *spot.columns, countries.get(spot.seq)]) for spot in found[:most]]
    if len(found) > most:
        # Of the moment of the first one that is left out there may be more.
        return Sample(rows, capped=True, cut=False, back_to=found[most].occurred_at + timedelta(microseconds=1))
    # Of the moment that was looked to there may be more as well, unless it was looked at as a whole.
    back_to = looked_to.occurred_at + timedelta(microseconds=min(looked_to.seq, 1)) if looked_to is not None else None
    return Sample(rows, capped=False, cut=looked_to is not None, back_to=back_to)


async def _countries(database: Database, view: View, spots: Sequence[Spot]) -> dict[int, str]:
    """By number of the event, where its metadata tell."""
    # Members have no privilege on them.
    if not spots or view.member is not None or "metadata" not in view.parts:
        return {}
    places = {"seqs": [spot.seq for spot in spots], "times": [spot.recorded_at for spot in spots]}
    # Not in the transaction of the walk: of one that was ended nothing more can be asked.
    async with database.transaction(view.role, view.tenant) as connection:
        cursor = await connection.execute(_METADATA, places)
        told = cast("list[tuple[int, str]]", await cursor.fetchall())
    found: dict[int, str] = {}
    for number, (seq, metadata) in enumerate(told, 1):
        if (country := _country(metadata)) is not None:
            found[seq] = country
        if number % _READ == 0:
            await asyncio.sleep(0)
    return found


def _country(metadata: str) -> str | None:
    """Of the disclosure of an event's metadata: where vendors write it."""
    try:
        value = open_disclosure(metadata.encode())[1]
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    for place in (value, *map(value.get, ("geo", "location", "actor_location"))):
        for name in ("country", "country_code"):
            if isinstance(place, dict) and isinstance(found := place.get(name), str) and 1 < len(found) <= 64:
                return found
    return None
