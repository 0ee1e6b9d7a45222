"""Ledgers with a past: entries that were recorded over months, appended as ever but for the clock."""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from indelible.catalog import Catalog
from indelible.event import parse
from indelible.ledger import entry
from indelible.store.append import Rules, _Growth, _new_origin, _store, ensure_month
from indelible.store.sealing import prepare
from indelible.store.session import Connection
from tests.postgres import Database
from tests.store.samples import raw

__all__ = ["Moment", "append_history", "month"]

Moment = tuple[datetime, dict[str, Any]]
"""When it is recorded, and the fields of the event."""

_NOTHING_FOUND = (None,) * 5
"""Of what `hold_heads` looks up: no id comes twice."""


class _Backdated(_Growth):
    """A growth whose entries are recorded when we say."""

    def at(self, moment: datetime) -> None:
        self.now = moment
        self._recorded_at = entry.micros(moment)


def month(moment: datetime, later: int = 0) -> datetime:
    """The beginning of the month so many after that of `moment`."""
    count = moment.year * 12 + moment.month - 1 + later
    return datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC)


async def append_history(database: Database, tenant: str, moments: Iterable[Moment], catalog: Catalog) -> None:
    """Opens the ledger and appends to it what was recorded at these moments, which ascend."""
    rules = Rules(catalog)
    head: tuple[object, ...] = (_new_origin(rules), 0, None, b"")
    async with await Connection.connect(database.admin_url, autocommit=True) as connection:
        await connection.execute(
            "INSERT INTO indelible.ledgers (tenant_id, origin, created_at) VALUES (%s, %s, '2000-01-01Z')",
            (tenant, head[0]),
        )
        for first, some in groupby(moments, key=lambda each: month(each[0])):
            await ensure_month(connection, first.date())
            growth: _Backdated | None = None
            for moment, fields in some:
                growth = growth or _Backdated(tenant, (*head, moment, *_NOTHING_FOUND), rules, [])
                growth.at(moment)
                growth.add(prepare(parse(raw(tenant, **fields)), catalog, now=moment))
            assert growth is not None
            async with connection.transaction():
                await _store(connection, [growth])
            _, _, size, leaf, frontier, _ = growth.move()
            head = head[0], size, leaf, frontier
