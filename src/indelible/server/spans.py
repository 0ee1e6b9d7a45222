"""Spans of time as people write them: 30m, 24h, 90d, 2w."""

import re
from datetime import timedelta
from typing import Final

__all__ = ["is_span", "span"]

_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def is_span(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,6}[mhdw]", text) is not None


def span(text: str) -> timedelta:
    """Raises `ValueError`."""
    if not is_span(text):
        raise ValueError("must be a span of time, such as 30m, 24h, 90d or 2w")
    return int(text[:-1]) * _UNITS[text[-1]]
