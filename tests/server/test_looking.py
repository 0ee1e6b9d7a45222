"""What is recorded of reading: which view or search it was, once, and nothing of what was not answered."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from indelible.server.cursors import Cursor, Cursors
from indelible.store.places import Place
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
    # The number of the first answer would say nothing of those that came later.
    searched, viewed = recorded(service, tenant)
    assert searched == ("audit_log.searched", {"filters": {"since": "1h", "action": ["user.joined"]}}, [])
    assert viewed == ("audit_log.viewed", {}, [])


def test_a_key_that_suddenly_reads_the_whole_history_is_another_entry(
    service: Service, api: httpx.Client, tenant: str, logged: list[str]
) -> None:
    """A stolen key must not hide behind the polling of whom it was stolen from."""
    assert logged
    for since in ("1h", "365d", "30m", "300d"):
        api.get("/api/audit-log", params={"tenant_id": tenant, "since": since})
    assert [metadata["filters"] for _, metadata, _ in recorded(service, tenant)] == [{"since": "1h"}, {"since": "365d"}]


def test_a_search_that_found_nothing_hides_none(
    service: Service, api: httpx.Client, tenant: str, logged: list[str]
) -> None:
    """An empty list, of the future or of a day long past, must not be the one on record for all the others."""
    assert logged
    asked = [
        {"since": "2035-01-01T00:00:00Z"}, {"since": "2035-02-01T00:00:00Z"}, {"since": "2020-01-01T00:00:00Z"},
        {"until": "2020-01-01T00:00:00Z"}, {"until": "2020-01-01T23:00:00Z"}, {"until": "2035-01-01T00:00:00Z"},
        {"until": "900d"}, {"until": "1m"},
    ]  # fmt: skip
    for query in asked:
        assert api.get("/api/audit-log", params={"tenant_id": tenant, **query}).status_code == 200
    assert [metadata for _, metadata, _ in recorded(service, tenant)] == [
        {"filters": query} for number, query in enumerate(asked) if number not in (1, 4)
    ]


def test_a_page_behind_the_last_event_hides_no_search(service: Service, sarah: httpx.Client, tenant: str) -> None:
    """A cursor is the caller's to choose, of another list too: where nothing is behind it, the number would be 0."""
    ((secret,),) = rows(service.database, "SELECT secret FROM indelible.installation")
    behind = Cursors(bytes(secret)).write(Cursor(Place(datetime(1970, 1, 2, tzinfo=UTC), 0)), tenant)
    with sarah:
        for query in ({"cursor": behind}, {"cursor": behind}, {}):
            assert sarah.get("/api/audit-log", params={"q": "sarah", **query}).status_code == 200
    page, first = recorded(service, tenant)
    assert page == ("audit_log.searched", {"query": "sarah", "filters": {}}, [])
    assert first[1]["results"] > 0


def test_the_pages_of_a_search_are_on_record_with_the_first(service: Service, sarah: httpx.Client, tenant: str) -> None:
    with sarah:
        first = sarah.get("/api/audit-log", params={"action": "user.joined", "limit": 1}).json()
        for _ in range(2):
            query = {"action": "user.joined", "limit": 1, "cursor": first["next_cursor"]}
            assert sarah.get("/api/audit-log", params=query).json()["data"]
    assert recorded(service, tenant) == [
        ("audit_log.searched", {"filters": {"action": ["user.joined"]}, "results": 1, "more": True}, [])
    ]


def test_trying_ids_leaves_an_entry(service: Service, sarah: httpx.Client, tenant: str) -> None:
    """One in ten minutes, with the first id that was tried, for events and their proofs together."""
    nothing = "0192f0c4-0000-7000-8000-000000000001"
    with sarah:
        for path in (nothing, f"{nothing}/proof", "0192f0c4-0000-7000-8000-000000000002"):
            problem(sarah.get(f"/api/audit-log/{path}"), 404, "no_such_event")
    deadline = time.monotonic() + 10
    while not (found := recorded(service, tenant)) and time.monotonic() < deadline:
        time.sleep(0.05)
    ((action, metadata, _),) = found
    assert action == "audit_log.access_denied"
    assert (metadata["code"], metadata["path"]) == ("no_such_event", f"/api/audit-log/{nothing}")
    assert nothing in metadata["detail"]


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
    tried = ("audit_log.proof_downloaded", "audit_log.access_denied")
    assert [action for action, _, _ in recorded(service, tenant) if action not in tried] == []


def test_a_filter_of_any_size_can_be_recorded(service: Service, sarah: httpx.Client, tenant: str) -> None:
    """An entry holds 32 KiB, and a query may hold more: then it is recorded how many values there were."""
    many = [f"{number:03}{'x' * 240}" for number in range(40)]
    with sarah:
        answer = sarah.get("/api/audit-log", params={"actor_id": many, "since": "7d"})
        assert answer.status_code == 200
    ((_, metadata, _),) = recorded(service, tenant)
    assert metadata == {"filters": {"actor_id": "40 values", "since": "7d"}, "results": 0}
