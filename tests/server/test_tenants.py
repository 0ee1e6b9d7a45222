"""Tenants over HTTP: opened, listed, and what their members may see; on record, and nowhere deleted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from indelible.store.tenant_settings import DEFAULT
from indelible.store.view import ALL_PARTS
from tests.conftest import Service, running_service
from tests.server.conftest import an_event, problem

SETTINGS = {"member_access": False, "member_sees": ["changes", "request_id", "session_id"]}


@pytest.fixture
def bound(api: httpx.Client, service: Service, tenant: str) -> Iterator[Callable[..., httpx.Client]]:
    """Clients with a key of the test's tenant."""
    with contextlib.ExitStack() as opened:

        def client(*scopes: str) -> httpx.Client:
            body = {"name": "bound", "scopes": scopes, "tenant_id": tenant}
            key = api.post("/api/keys", json=body).json()["key"]
            return opened.enter_context(service.client(authorization=f"Bearer {key}"))

        yield client


def changes(api: httpx.Client, tenant: str) -> list[dict[str, Any]]:
    params = {"tenant_id": tenant, "action": "audit_log.settings_changed"}
    found = api.get("/api/audit-log", params=params).json()["data"]
    return [event["changes"] for event in reversed(found)]


def opened(api: httpx.Client, tenant: str, **fields: Any) -> dict[str, Any]:
    answer = api.post("/api/tenants", json={"tenant_id": tenant, **fields})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_ledger_is_opened_once(api: httpx.Client, tenant: str) -> None:
    first = opened(api, tenant)
    assert (first["tenant_id"], first["size"], first["settings"]) == (tenant, 1, SETTINGS)
    assert first["origin"].startswith("indelible.local/")
    again = api.post("/api/tenants", json={"tenant_id": tenant})
    assert (again.status_code, again.json()) == (200, first)
    assert api.get(f"/api/tenants/{tenant}").json() == first
    logged = api.post("/api/audit-log", json=an_event(tenant)).json()
    now = api.get(f"/api/tenants/{tenant}").json()
    assert (now["size"], now["head"]) == (logged["seq"] + 1, logged["leaf_hash"])


def test_settings_may_come_along_with_the_opening(api: httpx.Client, tenant: str) -> None:
    wanted = {"member_access": True, "member_sees": ["metadata", "changes", "metadata"]}
    right = {"member_access": True, "member_sees": ["changes", "metadata"]}
    assert opened(api, tenant, settings=wanted)["settings"] == right
    assert changes(api, tenant) == [
        {
            "member_access": {"from": False, "to": True},
            "member_sees": {"from": sorted(DEFAULT.member_sees), "to": ["changes", "metadata"]},
        }
    ]
    again = api.post("/api/tenants", json={"tenant_id": tenant, "settings": {"member_access": False}})
    assert (again.status_code, again.json()["settings"]) == (200, right | {"member_access": False})


def test_what_is_left_out_of_a_change_stays(api: httpx.Client, tenant: str) -> None:
    opened(api, tenant)
    for change, right in (
        ({"member_access": True}, SETTINGS | {"member_access": True}),
        ({"member_sees": []}, {"member_access": True, "member_sees": []}),
        ({"member_sees": sorted(ALL_PARTS)}, {"member_access": True, "member_sees": sorted(ALL_PARTS)}),
        ({"member_access": False, "member_sees": None}, {"member_access": False, "member_sees": sorted(ALL_PARTS)}),
    ):
        answer = api.patch(f"/api/tenants/{tenant}", json={"settings": change})
        assert (answer.status_code, answer.json()["settings"]) == (200, right)
        assert api.get(f"/api/tenants/{tenant}").json()["settings"] == right
    assert [sorted(change) for change in changes(api, tenant)] == [
        ["member_access"], ["member_sees"], ["member_sees"], ["member_access"],
    ]  # fmt: skip


def test_what_changes_nothing_is_no_entry(api: httpx.Client, tenant: str) -> None:
    opened(api, tenant)
    for same in ({}, SETTINGS, {"member_sees": ["session_id", "request_id", "changes", "changes"]}):
        assert api.patch(f"/api/tenants/{tenant}", json={"settings": same}).json()["settings"] == SETTINGS
    assert changes(api, tenant) == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/settings"),
        ({"settings": None}, "/settings"),
        ({"settings": {"member_access": "yes"}}, "/settings/member_access"),
        ({"settings": {"member_sees": "changes"}}, "/settings/member_sees"),
        ({"settings": {"member_sees": ["changes", "actor"]}}, "/settings/member_sees/1"),
        ({"settings": {"member_sees": ["changes"] * 101}}, "/settings/member_sees"),
        ({"settings": {"members": True}}, "/settings/members"),
        ({"settings": {}, "tenant_id": "acme"}, "/tenant_id"),
    ],
)
def test_a_wrong_field_of_a_change_is_named(api: httpx.Client, tenant: str, body: dict[str, Any], pointer: str) -> None:
    opened(api, tenant)
    answer = api.patch(f"/api/tenants/{tenant}", json=body)
    assert [error["pointer"] for error in problem(answer, 422, "invalid_body")["errors"]] == [pointer]
    assert api.get(f"/api/tenants/{tenant}").json()["settings"] == SETTINGS


