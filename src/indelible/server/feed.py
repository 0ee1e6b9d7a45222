"""The feed over HTTP: a tenant's events in the order of the ledger, for programs that must not miss any."""

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.types import Receive
from msgspec import Meta, Struct

from indelible.server.feed_query import After, FeedQuery
from indelible.server.gate import admit_again, clock
from indelible.server.languages import catalog_for, language_headers
from indelible.server.problems import Problem
from indelible.server.query import FilterQuery
from indelible.server.reading import given, hidden_part, record_listing, refused
from indelible.server.responses import json_response
from indelible.server.service import admitted
from indelible.server.wire import LoggedEvent
from indelible.store.feed import START, Numbered, feed
from indelible.store.filter import Filter
from indelible.store.finding import HiddenPart
from indelible.store.sealing import Record
from indelible.store.tenants import ledgers, size_of

__all__ = ["FeedPage", "Tail", "feed_page", "record_following", "while_connected"]

T = TypeVar("T")

_Request = Request[Any, Any, State]


class FeedPage(Struct):
    """Some of a tenant's events, in the order of the ledger."""

    data: list[LoggedEvent]
    after: Annotated[int, Meta(ge=START, description="What to ask for next; keep it with what you did with the events")]
    has_more: Annotated[bool, Meta(description="Whether there is more already, of which all may be hidden")]


@get("/api/audit-log/feed", needs="events:read")
async def feed_page(request: _Request) -> Response[bytes]:
    service, caller = admitted(request)
    query = FeedQuery.parse(given(request), service.catalog, bound=caller.tenant)
    caller.view(query.chosen.tenant)
    # First, so that the entry about it is among those that were there before, and nobody is woken by their own.
    await record_following(request, query.chosen)
    tail = await Tail.open(request, query.chosen, query.after)
    events = await tail.next(query.limit)
    if not events and not tail.has_more and query.wait:
        events = await while_connected(request.receive, _waited_for(request, tail, query)) or []
    catalog = catalog_for(request)
    page = FeedPage([LoggedEvent.of(e.record, catalog) for e in events], tail.place, tail.has_more)
    return json_response(page, headers=language_headers(catalog))


async def _waited_for(request: _Request, tail: "Tail", query: FeedQuery) -> list[Numbered]:
    service, caller = admitted(request)
    deadline = clock() + query.wait
    with service.growth.watch(query.chosen.tenant, caller.subject) as watcher:
        while True:
            has_grown = await watcher.beyond(tail.size, max(deadline - clock(), 0.0))
            events = await tail.next(query.limit)
            if events or tail.has_more or not has_grown:
                return events


class Tail:
    """Follows a ledger from a place on, for as long as the caller may see it."""

    def __init__(self, request: _Request, chosen: FilterQuery, place: int) -> None:
        self._request = request
        self._chosen = chosen
        self.place = place
        """The number of the last entry that was looked at."""
        self.size = 0
        """How many entries there were then."""

    @classmethod
    async def open(cls, request: _Request, chosen: FilterQuery, after: After) -> "Tail":
        service, _ = admitted(request)
        if after == "latest":
            after = await size_of(service.reading, chosen.tenant) - 1
        return cls(request, chosen, after)

    @property
    def has_more(self) -> bool:
        return self.place < self.size - 1

    async def next(self, limit: int) -> list[Numbered]:
        """The next events, as the caller sees them by now. Raises `Problem` and `StoreError`."""
        caller = await admit_again(self._request)
        service, _ = admitted(self._request)
        view = caller.view(self._chosen.tenant)
        where = self._chosen.where
        try:
            page = await feed(service.reading, view, where.conditions, service.catalog, after=self.place, limit=limit)
        except HiddenPart as error:
            raise refused(self._request, view.tenant, hidden_part(error)) from None
        self.place, self.size = page.after, page.size
        if self.place >= self.size:
            # A replica that lags behind knows less than whoever asks; nobody knows more than the ledger.
            found = await ledgers(service.control, tenant=view.tenant)
            if self.place >= (size := found[0].size if found else 0) and self.place > START:
                raise _ahead(self.place, size)
        return [event for event in page.events if _is_within(where, event.record)]


def _is_within(where: Filter, record: Record) -> bool:
    """When it occurred; of an altered entry that is not known."""
    at = record.event.occurred_at
    return "entry" in record.altered or (
        at is not None and (where.since is None or where.since <= at) and (where.until is None or at < where.until)
    )


async def record_following(request: _Request, chosen: FilterQuery) -> None:
    """Has it in the log of the log that the caller follows these events: one entry, like a list that is shown again.

    Of a person it is the same one: whoever looks at a list sees what is new in it.
    """
    _, caller = admitted(request)
    await record_listing(request, chosen, None, what="feed" if caller.key_id else "list")


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T | None:
    """What `work` comes to; None once the client is gone, and then the work is ended."""
    tasks = doing, _ = asyncio.ensure_future(work), asyncio.ensure_future(_until_gone(receive))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return doing.result() if doing.done() else None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _ahead(place: int, size: int) -> Problem:
    detail = (
        f"after is {place}, but the ledger has only {size:,} entries, numbered from 0 on: either that is the place in "
        "another tenant's ledger, or the database was restored from a backup and has lost entries"
    )
    return Problem(409, "ahead_of_ledger", detail)
