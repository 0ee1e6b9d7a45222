"""Saved views over HTTP: one's own and the shared ones, who may change them, and what they may hold."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from indelible.catalog import Catalog
from indelible.server.saved_views import _filter_of
from indelible.store.narrowing import hidden_part_of
from indelible.store.view import ALL_PARTS, Part
from tests.conftest import Service
from tests.server.conftest import an_event, problem

VIEWS = "/api/audit-log/views"
FAILED = {"name": "Failed sign-ins", "query": "action=user.sign_in_failed&since=7d"}

Holder = Callable[..., httpx.Client]


@pytest.fixture
def holder(service: Service, api: httpx.Client, tenant: str) -> Iterator[Holder]:
    """Clients of a tenant in which members may read: with a viewer token of a person, or with a key of the tenant."""
    assert api.post("/api/audit-log", json=an_event(tenant)).status_code == 201
    allowed = api.patch(f"/api/tenants/{tenant}", json={"settings": {"member_access": True}})
    assert allowed.status_code == 200

    def made(role: str = "admin", id_: str = "usr_7", **asked: Any) -> httpx.Client:
        if role == "key":
            scopes = asked.get("scopes", ["events:read", "tenants:manage"])
            wanted: dict[str, Any] = {"name": "Reports", "scopes": scopes, "tenant_id": tenant}
            text = api.post("/api/keys", json=wanted).json()["key"]
        else:
            wanted = {"tenant_id": tenant, "actor": {"id": id_, "name": f"Name of {id_}"}, "role": role, **asked}
            text = api.post("/api/viewer-tokens", json=wanted).json()["token"]
        client = httpx.Client(base_url=service.address, headers={"authorization": f"Bearer {text}"}, timeout=30)
        opened.callback(client.close)
        return client

    with contextlib.ExitStack() as opened:
        yield made


def save(client: httpx.Client, name: str = "mine", query: str = "q=x", *, shared: bool = False) -> dict[str, Any]:
    answer = client.post(VIEWS, json={"name": name, "query": query, "shared": shared})
    assert answer.status_code == 201, answer.text
    saved: dict[str, Any] = answer.json()
    return saved


def listed(client: httpx.Client, **parameters: str) -> list[dict[str, Any]]:
    answer = client.get(VIEWS, params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"data"}
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def recorded(api: httpx.Client, tenant: str) -> list[dict[str, Any]]:
    """What of the log of the log is about views, the oldest first."""
    page = api.get("/api/audit-log", params={"tenant_id": tenant, "limit": "200"})
    assert page.status_code == 200
    return [event for event in page.json()["data"] if event["action"].startswith("audit_log.view_")][::-1]


# --- whose


def test_a_view_is_ones_own_or_everybodys(holder: Holder) -> None:
    sarah, alex, member, key = holder(), holder(id_="usr_8"), holder("member", "usr_9"), holder("key")
    shared, own = save(sarah, "for all", shared=True), save(sarah)
    of_member = save(member, "theirs")
    assert listed(sarah) == [shared, own]
    assert listed(alex) == [shared]
    assert listed(member) == [shared, of_member]
    assert listed(key) == [shared]
    assert own == {
        "view_id": own["view_id"], "name": "mine", "query": "q=x", "shared": False,
        "created_by": {"type": "user", "id": "usr_7", "name": "Name of usr_7"},
        "created_at": own["created_at"], "changed_at": own["changed_at"],
    }  # fmt: skip
    # The same person with another token, also as a member, still has it.
    assert listed(holder()) == listed(holder("member")) == [shared, own]


@pytest.mark.parametrize("role", ["admin", "member", "key"])
def test_anothers_own_view_is_as_if_it_were_not_there(holder: Holder, role: str) -> None:
    own = save(holder(), "secret plans")
    with holder(role, "usr_8") as other:
        told = []
        for view_id in (own["view_id"], str(uuid4()), "no-uuid"):
            for method in ("PATCH", "DELETE"):
                answer = other.request(method, f"{VIEWS}/{view_id}", json={"name": "x"} if method == "PATCH" else None)
                problem(answer, 404, "no_such_view")
                told.append(answer.text)
        assert len(set(told)) == 1
    assert listed(holder()) == [own]


def test_another_tenants_view_is_as_if_it_were_not_there(api: httpx.Client, holder: Holder, tenant: str) -> None:
    other = f"{tenant}-2"
    assert api.post("/api/audit-log", json=an_event(other)).status_code == 201
    theirs = api.post(VIEWS, json={**FAILED, "shared": True}, params={"tenant_id": other}).json()
    assert listed(holder()) == listed(api, tenant_id=tenant) == []
    for who, more in ((holder(), {}), (holder("key"), {}), (api, {"tenant_id": tenant})):
        for method, body in (("PATCH", {"name": "x"}), ("DELETE", None)):
            answer = who.request(method, f"{VIEWS}/{theirs['view_id']}", json=body, params=more)
            problem(answer, 404, "no_such_view")
    problem(holder().get(VIEWS, params={"tenant_id": other}), 403, "wrong_tenant")
    assert listed(api, tenant_id=other) == [theirs]


def test_shared_views_are_for_admins_and_keys_to_change(api: httpx.Client, holder: Holder, tenant: str) -> None:
    with holder("member") as member:
        problem(member.post(VIEWS, json={**FAILED, "shared": True}), 403, "admins_only")
        of_admin, of_key = save(holder(), "one", shared=True), save(holder("key"), "two", shared=True)
        assert of_key["created_by"]["type"] == "api_key"
        for view in (of_admin, of_key):
            problem(member.patch(f"{VIEWS}/{view['view_id']}", json={"name": "x"}), 403, "admins_only")
            problem(member.delete(f"{VIEWS}/{view['view_id']}"), 403, "admins_only")
        assert listed(member) == [of_admin, of_key]
    with holder("key") as key, holder(id_="usr_8") as another:
        assert key.patch(f"{VIEWS}/{of_admin['view_id']}", json={"name": "three"}).json()["name"] == "three"
        assert another.delete(f"{VIEWS}/{of_key['view_id']}").status_code == 204
    assert api.delete(f"{VIEWS}/{of_admin['view_id']}", params={"tenant_id": tenant}).status_code == 204
    assert listed(api, tenant_id=tenant) == []


@pytest.mark.parametrize("who", ["an admin who sees some", "a member who sees some", "a key that reads"])
def test_what_others_see_is_not_for_each_reader_to_change(
    api: httpx.Client, holder: Holder, tenant: str, who: str
) -> None:
    """Neither for those who see a part of the log, nor for a key that was to read and nothing else."""
    asked: dict[str, tuple[str, dict[str, Any]]] = {
        "an admin who sees some": ("admin", {"filter": {"target_type": ["document"]}}),
        "a member who sees some": ("member", {"filter": {"target_type": ["document"]}}),
        "a key that reads": ("key", {"scopes": ["events:read", "export", "keys:manage", "events:write"]}),
    }
    role, more = asked[who]
    code = "missing_scope" if role == "key" else "admins_only"
    with holder() as admin, holder(role, "usr_8", **more) as reader:
        shared = save(admin, "for all", shared=True)
        path = f"{VIEWS}/{shared['view_id']}"
        for answer in (
            reader.post(VIEWS, json={**FAILED, "shared": True}),
            reader.patch(path, json={"name": "x"}),
            reader.delete(path),
        ):
            told = problem(answer, 403, code)
            assert ("tenants:manage" in told["detail"]) == (role == "key")
        assert listed(reader) == [shared]
        if role != "key":
            own = save(reader)
            assert reader.patch(f"{VIEWS}/{own['view_id']}", json={"name": "y"}).json()["name"] == "y"
            assert reader.delete(f"{VIEWS}/{own['view_id']}").status_code == 204
        assert listed(admin) == [shared]
    assert [entry["action"] for entry in recorded(api, tenant)] == ["audit_log.view_created"]


def test_who_is_of_the_vendors_staff_is_not_the_person_of_the_same_id(holder: Holder) -> None:
    with (
        holder() as sarah,
        holder(staff=True, reason="ticket 7") as support,
        holder(id_="staff:usr_7") as odd,
        holder(id_="user:usr_7") as odder,
    ):
        saved = [[save(client, "mine")] for client in (sarah, support, odd, odder)]
        assert [listed(client) for client in (sarah, support, odd, odder)] == saved
        for other in (support, odd, odder):
            problem(other.delete(f"{VIEWS}/{saved[0][0]['view_id']}"), 404, "no_such_view")
        assert listed(holder(staff=True, reason="ticket 8")) == saved[1]


# --- what members learn of


def test_members_learn_nothing_from_views_on_what_is_hidden_from_them(
    api: httpx.Client, holder: Holder, tenant: str
) -> None:
    """What a shared view looks for is hidden like what it would find; and that changes with the tenant's settings."""
    looks_for = {
        "a": "ip=203.0.113.7", "b": "-ip=203.0.113.*", "c": "q=sarah+ip%3A203.0.113.7", "d": "session_id=s_1",
        "e": "request_id=r_1", "f": "changes.role.to=admin", "g": "action=user.joined&q=203.0.113.7", "h": "",
    }  # fmt: skip
    of_part: dict[str, str] = {"ip_address": "abc", "session_id": "d", "request_id": "e", "changes": "f"}
    with holder() as admin, holder("member") as member, holder("key") as key:
        shared = {name: save(admin, name, query, shared=True) for name, query in looks_for.items()}
        for parts in ([], ["ip_address"], ["session_id"], ["request_id", "metadata"], ["changes"], [*ALL_PARTS]):
            settings = {"settings": {"member_sees": parts}}
            assert api.patch(f"/api/tenants/{tenant}", json=settings).status_code == 200
            names = sorted({*"gh", *"".join(of_part.get(part, "") for part in parts)})
            assert listed(member) == [shared[name] for name in names]
        assert listed(admin) == listed(key) == [*shared.values()]
        # What they kept themselves they know.
        assert api.patch(f"/api/tenants/{tenant}", json={"settings": {"member_sees": []}}).status_code == 200
        own = save(member, "own", "ip=203.0.113.7")
        assert listed(member) == [shared["g"], shared["h"], own]


