"""Partitions, made ahead of their month."""

from datetime import date, datetime
from typing import cast

from indelible.store.append import ensure_month
from indelible.store.session import Database

__all__ = ["MONTHS_AHEAD", "ensure_months", "months_missing"]

MONTHS_AHEAD = 3
"""For how many months after the current one there are partitions."""


async def ensure_months(database: Database, now: datetime) -> list[str]:
    """Makes what is missing of this month and the next ones; returns which. `now` is in UTC."""
    made = []
    for month in _wanted(now):
        # A transaction each: a lock on the parent is held no longer than one month takes.
        async with database.transaction("writer") as connection:
            if await ensure_month(connection, month):
                made.append(f"{month:%Y-%m}")
    return made


async def months_missing(database: Database, now: datetime) -> list[str]:
    """Of this month and the next one, those without partitions."""
    names = {
        f"{table}_{month:%Y_%m}": f"{month:%Y-%m}"
        for month in _wanted(now)[:2]
        for table in ("events", "event_personal")
    }
    async with database.transaction("control") as connection:
        cursor = await connection.execute(
            "SELECT name FROM unnest(%s::text[]) name WHERE to_regclass('indelible.' || name) IS NULL", (list(names),)
        )
        missing = cast("list[tuple[str]]", await cursor.fetchall())
    return sorted({names[name] for (name,) in missing})


def _wanted(now: datetime) -> list[date]:
    first = now.year * 12 + now.month - 1
    return [date(m // 12, m % 12 + 1, 1) for m in range(first, first + MONTHS_AHEAD + 1)]
