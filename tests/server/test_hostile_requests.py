"""Hostile requests: SQL in every parameter, tricks in paths and headers. What is another tenant's never comes back."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indelible.server.parameters import PARAMETERS
from tests.conftest import Service
from tests.server.conftest import an_event

SECRET = f"secret{secrets.token_hex(8)}"
"""Stands in every event of the other tenant: in no answer to this one."""

SQL = (
    "' OR '1'='1", "'; DROP TABLE indelible.events; --", "' UNION SELECT entry FROM indelible.events --",
    "\\' OR 1=1 --", "$$; SET LOCAL indelible.tenant_id = 'x'; $$", "'); SET ROLE indelible_owner; --", "%s",
    "%(tenant)s", "{0}", "{tenant}", "x' AND pg_sleep(9) --", "' || current_setting('indelible.tenant_id') || '", "*",
    "%", "_", "a & b | !c", "':*", "<->", "(((((", "' & '", "\\", "\\\\", "\u2019 OR 1=1", "\u0000", "\ud800",
    "\u202e", "٣", "１２", "\x1b[2J", "\r\nSet-Cookie: a=b", "../../etc/passwd", "${jndi:ldap://x}",
    "<script>alert(1)</script>", "NULL", "null", "true", "-1", "1e999", "NaN", "0x10", "infinity", "-infinity",
    "9" * 40, "a" * 5000,
)  # fmt: skip
HOSTILE = st.one_of(
    st.sampled_from(SQL), st.text(max_size=40), st.builds(lambda a, b: a + b, st.sampled_from(SQL), st.text(max_size=8))
)
NAMES = st.sampled_from([p.name for p in PARAMETERS])


@pytest.fixture(scope="module")
def two(service: Service) -> tuple[str, str]:
    """Mine, and another one's, each with an event that everything filters on."""
    mine, other = (f"t-{secrets.token_hex(6)}" for _ in range(2))
    with service.client() as vendor:
        for tenant, word in ((mine, "mine"), (other, SECRET)):
            event = an_event(
                tenant,
                actor={"type": "user", "id": "usr_7", "name": word},
                targets=[{"type": "document", "id": "doc_1", "name": word}],
                metadata={"note": word},
            )
            assert vendor.post("/api/audit-log", json=event).status_code == 201
    return mine, other


@pytest.fixture(scope="module")
def bound(service: Service, two: tuple[str, str]) -> Iterator[httpx.Client]:
    """Holds a key of the one tenant."""
    with service.client() as vendor:
        body = {"name": "SIEM", "scopes": ["events:read"], "tenant_id": two[0]}
        key = vendor.post("/api/keys", json=body).json()["key"]
    with httpx.Client(base_url=service.address, headers={"authorization": f"Bearer {key}"}, timeout=30) as client:
        yield client


def encoded(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from([a for p in PARAMETERS for a in (p.name, *p.aliases)]), value=HOSTILE)
def test_no_parameter_is_more_than_a_value(bound: httpx.Client, name: str, value: str) -> None:
    answer = bound.get(f"/api/audit-log?{name}={encoded(value)}")
    assert answer.status_code in {200, 403, 422}, answer.text
    assert SECRET not in answer.text
    if answer.status_code == 200:
        assert answer.elapsed.total_seconds() < 5


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    given_=st.lists(st.tuples(st.one_of(st.sampled_from([p.name for p in PARAMETERS]), HOSTILE), HOSTILE), max_size=6)
)
def test_no_query_is_more_than_values(bound: httpx.Client, given_: list[tuple[str, str]]) -> None:
    query = "&".join(f"{encoded(name)}={encoded(value)}" for name, value in given_)
    answer = bound.get(f"/api/audit-log?{query}")
    assert answer.status_code in {200, 403, 414, 422}, answer.text
    assert SECRET not in answer.text


