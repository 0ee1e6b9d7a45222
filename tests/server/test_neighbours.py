"""The context of an event: what was before and after it, in its session and in its request, as far as one sees it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.conftest import Service
from tests.server.conftest import an_event, problem

START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)

Context = dict[str, Any]


@pytest.fixture
def log(api: httpx.Client, tenant: str) -> Callable[..., str]:
    """Logs an event that occurred so many seconds after START; its id."""

    def logged(at: float, **fields: Any) -> str:
        occurred_at = (START + timedelta(seconds=at)).isoformat()
        answer = api.post("/api/audit-log", json=an_event(tenant, occurred_at=occurred_at, **fields))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    return logged


def context(client: httpx.Client, event_id: str, **parameters: str) -> Context:
    answer = client.get(f"/api/audit-log/{event_id}/context", params=parameters)
    assert answer.status_code == 200, answer.text
    found: Context = answer.json()
    assert found.keys() == {"before", "after", "same_session", "same_request"}
    return found


def ids(found: Context, name: str) -> list[str]:
    """Those that were logged, but for what the service itself records of them."""
    return [event["id"] for event in found[name]["data"] if not event["action"].startswith(("ledger.", "audit_log."))]


def test_what_was_before_and_after_it(api: httpx.Client, log: Callable[..., str], tenant: str) -> None:
    """By the time when it occurred and not as it was logged; each list has the nearest ones, newest first."""
    at = {second: log(second) for second in (5, 1, 4, 2, 6, 3, 7)}
    found = context(api, at[4], tenant_id=tenant, limit="2")
    assert ids(found, "before") == [at[3], at[2]]
    assert ids(found, "after") == [at[6], at[5]]
    assert found["before"]["more"] is found["after"]["more"] is True
    assert found["same_session"] is found["same_request"] is None
    first = context(api, at[1], tenant_id=tenant)
    assert (first["before"]["data"], first["before"]["more"]) == ([], False)
    assert ids(first, "after") == [at[second] for second in (7, 6, 5, 4, 3, 2)]


def test_of_one_moment_it_is_their_numbers_that_count(api: httpx.Client, log: Callable[..., str], tenant: str) -> None:
    """None is in both lists, and none in neither."""
    same = [log(1) for _ in range(5)]
    found = context(api, same[2], tenant_id=tenant)
    assert ids(found, "before") == [same[1], same[0]]
    assert ids(found, "after") == [same[4], same[3]]


def test_its_session_and_its_request_wherever_they_are(api: httpx.Client, log: Callable[..., str], tenant: str) -> None:
    mine = {"session_id": "s & 1", "request_id": "r1"}
    one = log(1, context=mine)
    log(2, context={"session_id": "s & 12"})
    two = log(300, context={"session_id": "s & 1"})
    three = log(2, context=mine, actor={"type": "user", "id": "usr_8"})
    found = context(api, one, tenant_id=tenant)
    assert ids(found, "same_session") == [two, three]
    assert ids(found, "same_request") == [three]
    assert not found["same_session"]["more"]
    few = context(api, three, tenant_id=tenant, limit="1")
    assert (ids(few, "same_session"), few["same_session"]["more"]) == ([two], True)
    assert (ids(few, "same_request"), few["same_request"]["more"]) == ([one], False)
    # The session of all of them but the one that is asked for: there is no more of it than is shown.
    assert context(api, two, tenant_id=tenant, limit="2")["same_session"]["more"] is False


def test_its_filters_are_what_the_timeline_takes(api: httpx.Client, log: Callable[..., str], tenant: str) -> None:
    """What is listed by them is all of it, and the event itself: a viewer makes a link of each."""
    at = [log(second / 1000, context={"session_id": "s & 1", "request_id": "é"}) for second in (1, 2, 2, 3)]
    found = context(api, at[1], tenant_id=tenant, limit="1")
    for name, expected in (
        ("before", at[:3]), ("after", at[1:]), ("same_session", at), ("same_request", at),
    ):  # fmt: skip
        answer = api.get(f"/api/audit-log?{found[name]['filter']}&tenant_id={tenant}")
        assert answer.status_code == 200, found[name]
        assert set(ids({name: answer.json()}, name)) == set(expected), name


def test_an_id_too_long_for_the_timeline_has_no_filter(api: httpx.Client, log: Callable[..., str], tenant: str) -> None:
    long = "s" * 300
    one, two, other = (log(at, context={"session_id": text}) for at, text in enumerate([long, long, long + "x"]))
    found = context(api, one, tenant_id=tenant)["same_session"]
    assert found["filter"] is None
    assert [event["id"] for event in found["data"]] == [two]
    assert other not in str(found)


@pytest.mark.parametrize("limit", ["0", "51", "-1", "x", "1.0", "", "١"])
def test_the_limit_is_from_1_to_50(api: httpx.Client, log: Callable[..., str], tenant: str, limit: str) -> None:
    path = f"/api/audit-log/{log(1)}/context"
    (error,) = problem(api.get(path, params={"tenant_id": tenant, "limit": limit}), 422, "invalid_parameter")["errors"]
    assert (error["parameter"], error["detail"]) == ("limit", "must be a whole number from 1 to 50")
    assert api.get(path, params={"tenant_id": tenant, "limit": "50"}).status_code == 200


def test_everything_wrong_is_in_one_answer(api: httpx.Client) -> None:
    answer = api.get("/api/audit-log/x/context", params={"tenant_id": "?", "limit": "0", "cursor": "x"})
    errors = problem(answer, 422, "invalid_parameter")["errors"]
    assert {error["parameter"] for error in errors} == {"event_id", "tenant_id", "limit", "cursor"}


# --- who sees what


@pytest.fixture
def reader(service: Service, api: httpx.Client, tenant: str) -> Callable[..., httpx.Client]:
    """Clients with viewer tokens, whose members are shown what `sees` says."""

    def made(role: str = "member", sees: tuple[str, ...] = (), **asked: Any) -> httpx.Client:
        settings = {"member_access": True, "member_sees": list(sees)}
        assert api.patch(f"/api/tenants/{tenant}", json={"settings": settings}).status_code == 200
        wanted = {"tenant_id": tenant, "actor": {"id": "usr_9"}, "role": role, **asked}
        token = api.post("/api/viewer-tokens", json=wanted).json()["token"]
        return httpx.Client(base_url=service.address, headers={"authorization": f"Bearer {token}"}, timeout=30)

    return made


def test_a_member_sees_their_own_events_in_it(log: Callable[..., str], reader: Callable[..., httpx.Client]) -> None:
    mine, where = {"actor": {"type": "user", "id": "usr_9"}}, {"context": {"session_id": "s1", "request_id": "r1"}}
    own = [log(at, **mine, **where) for at in (1, 3, 5)]
    others = [log(at, **where) for at in (2, 4)]
    with reader(sees=("session_id", "request_id")) as member:
        found = context(member, own[1])
        problem(member.get(f"/api/audit-log/{others[0]}/context"), 404, "no_such_event")
    assert (ids(found, "before"), ids(found, "after")) == ([own[0]], [own[2]])
    assert ids(found, "same_session") == ids(found, "same_request") == [own[2], own[0]]
    assert not any(other in str(found) for other in others)


def test_what_is_not_shown_of_an_event_is_not_told_by_its_context(
    log: Callable[..., str], reader: Callable[..., httpx.Client]
) -> None:
    mine = {"actor": {"type": "user", "id": "usr_9"}, "context": {"session_id": "hidden-s", "request_id": "r1"}}
    own = [log(at, **mine) for at in (1, 2)]
    with reader(sees=("request_id",)) as member:
        found = context(member, own[0])
        assert found["same_session"] is None
        assert ids(found, "same_request") == [own[1]]
        assert "hidden-s" not in str(found)
    with reader(sees=()) as member:
        assert context(member, own[0])["same_request"] is None


def test_a_token_with_a_filter_sees_what_is_in_it(log: Callable[..., str], reader: Callable[..., httpx.Client]) -> None:
    where = {"context": {"session_id": "s1"}}
    denied = [log(at, outcome="denied", **where) for at in (1, 3, 5)]
    done = [log(at, **where) for at in (2, 4)]
    with reader("admin", filter={"outcome": ["denied"]}) as admin:
        found = context(admin, denied[1])
        problem(admin.get(f"/api/audit-log/{done[0]}/context"), 404, "no_such_event")
    assert (ids(found, "before"), ids(found, "after")) == ([denied[0]], [denied[2]])
    assert ids(found, "same_session") == [denied[2], denied[0]]
    assert not any(other in str(found) for other in done)


def test_it_is_on_record_as_a_look_at_the_event(
    api: httpx.Client, log: Callable[..., str], reader: Callable[..., httpx.Client], tenant: str
) -> None:
    """One look, with the event itself."""
    own = log(1)
    with reader("admin") as admin:
        context(admin, own)
        assert admin.get(f"/api/audit-log/{own}").status_code == 200
        context(admin, own, limit="5")
    page = api.get("/api/audit-log", params={"tenant_id": tenant, "action": "audit_log.viewed"}).json()["data"]
    (look,) = [event for event in page if event["actor"].get("id") == "usr_9"]
    assert look["targets"] == [{"type": "event", "id": own}]
