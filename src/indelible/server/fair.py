"""Connections for reading, of which no tenant gets more than half at once: slow queries of one never take all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from indelible.server.problems import Problem
from indelible.store.session import Connection, Database, Role

__all__ = ["FairDatabase"]

_PATIENCE: Final = 2.0
"""Seconds that a read waits for another one of its tenant to end."""


@dataclass(frozen=True, slots=True)
class FairDatabase(Database):
    _turns: dict[str, "_Turns"] = field(default_factory=dict, repr=False)
    """By tenant, of those that read or wait now."""

    @asynccontextmanager
    async def transaction(
        self, role: Role, tenant: str | None = None, *, member: str | None = None, snapshot: bool = False
    ) -> AsyncIterator[Connection]:
        """As `Database.transaction`. Raises `Problem` 429 `too_many_reads` where the tenant has half of them for long.

        Not to be nested for one tenant: the inner one could wait for the outer.
        """
        async with (
            self.turn(tenant),
            Database.transaction(self, role, tenant, member=member, snapshot=snapshot) as connection,
        ):
            yield connection

    @asynccontextmanager
    async def turn(self, tenant: str | None) -> AsyncIterator[None]:
        """One of the tenant's connections, for as long as it is open. What is no tenant's is not counted."""
        if tenant is None:
            yield
            return
        turns = self._turns.get(tenant)
        if turns is None:
            turns = self._turns[tenant] = _Turns(asyncio.Semaphore(self.share))
        turns.users += 1
        try:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await turns.free.acquire()
            except TimeoutError:
                raise _too_many_reads(self.share) from None
            try:
                yield
            finally:
                turns.free.release()
        finally:
            turns.users -= 1
            if not turns.users:
                del self._turns[tenant]

    @property
    def share(self) -> int:
        """How many connections one tenant may have at once."""
        return max(1, min(pool.max_size for pool in self.pools.values()) // 2)


@dataclass(slots=True)
class _Turns:
    free: asyncio.Semaphore
    users: int = 0


def _too_many_reads(share: int) -> Problem:
    detail = (
        f"{share} reads of this tenant are running (half of INDELIBLE_POOL_SIZE) and none ended in {_PATIENCE:g} s; "
        "send fewer at once, or narrow them"
    )
    return Problem(429, "too_many_reads", detail, headers={"retry-after": "1"})