def test_a_view_that_can_be_read_no_longer_is_not_shown_to_members(
    service: Service, holder: Holder, tenant: str
) -> None:
    """An entry of an earlier release, say, whose filter has another name now: it may be on anything."""
    with holder() as admin, holder("member") as member:
        shared = save(admin, shared=True)
        assert listed(member) == [shared]
        with psycopg.connect(service.database.admin_url) as connection:
            connection.execute(
                "UPDATE indelible.saved_views SET query = 'address=203.0.113.7' WHERE tenant_id = %s", (tenant,)
            )
        assert listed(member) == []
        assert [view["query"] for view in listed(admin)] == ["address=203.0.113.7"]


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ("ip=10.0.0.1", "ip_address"), ("q=-ip%3A10.0.0.1", "ip_address"), ("session_id=s", "session_id"),
        ("-request_id=r", "request_id"), ("-changes.role=", "changes"), ("changes.role.from=x", "changes"),
        ("outcome=denied&q=10.0.0.1", None), ("actor_id=usr_7&target_type=document", None), ("", None),
    ],
)  # fmt: skip
def test_the_part_that_a_condition_is_on(query: str, part: Part | None) -> None:
    conditions = _filter_of(query, Catalog.load(), "acme").where.conditions
    assert hidden_part_of(conditions, ()) == part
    assert hidden_part_of(conditions, ALL_PARTS) is None
    if part is not None:
        assert hidden_part_of(conditions, ALL_PARTS - {part}) == part
        assert hidden_part_of(conditions, {part}) is None


