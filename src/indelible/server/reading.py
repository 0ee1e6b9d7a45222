"""Reading over HTTP: the timeline, and one event with its proof material."""

from datetime import UTC, datetime
from typing import Any

from litestar import Request, Response, get
from litestar.datastructures import State

from indelible.server.problems import Problem
from indelible.server.query import EventQuery, TimelineQuery
from indelible.server.responses import json_response
from indelible.server.service import Service
from indelible.server.wire import LoggedEvent, SealedEvent, Timeline
from indelible.store import read

__all__ = ["admit", "event", "timeline"]

_Request = Request[Any, Any, State]


@get("/api/audit-log")
async def timeline(request: _Request) -> Response[bytes]:
    service = await admit(request)
    query = TimelineQuery.parse(list(request.query_params.multi_items()), now=datetime.now(UTC))
    page = await read.timeline(service.reading, query.tenant, query.where, limit=query.limit, after=query.after)
    return json_response(
        Timeline(
            [LoggedEvent.of(record, service.catalog) for record in page.records],
            str(page.next_cursor) if page.next_cursor else None,
        )
    )


@get("/api/audit-log/{event_id:str}")
async def event(request: _Request) -> Response[bytes]:
    service = await admit(request)
    query = EventQuery.parse(request.path_params["event_id"], list(request.query_params.multi_items()))
    record = await read.event(service.reading, query.tenant, query.event_id)
    if record is None:
        raise Problem(404, "no_such_event", f"tenant {query.tenant!r} has no event {query.event_id}")
    return json_response(SealedEvent.of(record, service.catalog))


async def admit(request: _Request) -> Service:
    """The service, for whoever may read. Raises `Problem` 401 or 403, and `StoreUnavailable`."""
    service: Service = request.app.state.service
    await service.keyring.authenticate(request.scope["headers"], "events:read")
    return service
