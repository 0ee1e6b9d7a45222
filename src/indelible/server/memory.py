"""What a process remembers of PostgreSQL: keys, revocations, tenants' settings. See `store.epoch`."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

import structlog

from indelible.store.epoch import EPOCH_AGE, epoch
from indelible.store.errors import StoreUnavailable
from indelible.store.session import Database

__all__ = ["Memory"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_log = structlog.get_logger()

_GRACE = 60.0
"""Seconds that all of it is believed in while PostgreSQL cannot be asked, since it last could."""

_PATIENCE = 2.0
"""Seconds, after which PostgreSQL that has not answered counts as away."""

_RETRY = 0.5
"""Seconds, in which those who come while it is away do not wait for it again."""

_MAX_KEPT = 10_000


class Memory:
    """All of it is forgotten when the epoch is another one.

    Whoever asks gets nothing that had changed `EPOCH_AGE` before they asked: the epoch that they rely on was asked for
    later than that. Those who ask at the same time wait for one answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._epoch: int | None = None
        # When that was asked for, which is no later than when it was so.
        self._as_of = float("-inf")
        self._shelves: list[dict[Any, Any]] = []
        self._asking: _Asked | None = None
        self._away_until = float("-inf")
        self._lookups: dict[tuple[int, Hashable], tuple[int | None, asyncio.Task[Any]]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def shelf(self) -> dict[Any, Any]:
        """For what is remembered by a name; to be used with `get` alone."""
        made: dict[Any, Any] = {}
        self._shelves.append(made)
        return made

    async def get(self, shelf: dict[K, V], name: K, ask: Callable[[], Awaitable[V | None]]) -> V | None:
        """What the shelf has under `name`, or `ask` finds; what is not there is not remembered.

        Raises `StoreUnavailable`, and what `ask` raises.
        """
        await self._be_current()
        if (found := shelf.get(name)) is not None:
            return found
        place = (id(shelf), name)
        known = self._lookups.get(place)
        # One that was begun in an earlier epoch may have seen what is no longer so.
        if known is None or known[0] != self._epoch:
            known = (self._epoch, self._begin(self._look_up(shelf, name, ask)))
            self._lookups[place] = known
            known[1].add_done_callback(lambda task: self._forget_lookup(place, task))
        result: V | None = await asyncio.shield(known[1])
        return result

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look_up(self, shelf: dict[K, V], name: K, ask: Callable[[], Awaitable[V | None]]) -> V | None:
        begun_in = self._epoch
        found = await ask()
        if found is not None and self._epoch == begun_in:
            if len(shelf) >= _MAX_KEPT:
                shelf.clear()
            shelf[name] = found
        return found

    def _forget_lookup(self, place: tuple[int, Hashable], task: asyncio.Task[Any]) -> None:
        if (known := self._lookups.get(place)) is not None and known[1] is task:
            del self._lookups[place]

    async def _be_current(self) -> None:
        now = _clock()
        age = now - self._as_of
        if age <= EPOCH_AGE:
            if age > EPOCH_AGE / 2 and self._asking is None:
                self._ask(now)  # so that, where there are many requests, none has to wait for it
            return
        if now < self._away_until:
            self._rely_on_the_past(now)
            return
        if self._asking is None or self._asking.since < now - EPOCH_AGE:
            self._ask(now)
        asking = self._asking
        assert asking is not None
        # The query goes on: others wait for it too, and it tells when PostgreSQL is back.
        await asyncio.wait({asking.task}, timeout=_PATIENCE)
        if now - self._as_of > EPOCH_AGE:
            error = asking.task.exception() if asking.task.done() and not asking.task.cancelled() else None
            if error is not None and not isinstance(error, StoreUnavailable):
                raise error
            self._away_until = _clock() + _RETRY
            self._rely_on_the_past(now, error)

    def _rely_on_the_past(self, now: float, error: BaseException | None = None) -> None:
        if now - self._as_of > _GRACE:
            raise StoreUnavailable(
                str(error) if error else "PostgreSQL does not answer: nobody can say which keys are good"
            )

    def _ask(self, now: float) -> None:
        self._asking = _Asked(now, self._begin(self._read_epoch(now)))

    async def _read_epoch(self, since: float) -> None:
        try:
            found = await epoch(self._database)
        finally:
            if self._asking is not None and self._asking.since == since:
                self._asking = None
        self._away_until = float("-inf")
        # Of two queries that overtook each other, the one that was begun later knows better.
        if since < self._as_of:
            return
        self._as_of = since
        if found != self._epoch:
            self._epoch = found
            for shelf in self._shelves:
                shelf.clear()

    def _begin(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), StoreUnavailable):
            _log.debug("PostgreSQL could not be asked who may call", error=str(error))


class _Asked:
    def __init__(self, since: float, task: asyncio.Task[None]) -> None:
        self.since = since
        self.task = task


def _clock() -> float:
    return asyncio.get_running_loop().time()