@pytest.mark.parametrize("body", [FAILED, {**FAILED, "shared": False}])
def test_a_key_has_no_views_of_its_own(holder: Holder, body: dict[str, Any]) -> None:
    """It is nobody who would look at them."""
    (error,) = problem(holder("key").post(VIEWS, json=body), 422, "invalid_body")["errors"]
    assert (error["pointer"], error["detail"]) == ("/shared", "must be true: a key has no views of its own")


# --- changing


def test_what_is_left_out_stays_and_what_is_deleted_is_gone(holder: Holder) -> None:
    with holder() as sarah:
        own = save(sarah)
        path = f"{VIEWS}/{own['view_id']}"
        changed = sarah.patch(path, json={"query": "outcome=denied"}).json()
        assert {**changed, "changed_at": ""} == {**own, "query": "outcome=denied", "changed_at": ""}
        assert changed["changed_at"] > own["changed_at"]
        renamed = sarah.patch(path, json={"name": "denied"}).json()
        assert (renamed["name"], renamed["query"]) == ("denied", "outcome=denied")
        assert sarah.patch(path, json={}).json() == renamed
        assert listed(sarah) == [renamed]
        answer = sarah.delete(path)
        assert (answer.status_code, answer.content) == (204, b"")
        assert listed(sarah) == []
        problem(sarah.delete(path), 404, "no_such_view")
        problem(sarah.patch(path, json={"name": "x"}), 404, "no_such_view")


