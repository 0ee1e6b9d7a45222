"""Reading over HTTP: the timeline, and one event with its proof material.

What is answered is what the caller's view shows, and that they looked is recorded before it is answered.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State

from indelible.event import Target
from indelible.server.problems import Problem
from indelible.server.query import EventQuery, Given, TimelineQuery
from indelible.server.responses import json_response
from indelible.server.service import admitted
from indelible.server.wire import LoggedEvent, SealedEvent, Timeline
from indelible.store import read
from indelible.store.view import View

__all__ = ["event", "given", "no_such_event", "refused", "timeline"]

_Request = Request[Any, Any, State]

_json = msgspec.json.Encoder(order="sorted")


@get("/api/audit-log", needs="events:read")
async def timeline(request: _Request) -> Response[bytes]:
    service, caller = admitted(request)
    query = TimelineQuery.parse(given(request), now=datetime.now(UTC), bound=caller.tenant)
    view = caller.view(query.tenant)
    page = await read.timeline(service.reading, view, query.where, limit=query.limit, after=query.after)
    await _record_listing(request, view, query, page)
    return json_response(
        Timeline(
            [LoggedEvent.of(record, service.catalog) for record in page.records],
            str(page.next_cursor) if page.next_cursor else None,
        )
    )


@get("/api/audit-log/{event_id:str}", needs="events:read")
async def event(request: _Request) -> Response[bytes]:
    service, caller = admitted(request)
    query = EventQuery.parse(request.path_params["event_id"], given(request), bound=caller.tenant)
    view = caller.view(query.tenant)
    record = await read.event(service.reading, view, query.event_id)
    if record is None:
        raise refused(request, view.tenant, no_such_event(query))
    name = str(query.event_id)
    await service.trail.record(
        request.scope,
        caller,
        view.tenant,
        "audit_log.viewed",
        # A program that goes through them all one by one is one entry, which is of none of them.
        targets=[] if caller.key_id else [Target(type="event", id=name)],
        once=["event"] if caller.key_id else ["event", name],
    )
    return json_response(SealedEvent.of(record, service.catalog))


def given(request: _Request) -> Given:
    return list(request.query_params.multi_items())


def refused(request: _Request, tenant: str, problem: Problem) -> Problem:
    """The problem, which is now on the tenant's record: behind the answer, so that its time tells nothing."""
    service, caller = admitted(request)
    service.trail.refused(request.scope, caller, tenant, problem.details.code, problem.details.detail)
    return problem


def no_such_event(query: EventQuery) -> Problem:
    """The same whether there is none or it is not in the caller's view."""
    return Problem(404, "no_such_event", f"tenant {query.tenant!r} has no event {query.event_id}")


async def _record_listing(request: _Request, view: View, query: TimelineQuery, page: read.Page) -> None:
    service, caller = admitted(request)
    if query.words is None and not query.filters:
        await service.trail.record(request.scope, caller, view.tenant, "audit_log.viewed", once=["list"])
        return
    same = {name: _in_order(values) for name, values in query.filters.items()}
    metadata: dict[str, Any] = {"filters": _noted(query.filters)}
    if query.words is not None:
        metadata["query"] = query.words
    if caller.key_id:
        same |= _reach(query)
    # How many there were is said only where the entry stands for no list that others are on: a page may lie behind the
    # last event, and what a program asks for again and again may reach a little further each time.
    if query.after is None and not (caller.key_id and same.keys() & {"since", "until"}):
        metadata["results"] = len(page.records)
        if page.next_cursor:
            metadata["more"] = True
    asked = ["list", _json.encode({"filters": same, "query": query.words}).decode()]
    await service.trail.record(
        request.scope,
        caller,
        view.tenant,
        "audit_log.searched",
        metadata=metadata,
        # The pages of a list are one search, which the first page is on record with.
        once=asked if query.after is None else [*asked, "page"],
        within=None if query.after is None else asked,
    )


def _reach(query: TimelineQuery) -> dict[str, str]:
    """What stands for `since` and `until` of a program, which asks again and again for what is new: that is one search.

    To ask for twice as far back is another, and so is another day to end with.
    """
    reach = {}
    since, until = query.where.since, query.where.until
    if since is not None:
        back = datetime.now(UTC) - since
        reach["since"] = str(back.days.bit_length()) if back >= timedelta() else "future"
    if until is not None:
        as_given = str(query.filters["until"])
        reach["until"] = as_given if as_given[-1] in "mhdw" else str(until.astimezone(UTC).date())
    return reach


def _in_order(values: str | Sequence[str]) -> str | Sequence[str]:
    return values if isinstance(values, str) else sorted(set(values))


_NOTED = 8 * 1024
"""Bytes of filters, as JSON, that are recorded as they were given: an entry holds 32 KiB."""


def _noted(filters: Mapping[str, str | Sequence[str]]) -> Mapping[str, Any]:
    """`filters`; of more than fit, how many values each has."""
    if len(_json.encode(filters)) <= _NOTED:
        return filters
    return {name: v if isinstance(v, str) else f"{len(v)} values" for name, v in filters.items()}
