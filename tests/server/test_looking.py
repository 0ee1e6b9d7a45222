"""What is recorded of reading: which view or search it was, once, and nothing of what was not answered."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.conftest import Service
from tests.server.conftest import an_event, problem
from tests.store.samples import rows


@pytest.fixture
def logged(api: httpx.Client, tenant: str) -> list[str]:
    return [api.post("/api/audit-log", json=an_event(tenant)).json()["id"] for _ in range(3)]


@pytest.fixture
def sarah(service: Service, api: httpx.Client, tenant: str, logged: list[str]) -> httpx.Client:
    """Reads with a viewer token of the role admin."""
    assert logged
    wanted = {"tenant_id": tenant, "actor": {"id": "usr_7", "name": "Sarah Chen"}, "role": "admin"}
    token = api.post("/api/viewer-tokens", json=wanted).json()["token"]
    return httpx.Client(base_url=service.address, headers={"authorization": f"Bearer {token}"}, timeout=30)


def recorded(service: Service, tenant: str) -> list[tuple[str, dict[str, Any], list[str]]]:
    """Action, metadata and ids of the targets of each entry about reading, in order, from the database."""
    found = rows(
        service.database,
        "SELECT e.action, coalesce(p.metadata::jsonb -> 2, '{}'), convert_from(e.entry, 'UTF8')::jsonb -> 'targets' "
        "FROM indelible.events e LEFT JOIN indelible.event_personal p USING (tenant_id, seq, recorded_at) "
        "WHERE e.tenant_id = %s AND e.action LIKE 'audit_log.%%' AND e.action NOT LIKE '%%token%%' ORDER BY e.seq",
        tenant,
    )
    return [
        (action, {k: v for k, v in metadata.items() if k != "vendor_staff"}, [t["id"] for t in targets])
        for action, metadata, targets in found
    ]


def test_a_list_is_viewed_and_a_filtered_one_searched(service: Service, sarah: httpx.Client, tenant: str) -> None:
    queries: list[dict[str, Any]] = [
        {}, {"limit": 1}, {"tenant_id": tenant},
        {"q": "not there"}, {"q": "not there", "limit": 7},
        {"action": ["user.joined", "a.b"], "since": "7d"}, {"since": "7d", "action": ["a.b", "user.joined", "a.b"]},
        {"since": "8d", "event_type": "user.joined"},
    ]  # fmt: skip
    with sarah:
        for query in queries:
            assert sarah.get("/api/audit-log", params=query).status_code == 200
    assert recorded(service, tenant) == [
        ("audit_log.viewed", {}, []),
        ("audit_log.searched", {"query": "not there", "filters": {}, "results": 0}, []),
        ("audit_log.searched", {"filters": {"action": ["user.joined", "a.b"], "since": "7d"}, "results": 3}, []),
        ("audit_log.searched", {"filters": {"action": ["user.joined"], "since": "8d"}, "results": 3}, []),
    ]


def test_the_pages_of_a_list_are_one_view(service: Service, sarah: httpx.Client, tenant: str) -> None:
    with sarah:
        query = {"limit": "1"}
        pages = 0
        while True:
            page = sarah.get("/api/audit-log", params=query).json()
            pages += 1
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
    assert pages > 3
    assert recorded(service, tenant) == [("audit_log.viewed", {}, [])]


def test_a_program_that_polls_is_one_entry(service: Service, api: httpx.Client, tenant: str, logged: list[str]) -> None:
    for since in ("1h", "50m", "2h"):
        api.get("/api/audit-log", params={"tenant_id": tenant, "since": since, "action": "user.joined"})
    for id_ in logged:
        api.get(f"/api/audit-log/{id_}", params={"tenant_id": tenant})
    searched, viewed = recorded(service, tenant)
    assert searched == (
        "audit_log.searched", {"filters": {"since": "1h", "action": ["user.joined"]}, "results": 3}, [],
    )  # fmt: skip
    assert viewed == ("audit_log.viewed", {}, [])


def test_a_key_that_suddenly_reads_the_whole_history_is_another_entry(
    service: Service, api: httpx.Client, tenant: str, logged: list[str]
) -> None:
    """A stolen key must not hide behind the polling of whom it was stolen from."""
    assert logged
    for since in ("1h", "365d", "30m", "300d"):
        api.get("/api/audit-log", params={"tenant_id": tenant, "since": since})
    assert [metadata["filters"] for _, metadata, _ in recorded(service, tenant)] == [{"since": "1h"}, {"since": "365d"}]


def test_a_person_who_opens_events_is_recorded_for_each(
    service: Service, sarah: httpx.Client, tenant: str, logged: list[str]
) -> None:
    with sarah:
        for id_ in (*logged, logged[0]):
            assert sarah.get(f"/api/audit-log/{id_}").status_code == 200
    assert recorded(service, tenant) == [("audit_log.viewed", {}, [id_]) for id_ in logged]


def test_what_was_not_answered_is_not_recorded(service: Service, sarah: httpx.Client, tenant: str) -> None:
    with sarah:
        problem(sarah.get("/api/audit-log", params={"limit": 0, "q": "sarah"}), 422, "invalid_parameter")
        for path in ("0192f0c4-0000-7000-8000-000000000001", "0192f0c4-0000-7000-8000-000000000001/proof"):
            problem(sarah.get(f"/api/audit-log/{path}"), 404, "no_such_event")
        for path in ("checkpoint", "consistency?from=1", "vkeys"):
            assert sarah.get(f"/api/audit-log/{path}").status_code in (200, 404)
    assert [action for action, _, _ in recorded(service, tenant) if action != "audit_log.proof_downloaded"] == []


def test_a_filter_of_any_size_can_be_recorded(service: Service, sarah: httpx.Client, tenant: str) -> None:
    """An entry holds 32 KiB, and a query may hold more: then it is recorded how many values there were."""
    many = [f"{number:03}{'x' * 240}" for number in range(40)]
    with sarah:
        answer = sarah.get("/api/audit-log", params={"actor_id": many, "since": "7d"})
        assert answer.status_code == 200
    ((_, metadata, _),) = recorded(service, tenant)
    assert metadata == {"filters": {"actor_id": "40 values", "since": "7d"}, "results": 0}
