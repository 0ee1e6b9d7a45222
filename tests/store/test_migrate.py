"""Migrations: once, whoever starts first, by whoever may; and a database of another past is left alone."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from indelible.catalog import Catalog
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.embedded import SERVICE_ROLE
from indelible.store.errors import StoreError, StoreUnavailable
from indelible.store.intake import Intake
from indelible.store.migrate import migrate, migrations, unapplied
from indelible.store.months import ensure_months, months_missing
from indelible.store.session import Database as Connections
from indelible.store.verify import verify
from tests.conftest import Cluster
from tests.postgres import VERSIONS, Database, TemplateDatabases, missing, server
from tests.store.samples import FULL, rows, send, take

ALL = [m.name for m in migrations()[1:]]

SCHEMA = """
    SELECT 'relation', c.oid::regclass::text, c.relkind::text, coalesce(c.relacl::text, ''),
           c.relrowsecurity::text || c.relforcerowsecurity, pg_get_userbyid(c.relowner),
           coalesce(pg_get_expr(c.relpartbound, c.oid), ''), coalesce(pg_get_partkeydef(c.oid), '')
        FROM pg_class c WHERE relnamespace = 'indelible'::regnamespace
    UNION ALL SELECT 'column', attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull::text,
           coalesce(attacl::text, ''), coalesce(pg_get_expr(adbin, adrelid), ''), attnum::text
        FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
        LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
        WHERE relnamespace = 'indelible'::regnamespace AND attnum > 0
    UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', '', '', ''
        FROM pg_constraint WHERE connamespace = 'indelible'::regnamespace
    UNION ALL SELECT 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid), '', '', '', '', ''
        FROM pg_index JOIN pg_class c ON c.oid = indrelid WHERE relnamespace = 'indelible'::regnamespace
    UNION ALL SELECT 'trigger', tgrelid::regclass::text, pg_get_triggerdef(t.oid), tgenabled::text, '', '', '', ''
        FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE relnamespace = 'indelible'::regnamespace
    UNION ALL SELECT 'policy', tablename, policyname, cmd, roles::text, coalesce(qual, ''), coalesce(with_check, ''), ''
        FROM pg_policies WHERE schemaname = 'indelible'
    UNION ALL SELECT 'function', proname, pg_get_functiondef(oid), proacl::text, pg_get_userbyid(proowner), '', '', ''
        FROM pg_proc WHERE pronamespace = 'indelible'::regnamespace
    UNION ALL SELECT 'migration', version::text, name, sha256, applied_at::text, '', '', '' FROM indelible.migrations
