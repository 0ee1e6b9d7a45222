"""The live tail: events as they are logged, as server-sent events (HTML Living Standard, section 9.2)."""

import asyncio
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from litestar import Request, get
from litestar.datastructures import State
from litestar.types import ASGIApp, Receive, Scope, Send

from indelible.server.caller import Caller
from indelible.server.feed import Tail, record_following, while_connected
from indelible.server.feed_query import LAST_EVENT_ID, MAX_SECONDS, LiveQuery
from indelible.server.gate import clock
from indelible.server.growth import Growth, Watcher
from indelible.server.languages import catalog_for, language_headers
from indelible.server.problems import describe
from indelible.server.reading import given
from indelible.server.service import Service, admitted
from indelible.server.wire import shown
from indelible.store.feed import Numbered

__all__ = ["CONTENT_TYPE", "live"]

CONTENT_TYPE: Final = "text/event-stream"

_AT_ONCE: Final = 100
"""Events that are read, and sent, at a time."""

_KEEP_ALIVE: Final = 15.0
"""Seconds, after which something is sent where there is nothing to say: proxies end what is silent."""

_CHECK: Final = 10.0
"""Seconds, after which it is asked again whether the caller may go on."""

_SLOW: Final = 30.0
"""Seconds that the client may take to make room for what is sent."""

_RETRY: Final = 1.0
_AWAY: Final = 60.0
"""Seconds between attempts to read where that fails for now, and for how long it may."""

_Request = Request[Any, Any, State]


@get("/api/audit-log/live", needs="events:read")
async def live(request: _Request) -> ASGIApp:
    service, caller = admitted(request)
    last = request.headers.get(LAST_EVENT_ID.name)
    query = LiveQuery.parse(given(request), service.catalog, last_event_id=last, bound=caller.tenant)
    caller.view(query.chosen.tenant)
    await record_following(request, query.chosen)
    tail = await Tail.open(request, query.chosen, query.after)
    # What is wrong is answered as such, before the stream begins.
    events = await tail.next(_AT_ONCE)

    async def stream(_scope: Scope, receive: Receive, send: Send) -> None:
        with service.growth.watch(query.chosen.tenant, caller.subject) as watcher:
            await while_connected(receive, _Stream(request, tail, watcher, send, query).run(events))

    return stream


class _Stream:
    """Of a reader who is slow it holds what was read at once, and nothing of the database."""

    def __init__(self, request: _Request, tail: Tail, watcher: Watcher, send: Send, query: LiveQuery) -> None:
        self._request = request
        self._tail = tail
        self._watcher = watcher
        self._send = send
        self._query = query
        self._catalog = catalog_for(request)
        self._written_at = clock()

    async def run(self, events: list[Numbered]) -> None:
        headers = [
            (b"content-type", CONTENT_TYPE.encode()),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),  # nginx is to hold nothing back
            *((name.encode(), value.encode()) for name, value in language_headers(self._catalog).items()),
        ]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            await self._write(b"retry: 2000\n\n")
            reason = await self._follow(events, clock() + self._query.seconds)
            end = msgspec.json.encode({"reason": reason, "after": self._tail.place})
            await self._write(_message(self._tail.place, "end", end), more=False)
        except TimeoutError:
            pass  # nobody reads: the connection is closed

    async def _follow(self, events: list[Numbered], deadline: float) -> str:
        """Sends `events` and all that comes after them; why that ended.

        Where it is asked for 0 seconds, in which nothing is waited for, until there is no more.
        """
        growth, catalog = self._service.growth, self._catalog
        latest = deadline if self._query.seconds else clock() + MAX_SECONDS
        well_at = clock()
        while True:
            if events:
                logged = [(e.seq, shown(e.record, catalog, sealed=self._query.sealed)) for e in events]
                await self._write(b"".join(_message(seq, "logged", msgspec.json.encode(e)) for seq, e in logged))
            if not self._tail.has_more:
                if clock() < deadline:
                    await self._watcher.beyond(self._tail.size, self._patience(deadline))
                else:
                    return "reconnect"
            if (reason := self._ended(growth, latest)) is not None:
                return reason
            if clock() >= self._written_at + _KEEP_ALIVE:
                # With how far it came where nothing of it was to be seen, so that nobody has to go through it again.
                await self._write(b": keep-alive\nid: %d\n\n" % self._tail.place)
            try:
                events = await self._tail.next(_AT_ONCE)
                well_at = clock()
            except Exception as error:  # noqa: BLE001 - the answer has begun: the stream tells of it
                problem = describe(error)
                if problem.status not in (429, 503) or clock() > well_at + _AWAY:
                    return problem.details.code
                events = []
                await asyncio.sleep(_RETRY)

    def _patience(self, deadline: float) -> float:
        """For how many seconds to wait for something to be logged, before something else is to be done."""
        now = clock()
        until = [now + _CHECK, deadline, self._written_at + _KEEP_ALIVE]
        if (ends := self._caller.ends) is not None:
            until.append(now + (ends - datetime.now(UTC)).total_seconds())
        return max(min(until) - now, 0.0)

    def _ended(self, growth: Growth, deadline: float) -> str | None:
        if growth.is_stopped:
            return "stopping"
        if (ends := self._caller.ends) is not None and datetime.now(UTC) >= ends:
            return "expired"
        return "reconnect" if clock() >= deadline else None

    async def _write(self, body: bytes, *, more: bool = True) -> None:
        """Raises `TimeoutError` where the client takes nothing."""
        async with asyncio.timeout(_SLOW):
            await self._send({"type": "http.response.body", "body": body, "more_body": more})
        self._written_at = clock()

    @property
    def _service(self) -> Service:
        return admitted(self._request)[0]

    @property
    def _caller(self) -> Caller:
        return admitted(self._request)[1]


def _message(seq: int, event: str, data: bytes) -> bytes:
    """JSON as `msgspec` writes it is one line."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (seq, event.encode(), data)
