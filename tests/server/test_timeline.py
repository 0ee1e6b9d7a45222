"""GET /api/audit-log: order, pages and filters."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.conftest import an_event, listed, problem

URL = "/api/audit-log"
Logged = dict[str, Any]


def log_all(api: httpx.Client, events: list[Logged]) -> None:
    assert api.post(f"{URL}/batch", json=events).status_code == 201


def ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).isoformat()


def place(event: Logged) -> tuple[str, int]:
    return event["occurred_at"], event["seq"]


def test_newest_first_by_what_occurred_and_then_by_number(api: httpx.Client, tenant: str) -> None:
    """Whatever order the events came in, and with many of one moment."""
    hours = [3, 1, 2, 2, 1, 3, 3, 2]
    moments = {hour: ago(hours=hour) for hour in hours}
    log_all(api, [an_event(tenant, occurred_at=moments[hour]) for hour in hours])
    events = listed(api, tenant, limit=3)
    assert [event["seq"] for event in events] == [5, 2, 8, 4, 3, 7, 6, 1]
    assert events == sorted(events, key=place, reverse=True)


@pytest.mark.parametrize("limit", [1, 7, 25, 1000])
def test_pages_hold_every_event_once_while_new_ones_arrive(api: httpx.Client, tenant: str, limit: int) -> None:
    """What was there when the walk began is seen exactly once, in order; a new event never shifts a page."""
    same = ago(minutes=5)
    log_all(api, [an_event(tenant, occurred_at=same if n % 2 else ago(hours=n), metadata={"n": n}) for n in range(25)])
    seen: list[Logged] = []
    cursor: dict[str, str] = {}
    while True:
        page = api.get(URL, params={"tenant_id": tenant, "limit": limit, **cursor}).json()
        assert len(page["data"]) <= limit
        seen += page["data"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
        log_all(api, [an_event(tenant, metadata={"n": "new"})])
    assert sorted(e["metadata"]["n"] for e in seen if e["action"] != "ledger.created") == list(range(25))
    assert seen == sorted(seen, key=place, reverse=True)


def test_the_last_page_says_that_it_is_the_last(api: httpx.Client, tenant: str) -> None:
    """Also where it is just full."""
    log_all(api, [an_event(tenant) for _ in range(4)])
    page = api.get(URL, params={"tenant_id": tenant, "limit": 5}).json()
    assert (len(page["data"]), page["next_cursor"]) == (5, None)
    assert api.get(URL, params={"tenant_id": f"{tenant}-none"}).json() == {"data": [], "next_cursor": None}


MIXED: list[Logged] = [
    {"action": "user.joined", "actor": {"type": "user", "id": "a"}, "targets": [{"type": "team", "id": "t"}]},
    {"action": "user.role_changed", "actor": {"type": "user", "id": "b"}, "outcome": "denied", "source": "ui"},
    {"action": "document.viewed", "actor": {"type": "api_key", "id": "a"}, "targets": [{"type": "document"}]},
    {"action": "record.deleted", "actor": {"type": "system"}, "targets": [{"type": "x"}, {"type": "team", "id": "t"}]},
    {"action": "widget.spun", "actor": {"type": "user"}, "outcome": "failure", "source": "background"},
    {"action": "user.role_changed", "actor": {"type": "user", "id": "%' OR 1=1 --"}, "source": "admin_panel"},
    {"action": "user.role_changed", "actor": {"type": "user", "id": "a"}, "targets": [{"type": "team", "id": "%"}]},
]


def target(event: Logged) -> dict[str, str]:
    return event["targets"][0] if event["targets"] else {}


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("action=user.joined", lambda e: e["action"] == "user.joined"),
        ("event_type=user.joined", lambda e: e["action"] == "user.joined"),
        ("action=user.joined&action=widget.spun", lambda e: e["action"] in {"user.joined", "widget.spun"}),
        ("action=user.joined&event_type=widget.spun", lambda e: e["action"] in {"user.joined", "widget.spun"}),
        ("action=user%25", lambda _: False),
        ("category=access", lambda e: e["category"] == "access"),
        ("category=access&category=data", lambda e: e["category"] in {"access", "data"}),
        ("operation=updated", lambda e: e["operation"] == "updated"),
        ("outcome=denied&outcome=failure", lambda e: e["outcome"] != "success"),
        ("source=ui", lambda e: e["source"] == "ui"),
        ("actor_id=a", lambda e: e["actor"].get("id") == "a"),
        ("actor_id=%25'+OR+1%3D1+--", lambda e: e["actor"].get("id") == "%' OR 1=1 --"),
        ("actor_type=system", lambda e: e["actor"]["type"] == "system"),
        ("actor_id=a&actor_type=user", lambda e: e["actor"] == {"type": "user", "id": "a"}),
        ("target_type=team", lambda e: target(e).get("type") == "team"),
        ("resource_type=team&resource_id=t", lambda e: target(e) == {"type": "team", "id": "t"}),
        ("target_id=%25", lambda e: target(e).get("id") == "%"),
        ("target_id=none", lambda _: False),
    ],
)
def test_filters(api: httpx.Client, tenant: str, query: str, kept: Callable[[Logged], bool]) -> None:
    """Each means what it says, of the primary target only; several of a kind mean any, several kinds all."""
    log_all(api, [{"tenant_id": tenant, **event} for event in MIXED])
    everything = listed(api, tenant)
    assert len(everything) == len(MIXED)
    answer = api.get(f"{URL}?tenant_id={tenant}&{query}")
    assert answer.status_code == 200, answer.text
    found = [event for event in answer.json()["data"] if event["action"] != "ledger.created"]
    assert found == [event for event in everything if kept(event)]


def test_words_are_found_in_what_is_disclosed(api: httpx.Client, tenant: str) -> None:
    """All of them, by their beginnings, in either case, and at once after the 201."""
    log_all(api, [
        an_event(tenant, actor={"type": "user", "name": "Sarah Chen", "email": "sarah@acme.example"}),
        an_event(tenant, targets=[{"type": "user", "name": "Sarah Connor"}]),
        an_event(tenant, metadata={"note": "moved to the 4th floor"}),
    ])  # fmt: skip
    found = {q: [event["seq"] for event in listed(api, tenant, q=q)] for q in ("sarah", "SAR chen", "floor", "none")}
    assert found == {"sarah": [2, 1], "SAR chen": [1], "floor": [3], "none": []}
    for q in ("", " ", "%00", "x" * 1001):
        body = problem(api.get(f"{URL}?tenant_id={tenant}&q={q}"), 422, "invalid_parameter")
        assert [error["parameter"] for error in body["errors"]] == ["q"]


def test_workspace_id_is_another_name_for_the_tenant(api: httpx.Client, tenant: str) -> None:
    log_all(api, [an_event(tenant)])
    assert len(api.get(URL, params={"workspace_id": tenant}).json()["data"]) == 2
    problem(api.get(URL, params={"workspace_id": tenant, "tenant_id": tenant}), 422, "invalid_parameter")


def test_since_is_inclusive_and_until_exclusive(api: httpx.Client, tenant: str) -> None:
    """So that one day's until is the next day's since, and no event is in both or neither."""
    moment = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    stamps = [moment - timedelta(milliseconds=1), moment, moment + timedelta(milliseconds=1)]
    log_all(api, [an_event(tenant, occurred_at=stamp.isoformat()) for stamp in stamps])
    text = moment.isoformat().replace("+00:00", "Z")
    assert [e["seq"] for e in listed(api, tenant, since=text)] == [3, 2]
    assert [e["seq"] for e in listed(api, tenant, until=text)] == [1]
    elsewhere = moment.astimezone().isoformat()
    assert [e["seq"] for e in listed(api, tenant, since=elsewhere)] == [3, 2]
    assert listed(api, tenant, since=text, until=text) == []


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"since": "30m"}, ["1 minute"]),
        ({"since": "24h"}, ["1 minute", "2 hours"]),
        ({"since": "7d"}, ["1 minute", "2 hours", "3 days"]),
        ({"since": "2w"}, ["1 minute", "2 hours", "3 days", "10 days"]),
        ({"until": "1h"}, ["2 hours", "3 days", "10 days"]),
        ({"since": "4d", "until": "1d"}, ["3 days"]),
        ({"since": "0m"}, []),
        ({"since": "1d", "until": "2d"}, []),
    ],
)
def test_spans_count_back_from_now(
    api: httpx.Client, tenant: str, parameters: dict[str, str], found: list[str]
) -> None:
    spans = {"1 minute": ago(minutes=1), "2 hours": ago(hours=2), "3 days": ago(days=3), "10 days": ago(days=10)}
    log_all(api, [an_event(tenant, occurred_at=at, metadata={"ago": name}) for name, at in spans.items()])
    assert [event["metadata"]["ago"] for event in listed(api, tenant, **parameters)] == found


def cursor(micros: int, seq: int) -> str:
    return base64.urlsafe_b64encode(struct.pack(">qq", micros, seq)).decode().rstrip("=")


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "tenant_id"),
        ("tenant_id=", "tenant_id"),
        ("tenant_id=a%20b", "tenant_id"),
        ("tenant_id=a%00", "tenant_id"),
        ("tenant_id=%FF", "tenant_id"),
        ("tenant_id=a&tenant_id=b", "tenant_id"),
        *[(f"tenant_id=a&limit={limit}", "limit")
          for limit in ("0", "-1", "1001", "", "ten", "1.0", "1e2", "1_0", "+1", "%EF%BC%91", "99999999999",
                        "5&limit=6")],
        *[(f"tenant_id=a&since={since}", "since")
          for since in ("", "yesterday", "7", "7y", "-7d", "1.5d", "7d7d", "2026-11-21", "2026-11-21T09:30:00",
                        "2026-11-21T09:30:60Z", "0001-01-01T00:00:00%2B01:00", "999999w", "%EF%BC%97d", "7d&since=8d",
                        "2026-11-21T09:30:00+01:00", "7d%00")],
        ("tenant_id=a&until=never", "until"),
        *[(f"tenant_id=a&cursor={text}", "cursor")
          for text in ("", "x", "A" * 21, "A" * 23, "A" * 4000, "%00", "%C3%A9", f"{cursor(0, 0)}%3D%3D",
                       cursor(0, 0)[:-1] + "B", cursor(2**62, 0), cursor(-(2**63), 0), f"{cursor(0, 0)}&cursor=x")],
        ("tenant_id=a&action=", "action"),
        ("tenant_id=a&action=a%00b", "action"),
        (f"tenant_id=a&action={'x' * 257}", "action"),
        ("tenant_id=a&category=none", "category"),
        ("tenant_id=a&category=auth&category=Auth", "category"),
        ("tenant_id=a&operation=read", "operation"),
        ("tenant_id=a&outcome=ok", "outcome"),
        ("tenant_id=a&source=web", "source"),
        ("tenant_id=a&actor_type=robot", "actor_type"),
        ("tenant_id=a&actor_id=", "actor_id"),
        ("tenant_id=a&target_id=%00", "target_id"),
        ("tenant_id=a&actorid=a", "actorid"),
        ("tenant_id=a&offset=10", "offset"),
        ("tenant_id=a&=", ""),
    ],
)  # fmt: skip
def test_a_bad_parameter_is_422_and_named(api: httpx.Client, query: str, parameter: str) -> None:
    """A filter that is misread shows too much or too little, and nobody notices."""
    body = problem(api.get(f"{URL}?{query}"), 422, "invalid_parameter")
    assert [error["parameter"] for error in body["errors"]] == [parameter]
    assert parameter in body["detail"]


def test_a_plus_that_became_a_space_is_explained(api: httpx.Client) -> None:
    """As everybody writes it once."""
    for since, hinted in (("2026-11-21T09:30:00+01:00", True), ("2026-11-21", False), ("7%20d", False)):
        body = problem(api.get(f"{URL}?tenant_id=a&since={since}"), 422, "invalid_parameter")
        assert ("write + as %2B" in body["detail"]) is hinted


def test_everything_that_is_wrong_is_said_at_once(api: httpx.Client) -> None:
    body = problem(api.get(f"{URL}?limit=0&since=x&actor_idd=1"), 422, "invalid_parameter")
    assert {error["parameter"] for error in body["errors"]} == {"tenant_id", "limit", "since", "actor_idd"}
    assert "did you mean actor_id?" in body["detail"]


@pytest.mark.parametrize("micros", [0, -62135596800 * 10**6, 253402300799 * 10**6])
@pytest.mark.parametrize("seq", [0, -1, 2**63 - 1, -(2**63)])
def test_a_cursor_that_somebody_made_up_shows_nothing_else(
    api: httpx.Client, tenant: str, micros: int, seq: int
) -> None:
    """It is a place in the caller's own question and no permission: at most it is a strange place."""
    log_all(api, [an_event(tenant)])
    answer = api.get(URL, params={"tenant_id": tenant, "cursor": cursor(micros, seq)})
    assert answer.status_code == 200
    assert {event["tenant_id"] for event in answer.json()["data"]} <= {tenant}


