"""Going through a view's events in the order of the timeline, to those that conditions may hold for.

Two ways lead to them. The index of words tells where those are that have some words, in no order; and the index of time
tells the order, whatever they are. The index of words is asked first, for no more than some thousand: fewer than that
are sorted. Where there are more, what is looked for is so frequent that a walk along the time comes upon it soon.

Months are the partitions, by `recorded_at`. An event is recorded after it occurred, give or take the clocks, so those
that occurred in a month are in its partition, but for what was recorded late, which may be in any later one.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, cast

from psycopg import sql

from indelible.store.filter import Filter
from indelible.store.narrowing import MAX_OWN, Narrowed
from indelible.store.places import Place, Span, months_later, shifted
from indelible.store.read import AHEAD, OCCURRED_AT, Spot
from indelible.store.session import Connection
from indelible.store.view import View

__all__ = ["COLUMNS", "Step", "Walk"]

FREQUENT: Final = 1000
"""Events with certain words, from which on the time is walked along instead of sorting them."""

_MORE: Final = 8
"""Times as many are sorted where the first entries had too few."""

_RARE: Final = 200
"""Events with what one of several conditions asks for, up to which the others are looked up in them."""

_LATE: Final = 500
"""Events of a span of time that were recorded after it, up to which they are looked at one by one."""

_FIRST_CHUNK, _LARGEST_CHUNK = 500, 16_000
"""Entries that are looked at in one statement: four times as many as in the one before."""

_EVER, _NEVER = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)

_COUNT = sql.SQL("SELECT count(*) FROM indelible.search(%(words)s::tsquery, '-infinity', 'infinity', %(most)s)")

_PROBE = sql.SQL("""
    WITH found AS MATERIALIZED (
        SELECT * FROM indelible.{search}(%(words)s::tsquery, %(since)s, %(until)s, %(most)s{also})
    )
    SELECT total.n, near.* FROM (SELECT count(*) AS n FROM found) total
    LEFT JOIN LATERAL (
        SELECT {occurred_at}, e.seq, e.recorded_at {shown}
        FROM (
            SELECT * FROM found WHERE total.n < %(most)s {span} ORDER BY found.occurred_at {order}, found.seq {order}
        ) e
        {columns}
        ORDER BY e.occurred_at {order}, e.seq {order} LIMIT %(wanted)s
    ) near ON true
""")

# What words do not tell, the event's columns do.
_COLUMNS = sql.SQL("""
        CROSS JOIN LATERAL (
            SELECT * FROM indelible.events _
            WHERE _.tenant_id = %(tenant)s AND _.seq = e.seq AND _.recorded_at = e.recorded_at
                AND _.recorded_at >= %(since)s AND _.recorded_at < %(until)s {conditions}
            LIMIT 1
        ) event
""")

_CHUNK = sql.SQL("""
    SELECT * FROM (
        SELECT {occurred_at}, e.seq, e.recorded_at, e.has_words {conditions} AS fits, e.ordinality {shown}
        FROM indelible.timeline(
            %(lo_time)s, %(lo_seq)s, %(hi_time)s, %(hi_seq)s, %(since)s, %(chunk)s, %(newer)s, %(words)s::tsquery
        ) WITH ORDINALITY e
    ) e
    WHERE e.fits OR e.ordinality = %(chunk)s ORDER BY e.ordinality
