"""Keys over HTTP: made, seen, replaced and ended. What grants what is in test_grants."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from indelible.store.key_text import has_right_checksum, is_well_formed
from indelible.store.keys import SCOPES
from tests.conftest import Service, free_port, running_service, wait_until_ready
from tests.faults.running import Command
from tests.server.conftest import an_event, problem

SHOWN = {
    "key_id", "name", "hint", "scopes", "tenant_id", "status", "created_at", "created_by", "expires_at", "revoked_at",
    "replaces", "last_used_at", "last_used_ip",
}  # fmt: skip


def made(api: httpx.Client, *scopes: str, name: str = "Reporting", **fields: Any) -> dict[str, Any]:
    answer = api.post("/api/keys", json={"name": name, "scopes": scopes, **fields})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def holding(service: Service) -> Iterator[Callable[[str], httpx.Client]]:
    """Clients with keys or tokens of their own."""
    with contextlib.ExitStack() as opened:
        yield lambda key: opened.enter_context(service.client(authorization=f"Bearer {key}"))


def an_admin(api: httpx.Client, tenant: str, **fields: Any) -> str:
    """A viewer token of somebody who may manage keys."""
    api.post("/api/audit-log", json=an_event(tenant))
    body = {"tenant_id": tenant, "actor": {"id": "usr_7", "name": "Sarah Chen"}, "role": "admin", **fields}
    answer = api.post("/api/viewer-tokens", json={"can_manage_keys": True, **body})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


def entries(api: httpx.Client, tenant: str, action: str) -> list[dict[str, Any]]:
    answer = api.get("/api/audit-log", params={"tenant_id": tenant, "action": action, "limit": 1000})
    assert answer.status_code == 200
    return list(reversed(answer.json()["data"]))


# --- made


def test_a_key_is_shown_once_and_works(api: httpx.Client, holding: Callable[[str], httpx.Client], tenant: str) -> None:
    answer = api.post("/api/keys", json={"name": "Application", "scopes": ["events:write", "events:write"]})
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    key = answer.json()
    assert key.keys() == SHOWN | {"key"}
    assert is_well_formed(key["key"])
    assert has_right_checksum(key["key"])
    assert key["key"].startswith("ind_test_")
    assert key["hint"] == f"ind_test_…{key['key'][-4:]}"
    assert (key["name"], key["scopes"], key["status"]) == ("Application", ["events:write"], "active")
    assert (key["tenant_id"], key["expires_at"], key["revoked_at"], key["replaces"]) == (None, None, None, None)
    assert key["created_by"]["type"] == "api_key"
    client = holding(key["key"])
    assert client.post("/api/audit-log", json=an_event(tenant)).status_code == 201
    problem(client.get("/api/audit-log", params={"tenant_id": tenant}), 403, "missing_scope")
    # From then on nobody can be told it again.
    seen = [api.get(f"/api/keys/{key['key_id']}"), api.get("/api/keys", params={"limit": 1000})]
    seen.append(api.post(f"/api/keys/{key['key_id']}/rotate", json={"overlap": "1h"}))
    seen.append(api.delete(f"/api/keys/{key['key_id']}"))
    for each in seen:
        assert each.is_success
        assert key["key"] not in each.text
        assert key["key"][9:-6] not in each.text
    assert seen[0].json().keys() == SHOWN


def test_a_key_without_scopes_does_nothing(api: httpx.Client, holding: Callable[[str], httpx.Client]) -> None:
    client = holding(made(api)["key"])
    for path in ("/api/audit-log?tenant_id=acme", "/api/keys", "/api/tenants"):
        problem(client.get(path), 403, "missing_scope")


def test_every_scope_can_be_given(api: httpx.Client) -> None:
    assert made(api, *SCOPES)["scopes"] == list(SCOPES)


def test_a_key_of_a_tenant_opens_that_one(
    api: httpx.Client, holding: Callable[[str], httpx.Client], tenant: str
) -> None:
    api.post("/api/audit-log", json=an_event(tenant))
    key = made(api, "events:read", tenant_id=tenant)
    assert key["tenant_id"] == tenant
    client = holding(key["key"])
    assert client.get("/api/audit-log").json()["data"][0]["tenant_id"] == tenant
    problem(client.get("/api/audit-log", params={"tenant_id": "acme"}), 403, "wrong_tenant")


@pytest.mark.parametrize(
    ("fields", "lasts"),
    [({"expires_in": "90d"}, timedelta(days=90)), ({"expires_in": "1m"}, timedelta(minutes=1)),
     ({"expires_at": "2099-01-01T00:00:00+02:00"}, None), ({"expires_in": None}, timedelta(0))],
)  # fmt: skip
def test_a_key_ends_when_it_was_told_to(api: httpx.Client, fields: dict[str, Any], lasts: timedelta | None) -> None:
    key = made(api, **fields)
    if lasts == timedelta(0):
        assert key["expires_at"] is None
    elif lasts is None:
        assert key["expires_at"] == "2098-12-31T22:00:00.000000Z"
    else:
        end = datetime.fromisoformat(key["expires_at"])
        assert abs(end - datetime.now(UTC) - lasts) < timedelta(seconds=30)


def test_an_expired_key_opens_nothing_and_says_so(
    api: httpx.Client, service: Service, holding: Callable[[str], httpx.Client], tenant: str
) -> None:
    key = made(api, "events:read", expires_at=(datetime.now(UTC) + timedelta(seconds=2)).isoformat())
    client = holding(key["key"])
    assert client.get("/api/audit-log", params={"tenant_id": tenant}).status_code == 200
    with psycopg.connect(service.database.admin_url) as connection:
        connection.execute("UPDATE indelible.keys SET expires_at = now() WHERE key_id = %s", (key["key_id"],))
    time.sleep(0.15)
    body = problem(client.get("/api/audit-log", params={"tenant_id": tenant}), 401, "unauthorized")
    assert "expired" in body["detail"]
    assert api.get(f"/api/keys/{key['key_id']}").json()["status"] == "expired"


@pytest.mark.parametrize(
    ("fields", "pointer", "says"),
    [
        ({"name": None}, "/name", "must be a text"),
        ({"name": ""}, "/name", "at least 1"),
        ({"name": " "}, "/name", "visible"),
        ({"name": "x" * 129}, "/name", "at most 128"),
        ({"name": "a\nb"}, "/name", "control"),
        ({"name": "\x1b[31mred"}, "/name", "visible"),
        ({"name": "a\0b"}, "/name", "NUL"),
        ({"scopes": "events:read"}, "/scopes", "must be a list"),
        ({"scopes": ["events:read", "all"]}, "/scopes/1", "is no scope; there are events:import, events:read"),
        ({"scopes": [1]}, "/scopes/0", "must be a text"),
        ({"scopes": ["events:read"] * 101}, "/scopes", "at most 100"),
        ({"tenant_id": "a b"}, "/tenant_id", ""),
        ({"tenant_id": ""}, "/tenant_id", ""),
        ({"expires_at": "tomorrow"}, "/expires_at", "RFC 3339"),
        ({"expires_at": "2030-01-01T00:00:00"}, "/expires_at", "RFC 3339"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at", "future"),
        ({"expires_at": "9999-12-31T23:59:59Z"}, "/expires_at", "100 years"),
        ({"expires_at": "0001-01-01T00:00:00+23:59"}, "/expires_at", ""),
        ({"expires_in": "90"}, "/expires_in", "90d"),
        ({"expires_in": "0d"}, "/expires_in", "future"),
        ({"expires_in": "-1d"}, "/expires_in", "90d"),
        ({"expires_in": "１d"}, "/expires_in", "90d"),
        ({"expires_in": "999999w"}, "/expires_in", "100 years"),
        ({"expires_in": "1d", "expires_at": "2030-01-01T00:00:00Z"}, "/expires_in", "not both"),
        ({"scope": ["events:read"]}, "/scope", "did you mean scopes?"),
        ({"key": "ind_live_mine"}, "/key", "there are name, scopes"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(api: httpx.Client, fields: dict[str, Any], pointer: str, says: str) -> None:
    answer = api.post("/api/keys", json={"name": "k", "scopes": [], **fields})
    (error,) = problem(answer, 422, "invalid_body")["errors"]
    assert error["pointer"] == pointer
    assert says in error["detail"]


@pytest.mark.parametrize("missing", ["name", "scopes"])
def test_name_and_scopes_are_required(api: httpx.Client, missing: str) -> None:
    """A key of which scopes were forgotten must not get all of them, nor look as if it had some."""
    body = {"name": "k", "scopes": ["events:read"]}
    del body[missing]
    (error,) = problem(api.post("/api/keys", json=body), 422, "invalid_body")["errors"]
    assert error == {"detail": "is required", "pointer": f"/{missing}"}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"name": "\xff"}', b'"x"'])
def test_a_body_that_is_none_is_refused(api: httpx.Client, body: bytes) -> None:
    assert api.post("/api/keys", content=body).status_code in {400, 422}


def test_the_ledger_of_a_key_for_a_new_tenant_is_opened(api: httpx.Client, tenant: str) -> None:
    """In it stands that the key was made."""
    key = made(api, "events:write", tenant_id=tenant)
    (entry,) = entries(api, tenant, "audit_log.key_created")
    assert entry["targets"][0]["id"] == key["key_id"]


def test_without_new_tenants_a_key_for_an_unknown_one_is_refused(service: Service, tenant: str) -> None:
    settings = {"INDELIBLE_ADMIN_KEY": service.key, "INDELIBLE_AUTO_TENANTS": "false"}
    with (
        running_service(service.database, **settings) as address,
        httpx.Client(base_url=address, headers={"authorization": f"Bearer {service.key}"}, timeout=30) as api,
    ):
        body = {"name": "k", "scopes": [], "tenant_id": tenant}
        problem(api.post("/api/keys", json=body), 422, "unknown_tenant")
        assert api.get("/api/keys", params={"tenant_id": tenant}).json()["data"] == []
        assert api.post("/api/tenants", json={"tenant_id": tenant}).status_code == 201
        assert api.post("/api/keys", json=body).status_code == 201


# --- who may make what


def test_a_key_makes_keys_within_its_own(
    api: httpx.Client, holding: Callable[[str], httpx.Client], tenant: str
) -> None:
    own = made(api, "keys:manage", "events:read", tenant_id=tenant, expires_in="2d")
    client = holding(own["key"])
    plain = made(client, "events:read")
    assert (plain["tenant_id"], plain["expires_at"]) == (tenant, own["expires_at"])
    assert made(client, "events:read", tenant_id=tenant, expires_in="1d")["expires_at"] < own["expires_at"]
    for fields, pointer in (
        ({"scopes": ["export"]}, "/scopes"),
        ({"tenant_id": "acme"}, "/tenant_id"),
        ({"expires_in": "3d"}, "/expires_at"),
    ):
        answer = client.post("/api/keys", json={"name": "k", "scopes": [], **fields})
        assert [error["pointer"] for error in problem(answer, 403, "beyond_your_own")["errors"]] == [pointer]
    assert len(api.get("/api/keys", params={"tenant_id": tenant}).json()["data"]) == 3


def test_an_admin_makes_a_key_for_their_siem(
    api: httpx.Client, holding: Callable[[str], httpx.Client], tenant: str
) -> None:
    client = holding(an_admin(api, tenant))
    key = made(client, "events:read", expires_in="90d")
    assert (key["tenant_id"], key["created_by"]) == (tenant, {"type": "user", "id": "usr_7", "name": "Sarah Chen"})
    assert holding(key["key"]).get("/api/audit-log").status_code == 200
    for scope in set(SCOPES) - {"events:read"}:
        problem(client.post("/api/keys", json={"name": "k", "scopes": [scope]}), 403, "beyond_your_own")
    (entry,) = entries(api, tenant, "audit_log.key_created")
    assert (entry["actor"]["id"], entry["targets"][0]["name"]) == ("usr_7", "Reporting")
    # A key that logs is the vendor's, also where it is for this tenant.
    vendors = made(api, "events:write", tenant_id=tenant)
    problem(client.delete(f"/api/keys/{vendors['key_id']}"), 403, "beyond_your_own")
    problem(client.post(f"/api/keys/{vendors['key_id']}/rotate", json={}), 403, "beyond_your_own")
    assert client.delete(f"/api/keys/{key['key_id']}").json()["status"] == "revoked"
    problem(holding(key["key"]).get("/api/audit-log"), 401, "unauthorized")


# --- seen


def test_lists_come_in_pages(api: httpx.Client, tenant: str) -> None:
    ids = [made(api, tenant_id=tenant)["key_id"] for _ in range(5)]
    api.delete(f"/api/keys/{ids[2]}")
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = api.get("/api/keys", params={"tenant_id": tenant, "limit": 2, **cursor}).json()
        found += [key["key_id"] for key in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == [ids[4], ids[3], ids[1], ids[0]]
    every = api.get("/api/keys", params={"tenant_id": tenant, "include_ended": "true"}).json()
    assert [key["key_id"] for key in every["data"]] == ids[::-1]
    assert every["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "parameter"),
    [("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit"), ("limit=1&limit=2", "limit"),
     ("cursor=x", "cursor"), ("cursor=", "cursor"), ("cursor=_____________________________w", "cursor"),
     ("include_ended=yes", "include_ended"), ("tenant_id=a%20b", "tenant_id"), ("tenant_id=", "tenant_id"),
     ("ended=true", "ended"), ("key=x", "key")],
)  # fmt: skip
def test_a_wrong_parameter_is_named(api: httpx.Client, query: str, parameter: str) -> None:
    body = problem(api.get(f"/api/keys?{query}"), 422, "invalid_parameter")
    assert [error["parameter"] for error in body["errors"]] == [parameter]


@pytest.mark.parametrize("key_id", ["631fe4f3-36fd-48f6-a401-e66a184b4d5c", "x", "0192f0c4", "%00", "..", "a" * 300])
def test_a_key_that_is_not_there(api: httpx.Client, key_id: str) -> None:
    code = "no_such_key" if key_id != ".." else "no_such_route"
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/rotate")):
        answer = api.request(method, f"/api/keys/{key_id}{path}", content=b"{}")
        if code == "no_such_key":
            problem(answer, 404, code)
        else:
            assert answer.status_code in {404, 405}


def test_the_keys_of_another_tenant_are_not_there(
    api: httpx.Client, holding: Callable[[str], httpx.Client], tenant: str
) -> None:
    """Neither are the vendor's own, which would do everything."""
    client = holding(made(api, "keys:manage", tenant_id=tenant)["key"])
    others = [made(api, tenant_id=f"{tenant}-other"), made(api)]
    for key in others:
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/rotate")):
            answer = client.request(method, f"/api/keys/{key['key_id']}{path}", content=b"{}")
            unknown = client.request(method, f"/api/keys/{uuid4()}{path}", content=b"{}")
            problem(answer, 404, "no_such_key")
            assert answer.text == unknown.text
        assert api.get(f"/api/keys/{key['key_id']}").json()["status"] == "active"
    assert {key["tenant_id"] for key in client.get("/api/keys").json()["data"]} == {tenant}
    problem(client.get("/api/keys", params={"tenant_id": f"{tenant}-other"}), 403, "wrong_tenant")


