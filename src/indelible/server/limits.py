"""Rate limits: so many reads and events a minute, for each key or person and for each tenant.

A minute is that before now, wherever a clock's minute begins. It is counted in periods of ten seconds, of which the
oldest, which is partly over, counts in part, rounded down. So nobody gets more than the limit in any fifty seconds,
at no edge, and whoever asks evenly is refused nothing up to the limit. What was refused does not count.

Every process counts by itself, so that no request waits for PostgreSQL, and once a second adds what it counted to
`indelible.usage` and reads there what all of them did. Hence the error: one process knows nothing of what others let
through since it last looked, about a second ago. With N processes a burst within that second gets N times the limit
at worst, and is then counted in full; a caller that asks evenly gets at most what the others take of it in a second.
While PostgreSQL is away each goes on with what it knows.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Literal, NamedTuple

import structlog

from indelible.server.problems import Problem
from indelible.settings import PREFIX, Settings
from indelible.store.errors import StoreError
from indelible.store.session import Database
from indelible.store.usage import add_up, forget

__all__ = ["Kind", "Limits"]

Kind = Literal["read", "write"]

_PERIOD: Final = 10
_WHOLE: Final = 5
"""Periods before the one that runs which count in full; that before them counts in part."""

_EVERY = 1.0
"""Seconds between two exchanges of counts."""

_FORGET_EVERY = 60.0
_FORGET_AFTER = 300

_MAX_SUBJECTS = 50_000

_log = structlog.get_logger()

_WORDS = {"read": "requests", "write": "events"}


class _Limit(NamedTuple):
    """`most` a minute of what is counted under `name`; `setting` is where that is set."""

    name: str
    most: int
    kind: Kind
    setting: str

    def refusal(self, wait: float) -> Problem:
        seconds = math.floor(wait) + 1
        whose = "key or person" if self.setting.startswith("key") else "tenant"
        detail = (
            f"over the limit of {self.most:,} {_WORDS[self.kind]} a minute for one {whose} "
            f"({PREFIX}{self.setting.upper()}); come back in {seconds} s"
        )
        return Problem(429, "rate_limited", detail, headers={"retry-after": str(seconds)})


class Limits:
    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = {
            name: getattr(settings, name)
            for name in ("key_read_limit", "tenant_read_limit", "key_write_limit", "tenant_write_limit")
        }
        self._clock = clock
        self._ahead = time.time() - clock()
        """What Unix time is ahead of the clock: that of PostgreSQL, once it was heard, so that all count alike."""
        self._used: dict[str, dict[int, int]] = {}
        """By name and number of the period: what this process knows of."""
        self._unsent: Counter[tuple[str, int]] = Counter()
        self._asked: set[str] = set()
        """The names that somebody came under since the last exchange."""
        self._told: dict[str, float] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, control: Database) -> AsyncIterator["Limits"]:
        """Limits whose counts are shared, for as long as it is open."""
        limits = cls(settings)
        sharing = asyncio.create_task(limits._share(control))
        try:
            yield limits
        finally:
            sharing.cancel()
            await asyncio.gather(sharing, return_exceptions=True)

    def check(self, kind: Kind, subject: str) -> None:
        """Whether the key or person may do anything more now; counts nothing. Raises `Problem` 429."""
        self._admit(self._limits(kind, subject, None), 0)

    def admit(self, kind: Kind, subject: str, tenant: str | None) -> None:
        """Counts one read, or event, of the key or person (`Caller.subject`) and of the tenant that it is about.

        Raises `Problem` 429 `rate_limited`, which says when to come back, and then counts for neither.
        """
        self._admit(self._limits(kind, subject, tenant), 1)

    def admit_each(self, kind: Kind, subject: str, tenants: Sequence[str]) -> list[Problem | None]:
        """For each of several events, in order, whether it may pass: those that fit do, so that some always get on."""
        now = self._now()
        names = {tenant: self._limits(kind, subject, tenant) for tenant in set(tenants)}
        left = {each.name: self._left(each, now) for limits in names.values() for each in limits}
        over: list[_Limit | None] = []
        for tenant in tenants:
            exceeded = next((each for each in names[tenant] if left[each.name] < 1), None)
            over.append(exceeded)
            if exceeded is None:
                for each in names[tenant]:
                    left[each.name] -= 1
        passed = Counter(tenant for tenant, each in zip(tenants, over, strict=True) if each is None)
        for tenant, amount in passed.items():
            for each in names[tenant]:
                self._count(each, amount, now)
        refused = Counter(each for each in over if each is not None)
        problems = {each: self._refusal(each, amount, now) for each, amount in refused.items()}
        return [None if each is None else problems[each] for each in over]

    async def exchange(self, control: Database) -> None:
        """Adds what was counted to what all processes know, and learns that. Raises `StoreError`."""
        sent, self._unsent = self._unsent, Counter()
        asked, self._asked = self._asked, set()
        since = (int(self._now()) // _PERIOD - _WHOLE - 1) * _PERIOD
        try:
            found = await add_up(control, {(n, p * _PERIOD): used for (n, p), used in sent.items()}, asked, since=since)
        except StoreError:
            # It may have been added all the same, and then counts twice: that is the side to err on.
            self._unsent.update(sent)
            self._asked |= asked
            raise
        for (name, second), used in found.used.items():
            period = second // _PERIOD
            self._used.setdefault(name, {})[period] = used + self._unsent[name, period]
        if found.clock is not None:
            self._ahead = found.clock - self._clock()

    def _limits(self, kind: Kind, subject: str, tenant: str | None) -> list[_Limit]:
        limits = []
        if most := self._most[setting := f"key_{kind}_limit"]:
            limits.append(_Limit(f"{kind}:{subject}", most, kind, setting))
        if tenant is not None and (most := self._most[setting := f"tenant_{kind}_limit"]):
            limits.append(_Limit(f"{kind}:tenant:{tenant}", most, kind, setting))
        return limits

    def _admit(self, limits: Sequence[_Limit], amount: int) -> None:
        if not limits:
            return
        now = self._now()
        for each in limits:
            if self._left(each, now) < 1:
                raise self._refusal(each, 1, now)
        if amount:
            for each in limits:
                self._count(each, amount, now)

    def _now(self) -> float:
        return self._clock() + self._ahead

    def _left(self, limit: _Limit, now: float) -> int:
        used = self._used.get(limit.name)
        return limit.most if used is None else math.ceil(limit.most - _used(used, now))

    def _count(self, limit: _Limit, amount: int, now: float) -> None:
        period = int(now) // _PERIOD
        used = self._used.get(limit.name)
        if used is None:
            if len(self._used) >= _MAX_SUBJECTS:
                del self._used[next(iter(self._used))]
            used = self._used[limit.name] = {}
        used[period] = used.get(period, 0) + amount
        self._unsent[limit.name, period] += amount
        self._asked.add(limit.name)

    def _refusal(self, limit: _Limit, amount: int, now: float) -> Problem:
        """What is said to `amount` that come too soon; and to the operator, once a minute."""
        self._asked.add(limit.name)
        if self._told.get(limit.name, 0) + 60 < now:
            self._told[limit.name] = now
            _log.warning("over a limit", who=limit.name, setting=PREFIX + limit.setting.upper(), limit=limit.most)
        return limit.refusal(_wait(self._used[limit.name], limit.most - min(amount, limit.most) + 1, now))

    def _tidy(self) -> None:
        now = self._now()
        oldest = int(now) // _PERIOD - _WHOLE - 1
        for name, used in list(self._used.items()):
            for period in [period for period in used if period < oldest]:
                del used[period]
            if not used:
                del self._used[name]
        for key in [key for key in self._unsent if key[1] < oldest]:
            del self._unsent[key]
        self._told = {name: at for name, at in self._told.items() if at + 60 > now}

    async def _share(self, control: Database) -> None:
        forgotten_at = -math.inf
        while True:
            await asyncio.sleep(_EVERY)
            if not self._asked and not self._used:
                continue
            self._tidy()
            try:
                if self._asked:
                    await self.exchange(control)
                if self._clock() - forgotten_at > _FORGET_EVERY:
                    forgotten_at = self._clock()
                    await forget(control, before=int(self._now()) - _FORGET_AFTER)
            except StoreError as error:
                _log.debug("counts could not be exchanged", error=str(error))
            except Exception:  # noqa: BLE001 - it goes on, whatever happens
                _log.exception("counts could not be exchanged, and are left out")


def _used(used: dict[int, int], now: float) -> float:
    """How much counts at the moment `now`, in seconds of Unix time."""
    running = now / _PERIOD
    oldest = int(running) - _WHOLE - 1
    count = 0.0
    for period, amount in used.items():
        if period > oldest:
            count += amount
        elif period == oldest:
            count += amount * (oldest + 1 - (running - _WHOLE - 1))
    return count


def _wait(used: dict[int, int], fewer_than: int, now: float) -> float:
    """Seconds, at least, until what counts is `fewer_than` that, which is 1 or more, if nothing is added."""
    last = max(used, default=0)
    for oldest in range(int(now / _PERIOD) - _WHOLE - 1, last + 1):
        rest = sum(amount for period, amount in used.items() if period > oldest)
        fading = used.get(oldest, 0)
        if rest + fading >= fewer_than > rest:
            over_at = (oldest + 1 - (fewer_than - rest) / fading + _WHOLE + 1) * _PERIOD
            return max(over_at - now, 0)
    return 0
