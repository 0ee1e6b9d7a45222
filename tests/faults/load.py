"""Applications that log without pause, retry until they are answered, and remember every answer."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx
import psycopg

from indelible.ledger import base64url
from indelible.ledger.entry import micros
from indelible.store.sealing import uuid7
from indelible.store.session import Database, Logins
from indelible.store.tenants import ledgers
from indelible.store.verify import verify

__all__ = ["Load", "Name", "check", "event"]


class Name(NamedTuple):
    """What an event is known by."""

    tenant: str
    id: str


class Receipt(NamedTuple):
    """What an acknowledgement says; every one of the same event has to say the same."""

    seq: int
    recorded_at: str
    leaf_hash: str


@dataclass(frozen=True)
class Stored:
    """What `check` found."""

    events: int
    ledgers: int


Event = dict[str, Any]

_STORED = "SELECT tenant_id, id, seq, recorded_at, leaf_hash FROM indelible.events"


def event(tenant: str) -> Event:
    """An event under an id of the sender's own making, with something in it for every disclosure."""
    return {
        "id": str(uuid7(datetime.now(UTC))),
        "tenant_id": tenant,
        "action": "user.role_changed",
        "actor": {"type": "user", "id": "usr_7", "name": "Sarah Chen", "email": "sarah@acme.example"},
        "targets": [{"type": "user", "id": "usr_9", "name": "Alex Roman"}],
        "changes": {"role": {"from": "member", "to": "admin"}},
        "context": {"ip_address": "203.0.113.7"},
        "metadata": {"ticket": "4512"},
    }


def name(sent: Event) -> Name:
    return Name(sent["tenant_id"], sent["id"])


class Load:
    """Writers that post single events and batches to `addresses`, in a thread each, until this is left.

    `tenants` may grow meanwhile. On leaving, whatever was begun is retried until it is acknowledged; an answer that
    no sender should ever see (anything but 200, 201, 207, 503 or a broken connection) is raised there.
    """

    def __init__(self, addresses: Sequence[str], key: str, tenants: list[str], *, writers: int = 6) -> None:
        self._addresses = addresses
        self._headers = {"authorization": f"Bearer {key}"}
        self.tenants = tenants
        self.acknowledged: defaultdict[Name, Counter[Receipt]] = defaultdict(Counter)
        self.created: Counter[Name] = Counter()
        """How often an event was said to be new."""
        self.abandoned: set[Name] = set()
        """Sent once and given up on: it may be stored or not."""
        self.setbacks: Counter[str] = Counter()
        """Answers that had to be retried, by status or by the error of the connection."""
        self._writers = writers
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(writers)
        self._running: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._running = [self._pool.submit(self._write, number) for number in range(self._writers)]
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._pool.shutdown()
        if exc is None:
            for writer in self._running:
                writer.result()

    def client(self, number: int = 0) -> httpx.Client:
        address = self._addresses[number % len(self._addresses)]
        return httpx.Client(base_url=address, headers=self._headers, timeout=20)

    def deliver(self, client: httpx.Client, events: Sequence[Event], *, within: float = 60) -> None:
        """Sends the very same events again and again, until all are acknowledged."""
        deadline = time.monotonic() + within
        while not self._post(client, events):
            assert time.monotonic() < deadline, f"not acknowledged within {within} s; {self.setbacks}"
            time.sleep(0.05)

    def _write(self, number: int) -> None:
        chance = random.Random(number)
        mine: list[Event] = []
        with self.client(number) as client:
            while not self._stop.is_set():
                what = chance.random()
                if what < 0.05:
                    self._abandon(client, event(chance.choice(self.tenants)))
                elif what < 0.15 and mine:
                    self.deliver(client, [chance.choice(mine)])
                else:
                    size = 1 if what < 0.7 else chance.randint(2, 40)
                    events = [event(chance.choice(self.tenants)) for _ in range(size)]
                    self.deliver(client, events)
                    mine.append(events[0])
                time.sleep(0.005)  # else the writers alone would fill a small machine

    def _abandon(self, client: httpx.Client, sent: Event) -> None:
        with self._lock:
            self.abandoned.add(name(sent))
        self._post(client, [sent])

    def _post(self, client: httpx.Client, events: Sequence[Event]) -> bool:
        try:
            if len(events) == 1:
                answer = client.post("/api/audit-log", json=events[0])
            else:
                answer = client.post("/api/audit-log/batch", json=events)
        except httpx.TransportError as error:
            return self._set_back(type(error).__name__)
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) > 0
            return self._set_back("503")
        body = answer.json()
        items = [body | {"status": answer.status_code}] if len(events) == 1 else body.get("data", [])
        assert len(items) == len(events), f"{answer.status_code} {answer.text}"
        accepted = [self._note(sent, item) for sent, item in zip(events, items, strict=True)]
        return all(accepted)

    def _note(self, sent: Event, item: dict[str, Any]) -> bool:
        if item["status"] == 503:
            return self._set_back("503 in a batch")
        assert item["status"] in (200, 201), item
        assert (item["tenant_id"], item["id"]) == name(sent)
        with self._lock:
            self.acknowledged[name(sent)][Receipt(item["seq"], item["recorded_at"], item["leaf_hash"])] += 1
            self.created[name(sent)] += item["status"] == 201
        return True

    def _set_back(self, why: str) -> bool:
        with self._lock:
            self.setbacks[why] += 1
        return False


def check(load: Load, logins: Logins | str, admin_url: str) -> Stored:
    """What was acknowledged is there once, as its receipt says; nothing is there twice; every ledger verifies."""
    stored: defaultdict[Name, list[Receipt]] = defaultdict(list)
    with psycopg.connect(admin_url) as connection:
        for tenant, event_id, seq, recorded_at, leaf in connection.execute(_STORED):
            receipt = Receipt(seq, micros(recorded_at.astimezone(UTC)), base64url.encode(leaf))
            if seq > 0:
                stored[Name(tenant, str(event_id))].append(receipt)
    assert load.acknowledged, "nothing was acknowledged, so nothing was tested"
    for sent, receipts in load.acknowledged.items():
        assert list(receipts) == stored[sent], "lost, stored twice, or answered in two ways"
    assert all(len(found) == 1 for found in stored.values())
    assert stored.keys() <= load.acknowledged.keys() | load.abandoned
    assert max(load.created.values()) == 1, "said to be new twice"
    return Stored(sum(map(len, stored.values())), asyncio.run(_verify_all(logins, {sent.tenant for sent in stored})))


async def _verify_all(logins: Logins | str, tenants: set[str]) -> int:
    async with Database.open(logins, size=2) as database:
        found = {ledger.tenant_id for ledger in await ledgers(database)}
        assert tenants <= found
        for tenant in sorted(found):
            report = await verify(database, tenant)
            assert report is not None
            assert report.contradictions == (), tenant
    return len(found)
