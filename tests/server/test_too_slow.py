"""A read that takes too long is ended, and it is the reader who is told what to do about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
import psycopg
import pytest

from tests.conftest import Cluster, running_service
from tests.postgres import Database
from tests.server.conftest import an_event, listed, problem

KEY = "a-key-for-everything-in-tests"
LIMIT = 0.4


@pytest.fixture(scope="module")
def database(clusters: Callable[[int], Cluster]) -> Iterator[Database]:
    """In it a search takes for ever, as in a ledger that is too large for its machine."""
    cluster = clusters(18)
    clone = cluster.databases.clone(cluster.template)
    with psycopg.connect(clone.admin_url) as connection:
        connection.execute(
            "DO $$ BEGIN EXECUTE regexp_replace(pg_get_functiondef("
            "(SELECT oid FROM pg_proc WHERE pronamespace = 'indelible'::regnamespace AND proname = 'search')), "
            "E'\\nBEGIN\\n', E'\\nBEGIN PERFORM pg_sleep(30);\\n'); END $$"
        )
    yield clone
    cluster.databases.drop(clone)


@pytest.fixture(scope="module")
def api(database: Database) -> Iterator[httpx.Client]:
    settings = {"INDELIBLE_ADMIN_KEY": KEY, "INDELIBLE_STATEMENT_TIMEOUT": str(LIMIT), "INDELIBLE_POOL_SIZE": "2"}
    with (
        running_service(database, **settings) as address,
        httpx.Client(base_url=address, headers={"authorization": f"Bearer {KEY}"}, timeout=30) as client,
    ):
        yield client


def test_a_read_that_takes_too_long_is_422_and_says_what_to_do(api: httpx.Client, tenant: str) -> None:
    """No 5xx: sent again as it is, it would take as long again."""
    api.post("/api/audit-log", json=an_event(tenant)).raise_for_status()
    began = time.monotonic()
    answer = api.get("/api/audit-log", params={"tenant_id": tenant, "q": "sarah"})
    assert time.monotonic() - began < LIMIT + 2
    found = problem(answer, 422, "too_slow")
    assert f"{LIMIT:g} s" in found["detail"]
    assert "since" in found["detail"]
    assert "retry-after" not in answer.headers


def test_it_holds_up_nothing(api: httpx.Client, database: Database, tenant: str) -> None:
    """Its statement is ended in PostgreSQL as well, and its connection serves the next."""
    api.post("/api/audit-log", json=an_event(tenant)).raise_for_status()
    for _ in range(5):
        problem(api.get("/api/audit-log", params={"tenant_id": tenant, "q": "sarah"}), 422, "too_slow")
    assert len(listed(api, tenant)) == 1
    with psycopg.connect(database.admin_url) as connection:
        running = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE %s"
            " AND state = 'active' AND pid <> pg_backend_pid()",
            ("%indelible.search%",),
        ).fetchone()
    assert running == (0,)
