"""Publishing: each ledger's latest checkpoint goes to the archive, apart from signing, which waits for nobody."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

import structlog

from indelible.archive import Archive, ArchiveError, ArchiveUnavailable, Differs

__all__ = ["Pending", "Publisher"]

_log = structlog.get_logger()

_AT_ONCE = 8
_PATIENCE = 60.0
"""Seconds that one checkpoint may take."""

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
"""Seconds between attempts while the archive is away."""


class Pending(NamedTuple):
    """A checkpoint that is not in the archive yet."""

    tenant: str
    origin: str
    size: int
    note: str


class Publisher:
    """Puts what it is offered into `archive`, of each ledger the latest only and at most once in `interval`.

    Tells `differs` of a ledger of which the archive has another checkpoint of the same size.
    """

    def __init__(
        self, archive: Archive, interval: timedelta, differs: Callable[[Pending, Differs], Awaitable[None]]
    ) -> None:
        self._archive = archive
        self._interval = interval.total_seconds()
        self._differs = differs
        self._pending: dict[str, Pending] = {}
        self._due: dict[str, float] = {}
        self._wake = asyncio.Event()

    def offer(self, pending: Pending) -> None:
        waiting = self._pending.get(pending.origin)
        if waiting is None or waiting.size < pending.size:
            self._pending[pending.origin] = pending
            self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        pause = 0.0
        while True:
            self._wake.clear()
            wait = self._wait()
            if wait is None or wait > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), wait)
                continue
            now = asyncio.get_running_loop().time()
            errors = await self._put([p for p in self._pending.values() if self._due.get(p.origin, 0.0) <= now])
            if errors:
                pause = min(max(2 * pause, _FIRST_PAUSE), _LONGEST_PAUSE)
                _log.error(
                    "checkpoints cannot be published",
                    error=str(errors[0]),
                    waiting=len(self._pending),
                    again_in=f"{pause:g} s",
                )
                await asyncio.sleep(pause)
            elif pause:
                pause = 0.0
                _log.info("checkpoints are published again")

    async def flush(self) -> None:
        """Publishes what waits, now. Raises `ArchiveError` where one of them could not be."""
        for error in await self._put(list(self._pending.values())):
            raise error

    def _wait(self) -> float | None:
        """Seconds until something is to be published; None where nothing waits."""
        now = asyncio.get_running_loop().time()
        return min((self._due.get(origin, 0.0) - now for origin in self._pending), default=None)

    async def _put(self, pending: list[Pending]) -> list[ArchiveError]:
        """Why some of them are not in the archive."""
        waiting = iter(pending)
        errors: list[ArchiveError] = []

        async def put_some() -> None:
            for each in waiting:
                try:
                    await self._put_one(each)
                except ArchiveError as error:
                    errors.append(error)
                    return  # the archive is away for the others too

        await asyncio.gather(*(put_some() for _ in range(min(_AT_ONCE, len(pending)))))
        return errors

    async def _put_one(self, pending: Pending) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._archive.put(pending.origin, pending.size, pending.note)
        except TimeoutError:
            raise ArchiveUnavailable(f"the archive did not answer in {_PATIENCE:g} s") from None
        except Differs as differs:
            await self._differs(pending, differs)
        except ArchiveUnavailable:
            raise
        except ArchiveError as error:
            # It would not be taken tomorrow either, and must not hold up the others.
            _log.error("a checkpoint cannot be published", tenant=pending.tenant, error=str(error))
        except Exception as error:
            # Whatever it is, it must not end the signer.
            raise ArchiveUnavailable(f"the archive failed: {type(error).__name__}: {error}") from error
        if self._pending.get(pending.origin) == pending:
            del self._pending[pending.origin]
        self._due[pending.origin] = asyncio.get_running_loop().time() + self._interval