# --- ended


def test_a_revocation_is_answered_when_it_is_in_force_everywhere(service: Service, tenant: str) -> None:
    """Of two services side by side, each with two processes, none lets the key in once one has answered."""
    settings = {"INDELIBLE_ADMIN_KEY": service.key, "INDELIBLE_WORKERS": "2", "INDELIBLE_KEY_READ_LIMIT": "0"}
    with running_service(service.database, **settings) as address, service.client() as api:
        for _ in range(3):
            key = made(api, "events:read")
            users = [User(place, key["key"], tenant) for place in (address, service.address) * 2]
            time.sleep(0.5)
            assert api.delete(f"/api/keys/{key['key_id']}").status_code == 200
            for user in users:
                user.revoked.set()
            for user in users:
                user.join(60)
                assert set(user.before) >= {200}
                assert set(user.after) == {401}


class User(threading.Thread):
    """Uses a key all the time, and notes what came of it before and after it was revoked."""

    def __init__(self, address: str, key: str, tenant: str) -> None:
        super().__init__()
        self._url = f"{address}/api/audit-log?tenant_id={tenant}&limit=1"
        self._headers = {"authorization": f"Bearer {key}"}
        self.revoked = threading.Event()
        self.before: list[int] = []
        self.after: list[int] = []
        self.start()

    def run(self) -> None:
        while len(self.after) < 16:
            noted = self.after if self.revoked.is_set() else self.before
            # A connection of its own each time: it may come to any of the processes.
            noted.append(httpx.get(self._url, headers=self._headers, timeout=30).status_code)


