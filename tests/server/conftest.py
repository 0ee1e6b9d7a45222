"""Shared by the tests of the API: a client of the live service, events, and what every error looks like."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest

from tests.conftest import Service


@pytest.fixture
def api(service: Service) -> Iterator[httpx.Client]:
    """Speaks to the service with a key that may do everything."""
    with service.client() as client:
        yield client


Reader = Callable[..., httpx.Client]


@pytest.fixture
def reader(service: Service, api: httpx.Client, tenant: str) -> Reader:
    """Clients with viewer tokens for the tenant, whose members may see what `sees` says."""

    def made(role: str = "member", id_: str = "usr_9", sees: tuple[str, ...] = (), **asked: Any) -> httpx.Client:
        settings = {"member_access": True, "member_sees": list(sees)}
        changed = api.patch(f"/api/tenants/{tenant}", json={"settings": settings})
        assert changed.status_code == 200, changed.text
        wanted = {"tenant_id": tenant, "actor": {"id": id_}, "role": role, **asked}
        token = api.post("/api/viewer-tokens", json=wanted)
        assert token.status_code == 201, token.text
        return httpx.Client(
            base_url=service.address, headers={"authorization": f"Bearer {token.json()['token']}"}, timeout=30
        )

    return made


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
