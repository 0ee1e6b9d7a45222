"""Group commit: events that wait together are committed together."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from zlib import crc32

import psycopg
import structlog

from indelible.event import InvalidEvent
from indelible.store.append import MissingMonth, Receipt, Repeated, Rules, append, ensure_month, open_ledger
from indelible.store.errors import RoleNotGranted, StoreError, StoreUnavailable
from indelible.store.sealing import Prepared
from indelible.store.session import Database, first_line, is_of_the_data

__all__ = ["Answer", "Appender"]

Answer = Receipt | InvalidEvent | StoreError

_log = structlog.get_logger()

_MAX_GROUP = 1000
"""Of how many events, about, a transaction is at most."""

_MAX_WAITING = 20_000
"""Events of a lane that wait for their answers at most; what comes then is better sent again later."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
"""Seconds between attempts while PostgreSQL is away."""

_LINGER, _MAX_LINGERS = 0.001, 5
"""Seconds in which another caller has to turn up to be waited for, and how often that is repeated."""

_MANY = 8
"""Callers in one transaction, from which on the next one waits for them to come again."""


_WAIT_LONGER = "SET LOCAL lock_timeout = '500ms'"
"""In a siding, where nobody else is held up."""


@dataclass(eq=False, slots=True)
class _Job:
    """Events that one caller waits for."""

    batch: Sequence[Prepared]
    deadline: float
    done: asyncio.Future[list[Answer]]
    # Whether an earlier attempt may have been committed without our hearing of it.
    again: bool = False
    # When it is tried again, and how long it then pauses if that fails as well.
    due: float = 0.0
    pause: float = _FIRST_PAUSE
    trouble: str = "PostgreSQL did not answer in time"

    def answer(self, answers: Sequence[Answer]) -> None:
        if not self.done.done():  # its caller may have gone
            self.done.set_result(list(answers))

    def give_up(self, trouble: str) -> None:
        self.answer([StoreUnavailable(trouble)] * len(self.batch))

    @property
    def tenant(self) -> str | None:
        """Of all of its events; None where they are of several."""
        first = self.batch[0].event.tenant_id
        return first if all(p.event.tenant_id == first for p in self.batch) else None

    def split(self, key: Callable[[Prepared], Hashable]) -> dict[Hashable, "_Job"]:
        """Jobs of those events each for which `key` says the same."""
        parts: dict[Hashable, list[Prepared]] = {}
        for prepared in self.batch:
            parts.setdefault(key(prepared), []).append(prepared)
        loop = asyncio.get_running_loop()
        return {k: replace(self, batch=part, done=loop.create_future()) for k, part in parts.items()}


