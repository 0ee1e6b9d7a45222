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
    later than that. Those who ask at the same time wait for one answer; nobody waits longer than two queries take.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._epoch: int | None = None
        # When that was asked for, which is no later than when it was so.
        self._as_of = float("-inf")
        self._shelves: list[dict[Any, Any]] = []
        self._asking: _Asked | None = None
        self._next: asyncio.Future[None] | None = None
        """For whoever came too late for the query that runs."""
        self._closed = False
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
        self._closed = True
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
                self._ask()  # so that, where there are many requests, none has to wait for it
            return
        if now < self._away_until:
            self._rely_on_the_past(now)
            return
        # The query goes on: others wait for it too, and it tells when PostgreSQL is back.
        answer = self._answer_for(now)
        await asyncio.wait({answer}, timeout=_PATIENCE)
        if now - self._as_of > EPOCH_AGE:
            error = answer.exception() if answer.done() and not answer.cancelled() else None
            if error is not None and not isinstance(error, StoreUnavailable):
                raise error
            self._away_until = _clock() + _RETRY
            self._rely_on_the_past(now, error)

    def _answer_for(self, now: float) -> asyncio.Future[None]:
        """Of the query that runs, where it began late enough for whoever comes `now`; else of the one after it."""
        if self._asking is None:
            return self._ask().answer
        if self._asking.since >= now - EPOCH_AGE:
            return self._asking.answer
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        return self._next

    def _rely_on_the_past(self, now: float, error: BaseException | None = None) -> None:
        if now - self._as_of > _GRACE:
            raise StoreUnavailable(
                str(error) if error else "PostgreSQL does not answer: nobody can say which keys are good"
            )

    def _ask(self) -> "_Asked":
        """One query runs at a time, and the next one begins when it ends: none waits longer than for two."""
        answer = self._next or asyncio.get_running_loop().create_future()
        self._next = None
        asked = self._asking = _Asked(_clock(), answer)
        task = self._begin(self._read_epoch(asked))
        # One that PostgreSQL never answers holds up the next ones no longer than it is waited for.
        bell = asyncio.get_running_loop().call_later(_PATIENCE, self._done_asking, asked)
        task.add_done_callback(lambda _: bell.cancel())
        task.add_done_callback(lambda _: self._done_asking(asked))
        return asked

    def _done_asking(self, asked: "_Asked") -> None:
        if self._asking is not asked:
            return
        self._asking = None
        if self._next is not None:
            if self._closed:
                self._next.cancel()
            else:
                self._ask()

    async def _read_epoch(self, asked: "_Asked") -> None:
        try:
            self._learn(await epoch(self._database), asked.since)
        except BaseException as error:
            if not asked.answer.done():
                if isinstance(error, Exception):
                    asked.answer.set_exception(error)
                    asked.answer.exception()  # heard, even where nobody waits any more
                else:
                    asked.answer.cancel()
            raise
        if not asked.answer.done():
            asked.answer.set_result(None)

    def _learn(self, found: int, since: float) -> None:
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
    def __init__(self, since: float, answer: asyncio.Future[None]) -> None:
        self.since = since
        self.answer = answer


def _clock() -> float:
    return asyncio.get_running_loop().time()
