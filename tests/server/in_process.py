"""The application in the test's own process and event loop, called as a server calls it (ASGI 3.0)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode

from indelible.event import Actor
from indelible.server.app import Application
from indelible.server.service import Service
from indelible.settings import Settings
from indelible.store.keys import create_key
from indelible.store.sealing import Prepared
from tests.postgres import Database
from tests.store.samples import send, take

__all__ = ["Call", "Message", "Running", "running", "sse", "until"]


class Message(NamedTuple):
    """A server-sent event."""

    id: int | None
    event: str
    data: Any


def sse(text: str) -> list[Message]:
    """As HTML section 9.2.6 says, of whole messages; those without data are none."""
    found = []
    last: int | None = None
    for block in text.split("\n\n"):
        fields: dict[str, str] = {}
        for line in block.split("\n"):
            name, colon, value = line.partition(":")
            if name and colon:
                assert name not in fields
                fields[name] = value.removeprefix(" ")
        last = int(fields["id"]) if "id" in fields else last
        if "data" in fields:
            found.append(Message(last, fields.get("event", "message"), json.loads(fields["data"])))
    return found


async def until(condition: Callable[[], object], what: str, within: float = 10) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - what it is about has no event to wait for
            await asyncio.sleep(0.005)
    assert condition(), what


class Call:
    """A request that runs. The client is there until it `hangs_up`, and reads unless it is `busy`."""

    def __init__(
        self, application: Application, path: str, query: Mapping[str, Any], headers: Mapping[str, str]
    ) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.chunks = 0
        self._gone = asyncio.Event()
        self._reads = asyncio.Event()
        self._reads.set()
        self._asked = False
        scope: dict[str, Any] = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": path, "raw_path": path.encode(), "root_path": "", "query_string": urlencode(query).encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {}, "extensions": {},
        }  # fmt: skip
        self.task = asyncio.create_task(application(scope, self._receive, self._send))  # type: ignore[arg-type]

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        self.body += message["body"]
        self.chunks += 1
        await self._reads.wait()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def messages(self) -> list[Message]:
        return sse(self.body.decode())

    @property
    def logged(self) -> list[int]:
        """The numbers of the events that came."""
        return [message.data["seq"] for message in self.messages if message.event == "logged"]

    @property
    def reason(self) -> str:
        """Why the stream ended."""
        return str(self.messages[-1].data["reason"]) if self.messages[-1].event == "end" else "it did not"

    def hang_up(self) -> None:
        self._gone.set()

    def be_busy(self) -> None:
        self._reads.clear()

    def read_on(self) -> None:
        self._reads.set()

    async def ends(self, within: float = 10) -> Call:
        await asyncio.wait_for(self.task, within)
        return self


class Running(NamedTuple):
    application: Application
    service: Service
    key: str
    key_id: Any

    def call(self, path: str, headers: Mapping[str, str] | None = None, **query: Any) -> Call:
        authorization = {"authorization": f"Bearer {self.key}"}
        return Call(self.application, path, query, authorization | dict(headers or {}))

    def prepared(self, tenant: str, **fields: object) -> Prepared:
        return take(self.service.intake, tenant, **fields)

    async def log(self, tenant: str, number: int = 1, **fields: object) -> list[int]:
        receipts = await send(self.service.appender, *[self.prepared(tenant, **fields) for _ in range(number)])
        return [receipt.seq for receipt in receipts]

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits, nobody asks, and every connection for reading is back."""
        stats = [pool.get_stats() for pool in self.service.reading.pools.values()]
        at_home = all(s.get("pool_available") == s["pool_size"] for s in stats)
        return at_home and not self.service.growth.watching and not self.service.growth.is_asking


@asynccontextmanager
async def running(database: Database, tenant: str, **settings: str) -> AsyncIterator[Running]:
    """A service with a key of the tenant's that may read."""
    environment = {"INDELIBLE_DATABASE_URL": database.url, "INDELIBLE_ENVIRONMENT": "test", **settings}
    application = Application(Settings.from_env(environment))
    async with application.litestar.lifespan():
        service: Service = application.litestar.state.service
        key, text = await create_key(
            service.control, "test", name="reader", scopes=frozenset({"events:read"}), tenant=tenant,
            created_by=Actor(type="system"),
        )  # fmt: skip
        yield Running(application, service, text, key.key_id)