def test_a_name_is_taken_once(holder: Holder) -> None:
    with holder() as sarah:
        for shared in (True, False):
            save(sarah, "weekly", shared=shared)
            problem(sarah.post(VIEWS, json={**FAILED, "name": "weekly", "shared": shared}), 409, "view_exists")
            other = save(sarah, "daily", shared=shared)
            answer = sarah.patch(f"{VIEWS}/{other['view_id']}", json={"name": "weekly"})
            assert "'weekly'" in problem(answer, 409, "view_exists")["detail"]
        assert [view["name"] for view in listed(sarah)] == ["daily", "weekly"] * 2
    save(holder(id_="usr_8"), "weekly")


def test_there_are_not_more_than_a_person_looks_through(holder: Holder) -> None:
    with holder() as sarah:
        for number in range(100):
            save(sarah, f"view {number}")
        problem(sarah.post(VIEWS, json=FAILED), 409, "too_many_views")
        assert len(listed(sarah)) == 100
        assert sarah.delete(f"{VIEWS}/{listed(sarah)[0]['view_id']}").status_code == 204
        save(sarah)


def test_a_tenant_that_is_not_there_has_no_views(api: httpx.Client) -> None:
    nobody = {"tenant_id": f"t-{secrets.token_hex(6)}"}
    assert listed(api, **nobody) == []
    problem(api.post(VIEWS, json={**FAILED, "shared": True}, params=nobody), 404, "no_such_tenant")
    problem(api.post(VIEWS, json={**FAILED, "shared": True}), 422, "invalid_parameter")


# --- what it may hold


@pytest.mark.parametrize(
    "query",
    [
        "", "q=sarah+chen", "q=na%C3%AFve%20%23", "action=user.joined&action=user.removed&-outcome=success",
        "since=2016-11-21T09:30:00Z&until=1d", "changes.role.to=admin", "session_id=s_1",
    ],
)  # fmt: skip
def test_a_query_is_kept_as_it_is_and_the_timeline_takes_it(
    api: httpx.Client, holder: Holder, tenant: str, query: str
) -> None:
    with holder() as sarah:
        assert save(sarah, query=query)["query"] == query
        assert listed(sarah)[0]["query"] == query
    assert api.get(f"/api/audit-log?{query}&tenant_id={tenant}").status_code == 200


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("actoin=user.joined", "actoin"),
        ("outcome=sucess", "outcome"),
        ("since=monday", "since"),
        ("q=", "q"),
        ("q=%22", "q"),
        ("since=1d&since=2d", "since"),
        ("tenant_id=acme", "tenant_id"),
        ("workspace_id=acme", "workspace_id"),
        ("limit=5", "limit"),
        ("cursor=x", "cursor"),
        ("?q=x", "?q"),
        ("session_id=" + "x" * 257, "session_id"),
        ("q=a%00b", "q"),
    ],
)
def test_a_query_that_the_timeline_would_refuse_is_refused(holder: Holder, query: str, parameter: str) -> None:
    """With what it has against it, when it is saved as when it is changed."""
    with holder() as sarah:
        own = save(sarah)
        for answer in (
            sarah.post(VIEWS, json={"name": "x", "query": query}),
            sarah.patch(f"{VIEWS}/{own['view_id']}", json={"query": query}),
        ):
            (error,) = problem(answer, 422, "invalid_body")["errors"]
            assert (error["pointer"], error["parameter"]) == ("/query", parameter)
        assert listed(sarah) == [own]


