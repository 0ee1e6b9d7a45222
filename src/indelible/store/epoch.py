"""The epoch: a number that changes whenever a key, a revocation or a tenant's settings do, by whomever.

What a process remembers of these it believes for `EPOCH_AGE` from the moment it began to ask for the epoch, and then
asks again. So what is committed is in force on every process `EPOCH_AGE` later.
"""

import asyncio
from typing import Final, cast

from indelible.store.errors import StoreError
from indelible.store.session import Database

__all__ = ["EPOCH_AGE", "epoch", "in_force_everywhere"]

EPOCH_AGE: Final = 0.1
"""Seconds."""

_MARGIN = 0.02
"""Seconds, for timers that ring early and clocks of other hosts that run slow."""


async def epoch(database: Database) -> int:
    """In one round trip: requests wait for it. Raises `StoreError`."""
    row = await database.one("control", "SELECT epoch FROM indelible.installation")
    if row is None:
        raise StoreError("the row of indelible.installation is gone: restore it from a backup")
    return cast("int", row[0])


async def in_force_everywhere() -> None:
    """Returns once every process that reaches PostgreSQL goes by what was committed before this was called."""
    await asyncio.sleep(EPOCH_AGE + _MARGIN)
