"""Buckets of time: none is missed, none overlap, and days are those of the reader's clocks."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indelible.store.histogram import SIZES, buckets

BERLIN = ZoneInfo("Europe/Berlin")
# Clocks put forward over midnight, a day left out, half and quarter hours.
ZONES = ["UTC", "Europe/Berlin", "America/Santiago", "Pacific/Apia", "Asia/Kathmandu", "Australia/Lord_Howe"]

MOMENTS = st.datetimes(timezones=st.just(UTC))
SPANS = st.sampled_from([1, 24, 2000, 200_000, 80_000_000]).flatmap(
    lambda hours: st.timedeltas(timedelta(microseconds=1), timedelta(hours=hours))
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@settings(max_examples=60, deadline=None)
@given(since=MOMENTS, span=SPANS, most=st.integers(1, 200), zone=st.sampled_from(ZONES), data=st.data())
def test_every_moment_of_the_span_is_in_one_bucket(
    since: datetime, span: timedelta, most: int, zone: str, data: st.DataObject
) -> None:
    until = since + min(span, datetime.max.replace(tzinfo=UTC) - since)
    found = buckets(since, until, most=most, zone=ZoneInfo(zone))
    assert (len(found.starts) <= most, found.size in SIZES) == (True, True)
    assert all(one < other for one, other in pairwise(found.starts))
    if since == until:
        assert found.starts == []
        return
    assert found.starts[0] <= since
    assert found.starts[-1] < until
    moments = [since + (until - since) * part for part in data.draw(st.lists(st.floats(0, 0.99), max_size=20))]
    counts = found.count(moments)
    ends = [*found.starts[1:], until]
    assert counts == [
        sum(start <= moment < end for moment in moments) for start, end in zip(found.starts, ends, strict=True)
    ]
    before = max(since, utc("0001-01-02")) - timedelta(days=1)
    assert sum(found.count([until, before])) == (before >= since)


@pytest.mark.parametrize(
    ("span", "size", "number"),
    [
        ({"minutes": 60}, "1m", 60), ({"minutes": 61}, "5m", 13), ({"hours": 12}, "15m", 48), ({"days": 2}, "1h", 48),
        ({"days": 7}, "6h", 28), ({"days": 30}, "1d", 30), ({"days": 364}, "1w", 53), ({"days": 1000}, "1mo", 33),
        ({"days": 10_000}, "1y", 28), ({"days": 200_000}, "10y", 56), ({"days": 700_000}, "all", 1),
    ],
)  # fmt: skip
def test_the_smallest_that_fits_is_taken(span: dict[str, int], size: str, number: int) -> None:
    since = utc("2026-01-01")
    found = buckets(since, since + timedelta(**span), most=60)
    assert (found.size, len(found.starts), found.starts[0].minute) == (size, number, 0)


def test_days_have_the_length_that_clocks_give_them() -> None:
    """In Berlin 29 March 2026 has 23 hours, and 25 October 25."""
    spring = buckets(utc("2026-03-28T12:00"), utc("2026-03-31"), most=5, zone=BERLIN)
    assert spring.size == "1d"
    assert spring.starts == [utc(f"2026-03-{day}") for day in ("27T23:00", "28T23:00", "29T22:00", "30T22:00")]
    # Half past eleven at night and half past midnight, on the days beside the change.
    assert spring.count(map(utc, ("2026-03-29T21:30", "2026-03-29T22:30", "2026-03-28T22:30"))) == [1, 1, 1, 0]
    autumn = buckets(utc("2026-10-24T22:00"), utc("2026-10-26T23:00"), most=5, zone=BERLIN)
    assert autumn.starts == [utc("2026-10-24T22:00"), utc("2026-10-25T23:00")]


def test_months_and_weeks_begin_in_the_zone() -> None:
    months = buckets(utc("2026-02-15"), utc("2026-05-15"), most=4, zone=BERLIN)
    assert months.starts == [utc(f"2026-{day}") for day in ("01-31T23:00", "02-28T23:00", "03-31T22:00", "04-30T22:00")]
    weeks = buckets(utc("2026-03-26"), utc("2026-04-05"), most=2, zone=BERLIN)
    assert weeks.starts == [utc("2026-03-22T23:00"), utc("2026-03-29T22:00")]
    assert [start.astimezone(BERLIN).weekday() for start in weeks.starts] == [0, 0]


def test_a_day_that_a_zone_left_out_is_no_bucket() -> None:
    """Samoa had no 30 December 2011."""
    found = buckets(utc("2011-12-29T10:00"), utc("2012-01-01T10:00"), most=5, zone=ZoneInfo("Pacific/Apia"))
    assert found.size == "1d"
    assert [start.astimezone(ZoneInfo("Pacific/Apia")).day for start in found.starts] == [29, 31, 1]
