"""The feed: a tenant's events in the order of the ledger, for whoever must not miss any.

Whoever appends holds the lock of the ledger's row until they have committed. So entry n is to be seen only where all
before it are, and whoever goes on from the last number that they came to misses nothing, whatever is written meanwhile.
How many entries there are is asked first; what is read afterwards, of those alone, is complete.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, cast

from psycopg import sql

from indelible.catalog import Catalog
from indelible.store.deciding import fulfils
from indelible.store.filter import Condition, Filter
from indelible.store.narrowing import Narrowed, narrowed
from indelible.store.read import OCCURRED_AT, Spot, records
from indelible.store.sealing import Record
from indelible.store.session import Connection, Database
from indelible.store.view import View

__all__ = ["SCAN", "START", "Numbered", "Page", "feed"]

START: Final = -1
"""The number before the first entry's."""

SCAN: Final = 20_000
"""Entries that are looked at for one page, whether they are in the view or not."""

_CHUNK: Final = 100
"""Records that are read at once."""

_DECIDED: Final = 50
"""Records that are decided on in memory before others get their turn, and the time is looked at."""

_BUDGET: Final = timedelta(seconds=2)
"""How long a page is looked for, where there is something to decide in memory."""

# When what comes after was recorded at the earliest: recorded_at never decreases along seq. So no month before is read.
_END = """
    SELECT l.size, CASE WHEN l.size > %(after)s + 1 THEN coalesce((
        SELECT least(greatest(e.recorded_at, '0001-01-02Z'), '9999-12-30Z') FROM indelible.events e
        WHERE e.tenant_id = %(tenant)s AND e.seq = %(after)s LIMIT 1), '0001-01-02Z') END
    FROM indelible.ledgers l WHERE l.tenant_id = %(tenant)s
"""

_SPOTS = sql.SQL("""
    SELECT {occurred_at}, e.seq, e.recorded_at FROM indelible.events e {words}
    WHERE e.tenant_id = %(tenant)s AND e.seq > %(after)s AND e.seq <= %(upto)s AND e.recorded_at >= %(since)s
        {conditions}
    ORDER BY e.seq LIMIT %(limit)s
""")

_WORDS = sql.SQL("""
    CROSS JOIN LATERAL (
        SELECT FROM indelible.event_personal p
        WHERE p.tenant_id = %(tenant)s AND p.seq = e.seq AND p.recorded_at = e.recorded_at
            AND p.recorded_at >= %(since)s AND p.search @@ %(words)s::tsquery
        LIMIT 1
    ) p
""")


class Numbered(NamedTuple):
    seq: int
    """Under which the ledger has it: of an entry that was altered, what it says itself may be another number."""
    record: Record


@dataclass(frozen=True, slots=True)
class Page:
    events: list[Numbered]
    """In order."""
    after: int
    """The number of the last entry that was looked at."""
    size: int
    """How many entries the ledger had."""

    @property
    def has_more(self) -> bool:
        return self.after < self.size - 1


async def feed(
    database: Database,
    view: View,
    conditions: Sequence[Condition],
    catalog: Catalog,
    *,
    after: int,
    limit: int,
    scan: int = SCAN,
) -> Page:
    """Up to `limit` events of the view that fulfil all `conditions`, of those that come after the number `after`.

    Fewer, although there are more, where `scan` entries were looked at: `Page.after` is where to go on in any case.
    Raises `HiddenPart` where a condition is on a part that the view does not show, and as `Database.transaction` does.
    """
    size, since = await _end(database, view.tenant, after)
    upto = min(size - 1, after + scan)
    if upto <= after and not conditions:
        return Page([], after, size)
    walk = _Walk(view, Filter(conditions=conditions), catalog, upto, since)
    deadline = time.monotonic() + _BUDGET.total_seconds()
    found: list[Numbered] = []
    while True:
        # A transaction each, so that a connection is held only while PostgreSQL works.
        async with database.transaction(view.role, view.tenant, member=view.member) as connection:
            events, after = await walk.next(connection, after, limit - len(found))
        for number, event in enumerate(events, 1):
            if walk.is_wanted(event.record):
                found.append(event)
                if len(found) == limit:
                    return Page(found, event.seq, size)
            if number % _DECIDED == 0:
                await asyncio.sleep(0)
                if time.monotonic() > deadline:
                    return Page(found, event.seq, size)
        if after >= upto or time.monotonic() > deadline:
            return Page(found, after, size)


class _Walk:
    """Through the entries up to `upto`, which all are there."""

    def __init__(self, view: View, where: Filter, catalog: Catalog, upto: int, since: datetime | None) -> None:
        self._view = view
        self._where = where
        self._catalog = catalog
        self._upto = upto
        self._since = since
        self._narrow: Narrowed | None = None
        self._undecided: Sequence[Condition] = ()

    async def next(self, connection: Connection, after: int, limit: int) -> tuple[list[Numbered], int]:
        """The next events that may be wanted, and up to where that is all of them."""
        narrow = self._narrow
        if narrow is None:
            narrow = self._narrow = await narrowed(connection, self._view, self._where, self._catalog)
            # Words are not members' to read: what they are shown is looked through instead.
            is_member = self._view.member is not None
            self._undecided = self._where.conditions if is_member else narrow.undecided
        if narrow.nothing or after >= self._upto:
            return [], max(after, self._upto)
        if self._undecided:
            limit = _CHUNK
        parameters: dict[str, Any] = {
            **narrow.parameters, "tenant": self._view.tenant, "words": narrow.words, "after": after,
            "upto": self._upto, "since": self._since, "limit": limit,
        }  # fmt: skip
        query = _SPOTS.format(
            occurred_at=OCCURRED_AT,
            words=sql.SQL("") if narrow.words is None or self._view.member is not None else _WORDS,
            conditions=sql.Composed([part for each in narrow.columns for part in (sql.SQL(" AND "), each)]),
        )
        rows = cast("list[Any]", await (await connection.execute(query, parameters)).fetchall())
        spots = [Spot(*row) for row in rows]
        events: list[Numbered] = []
        for start in range(0, len(spots), _CHUNK):
            events += await _at(connection, self._view, spots[start : start + _CHUNK])
        return events, spots[-1].seq if len(spots) == limit else self._upto

    def is_wanted(self, record: Record) -> bool:
        return not self._undecided or fulfils(record, self._undecided, self._catalog)


async def _end(database: Database, tenant: str, after: int) -> tuple[int, datetime | None]:
    """The ledger's size, and from when on what comes `after` was recorded, where there is anything."""
    async with database.transaction("reader", tenant) as connection:
        row = await (await connection.execute(_END, {"tenant": tenant, "after": after})).fetchone()
    return (0, None) if row is None else cast("tuple[int, datetime | None]", row)


async def _at(connection: Connection, view: View, spots: Sequence[Spot]) -> list[Numbered]:
    found = {record.seq: record for _, record in await records(connection, view, spots)}
    if found.keys() == {spot.seq for spot in spots}:
        return [Numbered(spot.seq, found[spot.seq]) for spot in spots]
    # An entry that was altered says another number than its own: one by one it is known which it is.
    return [Numbered(spot.seq, record) for spot in spots for _, record in await records(connection, view, [spot])]
