"""Group commit: events that wait together are committed together."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from zlib import crc32

import psycopg
import structlog

from indelible.event import InvalidEvent
from indelible.store.append import MissingMonth, Receipt, Repeated, Rules, append, ensure_month, open_ledger
from indelible.store.errors import StoreError, StoreUnavailable
from indelible.store.sealing import Prepared
from indelible.store.session import Database, first_line, is_transient

__all__ = ["Answer", "Appender"]

Answer = Receipt | InvalidEvent | StoreError

_log = structlog.get_logger()

_MAX_GROUP = 1000
"""Of how many events, about, a transaction is at most."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
"""Seconds between attempts while PostgreSQL is away."""

_LINGER, _MAX_LINGERS = 0.001, 5
"""Seconds in which another caller has to turn up to be waited for, and how often that is repeated."""

_MANY = 8
"""Callers in one transaction, from which on the next one waits for them to come again."""


@dataclass(eq=False, slots=True)
class _Job:
    """Events that one caller waits for."""

    batch: Sequence[Prepared]
    deadline: float
    done: asyncio.Future[list[Answer]]
    # Whether an earlier attempt may have been committed without our hearing of it.
    again: bool = False

    def answer(self, answers: Sequence[Answer]) -> None:
        if not self.done.done():  # its caller may have gone
            self.done.set_result(list(answers))


