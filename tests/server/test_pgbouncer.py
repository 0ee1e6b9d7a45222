"""Two processes of the service behind PgBouncer in transaction mode: a tenant's key gets that tenant's events."""

import asyncio
import contextlib
import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from indelible.store.session import Database as Connections
from indelible.store.verify import verify
from tests.conftest import Cluster, running_service
from tests.pgbouncer import Pooler, missing, pooler
from tests.store.samples import rows

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(missing() is not None, reason=missing() or "")]

KEYS = {"acme": "the-key-of-acme-in-this-test", "globex": "the-key-of-globex-in-this-test"}
SECONDS = 6.0
CALLERS = 4
"""Of each tenant."""


@pytest.fixture(scope="module")
def behind(clusters: Callable[[int], Cluster]) -> Iterator[Pooler]:
    """A database with a key of each tenant, and PgBouncer in front of it."""
    cluster = clusters(18)
    database = cluster.databases.clone(cluster.template)
    with psycopg.connect(database.admin_url) as connection:
        for tenant, text in KEYS.items():
            connection.execute(
                "INSERT INTO indelible.keys (name, hash, scopes, tenant_id) VALUES (%s, %s, %s, %s)",
                (tenant, hashlib.sha256(text.encode()).digest(), ["events:read", "events:write"], tenant),
            )
    with pooler(database) as running:
        yield running
    cluster.databases.drop(database)


@pytest.fixture(scope="module")
def address(behind: Pooler) -> Iterator[str]:
    with running_service(
        behind.database,
        INDELIBLE_DATABASE_URL=behind.url(),
        INDELIBLE_WORKERS="2",
        INDELIBLE_KEY_READ_LIMIT="0",
        INDELIBLE_TENANT_READ_LIMIT="0",
    ) as found:
        yield found


async def test_each_key_gets_its_own_tenants_events(behind: Pooler, address: str) -> None:
    posted: dict[str, list[str]] = {tenant: [] for tenant in KEYS}
    done: Counter[str] = Counter()
    until = asyncio.get_running_loop().time() + SECONDS

    async def post(client: httpx.AsyncClient, tenant: str) -> None:
        event = {"tenant_id": tenant, "action": "user.joined", "actor": {"type": "user"}, "metadata": {"of": tenant}}
        events = [event] * random.randint(1, 5)
        answer = await client.post("/api/audit-log/batch", json={"events": events})
        assert answer.status_code == 201, answer.text
        results = answer.json()["data"]
        assert {each["tenant_id"] for each in results} == {tenant}
        posted[tenant] += [each["id"] for each in results]

    def look(tenant: str, event: dict[str, Any]) -> None:
        assert event["tenant_id"] == tenant
        if event["action"] == "user.joined":
            assert event["metadata"] == {"of": tenant}

    async def read(client: httpx.AsyncClient, tenant: str) -> None:
        parameters = {"limit": "50", **({"tenant_id": tenant} if random.random() < 0.5 else {})}
        answer = await client.get("/api/audit-log", params=parameters)
        assert answer.status_code == 200, answer.text
        for event in answer.json()["data"]:
            look(tenant, event)

    async def read_one(client: httpx.AsyncClient, tenant: str) -> None:
        for whose, ids in posted.items():
            if not ids:
                continue
            answer = await client.get(f"/api/audit-log/{random.choice(ids)}")
            assert answer.status_code == (200 if whose == tenant else 404), answer.text
            if whose == tenant:
                look(tenant, answer.json())

    async def ask_for_the_other(client: httpx.AsyncClient, tenant: str) -> None:
        (other,) = set(KEYS) - {tenant}
        answer = await client.get("/api/audit-log", params={"tenant_id": other})
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong_tenant")

    async def leave(client: httpx.AsyncClient, _tenant: str) -> None:
        """Somebody who does not wait for the answer."""
        with contextlib.suppress(httpx.TimeoutException):
            await client.get("/api/audit-log", params={"q": "acme"}, timeout=random.random() / 50)

    async def call(tenant: str) -> None:
        headers = {"authorization": f"Bearer {KEYS[tenant]}"}
        async with httpx.AsyncClient(base_url=address, headers=headers, timeout=30) as client:
            while asyncio.get_running_loop().time() < until:
                each = random.choice([post, post, read, read, read_one, ask_for_the_other, leave])
                await each(client, tenant)
                done[each.__name__] += 1

    async with asyncio.TaskGroup() as tasks:
        for tenant in KEYS:
            for _ in range(CALLERS):
                tasks.create_task(call(tenant))
    assert len(done) == 5
    assert min(done.values()) > 5, done

    for tenant, ids in posted.items():
        stored = rows(
            behind.database,
            "SELECT id::text FROM indelible.events WHERE tenant_id = %s AND action = 'user.joined'",
            tenant,
        )
        assert sorted(id_ for (id_,) in stored) == sorted(ids)
    async with Connections.open(behind.url()) as connections:
        for tenant in KEYS:
            report = await verify(connections, tenant)
            assert report is not None
            assert report.proven
    servers = [each for each in behind.shown("SERVERS") if each["database"] == behind.database.name]
    clients = [each for each in behind.shown("CLIENTS") if each["database"] == behind.database.name]
    assert len(servers) <= behind.size < len(clients)
