"""GET /api/audit-log: order, pages and filters."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indelible.server.cursors import Cursor
from indelible.server.query import FilterQuery, TimelineQuery
from indelible.server.reading import _cursors_of
from indelible.store.filter import Filter
from indelible.store.finding import Page, Place
from tests.conftest import Service
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
    none: Logged = {"data": [], "next_cursor": None, "prev_cursor": None}
    assert api.get(URL, params={"tenant_id": f"{tenant}-none"}).json() == none


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_from_any_page_on_what_is_newer_is_found(api: httpx.Client, tenant: str, limit: int) -> None:
    """Each event once, newest first in every page; also what came since, and nothing else until something comes."""
    log_all(api, [an_event(tenant, occurred_at=ago(hours=n + 1), metadata={"n": n}) for n in range(5)])

    def page(**cursor: str) -> dict[str, Any]:
        answer = api.get(URL, params={"tenant_id": tenant, "limit": limit, "actor_id": "usr_7", **cursor})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        assert found["data"] == sorted(found["data"], key=place, reverse=True)
        assert len(found["data"]) <= limit
        return found

    def newer_than(cursor: str) -> tuple[list[int], str]:
        numbers: list[int] = []
        while (found := page(cursor=cursor))["data"]:
            numbers = [event["metadata"]["n"] for event in found["data"]] + numbers
            cursor = found["prev_cursor"]
        assert (found["next_cursor"], found["prev_cursor"]) == (None, cursor)
        return numbers, cursor

    oldest = page()
    while oldest["next_cursor"]:
        oldest = page(cursor=oldest["next_cursor"])
    numbers, latest = newer_than(oldest["prev_cursor"])
    assert numbers + [event["metadata"]["n"] for event in oldest["data"]] == list(range(5))
    log_all(api, [an_event(tenant, metadata={"n": n}) for n in (-1, -2)])
    assert newer_than(latest)[0] == [-2, -1]
    # And back: next_cursor of a page of newer ones leads to what is older than that page.
    back = page(cursor=page(cursor=latest)["next_cursor"])
    assert [event["metadata"]["n"] for event in back["data"]] == list(range(5))[:limit]


def test_of_a_page_that_took_too_long_the_cursor_goes_on() -> None:
    """In the direction that was asked for; the other one leads back over what was found, or is as it was given."""
    older, newer, found = (Place(datetime(2026, 11, day, tzinfo=UTC), day) for day in (1, 21, 11))
    chosen = FilterQuery("acme", Filter(), None, {})
    down, up = (TimelineQuery(chosen, 50, Cursor(found, newer=newer_), sealed=False) for newer_ in (False, True))
    nothing_yet = Page([], older, cut=True), Page([], newer, cut=True)
    assert _cursors_of(down, nothing_yet[0]) == (Cursor(older), None)
    assert _cursors_of(up, nothing_yet[1]) == (None, Cursor(newer, newer=True))
    some = Page([], older, True, (found, found)), Page([], newer, True, (found, found))
    assert _cursors_of(down, some[0]) == (Cursor(older), Cursor(found, newer=True))
    assert _cursors_of(up, some[1]) == (Cursor(found), Cursor(newer, newer=True))


MIXED: list[Logged] = [
    {"action": "user.joined", "actor": {"type": "user", "id": "a"}, "targets": [{"type": "team", "id": "t"}]},
    {"action": "user.role_changed", "actor": {"type": "user", "id": "b"}, "outcome": "denied", "source": "ui"},
    {"action": "document.viewed", "actor": {"type": "api_key", "id": "a"}, "targets": [{"type": "document"}]},
    {"action": "record.deleted", "actor": {"type": "system"}, "targets": [{"type": "x"}, {"type": "team", "id": "t"}]},
    {"action": "widget.spun", "actor": {"type": "user"}, "outcome": "failure", "source": "background"},
    {"action": "user.role_changed", "actor": {"type": "user", "id": "%' OR 1=1 --"}, "source": "admin_panel"},
    {"action": "user.role_changed", "actor": {"type": "user", "id": "a"}, "targets": [{"type": "team", "id": "%"}]},
    {"action": "security.mfa_bypass_attempted", "actor": {"type": "user", "name": "Sarah Chen"},
     "context": {"ip_address": "203.0.113.7", "session_id": "s1", "request_id": "r1"}},
    {"action": "plan.changed", "actor": {"type": "user", "id": "a"}, "context": {"ip_address": "2001:db8::1"},
     "changes": {"plan": {"from": "pro", "to": "free"}, "seats": {"from": 5, "to": None}}},
    {"action": "plan.changed", "actor": {"type": "user", "name": "Sarah O'Neil"},
     "changes": {"plan": {"from": "free", "to": "pro"}, "a.b": {"to": ""}, "to": {"from": "x"}}},
]  # fmt: skip


def has(event: Logged, **target: str) -> bool:
    return any(all(each.get(name) == value for name, value in target.items()) for each in event["targets"])


def changed(event: Logged, name: str) -> dict[str, Any]:
    change: dict[str, Any] = event.get("changes", {}).get(name, {})
    return change


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("action=user.joined", lambda e: e["action"] == "user.joined"),
        ("event_type=user.joined", lambda e: e["action"] == "user.joined"),
        ("action=user.joined&action=widget.spun", lambda e: e["action"] in {"user.joined", "widget.spun"}),
        ("action=user.joined&event_type=widget.spun", lambda e: e["action"] in {"user.joined", "widget.spun"}),
        ("action=user%25", lambda _: False),
        ("action=user.*", lambda e: e["action"].startswith("user.")),
        ("action=*.*changed&-action=plan.*", lambda e: e["action"] == "user.role_changed"),
        ("-action=user.role_changed&-event_type=plan.changed",
         lambda e: e["action"] not in {"user.role_changed", "plan.changed"}),
        ("category=access", lambda e: e["category"] == "access"),
        ("category=access&category=data", lambda e: e["category"] in {"access", "data"}),
        ("-category=access", lambda e: e["category"] != "access"),
        ("operation=updated", lambda e: e["operation"] == "updated"),
        ("outcome=denied&outcome=failure", lambda e: e["outcome"] != "success"),
        ("-outcome=denied&-outcome=failure", lambda e: e["outcome"] == "success"),
        ("source=ui", lambda e: e["source"] == "ui"),
        ("severity=critical", lambda e: e["severity"] == "critical"),
        ("severity=critical&severity=info", lambda e: e["severity"] in {"critical", "info"}),
        ("-severity=critical", lambda e: e["severity"] != "critical"),
        ("actor_id=a", lambda e: e["actor"].get("id") == "a"),
        ("-actor_id=a", lambda e: e["actor"].get("id") != "a"),
        ("actor_id=%25'+OR+1%3D1+--", lambda e: e["actor"].get("id") == "%' OR 1=1 --"),
        ("actor_type=system", lambda e: e["actor"]["type"] == "system"),
        ("actor_id=a&actor_type=user", lambda e: e["actor"] == {"type": "user", "id": "a"}),
        ("target_type=team", lambda e: has(e, type="team")),
        ("-target_type=team", lambda e: not has(e, type="team")),
        ("resource_type=team&resource_id=t", lambda e: has(e, type="team", id="t")),
        ("target_id=%25", lambda e: has(e, id="%")),
        ("target_id=none", lambda _: False),
        ("ip=203.0.113.7", lambda e: e.get("context", {}).get("ip_address") == "203.0.113.7"),
        ("ip_address=2001:db8::1", lambda e: e.get("context", {}).get("ip_address") == "2001:db8::1"),
        ("ip=203.0.113.*&ip=192.0.2.*", lambda e: e.get("context", {}).get("ip_address") == "203.0.113.7"),
        ("q=-ip:203.*", lambda e: e.get("context", {}).get("ip_address") != "203.0.113.7"),
        ("-ip=203.0.113.7", lambda e: e.get("context", {}).get("ip_address") != "203.0.113.7"),
        ("session_id=s1&request_id=r1", lambda e: e.get("context", {}).get("session_id") == "s1"),
        ("changes.plan.to=pro", lambda e: changed(e, "plan").get("to") == "pro"),
        ("changes.plan.from=pro", lambda e: changed(e, "plan").get("from") == "pro"),
        ("changes.plan=pro", lambda e: "pro" in changed(e, "plan").values()),
        ("changes.plan=*", lambda e: bool(changed(e, "plan"))),
        ("-changes.plan=*", lambda e: not changed(e, "plan")),
        ("changes.plan.to=pro&changes.plan.to=free", lambda e: bool(changed(e, "plan"))),
        ("changes.plan.to=pro&changes.plan.from=pro", lambda _: False),
        ("changes.seats.from=5", lambda e: changed(e, "seats").get("from") == 5),
        ("changes.seats.to=null", lambda e: bool(changed(e, "seats"))),
        ("changes.a.b.to=", lambda e: bool(changed(e, "a.b"))),
        ("changes.to.from=x", lambda e: bool(changed(e, "to"))),
        ("changes.to=*", lambda e: bool(changed(e, "to"))),
        ("q=actor:sarah+-changed:plan", lambda e: e["actor"].get("name") == "Sarah Chen"),
        ("q=action:role+outcome:denied", lambda e: e["outcome"] == "denied"),
        ("q=outcome:denied&outcome=failure", lambda _: False),
        ("q=%22Sarah+Chen%22", lambda e: e["actor"].get("name") == "Sarah Chen"),
        ("q=since:2001-01+until:2001-02", lambda _: False),
        ("q=until:2001-02&since=2001-01", lambda _: False),
        ("q=since:1d&until=2100-01", lambda _: True),
    ],
)  # fmt: skip
def test_filters(api: httpx.Client, tenant: str, query: str, kept: Callable[[Logged], bool]) -> None:
    """Each means what it says; several values of a parameter mean any, several parameters all, a minus the others."""
    log_all(api, [{"tenant_id": tenant, **event} for event in MIXED])
    everything = listed(api, tenant)
    assert len(everything) == len(MIXED)
    answer = api.get(f"{URL}?tenant_id={tenant}&{query}")
    assert answer.status_code == 200, answer.text
    found = [e for e in answer.json()["data"] if not e["action"].startswith(("ledger.", "audit_log."))]
    assert found == [event for event in everything if kept(event)]


def test_words_are_found_in_what_is_disclosed(api: httpx.Client, tenant: str) -> None:
    """All of them, by their beginnings, in either case, and at once after the 201."""
    log_all(api, [
        an_event(tenant, actor={"type": "user", "name": "Sarah Chen", "email": "sarah@acme.example"}),
        an_event(tenant, targets=[{"type": "user", "name": "Sarah Connor"}]),
        an_event(tenant, metadata={"note": "moved to the 4th floor", "boxes": 48212}),
    ])  # fmt: skip
    asked = ("sarah", "SAR chen", "floor", "48,212", "none")
    found = {q: [event["seq"] for event in listed(api, tenant, q=q)] for q in asked}
    assert found == {"sarah": [2, 1], "SAR chen": [1], "floor": [3], "48,212": [3], "none": []}
    for asked_so in ("who is Sarah?", "Sarah's"):
        assert [event["seq"] for event in listed(api, tenant, q=asked_so)] == [2, 1]
    for q, understood in (
        ("sarah", {"items": ["sarah"]}),
        ("who is 'Sarah'? -\"the x\"", {"items": ["'Sarah'", '-"the x"'], "ignored": ["who", "is"]}),
        ("on:2026-11-05", {"items": ["on:2026-11-05"], "since": "2026-11-05T00:00:00.000Z",
                           "until": "2026-11-06T00:00:00.000Z"}),
    ):  # fmt: skip
        assert api.get(URL, params={"tenant_id": tenant, "q": q}).json()["understood"] == understood
    assert "understood" not in api.get(URL, params={"tenant_id": tenant}).json()
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
        ({"since": "4days", "until": "today"}, ["3 days"]),
    ],
)
def test_spans_count_back_from_now(
    api: httpx.Client, tenant: str, parameters: dict[str, str], found: list[str]
) -> None:
    spans = {"1 minute": ago(minutes=1), "2 hours": ago(hours=2), "3 days": ago(days=3), "10 days": ago(days=10)}
    log_all(api, [an_event(tenant, occurred_at=at, metadata={"ago": name}) for name, at in spans.items()])
    assert [event["metadata"]["ago"] for event in listed(api, tenant, **parameters)] == found


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
          for since in ("", "monday", "1month", "7", "7y", "-7d", "1.5d", "7d7d", "2026-11-31", "2026-13", "2026",
                        "2026-1-1", "2026-11-21T09",
                        "2026-11-21T09:30:60Z", "0001-01-01T00:00:00%2B01:00", "999999w", "%EF%BC%97d", "7d&since=8d",
                        "2026-11-21T09:30:00+01:00", "7d%00")],
        ("tenant_id=a&until=never", "until"),
        ("tenant_id=a&since=1d&until=2d", "since"),
        ("tenant_id=a&since=2026-11&until=2026-11", "since"),
        ("tenant_id=a&since=1d&until=2d&q=since:1d", "since"),
        ("tenant_id=a&since=1d&q=until:2d", "q"),
        ("tenant_id=a&until=2026-11-05&q=on:2026-11-05", "q"),
        ("tenant_id=a&ip=192.0.2.0/24", "ip"),
        ("tenant_id=a&-ip=192.*.2.1", "-ip"),
        *[(f"tenant_id=a&cursor={text}", "cursor")
          for text in ("", "x", "A" * 21, "A" * 23, "A" * 46, "A" * 4000, "%00", "%C3%A9", "AQ%3D%3D")],
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
        ("tenant_id=a&severity=high", "severity"),
        ("tenant_id=a&-outcome=ok", "-outcome"),
        ("tenant_id=a&-outcom=denied", "-outcom"),
        *[(f"tenant_id=a&-{name}=7d", f"-{name}") for name in ("since", "until", "limit", "cursor", "tenant_id", "q")],
        ("tenant_id=a&--action=x", "--action"),
        *[(f"tenant_id=a&{name}=x", name) for name in ("changes", "changes.", "change.plan", f"changes.{'x' * 256}")],
        (f"tenant_id=a&changes.plan={'x' * 257}", "changes.plan"),
        ("tenant_id=a&" + "&".join(f"actor_id={n}" for n in range(51)), "actor_id"),
        ("tenant_id=a&action=x&q=" + "+".join(f"w{n}" for n in range(50)), "q"),
        ("tenant_id=a&q=actr:sarah", "q"),
        ("tenant_id=a&q=a&q=b", "q"),
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
    for since, hinted in (("2026-11-21T09:30:00+01:00", True), ("2026-11-31", False), ("7%20d", False)):
        body = problem(api.get(f"{URL}?tenant_id=a&since={since}"), 422, "invalid_parameter")
        assert ("write + as %2B" in body["detail"]) is hinted


def test_everything_that_is_wrong_is_said_at_once(api: httpx.Client) -> None:
    body = problem(api.get(f"{URL}?limit=0&since=x&actor_idd=1"), 422, "invalid_parameter")
    assert {error["parameter"] for error in body["errors"]} == {"tenant_id", "limit", "since", "actor_idd"}
    assert "did you mean actor_id?" in body["detail"]


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("acton=x", "did you mean action?"),
        ("-acton=x", "did you mean -action?"),
        ("change.plan.to=x", "did you mean changes.plan.to?"),
        ("changes=x", "did you mean changes.FIELD?"),
        ("-since=7d", "since cannot be excluded"),
        (
            "since=2026-02&until=2026-01",
            "since must be before until, and 2026-02-01T00:00:00Z is not before 2026-01-01T00:00:00Z",
        ),
        ("since=1month", "write 30d"),
        ("user=sarah", "did you mean actor_id, or q=actor:NAME?"),
        ("-actor_email=x", "did you mean -actor_id, or q=-actor:NAME?"),
        ("target=x", "did you mean target_id, or q=target:NAME?"),
        ("from=7d", "did you mean since?"),
        ("to=7d", "did you mean until?"),
        ("search=x", "did you mean q=WORDS?"),
        ("country=NZ", "did you mean q=WORDS?"),
        ("ip=203.0.113.0/24", "write the beginning and a star: 203.0.113.*"),
        ("outcome=ok", "did you mean success?"),
        ("outcome=Denied", "did you mean denied?"),
        ("q=a+actr:sarah", "q at character 3: found actr:"),
    ],
)
def test_what_may_have_been_meant_is_said(api: httpx.Client, query: str, hint: str) -> None:
    assert hint in problem(api.get(f"{URL}?tenant_id=a&{query}"), 422, "invalid_parameter")["detail"]


def test_fifty_values_are_few_enough(api: httpx.Client, tenant: str) -> None:
    log_all(api, [an_event(tenant)])
    values = [("actor_id", f"usr_{n}") for n in range(48)] + [("q", "user joined")]
    answer = api.get(URL, params=[("tenant_id", tenant), *values])
    assert [event["action"] for event in answer.json()["data"]] == ["user.joined"]


def test_a_cursor_is_one_tenants(api: httpx.Client, tenant: str) -> None:
    """And whoever leaves the tenant out is told that alone."""
    log_all(api, [an_event(tenant)])
    cursors = api.get(URL, params={"tenant_id": tenant, "limit": 1}).json()
    for name in ("next_cursor", "prev_cursor"):
        cursor = cursors[name]
        problem(api.get(URL, params={"tenant_id": f"{tenant}-2", "cursor": cursor}), 422, "invalid_parameter")
        for wrong in (f"{cursor}==", cursor[:-4], cursor.swapcase()):
            problem(api.get(URL, params={"tenant_id": tenant, "cursor": wrong}), 422, "invalid_parameter")
        (error,) = problem(api.get(URL, params={"cursor": cursor}), 422, "invalid_parameter")["errors"]
        assert error["parameter"] == "tenant_id"


@pytest.mark.parametrize(
    ("query", "part"),
    [("ip=203.0.113.7", "ip_address"), ("-ip=203.0.113.7", "ip_address"), ("q=session:s1", "session_id"),
     ("request_id=r1", "request_id"), ("changes.plan=*", "changes"), ("q=-changed:plan", "changes")],
)  # fmt: skip
def test_nobody_looks_for_what_they_are_not_shown(
    service: Service, api: httpx.Client, tenant: str, query: str, part: str
) -> None:
    """Whether an event is in the answer would tell it; so it is refused, and on record."""
    log_all(api, [{"tenant_id": tenant, **event} for event in MIXED])
    settings_ = {"member_access": True, "member_sees": ["metadata"]}
    assert api.patch(f"/api/tenants/{tenant}", json={"settings": settings_}).status_code == 200
    wanted = {"tenant_id": tenant, "actor": {"id": "a"}, "role": "member"}
    token = api.post("/api/viewer-tokens", json=wanted).json()["token"]
    headers = {"authorization": f"Bearer {token}"}
    with httpx.Client(base_url=service.address, headers=headers, timeout=30) as member:
        assert member.get(URL).status_code == 200
        (error,) = problem(member.get(f"{URL}?{query}"), 403, "hidden_part")["errors"]
    assert error["parameter"] == part
    deadline = time.monotonic() + 10
    refused = {"tenant_id": tenant, "action": "audit_log.access_denied"}
    while not (denied := api.get(URL, params=refused).json()["data"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert denied[0]["metadata"]["code"] == "hidden_part"


def test_a_tenant_sees_its_own_events_only(api: httpx.Client, tenant: str) -> None:
    log_all(api, [an_event(tenant), an_event(f"{tenant}-2"), an_event(tenant)])
    assert {event["tenant_id"] for event in listed(api, tenant)} == {tenant}
    assert len(listed(api, f"{tenant}-2")) == 1


PARAMETERS = (
    "tenant_id workspace_id since until action event_type -category operation outcome source actor_id actor_type "
    "target_id -target_type resource_id ip session_id severity changes.a -changes.a.from q q q limit cursor unknown"
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
