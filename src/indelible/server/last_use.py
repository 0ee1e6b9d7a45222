"""When each key was last used, and from where: noted behind the requests, which never wait for it."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import structlog

from indelible.store.errors import StoreError
from indelible.store.keys import note_use
from indelible.store.session import Database

__all__ = ["LastUse"]

_log = structlog.get_logger()

_EVERY = 60.0
"""Seconds between two notes of one key, by each process."""

_GATHER = 0.5
"""Seconds, in which notes gather for one statement."""

_MAX_NOTED = 10_000


class LastUse:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: dict[UUID, float] = {}
        self._waiting: dict[UUID, tuple[datetime, str | None]] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, key_id: UUID, address: str | None) -> None:
        """The key is used now, from this IP address."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self._noted.get(key_id, float("-inf")) > now - _EVERY:
            return
        if len(self._noted) >= _MAX_NOTED:
            self._noted.clear()
        self._noted[key_id] = now
        self._waiting[key_id] = (datetime.now(UTC), address)
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._write())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._write_waiting()

    async def _write(self) -> None:
        while self._waiting:
            await asyncio.sleep(_GATHER)
            await self._write_waiting()

    async def _write_waiting(self) -> None:
        uses, self._waiting = self._waiting, {}
        try:
            await note_use(self._database, uses)
        except StoreError as error:
            # Losing it costs nothing but the note.
            _log.debug("the last use of keys could not be noted", error=str(error))