class Appender:
    """Takes events of any tenants, and answers when they are durable.

    A tenant belongs to one lane. Each lane runs one transaction at a time, while the events of the next one gather;
    so a hot tenant fills its transactions, and holds up its own lane at most. With `sidings`, so many at once of the
    tenants whose ledgers somebody holds locked wait beside their lanes, for as long as that lasts.
    """

    def __init__(
        self,
        database: Database,
        rules: Rules,
        *,
        lanes: int = 2,
        patience: timedelta = timedelta(seconds=10),
        sidings: int = 0,
    ) -> None:
        self._database = database
        self._rules = rules
        self._patience = patience.total_seconds()
        self._lanes = [_Lane(self) for _ in range(lanes)]
        self._sidings: dict[str, _Siding] = {}
        self._sidings_free = asyncio.Semaphore(sidings) if sidings else None
        self._tasks = asyncio.TaskGroup()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        database: Database,
        rules: Rules,
        *,
        lanes: int = 2,
        patience: timedelta = timedelta(seconds=10),
        sidings: int = 0,
    ) -> AsyncIterator["Appender"]:
        """`patience` is how long a caller waits for PostgreSQL. On leaving, what was taken is committed first."""
        appender = cls(database, rules, lanes=lanes, patience=patience, sidings=sidings)
        async with appender._tasks as tasks:
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

    def siding(self, tenant: str | None) -> "_Siding | None":
        """Where what is the tenant's waits now, if it does not in its lane."""
        return self._sidings.get(tenant) if tenant is not None else None

    def set_aside(self, tenant: str) -> "_Siding | None":
        """A siding for the tenant; None where there are none."""
        if self._sidings_free is None:
            return None
        if tenant not in self._sidings:
            siding = self._sidings[tenant] = _Siding(self, self._sidings_free)
            self._tasks.create_task(self._run_siding(tenant, siding))
        return self._sidings[tenant]

    async def _run_siding(self, tenant: str, siding: "_Siding") -> None:
        try:
            await siding.run()
        finally:
            del self._sidings[tenant]

    async def open_ledger(self, tenant: str) -> bool:
        """Opens the ledger of a new tenant; False where there is one. Raises `StoreError`."""
        while True:
            try:
                async with self._database.transaction("writer") as connection:
                    return await open_ledger(connection, tenant, self._rules)
            except MissingMonth as missing:
                await self.make_month(missing)

    async def commit(
        self, group: Sequence[Prepared], *, again: bool, waits: bool = False
    ) -> list[Receipt | InvalidEvent]:
        """One transaction. `waits` for locked ledgers longer than usual.

        Raises `StoreUnavailable` or `psycopg.Error`.
        """
        while True:
            try:
                async with self._database.transaction("writer") as connection:
                    if waits:
                        await connection.execute(_WAIT_LONGER)
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
        self._parked: list[_Job] = []
        self._unanswered = 0  # events
        self._previous = 0  # callers in the last transaction
        self._wake = asyncio.Event()
        self._closed = False

    def put(self, job: _Job) -> None:
        if self._closed:
            job.give_up("the service is stopping")
        elif (siding := self._appender.siding(job.tenant)) is not None and siding is not self:
            siding.put(job)
        elif self._unanswered >= _MAX_WAITING:
            job.give_up("too many events are waiting for PostgreSQL")
        else:
            self._unanswered += len(job.batch)
            job.done.add_done_callback(lambda _: self._forget(len(job.batch)))
            self._waiting.append(job)
            self._wake.set()

    def _forget(self, events: int) -> None:
        self._unanswered -= events

    def close(self) -> None:
        self._closed = True
        self._wake.set()

    async def run(self) -> None:
        while not self._ends or self._waiting or self._parked:
            await self._turn()

    @property
    def _ends(self) -> bool:
        """As soon as nothing waits any more."""
        return self._closed

    async def _turn(self) -> None:
        self._unpark()
        if not self._waiting:
            if self._parked or not self._ends:
                await self._sleep()
            return
        await self._linger(self._previous)
        group = self._gather()
        self._previous = len(group)
        self._parked += await self._commit(group)

    def _unpark(self) -> None:
        """Takes those up again whose pause is over; answers those whose patience is."""
        now = asyncio.get_running_loop().time()
        self._waiting.extendleft(reversed([job for job in self._parked if job.due <= now]))
        self._parked = [job for job in self._parked if job.due > now]
        for jobs in (self._waiting, self._parked):
            for job in [job for job in jobs if job.deadline <= now]:
                jobs.remove(job)
                job.give_up(job.trouble)

    async def _sleep(self) -> None:
        """Until a job is put in, or one that is parked is due."""
        due = min((job.due for job in self._parked), default=None)
        self._wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(due):
                await self._wake.wait()

    async def _linger(self, previous: int) -> None:
        """Waits a moment for callers who were answered together and are about to come together again.

        Otherwise the quickest of them gets a transaction alone, and all others wait for it to end.
        """
        if previous < _MANY:
            return
        expected = previous + len(self._waiting)
        for _ in range(_MAX_LINGERS):
            if len(self._waiting) >= expected or self._closed:
                return
            await asyncio.sleep(_LINGER)

    def _gather(self) -> list[_Job]:
        group = [self._waiting.popleft()]
        size = len(group[0].batch)
        while self._waiting and size + len(self._waiting[0].batch) <= _MAX_GROUP:
            group.append(self._waiting.popleft())
            size += len(group[-1].batch)
        return group

    async def _commit(self, group: Sequence[_Job]) -> list[_Job]:
        """Answers the jobs of `group`, and returns those that are worth another attempt."""
        try:
            answers: Sequence[Answer] = await self._append(
                [p for job in group for p in job.batch], again=any(job.again for job in group)
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the lane for everybody
            return await self._commit_apart(group, error)
        start = 0
        for job in group:
            job.answer(answers[start : start + len(job.batch)])
            start += len(job.batch)
        return []

    async def _append(self, events: Sequence[Prepared], *, again: bool) -> list[Receipt | InvalidEvent]:
        return await self._appender.commit(events, again=again)

    async def _commit_apart(self, group: Sequence[_Job], error: Exception) -> list[_Job]:
        """After `error`: what one event or one ledger is to blame for, the others in `group` must not suffer for."""
        if isinstance(error, RoleNotGranted):
            for job in group:
                job.answer([error] * len(job.batch))
            return []
        of_event = not isinstance(error, StoreUnavailable | psycopg.Error) or is_of_the_data(error)
        of_ledger = isinstance(error.__cause__, psycopg.errors.LockNotAvailable)
        if not of_event and not of_ledger:
            return self._put_off(group, error)
        if of_ledger:
            return await self._commit_by_ledger(group, error)
        if len(group) > 1:
            return [late for job in group for late in await self._commit([job])]
        (job,) = group
        by_tenant = job.split(lambda p: p.event.tenant_id)
        if len(by_tenant) > 1:
            return await self._commit_parts(job, by_tenant)
        if len(job.batch) > 1:
            return await self._commit_parts(job, job.split(id))
        _log.error("an event cannot be stored", error=first_line(error), kind=type(error).__name__)
        job.answer([StoreError("this event can't be stored; sending it again will not help")])
        return []

    async def _commit_by_ledger(self, group: Sequence[_Job], error: Exception) -> list[_Job]:
        """After somebody held one of the group's ledgers locked for too long: each is tried once more at most."""
        ledgers: dict[str | int, list[_Job]] = {}
        for job in group:
            ledgers.setdefault(job.tenant or id(job), []).append(job)
        if len(ledgers) > 1:
            return [late for jobs in ledgers.values() for late in await self._commit(jobs)]
        if group[0].tenant is None:
            return await self._commit_parts(group[0], group[0].split(lambda p: p.event.tenant_id))
        return self._set_aside(group[0].tenant, self._put_off(group, error))

    def _set_aside(self, tenant: str, late: list[_Job], /) -> list[_Job]:
        """Those of `late` that are to be tried again in this lane."""
        siding = self._appender.set_aside(tenant)
        if siding is None:
            return late
        # What came meanwhile would find the ledger locked as well.
        same = [job for job in self._waiting if job.tenant == tenant]
        self._waiting = deque(job for job in self._waiting if job.tenant != tenant)
        siding.take(late, same)
        return []

    async def _commit_parts(self, job: _Job, parts: Mapping[Hashable, _Job]) -> list[_Job]:
        """Commits the parts of `job`, each for itself; those that come too late may be sent again by the caller."""
        for part in parts.values():
            for late in await self._commit([part]):
                late.give_up(late.trouble)
        answers = {
            id(p): answer for part in parts.values() for p, answer in zip(part.batch, part.done.result(), strict=True)
        }
        job.answer([answers[id(p)] for p in job.batch])
        return []

    def _put_off(self, group: Sequence[_Job], error: Exception) -> list[_Job]:
        _log.warning("appending is put off", error=first_line(error), callers=len(group))
        now = asyncio.get_running_loop().time()
        for job in group:
            job.again = True
            job.trouble = first_line(error)
            job.due = now + job.pause
            job.pause = min(2 * job.pause, _LONGEST_PAUSE)
        return list(group)


class _Siding(_Lane):
    """A lane of one tenant, for as long as anything waits in it."""

    def __init__(self, appender: Appender, free: asyncio.Semaphore) -> None:
        super().__init__(appender)
        self._free = free

    def take(self, late: Sequence[_Job], waiting: Sequence[_Job]) -> None:
        self._parked += late
        self._waiting.extend(waiting)
        self._wake.set()

    @property
    def _ends(self) -> bool:
        return True

    async def _append(self, events: Sequence[Prepared], *, again: bool) -> list[Receipt | InvalidEvent]:
        # Locked ledgers, however many, must leave connections to the others.
        async with self._free:
            return await self._appender.commit(events, again=again, waits=True)

    def _set_aside(self, _tenant: str, late: list[_Job], /) -> list[_Job]:
        return late
