"""A key that is bound to a tenant logs for that tenant and for no other."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from tests.conftest import Service
from tests.server.conftest import an_event, listed, problem

ONE, BATCH = "/api/audit-log", "/api/audit-log/batch"


@pytest.fixture
def bound(service: Service, tenant: str) -> Iterator[httpx.Client]:
    """With a key of `tenant`."""
    key = secrets.token_urlsafe(32)
    with psycopg.connect(service.database.admin_url) as connection:
        connection.execute(
            "INSERT INTO indelible.keys (name, hash, scopes, tenant_id) VALUES ('bound', sha256(%s), %s, %s)",
            (key.encode(), ["events:write", "events:read"], tenant),
        )
    with httpx.Client(base_url=service.address, headers={"authorization": f"Bearer {key}"}, timeout=30) as client:
        yield client


def test_it_logs_for_its_tenant(bound: httpx.Client, tenant: str) -> None:
    assert bound.post(ONE, json=an_event(tenant)).status_code == 201
    assert bound.post(BATCH, json=[an_event(tenant)] * 2).status_code == 201


def test_an_event_of_another_tenant_is_refused_whether_there_is_such_a_tenant_or_not(
    api: httpx.Client, bound: httpx.Client, tenant: str
) -> None:
    existing, missing = f"{tenant}-there", f"{tenant}-not"
    api.post(ONE, json=an_event(existing)).raise_for_status()
    answers = [bound.post(ONE, json=an_event(other)) for other in (existing, missing)]
    bodies = [problem(answer, 403, "wrong_tenant") for answer in answers]
    assert bodies[0] == bodies[1]
    assert len(listed(api, existing)) == 1
    assert listed(api, missing) == []


def test_of_a_batch_only_the_events_of_other_tenants_are_refused(
    api: httpx.Client, bound: httpx.Client, tenant: str
) -> None:
    others = [f"{tenant}-other", tenant.upper(), f"{tenant} "]
    answer = bound.post(BATCH, json=[an_event(each) for each in (tenant, *others, tenant)])
    body = answer.json()
    assert answer.status_code == 207
    assert [item["status"] for item in body["data"]] == [201, 403, 403, 422, 201]
    assert [item["error"]["code"] for item in body["data"][1:3]] == ["wrong_tenant"] * 2
    assert (body["accepted"], body["refused"]) == (2, 3)
    assert "retry-after" not in answer.headers
    assert all(listed(api, other) == [] for other in others[:2])
