"""PostgreSQL misbehaves without dying: sessions cut off, a lock that is held, a month without a partition, poison."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import psycopg
import pytest

from indelible.catalog import Catalog
from indelible.event import MAX_EVENT_BYTES, InvalidEvent
from indelible.store.append import Receipt, Rules
from indelible.store.appender import Appender
from indelible.store.errors import StoreError, StoreUnavailable
from indelible.store.intake import Intake
from indelible.store.sealing import Prepared
from indelible.store.session import Database as Connections
from indelible.store.verify import verify
from tests.conftest import running_service
from tests.faults.load import Load, check, event
from tests.faults.test_killed import one_of_each_lane
from tests.postgres import Database

KEY = "ind_test_key-of-the-fault-tests"

_END_ALL = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'indelible'
"""
_CUT_OFF = f"{_END_ALL} AND state <> 'idle'"


def test_sessions_that_are_cut_off_lose_and_double_nothing(database: Database) -> None:
    """In the middle of a transaction, some of them just as they commit."""
    with running_service(database, INDELIBLE_ADMIN_KEY=KEY) as address:
        with (
            Load([address], KEY, ["hot", *(f"small-{n}" for n in range(8))]) as load,
            psycopg.connect(database.admin_url, autocommit=True) as admin,
        ):
            cut, ends = 0, time.monotonic() + 20
            while cut < 30:
                (count,) = admin.execute(_CUT_OFF).fetchone() or (0,)
                cut += count
                time.sleep(0.02)
                assert time.monotonic() < ends, f"only {cut} sessions were found at work"
        check(load, database.url, database.admin_url)


def test_a_held_lock_delays_its_own_lane_only(database: Database) -> None:
    """503 with Retry-After once the patience is over; stored, once, when the lock is gone."""
    held, *others = one_of_each_lane()
    settings = {"INDELIBLE_ADMIN_KEY": KEY, "INDELIBLE_APPEND_TIMEOUT": "1", "INDELIBLE_LANES": "4"}
    with running_service(database, **settings) as address:
        load = Load([address], KEY, [], writers=1)
        with load.client() as client, psycopg.connect(database.admin_url) as admin:
            load.deliver(client, [event(held)])
            admin.execute("SELECT FROM indelible.ledgers WHERE tenant_id = %s FOR UPDATE", (held,))
            late = event(held)
            began = time.monotonic()
            answer = client.post("/api/audit-log", json=late)
            assert 0.9 < time.monotonic() - began < 4
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert int(answer.headers["retry-after"]) > 0
            mixed = client.post("/api/audit-log/batch", json=[late, *map(event, others)]).json()
            assert [item["status"] for item in mixed["data"]] == [503, 201, 201, 201]
            began = time.monotonic()
            for tenant in others:
                assert client.post("/api/audit-log", json=event(tenant)).status_code == 201
            assert time.monotonic() - began < 1
            admin.rollback()
            load.deliver(client, [late], within=10)
    with psycopg.connect(database.admin_url) as admin:
        rows = admin.execute("SELECT seq FROM indelible.events WHERE id = %s", (late["id"],)).fetchall()
    assert len(rows) == 1
    verified(database, held)


def test_a_held_lock_does_not_hold_up_the_neighbours_in_its_lane(database: Database) -> None:
    """A peer that froze in a transaction holds a ledger for half a minute; the other customers must not notice."""
    settings = {"INDELIBLE_ADMIN_KEY": KEY, "INDELIBLE_APPEND_TIMEOUT": "6", "INDELIBLE_LANES": "1"}
    with running_service(database, **settings) as address:
        load = Load([address], KEY, [], writers=1)
        with load.client() as client, psycopg.connect(database.admin_url) as admin:
            load.deliver(client, [event("held"), event("neighbour")])
            admin.execute("SELECT FROM indelible.ledgers WHERE tenant_id = 'held' FOR UPDATE")
            with ThreadPoolExecutor() as threads:
                late = threads.submit(client.post, "/api/audit-log", json=event("held"))
                for _ in range(5):
                    began = time.monotonic()
                    assert client.post("/api/audit-log", json=event("neighbour")).status_code == 201
                    assert time.monotonic() - began < 3
                assert not late.done()
                admin.rollback()
                assert late.result().status_code == 201
    verified(database, "held")


