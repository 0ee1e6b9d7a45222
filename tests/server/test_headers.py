"""Headers that every answer has, whatever comes, and cookies, of which there are none."""

from __future__ import annotations

import secrets
from uuid import uuid4

import httpx
import pytest

from indelible.server.headers import hardened
from tests.conftest import Service
from tests.server.conftest import an_event, problem
from tests.server.test_routes import METHODS

VIEWER = {path for path in METHODS if path.startswith("/viewer")}  # test_viewer.py has these
ALL = sorted({*METHODS, "/nowhere", "/api/audit-log/x/y"} - VIEWER)


@pytest.mark.parametrize("path", ALL)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("known", [True, False])
def test_every_answer_is_for_whoever_asked_alone(service: Service, method: str, path: str, known: bool) -> None:
    """Errors as well, and strangers' too: a proxy keeps none of them, and no browser guesses what they are."""
    headers = {"authorization": f"Bearer {service.key}"} if known else {}
    with httpx.Client(base_url=service.address, headers=headers, timeout=30) as client:
        answer = client.request(method, path, content=b"{}" if method in {"POST", "PUT"} else None)
    assert answer.headers.get_list("cache-control") == ["no-store"]
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
    assert answer.headers.get_list("referrer-policy") == ["no-referrer"]
    assert "set-cookie" not in answer.headers
    is_page = answer.headers.get("content-type", "").startswith("text/html")
    assert is_page == (path == "/docs" and method == "GET")
    if is_page:
        (policy,) = answer.headers.get_list("content-security-policy")
        assert "default-src 'none'" in policy
        assert "script" not in policy


def test_answers_about_events_too(api: httpx.Client, tenant: str) -> None:
    logged = api.post("/api/audit-log", json=an_event(tenant))
    batch = api.post("/api/audit-log/batch", json=[an_event(tenant), {}])
    read = api.get(f"/api/audit-log/{logged.json()['id']}", params={"tenant_id": tenant})
    missing = api.get(f"/api/audit-log/{uuid4()}", params={"tenant_id": tenant})
    assert [each.status_code for each in (logged, batch, read, missing)] == [201, 207, 200, 404]
    for answer in (logged, batch, read, missing):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("name", ["authorization", "Authorization", "key", "session", "token"])
def test_a_cookie_opens_nothing(service: Service, name: str) -> None:
    for value in (service.key, f"Bearer {service.key}"):
        with httpx.Client(base_url=service.address, headers={"cookie": f"{name}={value}"}) as client:
            problem(client.get("/api/audit-log", params={"tenant_id": "acme"}), 401, "unauthorized")
            problem(client.post("/api/audit-log", json=an_event("acme")), 401, "unauthorized")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("tenant_id=acme&q=" + "x" * 16_384, 414, "uri_too_long"),
        ("tenant_id=acme" + "&actor_id=x" * 256, 422, "too_many_parameters"),
        ("&" * 300, 422, "too_many_parameters"),
    ],
)
def test_an_address_that_is_too_long_is_refused_before_it_is_read(
    api: httpx.Client, query: str, status: int, code: str
) -> None:
    answer = api.get(f"/api/audit-log?{query}")
    problem(answer, status, code)
    assert answer.headers["cache-control"] == "no-store"


def test_an_address_may_be_long(api: httpx.Client, tenant: str) -> None:
    ids = "".join(f"&actor_id={secrets.token_hex(120)}" for _ in range(50))
    assert api.get(f"/api/audit-log?tenant_id={tenant}{ids}").status_code == 200


@pytest.mark.anyio
@pytest.mark.parametrize("content_type", [b"text/html", b"text/html; charset=utf-8"])
async def test_a_page_without_a_policy_of_its_own_may_load_nothing(content_type: bytes) -> None:
    sent = []

    async def send(message: object) -> None:
        sent.append(message)

    for own in ([], [(b"Content-Security-Policy", b"default-src 'self'"), (b"Cache-Control", b"no-cache")]):
        start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", content_type), *own]}
        await hardened(send)(start)  # type: ignore[arg-type]
    bare, owned = (dict(message["headers"]) for message in sent)  # type: ignore[index]
    assert b"default-src 'none'" in bare[b"content-security-policy"]
    assert b"frame-ancestors 'none'" in bare[b"content-security-policy"]
    assert owned[b"Content-Security-Policy"] == b"default-src 'self'"
    assert owned[b"Cache-Control"] == b"no-cache"
    assert not {b"content-security-policy", b"cache-control"} & owned.keys()
