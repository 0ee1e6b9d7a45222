"""The log of the log, as the store sees it: entries of the service's own about who did what with a tenant's ledger."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final, cast
from uuid import UUID

import structlog

from indelible.catalog import Catalog
from indelible.event import Event
from indelible.store.append import Receipt, Rules
from indelible.store.appender import Appender
from indelible.store.errors import IdConflict, StoreError, StoreUnavailable, TooSlow, UnknownTenant
from indelible.store.fitting import fitting
from indelible.store.installation import Installation
from indelible.store.sealing import prepare
from indelible.store.session import Database

__all__ = ["OPERATOR", "WINDOW", "AccessLog", "find_own"]

_log = structlog.get_logger()

OPERATOR: Final = "indelible:operator"
"""The tenant whose ledger tells of what is no customer's. It is the operator's own; applications cannot log into it."""

WINDOW: Final = timedelta(minutes=10)
"""The time in which one person's looking at one thing is one entry."""

_LANES, _SIDINGS = 8, 2
"""More lanes than connections: a transaction is short, and one that waits for a lock is soon beside its lane."""

_MAX_KEPT = 10_000

# Clocks differ, ours and PostgreSQL's: a day is more than they do.
_CLOCKS = timedelta(days=1)


class AccessLog:
    """Appends entries through the one way in. What they tell may have come from anybody: it is made to fit.

    A ledger that there is not is never opened by them, but for the operator's own.
    """

    def __init__(
        self,
        appender: Appender,
        database: Database,
        catalog: Catalog,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`appender` must not make tenants on first use: see `open`."""
        self._appender = appender
        self._database = database
        self._catalog = catalog
        self._clock = clock
        self._installation = Installation(database)
        self._kept: dict[bytes, datetime] = {}
        self._running: dict[bytes, asyncio.Task[None]] = {}

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        database: Database,
        rules: Rules,
        *,
        patience: timedelta = timedelta(seconds=10),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> AsyncIterator["AccessLog"]:
        """`patience` is how long a caller waits for PostgreSQL. On leaving, what was begun is ended first."""
        rules = replace(rules, auto_tenants=False)
        async with Appender.open(database, rules, lanes=_LANES, patience=patience, sidings=_SIDINGS) as appender:
            opened = cls(appender, database, rules.catalog, clock=clock)
            try:
                yield opened
            finally:
                await asyncio.gather(*opened._running.values(), return_exceptions=True)

    async def record(self, event: Event, *, opens: bool = True) -> Receipt | None:
        """Appends an entry; None where there is no such ledger. `opens` allows to open the operator's.

        `event` needs no time and no id. Raises `StoreError`.
        """
        answer = await self._append(event, self._clock(), opens=opens)
        if isinstance(answer, IdConflict):
            raise StoreError(str(answer))
        return answer

    async def record_once(
        self, event: Event, key: Sequence[str], *, within: Sequence[str] | None = None, opens: bool = True
    ) -> None:
        """As `record`, unless the same actor has an entry of this action and `key` that is younger than ten minutes.

        One with the key `within` serves as well: what is looked at is a part of that.

        One entry, whichever processes record it at once. Only two that have none to find yet, and whose clocks stand on
        both sides of the end of ten minutes (of the hour: 12:10, 12:20), may each make one.
        """
        name = _name(event, key)
        whole = _name(event, within) if within is not None else name
        now = self._clock()
        if any(kept is not None and abs(now - kept) < WINDOW for kept in map(self._kept.get, (name, whole))):
            return
        if (running := self._running.get(name)) is None:
            running = asyncio.create_task(self._record_once(event, name, whole, opens=opens))
            self._running[name] = running
            running.add_done_callback(lambda done: self._ended(name, done))
        # One of those who wait for it may go; the entry is made all the same.
        await asyncio.shield(running)

    def _ended(self, name: bytes, done: asyncio.Task[None]) -> None:
        del self._running[name]
        if not done.cancelled():
            done.exception()  # heard, even where nobody waits any more

    async def _record_once(self, event: Event, name: bytes, whole: bytes, *, opens: bool) -> None:
        now = self._clock()
        ids = [await self._id(name, now + number * WINDOW) for number in (-1, 0, 1)]
        others = [await self._id(whole, now + number * WINDOW) for number in (-1, 0, 1)] if whole != name else []
        try:
            sought = ids + others
            found = await find_own(self._database, event.tenant_id, sought, event.action, since=now - WINDOW - _CLOCKS)
        except TooSlow as error:
            # It is not what the reader asked for that was too slow.
            raise StoreUnavailable("PostgreSQL does not answer in time") from error
        latest = max(found, default=None)
        if latest is None or abs(now - latest) >= WINDOW:
            latest = now
            answer = await self._append(event, now, event_id=ids[1], opens=opens)
            if answer is None:
                return
            # Another process may have been quicker. Else somebody who knows the secret took it, to go unseen.
            if isinstance(answer, IdConflict) and not await find_own(
                self._database, event.tenant_id, ids[1:2], event.action
            ):
                _log.error("somebody took the id of an entry of ours", tenant=event.tenant_id, id=str(ids[1]))
                await self.record(event, opens=opens)
        self._keep(name, latest)

    async def _append(
        self, event: Event, now: datetime, *, event_id: UUID | None = None, opens: bool
    ) -> Receipt | IdConflict | None:
        event = fitting(event)
        event.id = event_id
        prepared = prepare(event, self._catalog, now=now)
        (answer,) = await self._appender.append([prepared])
        if isinstance(answer, UnknownTenant) and event.tenant_id == OPERATOR and opens:
            await self._appender.open_ledger(OPERATOR)
            (answer,) = await self._appender.append([prepared])
        if isinstance(answer, UnknownTenant):
            return None
        if isinstance(answer, Receipt | IdConflict):
            return answer
        raise answer if isinstance(answer, StoreError) else StoreError(str(answer))

    def _keep(self, name: bytes, moment: datetime) -> None:
        self._kept.pop(name, None)
        if len(self._kept) >= _MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[name] = moment

    async def _id(self, name: bytes, moment: datetime) -> UUID:
        """The id that an entry of this name has which is made in the ten minutes that `moment` is in.

        A UUIDv7 (RFC 9562 section 5.7) of when they began, so that it is looked for in this month and not in all there
        are. By the rest nobody without the installation's secret can tell it in advance, and take it.
        """
        secret = await self._installation.secret()
        number = int(moment.timestamp() // WINDOW.total_seconds())
        chance = hmac.digest(secret, name + number.to_bytes(8), "sha256")[:10]
        value = number * (WINDOW // timedelta(milliseconds=1)) << 80 | int.from_bytes(chance)
        return UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62)


async def find_own(
    database: Database, tenant: str, ids: Sequence[UUID], action: str, *, since: datetime | None = None
) -> list[datetime]:
    """When those of the tenant's entries occurred that have one of `ids`, and `action`, which only the service records.

    `since` spares older months. Raises `StoreUnavailable` or `psycopg.Error`.
    """
    async with database.transaction("reader", tenant) as connection:
        cursor = await connection.execute(
            "SELECT occurred_at FROM indelible.events WHERE tenant_id = %s AND id = ANY (%s) AND action = %s "
            "AND recorded_at >= coalesce(%s::timestamptz, '-infinity')",
            (tenant, list(ids), action, since),
        )
        return [
            occurred_at.astimezone(UTC) for (occurred_at,) in cast("list[tuple[datetime]]", await cursor.fetchall())
        ]


def _name(event: Event, key: Sequence[str]) -> bytes:
    """One for all that is one entry within `WINDOW`."""
    actor = event.actor
    who = [actor.type, actor.id, None if actor.id else actor.name, event.source]
    if actor.impersonator is not None:
        who.append(actor.impersonator.id)
    parts = [event.tenant_id, who, event.action, event.outcome, list(key)]
    if (reason := event.metadata.get("reason")) is not None:
        parts.append([str(reason)])  # why the vendor's staff looked: two reasons are two looks
    return sha256(str(parts).encode("utf-8", "surrogatepass")).digest()
