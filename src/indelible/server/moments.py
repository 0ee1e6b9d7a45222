"""Moments as people write them: 2026-11-21, 2026-11, yesterday, RFC 3339, or a span back from now."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec

from indelible.server.spans import is_span, span

__all__ = ["day", "moment", "months", "written"]

_DATE = re.compile("([0-9]{4})-([0-9]{2})(?:-([0-9]{2}))?")
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2})(:[0-9]{2}(?:\.[0-9]+)?)?(Z|[+-][0-9]{2}:[0-9]{2})?",
    re.IGNORECASE,
)
_LONG_SPAN = re.compile("([0-9]{1,6})([a-z]+)", re.IGNORECASE)

_DAYS_BACK: Final = {"today": 0, "yesterday": 1}
_UNITS: Final = {
    "min": "m", "mins": "m", "minute": "m", "minutes": "m", "hr": "h", "hrs": "h", "hour": "h", "hours": "h",
    "day": "d", "days": "d", "week": "w", "weeks": "w",
}  # fmt: skip
_NOT_ALIKE: Final = {
    "mo": 30, "month": 30, "months": 30, "y": 365, "yr": 365, "yrs": 365, "year": 365, "years": 365,
}  # fmt: skip
"""Of which one is longer than another, and about how many days each has."""

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


def moment(text: str, now: datetime) -> datetime:
    """In UTC; of a day or a month, which are meant in UTC, the beginning. Raises `ValueError`, which says how."""
    if days := months(text):
        raise ValueError(f"counts no months and no years, as they differ; write {min(days, 999_999)}d")
    back = _LONG_SPAN.fullmatch(text)
    try:
        if back and (unit := _UNITS.get(back[2].lower())):
            return now - span(back[1] + unit)
        if is_span(text):
            return now - span(text)
        if date := _date(text, now):
            return date
        if time := _TIME.fullmatch(text):
            text = f"{time[1]}T{time[2]}{time[3] or ':00'}{time[4] or 'Z'}"
        return msgspec.convert(text, _Moment).astimezone(UTC)
    except (ValueError, OverflowError):
        # In a URL a + that is written as itself arrives as a space.
        hint = "; write + as %2B" if re.search(r"T\S+ [0-9:]+$", text) else ""
        raise ValueError(
            "must be a date in UTC (2026-11-21, 2026-11, today, yesterday), RFC 3339 "
            f"(2026-11-21T09:30:00Z{hint}) or a span like 7d"
        ) from None


def day(text: str, now: datetime) -> tuple[datetime, datetime]:
    """When the day or the month begins, and when the next does. Raises `ValueError`, which says how."""
    with suppress(ValueError, OverflowError):
        begins = _date(text, now)
        if (date := _DATE.fullmatch(text)) and begins and date[3] is None:
            return begins, (begins + timedelta(days=31)).replace(day=1)
        if begins:
            return begins, begins + timedelta(days=1)
    raise ValueError("must be a day or a month in UTC: 2026-11-21, 2026-11, today or yesterday")


def months(text: str) -> int:
    """About how many days a span in months or years has; 0 for what is none."""
    back = _LONG_SPAN.fullmatch(text)
    return int(back[1]) * _NOT_ALIKE.get(back[2].lower(), 0) if back else 0


def written(moment: datetime) -> str:
    """RFC 3339, in UTC, to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _date(text: str, now: datetime) -> datetime | None:
    """When the day or month began; None where `text` is none. Raises `ValueError` for one that the year has not."""
    if (back := _DAYS_BACK.get(text.lower())) is not None:
        return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=back)
    if date := _DATE.fullmatch(text):
        return datetime(int(date[1]), int(date[2]), int(date[3] or 1), tzinfo=UTC)
    return None
