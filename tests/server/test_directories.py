"""GET /api/audit-log/actors, /targets and /actions: what a viewer offers to whoever types."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.conftest import Service
from tests.server.conftest import Reader, an_event, problem
from tests.server.test_looking import recorded

PATHS = [f"/api/audit-log/{name}" for name in ("actors", "targets", "actions")]
ACTORS, TARGETS, ACTIONS = PATHS

SARAH = {"type": "user", "id": "usr_7", "name": "Sarah Chen", "email": "sarah@acme.example"}
MARKED: list[dict[str, Any]] = [
    {"action": "user.role_changed", "actor": SARAH, "targets": [{"type": "team", "id": "t_1", "name": "Ops & Sarah"}]},
    {"action": "widget.spun", "actor": {"type": "api_key", "id": "key_1"}, "targets": [{"type": "user", "id": "u_2"}]},
]


@pytest.fixture
def log(api: httpx.Client, tenant: str) -> None:
    events = [an_event(tenant, **each) for each in MARKED]
    assert api.post("/api/audit-log/batch", json=events).status_code == 201


@pytest.mark.usefixtures("log")
def test_what_they_look_like(api: httpx.Client, tenant: str) -> None:
    def listed(path: str, **query: Any) -> dict[str, Any]:
        answer = api.get(path, params={"tenant_id": tenant, **query})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json"), answer.text
        found: dict[str, Any] = answer.json()
        return found

    team = {"type": "team", "id": "t_1", "name": "Ops & Sarah"}
    changed = {
        "action": "user.role_changed", "title": "Role changed", "category": "access", "operation": "updated",
        "severity": "notice", "registered": True,
    }  # fmt: skip
    spun = dict.fromkeys(("title", "category", "operation", "severity")) | {"action": "widget.spun"}
    assert listed(ACTORS, q="sar") == {"data": [SARAH], "partial": False}
    assert listed(TARGETS, q="sar") == {"data": [team], "partial": False}
    assert listed(TARGETS, type="user") == {"data": [{"type": "user", "id": "u_2"}], "partial": False}
    found = listed(ACTIONS, q="role")
    assert found["data"][0].keys() == changed.keys()
    assert {k: v for k, v in found["data"][0].items() if k not in ("title", "severity")} == {
        k: v for k, v in changed.items() if k not in ("title", "severity")
    }
    assert listed(ACTIONS, q="spin") == {"data": [], "partial": False}
    assert listed(ACTIONS, q="spun") == {"data": [{**spun, "registered": False}], "partial": False}
    for path in PATHS:
        assert listed(path, limit=1)["partial"] is True
        assert listed(path, q="nobody and nothing") == {"data": [], "partial": False}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("query", "parameter"),
    [("limit=0", "limit"), ("limit=101", "limit"), ("q=" + "x" * 257, "q"), ("q=%00", "q"), ("q=a&q=b", "q"),
     ("since=7d", "since"), ("action=a", "action")],
)  # fmt: skip
def test_a_wrong_parameter_is_named(api: httpx.Client, tenant: str, path: str, query: str, parameter: str) -> None:
    body = problem(api.get(f"{path}?tenant_id={tenant}&{query}"), 422, "invalid_parameter")
    assert [error["parameter"] for error in body["errors"]] == [parameter]


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize("q", ["'", "\\", "%", "sar%", "x & y | !z", "'sar':*", "*", "\u0301", "\U0001f600"])
def test_any_text_is_only_a_text(api: httpx.Client, tenant: str, q: str) -> None:
    """No pattern, and no query."""
    for path in PATHS:
        answer = api.get(path, params={"tenant_id": tenant, "q": q})
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"] == [] or "sar" in q
    everything = [api.get(path, params={"tenant_id": tenant, "q": "  "}).json()["data"] for path in PATHS]
    assert all(everything)


@pytest.mark.usefixtures("log")
def test_whoever_sees_a_part_chooses_from_it(api: httpx.Client, tenant: str, reader: Reader) -> None:
    hidden = an_event(tenant, action="hidden.done", actor={"type": "user", "id": "h", "name": "Hidden Sarah"},
                      targets=[{"type": "hidden", "id": "hidden", "name": "Hidden Sarah"}])  # fmt: skip
    assert api.post("/api/audit-log", json=hidden).status_code == 201
    with reader("member", "usr_7") as member, reader("admin", "a", filter={"action": ["user.role_changed"]}) as viewer:
        # That a token was issued for her is hers to see, and that she looked.
        own = ["audit_log.token_issued", "audit_log.viewed", "user.role_changed"]
        for client, seen in ((member, own), (viewer, own[2:])):
            told = "".join(client.get(path, params={"q": q}).text for path in PATHS for q in ("", "sarah", "hid", "h"))
            assert "idden" not in told
            assert "Sarah Chen" in told
            assert [each["action"] for each in client.get(ACTIONS).json()["data"]] == seen


@pytest.mark.usefixtures("log")
def test_choosing_is_looking(service: Service, api: httpx.Client, tenant: str) -> None:
    """Names are told. With the list of events, it is one entry."""
    for path in PATHS:
        for q in ("s", "sa"):
            assert api.get(path, params={"tenant_id": tenant, "q": q}).status_code == 200
    assert api.get("/api/audit-log", params={"tenant_id": tenant}).status_code == 200
    assert recorded(service, tenant) == [("audit_log.viewed", {}, [])]
