"""What is in the events that fulfil a filter, counted: by action, actor and so on, and by time.

Values are counted over the newest `MOST` events, as their columns have them; times further back where an index alone
tells them.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final, Literal, cast, get_args

from psycopg import sql

from indelible.catalog import Catalog
from indelible.store.errors import TooSlow
from indelible.store.filter import Filter
from indelible.store.finding import BUDGET, Row, Sample, sample
from indelible.store.histogram import Buckets, buckets
from indelible.store.names import latest_names
from indelible.store.session import Database
from indelible.store.view import View

__all__ = ["FACETS", "MOST", "MOST_BY_TIME", "Counted", "CountedActor", "Facet", "Facets", "Histogram", "count"]

MOST: Final = 10_000
MOST_BY_TIME: Final = 100_000

Facet = Literal["action", "category", "operation", "outcome", "source", "severity", "target_type", "country"]
FACETS: Final[tuple[Facet, ...]] = get_args(Facet)

_SLICE: Final = 2500
"""Events that are counted before others get their turn."""

_TICK: Final = timedelta(milliseconds=1)
"""What `occurred_at` is kept to."""


@dataclass(frozen=True, slots=True)
class Counted:
    value: str
    count: int


@dataclass(frozen=True, slots=True)
class CountedActor:
    type: str
    id: str | None
    """None for all of this type that have none."""
    name: str | None
    """As of their latest event that shows one."""
    count: int


@dataclass(frozen=True, slots=True)
class Histogram:
    buckets: Buckets
    counts: Sequence[int]
    """Of each bucket."""
    complete_since: datetime | None
    """Earlier, and in the bucket that this is in, there may be more; None: there are none but these."""


@dataclass(frozen=True, slots=True)
class Facets:
    count: int
    capped: bool
    """There may be more events than were counted."""
    complete_since: datetime | None
    """What occurred from here on was counted, all of it; None: everything was."""
    values: Mapping[Facet, Sequence[Counted]]
    """The most frequent first. `country` is there only where that of an event is known."""
    actors: Sequence[CountedActor]
    histogram: Histogram
    cut: bool = field(default=False, compare=False)
    """It was time that ran out, and another try may count more."""


async def count(
    database: Database,
    view: View,
    where: Filter,
    catalog: Catalog,
    *,
    now: datetime,
    top: int = 10,
    most_buckets: int = 60,
    zone: tzinfo = UTC,
    most: int = MOST,
    most_by_time: int = MOST_BY_TIME,
    budget: timedelta = BUDGET,
) -> Facets:
    """Up to `top` values of each facet; all of them under the same filter, their own conditions as well.

    Without `until` the histogram ends now, and without `since` it starts with the oldest event that it counts. Raises
    as `finding.sample` does.
    """
    found = await sample(database, view, where, catalog, most=most, budget=budget)
    capped = found.capped or found.cut
    values = await _values(found.rows, catalog)
    return Facets(
        count=len(found.rows),
        capped=capped,
        complete_since=_complete(found),
        values={facet: _top(counter, top) for facet, counter in values.items()},
        actors=await _actors(database, view, found.rows, top),
        histogram=await _histogram(database, view, where, found, now, most_buckets, zone, most_by_time, budget),
        cut=found.cut,
    )


def _complete(found: Sample) -> datetime | None:
    """From when on there is nothing but what was found, to what times are kept to."""
    if found.back_to is None:
        return None
    moment = found.back_to.astimezone(UTC)
    return moment - timedelta(microseconds=moment.microsecond % 1000) + _TICK


async def _slices(rows: Sequence[Row]) -> AsyncIterator[Sequence[Row]]:
    for start in range(0, len(rows), _SLICE):
        yield rows[start : start + _SLICE]
        await asyncio.sleep(0)


async def _values(rows: Sequence[Row], catalog: Catalog) -> dict[Facet, Counter[str]]:
    """What has no value is not counted."""
    found: dict[Facet, Counter[str]] = {facet: Counter() for facet in FACETS}
    async for some in _slices(rows):
        for facet, counter in found.items():
            if facet != "severity":
                counter.update(value for row in some if (value := getattr(row, facet)) is not None)
    for action, number in found["action"].items():
        if (spec := catalog.get(action)) is not None:
            found["severity"][spec.severity] += number
    if not found["country"]:
        del found["country"]
    return found


def _top(counter: Counter[str], most: int) -> list[Counted]:
    return [Counted(*pair) for pair in sorted(counter.items(), key=lambda pair: (-pair[1], pair[0]))[:most]]


async def _actors(database: Database, view: View, rows: Sequence[Row], top: int) -> list[CountedActor]:
    counter: Counter[tuple[str, str | None]] = Counter()
    async for some in _slices(rows):
        counter.update((row.actor_type, row.actor_id) for row in some)
    shown = sorted(counter, key=lambda actor: (-counter[actor], actor[0], actor[1] or ""))[:top]
    names = await latest_names(database, view, rows, [actor for actor in shown if actor[1] is not None])
    return [CountedActor(*actor, names.get(actor), counter[actor]) for actor in shown]


async def _histogram(
    database: Database,
    view: View,
    where: Filter,
    found: Sample,
    now: datetime,
    most_buckets: int,
    zone: tzinfo,
    most: int,
    budget: timedelta,
) -> Histogram:
    # What a clock that is ahead sent must be in it as well.
    newest = max((row.occurred_at for row in found.rows), default=now)
    until = where.until or max(now, newest + _TICK)
    capped = found.capped or found.cut
    if capped and not where.conditions and view.member is None and not view.equal:
        try:
            return await _by_time(database, view, where, until, most_buckets, zone, most, budget)
        except TooSlow:
            pass  # what was sampled is told of all the same
    oldest = min((row.occurred_at for row in found.rows), default=until)
    span = buckets(where.since or oldest, until, most=most_buckets, zone=zone)
    counts = span.count(row.occurred_at for row in found.rows)
    return Histogram(span, counts, _complete(found))


# Of the index alone (events_by_time), which knows no month: a condition on recorded_at would read the events as well.
_EARLIEST = sql.SQL("""
    SELECT occurred_at FROM indelible.events
    WHERE tenant_id = %(tenant)s AND occurred_at >= '0001-01-02Z' AND occurred_at < %(until)s
    ORDER BY occurred_at LIMIT 1
