"""Which ledgers are to be signed at once: whoever reaches PostgreSQL may ask, for anything, as often as they like."""

import asyncio
from contextlib import suppress

from indelible.event import is_tenant_id

__all__ = ["Requests"]

_MOST = 10_000
"""Ledgers that wait at most; more than that are left to the rounds."""

_INTERVAL = 1.0
"""Seconds after which a ledger's turn may come again: each time may make a checkpoint, which is kept for ever."""


class Requests:
    """The tenants who asked, each once, in order of arrival."""

    def __init__(self) -> None:
        self._waiting: dict[str, None] = {}
        self._served: dict[str, float] = {}
        """When those had their turn that had it a moment ago; earliest first."""
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, tenant: str) -> None:
        """Passes over what cannot be a tenant's id."""
        if len(self._waiting) < _MOST and is_tenant_id(tenant):
            self._waiting[tenant] = None
            self._changed.set()

    async def next(self) -> str:
        """Whose turn it is, as soon as it is somebody's."""
        while True:
            self._changed.clear()
            now = asyncio.get_running_loop().time()
            self._forget(now - _INTERVAL)
            tenant = next((each for each in self._waiting if each not in self._served), None)
            if tenant is not None:
                del self._waiting[tenant]
                self._served[tenant] = now
                return tenant
            pause = min((self._served[each] + _INTERVAL - now for each in self._waiting), default=None)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), pause)

    def _forget(self, before: float) -> None:
        while self._served and (first := next(iter(self._served.items())))[1] <= before:
            del self._served[first[0]]
