"""Keys that end while a request of theirs is under way: what was good when its headers came is not good for ever."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlparse
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from indelible.event import Actor
from indelible.store.keys import MakerHasEnded, create_key, get_key, list_keys, revoke_key, rotate_key
from indelible.store.session import Database as Connections
from tests.conftest import Service, running_service
from tests.server.conftest import an_event

SCOPES = ["keys:manage", "events:read", "events:write", "viewer:issue"]
SOMEBODY = Actor(type="user", id="usr_7")


@pytest.fixture(scope="module")
def addresses(service: Service) -> Iterator[list[str]]:
    """Two processes of one installation, as it were on two hosts."""
    with running_service(
        service.database, INDELIBLE_ADMIN_KEY=service.key, INDELIBLE_VIEWER_SECRET=service.viewer_secret
    ) as other:
        yield [service.address, other]


class Pending:
    """A request whose headers and first byte have been sent."""

    def __init__(self, address: str, path: str, key: str, body: object) -> None:
        url = urlparse(address)
        assert url.hostname
        self._rest = json.dumps(body).encode()
        self._socket = socket.create_connection((url.hostname, url.port or 80), timeout=30)
        head = (
            f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\n"
            f"content-length: {len(self._rest)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + self._rest[:1])

    def finish(self) -> tuple[int, Any]:
        """The answer's status and JSON."""
        received = b""
        with self._socket:
            self._socket.sendall(self._rest[1:])
            while part := self._socket.recv(65536):
                received += part
        head, _, body = received.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])


def pending(address: str, key: str, tenant: str) -> list[Pending]:
    """One of every kind that a key could outlive itself by."""
    token = {"actor": {"id": "usr_7"}, "role": "admin", "can_manage_keys": True}
    return [
        Pending(address, path, key, body)
        for path, body in (
            ("/api/keys", {"name": "back door", "scopes": SCOPES}),
            ("/api/viewer-tokens", token),
            ("/api/viewer-tokens/revoke", {"all": True}),
            ("/api/audit-log", an_event(tenant)),
            ("/api/audit-log/batch", [an_event(tenant)]),
        )
    ]


def a_key(api: httpx.Client, tenant: str) -> tuple[str, str]:
    body = {"name": "stolen", "scopes": SCOPES, "tenant_id": tenant}
    answer = api.post("/api/keys", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["key"], answer.json()["key_id"]


def test_a_body_that_comes_in_its_own_time_is_read(api: httpx.Client, addresses: list[str], tenant: str) -> None:
    for address in addresses:
        requests = pending(address, a_key(api, tenant)[0], tenant)
        time.sleep(0.3)
        assert [request.finish()[0] for request in requests] == [201, 201, 200, 201, 201]


def _revoke(api: httpx.Client, _: Service, key_id: str) -> None:
    assert api.delete(f"/api/keys/{key_id}").status_code == 200


def _expire(_: httpx.Client, service: Service, key_id: str) -> None:
    with psycopg.connect(service.database.admin_url) as connection:
        connection.execute("UPDATE indelible.keys SET expires_at = now() WHERE key_id = %s", (key_id,))
    time.sleep(0.2)


@pytest.mark.parametrize("end", [_revoke, _expire])
def test_a_body_that_comes_after_the_end_of_its_key_is_refused(
    service: Service,
    api: httpx.Client,
    addresses: list[str],
    tenant: str,
    end: Callable[[httpx.Client, Service, str], None],
) -> None:
    key, key_id = a_key(api, tenant)
    requests = [request for address in addresses for request in pending(address, key, tenant)]
    time.sleep(0.3)
    end(api, service, key_id)
    answers = [request.finish() for request in requests]
    assert [(status, answer.get("code")) for status, answer in answers] == [(401, "unauthorized")] * len(requests)
    assert len(api.get("/api/keys", params={"tenant_id": tenant}).json()["data"]) == 0


# --- in the store, where the moment is the database's


@pytest.mark.anyio
async def test_no_key_is_made_with_one_that_has_ended(connections: Connections) -> None:
    async def make(maker: UUID | None, **fields: Any) -> UUID:
        key, _ = await create_key(
            connections, "test", name="k", scopes=frozenset(), created_by=SOMEBODY, maker=maker, **fields
        )
        return key.key_id

    good = await make(None)
    lasting = await make(good, expires_at=datetime.now(UTC) + timedelta(hours=1))
    revoked, expired = await make(good), await make(good, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    await revoke_key(connections, revoked)
    before = await list_keys(connections, include_ended=True)
    for maker in (revoked, expired, uuid4()):
        with pytest.raises(MakerHasEnded):
            await make(maker)
        with pytest.raises(MakerHasEnded):
            await rotate_key(
                connections, "test", good, overlap=timedelta(hours=1), created_by=SOMEBODY, maker=maker
            )  # fmt: skip
    assert await list_keys(connections, include_ended=True) == before
    for maker in (good, lasting):
        await make(maker)
    # One that replaces itself ends by that, and may.
    for key in (lasting, good):
        await rotate_key(connections, "test", key, overlap=timedelta(), created_by=SOMEBODY, maker=key)
        found = await get_key(connections, key)
        assert found is not None
        assert not found.is_active(datetime.now(UTC))
