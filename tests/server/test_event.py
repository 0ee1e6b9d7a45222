"""GET /api/audit-log/{id}: one event with everything that proves it."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from uuid import uuid4

import httpx
import pytest

from tests.server.conftest import an_event, listed, problem

NONE = "631fe4f3-36fd-48f6-a401-e66a184b4d5c"  # no event's id
FIELDS = {
    "actor": {"type": "user", "id": "usr_7", "name": "Sarah Chen", "email": "sarah@acme.example"},
    "targets": [{"type": "user", "id": "usr_9", "name": "Alex Roman"}],
    "changes": {"role": {"from": "member", "to": "admin"}},
    "context": {"ip_address": "203.0.113.7"},
    "metadata": {"ticket": "4512"},
}


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def test_the_proof_material_can_be_checked_with_a_hash_function_alone(api: httpx.Client, tenant: str) -> None:
    """The entry's bytes hash to the leaf hash, and each disclosure to a digest in the entry. Nothing personal is in
    the entry itself, so that it can be erased."""
    logged = api.post("/api/audit-log", json=an_event(tenant, **FIELDS)).json()
    found = api.get(f"/api/audit-log/{logged['id']}", params={"tenant_id": tenant})
    assert found.status_code == 200
    event = found.json()
    assert b64url(sha256(b"\0" + event["entry"].encode()).digest()) == logged["leaf_hash"] == event["leaf_hash"]
    entry = json.loads(event["entry"])
    assert sorted(b64url(sha256(d.encode()).digest()) for d in event["disclosures"]) == entry["_sd"]
    opened = [json.loads(base64.urlsafe_b64decode(d + "=" * (-len(d) % 4))) for d in event["disclosures"]]
    assert {name for _, name, _ in opened} == {"actor", "targets", "changes", "context", "metadata"}
    assert len({salt for salt, _, _ in opened}) == 5
    assert all(secret not in event["entry"] for secret in ("Sarah", "sarah@", "Alex", "admin", "203.0.113.7", "4512"))
    assert (entry["seq"], entry["id"], entry["v"]) == (logged["seq"], logged["id"], 1)


def test_it_is_the_event_of_the_timeline_and_more(api: httpx.Client, tenant: str) -> None:
    logged = api.post("/api/audit-log", json=an_event(tenant, **FIELDS)).json()
    event = api.get(f"/api/audit-log/{logged['id']}", params={"tenant_id": tenant}).json()
    assert event.pop("entry")
    assert len(event.pop("disclosures")) == 5
    assert [event] == listed(api, tenant)


def test_each_entry_names_the_one_before_it(api: httpx.Client, tenant: str) -> None:
    for _ in range(3):
        api.post("/api/audit-log", json=an_event(tenant)).raise_for_status()
    page = api.get("/api/audit-log", params={"tenant_id": tenant}).json()["data"]
    by_seq = {event["seq"]: event for event in page}
    for seq in range(1, 4):
        event = api.get(f"/api/audit-log/{by_seq[seq]['id']}", params={"tenant_id": tenant}).json()
        assert json.loads(event["entry"])["prev"] == by_seq[seq - 1]["leaf_hash"]


@pytest.mark.parametrize("spelling", [str.upper, lambda i: i.replace("-", "")], ids=["upper case", "no hyphens"])
def test_an_id_may_be_spelled_in_its_usual_ways(api: httpx.Client, tenant: str, spelling: object) -> None:
    logged = api.post("/api/audit-log", json=an_event(tenant)).json()
    assert callable(spelling)
    answer = api.get(f"/api/audit-log/{spelling(logged['id'])}", params={"workspace_id": tenant})
    assert answer.json()["id"] == logged["id"]


def test_another_tenants_event_is_not_there(api: httpx.Client, tenant: str) -> None:
    """The answer is the same as for an event that nobody has."""
    logged = api.post("/api/audit-log", json=an_event(tenant)).json()
    api.post("/api/audit-log", json=an_event(f"{tenant}-2")).raise_for_status()
    for name, event_id in ((f"{tenant}-2", logged["id"]), (f"{tenant}-none", logged["id"]), (tenant, str(uuid4()))):
        body = problem(api.get(f"/api/audit-log/{event_id}", params={"tenant_id": name}), 404, "no_such_event")
        assert body["detail"] == f"tenant {name!r} has no event {event_id}"


@pytest.mark.parametrize(
    ("address", "parameters"),
    [
        ("/api/audit-log/7?tenant_id=a", {"event_id"}),
        ("/api/audit-log/a%00b?tenant_id=a", {"event_id"}),
        ("/api/audit-log/%FF?tenant_id=a", {"event_id"}),
        (f"/api/audit-log/{NONE}", {"tenant_id"}),
        (f"/api/audit-log/{NONE}?tenant_id=a&tenant_id=b", {"tenant_id"}),
        (f"/api/audit-log/{NONE}?tenant_id=a&limit=1", {"limit"}),
        ("/api/audit-log/x?q=1", {"event_id", "tenant_id", "q"}),
    ],
)
def test_a_bad_parameter_is_422_and_named(api: httpx.Client, address: str, parameters: set[str]) -> None:
    body = problem(api.get(address), 422, "invalid_parameter")
    assert {error["parameter"] for error in body["errors"]} == parameters
