"""Who may call: a bearer key with the scope, in the header and nowhere else."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import httpx
import psycopg
import pytest

from indelible.store.key_text import make_key_text
from tests.conftest import Service, running_service
from tests.server.conftest import an_event, listed, problem

CALLS = [
    ("POST", "/api/audit-log"),
    ("POST", "/api/audit-log/batch"),
    ("GET", "/api/audit-log?tenant_id=acme"),
    ("GET", "/api/audit-log/0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90?tenant_id=acme"),
    ("GET", "/api/audit-log/0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90/proof?tenant_id=acme"),
    ("GET", "/api/audit-log/checkpoint?tenant_id=nobody"),
    ("GET", "/api/audit-log/consistency?tenant_id=nobody&from=1"),
    ("GET", "/api/audit-log/vkeys?tenant_id=nobody"),
]


def call(service: Service, method: str, url: str, headers: list[tuple[str, str]]) -> httpx.Response:
    with httpx.Client(base_url=service.address, timeout=30) as client:
        return client.request(method, url, headers=headers)


@pytest.fixture
def new_key(service: Service) -> Callable[..., str]:
    """Makes a key of these scopes, as an operator would in SQL."""

    def make(*scopes: str) -> str:
        key = f"ind_test_{secrets.token_urlsafe(32)}"
        with psycopg.connect(service.database.admin_url) as connection:
            connection.execute(
                "INSERT INTO indelible.keys (name, hash, scopes) VALUES (%s, %s, %s)",
                ("test", sha256(key.encode()).digest(), list(scopes)),
            )
        return key

    return make


@pytest.mark.parametrize(("method", "url"), CALLS)
@pytest.mark.parametrize(
    "authorizations",
    [
        [],
        ["{key}"],
        ["Bearer"],
        ["Basic {key}"],
        ["Bearer{key}"],
        ["Bearer {key}x"],
        ["Bearer {shorter}"],
        ["Bearer {upper}"],
        ["Bearer {key}, Bearer {key}"],
        ["Bearer {key}", "Bearer {key}"],
        ["Bearer x", "Bearer {key}"],
        ["Bearer ' OR 1=1 --"],
        ["Bearer \u00e9\u00ff"],
        ["Bearer " + "x" * 5000],
    ],
)
def test_without_a_whole_known_key_it_is_401(
    service: Service, method: str, url: str, authorizations: list[str]
) -> None:
    """On every route, however near the key is; and the answer says how to send it, not which key there is."""
    key = service.key
    texts = [a.format(key=key, shorter=key[:-1], upper=key.upper()) for a in authorizations]
    with httpx.Client(base_url=service.address, timeout=30) as client:
        answer = client.request(method, url, headers=[(b"authorization", t.encode("latin-1")) for t in texts])
    body = problem(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert key not in body["detail"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_the_scheme_is_spelled_in_any_case(service: Service, scheme: str) -> None:
    answer = call(service, "GET", "/api/audit-log?tenant_id=acme", [("authorization", f"{scheme} {service.key}")])
    assert answer.status_code == 200


@pytest.mark.parametrize("name", ["key", "api_key", "access_token", "authorization"])
def test_a_key_in_the_url_is_no_key(service: Service, name: str) -> None:
    """URLs end up in logs and histories."""
    url = f"/api/audit-log?tenant_id=acme&{name}={service.key}"
    problem(call(service, "GET", url, []), 401, "unauthorized")
    problem(call(service, "POST", url, []), 401, "unauthorized")
    answer = call(service, "GET", url, [("authorization", f"Bearer {service.key}")])
    assert service.key not in problem(answer, 422, "invalid_parameter")["detail"]


@pytest.mark.parametrize("scopes", [(), ("events:read",), ("events:write",), ("events:import",), ("other",)])
def test_a_key_does_what_its_scopes_say(
    service: Service, new_key: Callable[..., str], tenant: str, scopes: tuple[str, ...]
) -> None:
    key = new_key(*scopes)
    with httpx.Client(base_url=service.address, headers={"authorization": f"Bearer {key}"}) as client:
        answers = {
            "events:read": [client.get(url) for method, url in CALLS if method == "GET"],
            "events:write": [
                client.post("/api/audit-log", json=an_event(tenant)),
                client.post("/api/audit-log/batch", json=[an_event(tenant)]),
            ],
        }
    for scope, found in answers.items():
        for answer in found:
            if scope in scopes:
                assert answer.status_code in {200, 201, 404}
            else:
                assert scope in problem(answer, 403, "missing_scope")["detail"]


def test_history_needs_the_scope_to_import(
    service: Service, api: httpx.Client, new_key: Callable[..., str], tenant: str
) -> None:
    """A stolen key of an application must not be able to write last year's history."""
    old = an_event(tenant, occurred_at=(datetime.now(UTC) - timedelta(days=31)).isoformat())
    key = new_key("events:write")
    with httpx.Client(base_url=service.address, headers={"authorization": f"Bearer {key}"}) as client:
        body = problem(client.post("/api/audit-log", json=old), 422, "invalid_time")
        assert body["errors"][0]["pointer"] == "/occurred_at"
        assert client.post("/api/audit-log/batch", json=[old]).json()["data"][0]["error"]["code"] == "invalid_time"
    assert api.post("/api/audit-log", json=old).status_code == 201
    assert len(listed(api, tenant)) == 1