def test_revoking_twice_is_revoking_once(api: httpx.Client, tenant: str) -> None:
    key = made(api, tenant_id=tenant)
    first = api.delete(f"/api/keys/{key['key_id']}").json()
    assert first["status"] == "revoked"
    assert api.delete(f"/api/keys/{key['key_id']}").json() == first
    assert len(entries(api, tenant, "audit_log.key_revoked")) == 1


def test_a_key_may_end_itself(api: httpx.Client, holding: Callable[[str], httpx.Client]) -> None:
    key = made(api, "keys:manage")
    client = holding(key["key"])
    assert client.delete(f"/api/keys/{key['key_id']}").status_code == 200
    body = problem(client.get("/api/keys"), 401, "unauthorized")
    assert "revoked" in body["detail"]


# --- replaced


def test_a_rotation_lets_both_work_for_a_while(
    api: httpx.Client, holding: Callable[[str], httpx.Client], tenant: str
) -> None:
    old = made(api, "events:read", tenant_id=tenant, expires_in="90d")
    answer = api.post(f"/api/keys/{old['key_id']}/rotate", json={"overlap": "24h"})
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    new = answer.json()
    assert new.keys() == SHOWN | {"key"}
    assert (new["name"], new["scopes"], new["tenant_id"]) == (old["name"], old["scopes"], tenant)
    assert new["replaces"] == old["key_id"]
    assert abs(ends(new) - ends(old)) < timedelta(minutes=1), "it lasts as long as the old one was made for"
    for key in (old, new):
        assert holding(key["key"]).get("/api/audit-log").status_code == 200
    left = api.get(f"/api/keys/{old['key_id']}").json()
    assert abs(ends(left) - datetime.now(UTC) - timedelta(hours=24)) < timedelta(seconds=30)
    # Once is enough: who did not get the answer finds the new one in the list.
    body = problem(api.post(f"/api/keys/{old['key_id']}/rotate", json={}), 409, "key_is_replaced")
    assert new["key_id"] in body["detail"]
    api.delete(f"/api/keys/{new['key_id']}")
    again = api.post(f"/api/keys/{old['key_id']}/rotate", json={}).json()
    assert abs(ends(again) - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=1)
    assert len(entries(api, tenant, "audit_log.key_rotated")) == 2


