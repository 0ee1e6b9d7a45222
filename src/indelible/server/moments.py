"""Moments as people write them: 2026-11-21, 2026-11, RFC 3339, or a span back from now."""

import re
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from indelible.server.spans import is_span, span

__all__ = ["moment"]

_DATE = re.compile("([0-9]{4})-([0-9]{2})(?:-([0-9]{2}))?")

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


def moment(text: str, now: datetime) -> datetime:
    """In UTC; of a date or a month, which are meant in UTC, the beginning. Raises `ValueError`, which says how."""
    try:
        if is_span(text):
            return now - span(text)
        if date := _DATE.fullmatch(text):
            return datetime(int(date[1]), int(date[2]), int(date[3] or 1), tzinfo=UTC)
        return msgspec.convert(text, _Moment).astimezone(UTC)
    except (ValueError, OverflowError):
        # In a URL a + that is written as itself arrives as a space.
        hint = "; write + as %2B" if re.search(r"T\S+ [0-9:]+$", text) else ""
        raise ValueError(
            "must be a date in UTC (2026-11-21, 2026-11), RFC 3339 with an offset "
            f"(2026-11-21T09:30:00Z{hint}) or a span like 7d"
        ) from None