class Appender:
    """Takes events of any tenants, and answers when they are durable.

    A tenant belongs to one lane. Each lane runs one transaction at a time, while the events of the next one gather;
    so a hot tenant fills its transactions, and holds up its own lane at most.
    """

    def __init__(
        self, database: Database, rules: Rules, *, lanes: int = 2, patience: timedelta = timedelta(seconds=10)
    ) -> None:
        self._database = database
        self._rules = rules
        self._patience = patience.total_seconds()
        self._lanes = [_Lane(self) for _ in range(lanes)]

    @classmethod
    @asynccontextmanager
    async def open(
        cls, database: Database, rules: Rules, *, lanes: int = 2, patience: timedelta = timedelta(seconds=10)
    ) -> AsyncIterator["Appender"]:
        """`patience` is how long a caller waits for PostgreSQL. On leaving, what was taken is committed first."""
        appender = cls(database, rules, lanes=lanes, patience=patience)
        async with asyncio.TaskGroup() as tasks:
            for lane in appender._lanes:
                tasks.create_task(lane.run())
            try:
                yield appender
            finally:
                for lane in appender._lanes:
                    lane.close()

    async def append(self, batch: Sequence[Prepared]) -> list[Answer]:
        """The answers stand in the order of `batch`; each event is in the ledger, or refused, or may be sent again."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        parts: dict[_Lane, list[int]] = {}
        for index, prepared in enumerate(batch):
            parts.setdefault(self._lane(prepared.event.tenant_id), []).append(index)
        if len(parts) == 1:
            job = _Job(batch, deadline, loop.create_future())
            next(iter(parts)).put(job)
            return await job.done
        jobs = []
        for lane, part in parts.items():
            job = _Job([batch[i] for i in part], deadline, loop.create_future())
            lane.put(job)
            jobs.append(job)
        answers: dict[int, Answer] = {}
        for job, part in zip(jobs, parts.values(), strict=True):
            answers.update(zip(part, await job.done, strict=True))
        return [answers[i] for i in range(len(batch))]

    def _lane(self, tenant: str) -> "_Lane":
        return self._lanes[crc32(tenant.encode()) % len(self._lanes)]

    async def open_ledger(self, tenant: str) -> bool:
        """Opens the ledger of a new tenant; False where there is one. Raises `StoreError`."""
        while True:
            try:
                async with self._database.transaction("writer") as connection:
                    return await open_ledger(connection, tenant, self._rules)
            except MissingMonth as missing:
                await self.make_month(missing)

    async def commit(self, group: Sequence[Prepared], *, again: bool) -> list[Receipt | InvalidEvent]:
        """One transaction. Raises `StoreUnavailable` or `psycopg.Error`."""
        while True:
            try:
                async with self._database.transaction("writer") as connection:
                    return await append(connection, group, self._rules, again=again)
            except MissingMonth as missing:
                await self.make_month(missing)
            except Repeated:
                if again:
                    raise
                again = True

    async def make_month(self, missing: MissingMonth) -> None:
        async with self._database.transaction("writer") as connection:
            await ensure_month(connection, missing.day)
        _log.warning("a partition was missing and was made", month=f"{missing.day:%Y-%m}")


class _Lane:
    def __init__(self, appender: Appender) -> None:
        self._appender = appender
        self._waiting: deque[_Job] = deque()
        self._wake = asyncio.Event()
        self._closed = False

    def put(self, job: _Job) -> None:
        if self._closed:
            job.answer([StoreUnavailable("the service is stopping; send the events again")] * len(job.batch))
            return
        self._waiting.append(job)
        self._wake.set()

    def close(self) -> None:
        self._closed = True
        self._wake.set()

    async def run(self) -> None:
        pause = _FIRST_PAUSE
        group: list[_Job] = []
        while self._waiting or not self._closed:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            await self._linger(len(group))
            if not self._waiting:
                continue
            group = self._gather()
            retry = await self._commit(group)
            self._waiting.extendleft(reversed(retry))
            if retry:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                pause = _FIRST_PAUSE

    async def _linger(self, previous: int) -> None:
        """Waits a moment for callers who were answered together and are about to come together again.

        Otherwise the quickest of them gets a transaction alone, and all others wait for it to end.
        """
        if previous < _MANY:
            return
        arrived = 0
        for _ in range(_MAX_LINGERS):
            if arrived == len(self._waiting) or self._closed:
                return
            arrived = len(self._waiting)
            await asyncio.sleep(_LINGER)

    def _gather(self) -> list[_Job]:
        group = [self._waiting.popleft()]
        size = len(group[0].batch)
        while self._waiting and size + len(self._waiting[0].batch) <= _MAX_GROUP:
            group.append(self._waiting.popleft())
            size += len(group[-1].batch)
        return group

    async def _commit(self, group: list[_Job]) -> list[_Job]:
        """Answers the jobs of `group`, and returns those that are worth another attempt."""
        try:
            answers: Sequence[Answer] = await self._appender.commit(
                [p for job in group for p in job.batch], again=any(job.again for job in group)
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the lane for everybody
            if isinstance(error, StoreUnavailable) or (isinstance(error, psycopg.Error) and is_transient(error)):
                return self._put_off(group, error)
            return await self._commit_apart(group, error)
        start = 0
        for job in group:
            job.answer(answers[start : start + len(job.batch)])
            start += len(job.batch)
        return []

    async def _commit_apart(self, group: list[_Job], error: Exception) -> list[_Job]:
        """Something in `group` does not go in; the others must not suffer for it."""
        if len(group) > 1:
            return [late for job in group for late in await self._commit([job])]
        (job,) = group
        if len(job.batch) == 1:
            _log.error("an event cannot be stored", error=first_line(error), kind=type(error).__name__)
            job.answer([StoreError("this event can't be stored; sending it again will not help")])
            return []
        parts = [_Job([p], job.deadline, asyncio.get_running_loop().create_future(), job.again) for p in job.batch]
        late = [part for part in parts for _ in await self._commit([part])]
        for part in late:
            part.answer([StoreUnavailable("PostgreSQL went away in the middle of the batch")])
        job.answer([answer for part in parts for answer in part.done.result()])
        return []

    def _put_off(self, group: list[_Job], error: Exception) -> list[_Job]:
        now = asyncio.get_running_loop().time()
        _log.warning("appending is put off", error=first_line(error), waiting=len(group))
        late = [job for job in group if job.deadline <= now]
        for job in late:
            job.answer([StoreUnavailable(first_line(error))] * len(job.batch))
        kept = [job for job in group if job.deadline > now]
        for job in kept:
            job.again = True
        return kept
