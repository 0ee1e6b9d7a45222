"""GET /api/audit-log/facets: the counts of what the timeline lists, for whoever may see it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from indelible.server.answers import Answer, Answers
from indelible.store.session import Database as Connections
from indelible.store.view import View
from tests.conftest import Service
from tests.server.conftest import Reader, an_event, problem
from tests.server.test_erased import erase_actor
from tests.server.test_looking import recorded

URL = "/api/audit-log/facets"
LIST = "/api/audit-log"


def log(api: httpx.Client, tenant: str, *events: dict[str, Any]) -> None:
    assert api.post("/api/audit-log/batch", json=[an_event(tenant, **each) for each in events]).status_code == 201


def facets(client: httpx.Client, **query: Any) -> dict[str, Any]:
    answer = client.get(URL, params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json"), answer.text
    found: dict[str, Any] = answer.json()
    return found


def counts(found: dict[str, Any], facet: str) -> dict[str, int]:
    return {each["value"]: each["count"] for each in found["facets"].get(facet, [])}


EVENTS: list[dict[str, Any]] = [
    {"action": "user.role_changed", "actor": {"type": "user", "id": "a", "name": "Ada"}, "outcome": "denied"},
    {"action": "user.role_changed", "actor": {"type": "user", "id": "b", "name": "Bob"}},
    {"action": "user.joined", "actor": {"type": "user", "id": "a"}, "targets": [{"type": "team", "id": "t"}]},
    {"action": "widget.spun", "actor": {"type": "system"}, "metadata": {"country": "NZ", "note": "sarah"}},
]


@pytest.mark.parametrize(
    "query", ["", "action=user.*", "-outcome=success", "actor_id=a&since=1h", "q=sarah", "q=-actor:ada", "until=1h"]
)
def test_they_are_of_what_the_timeline_lists(api: httpx.Client, tenant: str, query: str) -> None:
    """For the same parameters, whatever they are."""
    log(api, tenant, *EVENTS)
    given = f"tenant_id={tenant}&{query}"
    found = facets(api, **dict(httpx.QueryParams(given)))
    listed = [e for e in api.get(f"{LIST}?{given}&limit=1000").json()["data"] if e["action"] != "audit_log.searched"]
    listed = [e for e in listed if e["action"] != "audit_log.viewed"]
    assert found["total"] == {"count": len(listed), "capped": False}
    for facet in ("action", "category", "operation", "outcome", "source", "severity"):
        assert counts(found, facet) == Counter(e[facet] for e in listed if e[facet] is not None)
    assert sum(each["count"] for each in found["histogram"]["counts"]) == len(listed)
    assert (found["complete_since"], found["histogram"]["complete_since"]) == (None, None)


def test_what_they_look_like(api: httpx.Client, tenant: str) -> None:
    log(api, tenant, *EVENTS)
    query = {"tenant_id": tenant, "since": "2d", "-actor_id": "none", "-action": "ledger.created"}
    found = facets(api, **query, top=1)
    assert found.keys() == {"total", "facets", "histogram", "complete_since"}
    assert found["facets"] == {
        "action": [{"value": "user.role_changed", "count": 2}],
        "category": [{"value": "access", "count": 3}],
        "operation": [{"value": "updated", "count": 2}],
        "outcome": [{"value": "success", "count": 3}],
        "source": [{"value": "api", "count": 4}],
        "severity": found["facets"]["severity"],
        "actor": [{"type": "user", "id": "a", "name": "Ada", "count": 2}],
        "target_type": [{"value": "team", "count": 1}],
        "country": [{"value": "NZ", "count": 1}],
    }
    histogram = found["histogram"]
    assert (histogram["bucket"], len(histogram["counts"]) in (48, 49)) == ("1h", True)
    starts = [datetime.fromisoformat(each["at"]) for each in histogram["counts"]]
    since, until = (datetime.fromisoformat(histogram[name]) for name in ("since", "until"))
    assert (until - since - timedelta(days=2)) < timedelta(seconds=1)
    assert starts[0] <= since < starts[1]
    assert histogram["counts"][-1]["count"] + histogram["counts"][-2]["count"] == 4


def test_days_are_those_of_the_zone(api: httpx.Client, tenant: str) -> None:
    """Over a day that has 23 hours there."""
    span = {"tenant_id": tenant, "since": "2026-03-27T23:00:00Z", "until": "2026-03-30T22:00:00Z", "buckets": 3}
    of_berlin = facets(api, **span, zone="Europe/Berlin")["histogram"]
    assert of_berlin["bucket"] == "1d"
    assert [each["at"] for each in of_berlin["counts"]] == [
        f"2026-03-{day}:00:00.000Z" for day in ("27T23", "28T23", "29T22")
    ]
    assert facets(api, **span)["histogram"]["bucket"] == "1w"


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        *[(f"top={text}", "top") for text in ("0", "101", "-1", "ten", "", "1e1", "5&top=6", "99999999999999999999")],
        *[(f"buckets={text}", "buckets") for text in ("0", "201", "1.5", "%EF%BC%91")],
        *[(f"zone={text}", "zone") for text in
          ("", "Berlin", "Europe/berlin", "Europe", "../etc/passwd", "%00", "/etc/localtime", "x" * 5000, "utc+1")],
        ("limit=5", "limit"),
        ("cursor=x", "cursor"),
        ("-top=5", "-top"),
        ("outcome=good", "outcome"),
        ("since=never", "since"),
        ("since=2026-01-02&until=2026-01-01", "since"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named(api: httpx.Client, tenant: str, query: str, parameter: str) -> None:
    body = problem(api.get(f"{URL}?tenant_id={tenant}&{query}"), 422, "invalid_parameter")
    assert [error["parameter"] for error in body["errors"]] == [parameter]


@pytest.mark.parametrize("span", [
    {"since": "0001-01-01T00:00:00Z", "until": "9999-12-31T23:59:59Z", "zone": "Pacific/Kiritimati"},
    {"since": "9999-12-31T23:59:59Z"}, {"until": "0001-01-01T00:00:00Z", "zone": "Etc/GMT+12"},
    {"since": "0m"},
])  # fmt: skip
def test_any_span_is_answered(api: httpx.Client, tenant: str, span: dict[str, str]) -> None:
    log(api, tenant, *EVENTS)
    for buckets in (1, 200):
        found = facets(api, tenant_id=tenant, buckets=buckets, **span)
        assert len(found["histogram"]["counts"]) <= buckets
        assert sum(each["count"] for each in found["histogram"]["counts"]) == found["total"]["count"]


def test_a_list_and_its_facets_are_one_entry(service: Service, api: httpx.Client, tenant: str, reader: Reader) -> None:
    """Whichever comes first, and each filter one of its own."""
    log(api, tenant, *EVENTS)
    with reader("admin", "usr_7") as admin:
        for query in ({}, {"q": "sarah"}, {"action": "user.joined", "since": "7d"}):
            for path in (URL, LIST, URL):
                assert admin.get(path, params=query).status_code == 200
    told = [each for each in recorded(service, tenant) if each[0] != "audit_log.settings_changed"]
    assert [(action, metadata) for action, metadata, _ in told] == [
        ("audit_log.viewed", {}),
        ("audit_log.searched", {"query": "sarah", "filters": {}, "results": 1}),
        ("audit_log.searched", {"filters": {"action": ["user.joined"], "since": "7d"}, "results": 1}),
    ]


def test_a_member_is_told_of_their_own_events_alone(api: httpx.Client, tenant: str, reader: Reader) -> None:
    log(api, tenant, *EVENTS, {"actor": {"type": "user", "id": "usr_9", "name": "Mia"}, "metadata": {"country": "AQ"}})
    with reader("member", "usr_9") as member:
        found = facets(member)
        # The other one is that she was given a token.
        assert counts(found, "action") == {"user.joined": 1, "audit_log.token_issued": 1}
        (mia,) = [actor for actor in found["facets"]["actor"] if actor["type"] == "user"]
        assert mia == {"type": "user", "id": "usr_9", "name": "Mia", "count": 1}
        assert "country" not in found["facets"]
        refused = problem(member.get(URL, params={"ip": "203.0.113.7"}), 403, "hidden_part")
        assert "ip_address" in refused["detail"]
    with reader("admin", "usr_7", filter={"action": ["user.joined"]}) as viewer:
        found = facets(viewer)
        assert counts(found, "action") == {"user.joined": 2}
        assert {actor.get("name") for actor in found["facets"]["actor"]} == {None, "Mia"}
        assert facets(viewer, action="user.role_changed")["total"]["count"] == 0


def test_what_is_kept_is_never_out_of_date(service: Service, api: httpx.Client, tenant: str, reader: Reader) -> None:
    """Nor anybody else's: the same is asked by all of them, again and again."""
    log(api, tenant, *EVENTS)
    span = {"since": "2026-01-01", "until": f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}", "action": "user.*"}
    with reader("member", "b") as member, reader("admin", "usr_7") as admin:
        for number in range(3):
            assert facets(member, **span)["total"]["count"] == 1
            assert facets(admin, **span)["total"]["count"] == 3 + number
            log(api, tenant, {"actor": {"type": "user", "id": "c"}})
        assert "Ada" in str(facets(admin, **span))
        erase_actor(service, tenant, "a")
        found = facets(admin, **span)
    assert found["total"]["count"] == 6
    assert {actor.get("name") for actor in found["facets"]["actor"]} == {"Bob", None}


pytest_anyio = pytest.mark.anyio


@pytest_anyio
async def test_answers_are_kept_for_each_view_within_bounds(service: Service) -> None:
    """Without a bound a process that runs for months would fill its memory."""
    made: list[str] = []
    answers = Answers(most=2, most_bytes=100)

    async def ask(view: View, asked: str, size: int = 1, *, lasting: bool = True) -> None:
        async def answer() -> Answer:
            made.append(asked)
            return Answer(b"x" * size, lasting)

        assert len((await answers.get(database, view, asked, answer)).body) == size

    async with Connections.open(service.database.url, size=1) as database:
        acme = View("acme-of-nobody")
        for view in (acme, acme, View(acme.tenant, "a"), View(acme.tenant, "b"), View(acme.tenant, "b")):
            await ask(view, "one")
        assert made == ["one"] * 3
        await ask(acme, "one")  # which was the oldest of three
        await ask(acme, "large", 101)
        await ask(acme, "one")
        assert made == ["one"] * 4 + ["large", "one"]
        made.clear()
        for _ in range(2):
            await ask(View("another-of-nobody", equal={"action": ["a"]}), "cut", lasting=False)
        assert made == ["cut", "cut"]