"""


def schema(database: Database) -> set[tuple[Any, ...]]:
    return set(rows(database, SCHEMA))


def without_times(found: set[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    return {row[:4] if row[0] == "migration" else row for row in found}


@pytest.fixture
def empty(cluster: Cluster) -> Iterator[Database]:
    database = cluster.databases.create("empty")
    yield database
    cluster.databases.drop(database)


@pytest.fixture
def own(cluster: Cluster) -> Iterator[Database]:
    """A migrated database to spoil."""
    database = cluster.databases.clone(cluster.template)
    yield database
    cluster.databases.drop(database)


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_a_second_time_changes_nothing(empty: Database) -> None:
    assert migrate(empty.admin_url, service=SERVICE_ROLE) == ALL
    once = schema(empty)
    assert len(once) > 200
    assert migrate(empty.admin_url, service=SERVICE_ROLE) == []
    assert schema(empty) == once


def test_of_several_at_once_one_works_and_the_others_find_it_done(empty: Database, own: Database) -> None:
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda _: migrate(empty.admin_url, service=SERVICE_ROLE), range(4)))
    assert sorted(done) == [[], [], [], ALL]
    assert without_times(schema(empty)) == without_times(schema(own))


@pytest.mark.anyio
async def test_what_has_not_run_yet_is_known(empty: Database, own: Database) -> None:
    async with Connections.open(empty.url) as connections:
        assert await unapplied(connections) == ALL
    async with Connections.open(own.url) as connections:
        assert await unapplied(connections) == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("UPDATE indelible.migrations SET sha256 = 'other' WHERE version = 1", "migration 0001_ledger is not the one"),
        ("INSERT INTO indelible.migrations VALUES (99, '0099_later', '')", "the database has migration 99, which this"),
    ],
    ids=["edited", "newer"],
)
async def test_a_database_of_another_past_is_refused(own: Database, change: str, message: str) -> None:
    """By the migration and by the service, and nothing is touched."""
    execute(own.admin_url, change)
    before = schema(own)
    with pytest.raises(StoreError, match=message):
        migrate(own.admin_url, service=SERVICE_ROLE)
    assert schema(own) == before
    async with Connections.open(own.url) as connections:
        with pytest.raises(StoreError, match=message):
            await unapplied(connections)


def test_who_may_not_migrate_is_told_what_is_missing(empty: Database) -> None:
    with pytest.raises(StoreError, match="needs CREATEROLE and CREATE on the database, or a superuser"):
        migrate(empty.url)
    assert rows(empty, "SELECT FROM pg_namespace WHERE nspname = 'indelible'") == []


def test_no_database_is_unavailable(empty: Database) -> None:
    with pytest.raises(StoreUnavailable, match='database "nowhere" does not exist'):
        migrate(empty.admin_url.replace("/empty?", "/nowhere?"))


# --- months


def months(first: date, number: int) -> list[str]:
    start = first.year * 12 + first.month - 1
    return [f"{m // 12}_{m % 12 + 1:02}" for m in range(start, start + number)]


def partitions(database: Database, parent: str) -> list[str]:
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass ORDER BY 1"
    return [name for (name,) in rows(database, query, f"indelible.{parent}")]


@pytest.mark.parametrize("parent", ["events", "event_personal"])
def test_there_are_partitions_for_this_month_and_three_more(own: Database, parent: str) -> None:
    wanted = months(datetime.now(UTC).date(), 4)
    assert partitions(own, parent) == [f"indelible.{parent}_{month}" for month in wanted]


def test_a_partition_is_a_calendar_month_in_utc(own: Database) -> None:
    """Whatever the time zone of whoever makes it."""
    for zone, day in (("Pacific/Kiritimati", "2031-12-31"), ("America/Los_Angeles", "2032-02-01")):
        execute(own.admin_url, f"SET timezone = '{zone}'; SELECT indelible.ensure_month('{day}')")
    query = """
        SELECT c.relname::text, pg_get_expr(relpartbound, c.oid) FROM pg_class c JOIN pg_inherits ON inhrelid = c.oid
        WHERE inhparent = 'indelible.events'::regclass AND relname > 'events_2031' ORDER BY 1
    """
    assert rows(own, query) == [
        ("events_2031_12", "FOR VALUES FROM ('2031-12-01 00:00:00+00') TO ('2032-01-01 00:00:00+00')"),
        ("events_2032_02", "FOR VALUES FROM ('2032-02-01 00:00:00+00') TO ('2032-03-01 00:00:00+00')"),
    ]


def test_many_make_the_same_month_at_once_and_one_of_them_does(own: Database) -> None:
    def make(_: int) -> bool:
        with psycopg.connect(own.url) as connection:
            connection.execute("SET ROLE indelible_writer")
            row = connection.execute("SELECT indelible.ensure_month('2030-06-15')").fetchone()
        return bool(row and row[0])

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(make, range(6))) == [False] * 5 + [True]
    made = schema(own)
    assert not make(0)
    assert schema(own) == made
    assert partitions(own, "events").count("indelible.events_2030_06") == 1


@pytest.mark.anyio
async def test_a_new_partition_is_like_the_first(own: Database) -> None:
    """Indexes, checks, triggers and privileges: what one month lacked, an attacker would use."""
    async with Connections.open(own.url) as connections:
        assert await ensure_months(connections, datetime(2030, 11, 30, 23, 59, tzinfo=UTC)) == [
            "2030-11", "2030-12", "2031-01", "2031-02",
        ]  # fmt: skip
        assert await ensure_months(connections, datetime(2030, 11, 1, tzinfo=UTC)) == []
        assert await months_missing(connections, datetime(2031, 1, 31, tzinfo=UTC)) == []
        assert await months_missing(connections, datetime(2031, 2, 1, tzinfo=UTC)) == ["2031-03"]
    first, new = f"{datetime.now(UTC):%Y_%m}", "2031_02"
    found = {month: {tuple(str(v).replace(month, "M") for v in row) for row in schema(own)} for month in (first, new)}
    of_month = {
        month: {row for row in lines if "_M" in row[1] and "FOR VALUES" not in row[6]} for month, lines in found.items()
    }
    assert len(of_month[first]) > 50
    assert of_month[first] == of_month[new]


@pytest.mark.anyio
async def test_appending_makes_a_month_that_is_missing(own: Database, catalog: Catalog) -> None:
    """A service that slept through its maintenance still takes events."""
    month = f"{datetime.now(UTC):%Y_%m}"
    execute(own.admin_url, f"DROP TABLE indelible.events_{month}, indelible.event_personal_{month}")
    async with Connections.open(own.url) as connections, Appender.open(connections, Rules(catalog)) as appender:
        assert f"{datetime.now(UTC):%Y-%m}" in await months_missing(connections, datetime.now(UTC))
        (receipt,) = await send(appender, take(Intake(catalog), "acme"))
        assert receipt.seq == 1
        assert await months_missing(connections, datetime.now(UTC) - timedelta(seconds=1)) == []


# --- who migrates


@pytest.mark.parametrize("version", VERSIONS)
def test_a_role_that_may_make_roles_can_migrate(version: int, catalog: Catalog) -> None:
    """Managed PostgreSQL hands out no superuser. The server has never seen our roles; its second database finds
    them there."""
    if reason := missing(version):
        pytest.skip(reason)
    with server(version) as postgres:
        execute(postgres.admin_url("postgres"), "CREATE ROLE migrator LOGIN CREATEROLE")
        databases = TemplateDatabases(postgres)
        made = [databases.create(name) for name in ("one", "two")]
        for database in made:
            execute(postgres.admin_url("postgres"), f"GRANT CREATE ON DATABASE {database.name} TO migrator")
        urls = [postgres.url("migrator", database.name) for database in made]
        assert [migrate(url, service=SERVICE_ROLE) for url in urls] == [ALL, ALL]
        assert [migrate(url, service=SERVICE_ROLE) for url in urls] == [[], []]
        for database in made:
            asyncio.run(works(database, catalog))


async def works(database: Database, catalog: Catalog) -> None:
    async with Connections.open(database.url) as connections, Appender.open(connections, Rules(catalog)) as appender:
        assert await unapplied(connections) == []
        await send(appender, *[take(Intake(catalog), "acme", **FULL) for _ in range(3)])
        assert await ensure_months(connections, datetime(2030, 1, 1, tzinfo=UTC))
        report = await verify(connections, "acme")
    assert report is not None
    assert (report.proven, report.size) == (True, 4)