def test_nothing_is_read_of_a_body_whose_sender_is_unknown(service: Service) -> None:
    """Also not whether it is JSON."""
    problem(call(service, "POST", "/api/audit-log", []), 401, "unauthorized")


# --- keys that were good once


def insert(service: Service, key: str, **columns: object) -> None:
    names = ["name", "hash", "scopes", *columns]
    values = ["of the warehouse", sha256(key.encode()).digest(), ["events:read"], *columns.values()]
    with psycopg.connect(service.database.admin_url) as connection:
        connection.execute(
            f"INSERT INTO indelible.keys ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})", values
        )


def read_with(service: Service, key: str) -> httpx.Response:
    return call(service, "GET", "/api/audit-log?tenant_id=acme", [("authorization", f"Bearer {key}")])


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"expires_at": datetime(2026, 1, 31, 12, tzinfo=UTC)}, "expired on 2026-01-31 at 12:00 UTC"),
        ({"revoked_at": datetime(2026, 2, 3, 4, 5, tzinfo=UTC)}, "was revoked on 2026-02-03 at 04:05 UTC"),
    ],
)
def test_whose_key_has_ended_is_told_so(service: Service, columns: dict[str, object], why: str) -> None:
    """They held it, so this tells them nothing that is not theirs to know."""
    key = make_key_text("test")
    insert(service, key, **columns)
    for _ in range(2):
        answer = read_with(service, key)
        detail = problem(answer, 401, "unauthorized")["detail"]
        assert why in detail
        assert "of the warehouse" in detail
        assert key not in answer.text


def test_a_key_that_was_mistyped_or_is_of_elsewhere_is_told_so(service: Service) -> None:
    key = make_key_text("test")
    mistyped = key[:20] + ("a" if key[20] != "a" else "b") + key[21:]
    assert "mistyped" in problem(read_with(service, mistyped), 401, "unauthorized")["detail"]
    elsewhere = problem(read_with(service, make_key_text("live")), 401, "unauthorized")["detail"]
    assert "live installation" in elsewhere
    assert "not known here" in problem(read_with(service, key), 401, "unauthorized")["detail"]


def test_the_challenge_says_what_was_wrong(service: Service, new_key: Callable[..., str]) -> None:
    """RFC 6750 section 3.1: who sent nothing is not told of an error."""
    nothing = call(service, "GET", "/api/audit-log", [])
    assert nothing.headers["www-authenticate"] == 'Bearer realm="indelible"'
    unknown = read_with(service, make_key_text("test"))
    assert unknown.headers["www-authenticate"] == 'Bearer realm="indelible", error="invalid_token"'
    insufficient = read_with(service, new_key("events:write"))
    assert insufficient.headers["www-authenticate"] == (
        'Bearer realm="indelible", error="insufficient_scope", scope="events:read"'
    )


def test_a_tenant_s_key_opens_that_tenant_alone(service: Service, api: httpx.Client, tenant: str) -> None:
    """The answer is one and the same, whether there is another of that name or not."""
    key, other = make_key_text("test"), f"{tenant}-other"
    insert(service, key, tenant_id=tenant)
    assert api.post("/api/audit-log", json=an_event(other)).status_code == 201
    headers = {"authorization": f"Bearer {key}"}
    with httpx.Client(base_url=service.address, headers=headers) as own:
        assert own.get("/api/audit-log").status_code == 200
        told = {
            problem(own.get("/api/audit-log", params={name: value}), 403, "wrong_tenant")["detail"]
            for name in ("tenant_id", "workspace_id")
            for value in (other, f"{tenant}-none")
        }
        assert len(told) == 1
        both = own.get(f"/api/audit-log?tenant_id={tenant}&tenant_id={other}")
        problem(both, 403, "wrong_tenant")


def test_when_a_key_was_last_used_is_noted(service: Service, tenant: str) -> None:
    """And from where; behind the request."""
    key = make_key_text("test")
    insert(service, key, tenant_id=tenant)
    before = datetime.now(UTC)
    assert read_with(service, key).status_code == 403  # of another tenant: it was used all the same
    deadline = time.monotonic() + 10
    row: tuple[datetime | None, str | None] | None = None
    with psycopg.connect(service.database.admin_url, autocommit=True) as connection:
        while (row is None or row[0] is None) and time.monotonic() < deadline:
            time.sleep(0.1)
            row = connection.execute(
                "SELECT last_used_at, last_used_ip FROM indelible.keys WHERE tenant_id = %s", (tenant,)
            ).fetchone()
    assert row is not None
    assert row[0] is not None
    assert before <= row[0] <= datetime.now(UTC)
    assert row[1] == "127.0.0.1"


def test_guessing_is_slowed_down_and_hurts_nobody_else(service: Service) -> None:
    """One address, many keys that nobody knows; a key that is known goes on, from the same address."""
    with (
        running_service(service.database, INDELIBLE_ADMIN_KEY=service.key) as address,
        httpx.Client(base_url=address) as client,
    ):
        url = "/api/audit-log?tenant_id=acme"
        known = {"authorization": f"Bearer {service.key}"}
        assert client.get(url, headers=known).status_code == 200
        answers = [client.get(url, headers={"authorization": f"Bearer {make_key_text('test')}"}) for _ in range(150)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert {answer.status_code for answer in answers} == {401, 429}
        for answer in refused:
            problem(answer, 429, "rate_limited")
            assert int(answer.headers["retry-after"]) >= 1
        assert client.get(url, headers=known).status_code == 200