def ends(key: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(key["expires_at"])


def test_without_overlap_the_old_key_ends_at_once(api: httpx.Client, holding: Callable[[str], httpx.Client]) -> None:
    old = made(api, "keys:manage")
    new = api.post(f"/api/keys/{old['key_id']}/rotate", json={"overlap": "0m", "expires_in": "7d"}).json()
    problem(holding(old["key"]).get("/api/keys"), 401, "unauthorized")
    assert holding(new["key"]).get("/api/keys").status_code == 200
    assert abs(ends(new) - datetime.now(UTC) - timedelta(days=7)) < timedelta(seconds=30)


def test_a_key_that_rotates_itself_does_not_outlive_itself(
    api: httpx.Client, holding: Callable[[str], httpx.Client]
) -> None:
    """It would never end."""
    old = made(api, "keys:manage", expires_in="2d")
    client = holding(old["key"])
    answer = client.post(f"/api/keys/{old['key_id']}/rotate", json={"expires_in": "3d"})
    problem(answer, 403, "beyond_your_own")
    new = client.post(f"/api/keys/{old['key_id']}/rotate", json={}).json()
    assert new["expires_at"] == old["expires_at"]


def test_nobody_gets_at_a_greater_key_by_rotating_it(
    api: httpx.Client, holding: Callable[[str], httpx.Client], tenant: str
) -> None:
    own = holding(made(api, "keys:manage", tenant_id=tenant)["key"])
    greater = made(api, "events:read", tenant_id=tenant)
    problem(own.post(f"/api/keys/{greater['key_id']}/rotate", json={}), 403, "beyond_your_own")
    assert api.get(f"/api/keys/{greater['key_id']}").json()["expires_at"] is None


def test_a_key_that_ended_is_not_replaced(api: httpx.Client) -> None:
    key = made(api)
    api.delete(f"/api/keys/{key['key_id']}")
    problem(api.post(f"/api/keys/{key['key_id']}/rotate", json={}), 409, "key_has_ended")


@pytest.mark.parametrize("overlap", ["", "1", "1y", "-1h", "91d", "13w", "999999w", 24, None])
def test_a_wrong_overlap_is_named(api: httpx.Client, overlap: Any) -> None:
    key = made(api)
    answer = api.post(f"/api/keys/{key['key_id']}/rotate", json={"overlap": overlap})
    assert [error["pointer"] for error in problem(answer, 422, "invalid_body")["errors"]] == ["/overlap"]
    assert api.get(f"/api/keys/{key['key_id']}").json()["expires_at"] is None


# --- on record


def test_what_is_done_to_a_tenants_key_stands_in_its_ledger(api: httpx.Client, tenant: str) -> None:
    key = made(api, "export", "events:read", name="SIEM", tenant_id=tenant, expires_in="1d")
    new = api.post(f"/api/keys/{key['key_id']}/rotate", json={}).json()
    api.delete(f"/api/keys/{key['key_id']}")
    (created,) = entries(api, tenant, "audit_log.key_created")
    (rotated,) = entries(api, tenant, "audit_log.key_rotated")
    (revoked,) = entries(api, tenant, "audit_log.key_revoked")
    assert created["targets"] == [{"type": "api_key", "id": key["key_id"], "name": "SIEM"}]
    assert created["metadata"].items() >= {"scopes": ["events:read", "export"], "expires_at": key["expires_at"]}.items()
    assert [target["id"] for target in rotated["targets"]] == [key["key_id"], new["key_id"]]
    assert revoked["targets"] == created["targets"]
    assert not {key["key"], new["key"]} & set(re.findall(r"ind_\w+", repr([created, rotated, revoked])))


def test_what_is_done_to_a_key_of_the_vendors_stands_in_the_operators(api: httpx.Client) -> None:
    key = made(api, "events:read")
    api.delete(f"/api/keys/{key['key_id']}")
    for action in ("audit_log.key_created", "audit_log.key_revoked"):
        entry = entries(api, "indelible:operator", action)[-1]
        assert entry["targets"][0]["id"] == key["key_id"]


def test_a_refusal_is_on_record_too(api: httpx.Client, holding: Callable[[str], httpx.Client], tenant: str) -> None:
    client = holding(made(api, "keys:manage", tenant_id=tenant)["key"])
    problem(client.post("/api/keys", json={"name": "k", "scopes": ["events:read"]}), 403, "beyond_your_own")
    deadline = time.monotonic() + 10
    while True:
        answer = api.get("/api/audit-log", params={"tenant_id": tenant, "outcome": "denied"}).json()["data"]
        if answer or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert [entry["metadata"]["code"] for entry in answer] == ["beyond_your_own"]


def test_the_operators_ledger_is_for_whoever_manages_what_it_tells_of(
    api: httpx.Client, holding: Callable[[str], httpx.Client], tenant: str
) -> None:
    """A key that reads customers' logs does not read there who has which keys."""
    made(api)  # so that there is one
    operator = {"tenant_id": "indelible:operator"}
    paths = ("", "/checkpoint", "/vkeys")
    for scope in ("keys:manage", "tenants:manage"):
        client = holding(made(api, "events:read", scope)["key"])
        assert client.get("/api/audit-log", params=operator).status_code == 200
    others = set(SCOPES) - {"keys:manage", "tenants:manage"}
    for lesser in (made(api, "events:read"), made(api, *others)):
        client = holding(lesser["key"])
        assert client.get("/api/audit-log", params={"tenant_id": tenant}).status_code == 200
        for path in paths:
            problem(client.get(f"/api/audit-log{path}", params=operator), 403, "operators_ledger")
    # To whoever is bound to a tenant it is another tenant.
    bound = holding(made(api, *SCOPES, tenant_id=tenant)["key"])
    for path in paths:
        problem(bound.get(f"/api/audit-log{path}", params=operator), 403, "wrong_tenant")
    answer = problem(api.post("/api/keys", json={"name": "k", "scopes": [], **operator}), 422, "reserved_tenant")
    assert [error["pointer"] for error in answer["errors"]] == ["/tenant_id"]


def test_no_key_is_made_that_is_not_on_record(service: Service, tenant: str) -> None:
    """The ledger is locked by somebody: it cannot be told, so it is not done."""
    with service.client() as api:
        assert api.post("/api/tenants", json={"tenant_id": tenant}).status_code == 201
    settings = {"INDELIBLE_ADMIN_KEY": service.key, "INDELIBLE_APPEND_TIMEOUT": "1"}
    with (
        running_service(service.database, **settings) as address,
        httpx.Client(base_url=address, headers={"authorization": f"Bearer {service.key}"}, timeout=30) as api,
    ):
        key = made(api, tenant_id=tenant)
        with psycopg.connect(service.database.admin_url) as holder:
            holder.execute("SELECT FROM indelible.ledgers WHERE tenant_id = %s FOR UPDATE", (tenant,))
            for answer in (
                api.post("/api/keys", json={"name": "k", "scopes": [], "tenant_id": tenant}),
                api.post(f"/api/keys/{key['key_id']}/rotate", json={}),
                api.delete(f"/api/keys/{key['key_id']}"),
            ):
                problem(answer, 503, "unavailable")
        (left,) = api.get("/api/keys", params={"tenant_id": tenant}).json()["data"]
        assert left == {name: value for name, value in key.items() if name != "key"}


def test_the_service_writes_no_key_into_its_own_log(service: Service, tmp_path: Path) -> None:
    """Neither a new one nor one that is wrong."""
    port = free_port()
    settings = {
        "INDELIBLE_DATABASE_URL": service.database.url,
        "INDELIBLE_PORT": str(port),
        "INDELIBLE_ENVIRONMENT": "test",
        "INDELIBLE_ADMIN_KEY": service.key,
        "INDELIBLE_LOG_LEVEL": "debug",
    }
    address = f"http://127.0.0.1:{port}"
    with Command(tmp_path, "serve", **settings) as serve:
        wait_until_ready(address, serve.process)
        with httpx.Client(base_url=address, headers={"authorization": f"Bearer {service.key}"}, timeout=30) as api:
            key = made(api, "events:read")
            wrong = key["key"][:-1] + ("a" if key["key"][-1] != "a" else "b")
            httpx.get(f"{address}/api/keys", headers={"authorization": f"Bearer {wrong}"})
            api.delete(f"/api/keys/{key['key_id']}")
        assert serve.err
        for secret in (service.key, key["key"], wrong):
            assert secret not in serve.out + serve.err
