"""POST /api/audit-log: what a 201 promises, and that a retry changes nothing."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest

from tests.conftest import Service
from tests.server.conftest import an_event, listed, problem, receipt

pytestmark = pytest.mark.anyio

WHOLE = {
    "occurred_at": "2026-11-21T10:30:00.123456+01:00",
    "actor": {"type": "user", "id": "usr_7", "name": "Sarah Chen", "email": "sarah@acme.example",
              "impersonator": {"id": "sup_3", "name": "Ada", "reason": "ticket 4512"}},
    "targets": [{"type": "user", "id": "usr_9", "name": "Alex Roman"}, {"type": "team"}],
    "changes": {"role": {"from": "member", "to": "admin"}, "note": {"to": None}},
    "outcome": "denied",
    "source": "ui",
    "context": {"ip_address": "not an address", "user_agent": "Möbius 😀"},
    "metadata": {"n": 2**60, "f": 0.1, "list": [None, True, {"a": "\u2028"}], "password": "hunter2"},
}  # fmt: skip


def test_an_event_is_durable_and_found_at_once(api: httpx.Client, tenant: str) -> None:
    """No background step stands between the answer and the truth."""
    now = datetime.now(UTC)
    answer = api.post("/api/audit-log", json=an_event(tenant))
    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/json")
    logged = answer.json()
    assert (logged["tenant_id"], logged["seq"], logged["registered"]) == (tenant, 1, True)
    assert UUID(logged["id"]).version == 7
    assert abs(datetime.fromisoformat(logged["recorded_at"]) - now) < timedelta(minutes=1)
    (event,) = listed(api, tenant)
    assert {name: event[name] for name in receipt(logged)} == receipt(logged)


def test_it_comes_back_as_it_was_sent(api: httpx.Client, tenant: str) -> None:
    """But for secrets, which are masked, and the time, which is in UTC milliseconds."""
    occurred_at = datetime.now(UTC).replace(microsecond=123456)
    sent = an_event(tenant, **{**WHOLE, "occurred_at": occurred_at.astimezone().isoformat()})
    api.post("/api/audit-log", json=sent).raise_for_status()
    (event,) = listed(api, tenant)
    expected = {**sent, "occurred_at": occurred_at.strftime("%Y-%m-%dT%H:%M:%S.123Z")}
    expected["metadata"] = {**WHOLE["metadata"], "password": "[masked]"}  # type: ignore[dict-item]
    assert {name: event[name] for name in expected} == expected
    assert event.keys() - expected.keys() == {
        "id", "seq", "recorded_at", "leaf_hash", "sentence", "category", "operation", "severity", "registered",
    }  # fmt: skip


def test_an_unknown_action_is_accepted_and_gets_a_sentence(api: httpx.Client, tenant: str) -> None:
    """An audit event is never refused over a label."""
    sent = an_event(tenant, action="widget.frobnicated", actor={"type": "user", "id": "u", "name": "Sarah Chen"})
    assert api.post("/api/audit-log", json=sent).json()["registered"] is False
    (event,) = listed(api, tenant)
    assert (event["registered"], event["category"], event["operation"], event["severity"]) == (False, None, None, None)
    assert "Sarah Chen" in event["sentence"]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"tenant_id": None}, "/tenant_id"),
        ({"actor": {}}, "/actor/type"),
        ({"action": 5}, "/action"),
        ({"surprise": 1}, "/surprise"),
        ({"id": "x"}, "/id"),
        ({"metadata": {"a": "\0"}}, "/metadata/a"),
        ({"changes": {"a": {"old": 1}}}, "/changes/a/old"),
    ],
)
def test_a_bad_event_is_422_and_points_at_the_field(
    api: httpx.Client, tenant: str, fields: dict[str, object], pointer: str
) -> None:
    body = problem(api.post("/api/audit-log", json=an_event(tenant, **fields)), 422, "invalid_event")
    assert [error["pointer"] for error in body["errors"]] == [pointer]
    assert listed(api, tenant) == []


@pytest.mark.parametrize("action", ["ledger.created", "ledger.erased", "audit_log.exported"])
def test_nobody_but_the_service_records_what_the_service_does(api: httpx.Client, tenant: str, action: str) -> None:
    """An application could otherwise forge an erasure."""
    body = problem(api.post("/api/audit-log", json=an_event(tenant, action=action)), 422, "reserved_action")
    assert body["errors"][0]["pointer"] == "/action"


def test_times_too_far_ahead_are_refused(api: httpx.Client, tenant: str) -> None:
    late = (datetime.now(UTC) + timedelta(minutes=6)).isoformat()
    body = problem(api.post("/api/audit-log", json=an_event(tenant, occurred_at=late)), 422, "invalid_time")
    assert body["errors"][0]["pointer"] == "/occurred_at"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b"\xef\xbb\xbf{}", b'{"tenant_id":"\\ud800"}', b'{"metadata":' + b'{"a":' * 3000],
)
def test_what_is_no_json_is_400(api: httpx.Client, content: bytes) -> None:
    problem(api.post("/api/audit-log", content=content), 400, "malformed_json")


@pytest.mark.parametrize("depth", [70, 300, 450, 900, 1500])
def test_deep_nesting_is_an_error_of_the_clients(api: httpx.Client, tenant: str, depth: int) -> None:
    content = json.dumps(an_event(tenant, metadata={"n": 0})).replace('"n": 0', '"n": ' + "[" * depth + "]" * depth)
    answer = api.post("/api/audit-log", content=content)
    assert answer.status_code in {400, 422}
    problem(answer, answer.status_code, answer.json()["code"])


def test_the_deepest_nesting_that_is_taken_comes_back(api: httpx.Client, tenant: str) -> None:
    """And may be read, listed and verified: the limit is one for all parts."""
    nested: object = "x"
    for _ in range(63):
        nested = {"a": nested}
    sent = an_event(tenant, metadata={"n": nested}, changes={"c": {"to": nested}})
    api.post("/api/audit-log", json=sent).raise_for_status()
    (event,) = listed(api, tenant)
    assert (event["metadata"], event["changes"]) == (sent["metadata"], sent["changes"])


def test_a_retry_gets_the_first_answer(api: httpx.Client, tenant: str) -> None:
    sent = an_event(tenant, id=str(uuid4()), **WHOLE) | {"occurred_at": datetime.now(UTC).isoformat()}
    first = api.post("/api/audit-log", json=sent)
    api.post("/api/audit-log", json=an_event(tenant)).raise_for_status()
    again = api.post("/api/audit-log", json=sent)
    assert (first.status_code, again.status_code) == (201, 200)
    assert receipt(first.json()) == receipt(again.json())
    assert len(listed(api, tenant)) == 2


def test_a_retry_is_known_by_its_content_and_not_by_its_spelling(api: httpx.Client, tenant: str) -> None:
    """A client in another language orders keys, escapes and ids in another way."""
    event_id = str(uuid4())
    first = api.post("/api/audit-log", json=an_event(tenant, id=event_id, metadata={"b": 1, "a": "é"}))
    spelled = (
        f'{{"metadata":{{"a":"\\u00e9","b":1}}, "id":"{event_id.upper()}","context":{{}},"targets":[],'
        f'"actor":{{"id":"usr_7","type":"user"}},"action":"user.joined","outcome":"success","tenant_id":"{tenant}"}}'
    )
    again = api.post("/api/audit-log", content=spelled.encode())
    assert (again.status_code, receipt(again.json())) == (200, receipt(first.json()))


@pytest.mark.parametrize("other", [{"action": "user.left"}, {"metadata": {"a": 1}}, {"actor": {"type": "system"}}])
def test_an_id_belongs_to_one_event(api: httpx.Client, tenant: str, other: dict[str, object]) -> None:
    event_id = str(uuid4())
    api.post("/api/audit-log", json=an_event(tenant, id=event_id)).raise_for_status()
    body = problem(api.post("/api/audit-log", json=an_event(tenant, id=event_id, **other)), 409, "id_conflict")
    assert body["errors"][0]["pointer"] == "/id"
    assert [event["action"] for event in listed(api, tenant)] == ["user.joined"]


def test_an_id_is_the_tenants_own(api: httpx.Client, tenant: str) -> None:
    """Another tenant's ids can neither be taken nor found out."""
    event_id = str(uuid4())
    for name in (tenant, f"{tenant}-2"):
        assert api.post("/api/audit-log", json=an_event(name, id=event_id)).status_code == 201


async def test_a_hundred_identical_posts_at_once_are_one_event(service: Service, tenant: str) -> None:
    sent = an_event(tenant, id=str(uuid4()), metadata={"n": 1})
    headers = {"authorization": f"Bearer {service.key}"}
    async with httpx.AsyncClient(base_url=service.address, headers=headers, timeout=30) as client:
        answers = await asyncio.gather(*[client.post("/api/audit-log", json=sent) for _ in range(100)])
    assert sorted(answer.status_code for answer in answers) == [200] * 99 + [201]
    assert len({json.dumps(receipt(answer.json())) for answer in answers}) == 1
    with service.client() as api:
        assert len(listed(api, tenant)) == 1


async def test_events_sent_at_once_are_numbered_without_gaps(service: Service, tenant: str) -> None:
    headers = {"authorization": f"Bearer {service.key}"}
    async with httpx.AsyncClient(base_url=service.address, headers=headers, timeout=30) as client:
        answers = await asyncio.gather(*[client.post("/api/audit-log", json=an_event(tenant)) for _ in range(100)])
    assert sorted(answer.json()["seq"] for answer in answers) == list(range(1, 101))
