"""Shared by the tests of the API: a client of the live service, events, and what every error looks like."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from tests.conftest import Service


@pytest.fixture
def api(service: Service) -> Iterator[httpx.Client]:
    """Speaks to the service with a key that may do everything."""
    with service.client() as client:
        yield client


def an_event(tenant: str, **fields: object) -> dict[str, Any]:
    return {"tenant_id": tenant, "action": "user.joined", "actor": {"type": "user", "id": "usr_7"}, **fields}


def receipt(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What has to be the same in every answer about one event."""
    return {name: answer[name] for name in ("id", "tenant_id", "seq", "recorded_at", "leaf_hash", "registered")}


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The body of an error, which is an RFC 9457 problem whatever went wrong."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    body: dict[str, Any] = response.json()
    assert body.keys() <= {"type", "title", "status", "code", "detail", "errors"}
    assert (body["type"], body["status"], body["code"]) == ("about:blank", status, code)
    assert body["title"]
    assert body["detail"]
    assert all(error["detail"] for error in body.get("errors", []))
    return body


def listed(api: httpx.Client, tenant: str, **parameters: Any) -> list[dict[str, Any]]:
    """A tenant's events, all pages of them, but for those of the service's own: the first one, and who looked."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = api.get("/api/audit-log", params={"tenant_id": tenant, **parameters, **cursor})
        assert page.status_code == 200, page.text
        found += page.json()["data"]
        if page.json()["next_cursor"] is None:
            return [event for event in found if not event["action"].startswith(("ledger.", "audit_log."))]
        cursor = {"cursor": page.json()["next_cursor"]}


@pytest.fixture(scope="session", autouse=True)
def awake(service: Service) -> None:
    """Tests that ran before may have restarted PostgreSQL, and an idle service notices with its next requests."""
    deadline, well = time.monotonic() + 20, 0
    with service.client() as client:
        while well < 5:
            logged = client.post("/api/audit-log", json=an_event("awake"))
            looked = client.get("/api/audit-log", params={"tenant_id": "awake"})
            is_well = (logged.status_code, looked.status_code) == (201, 200)
            assert is_well or time.monotonic() < deadline, f"{logged.text} {looked.text}"
            well = well + 1 if is_well else 0
            time.sleep(0.02)
