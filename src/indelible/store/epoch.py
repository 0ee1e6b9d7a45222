"""The epoch: a number that changes whenever a key, a revocation or a tenant's settings do, by whomever.

What a process remembers of these it believes for `EPOCH_AGE` from the moment it began to ask for the epoch, and then
asks again. So what is committed is in force on every process `EPOCH_AGE` later.
"""

import asyncio
from typing import Final, cast

from indelible.store.session import Database

__all__ = ["EPOCH_AGE", "epoch", "in_force_everywhere"]

EPOCH_AGE: Final = 0.1
"""Seconds."""

_MARGIN = 0.02
"""Seconds, for timers that ring early and clocks of other hosts that run slow."""


async def epoch(database: Database) -> int:
    """Raises `StoreUnavailable`."""
    async with database.transaction("control") as connection:
        cursor = await connection.execute("SELECT epoch FROM indelible.installation")
        (found,) = cast("tuple[int]", await cursor.fetchone())
    return found


async def in_force_everywhere() -> None:
    """Returns once every process that reaches PostgreSQL goes by what was committed before this was called."""
    await asyncio.sleep(EPOCH_AGE + _MARGIN)
