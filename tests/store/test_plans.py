"""How finding gets at events, in a month with many of them: by its indexes alone, whatever is looked for, and no tenant
through the events of another.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import psycopg
import pytest

from indelible.catalog import Catalog
from indelible.store.filter import Changed, Condition, Filter, Is, Term
from indelible.store.finding import Place, find, sample
from indelible.store.session import Database as Connections
from indelible.store.view import View
from tests.postgres import Database
from tests.store.history import Moment, append_history, month
from tests.store.samples import FULL, as_superuser

pytestmark = pytest.mark.anyio

LARGE, SMALL = "plans-large", "plans-small"
EACH, TIMES = 40, 500
FULL_MONTH = month(datetime.now(UTC), -1)
MIDDLE = Place(FULL_MONTH + timedelta(days=14), 0)


def event(number: int) -> dict[str, object]:
    return {
        "action": f"file.{['read', 'shared', 'deleted'][number % 3]}",
        "actor": {"type": "user", "id": f"usr_{number % 7}", "name": f"Person{number % 7} Chen"},
        "targets": [{"type": "document", "id": f"doc_{number}", "name": f"Report {number}"}],
        "outcome": "failure" if number % 10 == 0 else "success",
        "context": {"ip_address": f"203.0.113.{number}", "session_id": f"ses_{number}", "request_id": f"req_{number}"},
        "changes": {"role": {"from": "member", "to": f"role{number}"}},
        "metadata": {"ticket": f"t{number}"},
    }


@pytest.fixture(scope="module")
def crowded(database: Database, catalog: Catalog) -> Database:
    """A month with 20,000 events of one tenant and one of another, another such event in a later one; statistics."""

    def at(number: int) -> datetime:
        return FULL_MONTH + timedelta(hours=number)

    large: list[Moment] = [(at(n), {**event(n), "occurred_at": at(n)}) for n in range(EACH - 1)]
    later = month(FULL_MONTH, 1) + timedelta(seconds=1)
    small: list[Moment] = [(moment, {**FULL, "occurred_at": moment}) for moment in (at(0), later)]
    asyncio.run(append_history(database, LARGE, large, catalog))
    asyncio.run(append_history(database, SMALL, small, catalog))
    for table in ("events", "event_personal"):
        with psycopg.connect(database.admin_url) as connection:
            columns = connection.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
                (f"indelible.{table}",),
            ).fetchall()
        anew = {
            "seq": f"seq + {EACH} * k", "id": "gen_random_uuid()", "occurred_at": "occurred_at + k * interval '1 hour'",
            "recorded_at": "recorded_at + k * interval '1 hour'",
        }  # fmt: skip
        names = [str(name) for (name,) in columns]
        as_superuser(
            database,
            f"INSERT INTO indelible.{table} ({', '.join(names)}) SELECT {', '.join(anew.get(n, n) for n in names)} "
            f"FROM indelible.{table}, generate_series(1, {TIMES - 1}) k WHERE tenant_id = %(tenant)s",
            tenant=LARGE,
        )
    as_superuser(
        database,
        "INSERT INTO indelible.tenant_settings (tenant_id, member_access, member_sees) "
        "VALUES ('plans-large', true, '{changes}'), ('plans-small', true, '{changes}')",
    )
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE) indelible.events")
        connection.execute("VACUUM (ANALYZE) indelible.event_personal")
    return database


FILTERS: dict[str, list[Condition]] = {
    "nothing": [],
    "action": [Is("action", ["file.read"])],
    "pattern": [Is("action", ["file.*", "*.removed"])],
    "category": [Is("category", ["data"])],
    "no such category": [Is("category", ["billing"])],
    "actor": [Is("actor_id", ["usr_3"])],
    "target": [Is("target_id", ["doc_7", "usr_9"])],
    "target type": [Is("target_type", ["document"])],
    "outcome": [Is("outcome", ["failure", "denied"])],
    "source": [Is("source", ["ui"])],
    "ip address": [Is("ip_address", ["203.0.113.7"])],
    "request": [Is("request_id", ["req_7"])],
    "changed": [Changed("role", "to", ["role5"])],
    "words": [Term(["chen"])],
    "the middle of a word": [Term(["erson3"])],
    "phrase": [Term(["Person3 Chen"], phrase=True)],
    "no such word": [Term(["zanzibar"])],
    "both": [Term(["chen"]), Is("target_id", ["doc_7"])],
    "not an action": [Is("action", ["file.read", "user.role_changed"], excluded=True)],
    "not a word": [Term(["chen"], excluded=True)],
}


class Reads(NamedTuple):
    """Of what is in the full month; of what has a row or two PostgreSQL reads both, and is right."""

    scans: int
    """Sequential ones."""
    rows: int
    """That an index led to."""


def reads(database: Database) -> Reads:
    """Once all who were connected have told what they read, which they do on leaving."""
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        deadline = time.monotonic() + 10
        while connection.execute(others).fetchone() != (0,):
            assert time.monotonic() < deadline, "somebody is connected still"
        row = connection.execute(
            "SELECT sum(seq_scan)::bigint, sum(coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables "
            "WHERE schemaname = 'indelible' AND relname IN (%s, %s)",
            (f"events_{FULL_MONTH:%Y_%m}", f"event_personal_{FULL_MONTH:%Y_%m}"),
        ).fetchone()
        assert row is not None
        return Reads(*row)


async def look(database: Database, catalog: Catalog, view: View, conditions: list[Condition]) -> Reads:
    """What it takes to see the first page, one deep in the list and its neighbour, and a sample."""
    before = reads(database)
    async with Connections.open(database.url, size=1) as connections:
        for after, newer in ((None, False), (MIDDLE, False), (MIDDLE, True)):
            await find(connections, view, Filter(conditions=conditions), catalog, after=after, newer=newer)
        spell = Filter(MIDDLE.occurred_at, MIDDLE.occurred_at + timedelta(days=2), conditions)
        await find(connections, view, spell, catalog)
        await sample(connections, view, Filter(conditions=conditions), catalog, most=100)
    after_all = reads(database)
    return Reads(after_all.scans - before.scans, after_all.rows - before.rows)


@pytest.mark.parametrize("conditions", FILTERS.values(), ids=FILTERS)
async def test_whatever_is_looked_for_no_month_is_read_through(
    crowded: Database, catalog: Catalog, conditions: list[Condition]
) -> None:
    found = await look(crowded, catalog, View(LARGE), conditions)
    assert found.scans == 0
    assert found.rows or conditions == FILTERS["no such word"]


async def test_what_a_view_is_limited_to_is_looked_for_as_well(crowded: Database, catalog: Catalog) -> None:
    """And the way to a few events of all does not lead through the others."""
    found = await look(crowded, catalog, View(LARGE, equal={"target_id": ["usr_9"]}), [])
    assert found.scans == 0
    assert found.rows < 300


@pytest.mark.parametrize("conditions", FILTERS.values(), ids=FILTERS)
async def test_a_small_tenant_reads_none_of_what_a_large_one_has(
    crowded: Database, catalog: Catalog, conditions: list[Condition]
) -> None:
    """Though of all rows that there are, most are those of the other."""
    for view in (View(SMALL), View(SMALL, "usr_7"), View(SMALL, "nobody")):
        found = await look(crowded, catalog, view, [c for c in conditions if not _is_of_the_context(c)])
        assert found.scans == 0
        assert found.rows < 300, view


def _is_of_the_context(condition: Condition) -> bool:
    return isinstance(condition, Is) and condition.field in ("ip_address", "request_id", "session_id")
