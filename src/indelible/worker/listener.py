"""Hearing who wants a ledger signed at once, and whether PostgreSQL is still the one that it was."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import psycopg
import structlog

from indelible.store.checkpoints import CHANNEL
from indelible.store.session import Database, first_line

__all__ = ["listen"]

_log = structlog.get_logger()

_PULSE = 5.0
"""Seconds of silence after which the connection is tried."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
"""Seconds between attempts to connect."""


async def listen(
    database: Database, *, request: Callable[[str], None], connected: Callable[[], None], lost: Callable[[], None]
) -> None:
    """Until cancelled: calls `request` with each tenant that is asked for.

    Calls `connected` whenever there is a new connection, `lost` when one broke: a PostgreSQL that was stopped in
    between may have come back with other data.
    """
    pause = _FIRST_PAUSE
    while True:
        try:
            connection = await _connect(database)
        except (psycopg.Error, OSError, TimeoutError) as error:
            _log.warning("nothing is signed while PostgreSQL is away", error=first_line(error), again_in=f"{pause:g} s")
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            continue
        pause = _FIRST_PAUSE
        connected()
        try:
            await _hear(connection, request)
        except (psycopg.Error, OSError, TimeoutError) as error:
            _log.warning("the connection to PostgreSQL was lost", error=first_line(error))
        finally:
            lost()
            with suppress(psycopg.Error):
                await connection.close()


async def _connect(database: Database) -> psycopg.AsyncConnection:
    connection = await psycopg.AsyncConnection.connect(
        database.logins.of("signer"), autocommit=True, application_name="indelible", connect_timeout=10
    )
    try:
        async with asyncio.timeout(_PULSE):
            await connection.execute(f"LISTEN {CHANNEL}".encode())
    except BaseException:
        await connection.close()
        raise
    return connection


async def _hear(connection: psycopg.AsyncConnection, request: Callable[[str], None]) -> None:
    while True:
        async for notice in connection.notifies(timeout=_PULSE):
            request(notice.payload)
        # A host that vanished says nothing, not even goodbye.
        async with asyncio.timeout(_PULSE):
            await connection.execute("SELECT 1")
