"""Who tells that ledgers grew: one short query every 200 ms for all of them who wait, and only while somebody does."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, cast

import structlog

from indelible.server.problems import Problem
from indelible.store.session import Database

__all__ = ["INTERVAL", "Growth", "Watcher"]

INTERVAL: Final = 0.2
"""Seconds between two questions: how late somebody hears of what they wait for, at most."""

_SLOWEST: Final = 5.0
"""Seconds between two while PostgreSQL does not answer."""

_OF_ONE: Final = 20
_OF_TENANT: Final = 250
_IN_ALL: Final = 1_000

_log = structlog.get_logger()


class Growth:
    """While they wait, they hold nothing of the database; the question is asked on a connection for a moment."""

    def __init__(
        self, database: Database, *, of_one: int = _OF_ONE, of_tenant: int = _OF_TENANT, in_all: int = _IN_ALL
    ) -> None:
        """`of_one` caller, `of_tenant` whoever they are, and `in_all`, so many may watch at once."""
        self._database = database
        self._of_one = of_one
        self._of_tenant = of_tenant
        self._in_all = in_all
        self._watching: Counter[str] = Counter()
        self._watched: Counter[str] = Counter()
        self._waits: dict[str, set[_Wait]] = {}
        self._task: asyncio.Task[None] | None = None
        self._is_stopped = False

    @contextmanager
    def watch(self, tenant: str, subject: str) -> Iterator["Watcher"]:
        """Watches the tenant's ledger, for the caller of this name (`Caller.subject`), for as long as it is open.

        Raises `Problem` 429 `too_many_waiting`.
        """
        if self._watching[subject] >= self._of_one:
            raise _too_many(f"{self._of_one} requests of this key or person wait for new events")
        if self._watched[tenant] >= self._of_tenant:
            raise _too_many(f"{self._of_tenant} requests wait for new events of this tenant in this server process")
        if self._watching.total() >= self._in_all:
            raise _too_many(f"{self._in_all:,} requests wait for new events in this server process")
        self._watching[subject] += 1
        self._watched[tenant] += 1
        try:
            yield Watcher(self, tenant)
        finally:
            for counter, name in ((self._watching, subject), (self._watched, tenant)):
                counter[name] -= 1
                if not counter[name]:
                    del counter[name]

    @property
    def watching(self) -> int:
        """How many watch now."""
        return self._watching.total()

    @property
    def is_asking(self) -> bool:
        return self._task is not None and not self._task.done()

    @property
    def is_stopped(self) -> bool:
        return self._is_stopped

    def stop(self) -> None:
        """Nobody waits any more, from now on: the process is to end."""
        self._is_stopped = True
        for waits in self._waits.values():
            for wait in waits:
                wait.end(grown=False)

    async def close(self) -> None:
        self.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def wait(self, tenant: str, size: int, seconds: float) -> bool:
        """Whether the ledger has more than `size` entries, or gets them within so many seconds."""
        if self.is_stopped:
            return False
        wait = _Wait(size)
        waits = self._waits.setdefault(tenant, set())
        waits.add(wait)
        if not self.is_asking:
            self._task = asyncio.create_task(self._ask_on())
        try:
            async with asyncio.timeout(seconds):
                return await wait.answer
        except TimeoutError:
            return False
        finally:
            waits.discard(wait)
            if not waits:
                del self._waits[tenant]

    async def _ask_on(self) -> None:
        pause = INTERVAL
        while self._waits:
            await asyncio.sleep(pause)
            try:
                sizes = await _sizes(self._database, list(self._waits))
            except Exception as error:  # noqa: BLE001 - they wait on, whatever it is
                if pause == INTERVAL:
                    _log.warning("PostgreSQL could not be asked which ledgers grew", error=str(error))
                pause = min(2 * pause, _SLOWEST)
                continue
            pause = INTERVAL
            for tenant, size in sizes:
                for wait in self._waits.get(tenant, ()):
                    if size > wait.size:
                        wait.end(grown=True)


class Watcher:
    def __init__(self, growth: Growth, tenant: str) -> None:
        self._growth = growth
        self._tenant = tenant

    async def beyond(self, size: int, seconds: float) -> bool:
        """Whether the ledger has more than `size` entries, or gets them within so many seconds.

        False as well, and at once, where the process is to end.
        """
        return await self._growth.wait(self._tenant, size, seconds)


class _Wait:
    def __init__(self, size: int) -> None:
        self.size = size
        self.answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def end(self, *, grown: bool) -> None:
        if not self.answer.done():
            self.answer.set_result(grown)


async def _sizes(database: Database, tenants: Sequence[str]) -> list[tuple[str, int]]:
    async with database.transaction("control") as connection:
        cursor = await connection.execute(
            "SELECT tenant_id, size FROM indelible.ledgers WHERE tenant_id = ANY (%s)", (tenants,)
        )
        return cast("list[tuple[str, int]]", await cursor.fetchall())


def _too_many(what: str) -> Problem:
    return Problem(429, "too_many_waiting", f"{what}; end one, or ask without wait", headers={"retry-after": "2"})
