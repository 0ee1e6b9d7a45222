"""How much was asked for lately, by all processes together (`indelible.usage`)."""

from collections.abc import Collection, Mapping
from typing import NamedTuple, cast

from indelible.store.session import Database

__all__ = ["Totals", "add_up", "forget"]


class Totals(NamedTuple):
    used: dict[tuple[str, int], int]
    """By subject and the second, of Unix time, at which a period began."""
    clock: float | None
    """PostgreSQL's Unix time, where it had anything to say."""


async def add_up(
    database: Database, added: Mapping[tuple[str, int], int], subjects: Collection[str], *, since: int
) -> Totals:
    """Adds to what is `used`, and reads what all processes added for `subjects` in periods from `since` on.

    One round trip, whatever the number of subjects. Raises `StoreUnavailable`.
    """
    # In one order everywhere, so that no two processes wait for each other.
    given = sorted(added.items())
    async with database.transaction("control") as connection:
        cursor = await connection.execute(
            """
            WITH added AS (
                INSERT INTO indelible.usage AS u (subject, period, used)
                SELECT subject, to_timestamp(period), used
                FROM unnest(%(subject)s::text[], %(period)s::bigint[], %(used)s::bigint[]) g (subject, period, used)
                ON CONFLICT (subject, period) DO UPDATE SET used = u.used + EXCLUDED.used
                RETURNING subject, period, used
            )
            -- The table is read as it was before, and counts only grow.
            SELECT subject, extract(epoch FROM period)::bigint, max(used)::bigint,
                   extract(epoch FROM clock_timestamp())::float8
            FROM (
                SELECT subject, period, used FROM added
                UNION ALL
                SELECT subject, period, used FROM indelible.usage
                WHERE subject = ANY (%(subjects)s) AND period >= to_timestamp(%(since)s)
            ) known
            GROUP BY subject, period
            """,
            {
                "subject": [subject for (subject, _), _ in given],
                "period": [period for (_, period), _ in given],
                "used": [used for _, used in given],
                "subjects": list(subjects),
                "since": since,
            },
        )
        rows = cast("list[tuple[str, int, int, float]]", await cursor.fetchall())
    return Totals({(subject, period): used for subject, period, used, _ in rows}, rows[0][3] if rows else None)


async def forget(database: Database, *, before: int) -> int:
    """Deletes the counts of periods that began before this second of Unix time; how many there were."""
    async with database.transaction("control") as connection:
        cursor = await connection.execute("DELETE FROM indelible.usage WHERE period < to_timestamp(%s)", (before,))
        return cursor.rowcount