def test_a_tenant_sees_its_own_events_only(api: httpx.Client, tenant: str) -> None:
    log_all(api, [an_event(tenant), an_event(f"{tenant}-2"), an_event(tenant)])
    assert {event["tenant_id"] for event in listed(api, tenant)} == {tenant}
    assert len(listed(api, f"{tenant}-2")) == 1


PARAMETERS = (
    "tenant_id workspace_id since until action event_type category operation outcome source actor_id actor_type "
    "target_id target_type resource_id q limit cursor unknown"
).split()
HOSTILE = (
    st.binary(max_size=20).map(quote)
    | st.text(st.characters(exclude_categories=["Cs"])).map(quote)
    | st.sampled_from(["%", "%zz", "+", "%u0041", "'", '"', "\\", "{}", "[]", "../", "%s", "${x}", "null", "1e999"])
    | st.from_regex(r"[0-9]{1,7}[mhdw]", fullmatch=True)
    | st.datetimes().map(lambda t: quote(t.isoformat()) + "Z")
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(PARAMETERS), HOSTILE), max_size=4), st.booleans())
def test_no_query_is_the_services_fault(api: httpx.Client, given: list[tuple[str, str]], valid: bool) -> None:
    query = "&".join([*(["tenant_id=acme"] if valid else []), *(f"{name}={value}" for name, value in given)])
    answer = api.get(f"{URL}?{query}")
    if answer.status_code != 200:
        problem(answer, 422, "invalid_parameter")