""")
_COUNTS = sql.SQL("""
    SELECT width_bucket(occurred_at, %(starts)s::timestamptz[]), count(*), min(occurred_at)
    FROM (
        SELECT occurred_at FROM indelible.events
        WHERE tenant_id = %(tenant)s AND occurred_at >= %(since)s AND occurred_at < %(until)s
        ORDER BY occurred_at DESC LIMIT %(most)s
    ) newest
    GROUP BY 1
""")


async def _by_time(
    database: Database,
    view: View,
    where: Filter,
    until: datetime,
    most_buckets: int,
    zone: tzinfo,
    most: int,
    budget: timedelta,
) -> Histogram:
    """Of all events of the tenant in the time of `where`, of which the newest `most` are counted."""
    parameters: dict[str, Any] = {"tenant": view.tenant, "until": until, "most": most + 1}
    async with database.transaction("reader", view.tenant) as connection:
        limit = max(min(budget, database.statement_timeout) // timedelta(milliseconds=1), 1)
        await connection.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(limit))
        since = where.since
        if since is None:
            row = await (await connection.execute(_EARLIEST, parameters)).fetchone()
            since = cast("datetime", row[0]) if row else until
        span = buckets(since, until, most=most_buckets, zone=zone)
        if not span.starts:
            return Histogram(span, [], None)
        parameters |= {"since": span.since, "starts": span.starts}
        cursor = await connection.execute(_COUNTS, parameters)
        rows = cast("list[tuple[int, int, datetime]]", await cursor.fetchall())
    counts = [0] * len(span.starts)
    for number, in_it, _ in rows:
        counts[number - 1] = in_it
    if sum(counts) <= most:
        return Histogram(span, counts, None)
    oldest = min(earliest for _, _, earliest in rows)
    counts[min(number for number, _, _ in rows) - 1] -= 1
    return Histogram(span, counts, (oldest + _TICK).astimezone(UTC))
