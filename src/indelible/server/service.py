"""The service: what one server process works with, opened and closed together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from litestar import Request

from indelible.catalog import Catalog
from indelible.server.answers import Answers
from indelible.server.caller import Caller
from indelible.server.fair import FairDatabase
from indelible.server.gate import Gate
from indelible.server.growth import Growth
from indelible.server.limits import Limits
from indelible.server.memory import Memory
from indelible.server.tokens import ViewerTokens, viewer_secrets
from indelible.server.trail import Trail
from indelible.settings import Settings
from indelible.store.access import AccessLog
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.installation import Installation
from indelible.store.intake import Intake
from indelible.store.months import ensure_months
from indelible.store.session import Database, Logins

__all__ = ["Service", "admitted"]

_log = structlog.get_logger()

_EPOCH_PATIENCE = timedelta(seconds=2)

_LOCK_PATIENCE = timedelta(milliseconds=100)

_LOOK_AHEAD_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Service:
    settings: Settings
    catalog: Catalog
    intake: Intake
    appender: Appender
    reading: Database
    control: Database
    installation: Installation
    gate: Gate
    trail: Trail
    limits: Limits
    growth: Growth
    viewer_tokens: ViewerTokens | None
    """None where no secret is set."""
    answers: Answers = field(default_factory=Answers)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, catalog: Catalog) -> AsyncIterator["Service"]:
        """Starts whether or not PostgreSQL is there yet; until it is, requests are answered with 503.

        Raises `SettingsError` for a viewer secret that cannot be read.
        """
        assert settings.database_url is not None
        secrets = viewer_secrets(settings, _log.warning)
        tokens = ViewerTokens(secrets, settings.ledger_host) if secrets else None
        logins = Logins(settings.database_url, settings.own_urls)
        rules = Rules(catalog, host=settings.ledger_host, auto_tenants=settings.auto_tenants)
        patience = timedelta(seconds=settings.append_timeout)
        limit = timedelta(seconds=settings.statement_timeout)
        async with (
            # Apart, so that slow reads never keep an event waiting for a connection, and strangers, who cause look-ups
            # of keys, keep neither waiting.
            Database.open(logins, size=settings.lanes + 1, statement_timeout=patience) as writing,
            FairDatabase.open(logins, size=settings.pool_size, statement_timeout=limit) as reading,
            Database.open(logins, size=2, statement_timeout=limit) as control,
            # Every request waits for what is asked on this one.
            Database.open(logins, size=1, statement_timeout=min(limit, _EPOCH_PATIENCE)) as watching,
            # Everybody's reads wait for what is recorded on these: a ledger that is locked must be found out soon.
            Database.open(logins, size=6, statement_timeout=patience, lock_timeout=_LOCK_PATIENCE) as recording,
            Appender.open(writing, rules, lanes=settings.lanes, patience=patience) as appender,
            AccessLog.open(recording, rules, patience=patience) as access_log,
            Limits.open(settings, control) as limits,
        ):
            ahead = asyncio.create_task(_keep_months_ahead(writing))
            trail = Trail(access_log, settings)
            installation = Installation(control)
            gate = Gate(control, Memory(watching), settings, tokens, trail)
            intake = Intake(catalog, settings.strict)
            growth = Growth(control)
            try:
                yield cls(
                    settings, catalog, intake, appender, reading, control, installation, gate, trail, limits, growth,
                    tokens,
                )  # fmt: skip
            finally:
                await growth.close()
                await gate.close()
                await trail.close()
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)


def admitted(request: Request[Any, Any, Any]) -> tuple[Service, Caller]:
    """The service, and who calls it, of a request that has passed the gate."""
    return request.app.state.service, request.state.caller


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