@pytest.mark.parametrize(
    "query", ["q=naïve", "q=a b", "q=%FF", "q=x#y", "q=a\nb", "&".join(["action=x"] * 101)],
    ids=["beyond ASCII", "a space", "no UTF-8", "a fragment", "a line", "too many"],
)  # fmt: skip
def test_what_is_no_query_of_a_url_is_refused(holder: Holder, query: str) -> None:
    answer = holder().post(VIEWS, json={"name": "x", "query": query})
    (error,) = problem(answer, 422, "invalid_body")["errors"]
    assert error["pointer"] == "/query"
    assert "as in a URL" in error["detail"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"query": ""}, "/name"),
        ({"name": "x"}, "/query"),
        ({"name": "", "query": ""}, "/name"),
        ({"name": " x", "query": ""}, "/name"),
        ({"name": "a\x1bb", "query": ""}, "/name"),
        ({"name": "a\x00b", "query": ""}, "/name"),
        ({"name": "x" * 101, "query": ""}, "/name"),
        ({"name": "x", "query": "q=" + "x" * 8191}, "/query"),
        ({"name": 7, "query": ""}, "/name"),
        ({"name": "x", "query": "", "shared": "yes"}, "/shared"),
        ({"name": "x", "query": "", "owner": "usr_8"}, "/owner"),
    ],
)
def test_each_field_is_told_of_by_its_place(holder: Holder, body: dict[str, Any], pointer: str) -> None:
    with holder() as sarah:
        errors = problem(sarah.post(VIEWS, json=body), 422, "invalid_body")["errors"]
        assert [error["pointer"] for error in errors] == [pointer]
        assert listed(sarah) == []


def test_a_view_does_not_change_hands(holder: Holder) -> None:
    """What is shared is recorded when it is made."""
    with holder() as sarah:
        for view in (save(sarah), save(sarah, shared=True)):
            for field in ("shared", "owner", "view_id", "created_by"):
                errors = problem(
                    sarah.patch(f"{VIEWS}/{view['view_id']}", json={field: view.get(field)}), 422, "invalid_body"
                )["errors"]
                assert [error["pointer"] for error in errors] == [f"/{field}"]


# --- on record


def test_what_is_done_to_shared_views_is_recorded_and_ones_own_are_not(
    api: httpx.Client, holder: Holder, tenant: str
) -> None:
    with holder() as sarah:
        own, shared = save(sarah), save(sarah, **FAILED, shared=True)
        for view in (own, shared):
            path = f"{VIEWS}/{view['view_id']}"
            assert sarah.patch(path, json={"name": "Denied", "query": "outcome=denied"}).status_code == 200
            assert sarah.patch(path, json={"name": "Denied"}).status_code == 200  # which it is called already
            assert sarah.delete(path).status_code == 204
    created, changed, deleted = recorded(api, tenant)
    assert created["metadata"] == {"query": FAILED["query"]}
    assert changed["changes"] == {
        "name": {"from": "Failed sign-ins", "to": "Denied"},
        "query": {"from": FAILED["query"], "to": "outcome=denied"},
    }
    assert deleted["metadata"] == {"query": "outcome=denied"}
    assert [entry["targets"][0]["id"] for entry in (created, changed, deleted)] == [shared["view_id"]] * 3
    assert {entry["actor"]["id"] for entry in (created, changed, deleted)} == {"usr_7"}
    assert [entry["sentence"] for entry in (created, changed, deleted)] == [
        "Name of usr_7 shared saved view “Failed sign-ins” of the audit log",
        "Name of usr_7 changed the name and query of saved view “Failed sign-ins” of the audit log",
        "Name of usr_7 deleted saved view Denied of the audit log",
    ]


def test_what_is_refused_is_no_change_on_record(api: httpx.Client, holder: Holder, tenant: str) -> None:
    with holder() as sarah, holder("member") as member:
        save(sarah, "weekly", shared=True)
        other = save(sarah, "daily", shared=True)
        sarah.post(VIEWS, json={**FAILED, "name": "weekly", "shared": True})
        sarah.post(VIEWS, json={"name": "x", "query": "no=parameter", "shared": True})
        sarah.patch(f"{VIEWS}/{other['view_id']}", json={"name": "weekly"})
        member.delete(f"{VIEWS}/{other['view_id']}")
    assert [entry["action"] for entry in recorded(api, tenant)] == ["audit_log.view_created"] * 2
