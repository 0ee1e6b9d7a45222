"""Bodies and headers: what is too large, wrongly packed or odd is refused, and early."""

from __future__ import annotations

import gzip
import json
import socket
import time
import zlib
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import Service
from tests.server.conftest import an_event, listed, problem

ONE, BATCH = "/api/audit-log", "/api/audit-log/batch"
LIMITS = {ONE: 256 * 1024, BATCH: 16 * 1024 * 1024}


def exchange(service: Service, *parts: bytes) -> tuple[int, bytes]:
    """Sends `parts` over a connection of its own, and reads one answer: its status and all of it."""
    address = urlsplit(service.address)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        while b"\r\n\r\n" not in answer:
            received = connection.recv(65536)
            assert received, "the connection ended without an answer"
            answer += received
    return int(answer.split(b" ", 2)[1]), answer


def head(service: Service, url: str, *lines: str) -> bytes:
    fixed = [f"POST {url} HTTP/1.1", "Host: indelible.example", f"Authorization: Bearer {service.key}"]
    return "\r\n".join([*fixed, *lines, "", ""]).encode()


@pytest.mark.parametrize("url", [ONE, BATCH])
def test_a_body_that_says_it_is_huge_is_refused_before_it_is_sent(service: Service, url: str) -> None:
    status, answer = exchange(service, head(service, url, "Content-Length: 99999999999"))
    assert status == 413
    assert b"application/problem+json" in answer


@pytest.mark.parametrize("url", [ONE, BATCH])
def test_a_body_that_does_not_end_is_refused_at_the_limit(service: Service, url: str) -> None:
    """Chunked, so nobody knows how much will come."""
    size = LIMITS[url] + 1
    chunk = b"%x\r\n" % size + b" " * size + b"\r\n"
    status, _ = exchange(service, head(service, url, "Transfer-Encoding: chunked"), chunk)
    assert status == 413


@pytest.mark.parametrize("url", [ONE, BATCH])
def test_a_gzip_bomb_is_refused_without_being_unpacked(api: httpx.Client, url: str) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    assert len(bomb) < LIMITS[ONE]
    started = time.monotonic()
    problem(api.post(url, content=bomb, headers={"content-encoding": "gzip"}), 413, "body_too_large")
    assert time.monotonic() - started < 3


def test_a_large_batch_is_read_whole(api: httpx.Client, tenant: str) -> None:
    """Events of 15 KB, a thousand of them: just below the limit."""
    events = [an_event(tenant, metadata={"x": "x" * 15_000}) for _ in range(1000)]
    answer = api.post(BATCH, json=events)
    assert (answer.status_code, answer.json()["accepted"]) == (201, 1000)


@pytest.mark.parametrize("url", [ONE, BATCH])
@pytest.mark.parametrize(
    "spoil",
    [lambda b: b[:-1], lambda b: b[: len(b) // 2], lambda b: b + b"x", lambda b: b + b, lambda _: b"", lambda _: b"{}",
     lambda b: b[:10] + b"\xff" * 20 + b[30:], lambda b: b[:-8] + b"\0" * 8,
     lambda b: zlib.compress(gzip.decompress(b))],
    ids=["cut", "half", "more", "twice", "nothing", "not packed", "damaged", "wrong checksum", "zlib"],
)  # fmt: skip
def test_what_is_no_whole_gzip_is_400(api: httpx.Client, tenant: str, url: str, spoil: object) -> None:
    """Nothing of it is taken: half a batch would look like all of it."""
    assert callable(spoil)
    packed = gzip.compress(json.dumps([an_event(tenant)] * 50).encode())
    answer = api.post(url, content=spoil(packed), headers={"content-encoding": "gzip"})
    problem(answer, 400, "malformed_gzip")
    assert listed(api, tenant) == []


def test_one_event_may_be_packed_too(api: httpx.Client, tenant: str) -> None:
    packed = gzip.compress(json.dumps(an_event(tenant)).encode())
    assert api.post(ONE, content=packed, headers={"content-encoding": "GZIP"}).status_code == 201


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "x", ""])
def test_other_encodings_are_415(api: httpx.Client, encoding: str) -> None:
    problem(api.post(ONE, content=b"x", headers={"content-encoding": encoding}), 415, "unsupported_encoding")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "x", "application/xml"])
def test_the_content_type_does_not_matter(api: httpx.Client, tenant: str, content_type: str) -> None:
    """There is one format; `curl -d` says that it sends a form."""
    answer = api.post(ONE, content=json.dumps(an_event(tenant)), headers={"content-type": content_type})
    assert answer.status_code == 201


def test_a_body_that_stops_halfway_logs_nothing(service: Service, api: httpx.Client, tenant: str) -> None:
    content = json.dumps(an_event(tenant)).encode()
    address = urlsplit(service.address)
    for sent in (content[:-5], content):
        with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
            connection.sendall(head(service, ONE, f"Content-Length: {len(content) + 1}") + sent)
    time.sleep(0.3)
    assert listed(api, tenant) == []


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: -1"],
        ["Content-Length: x"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: 1_0"],
        ["X: " + "y" * 100_000],
        [f"X-{n}: y" for n in range(500)],
        ["Bad Header: x"],
        [": x"],
        ["Transfer-Encoding: chunked", "Content-Length: 3"],
        ["Transfer-Encoding: gzip"],
    ],
)
def test_odd_headers_are_the_clients_error(service: Service, lines: list[str]) -> None:
    """And the service goes on."""
    try:
        status, _ = exchange(service, head(service, ONE, *lines), b"3\r\n{}x\r\n0\r\n\r\n")
    except (AssertionError, ConnectionError):
        status = 400  # hung up on, which is an answer too
    assert 400 <= status < 500
    with service.client() as client:
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("host", ["x", "indelible.example:99", "[::1]", "localhost"])
def test_the_host_does_not_matter(api: httpx.Client, tenant: str, host: str) -> None:
    """The service stands behind proxies of all kinds."""
    assert api.post(ONE, json=an_event(tenant), headers={"host": host}).status_code == 201
    assert api.get(ONE, params={"tenant_id": tenant}, headers={"host": host}).status_code == 200
