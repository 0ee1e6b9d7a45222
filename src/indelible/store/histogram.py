"""A span of time in buckets of one size, so that events can be counted in each."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

__all__ = ["SIZES", "Buckets", "buckets"]

_FIXED: Final = {
    "1m": timedelta(minutes=1), "5m": timedelta(minutes=5), "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1), "6h": timedelta(hours=6),
}  # fmt: skip
_CALENDAR: Final = {
    "1d": timedelta(days=1), "1w": timedelta(weeks=1), "1mo": timedelta(days=31), "1y": timedelta(days=366),
    "10y": timedelta(days=3653),
}  # fmt: skip
_ALL: Final = "all"

SIZES: Final = (*_FIXED, *_CALENDAR, _ALL)
"""From the smallest. `all` is one bucket, for what nothing else fits."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Python has no datetimes beyond these in every zone.
_FIRST, _LAST = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Buckets:
    """Each bucket reaches from its start to the next one's; the last one to `until`."""

    size: str
    since: datetime
    """Inclusive. The first bucket may start earlier; what is before is in none."""
    until: datetime
    """Exclusive."""
    starts: list[datetime]

    def count(self, moments: Iterable[datetime]) -> list[int]:
        """How many of `moments` are in each bucket; those outside of the span are not counted."""
        counts = [0] * len(self.starts)
        for moment in moments:
            if self.since <= moment < self.until:
                counts[bisect_right(self.starts, moment) - 1] += 1
        return counts


def buckets(since: datetime, until: datetime, *, most: int, zone: tzinfo = UTC) -> Buckets:
    """The smallest of `SIZES` of which at most `most` cover the span; none where it is empty.

    Minutes and hours begin as those of UTC do; days, weeks (on Monday), months and years as the clocks of `zone` show,
    so that a day on which they are changed has 23 or 25 hours.
    """
    since, until = since.astimezone(UTC), until.astimezone(UTC)
    if since >= until:
        return Buckets(SIZES[0], since, until, [])
    for size, step in (_FIXED | _CALENDAR).items():
        if (until - since) / step > most + 1:
            continue
        starts: list[datetime] = []
        for start in _starts(size, since, zone):
            if start >= until or len(starts) > most:
                break
            # Where a zone left out a day there is no instant between its beginning and the next one's.
            if not starts or start > starts[-1]:
                starts.append(start)
        if len(starts) <= most:
            return Buckets(size, since, until, starts)
    return Buckets(_ALL, since, until, [since])


def _starts(size: str, since: datetime, zone: tzinfo) -> Iterator[datetime]:
    """From that of the bucket that `since` is in, for ever."""
    clamped = min(max(since, _FIRST), _LAST)
    if size in _FIXED:
        step = _FIXED[size]
        start = clamped - (clamped - _EPOCH) % step
    else:
        day = _begins(size, clamped.astimezone(zone).date())
        try:
            start = _midnight(day, zone)
        except OverflowError:  # in the year 0
            start = since
    # Midnight may not have been, where clocks were put forward over it.
    yield min(start, since)
    while True:
        try:
            if size in _FIXED:
                start += step
            else:
                day = _next(size, day)
                start = _midnight(day, zone)
        except (OverflowError, ValueError):
            return
        yield start


def _begins(size: str, day: date) -> date:
    match size:
        case "1w":
            return day - timedelta(days=day.weekday())
        case "1mo":
            return day.replace(day=1)
        case "1y":
            return date(day.year, 1, 1)
        case "10y":
            return date(max(day.year // 10 * 10, 1), 1, 1)
        case _:
            return day


def _next(size: str, day: date) -> date:
    match size:
        case "1w":
            return day + timedelta(weeks=1)
        case "1mo":
            return date(day.year + day.month // 12, day.month % 12 + 1, 1)
        case "1y":
            return date(day.year + 1, 1, 1)
        case "10y":
            return date(day.year // 10 * 10 + 10, 1, 1)
        case _:
            return day + timedelta(days=1)


def _midnight(day: date, zone: tzinfo) -> datetime:
    """The first of two where clocks were put back over it."""
    return datetime.combine(day, time(), zone).astimezone(UTC)