""")


class Step(NamedTuple):
    """How far the walk has come."""

    spots: list[Spot]
    """What was come upon, in order; all of it lies behind that of the step before."""
    to: Place | None
    """The last place that was looked at; None: there is no more."""


COLUMNS: Final = (
    "action", "category", "operation", "outcome", "source", "actor_type", "actor_id", "target_type", "target_id",
)  # fmt: skip
"""What a spot has besides its place where columns are wanted, in this order."""


class Walk:
    """Looks newest first, or with `newer` oldest first, from the place `after` on; `wanted` events are enough."""

    def __init__(
        self, connection: Connection, view: View, where: Filter, narrow: Narrowed, after: Place | None, *,
        newer: bool = False, wanted: int, columns: bool = False,
    ) -> None:  # fmt: skip
        self._connection = connection
        self._view = view
        self._narrow = narrow
        self._newer = newer
        self._wanted = wanted
        self._words, self._also = narrow.words, cast("str | None", None)
        self._frequent = MAX_OWN if view.member is not None else max(FREQUENT, 2 * wanted)
        self._columns: Sequence[str] = COLUMNS if columns else ()
        self._order = sql.SQL("ASC") if newer else sql.SQL("DESC")
        lo = Place(where.since, 0) if where.since is not None else None
        hi = Place(where.until, 0) if where.until is not None else None
        if after is not None:
            if newer:
                behind = Place(after.occurred_at, after.seq + 1)
                lo = behind if lo is None else max(lo, behind)
            else:
                hi = after if hi is None else min(hi, after)
        self._span = Span(lo, hi)

    async def steps(self) -> AsyncIterator[Step]:
        """At least one; the last has no `to`."""
        if self._narrow.nothing or self._span.is_empty:
            yield Step([], None)
            return
        by_words = bool(self._narrow.parts) or self._view.member is not None
        if self._view.equal and self._view.member is None:
            # Neither the answer nor how long it takes must tell whether events that the view does not show have some
            # words: they are looked for among those that it shows.
            by_words = self._narrow.scope is not None
            self._words, self._also = self._narrow.scope, self._narrow.words
        async for step in self._by_words(self._span) if by_words else self._by_time(self._span):
            if step.to is None or self._rest(step.to).is_empty:
                yield Step(step.spots, None)
                return
            yield step

    async def _by_words(self, span: Span) -> AsyncIterator[Step]:
        if self._view.member is None and not self._view.equal and len(self._narrow.parts) > 1:
            await self._begin_with_the_rare()
        months = 1
        near, rest = self._near(span, months)
        async for step in self._window(near):
            yield step
        if rest is None:
            yield Step([], None)
            return
        # All that there are, if they are few: what is rare is found without going from month to month.
        while True:
            total, spots = await self._probe(rest, _recorded_since(rest), _NEVER, self._frequent)
            if total > self._frequent:
                break
            if len(spots) < self._wanted:
                yield Step(spots, None)
                return
            yield Step(spots, _place(spots[-1]))
            rest = self._rest(_place(spots[-1]), rest)
        while rest is not None:
            near, rest = self._near(rest, months)
            async for step in self._window(near):
                yield step
            months *= 2
        yield Step([], None)

    async def _begin_with_the_rare(self) -> None:
        """What few events have is asked the index for alone: it would collect all that have the rest as well."""
        for part in self._narrow.parts:
            parameters = self._parameters() | {"words": part, "most": _RARE + 1}
            rows = await self._rows(_COUNT, parameters)
            if rows[0][0] <= _RARE:
                self._words, self._also = part, self._narrow.words
                return

    async def _window(self, span: Span) -> AsyncIterator[Step]:
        """Through a span of about a month or some, to its end."""
        most = self._frequent
        while True:
            since = _recorded_since(span)
            # A member's own are few: none of them is looked for by the time alone.
            hi = None if self._view.member is not None else span.hi
            until = _NEVER if hi is None else months_later(shifted(hi.occurred_at, AHEAD), 1)
            total, spots = await self._probe(span, since, until, most)
            late = await self._late(span, until) if total <= most else None
            if late is None:
                if most > self._frequent:
                    async for step in self._by_time(span):
                        yield step
                    return
                # It is frequent, and mostly a page is full soon. Where it is not, it is elsewhere in the month, and
                # then to sort some more of them may still be less work.
                hits, end = await self._chunk(span, since, _FIRST_CHUNK)
                if end is None:
                    yield Step(hits, self._end(span))
                    return
                yield Step(hits, end)
                span = self._rest(end, span)
                most *= _MORE
                continue
            both = sorted([*spots, *late], reverse=not self._newer)
            # Behind where one of them was cut off, the other's come before others that are not known yet.
            whole = max(len(spots), len(late)) < self._wanted
            both = both if whole else both[: self._wanted]
            if whole:
                yield Step(both, self._end(span))
                return
            yield Step(both, _place(both[-1]))
            span = self._rest(_place(both[-1]), span)

    async def _late(self, span: Span, since: datetime) -> list[Spot] | None:
        """What of the span was recorded from `since` on; None where that is so much that it is to be walked through."""
        if since > datetime.now(UTC) + AHEAD:
            return []
        hits, end = await self._chunk(span, since, _LATE)
        if end is None:
            return hits
        total, spots = await self._probe(span, since, _NEVER, self._frequent)
        return spots if total <= self._frequent else None

    async def _by_time(self, span: Span) -> AsyncIterator[Step]:
        months, chunk = 1, max(_FIRST_CHUNK, self._wanted)
        rest: Span | None = span
        while rest is not None:
            near, rest = self._near(rest, months)
            months *= 2
            while True:
                hits, end = await self._chunk(near, _recorded_since(near), chunk)
                if end is None:
                    yield Step(hits, self._end(near))
                    break
                yield Step(hits, end)
                near = self._rest(end, near)
                chunk = min(4 * chunk, _LARGEST_CHUNK)

    async def _probe(self, span: Span, since: datetime, until: datetime, most: int) -> tuple[int, list[Spot]]:
        """How many events recorded in that time have the words, and unless they are more than `most`, the first in
        `span`."""
        narrow = self._narrow
        parameters = self._parameters() | {"since": since, "until": until, "most": most + 1}
        query = _PROBE.format(
            search=sql.SQL("search" if self._view.member is None else "search_own"),
            also=sql.SQL(", %(also)s::tsquery" if self._view.member is None else ""),
            occurred_at=OCCURRED_AT,
            span=_and(span.conditions("found", parameters)),
            columns=_COLUMNS.format(conditions=_and(narrow.beyond)) if narrow.beyond or self._columns else sql.SQL(""),
            shown=self._shown("event"),
            order=self._order,
        )
        rows = await self._rows(query, parameters | {"words": self._words, "also": self._also})
        return rows[0][0], [_spot(row[1:]) for row in rows if row[1] is not None]

    async def _chunk(self, span: Span, since: datetime, size: int) -> tuple[list[Spot], Place | None]:
        """Those that fulfil the conditions of the next `size` entries of the span, recorded from `since` on.

        And the last entry that was looked at, None where there are no more in the span.
        """
        narrow = self._narrow
        if narrow.others is None and not narrow.columns:
            size = min(size, self._wanted)
        lo, hi = span
        parameters = self._parameters() | {
            "lo_time": lo and lo.occurred_at, "lo_seq": lo and lo.seq, "hi_time": hi and hi.occurred_at,
            "hi_seq": hi and hi.seq, "since": since, "chunk": size, "newer": self._newer, "words": narrow.others,
        }  # fmt: skip
        query = _CHUNK.format(occurred_at=OCCURRED_AT, conditions=_and(narrow.columns), shown=self._shown("e"))
        rows = await self._rows(query, parameters)
        end = Place(*rows[-1][:2]) if rows and rows[-1][4] == size else None
        return [_spot((*row[:3], *row[5:])) for row in rows if row[3]], end

    def _shown(self, alias: str) -> sql.Composed:
        return sql.Composed([part for name in self._columns for part in (sql.SQL(", "), sql.Identifier(alias, name))])

    async def _rows(self, query: sql.SQL | sql.Composed, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        cursor = self._connection.cursor(binary=True)
        return cast("list[tuple[Any, ...]]", await (await cursor.execute(query, parameters)).fetchall())

    def _parameters(self) -> dict[str, Any]:
        narrow = self._narrow
        return {**narrow.parameters, "tenant": self._view.tenant, "wanted": self._wanted}

    def _near(self, span: Span, months: int) -> tuple[Span, Span | None]:
        """The part of the span that comes first, about so many months of it, and the rest if there is one.

        It begins a day after a month does: what occurred then was not recorded in an earlier month.
        """
        if self._newer:
            start = span.lo.occurred_at if span.lo is not None else _EVER
            cut = Place(shifted(months_later(shifted(start, timedelta(days=7)), months), AHEAD), 0)
            if cut.occurred_at > datetime.now(UTC) or (span.hi is not None and cut >= span.hi):
                return span, None
            return Span(span.lo, cut), Span(cut, span.hi)
        now = datetime.now(UTC)
        start = now if span.hi is None else min(span.hi.occurred_at, now)
        cut = Place(shifted(months_later(shifted(start, timedelta(days=-8)), 1 - months), AHEAD), 0)
        if cut.occurred_at.year < 1971 or (span.lo is not None and cut <= span.lo):
            return span, None
        return Span(cut, span.hi), Span(span.lo, cut)

    def _rest(self, done: Place, span: Span | None = None) -> Span:
        """What of the span, or of all, lies behind a place in the direction of the walk."""
        lo, hi = self._span if span is None else span
        if self._newer:
            return Span(Place(done.occurred_at, done.seq + 1), hi)
        return Span(lo, done)

    def _end(self, span: Span) -> Place | None:
        """The last place of the span; None where it has no end in the direction of the walk."""
        if self._newer:
            return None if span.hi is None else Place(span.hi.occurred_at, span.hi.seq - 1)
        return span.lo


def _recorded_since(span: Span) -> datetime:
    """What occurred in the span was recorded from then on."""
    if span.lo is None or span.lo.occurred_at > datetime.now(UTC) + AHEAD:
        return _EVER  # in the future is what somebody altered, whenever it was recorded
    return shifted(span.lo.occurred_at, -AHEAD)


def _spot(row: Sequence[Any]) -> Spot:
    return Spot(row[0], row[1], row[2], tuple(row[3:]))


def _place(spot: Spot) -> Place:
    return Place(spot.occurred_at, spot.seq)


def _and(found: list[sql.Composable]) -> sql.Composed:
    return sql.Composed([part for condition in found for part in (sql.SQL(" AND "), condition)])
