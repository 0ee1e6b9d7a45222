"""Viewer tokens: who gets one, what it opens, and that it ends at once, everywhere, when somebody says so."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Self
from uuid import UUID, uuid4

import httpx
import jwt
import psycopg
import pytest
from structlog.testing import capture_logs

from indelible.catalog import Catalog
from indelible.server.service import Service as OpenService
from indelible.server.tokens import MAX_TOKEN, ViewerTokens, viewer_secrets
from indelible.settings import Settings, SettingsError
from tests.conftest import Service, running_service
from tests.server.conftest import an_event, problem

TOKENS = "/api/viewer-tokens"
REVOKE = "/api/viewer-tokens/revoke"
HOST = "indelible.local"


@pytest.fixture
def acme(api: httpx.Client, tenant: str) -> str:
    """A tenant with an event, in which usr_7 did something."""
    assert api.post("/api/audit-log", json=an_event(tenant)).status_code == 201
    return tenant


@pytest.fixture
def new_key(service: Service) -> Callable[..., str]:
    return lambda *scopes, **columns: make_key(service, *scopes, **columns)


def make_key(service: Service, *scopes: str, tenant: str | None = None, expires_in: float | None = None) -> str:
    key = f"ind_test_{secrets.token_urlsafe(32)}"
    ends = None if expires_in is None else datetime.now(UTC) + timedelta(seconds=expires_in)
    with psycopg.connect(service.database.admin_url) as connection:
        connection.execute(
            "INSERT INTO indelible.keys (name, hash, scopes, tenant_id, expires_at) VALUES (%s, %s, %s, %s, %s)",
            ("issuer", sha256(key.encode()).digest(), list(scopes), tenant, ends),
        )
    return key


def wanted(tenant: str, **fields: object) -> dict[str, Any]:
    return {"tenant_id": tenant, "actor": {"id": "usr_7", "name": "Sarah Chen"}, "role": "admin", **fields}


def issued(api: httpx.Client, tenant: str, **fields: object) -> dict[str, Any]:
    answer = api.post(TOKENS, json=wanted(tenant, **fields))
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def bearing(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def get(service: Service | str, token: str, **parameters: str) -> httpx.Response:
    address = service if isinstance(service, str) else service.address
    return httpx.get(f"{address}/api/audit-log", params=parameters, headers=bearing(token), timeout=30)


def id_of(service: Service, key: str) -> UUID:
    with psycopg.connect(service.database.admin_url) as connection:
        found = connection.execute(
            "SELECT key_id FROM indelible.keys WHERE hash = %s", (sha256(key.encode()).digest(),)
        ).fetchone()
    assert found is not None
    return UUID(str(found[0]))


def signed(
    service: Service,
    tenant: str,
    *,
    key_id: UUID | None = None,
    now: datetime | None = None,
    seconds: int = 600,
    **said: Any,
) -> str:
    """As the service would sign it."""
    tokens = ViewerTokens([service.viewer_secret], HOST)
    text, _ = tokens.make(
        token_id="t-1",
        key_id=key_id or id_of(service, service.key),
        now=now or datetime.now(UTC),
        seconds=seconds,
        **({"sub": "usr_7", "tenant": tenant, "role": "admin"} | said),
    )
    return text


def allow_members(service: Service, tenant: str, *, allowed: bool = True) -> None:
    """As an operator would in SQL: which counts as well."""
    with psycopg.connect(service.database.admin_url) as connection:
        connection.execute(
            "INSERT INTO indelible.tenant_settings (tenant_id, member_access) VALUES (%s, %s) "
            "ON CONFLICT (tenant_id) DO UPDATE SET member_access = EXCLUDED.member_access",
            (tenant, allowed),
        )


# --- issuing


def test_a_token_opens_the_log_of_its_tenant(service: Service, api: httpx.Client, acme: str) -> None:
    before = datetime.now(UTC)
    answer = api.post(TOKENS, json=wanted(acme))
    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert body.keys() == {"token", "token_id", "tenant_id", "role", "expires_at"}
    assert (body["tenant_id"], body["role"]) == (acme, "admin")
    ends = datetime.fromisoformat(body["expires_at"])
    assert before + timedelta(minutes=14) < ends <= datetime.now(UTC) + timedelta(minutes=15)
    for parameters in ({}, {"tenant_id": acme}):
        assert get(service, body["token"], **parameters).status_code == 200


def test_what_was_asked_for_is_in_the_claims(service: Service, api: httpx.Client, acme: str) -> None:
    body = issued(
        api, acme, actor={"id": "usr_9", "name": "Zoë", "email": "zoe@acme.example"}, time_zone="Europe/Berlin",
        locale="de-DE", can_export=True, can_manage_keys=True, can_manage_streams=True, expires_in=60,
    )  # fmt: skip
    claims = claims_of(body["token"])
    assert claims == {
        "iss": "indelible", "iss_key": str(id_of(service, service.key)), "aud": HOST,
        "jti": body["token_id"], "sub": "usr_9", "tenant": acme, "role": "admin",
        "name": "Zoë", "email": "zoe@acme.example", "zoneinfo": "Europe/Berlin", "locale": "de-DE",
        "can_export": True, "can_manage_keys": True, "can_manage_streams": True,
        "iat": claims["iat"], "nbf": claims["iat"], "exp": claims["exp"],
    }  # fmt: skip
    assert 59 <= claims["exp"] - claims["iat"] <= 60
    staff = claims_of(issued(api, acme, staff=True, reason="ticket 4512", filter={"category": ["auth"]})["token"])
    assert (staff["staff"], staff["reason"], staff["filter"]) == (True, "ticket 4512", {"category": ["auth"]})


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"tenant_id": None}, "/tenant_id"),
        ({"tenant_id": "no such/thing"}, "/tenant_id"),
        ({"actor": None}, "/actor"),
        ({"actor": {}}, "/actor/id"),
        ({"actor": {"id": ""}}, "/actor/id"),
        ({"actor": {"id": "x" * 257}}, "/actor/id"),
        ({"actor": {"id": "usr_7\0"}}, "/actor/id"),
        ({"actor": {"id": "usr_7", "type": "user"}}, "/actor/type"),
        ({"role": "owner"}, "/role"),
        ({"role": None}, "/role"),
        ({"roles": ["admin"]}, "/roles"),
        ({"expires_in": 901}, "/expires_in"),
        ({"expires_in": 0}, "/expires_in"),
        ({"expires_in": -1}, "/expires_in"),
        ({"expires_in": 1e9}, "/expires_in"),
        ({"expires_in": "60"}, "/expires_in"),
        ({"time_zone": "Mars/Olympus"}, "/time_zone"),
        ({"time_zone": "../../../etc/passwd"}, "/time_zone"),
        ({"time_zone": "/etc/localtime"}, "/time_zone"),
        ({"time_zone": "Europe"}, "/time_zone"),
        ({"time_zone": "Europe/Berlin\0"}, "/time_zone"),
        ({"time_zone": ""}, "/time_zone"),
        ({"locale": "de_DE"}, "/locale"),
        ({"locale": "<script>"}, "/locale"),
        ({"locale": ""}, "/locale"),
        ({"filter": []}, "/filter"),
        ({"filter": {"tenant_id": ["umbra"]}}, "/filter"),
        ({"filter": {"category": []}}, "/filter"),
        ({"filter": {"category": "auth"}}, "/filter"),
        ({"filter": {"category": ["auth", "authn"]}}, "/filter/category/1"),
        ({"filter": {"actor_id": ["x" * 200] * 100}}, "/filter"),
        ({"actor": {"id": "usr_7", "name": "\u4e16" * 1024}}, "/actor"),
        ({"can_manage_keys": True, "filter": {"category": ["auth"]}}, "/can_manage_keys"),
        ({"can_manage_keys": True, "role": "member"}, "/can_manage_keys"),
        ({"can_manage_streams": True, "filter": {"category": ["auth"]}}, "/can_manage_streams"),
        ({"can_manage_streams": True, "role": "member"}, "/can_manage_streams"),
        ({"can_export": "yes"}, "/can_export"),
        ({"can_write": True}, "/can_write"),
        ({"staff": True, "role": "member"}, "/role"),
        ({"reason": "curious"}, "/reason"),
        ({"staff": True, "reason": ""}, "/reason"),
    ],
)
def test_what_makes_no_token_is_named(api: httpx.Client, acme: str, fields: dict[str, Any], pointer: str) -> None:
    body = {name: value for name, value in (wanted(acme) | fields).items() if value is not None}
    errors = problem(api.post(TOKENS, json=body), 422, "invalid_body")["errors"]
    assert errors[0]["pointer"].startswith(pointer)


def test_for_a_tenant_that_there_is(api: httpx.Client, tenant: str) -> None:
    problem(api.post(TOKENS, json=wanted(tenant)), 404, "no_such_tenant")
    problem(api.post(REVOKE, json={"tenant_id": tenant, "all": True}), 404, "no_such_tenant")


def test_a_body_that_is_none(api: httpx.Client) -> None:
    problem(api.post(TOKENS, content=b""), 400, "malformed_json")
    problem(api.post(TOKENS, content=b"{"), 400, "malformed_json")
    problem(api.post(TOKENS, json=[]), 422, "invalid_body")
    problem(api.post(TOKENS, content=b"x" * 100_000), 413, "body_too_large")


def test_the_longest_token_still_fits_into_a_header(service: Service, api: httpx.Client, acme: str) -> None:
    body = issued(api, acme, actor={"id": "usr_7", "name": "n" * 1024}, filter={"actor_id": ["x" * 150] * 10})
    assert 3000 < len(body["token"]) <= MAX_TOKEN
    assert get(service, body["token"]).status_code == 200


def test_issuing_takes_the_scope_for_it(service: Service, acme: str, new_key: Callable[..., str]) -> None:
    for scopes in [(), ("events:read", "events:write", "keys:manage", "export")]:
        for route in (TOKENS, REVOKE):
            answer = httpx.post(service.address + route, json=wanted(acme), headers=bearing(new_key(*scopes)))
            problem(answer, 403, "missing_scope")


@pytest.mark.parametrize(
    ("scopes", "fields"),
    [
        (["viewer:issue"], {}),
        (["viewer:issue", "events:read"], {"can_export": True}),
        (["viewer:issue", "events:read"], {"can_manage_keys": True}),
        (["viewer:issue", "events:read"], {"can_manage_streams": True}),
    ],
)
def test_a_token_opens_nothing_that_its_key_does_not(
    service: Service, acme: str, new_key: Callable[..., str], scopes: list[str], fields: dict[str, Any]
) -> None:
    def ask(*more: str) -> httpx.Response:
        return httpx.post(
            service.address + TOKENS, json=wanted(acme, **fields), headers=bearing(new_key(*scopes, *more))
        )

    problem(ask(), 403, "beyond_your_own")
    assert ask("events:read", "export", "keys:manage", "streams:manage").status_code == 201


def test_a_tenant_s_own_key_issues_for_that_tenant(
    service: Service, api: httpx.Client, acme: str, new_key: Callable[..., str]
) -> None:
    key = new_key("viewer:issue", "events:read", tenant=acme)
    other = f"{acme}-other"
    assert api.post("/api/audit-log", json=an_event(other)).status_code == 201
    with httpx.Client(base_url=service.address, headers=bearing(key)) as own:
        token = issued(own, acme)["token"]
        unnamed = {name: value for name, value in wanted(acme).items() if name != "tenant_id"}
        assert claims_of(own.post(TOKENS, json=unnamed).json()["token"])["tenant"] == acme
        assert get(service, token).status_code == 200
        for name in (other, f"{acme}-none"):  # the answer is one and the same
            told = problem(own.post(TOKENS, json=wanted(name)), 403, "wrong_tenant")
            assert name not in told["detail"].replace(acme, "", 1)
            problem(own.post(REVOKE, json={"tenant_id": name, "all": True}), 403, "wrong_tenant")
        problem(own.post(TOKENS, json=wanted(acme, staff=True)), 403, "beyond_your_own")


def test_a_token_ends_with_the_key_that_asked_for_it(service: Service, acme: str, new_key: Callable[..., str]) -> None:
    key = new_key("viewer:issue", "events:read", expires_in=30)
    with httpx.Client(base_url=service.address, headers=bearing(key)) as short:
        claims = claims_of(issued(short, acme)["token"])
    assert claims["exp"] - claims["iat"] <= 30


def test_a_token_ends_at_once_with_the_key_that_issued_it(
    service: Service, api: httpx.Client, acme: str, new_key: Callable[..., str], other_process: str
) -> None:
    """On every process, and also where the key expires before it was to."""
    keys = [new_key("viewer:issue", "events:read", "keys:manage") for _ in range(3)]
    tokens = []
    for key in keys:
        with httpx.Client(base_url=service.address, headers=bearing(key)) as client:
            tokens.append(issued(client, acme, can_manage_keys=True)["token"])
    for address in (service.address, other_process):
        assert [get(address, token).status_code for token in tokens] == [200, 200, 200]
    assert api.delete(f"/api/keys/{id_of(service, keys[0])}").status_code == 200
    assert api.post(f"/api/keys/{id_of(service, keys[1])}/rotate", json={"overlap": "0m"}).status_code == 201
    for address in (service.address, other_process):
        assert [get(address, token).status_code for token in tokens] == [401, 401, 200]
        for token in tokens[:2]:
            assert "the key that the token was issued with" in get(address, token).json()["detail"]
            answer = httpx.post(f"{address}/api/keys", json={"name": "k", "scopes": []}, headers=bearing(token))
            problem(answer, 401, "unauthorized")


def test_a_token_lives_on_while_its_key_is_being_replaced(
    service: Service, api: httpx.Client, acme: str, new_key: Callable[..., str]
) -> None:
    key = new_key("viewer:issue", "events:read")
    with httpx.Client(base_url=service.address, headers=bearing(key)) as client:
        token = issued(client, acme)["token"]
    assert api.post(f"/api/keys/{id_of(service, key)}/rotate", json={"overlap": "1h"}).status_code == 201
    assert get(service, token).status_code == 200


def test_a_token_of_a_key_that_there_is_not_opens_nothing(service: Service, acme: str) -> None:
    assert get(service, signed(service, acme)).status_code == 200
    problem(get(service, signed(service, acme, key_id=uuid4())), 401, "unauthorized")


def test_a_key_that_was_made_by_token_ends_with_the_one_that_issued_that(
    service: Service, acme: str, new_key: Callable[..., str]
) -> None:
    """Else a key that ends soon would make itself one that does not, by a detour."""
    passing = {"can_manage_keys": True}
    for issuer, ends in ((new_key("viewer:issue", "events:read", "keys:manage", expires_in=600), True),
                         (new_key("viewer:issue", "events:read", "keys:manage"), False)):  # fmt: skip
        with httpx.Client(base_url=service.address, headers=bearing(issuer)) as client:
            token = issued(client, acme, **passing)["token"]
        with httpx.Client(base_url=service.address, headers=bearing(token)) as client:
            plain = client.post("/api/keys", json={"name": "k", "scopes": ["events:read"]})
            longer = client.post("/api/keys", json={"name": "k", "scopes": ["events:read"], "expires_in": "90d"})
        assert plain.status_code == 201
        if ends:
            until = datetime.fromisoformat(plain.json()["expires_at"])
            assert until <= datetime.now(UTC) + timedelta(seconds=600)
            assert problem(longer, 403, "beyond_your_own")["errors"][0]["pointer"] == "/expires_at"
        else:
            assert plain.json()["expires_at"] is None
            assert longer.status_code == 201


def test_nobody_looks_at_the_operator_s_ledger_with_a_token(
    service: Service, api: httpx.Client, new_key: Callable[..., str]
) -> None:
    operator = "indelible:operator"
    problem(api.post(TOKENS, json=wanted(operator)), 422, "reserved_tenant")
    with httpx.Client(base_url=service.address, headers=bearing(new_key("viewer:issue", "events:read"))) as lesser:
        problem(lesser.post(TOKENS, json=wanted(operator)), 403, "operators_ledger")
    problem(get(service, signed(service, operator)), 403, "operators_ledger")


def test_without_a_secret_there_are_none(service: Service, acme: str) -> None:
    with running_service(service.database, INDELIBLE_ADMIN_KEY=service.key) as address:
        answer = httpx.post(address + TOKENS, json=wanted(acme), headers=bearing(service.key))
        detail = problem(answer, 409, "viewer_tokens_off")["detail"]
        assert "INDELIBLE_VIEWER_SECRET" in detail
        problem(get(address, signed(service, acme)), 401, "unauthorized")


# --- what they open


def test_of_no_other_tenant(service: Service, api: httpx.Client, acme: str) -> None:
    """Whether there is such a tenant is not told either."""
    token = issued(api, acme, staff=True)["token"]
    other = f"{acme}-other"
    assert api.post("/api/audit-log", json=an_event(other)).status_code == 201
    told = {
        problem(get(service, token, **{parameter: name}), 403, "wrong_tenant")["detail"]
        for name in (other, f"{acme}-none")
        for parameter in ("tenant_id", "workspace_id")
    }
    assert len(told) == 1


def test_a_token_does_what_was_allowed_and_no_more(service: Service, api: httpx.Client, acme: str) -> None:
    token = issued(api, acme)["token"]
    with httpx.Client(base_url=service.address, headers=bearing(token)) as viewer:
        problem(viewer.post("/api/audit-log", json=an_event(acme)), 403, "missing_scope")
        problem(viewer.post("/api/audit-log/batch", json=[an_event(acme)]), 403, "missing_scope")
        problem(viewer.post(TOKENS, json=wanted(acme)), 403, "missing_scope")
        problem(viewer.post(REVOKE, json={"tenant_id": acme, "all": True}), 403, "missing_scope")
        refused = viewer.get("/api/keys")
        assert "keys:manage" in problem(refused, 403, "missing_scope")["detail"]
        assert refused.headers["www-authenticate"] == (
            'Bearer realm="indelible", error="insufficient_scope", scope="keys:manage"'
        )
    managing = issued(api, acme, can_manage_keys=True)["token"]
    assert httpx.get(f"{service.address}/api/keys", headers=bearing(managing)).status_code == 200


def test_no_cookie_is_set_or_read(service: Service, api: httpx.Client, acme: str) -> None:
    """So no other page can have a browser send what opens the log."""
    answer = api.post(TOKENS, json=wanted(acme))
    token = answer.json()["token"]
    assert "set-cookie" not in answer.headers
    assert "set-cookie" not in get(service, token).headers
    for name in ("token", "authorization", "access_token", "session", "indelible"):
        for value in (token, f"Bearer {token}"):
            cookie = {"cookie": f'{name}="{value}"'}
            problem(httpx.get(f"{service.address}/api/audit-log", headers=cookie), 401, "unauthorized")


@pytest.mark.parametrize("name", ["token", "access_token", "authorization", "jwt"])
def test_a_token_in_the_url_is_none(service: Service, acme: str, name: str) -> None:
    token = signed(service, acme)
    answer = httpx.get(f"{service.address}/api/audit-log", params={name: token})
    assert token not in answer.text
    problem(answer, 401, "unauthorized")


def test_what_is_wrong_with_ours_is_told_and_of_others_nothing(service: Service, acme: str) -> None:
    ours = signed(service, acme, now=datetime.now(UTC) - timedelta(minutes=20))
    assert "expired" in problem(get(service, ours), 401, "unauthorized")["detail"]
    foreign, _ = ViewerTokens(["x" * 40], HOST).make(
        token_id="t", key_id=uuid4(), now=datetime.now(UTC) - timedelta(minutes=20), seconds=60, sub="u", tenant=acme,
        role="admin",
    )  # fmt: skip
    for text in (foreign, ours[:-5], "eyJ.e.e", "eyJhbGciOiJub25lIn0.e30."):
        answer = get(service, text)
        assert "not one of this installation" in problem(answer, 401, "unauthorized")["detail"]
        assert answer.headers["www-authenticate"] == 'Bearer realm="indelible", error="invalid_token"'
        assert text not in answer.text
    elsewhere, _ = ViewerTokens([service.viewer_secret], "elsewhere").make(
        token_id="t", key_id=uuid4(), now=datetime.now(UTC), seconds=60, sub="u", tenant=acme, role="admin"
    )
    assert "another installation" in problem(get(service, elsewhere), 401, "unauthorized")["detail"]


def test_a_token_of_a_tenant_that_there_is_not_opens_nothing(service: Service, tenant: str) -> None:
    assert get(service, signed(service, tenant)).json().get("data", []) == []


# --- members


def test_members_read_where_the_tenant_lets_them(service: Service, api: httpx.Client, acme: str) -> None:
    """The claims are not enough: what the tenant says counts at each request."""
    member = wanted(acme, role="member")
    problem(api.post(TOKENS, json=member), 403, "members_not_allowed")
    forged_early = signed(service, acme, role="member")
    problem(get(service, forged_early), 403, "members_not_allowed")
    allow_members(service, acme)
    time.sleep(0.15)
    token = issued(api, acme, role="member")["token"]
    assert get(service, token).status_code == 200
    allow_members(service, acme, allowed=False)
    time.sleep(0.15)
    problem(get(service, token), 403, "members_not_allowed")
    problem(api.post(TOKENS, json=member), 403, "members_not_allowed")


# --- on record


def entries(api: httpx.Client, tenant: str, action: str) -> list[dict[str, Any]]:
    found = api.get("/api/audit-log", params={"tenant_id": tenant, "action": action})
    assert found.status_code == 200
    data: list[dict[str, Any]] = found.json()["data"]
    return data


def test_what_was_issued_is_on_record_before_it_is_handed_out(api: httpx.Client, acme: str) -> None:
    body = issued(api, acme, can_export=True, filter={"category": ["auth"]})
    (entry,) = entries(api, acme, "audit_log.token_issued")
    assert entry["actor"]["type"] == "api_key"
    assert entry["targets"] == [{"type": "user", "id": "usr_7", "name": "Sarah Chen"}]
    said = entry["metadata"]
    assert said["token_id"] == body["token_id"]
    assert (said["role"], said["expires_at"], said["staff"]) == ("admin", body["expires_at"], False)
    assert (said["permissions"], said["filter"]) == (["read", "export"], {"category": ["auth"]})
    assert body["token"] not in str(entry)


def test_what_was_revoked_is_on_record(api: httpx.Client, acme: str) -> None:
    body = issued(api, acme)
    for which in ({"token_id": body["token_id"]}, {"actor_id": "usr_7"}, {"all": True}):
        assert api.post(REVOKE, json={"tenant_id": acme, **which}).status_code == 200
    everything, person, one = entries(api, acme, "audit_log.token_revoked")
    assert one["metadata"]["token_id"] == body["token_id"]
    assert person["targets"][0]["id"] == "usr_7"
    assert everything["metadata"]["all"] is True


def test_what_is_refused_is_on_record(service: Service, api: httpx.Client, acme: str) -> None:
    """With who it was, where that is known; and what a stranger tries on a tenant."""
    expired = signed(service, acme, now=datetime.now(UTC) - timedelta(minutes=20), sub="usr_expired")
    get(service, expired)
    get(service, signed(service, acme, sub="usr_curious"), tenant_id="umbra")
    get(service, "ind_test_" + "x" * 46, tenant_id=acme)
    deadline = time.monotonic() + 10
    found: list[dict[str, Any]] = []
    while len(found) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
        found = entries(api, acme, "audit_log.access_denied")
    told = {(each["actor"].get("id"), each["metadata"]["code"]) for each in found}
    assert told == {("usr_expired", "unauthorized"), ("usr_curious", "wrong_tenant"), (None, "unauthorized")}
    assert expired not in str(found)


# --- revoking


@pytest.fixture(scope="module")
def other_process(service: Service) -> Iterator[str]:
    """A second service of the same installation: two hosts, as it were."""
    with running_service(
        service.database, INDELIBLE_ADMIN_KEY=service.key, INDELIBLE_VIEWER_SECRET=service.viewer_secret,
        INDELIBLE_KEY_READ_LIMIT="0", INDELIBLE_TENANT_READ_LIMIT="0",
    ) as address:  # fmt: skip
        yield address


class Reader:
    """Reads on and on with a token, and knows when it was let in last."""

    def __init__(self, address: str, token: str) -> None:
        self._address, self._headers = address, bearing(token)
        self.last_let_in = 0.0
        self.let_in = 0
        self.statuses: set[int] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _read(self) -> None:
        with httpx.Client(base_url=self._address, headers=self._headers) as client:
            while not self._stop.is_set():
                asked_at = time.monotonic()
                status = client.get("/api/audit-log", params={"limit": "1"}).status_code
                self.statuses.add(status)
                if status == 200:
                    self.last_let_in = asked_at
                    self.let_in += 1


@pytest.mark.parametrize("which", ["token", "actor", "all"])
def test_a_revoked_token_is_refused_at_once_everywhere(
    service: Service, api: httpx.Client, acme: str, other_process: str, which: str
) -> None:
    """From the moment of the answer on, and in the midst of its use."""
    mine, other_mine = issued(api, acme), issued(api, acme)
    hers = issued(api, acme, actor={"id": "usr_9"})
    with contextlib.ExitStack() as reading:
        readers = [reading.enter_context(Reader(to, mine["token"])) for to in (service.address, other_process)]
        time.sleep(0.4)
        assert all(reader.let_in for reader in readers)
        body = {"token": {"token_id": mine["token_id"]}, "actor": {"actor_id": "usr_7"}, "all": {"all": True}}[which]
        answer = api.post(REVOKE, json={"tenant_id": acme, **body})
        answered_at = time.monotonic()
        time.sleep(0.3)
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"tenant_id", "revoked_at"}
    for reader in readers:
        assert reader.last_let_in < answered_at
        assert reader.statuses == {200, 401}
    for address in (service.address, other_process):
        assert "revoked" in problem(get(address, mine["token"]), 401, "unauthorized")["detail"]
        assert get(address, other_mine["token"]).status_code == (200 if which == "token" else 401)
        assert get(address, hers["token"]).status_code == (401 if which == "all" else 200)
    # Who gets another one is let in: what was issued before is what was revoked.
    again = issued(api, acme)
    for address in (service.address, other_process):
        assert get(address, again["token"]).status_code == 200


def test_of_one_tenant_alone(service: Service, api: httpx.Client, acme: str) -> None:
    other = f"{acme}-other"
    assert api.post("/api/audit-log", json=an_event(other)).status_code == 201
    token = issued(api, other)
    for which in ({"all": True}, {"actor_id": "usr_7"}, {"token_id": token["token_id"]}):
        assert api.post(REVOKE, json={"tenant_id": acme, **which}).status_code == 200
    assert get(service, token["token"]).status_code == 200


def test_a_revoked_key_is_refused_at_once_everywhere(
    service: Service, api: httpx.Client, acme: str, new_key: Callable[..., str], other_process: str
) -> None:
    key = new_key("events:read", tenant=acme)
    with contextlib.ExitStack() as reading:
        readers = [reading.enter_context(Reader(to, key)) for to in (service.address, other_process)]
        time.sleep(0.4)
        listed = api.get("/api/keys", params={"tenant_id": acme}).json()["data"]
        assert api.delete(f"/api/keys/{listed[0]['key_id']}").status_code == 200
        answered_at = time.monotonic()
        time.sleep(0.3)
    for reader in readers:
        assert reader.let_in
        assert reader.last_let_in < answered_at
        assert reader.statuses == {200, 401}


@pytest.mark.parametrize(
    "which",
    [
        {},
        {"token_id": "0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90", "actor_id": "usr_7"},
        {"token_id": "0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90", "all": True},
        {"all": False},
        {"all": 1},
        {"token_id": ""},
        {"token_id": "x" * 200},
        {"token_id": 7},
        {"actor_id": "x" * 257},
        {"actor": "usr_7"},
        {"token": "t"},
    ],
)
def test_what_is_to_be_revoked_is_one_thing(api: httpx.Client, acme: str, which: dict[str, Any]) -> None:
    problem(api.post(REVOKE, json={"tenant_id": acme, **which}), 422, "invalid_body")


def test_revoking_twice_is_no_error_and_moves_on(service: Service, api: httpx.Client, acme: str) -> None:
    first = api.post(REVOKE, json={"tenant_id": acme, "actor_id": "usr_7"}).json()["revoked_at"]
    token = issued(api, acme)["token"]
    assert get(service, token).status_code == 200
    second = api.post(REVOKE, json={"tenant_id": acme, "actor_id": "usr_7"}).json()["revoked_at"]
    assert second > first
    problem(get(service, token), 401, "unauthorized")


# --- the secret


def test_rotating_the_secret(service: Service, acme: str) -> None:
    """While both are set, what was signed with the one before is still read, and new ones are of the new."""
    old = signed(service, acme)
    new_secret = secrets.token_urlsafe(32)
    both = {"INDELIBLE_VIEWER_SECRET": new_secret, "INDELIBLE_OLD_VIEWER_SECRET": service.viewer_secret}
    with running_service(service.database, INDELIBLE_ADMIN_KEY=service.key, **both) as address:
        assert get(address, old).status_code == 200
        with httpx.Client(base_url=address, headers=bearing(service.key)) as rotated:
            fresh = issued(rotated, acme)["token"]
        assert get(address, fresh).status_code == 200
        problem(get(service, fresh), 401, "unauthorized")  # which has the old one alone


def test_a_secret_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "viewer.secret"
    file.write_text("s" * 40 + "\n")
    file.chmod(0o600)
    warned: list[str] = []
    settings = Settings.from_env({"INDELIBLE_VIEWER_SECRET_FILE": str(file)})
    assert viewer_secrets(settings, warned.append) == ("s" * 40,)
    assert warned == []
    file.chmod(0o644)
    assert viewer_secrets(settings, warned.append) == ("s" * 40,)
    assert "chmod 600" in warned[0]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read"),
        (b"", "found 0 characters"),
        (b"short", "found 5 characters"),
        (b"x" * 20 + b" " + b"y" * 20, "white space"),
        (b"\xff\xfe" * 40, "ASCII"),
    ],
)
def test_a_file_that_holds_no_secret(tmp_path: Path, content: bytes | None, why: str) -> None:
    file = tmp_path / "viewer.secret"
    if content is not None:
        file.write_bytes(content)
    settings = Settings.from_env({"INDELIBLE_VIEWER_SECRET_FILE": str(file)})
    with pytest.raises(SettingsError, match=why) as wrong:
        viewer_secrets(settings, pytest.fail)
    assert "INDELIBLE_VIEWER_SECRET_FILE" in str(wrong.value)
    assert not content or content.decode("latin-1") not in str(wrong.value)


def test_the_secret_before_is_another_one() -> None:
    same = {"INDELIBLE_VIEWER_SECRET": "s" * 40, "INDELIBLE_OLD_VIEWER_SECRET": "s" * 40}
    with pytest.raises(SettingsError, match="expected the one before"):
        viewer_secrets(Settings.from_env(same), pytest.fail)


def test_nothing_logs_a_token(service: Service, acme: str, catalog: Catalog) -> None:
    """Nor shows one when it is printed."""
    settings = Settings.from_env(
        {"INDELIBLE_DATABASE_URL": service.database.url, "INDELIBLE_VIEWER_SECRET": service.viewer_secret}
    )
    token = signed(service, acme)

    async def use() -> str:
        async with OpenService.open(settings, catalog) as opened:
            scope: Any = {
                "type": "http", "method": "GET", "path": "/api/audit-log", "query_string": b"", "client": None,
                "headers": [(b"authorization", f"Bearer {token}".encode())],
            }  # fmt: skip
            caller = await opened.gate.admit(scope, "events:read")
            return f"{caller!r} {opened!r}"

    with capture_logs() as logs:
        shown = asyncio.run(use())
    assert token not in shown
    assert service.viewer_secret not in shown
    assert token not in str(logs)