@pytest.mark.parametrize("tenant_id", ["", "a b", "-a", "a" * 129, "ä", "a\n", "a/b", 7, None])
def test_an_id_that_is_none_is_refused(api: httpx.Client, tenant_id: object) -> None:
    answer = api.post("/api/tenants", json={"tenant_id": tenant_id})
    assert [error["pointer"] for error in problem(answer, 422, "invalid_body")["errors"]] == ["/tenant_id"]


def test_the_services_own_ledger_is_not_for_customers(api: httpx.Client) -> None:
    problem(api.post("/api/tenants", json={"tenant_id": "indelible:operator"}), 422, "reserved_tenant")
    change = {"settings": {"member_access": True}}
    problem(api.patch("/api/tenants/indelible:operator", json=change), 422, "reserved_tenant")


@pytest.mark.parametrize("name", ["nobody-of-this-name", "a%20b", "%00", "x" * 300])
def test_a_tenant_that_is_not_there(api: httpx.Client, name: str) -> None:
    problem(api.get(f"/api/tenants/{name}"), 404, "no_such_tenant")
    problem(api.patch(f"/api/tenants/{name}", json={"settings": {"member_access": True}}), 404, "no_such_tenant")


def test_nothing_is_ever_deleted(api: httpx.Client, tenant: str) -> None:
    opened(api, tenant)
    answer = api.delete(f"/api/tenants/{tenant}")
    problem(answer, 405, "method_not_allowed")
    assert set(answer.headers["allow"].replace(" ", "").split(",")) == {"GET", "OPTIONS", "PATCH"}


def test_lists_come_in_pages_by_id(api: httpx.Client, tenant: str) -> None:
    mine = [f"{tenant}-{number}" for number in range(5)]
    for name in reversed(mine):
        opened(api, name)
    api.patch(f"/api/tenants/{mine[1]}", json={"settings": {"member_access": True}})
    found: dict[str, Any] = {}
    cursor: dict[str, str] = {}
    while True:
        page = api.get("/api/tenants", params={"limit": 3, **cursor}).json()
        assert len(page["data"]) <= 3
        names = [each["tenant_id"] for each in page["data"]]
        assert names == sorted(names)
        found |= {each["tenant_id"]: each for each in page["data"]}
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert [name for name in found if name.startswith(tenant)] == mine
    assert found[mine[1]] == api.get(f"/api/tenants/{mine[1]}").json()
    assert len(found) == len(api.get("/api/tenants", params={"limit": 1000}).json()["data"])


@pytest.mark.parametrize(
    ("query", "parameter"),
    [("limit=0", "limit"), ("cursor=a%20b", "cursor"), ("cursor=", "cursor"), ("include_ended=true", "include_ended"),
     ("q=x", "q")],
)  # fmt: skip
def test_a_wrong_parameter_is_named(api: httpx.Client, query: str, parameter: str) -> None:
    body = problem(api.get(f"/api/tenants?{query}"), 422, "invalid_parameter")
    assert [error["parameter"] for error in body["errors"]] == [parameter]


def test_a_key_of_a_tenant_sees_and_changes_that_one(
    api: httpx.Client, bound: Callable[..., httpx.Client], tenant: str
) -> None:
    client = bound("tenants:manage")
    other = f"{tenant}-other"
    opened(api, other)
    assert [each["tenant_id"] for each in client.get("/api/tenants").json()["data"]] == [tenant]
    assert client.get("/api/tenants", params={"cursor": tenant}).json() == {"data": [], "next_cursor": None}
    change = {"settings": {"member_access": True}}
    assert client.patch(f"/api/tenants/{tenant}", json=change).json()["settings"]["member_access"] is True
    assert client.post("/api/tenants", json={"tenant_id": tenant}).status_code == 200
    for name in (other, f"{tenant}-nobody"):
        for answer in (
            client.get(f"/api/tenants/{name}"),
            client.patch(f"/api/tenants/{name}", json=change),
            client.post("/api/tenants", json={"tenant_id": name}),
        ):
            body = problem(answer, 403, "wrong_tenant")
            assert name not in body["detail"]
    assert api.get(f"/api/tenants/{other}").json()["settings"] == SETTINGS
    problem(api.get(f"/api/tenants/{tenant}-nobody"), 404, "no_such_tenant")
    problem(bound("events:read").get("/api/tenants"), 403, "missing_scope")


def test_a_change_is_in_force_everywhere_when_it_is_answered(api: httpx.Client, service: Service, tenant: str) -> None:
    """A member is let in, and kept out, by another service too."""
    opened(api, tenant, settings={"member_access": True})
    body = {"tenant_id": tenant, "actor": {"id": "usr_7"}, "role": "member"}
    token = api.post("/api/viewer-tokens", json=body).json()["token"]
    settings = {"INDELIBLE_ADMIN_KEY": service.key, "INDELIBLE_VIEWER_SECRET": service.viewer_secret}
    with (
        running_service(service.database, **settings) as address,
        httpx.Client(base_url=address, headers={"authorization": f"Bearer {token}"}, timeout=30) as member,
    ):
        for _ in range(3):
            for access, status in ((False, 403), (True, 200)):
                assert member.get("/api/audit-log").status_code in {200, 403}
                api.patch(f"/api/tenants/{tenant}", json={"settings": {"member_access": access}})
                assert member.get("/api/audit-log").status_code == status
