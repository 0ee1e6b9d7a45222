"""The service: what one server process works with, opened and closed together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from indelible.catalog import Catalog
from indelible.server.auth import Keyring
from indelible.settings import Settings
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.intake import Intake
from indelible.store.months import ensure_months
from indelible.store.session import Database

__all__ = ["Service"]

_log = structlog.get_logger()

_LOOK_AHEAD_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Service:
    catalog: Catalog
    intake: Intake
    appender: Appender
    reading: Database
    control: Database
    keyring: Keyring

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, catalog: Catalog) -> AsyncIterator["Service"]:
        """Starts whether or not PostgreSQL is there yet; until it is, requests are answered with 503."""
        assert settings.database_url is not None
        rules = Rules(catalog, host=settings.ledger_host, auto_tenants=settings.auto_tenants)
        patience = timedelta(seconds=settings.append_timeout)
        limit = timedelta(seconds=settings.statement_timeout)
        async with (
            # Apart, so that slow reads never keep an event waiting for a connection, and strangers, who cause look-ups
            # of keys, keep neither waiting.
            Database.open(settings.database_url, size=settings.lanes + 1, statement_timeout=patience) as writing,
            Database.open(settings.database_url, size=settings.pool_size, statement_timeout=limit) as reading,
            Database.open(settings.database_url, size=2, statement_timeout=limit) as control,
            Appender.open(writing, rules, lanes=settings.lanes, patience=patience) as appender,
        ):
            ahead = asyncio.create_task(_keep_months_ahead(writing))
            try:
                yield cls(catalog, Intake(catalog, settings.strict), appender, reading, control, Keyring(control))
            finally:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)


async def _keep_months_ahead(database: Database) -> None:
    while True:
        try:
            if made := await ensure_months(database, datetime.now(UTC)):
                _log.info("partitions made ahead", months=made)
            pause = _LOOK_AHEAD_EVERY
        except Exception as error:  # noqa: BLE001 - it goes on, whatever happens
            _log.warning("partitions could not be made ahead; trying again", error=str(error))
            pause = timedelta(minutes=1)
        await asyncio.sleep(pause.total_seconds())
