"""A service on a real socket keeping the contract unless a test scripts it otherwise, and clients that never sleep."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest

from indelible import AsyncAuditLog, AuditLog, BatchResult, Event, Receipt
from indelible.event import InvalidEvent, parse

KEY = "ind_test_0123456789abcdef"

Answer = tuple[int, Any]


class Request(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes
    port: int


class Service:
    """Answers as the contract says; each `then…` scripts one request, in order."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.ledger: dict[str, bytes] = {}
        self._script: list[Callable[[Handler, Request], None]] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = Server(("127.0.0.1", 0), type("H", (Handler,), {"service": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.body) for request in self.requests]

    def then(self, status: int, body: Any = None, **headers: str) -> None:
        """Answers with `body` (bytes as they are, else as JSON); `retry_after="1"` is the header Retry-After."""
        self._script.append(lambda handler, _: handler.answer(status, body, headers))

    def then_problem(self, status: int, code: str, detail: str, *errors: dict[str, str], **headers: str) -> None:
        self.then(status, {"title": "?", "status": status, "detail": detail, "code": code, "errors": errors}, **headers)

    def then_drop(self, *, stored: bool = True) -> None:
        """Reads the request, even stores it, and closes the connection without a word."""

        def drop(handler: Handler, request: Request) -> None:
            if stored:
                self.take(request)
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)

        self._script.append(drop)

    def then_stall(self) -> None:
        """Stores the request and never answers."""

        def stall(handler: Handler, request: Request) -> None:
            self.take(request)
            self._stopping.wait(5)
            handler.close_connection = True

        self._script.append(stall)

    def then_refuse_items(self, wrong: dict[int, tuple[int, str]], **headers: str) -> None:
        """A batch in which the items at these places get this status and code instead."""

        def answer(handler: Handler, request: Request) -> None:
            items = []
            for position, event in enumerate(json.loads(request.body)):
                status, code = wrong.get(position, (0, ""))
                if status:
                    items.append({"status": status, "error": {"detail": f"no: {code}", "code": code}})
                else:
                    status, receipt = self._append(json.dumps(event).encode())
                    items.append({"status": status, **receipt})
            handler.answer(207, {"data": items}, headers)

        self._script.append(answer)

    def handle(self, handler: Handler, request: Request) -> None:
        with self._lock:
            self.requests.append(request)
            step = self._script.pop(0) if self._script else None
        if step:
            step(handler, request)
        else:
            handler.answer(*self.take(request), {})

    def take(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return 401, {"detail": "the key is unknown", "code": "unauthorized"}
        if request.path == "/api/audit-log":
            return self._append(request.body)
        items = []
        for event in json.loads(request.body):
            status, answer = self._append(json.dumps(event).encode())
            items.append({"status": status, **(answer if status < 300 else {"error": answer})})
        return (201 if all(item["status"] < 300 for item in items) else 207), {"data": items}

    def _append(self, body: bytes) -> Answer:
        try:
            event = parse(body)
        except InvalidEvent as error:
            errors = [{"pointer": e.pointer, "detail": e.detail} for e in error.errors]
            return 422, {"detail": str(error), "code": error.code, "errors": errors}
        with self._lock:
            known = self.ledger.setdefault(str(event.id), body)
            seq = list(self.ledger).index(str(event.id)) + 1
        if json.loads(known) != json.loads(body):
            return 409, {"detail": "another event has this id", "code": "id_conflict"}
        return (201 if known is body else 200), {
            "id": str(event.id),
            "tenant_id": event.tenant_id,
            "seq": seq,
            "recorded_at": "2026-11-21T09:30:00.123456Z",
            "leaf_hash": "A" * 43,
            "registered": True,
            "later_field": "clients ignore what they don't know",
        }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: Service

    def do_POST(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers["content-length"]))
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        with suppress(ConnectionError):
            self.service.handle(self, Request(self.path, headers, body, self.client_address[1]))

    def answer(self, status: int, body: Any, headers: dict[str, str]) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "content_length" in headers:
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    # With the default of 5, many connections at once wait a second for the kernel to try again.
    request_queue_size = 64


class Clock:
    """Time that passes only in pauses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)


class Client:
    """Either client behind one face, so that each test holds for both."""

    def __init__(self, kind: str, clock: Clock, url: str, **options: Any) -> None:
        self._runner = asyncio.Runner()
        options.setdefault("key", KEY)
        if kind == "sync":
            self.audit: AuditLog | AsyncAuditLog = AuditLog(url, **options)
            self.audit._sleep = clock.sleep
        else:
            self.audit = AsyncAuditLog(url, **options)
            self.audit._sleep = clock.sleep_async
        self.audit._core.clock = lambda: clock.now

    def log(self, event: str | Event, **fields: Any) -> Receipt:
        if isinstance(self.audit, AuditLog):
            return self.audit.log(event, **fields)
        return self._runner.run(self.audit.log(event, **fields))

    def log_many(self, events: Iterable[Event]) -> BatchResult:
        if isinstance(self.audit, AuditLog):
            return self.audit.log_many(events)
        return self._runner.run(self.audit.log_many(events))

    def close(self) -> None:
        if isinstance(self.audit, AuditLog):
            self.audit.close()
        else:
            self._runner.run(self.audit.aclose())
        self._runner.close()


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INDELIBLE_URL", "INDELIBLE_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.stop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest, service: Service, clock: Clock) -> Iterator[Callable[..., Client]]:
    """Makes clients of the service, or of another `url`."""
    made: list[Client] = []

    def connect(url: str = service.url, **options: Any) -> Client:
        made.append(Client(request.param, clock, url, **options))
        return made[-1]

    yield connect
    for client in made:
        client.close()


@pytest.fixture
def client(connect: Callable[..., Client]) -> Client:
    return connect()
