"""PostgreSQL goes away and comes back: the service says so, loses nothing and needs nobody."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

from indelible.store.embedded import SERVICE_ROLE, EmbeddedPostgres
from indelible.store.migrate import migrate
from tests.conftest import running_service
from tests.postgres import TemplateDatabases, server
from tests.server.conftest import an_event, listed, problem, receipt

KEY = "ind_test_outage_0123456789"


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    with server(18) as running:
        yield running


@pytest.fixture(scope="module")
def client(postgres: EmbeddedPostgres) -> Iterator[httpx.Client]:
    """A service of its own, that gives up waiting for PostgreSQL after a second."""
    database = TemplateDatabases(postgres).create("outage")
    migrate(database.admin_url, service=SERVICE_ROLE)
    settings = {"INDELIBLE_ADMIN_KEY": KEY, "INDELIBLE_APPEND_TIMEOUT": "1"}
    with (
        running_service(database, **settings) as address,
        httpx.Client(base_url=address, headers={"authorization": f"Bearer {KEY}"}, timeout=30) as opened,
    ):
        yield opened
        postgres.start()  # so that the service can stop in order, whatever went wrong


def until_it_works(client: httpx.Client, event: dict[str, object]) -> httpx.Response:
    deadline = time.monotonic() + 20
    while True:
        answer = client.post("/api/audit-log", json=event)
        if answer.status_code != 503 or time.monotonic() > deadline:
            return answer
        time.sleep(float(answer.headers["retry-after"]))


def test_without_postgresql_it_is_503_and_afterwards_all_is_well(
    client: httpx.Client, postgres: EmbeddedPostgres, tenant: str
) -> None:
    """Never a 500: the client is told to try again, and trying again under the same id stores it once."""
    before = client.post("/api/audit-log", json=an_event(tenant, id=str(uuid4())))
    assert before.status_code == 201
    sent = an_event(tenant, id=str(uuid4()))

    postgres.stop()
    batch = client.post("/api/audit-log/batch", json=[sent, {"tenant_id": tenant}])
    assert batch.status_code == 207
    assert [item["status"] for item in batch.json()["data"]] == [503, 422]
    for answer in (
        client.post("/api/audit-log", json=sent),
        client.get("/api/audit-log", params={"tenant_id": tenant}),
        client.get(f"/api/audit-log/{sent['id']}", params={"tenant_id": tenant}),
    ):
        body = problem(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert "send it again" in body["detail"]
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (503, False)
    assert client.get("/healthz").status_code == 200

    postgres.start()
    answer = until_it_works(client, sent)
    assert answer.status_code in {200, 201}  # 200 where an attempt went in that was answered with 503
    assert receipt(client.post("/api/audit-log", json=sent).json()) == receipt(answer.json())
    assert [event["id"] for event in listed(client, tenant)] == [sent["id"], before.json()["id"]]
    assert client.get("/readyz").status_code == 200


def test_events_in_flight_when_it_stops_are_stored_once(
    client: httpx.Client, postgres: EmbeddedPostgres, tenant: str
) -> None:
    """Whoever got a 201 finds the event; whoever got a 503 sends it again; nobody's is there twice."""
    events = [an_event(tenant, id=str(uuid4())) for _ in range(400)]
    with ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(client.post, "/api/audit-log", json=event) for event in events]
        time.sleep(0.1)
        postgres.stop()
        time.sleep(0.2)
        postgres.start()
        first = [answer.result() for answer in answers]
    assert {answer.status_code for answer in first} <= {201, 503}
    again = [until_it_works(client, event) for event in events]
    assert {answer.status_code for answer in again} <= {200, 201}
    for early, late in zip(first, again, strict=True):
        if early.status_code == 201:
            assert (late.status_code, receipt(late.json())) == (200, receipt(early.json()))
    found = listed(client, tenant, limit=1000)
    assert sorted(event["id"] for event in found) == sorted(event["id"] for event in events)
    assert sorted(event["seq"] for event in found) == list(range(1, 401))
