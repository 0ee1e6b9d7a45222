"""Reading over HTTP: the timeline, and one event with its proof material.

What is answered is what the caller's view shows, and that they looked is recorded before it is answered.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State

from indelible.event import Target
from indelible.ledger.entry import millis
from indelible.server.cursors import Cursor, Cursors
from indelible.server.languages import catalog_for, language_headers
from indelible.server.parameters import Given
from indelible.server.problems import ErrorDetail, Problem
from indelible.server.query import EventQuery, FilterQuery, TimelineQuery
from indelible.server.responses import json_response
from indelible.server.search_box import Search
from indelible.server.service import admitted
from indelible.server.wire import SealedEvent, Timeline, Understood, shown
from indelible.store import read
from indelible.store.finding import HiddenPart, Page, find

__all__ = ["event", "given", "hidden_part", "no_such_event", "record_listing", "record_look", "refused", "timeline"]

_Request = Request[Any, Any, State]

_json = msgspec.json.Encoder(order="sorted")


@get("/api/audit-log", needs="events:read")
async def timeline(request: _Request) -> Response[bytes]:
    service, caller = admitted(request)
    cursors = Cursors(await service.installation.secret())
    query = TimelineQuery.parse(
        given(request), now=datetime.now(UTC), catalog=service.catalog, cursors=cursors, bound=caller.tenant
    )
    view = caller.view(query.chosen.tenant)
    after, newer = (query.cursor.place, query.cursor.newer) if query.cursor else (None, False)
    try:
        page = await find(
            service.reading, view, query.chosen.where, service.catalog, limit=query.limit, after=after, newer=newer
        )
    except HiddenPart as error:
        raise refused(request, view.tenant, hidden_part(error)) from None
    await record_listing(
        request, query.chosen, len(page.records), more=page.next is not None, later_page=query.cursor is not None
    )
    older, later = _cursors_of(query, page)
    catalog = catalog_for(request)
    return json_response(
        Timeline(
            [shown(r, catalog, sealed=query.sealed) for r in (reversed if newer else iter)(page.records)],
            cursors.write(older, view.tenant) if older else None,
            cursors.write(later, view.tenant) if later else None,
            page.cut,
            _understood(query.chosen.search),
        ),
        headers=language_headers(catalog),
    )


def _understood(search: Search | None) -> Understood | None:
    if search is None:
        return None
    since, until = (None if at is None else millis(at) for at in (search.since, search.until))
    return Understood([*search.items], [*search.ignored], since, until)


def _cursors_of(query: TimelineQuery, page: Page) -> tuple[Cursor | None, Cursor | None]:
    """Those that lead on from the page, to what is older, and to what is newer."""
    newer = query.cursor is not None and query.cursor.newer
    goes_on = Cursor(page.next, newer) if page.next else None
    if page.ends is None:
        # What is not there yet may come.
        return (None, goes_on or query.cursor) if newer else (goes_on, None)
    first, last = page.ends
    if newer:
        return Cursor(first), goes_on or Cursor(last, newer=True)
    return goes_on, Cursor(first, newer=True)


@get("/api/audit-log/{event_id:str}", needs="events:read")
async def event(request: _Request) -> Response[bytes]:
    service, caller = admitted(request)
    query = EventQuery.parse(request.path_params["event_id"], given(request), bound=caller.tenant)
    view = caller.view(query.tenant)
    record = await read.event(service.reading, view, query.event_id)
    if record is None:
        raise refused(request, view.tenant, no_such_event(query))
    await record_look(request, query)
    catalog = catalog_for(request)
    return json_response(SealedEvent.of(record, catalog), headers=language_headers(catalog))


def given(request: _Request) -> Given:
    return list(request.query_params.multi_items())


def refused(request: _Request, tenant: str, problem: Problem) -> Problem:
    """The problem, which is now on the tenant's record: behind the answer, so that its time tells nothing."""
    service, caller = admitted(request)
    service.trail.refused(request.scope, caller, tenant, problem.details.code, problem.details.detail)
    return problem


def hidden_part(error: HiddenPart) -> Problem:
    """A member asks for events by what members are not shown: an answer, even an empty one, would tell of it."""
    detail = f"you are not shown {error.part} of any event, and cannot look for events by it"
    return Problem(403, "hidden_part", detail, [ErrorDetail("is not shown to you", parameter=error.part)])


def no_such_event(query: EventQuery) -> Problem:
    """The same whether there is none or it is not in the caller's view."""
    return Problem(404, "no_such_event", f"tenant {query.tenant!r} has no event {query.event_id}")


async def record_look(request: _Request, query: EventQuery) -> None:
    """Has it in the log of the log that the caller looked at this event."""
    service, caller = admitted(request)
    name = str(query.event_id)
    await service.trail.record(
        request.scope,
        caller,
        query.tenant,
        "audit_log.viewed",
        # A program that goes through them all one by one is one entry, which is of none of them.
        targets=[] if caller.key_id else [Target(type="event", id=name)],
        once=["event"] if caller.key_id else ["event", name],
    )


async def record_listing(
    request: _Request,
    chosen: FilterQuery,
    results: int | None,
    *,
    more: bool = False,
    later_page: bool = False,
    what: Literal["list", "feed"] = "list",
) -> None:
    """Has it in the log of the log that the caller looked for these events: once, for whatever answers about them.

    `results` is how many they were told of, None where there is no saying, and `more` whether there are others.
    """
    service, caller = admitted(request)
    if chosen.words is None and not chosen.filters:
        await service.trail.record(request.scope, caller, chosen.tenant, "audit_log.viewed", once=[what])
        return
    same = {name: _in_order(values) for name, values in chosen.filters.items()}
    metadata: dict[str, Any] = {"filters": _noted(chosen.filters)}
    if chosen.words is not None:
        metadata["query"] = chosen.words
    if caller.key_id:
        same |= _reach(chosen)
    # How many there were is said only where the entry stands for no list that others are on: a page may lie behind the
    # last event, and what a program asks for again and again may reach a little further each time.
    if results is not None and not later_page and not (caller.key_id and same.keys() & {"since", "until"}):
        metadata["results"] = results
        if more:
            metadata["more"] = True
    asked = [what, _json.encode({"filters": same, "query": chosen.words}).decode()]
    await service.trail.record(
        request.scope,
        caller,
        chosen.tenant,
        "audit_log.searched",
        metadata=metadata,
        # The pages of a list are one search, which the first page is on record with.
        once=[*asked, "page"] if later_page else asked,
        within=asked if later_page else None,
    )


def _reach(query: FilterQuery) -> dict[str, str]:
    """What stands for `since` and `until` of a program, which asks again and again for what is new: that is one search.

    To ask for twice as far back is another, and so is another day to end with.
    """
    reach = {}
    since, until = query.where.since, query.where.until
    if "since" in query.filters and since is not None:
        back = datetime.now(UTC) - since
        reach["since"] = str(back.days.bit_length()) if back >= timedelta() else "future"
    if "until" in query.filters and until is not None:
        as_given = str(query.filters["until"])
        reach["until"] = as_given if as_given[-1] in "mhdw" else str(until.date())
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
