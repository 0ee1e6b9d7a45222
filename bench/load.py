"""A load generator that costs little: it shares two cores with the server and PostgreSQL that it measures.

    python bench/load.py http://127.0.0.1:8750 --key KEY --events 30000 --connections 64
    python bench/load.py http://127.0.0.1:8750 --key KEY --events 100000 --connections 2 --batch 1000

Closed loop: each connection is kept open and sends its next request when it has the answer to the last. Requests
are made beforehand, whole; of an answer only the status and the length are read. `post` is the same from Python.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
from collections import Counter
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import TypeVar, cast
from urllib.parse import urlsplit

import payloads

try:
    from uvloop import new_event_loop
except ImportError:  # Windows
    from asyncio import new_event_loop  # type: ignore[assignment]

__all__ = ["Result", "post", "requests", "run"]

T = TypeVar("T")
LOST = 0
"""Stands in `Result.statuses` for a connection that ended before its answer did."""


@dataclass
class Result:
    """What a run saw: seconds from the first request to the last answer, and each request's own."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    first_refusal: bytes = b""

    def percentile(self, percent: float) -> float:
        """Milliseconds within which `percent` of the requests were answered (nearest rank)."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0

    @property
    def rate(self) -> float:
        """Answers with status 200 or 201 a second."""
        good = self.statuses[200] + self.statuses[201]
        return good / self.seconds if self.seconds else 0.0

    @property
    def errors(self) -> dict[int, int]:
        """Requests by status, of those that were not answered 200 or 201; `LOST` is a broken connection."""
        return {status: n for status, n in self.statuses.items() if status not in (200, 201)}

    def __str__(self) -> str:
        p50, p95, p99 = (self.percentile(p) for p in (50, 95, 99))
        errors = f"; errors by status: {self.errors} {self.first_refusal[:300]!r}" if self.errors else ""
        return f"{self.rate:,.0f} req/s, p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms{errors}"


def requests(url: str, key: str, bodies: list[bytes]) -> list[bytes]:
    """Each body as the bytes of one POST to `url`."""
    to = urlsplit(url)
    head = (
        f"POST {to.path or '/'} HTTP/1.1\r\nHost: {to.netloc}\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()
    return [b"%b%d\r\n\r\n%b" % (head, len(body), body) for body in bodies]


async def post(url: str, raw: list[bytes], connections: int, seconds: float | None = None) -> Result:
    """Sends the requests `raw`, in order, over `connections` connections; stops sending after `seconds`."""
    to = urlsplit(url)
    loop = asyncio.get_running_loop()
    result, supply = Result(), iter(raw)
    opened = [
        await loop.create_connection(lambda: _Connection(supply, result), to.hostname or "127.0.0.1", to.port or 80)
        for _ in range(min(connections, len(raw)))
    ]
    start = perf_counter()
    for _, connection in opened:
        connection.send_until(start + seconds if seconds else float("inf"))
    await asyncio.gather(*(connection.done for _, connection in opened))
    result.seconds = perf_counter() - start
    return result


class _Connection(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    transport: asyncio.Transport

    def __init__(self, supply: Iterator[bytes], result: Result) -> None:
        self.supply, self.result = supply, result
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answer = bytearray()
        self.sent = 0.0
        self.end = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass

    def send_until(self, end: float) -> None:
        self.end = end
        self._send()

    def _send(self) -> None:
        self.sent = perf_counter()
        request = next(self.supply, None) if self.sent < self.end else None
        if request is None:
            self.done.set_result(None)
            self.transport.close()
        else:
            self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.answer += data
        head = self.answer.find(b"\r\n\r\n")
        if head < 0 or len(self.answer) < head + 4 + _content_length(self.answer[:head]):
            return
        status = int(self.answer[9:12])
        self.result.latencies.append(perf_counter() - self.sent)
        self.result.statuses[status] += 1
        if status not in (200, 201) and not self.result.first_refusal:
            self.result.first_refusal = bytes(self.answer[head + 4 :])
        self.answer.clear()
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if isinstance(error, ValueError):
            self.done.set_exception(error)
        elif not self.done.done():
            self.result.statuses[LOST] += 1
            self.done.set_result(None)


def _content_length(head: bytearray) -> int:
    at = head.lower().find(b"\r\ncontent-length:")
    if at < 0:
        raise ValueError(f"an answer without Content-Length, which this generator can't read: {bytes(head)!r}")
    return int(head[at + 17 :].split(b"\r\n", 1)[0])


def run(work: Coroutine[None, None, T]) -> T:
    """Runs `work` on the fastest loop there is, with the garbage collector out of the measurement's way."""
    gc.collect()
    gc.disable()
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            return runner.run(work)
    finally:
        gc.enable()


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure ingest over HTTP with made-up events.")
    parser.add_argument("url", help="where the service is, e.g. http://127.0.0.1:8750")
    parser.add_argument("--key", required=True, help="an API key that may ingest")
    parser.add_argument("--events", type=int, default=20_000, help="how many events, at most (default 20000)")
    parser.add_argument("--seconds", type=float, help="stop sending after so many seconds")
    parser.add_argument("--connections", type=int, default=64, help="kept-alive connections (default 64)")
    parser.add_argument("--batch", type=int, default=0, help="events a request, up to 1000 (default: single POSTs)")
    parser.add_argument("--tenants", type=int, default=1, help="spread the events over so many tenants (default 1)")
    options = parser.parse_args()

    encoded = list(payloads.events(options.events, payloads.tenants(options.tenants)))
    url = options.url.rstrip("/") + "/api/audit-log" + ("/batch" if options.batch else "")
    raw = requests(url, options.key, payloads.bodies(encoded, options.batch))
    size = sum(map(len, encoded)) // len(encoded)
    print(f"{len(encoded):,} events of {size} bytes in {len(raw):,} requests, {options.connections} connections")
    result = run(post(url, raw, options.connections, options.seconds))
    print(result)
    if options.batch:
        print(f"{result.rate * options.batch:,.0f} events/s")


if __name__ == "__main__":
    main()
