"""Whoever is bound to one tenant reads that one, named or not, and learns nothing of any other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conftest import Service
from tests.server.conftest import an_event, problem

ROUTES = ("", "/{id}", "/{id}/proof", "/checkpoint", "/consistency?from=1", "/vkeys")


@pytest.fixture
def events(api: httpx.Client, tenant: str) -> dict[str, str]:
    """One event of the tenant, and one of another tenant."""
    names = (tenant, f"{tenant}-other")
    return {name: api.post("/api/audit-log", json=an_event(name)).json()["id"] for name in names}


@pytest.fixture
def bound(service: Service, api: httpx.Client, tenant: str) -> Iterator[httpx.Client]:
    """With a key of the tenant's own."""
    wanted = {"name": "own", "scopes": ["events:read"], "tenant_id": tenant}
    made = api.post("/api/keys", json=wanted)
    assert made.status_code == 201, made.text
    headers = {"authorization": f"Bearer {made.json()['key']}"}
    with httpx.Client(base_url=service.address, headers=headers, timeout=30) as client:
        yield client


def ask(client: httpx.Client, route: str, id_: str, tenant: str | None = None) -> httpx.Response:
    path, _, query = route.format(id=id_).partition("?")
    given = dict(pair.split("=") for pair in query.split("&") if pair)
    return client.get(f"/api/audit-log{path}", params=given | ({"tenant_id": tenant} if tenant else {}))


@pytest.mark.parametrize("route", ["", "/{id}"])
def test_the_tenant_may_be_left_out(bound: httpx.Client, tenant: str, events: dict[str, str], route: str) -> None:
    for named in (None, tenant):
        answer = ask(bound, route, events[tenant], named)
        assert answer.status_code == 200
        assert events[tenant] in answer.text
        assert events[f"{tenant}-other"] not in answer.text


@pytest.mark.parametrize("route", ROUTES)
def test_another_tenant_is_refused_whether_it_exists_or_not(
    bound: httpx.Client, tenant: str, events: dict[str, str], route: str
) -> None:
    said = [
        problem(ask(bound, route, events[f"{tenant}-other"], name), 403, "wrong_tenant")
        for name in (f"{tenant}-other", f"{tenant}-absent")
    ]
    assert said[0] == said[1]
    assert tenant in said[0]["detail"]
    assert "other" not in said[0]["detail"]


@pytest.mark.parametrize("route", ["/{id}", "/{id}/proof"])
def test_an_id_of_another_tenant_is_as_one_that_does_not_exist(
    bound: httpx.Client, tenant: str, events: dict[str, str], route: str
) -> None:
    absent = "0192f0c4-0000-7000-8000-000000000001"
    for id_ in (events[f"{tenant}-other"], absent):
        said = problem(ask(bound, route, id_), 404, "no_such_event")
        assert said["detail"] == f"tenant {tenant!r} has no event {id_}"


@pytest.mark.parametrize("route", ROUTES)
def test_a_key_for_every_tenant_has_to_name_one(api: httpx.Client, events: dict[str, str], route: str) -> None:
    id_ = next(iter(events.values()))
    (error,) = problem(ask(api, route, id_), 422, "invalid_parameter")["errors"]
    assert error == {"parameter": "tenant_id", "detail": "is required: a query is always one tenant's"}


def test_all_that_is_wrong_is_named_in_one_answer(api: httpx.Client, bound: httpx.Client) -> None:
    query: dict[str, Any] = {"limit": "0", "outcome": "perhaps", "cursor": "?"}
    for client, wrong in ((api, {"tenant_id", *query}), (bound, {*query})):
        said = problem(client.get("/api/audit-log", params=query), 422, "invalid_parameter")
        assert {error["parameter"] for error in said["errors"]} == wrong
    malformed = {"tenant_id": "no tenant!", "limit": "0"}
    said = problem(bound.get("/api/audit-log", params=malformed), 422, "invalid_parameter")
    assert {error["parameter"] for error in said["errors"]} == {"tenant_id", "limit"}


def test_the_tenant_is_named_once(bound: httpx.Client, tenant: str) -> None:
    """Of two names the one that is checked must be the one that is read."""
    for names in ([tenant, f"{tenant}-other"], [f"{tenant}-other", tenant]):
        for alias in ("tenant_id", "workspace_id"):
            answer = bound.get("/api/audit-log", params=[("tenant_id", names[0]), (alias, names[1])])
            assert answer.status_code in (403, 422)
            assert "data" not in answer.json()