def test_stuck_reads_do_not_stop_events(database: Database) -> None:
    """Neither the customers' slow ones, nor those that a stranger without a key causes."""
    with running_service(database, INDELIBLE_ADMIN_KEY=KEY, INDELIBLE_POOL_SIZE="2") as address:
        load = Load([address], KEY, [], writers=1)
        with load.client() as client, ThreadPoolExecutor(16) as threads:
            load.deliver(client, [event("acme")])
            with psycopg.connect(database.admin_url) as admin:
                admin.execute("LOCK TABLE indelible.migrations, indelible.event_personal IN ACCESS EXCLUSIVE MODE")
                stuck = [threads.submit(client.get, "/api/audit-log", params={"tenant_id": "acme"}) for _ in range(4)]
                stuck += [threads.submit(httpx.get, f"{address}/readyz", timeout=30) for _ in range(8)]
                time.sleep(0.5)
                admin.rollback()
                admin.execute("LOCK TABLE indelible.migrations IN ACCESS EXCLUSIVE MODE")
                began = time.monotonic()
                assert client.post("/api/audit-log", json=event("acme")).status_code == 201
                assert time.monotonic() - began < 2
            assert all(answer.result().status_code in (200, 503) for answer in stuck)
    verified(database, "acme")


def test_a_standby_is_no_reason_to_refuse_an_event_for_good(database: Database) -> None:
    """After a failover the old primary takes no writes for a while: 503, try again; and /readyz tells."""
    with running_service(database, INDELIBLE_ADMIN_KEY=KEY, INDELIBLE_APPEND_TIMEOUT="1") as address:
        load = Load([address], KEY, [], writers=1)
        with load.client() as client, psycopg.connect(database.admin_url, autocommit=True) as admin:
            load.deliver(client, [event("acme")])
            # As set by an operator; new connections get it.
            name = admin.info.dbname
            admin.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'.encode())
            admin.execute(_END_ALL)
            late = event("acme")
            answer = client.post("/api/audit-log", json=late)
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            time.sleep(1.1)
            readiness = client.get("/readyz")
            assert (readiness.status_code, "no writes" in readiness.json()["checks"]["postgresql"]) == (503, True)
            admin.execute("SET default_transaction_read_only = off")
            admin.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only'.encode())
            admin.execute(_END_ALL)
            load.deliver(client, [late], within=15)
    verified(database, "acme")


@pytest.mark.anyio
async def test_patience_holds_for_those_who_wait_behind_others_too(intake: Intake, catalog: Catalog) -> None:
    """And there is an end to how many may wait."""
    patience = timedelta(seconds=1)
    async with (
        Connections.open("postgresql://nobody@127.0.0.1:1/nothing", statement_timeout=patience) as away,
        Appender.open(away, Rules(catalog), lanes=1, patience=patience) as appender,
    ):
        batches = [[taken(intake, "acme") for _ in range(1000)] for _ in range(22)]
        began = time.monotonic()
        answers = await asyncio.gather(*map(appender.append, batches))
        assert time.monotonic() - began < 5
        assert all(isinstance(answer, StoreUnavailable) for batch in answers for answer in batch)
        assert "too many" in str(answers[-1][0])


