"""Requests that were refused, on their way into the log of the log: behind the answer, as many as there is room for."""

import asyncio
from contextlib import suppress

import structlog

from indelible.event import Event, InvalidEvent
from indelible.store.access import WINDOW, AccessLog

__all__ = ["Denials"]

_log = structlog.get_logger()

_MAX_WAITING = 500
_MAX_REMEMBERED = 10_000

_PATIENCE = 5.0
"""Seconds, when the service ends, in which what waits is still recorded."""

_Key = tuple[str, str, str | None, str, str]


class Denials:
    """Recorded one after the other. What is beyond the room for them is lost, and that is logged."""

    def __init__(self, access_log: AccessLog, *, opens: bool = True) -> None:
        self._access_log = access_log
        self._opens = opens
        self._waiting: asyncio.Queue[tuple[_Key, Event, str]] = asyncio.Queue(_MAX_WAITING)
        # When each was put in; the oldest first.
        self._seen: dict[_Key, float] = {}
        self._lost = 0
        self._task: asyncio.Task[None] | None = None

    def put(self, event: Event, code: str) -> None:
        """Takes the same time whatever tenant there is or is not: nothing is looked up here."""
        now = asyncio.get_running_loop().time()
        reason = str(event.metadata.get("reason", ""))
        key = (event.tenant_id, event.actor.type, event.actor.id, code, reason)
        if now - self._seen.get(key, -WINDOW.total_seconds()) < WINDOW.total_seconds() or self._is_full():
            return
        self._seen.pop(key, None)
        if len(self._seen) >= _MAX_REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = now
        self._waiting.put_nowait((key, event, code))
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._task is None:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._waiting.join(), _PATIENCE)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _is_full(self) -> bool:
        if not self._waiting.full():
            if self._lost:
                _log.warning("refused requests were not recorded: too many came at once", requests=self._lost)
            self._lost = 0
            return False
        self._lost += 1
        return True

    async def _run(self) -> None:
        while True:
            key, event, code = await self._waiting.get()
            try:
                await self._access_log.record_once(event, [code], opens=self._opens)
            except InvalidEvent:
                pass  # a tenant that there cannot be
            except Exception as error:  # noqa: BLE001 - whatever it is, the next one may be recorded
                self._seen.pop(key, None)
                _log.warning("a refused request was not recorded", tenant=event.tenant_id, code=code, error=str(error))
            finally:
                self._waiting.task_done()
