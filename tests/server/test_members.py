"""A member sees, by every route, the events in which they are actor or target, and of these what the tenant allows."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from tests.server.conftest import Reader, an_event, problem

PARTS = ("changes", "ip_address", "metadata", "request_id", "session_id", "user_agent")
FIELDS: dict[str, Any] = {
    "action": "user.role_changed",
    "actor": {"type": "user", "id": "usr_7", "name": "Sarah Chen"},
    "targets": [{"type": "user", "id": "usr_9", "name": "Alex Roman"}],
    "changes": {"role": {"from": "member", "to": "hiddenchanges"}},
    "metadata": {"ticket": "hiddenmetadata"},
    "context": {
        "ip_address": "hiddenipaddress",
        "user_agent": "hiddenuseragent",
        "request_id": "hiddenrequestid",
        "session_id": "hiddensessionid",
    },
}


def word(part: str) -> str:
    """What the event has in this part."""
    return f"hidden{part.replace('_', '')}"


def log(api: httpx.Client, tenant: str, **fields: Any) -> str:
    answer = api.post("/api/audit-log", json=an_event(tenant, **{**FIELDS, **fields}))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def all_said(reader: httpx.Client, id_: str) -> str:
    """What the reader is told of an event, in the list and by itself, with its disclosures opened."""
    (listed,) = [e for e in reader.get("/api/audit-log").json()["data"] if e["id"] == id_]
    single = reader.get(f"/api/audit-log/{id_}")
    assert single.status_code == 200
    opened = [base64.urlsafe_b64decode(text + "==").decode() for text in single.json()["disclosures"]]
    return json.dumps([listed, single.json(), opened])


def test_a_member_sees_their_own_events_alone(api: httpx.Client, tenant: str, reader: Reader) -> None:
    target = log(api, tenant)
    actor = log(api, tenant, actor={"type": "user", "id": "usr_9"}, targets=[])
    other = log(api, tenant, targets=[{"type": "document", "id": "d"}, {"type": "user", "id": "usr_9"}])
    foreign = [
        log(api, tenant, targets=[]),
        log(api, tenant, targets=[{"type": "document", "id": "usr_9"}]),
        log(api, tenant, actor={"type": "api_key", "id": "usr_9"}, targets=[]),
    ]
    with reader() as alex:
        for query in ({}, {"tenant_id": tenant}, {"actor_id": ["usr_7", "usr_9"]}, {"q": "alex"}, {"since": "1d"}):
            seen = {e["id"] for e in alex.get("/api/audit-log", params=query).json()["data"]}
            assert seen.isdisjoint(foreign)
            assert seen & {target, actor, other}
        assert {target, actor, other} <= {e["id"] for e in alex.get("/api/audit-log").json()["data"]}
        for id_ in (target, actor, other):
            assert alex.get(f"/api/audit-log/{id_}").status_code == 200
        for id_ in foreign:
            for path in (id_, f"{id_}/proof"):
                said = problem(alex.get(f"/api/audit-log/{path}"), 404, "no_such_event")
                absent = problem(
                    alex.get(f"/api/audit-log/{path.replace(id_, '0' * 8 + id_[8:])}"), 404, "no_such_event"
                )
                assert said["detail"].replace(id_, "") == absent["detail"].replace("0" * 8 + id_[8:], "")


@pytest.mark.parametrize("sees", [(), PARTS, ("changes",), ("metadata",), ("request_id",), PARTS[:3]], ids="+".join)
def test_what_is_hidden_is_nowhere_in_the_answer(
    api: httpx.Client, tenant: str, reader: Reader, sees: tuple[str, ...]
) -> None:
    id_ = log(api, tenant)
    hidden = sorted(set(PARTS) - set(sees))
    with reader(sees=sees) as alex:
        said = all_said(alex, id_)
        assert "Sarah Chen" in said
        assert "Alex Roman" in said
        for part in PARTS:
            assert (word(part) in said) == (part in sees), part
        for event in json.loads(said)[:2]:
            assert event.get("withheld", []) == hidden
        for part in PARTS:
            hits = alex.get("/api/audit-log", params={"q": word(part), "action": "user.role_changed"}).json()
            assert [e["id"] for e in hits["data"]] == ([id_] if part in sees and part != "user_agent" else []), part
    with reader("admin", "usr_1", sees=sees) as admin:
        said = all_said(admin, id_)
        assert all(word(part) in said for part in PARTS)
        assert "withheld" not in said


def test_what_the_tenant_hides_later_is_hidden_from_a_token_that_is_out(
    api: httpx.Client, tenant: str, reader: Reader
) -> None:
    id_ = log(api, tenant)
    with reader(sees=("changes",)) as alex:
        assert "hiddenchanges" in all_said(alex, id_)
        api.patch(f"/api/tenants/{tenant}", json={"settings": {"member_sees": []}})
        assert "hiddenchanges" not in all_said(alex, id_)
        api.patch(f"/api/tenants/{tenant}", json={"settings": {"member_access": False}})
        for path in ("", f"/{id_}", f"/{id_}/proof", "/checkpoint", "/consistency?from=1", "/vkeys"):
            problem(alex.get(f"/api/audit-log{path}"), 403, "members_not_allowed")


def test_a_tokens_filter_holds_whatever_is_asked_for(api: httpx.Client, tenant: str, reader: Reader) -> None:
    auth = log(api, tenant, action="auth.login_succeeded", targets=[])
    role = log(api, tenant)
    with reader("admin", "usr_1", filter={"action": ["auth.login_succeeded"]}) as auditor:
        for query in (
            {},
            {"q": "sarah"},
            {"actor_id": "usr_7"},
            {"action": ["user.role_changed", "auth.login_succeeded"]},
        ):
            assert [e["id"] for e in auditor.get("/api/audit-log", params=query).json()["data"]] == [auth]
        assert auditor.get("/api/audit-log", params={"action": "user.role_changed"}).json()["data"] == []
        everything = api.get("/api/audit-log", params={"tenant_id": tenant, "limit": 1}).json()
        cursor = {"cursor": everything["next_cursor"]}
        assert role not in auditor.get("/api/audit-log", params=cursor).text
        for path in (role, f"{role}/proof"):
            problem(auditor.get(f"/api/audit-log/{path}"), 404, "no_such_event")
        assert auditor.get(f"/api/audit-log/{auth}").status_code == 200


def test_a_member_pages_through_their_own(api: httpx.Client, tenant: str, reader: Reader) -> None:
    own = []
    for number in range(6):
        own.append(log(api, tenant, metadata={"n": number}))
        log(api, tenant, targets=[])
    with reader() as alex:
        seen: list[str] = []
        query = {"limit": "2", "action": "user.role_changed"}
        while True:
            page = alex.get("/api/audit-log", params=query).json()
            seen += [e["id"] for e in page["data"]]
            if page["next_cursor"] is None:
                break
            assert len(page["data"]) == 2
            query["cursor"] = page["next_cursor"]
        assert seen == own[::-1]
