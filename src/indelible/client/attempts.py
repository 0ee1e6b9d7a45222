"""Whether to try again, and when.

Any try may be repeated: the event's id and bytes are fixed before the first, and the service answers the
same id with the same receipt. So a lost answer costs another try and never a second event.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC

from indelible.client.config import Config

__all__ = ["TRANSIENT", "Attempts", "retry_after"]

TRANSIENT = frozenset({429, 502, 503, 504})
"""The statuses that another try may change."""

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0


class Attempts:
    """The tries of one request, bounded in number and by a deadline that starts now."""

    def __init__(
        self,
        config: Config,
        clock: Callable[[], float],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._config = config
        self._clock = clock
        self._chance = chance
        self._began = clock()
        self.made = 0

    def begin(self) -> float:
        """Counts a try; the seconds that it may wait for the network."""
        self.made += 1
        return max(0.001, min(self._config.timeout, self._config.deadline - self.elapsed()))

    def pause(self, asked: float | None) -> float | None:
        """Seconds until the next try, at least those `asked` for; None when it is time to give up.

        Half of each pause is chance, so that many clients do not come back at the same moment.
        """
        if self.made > self._config.retries:
            return None
        backoff = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self.made - 1, 10))
        pause = backoff * (1 + self._chance()) / 2
        if asked is not None:
            pause = asked + FIRST_PAUSE * self._chance()
        return pause if self.elapsed() + pause < self._config.deadline else None

    def elapsed(self) -> float:
        """Seconds since the first try."""
        return self._clock() - self._began


def retry_after(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """The seconds that the Retry-After header asks for, as a number or as a date; None where it does not."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    # Few answers name a date, and this module takes a while to import.
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now()
    except (ValueError, OverflowError):
        return None
    return max(0.0, seconds)
