"""Fills a migrated database with the events of `population`, as if they had been appended over months:

    python bench/fill.py --url postgresql://postgres@… --events 5000000 --big 1000000 --months 24

Entries, columns and the tree are those of the ordinary append; only the time at which they are recorded is made up. The
login is a superuser's. A database that has entries is filled from its newest one on, until now.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import sys
import time
from collections.abc import Iterable, Iterator, MutableSequence, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter

import psycopg

from indelible.catalog import Catalog
from indelible.cli.output import Progress
from indelible.ledger import entry
from indelible.store.append import _EVENT_COLUMNS, Rules, _Growth, _new_origin, _store, ensure_month
from indelible.store.sealing import prepare
from indelible.store.session import Connection
from population import BIG, Moment, Population, Tenant
from space import Size, report, sizes

__all__ = ["Size", "fill", "report", "sizes"]

BATCH = 4000
"""Events in a transaction."""

# What is lost in a crash is filled again.
SETTINGS = "-c synchronous_commit=off -c work_mem=256MB -c timezone=UTC"

NOTHING_FOUND = (None,) * 5
"""Of what `hold_heads` looks up: no event comes twice."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="of the database, as a superuser")
    parser.add_argument("--events", type=int, default=5_000_000, metavar="N", help="of all tenants")
    parser.add_argument("--big", type=int, default=1_000_000, metavar="N", help=f"of these those of {BIG!r}")
    parser.add_argument("--months", type=int, default=24, metavar="N", help="this one and those before it")
    parser.add_argument("--tenants", type=int, default=2000, metavar="N", help=f"besides {BIG!r}")
    parser.add_argument("--processes", type=int, default=2, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    chosen = parser.parse_args()
    if not 100 <= chosen.big <= chosen.events or min(chosen.tenants, chosen.months, chosen.processes) < 1:
        parser.error("--big is at least 100 and at most --events; --tenants, --months and --processes at least 1")
    fill(**vars(chosen))
    with psycopg.connect(chosen.url, autocommit=True) as connection:
        for line in report(connection):
            print(line)


def fill(
    url: str, *, events: int, big: int, months: int, tenants: int = 2000, processes: int = 2, seed: int = 1
) -> None:
    """Fills the database, then vacuums and analyses it. The newest event is of the moment when it returns."""
    until, started = datetime.now(UTC), time.monotonic()
    with psycopg.connect(url, autocommit=True) as connection:
        _check(connection)
        there, newest = _stored(connection)
        since = newest or _month(until, 1 - months)
        # Ids are made from the seed: other ones each time.
        population = Population(
            events=events, big=big, tenants=tenants, since=since, until=until, seed=f"{seed}/{there}", rare=not there
        )
        _open(connection, population.tenants, since)
    asyncio.run(_make_months(url, since, until))
    _run(url, population, _shares(population.tenants, processes), since, until)
    seconds = time.monotonic() - started
    print(f"{events:,} events in {seconds:,.0f} s, {events / seconds:,.0f}/s", flush=True)
    with psycopg.connect(url, autocommit=True, options="-c maintenance_work_mem=512MB") as connection:
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")
    print(f"vacuumed and analysed in {time.monotonic() - started - seconds:,.0f} s", flush=True)
    asyncio.run(_newest(url, population, until))


def _check(connection: psycopg.Connection) -> None:
    if connection.execute("SELECT FROM pg_roles WHERE rolname = current_user AND rolsuper").fetchone() is None:
        sys.exit("--url: logs in as somebody who is no superuser; give the URL of one who is")
    if connection.execute("SELECT FROM pg_tables WHERE schemaname = 'indelible'").fetchone() is None:
        sys.exit("--url: the database has no ledgers; run `indelible migrate` on it first")


def _stored(connection: psycopg.Connection) -> tuple[int, datetime | None]:
    """How many entries there are, and when the newest was recorded."""
    row = connection.execute(
        "SELECT coalesce(sum(size), 0)::bigint, max(recorded_at) FROM indelible.ledgers WHERE size > 0"
    )
    ((count, newest),) = row.fetchall()
    return count, newest and newest.astimezone(UTC)


def _open(connection: psycopg.Connection, tenants: Iterable[Tenant], at: datetime) -> None:
    """The ledgers' rows; each one's entry 0 is made with its first event."""
    rules = Rules(Catalog.load())
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO indelible.ledgers (tenant_id, origin, created_at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            [(tenant.id, _new_origin(rules), at) for tenant in tenants],
        )


async def _make_months(url: str, since: datetime, until: datetime) -> None:
    async with await Connection.connect(url, autocommit=True) as connection:
        for month, _ in _spans(since, until + timedelta(days=1)):
            await ensure_month(connection, month.date())


def _shares(tenants: Iterable[Tenant], processes: int) -> list[list[Tenant]]:
    """The tenants of each process: a ledger grows one entry after the other, in one."""
    shares: list[list[Tenant]] = [[] for _ in range(processes)]
    for tenant in sorted(tenants, key=lambda t: -t.events):
        min(shares, key=lambda share: sum(t.events for t in share)).append(tenant)
    return shares


def _run(
    url: str, population: Population, shares: Sequence[Sequence[Tenant]], since: datetime, until: datetime
) -> None:
    """Each share in a process of its own."""
    forking = multiprocessing.get_context("fork")
    done = forking.Array("q", len(shares), lock=False)
    workers = [
        forking.Process(target=_work, args=(url, population, share, since, until, done, number), daemon=True)
        for number, share in enumerate(shares)
    ]
    for worker in workers:
        worker.start()
    total, progress = sum(tenant.events for share in shares for tenant in share), Progress("filling", " events")
    while any(worker.is_alive() for worker in workers) and not any(worker.exitcode for worker in workers):
        time.sleep(0.2)
        progress(sum(done), total)
    progress.close()
    if any(worker.exitcode for worker in workers):
        sys.exit("a process failed, as is said above; make the database anew")


def _work(
    url: str,
    population: Population,
    tenants: Sequence[Tenant],
    since: datetime,
    until: datetime,
    done: MutableSequence[int],
    number: int,
) -> None:
    gc.set_threshold(100_000, 50, 100)  # there are many objects, and none in circles

    async def working() -> None:
        async with await Connection.connect(url, autocommit=True, options=SETTINGS) as connection:
            ledgers = await Ledgers.of(connection, tenants)
            for start, end in _spans(since, until):
                batch: list[Moment] = []
                for moment in population.between(start, end, tenants):
                    batch.append(moment)
                    if len(batch) == BATCH:
                        await ledgers.append(batch)
                        done[number] += len(batch)
                        batch.clear()
                await ledgers.append(batch)
                done[number] += len(batch)

    asyncio.run(working())


async def _newest(url: str, population: Population, until: datetime) -> None:
    async with await Connection.connect(url, autocommit=True, options=SETTINGS) as connection:
        ledgers = await Ledgers.of(connection, [population.big])
        now = datetime.now(UTC)
        after = max(until, _month(now))  # a transaction is of one month
        await ledgers.append([(max(at, after), event) for at, event in population.newest(now)])


class _Backdated(_Growth):
    """A growth whose entries are recorded when we say."""

    def at(self, moment: datetime) -> None:
        self.now = moment
        self._recorded_at = entry.micros(moment)


class Ledgers:
    """Where ledgers stand that nobody else appends to."""

    def __init__(self, connection: Connection, heads: dict[str, tuple[object, ...]]) -> None:
        self._connection = connection
        self._heads = heads
        self._catalog = Catalog.load()
        self._rules = Rules(self._catalog)

    @classmethod
    async def of(cls, connection: Connection, tenants: Iterable[Tenant]) -> Ledgers:
        cursor = await connection.execute(
            "SELECT tenant_id, origin, size, head, frontier FROM indelible.ledgers WHERE tenant_id = ANY (%s)",
            ([tenant.id for tenant in tenants],),
        )
        return cls(connection, {str(tenant): tuple(head) for tenant, *head in await cursor.fetchall()})

    async def append(self, batch: Sequence[Moment]) -> None:
        """What follows in time on what was appended before, all of one month, in a transaction of its own."""
        growths: dict[str, _Backdated] = {}
        for moment, event in batch:
            prepared = prepare(event, self._catalog, now=moment)
            growth = growths.get(event.tenant_id)
            if growth is None:
                locked = (*self._heads[event.tenant_id], moment, *NOTHING_FOUND)
                growth = growths[event.tenant_id] = _Backdated(event.tenant_id, locked, self._rules, [prepared])
            growth.at(moment)
            growth.add(prepared)
        _mix([*growths.values()])
        async with self._connection.transaction():
            await _store(self._connection, growths.values())
        for tenant, growth in growths.items():
            _, _, size, head, frontier, _ = growth.move()
            self._heads[tenant] = self._heads[tenant][0], size, head, frontier


def _mix(growths: Sequence[_Growth]) -> None:
    """Has the rows of all tenants stored in the order of time, as they would have come in."""
    at = itemgetter(list(_EVENT_COLUMNS).index("recorded_at"))
    rows = sorted(
        ((at(event), event, own) for g in growths for event, own in zip(g.events, g.personal, strict=True)),
        key=itemgetter(0),
    )
    for growth in growths:
        mine, rows = rows[: len(growth.events)], rows[len(growth.events) :]
        growth.events = [event for _, event, _ in mine]
        growth.personal = [own for _, _, own in mine]


def _month(day: datetime, later: int = 0) -> datetime:
    """The beginning of the month `later` months after that of `day`."""
    number = day.year * 12 + day.month - 1 + later
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


def _spans(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The time from `since` until `until`, a month after the other."""
    while since < until:
        yield since, min(_month(since, 1), until)
        since = _month(since, 1)


if __name__ == "__main__":
    main()