@pytest.mark.anyio
async def test_a_missing_month_is_made_on_demand(
    database: Database, appender: Appender, connections: Connections, intake: Intake
) -> None:
    """If nobody ran the service for months, or time ran ahead of it: no event waits for an operator."""
    month = f"{datetime.now(UTC):%Y_%m}"
    with psycopg.connect(database.admin_url, autocommit=True) as admin:
        for table in ("events", "event_personal"):
            admin.execute(f"DROP TABLE indelible.{table}_{month}".encode())
    answers = await asyncio.gather(*(appender.append([taken(intake, tenant)]) for tenant in one_of_each_lane()))
    assert [answer.seq for (answer,) in answers if isinstance(answer, Receipt)] == [1, 1, 1, 1]
    with psycopg.connect(database.admin_url, autocommit=True) as admin:
        assert admin.execute("SELECT to_regclass(%s)", (f"indelible.events_{month}",)).fetchone() != (None,)
    report = await verify(connections, one_of_each_lane()[0])
    assert report is not None
    assert (report.size, report.contradictions) == (2, ())


@pytest.mark.anyio
@pytest.mark.parametrize("action", ["nul\0", "surrogate\ud800"], ids=["refused by PostgreSQL", "refused by the driver"])
async def test_poison_fails_alone(appender: Appender, connections: Connections, intake: Intake, action: str) -> None:
    """Intake lets none of it through; should it ever, what shares the transaction is not to suffer, nor its batch."""
    good = taken(intake, "acme")
    poison = taken(intake, "acme")
    poison.event.action = action
    answers = await asyncio.gather(
        *(appender.append(batch) for batch in ([good], [poison, taken(intake, "acme")], [taken(intake, "acme")]))
    )
    assert [[type(answer) for answer in batch] for batch in answers] == [[Receipt], [StoreError, Receipt], [Receipt]]
    assert isinstance((await appender.append([taken(intake, "acme")]))[0], Receipt), "the lane goes on"
    report = await verify(connections, "acme")
    assert report is not None
    assert (report.size, report.contradictions) == (5, ())


@pytest.mark.anyio
async def test_a_database_that_is_away_is_waited_for_and_then_answered_for(intake: Intake, catalog: Catalog) -> None:
    """The caller hears that nothing is known, in its time, and not that the event was refused."""
    patience = timedelta(seconds=0.5)
    async with (
        Connections.open("postgresql://nobody@127.0.0.1:1/nothing", statement_timeout=patience) as away,
        Appender.open(away, Rules(catalog), patience=patience) as appender,
    ):
        began = time.monotonic()
        (answer,) = await appender.append([taken(intake, "acme")])
        assert 0.5 <= time.monotonic() - began < 2
    assert isinstance(answer, StoreUnavailable)


@pytest.mark.anyio
async def test_what_intake_takes_is_not_too_large_for_the_ledger(appender: Appender, intake: Intake) -> None:
    """Targets are in the entry, whose limit is that of an event: near to it, an event is stored or refused as such."""
    sizes = range(MAX_EVENT_BYTES - 450, MAX_EVENT_BYTES - 210, 30)
    refused: list[str] = []
    for raw in map(full_of_targets, sizes):
        try:
            prepared = intake.take(raw, now=datetime.now(UTC), history=False)
        except InvalidEvent as error:
            refused.append(error.code)
            continue
        (answer,) = await appender.append([prepared])
        assert isinstance(answer, Receipt)
    assert set(refused) == {"event_too_large"}
    assert len(refused) < len(sizes)


def full_of_targets(size: int) -> bytes:
    """An event of `size` bytes, almost all of it targets."""
    targets = [{"type": "t" * 68, "id": "i" * 240} for _ in range(99)]
    sent = {"tenant_id": "acme", "action": "x.y", "actor": {"type": "user"}, "targets": targets}
    targets[0]["id"] = "i" * (240 + size - len(msgspec.json.encode(sent)))
    raw = msgspec.json.encode(sent)
    assert len(raw) == size
    return raw


def taken(intake: Intake, tenant: str) -> Prepared:
    return intake.take(msgspec.json.encode(event(tenant)), now=datetime.now(UTC), history=False)


def verified(database: Database, *tenants: str) -> None:
    async def reports() -> Sequence[object]:
        async with Connections.open(database.url, size=1) as opened:
            return [getattr(await verify(opened, tenant), "contradictions", None) for tenant in tenants]

    assert asyncio.run(reports()) == [()] * len(tenants)