@pytest.mark.parametrize("value", SQL)
@pytest.mark.parametrize("path", ["/api/audit-log/{}", "/api/audit-log/{}/proof", "/api/keys/{}", "/api/tenants/{}"])
def test_no_part_of_a_path_is_more_than_a_value(service: Service, two: tuple[str, str], path: str, value: str) -> None:
    with service.client() as vendor:
        answer = vendor.get(f"{path.format(encoded(value))}?tenant_id={two[0]}")
    assert 400 <= answer.status_code < 500, answer.text
    assert SECRET not in answer.text


@pytest.mark.parametrize(
    "path",
    ["/api/audit-log/../keys", "/api/audit-log/%2e%2e/keys", "//api/keys", "/api//keys", "/api/keys/", "/api/keys/.",
     "/api/keys;a=b", "/api/keys%3b", "/api/keys%00", "/api/./keys", "/API/keys", "/api/key%73", "/api\\keys",
     "/api/tenants/..%2fkeys", "http://127.0.0.1/api/keys", "/healthz/../api/keys", "/healthz%2f..%2fapi%2fkeys"],
)  # fmt: skip
def test_no_spelling_of_a_path_gets_round_the_gate(service: Service, path: str) -> None:
    """Sent as it is, past what a client would tidy up."""
    for authorization in ("", "Authorization: Bearer garbage\r\n"):
        status, body = raw(service, f"GET {path} HTTP/1.1\r\nHost: x\r\n{authorization}Connection: close\r\n\r\n")
        assert status in {400, 401, 404}, (path, status, body)
        assert "scopes" not in body


@pytest.mark.parametrize(
    "headers",
    [
        "X-Original-URL: /healthz\r\n",
        "X-Rewrite-URL: /api/keys\r\n",
        "X-HTTP-Method-Override: DELETE\r\n",
        "X-Forwarded-For: 127.0.0.1\r\n",
        "X-Indelible-Tenant: x\r\n",
        "Cookie: key=KEY; token=KEY; session=KEY\r\n",
        "Proxy-Authorization: Bearer KEY\r\n",
        "X-Api-Key: KEY\r\n",
        "Authorization: Basic KEY\r\n",
        "Authorization : Bearer KEY\r\n",
        "Authorization:\r\n Bearer KEY\r\n",
        "Authorization: Bearer KEY\r\nAuthorization: Bearer other\r\n",
    ],
)
def test_no_other_header_opens_anything(service: Service, headers: str) -> None:
    status, body = raw(
        service, f"GET /api/keys HTTP/1.1\r\nHost: x\r\n{headers.replace('KEY', service.key)}Connection: close\r\n\r\n"
    )
    assert status in {400, 401}, body
    assert "scopes" not in body


def test_two_requests_in_one_are_two_or_none(service: Service) -> None:
    """Length and chunks that contradict each other: no proxy and server may see different requests."""
    smuggled = "GET /api/keys HTTP/1.1\r\nHost: x\r\n\r\n"
    text = (
        "POST /api/audit-log HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n"
        f"Connection: close\r\n\r\n0\r\n\r\n{smuggled}"
    )
    status, body = raw(service, text)
    assert status in {400, 401}
    assert "scopes" not in body


def raw(service: Service, request: str) -> tuple[int, str]:
    """Status and all that comes back. 400 where the server just hangs up."""
    where = urlsplit(service.address)
    assert where.hostname is not None
    with socket.create_connection((where.hostname, where.port or 0), timeout=10) as connection:
        connection.sendall(request.encode("latin-1"))
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    text = received.decode("latin-1")
    return (int(text.split(" ", 2)[1]) if text else 400), text


def test_everything_is_still_there(service: Service, two: tuple[str, str]) -> None:
    """After all of the above, which runs before this."""
    with psycopg.connect(service.database.admin_url) as connection:
        counts: list[Any] = connection.execute(
            "SELECT count(*) FILTER (WHERE action = 'user.joined') FROM indelible.events WHERE tenant_id = ANY (%s) "
            "GROUP BY tenant_id",
            (list(two),),
        ).fetchall()
    assert counts == [(1,), (1,)]
