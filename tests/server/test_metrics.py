"""GET /metrics and what /readyz says of signatures, of databases of their own: they count all ledgers."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from indelible.ledger.signing import SigningKey
from indelible.store.embedded import SERVICE_ROLE, EmbeddedPostgres
from indelible.store.migrate import migrate
from tests.conftest import running_service
from tests.postgres import Database, TemplateDatabases, server
from tests.server.conftest import an_event
from tests.signed import origin_of, sign
from tests.store.samples import as_superuser, rows

KEY = "ind_test_metrics_0123456789"
SIGNER = SigningKey.generate()
NAMES = {"ready", "ledgers", "entries", "ledgers_unsigned", "ledgers_refused", "checkpoint_lag_seconds"}


@pytest.fixture(scope="module")
def postgres() -> Iterator[tuple[Database, httpx.Client, EmbeddedPostgres]]:
    with server(18) as running:
        database = TemplateDatabases(running).create("metrics")
        migrate(database.admin_url, service=SERVICE_ROLE)
        with (
            running_service(database, INDELIBLE_ADMIN_KEY=KEY) as address,
            httpx.Client(base_url=address, timeout=30) as client,
        ):
            yield database, client, running
            running.start()  # so that the service can stop in order


def scraped(client: httpx.Client) -> dict[str, float]:
    """The gauges, by their names without the prefix, of now and not of a moment ago."""
    time.sleep(1.5)
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = {}
    for family in text_string_to_metric_families(answer.text):
        assert (family.type, bool(family.documentation)) == ("gauge", True)
        (sample,) = family.samples
        assert sample.labels == {}
        found[sample.name.removeprefix("indelible_")] = sample.value
    return found


def checkpoints(client: httpx.Client) -> str:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)
    said: str = answer.json()["checks"]["checkpoints"]
    return said


def log(client: httpx.Client, tenant: str) -> None:
    answer = client.post("/api/audit-log", json=an_event(tenant), headers={"authorization": f"Bearer {KEY}"})
    assert answer.status_code == 201


def test_metrics_and_readiness_follow_what_happens(postgres: tuple[Database, httpx.Client, EmbeddedPostgres]) -> None:
    """From an empty database to one whose signer died, and one that refuses. Neither needs a key, neither names a
    customer, and events are stored whatever is not signed."""
    database, client, _ = postgres
    found = scraped(client)
    assert found.keys() == NAMES
    assert found == {**dict.fromkeys(NAMES, 0), "ready": 1}
    assert checkpoints(client) == "none: no signer has run yet"

    log(client, "acme")
    log(client, "globex")
    sign(database, "acme", SIGNER)
    sign(database, "globex", SIGNER)
    assert scraped(client) == {**dict.fromkeys(NAMES, 0), "ready": 1, "ledgers": 2, "entries": 4}
    assert checkpoints(client) == "ok"

    log(client, "acme")
    rows(database, "SELECT indelible.ensure_month((now() - interval '1 day')::date)")
    as_superuser(
        database,
        "UPDATE indelible.ledgers SET recorded_at = recorded_at - interval '90 s' WHERE tenant_id = 'acme'",
        "UPDATE indelible.events SET recorded_at = recorded_at - interval '90 s' WHERE tenant_id = 'acme'",
        "UPDATE indelible.checkpoints SET signed_at = signed_at - interval '90 s' WHERE tenant_id = 'acme'",
    )
    found = scraped(client)
    assert 90 <= found.pop("checkpoint_lag_seconds") < 150
    assert found == {"ready": 1, "ledgers": 2, "entries": 5, "ledgers_unsigned": 1, "ledgers_refused": 0}
    assert checkpoints(client) == (
        "1 ledger has been waiting for a signature for more than a minute: is `indelible worker` running?"
    )

    refused = [("acme", origin_of(database, "acme")), *((f"gone-{number}", f"h/{number}") for number in (1, 2, 3))]
    for tenant, origin in refused:
        as_superuser(
            database,
            "INSERT INTO indelible.refusals VALUES (%(tenant)s, %(origin)s, 'it has fewer entries than signed')",
            tenant=tenant,
            origin=origin,
        )
    found = scraped(client)
    assert (found["ledgers_refused"], found["ledgers_unsigned"], found["checkpoint_lag_seconds"]) == (4, 0, 0)
    said = checkpoints(client)
    assert said.startswith(f"4 ledgers have been refused a signature: {origin_of(database, 'acme')}: it has fewer ")
    assert said.endswith("; h/2: it has fewer entries than signed; and 1 more")
    assert "acme" not in said


def test_without_postgresql_the_metrics_say_not_ready_and_no_more(
    postgres: tuple[Database, httpx.Client, EmbeddedPostgres],
) -> None:
    """What is not known is not 0: an alert on a count must not go quiet or off for that."""
    _, client, running = postgres
    running.stop()
    try:
        assert scraped(client) == {"ready": 0}
        assert client.get("/readyz").json()["checks"]["checkpoints"] == "unknown"
    finally:
        running.start()
