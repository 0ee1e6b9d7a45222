"""Who gets what: every route that there is, called with every kind of credential.

The routes are the application's own. One that is new fails here until it says how it is called, and then has to answer
each caller as its scope demands.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import uuid4

import httpx
import jwt
import psycopg
import pytest

from indelible.ledger.signing import SigningKey
from indelible.server import viewer
from indelible.server.app import Application
from indelible.server.gate import OPEN
from indelible.settings import Settings
from indelible.store.keys import SCOPES
from tests.conftest import Service
from tests.server.conftest import an_event, problem
from tests.signed import sign

KEY: Final = SigningKey.generate()
ME: Final = "usr_me"


def routes() -> list[tuple[str, str, str]]:
    """Every method of every route of the application, and the scope that it says it needs."""
    found = []
    for route in Application(Settings(database_url="postgresql://")).litestar.routes:
        for handler in getattr(route, "route_handlers", ()):
            for method in handler.http_methods - {"OPTIONS"}:
                path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
                found.append((method, path, handler.opt["needs"]))
    return sorted(found)


ROUTES: Final = routes()


@dataclass
class Side:
    """One of two tenants, each of which has everything once."""

    tenant: str
    marker: str
    """Stands in all that is the tenant's own: in nobody else's answers."""
    own_event: str = ""
    """In which the member is the actor."""
    event: str = ""
    """Of others."""
    key_id: str = ""
    view_id: str = ""
    """A shared view."""


@dataclass
class World:
    service: Service
    mine: Side
    other: Side
    held: Mapping[str, str] = field(default_factory=dict)
    """The credentials, by the name of their holder."""

    def client(self, holder: str) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.held[holder]}"} if self.held[holder] else {}
        return httpx.Client(base_url=self.service.address, headers=headers, timeout=30)

    def make_key(self, side: Side, *scopes: str) -> tuple[str, str]:
        body = {"name": f"key of {side.marker}", "scopes": list(scopes), "tenant_id": side.tenant}
        with self.service.client() as vendor:
            answer = vendor.post("/api/keys", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["key"], answer.json()["key_id"]

    def make_view(self, side: Side) -> str:
        body = {"name": f"{secrets.token_hex(4)} of {side.marker}", "query": f"q={side.marker}", "shared": True}
        with self.service.client() as vendor:
            answer = vendor.post("/api/audit-log/views", json=body, params={"tenant_id": side.tenant})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["view_id"])

    def make_token(self, side: Side, role: str, actor: str, **more: object) -> tuple[str, str]:
        body = {"tenant_id": side.tenant, "actor": {"id": actor, "name": f"{actor} of {side.marker}"}, "role": role}
        with self.service.client() as vendor:
            answer = vendor.post("/api/viewer-tokens", json=body | more)
        assert answer.status_code == 201, answer.text
        return answer.json()["token"], answer.json()["token_id"]


@dataclass(frozen=True)
class Call:
    path: str
    json: object = None
    query: Mapping[str, str] = field(default_factory=dict)


def _of(side: Side) -> dict[str, str]:
    return {"tenant_id": side.tenant}


def _a_new_key(world: World, side: Side) -> str:
    return world.make_key(side, "events:read")[1]


def _a_new_view(world: World, side: Side) -> str:
    return world.make_view(side) if side.view_id else str(uuid4())


def _of_the_tenant(path: str) -> Callable[[World, Side], Call]:
    return lambda _, side: Call(path, query=_of(side))


def _plainly(path: str) -> Callable[[World, Side], Call]:
    return lambda _, __: Call(path)


CALLS: Final[dict[tuple[str, str], Callable[[World, Side], Call]]] = {
    ("GET", "/api/audit-log"): lambda _, s: Call("/api/audit-log", query=_of(s)),
    ("POST", "/api/audit-log"): lambda _, s: Call("/api/audit-log", an_event(s.tenant)),
    ("POST", "/api/audit-log/batch"): lambda _, s: Call("/api/audit-log/batch", [an_event(s.tenant)]),
    ("GET", "/api/audit-log/{event_id}"): lambda _, s: Call(f"/api/audit-log/{s.event}", query=_of(s)),
    ("GET", "/api/audit-log/{event_id}/context"): lambda _, s: Call(f"/api/audit-log/{s.event}/context", query=_of(s)),
    ("GET", "/api/audit-log/{event_id}/proof"): lambda _, s: Call(f"/api/audit-log/{s.event}/proof", query=_of(s)),
    ("GET", "/api/audit-log/{event_id}/evidence"): lambda _, s: Call(
        f"/api/audit-log/{s.event}/evidence", query=_of(s)
    ),
    ("GET", "/api/audit-log/about"): _of_the_tenant("/api/audit-log/about"),
    ("GET", "/api/audit-log/proofs"): lambda _, s: Call("/api/audit-log/proofs", query={**_of(s), "seq": "1"}),
    ("GET", "/api/audit-log/checkpoint"): lambda _, s: Call("/api/audit-log/checkpoint", query=_of(s)),
    ("GET", "/api/audit-log/consistency"): lambda _, s: Call(
        "/api/audit-log/consistency", query={**_of(s), "from": "1"}
    ),
    ("GET", "/api/audit-log/views"): lambda _, s: Call("/api/audit-log/views", query=_of(s)),
    ("POST", "/api/audit-log/views"): lambda _, s: Call(
        "/api/audit-log/views", {"name": secrets.token_hex(8), "query": "", "shared": True}, _of(s)
    ),
    ("PATCH", "/api/audit-log/views/{view_id}"): lambda _, s: Call(
        f"/api/audit-log/views/{s.view_id or uuid4()}", {"query": f"q={secrets.token_hex(8)}"}, _of(s)
    ),
    ("DELETE", "/api/audit-log/views/{view_id}"): lambda w, s: Call(
        f"/api/audit-log/views/{_a_new_view(w, s)}", query=_of(s)
    ),
    ("GET", "/api/audit-log/feed"): _of_the_tenant("/api/audit-log/feed"),
    ("GET", "/api/audit-log/live"): lambda _, s: Call(
        "/api/audit-log/live", query={**_of(s), "after": "-1", "seconds": "0"}
    ),
    **{
        ("GET", f"/api/audit-log/{name}"): _of_the_tenant(f"/api/audit-log/{name}")
        for name in ("facets", "actors", "targets", "actions")
    },
    ("GET", "/api/audit-log/vkeys"): lambda _, s: Call("/api/audit-log/vkeys", query=_of(s)),
    ("GET", "/api/keys"): lambda _, s: Call("/api/keys", query=_of(s)),
    ("POST", "/api/keys"): lambda _, s: Call(
        "/api/keys", {"name": "made here", "scopes": ["events:read"], "tenant_id": s.tenant}
    ),
    ("GET", "/api/keys/{key_id}"): lambda _, s: Call(f"/api/keys/{s.key_id}"),
    ("DELETE", "/api/keys/{key_id}"): lambda w, s: Call(f"/api/keys/{_a_new_key(w, s)}"),
    ("POST", "/api/keys/{key_id}/rotate"): lambda w, s: Call(f"/api/keys/{_a_new_key(w, s)}/rotate", {}),
    ("GET", "/api/tenants"): lambda _, __: Call("/api/tenants"),
    ("POST", "/api/tenants"): lambda _, s: Call("/api/tenants", {"tenant_id": s.tenant}),
    ("GET", "/api/tenants/{tenant_id}"): lambda _, s: Call(f"/api/tenants/{s.tenant}"),
    ("PATCH", "/api/tenants/{tenant_id}"): lambda _, s: Call(
        f"/api/tenants/{s.tenant}", {"settings": {"member_access": True}}
    ),
    ("POST", "/api/viewer-tokens"): lambda _, s: Call(
        "/api/viewer-tokens", {"tenant_id": s.tenant, "actor": {"id": "usr_9"}, "role": "admin"}
    ),
    ("POST", "/api/viewer-tokens/revoke"): lambda _, s: Call(
        "/api/viewer-tokens/revoke", {"tenant_id": s.tenant, "token_id": str(uuid4())}
    ),
    **{("GET", path): _plainly(path) for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs")},
    **{("GET", path): _plainly(path) for path in ("/viewer", "/viewer/script.json", "/viewer/audit-log.js")},
    ("GET", "/viewer/{version}/{name}"): lambda _, __: Call(viewer._built().src),
    ("HEAD", "/healthz"): lambda _, __: Call("/healthz"),
}

REFUSED: Final = (
    "nobody", "garbage", "a key with a typo", "an unknown key", "an expired key", "a revoked key", "an expired token",
    "a revoked token", "a token of another installation",
)  # fmt: skip
VIEWER: Final = frozenset({"events:read", "export", "keys:manage", "streams:manage"})
HELD: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(REFUSED, frozenset()),
    "a key without scopes": frozenset(),
    **{f"a key that lacks {scope}": frozenset(SCOPES) - {scope} for scope in SCOPES},
    "a key of another tenant": frozenset(SCOPES),
    "an admin of another tenant": VIEWER,
    "a member": frozenset({"events:read"}),
    "an admin": VIEWER,
    "a key of the tenant": frozenset(SCOPES),
    "the vendor": frozenset(SCOPES),
}
"""Who holds a credential, and the scopes that it comes to."""


def expected(needs: str, method: str, path: str, holder: str) -> set[tuple[int, str]]:
    """The answers that are right: status and, for errors, code."""
    done = {(200, ""), (201, ""), (204, "")}
    if needs == OPEN:
        return done
    if holder in REFUSED:
        return {(401, "unauthorized")}
    if needs not in HELD[holder]:
        return {(403, "missing_scope")}
    if "another tenant" in holder:
        if path == "/api/tenants" and method == "GET":
            return done  # and what is in it is looked at below
        if "{key_id}" in path:
            return {(404, "no_such_key")}
        # A batch is answered event by event; a key for another tenant is one that grants too much.
        told = {"/api/audit-log/batch": (207, ""), "/api/keys": (403, "beyond_your_own")}
        return {told.get(path, (403, "wrong_tenant")) if method == "POST" else (403, "wrong_tenant")}
    # Whoever cannot read cannot have others read, nor keep them from it.
    if holder == "a key that lacks events:read" and method != "GET" and needs in {"keys:manage", "viewer:issue"}:
        return done if path == "/api/viewer-tokens/revoke" else {(403, "beyond_your_own")}
    if holder == "a member" and "{event_id}" in path:
        return {(404, "no_such_event")}
    if holder == "a member" and "/views" in path and method != "GET":
        return {(403, "admins_only")}
    if holder == "a key that lacks tenants:manage" and "/views" in path and method != "GET":
        return {(403, "missing_scope")}  # these are shared ones: what others see takes more than to read
    return done


def build(service: Service) -> World:
    mine, other = (Side(f"t-{secrets.token_hex(6)}", f"marker{secrets.token_hex(8)}") for _ in range(2))
    world = World(service, mine, other)
    with service.client() as vendor:
        for side in (mine, other):
            named = {"id": "usr_7", "type": "user", "name": f"Sarah {side.marker}"}
            member = {"type": "user", "id": ME, "name": side.marker}
            one, another = (
                vendor.post("/api/audit-log", json=an_event(side.tenant, actor=actor)) for actor in (member, named)
            )
            side.own_event, side.event = one.json()["id"], another.json()["id"]
            side.key_id = world.make_key(side, "events:read")[1]
            side.view_id = world.make_view(side)
            answer = vendor.patch(f"/api/tenants/{side.tenant}", json={"settings": {"member_access": True}})
            assert answer.status_code == 200, answer.text
            sign(service.database, side.tenant, KEY)
    can = {"can_export": True, "can_manage_keys": True, "can_manage_streams": True}
    admin, _ = world.make_token(world.mine, "admin", "usr_admin", **can)
    stranger, _ = world.make_token(world.other, "admin", "usr_admin", **can)
    own, _ = world.make_token(world.mine, "member", ME)
    revoked_token, token_id = world.make_token(world.mine, "admin", "usr_gone")
    expired_key, expired_id = world.make_key(world.mine, *SCOPES)
    revoked_key, revoked_id = world.make_key(world.mine, *SCOPES)
    with service.client() as vendor:
        body = {"tenant_id": world.mine.tenant, "token_id": token_id}
        assert vendor.post("/api/viewer-tokens/revoke", json=body).status_code == 200
        assert vendor.delete(f"/api/keys/{revoked_id}").status_code in {200, 204}
    with psycopg.connect(service.database.admin_url) as connection:
        connection.execute(
            "UPDATE indelible.keys SET expires_at = now() - interval '1 second' WHERE key_id = %s", (expired_id,)
        )
    unknown = f"ind_test_{secrets.token_urlsafe(32)}"
    tampered = expired_key[:-1] + ("a" if expired_key[-1] != "a" else "b")
    keys = {f"a key that lacks {s}": world.make_key(world.mine, *(set(SCOPES) - {s}))[0] for s in SCOPES}
    world.held = {
        "nobody": "",
        "garbage": "garbage",
        "a key with a typo": tampered,
        "an unknown key": unknown,
        "an expired key": expired_key,
        "a revoked key": revoked_key,
        "an expired token": aged(service.viewer_secret, admin, timedelta(hours=1)),
        "a revoked token": revoked_token,
        "a token of another installation": aged(secrets.token_urlsafe(32), admin, timedelta()),
        "a key without scopes": world.make_key(world.mine)[0],
        **keys,
        "a key of another tenant": world.make_key(world.other, *SCOPES)[0],
        "an admin of another tenant": stranger,
        "a member": own,
        "an admin": admin,
        "a key of the tenant": world.make_key(world.mine, *SCOPES)[0],
        "the vendor": service.key,
    }
    assert world.held.keys() == HELD.keys()
    time.sleep(0.2)  # what was changed in SQL is known everywhere by then
    return world


def aged(secret: str, token: str, by: timedelta) -> str:
    """The token as it was signed `by` ago, with this secret."""
    claims = jwt.decode(token, options={"verify_signature": False})
    claims |= {name: claims[name] - by.total_seconds() for name in ("iat", "nbf", "exp") if name in claims}
    return jwt.encode(claims, secret, algorithm="HS256", headers=jwt.get_unverified_header(token))


@pytest.fixture(scope="module")
def world(service: Service) -> World:
    return build(service)


def test_every_route_says_how_it_is_called() -> None:
    assert {(method, path) for method, path, _ in ROUTES} == set(CALLS)


@pytest.mark.parametrize("holder", HELD)
@pytest.mark.parametrize(("method", "path", "needs"), ROUTES)
def test_each_route_answers_each_caller_as_it_should(
    world: World, method: str, path: str, needs: str, holder: str
) -> None:
    call = CALLS[method, path](world, world.mine)
    with world.client(holder) as client:
        answer = client.request(method, call.path, json=call.json, params=dict(call.query))
    right = expected(needs, method, path, holder)
    code = answer.json()["code"] if answer.status_code >= 400 else ""
    assert (answer.status_code, code) in right, answer.text
    if code:
        problem(answer, answer.status_code, code)
    if holder != "the vendor":
        assert (world.mine if "another tenant" in holder else world.other).marker not in answer.text
    assert not answer.headers.get_list("set-cookie")


@pytest.mark.parametrize("holder", ["an admin", "a member", "a key of the tenant"])
def test_nobody_names_another_tenant(world: World, holder: str) -> None:
    """In any way that there is, and whether there is such a tenant or not: the answer is one and the same."""
    for method, path, needs in ROUTES:
        # Keys are found by their id alone: see below. Of tenants there is a list, of one's own.
        if needs not in HELD[holder] or "{key_id}" in path or (method, path) == ("GET", "/api/tenants"):
            continue
        answers = []
        nobody = Side(f"t-{secrets.token_hex(6)}", "", str(uuid4()), str(uuid4()), str(uuid4()))
        for side in (world.other, nobody):
            call = CALLS[method, path](world, side)
            with world.client(holder) as client:
                answer = client.request(method, call.path, json=call.json, params=dict(call.query))
            text = answer.text
            for own in (side.tenant, side.event):
                text = text.replace(own, "…")
            answers.append((answer.status_code, text))
        assert answers[0] == answers[1], (method, path)
        if path == "/api/audit-log/batch":
            assert '"accepted":0,' in answers[0][1]
        else:
            assert answers[0][0] in {403, 404}, (method, path, answers)
        assert world.other.marker not in answers[0][1]


@pytest.mark.parametrize("holder", ["an admin", "a member", "a key of the tenant", "the vendor"])
@pytest.mark.parametrize("path", ["/api/audit-log/{}", "/api/audit-log/{}/context", "/api/audit-log/{}/proof"])
def test_an_id_of_another_tenant_is_an_id_that_does_not_exist(world: World, holder: str, path: str) -> None:
    with world.client(holder) as client:
        found = {}
        for event in (world.other.event, str(uuid4())):
            answer = client.get(path.format(event), params={"tenant_id": world.mine.tenant})
            problem(answer, 404, "no_such_event")
            found[event] = answer.text.replace(event, "…")
    assert len(set(found.values())) == 1


@pytest.mark.parametrize("holder", ["an admin", "a key of the tenant"])
def test_a_key_of_another_tenant_is_a_key_that_does_not_exist(world: World, holder: str) -> None:
    with world.client(holder) as client:
        for method, path in (("GET", "/api/keys/{}"), ("DELETE", "/api/keys/{}"), ("POST", "/api/keys/{}/rotate")):
            found = []
            for key_id in (world.other.key_id, str(uuid4())):
                answer = client.request(method, path.format(key_id), json={} if method == "POST" else None)
                problem(answer, 404, "no_such_key")
                found.append(answer.text.replace(key_id, "…"))
            assert len(set(found)) == 1
    with world.service.client() as vendor:
        assert vendor.get(f"/api/keys/{world.other.key_id}").json()["revoked_at"] is None


def test_a_member_gets_their_own_events_alone(world: World) -> None:
    mine = world.mine
    with world.client("a member") as client:
        listed = client.get("/api/audit-log").json()["data"]
        assert mine.own_event in {event["id"] for event in listed}
        assert mine.event not in {event["id"] for event in listed}
        assert client.get(f"/api/audit-log/{mine.own_event}").status_code == 200
        assert client.get(f"/api/audit-log/{mine.own_event}/proof").status_code == 200
        for query in ({"q": "sarah"}, {"actor_id": "usr_7"}, {"since": "1d"}, {"limit": "1000"}):
            found = client.get("/api/audit-log", params=query).json()["data"]
            assert all(ME in (e["actor"].get("id"), *(t.get("id") for t in e["targets"])) for e in found)


@pytest.mark.parametrize("holder", HELD)
def test_entries_with_their_proofs_are_for_those_who_see_all(world: World, holder: str) -> None:
    """As the route without them answers each; a member, who sees a part, is refused."""
    query = {"tenant_id": world.mine.tenant, "seq": ["0", "1"], "entries": "true"}
    with world.client(holder) as client:
        answer = client.get("/api/audit-log/proofs", params=query)
    right = expected("events:read", "GET", "/api/audit-log/proofs", holder)
    if holder == "a member":
        right = {(403, "part_of_the_log")}
    code = answer.json()["code"] if answer.status_code >= 400 else ""
    assert (answer.status_code, code) in right, answer.text
    assert ('"entry":' in answer.text) == (answer.status_code == 200)


def test_a_member_is_none_where_the_tenant_allows_none(service: Service) -> None:
    """A setting that is changed counts at once, for tokens that are about as well."""
    world = build(service)
    with world.client("a member") as client, service.client() as vendor:
        assert client.get("/api/audit-log").status_code == 200
        closed = vendor.patch(f"/api/tenants/{world.mine.tenant}", json={"settings": {"member_access": False}})
        assert closed.status_code == 200
        for path in ("", f"/{world.mine.own_event}", f"/{world.mine.own_event}/proof", "/checkpoint", "/vkeys"):
            problem(client.get(f"/api/audit-log{path}"), 403, "members_not_allowed")
