"""Who may call: a bearer key with the scope, in the header and nowhere else."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import httpx
import psycopg
import pytest

from tests.conftest import Service
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
