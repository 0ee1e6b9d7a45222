"""What is beside an event: what was before and after it, and what is of the same session and the same request."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.datastructures import State
from msgspec import Meta, Struct

from indelible.catalog import Catalog
from indelible.ledger.entry import millis
from indelible.server.languages import catalog_for, language_headers
from indelible.server.parameters import LIMIT, MAX_WORD, SEALED, TENANT, Given
from indelible.server.query import EventQuery
from indelible.server.query_reader import Reader
from indelible.server.reading import given, no_such_event, record_look, refused
from indelible.server.responses import json_response
from indelible.server.service import admitted
from indelible.server.wire import LoggedEvent, shown
from indelible.store import read
from indelible.store.filter import Field, Filter, Is
from indelible.store.finding import BUDGET, Page, Place, find
from indelible.store.sealing import Record
from indelible.store.session import Database
from indelible.store.view import View

__all__ = ["CONTEXT", "EventContext", "Neighbours", "context"]

_DEFAULT, _MOST = 10, 50

CONTEXT: Final = (
    TENANT,
    replace(
        LIMIT,
        text=f"Events in each of the lists, {_DEFAULT} if absent.",
        schema={"type": "integer", "minimum": 1, "maximum": _MOST, "default": _DEFAULT},
    ),
    SEALED,
)

_TICK: Final = timedelta(milliseconds=1)
"""What the times of events are kept to."""

_Request = Request[Any, Any, State]


class Neighbours(Struct):
    """Some events beside one."""

    data: Annotated[list[LoggedEvent], Meta(description="Newest first, and without the event itself")]
    more: Annotated[bool, Meta(description="Whether there may be others that are not in `data`")]
    filter: Annotated[
        str | None,
        Meta(
            description="The parameters by which the timeline lists all of them, and the event itself; null where an "
            f"id has more than {MAX_WORD} characters"
        ),
    ]


class EventContext(Struct):
    """What is beside an event, of all that the caller sees."""

    before: Annotated[Neighbours, Meta(description="What occurred just before it")]
    after: Annotated[Neighbours, Meta(description="What occurred just after it")]
    same_session: Annotated[
        Neighbours | None, Meta(description="The newest of its session; null where it has no session_id to be seen")
    ]
    same_request: Annotated[
        Neighbours | None, Meta(description="The newest of its request; null where it has no request_id to be seen")
    ]


@dataclass(frozen=True, slots=True)
class _Query:
    event: EventQuery
    limit: int
    sealed: bool

    @classmethod
    def parse(cls, event_id: str, given: Given, *, bound: str | None) -> "_Query":
        """Raises `Problem` 422."""
        reader = Reader(given, CONTEXT, bound)
        query = cls(
            EventQuery(reader.tenant(), reader.uuid("event_id", event_id)),
            reader.limit(default=_DEFAULT, most=_MOST),
            reader.flag(SEALED.name),
        )
        reader.finish()
        return query


@get("/api/audit-log/{event_id:str}/context", needs="events:read")
async def context(request: _Request) -> Response[bytes]:
    service, caller = admitted(request)
    query = _Query.parse(request.path_params["event_id"], given(request), bound=caller.tenant)
    view = caller.view(query.event.tenant)
    record = await read.event(service.reading, view, query.event.event_id)
    if record is None:
        raise refused(request, view.tenant, no_such_event(query.event))
    await record_look(request, query.event)
    told = catalog_for(request)
    beside = _Beside(service.reading, service.catalog, told, view, record, query.limit, query.sealed)
    return json_response(await beside.all(), headers=language_headers(told))


@dataclass(frozen=True, slots=True)
class _Beside:
    database: Database
    catalog: Catalog
    told: Catalog
    """The same in the reader's language."""
    view: View
    record: Record
    limit: int
    sealed: bool

    async def all(self) -> EventContext:
        # One after the other: each takes one of the connections that the tenant may have.
        event = self.record.event
        return EventContext(
            before=await self._in_time(newer=False),
            after=await self._in_time(newer=True),
            same_session=await self._same("session_id", event.context.session_id),
            same_request=await self._same("request_id", event.context.request_id),
        )

    async def _in_time(self, *, newer: bool) -> Neighbours:
        moment = self.record.event.occurred_at
        assert moment is not None
        page = await self._find(Filter(), after=Place(moment, self.record.seq), newer=newer)
        # The timeline is asked by moments, and others may be of the same one: those are in both.
        found = self._told(page, {"since": millis(moment)} if newer else {"until": millis(_next(moment))})
        if newer:
            found.data.reverse()
        return found

    async def _same(self, field: Field, value: str | None) -> Neighbours | None:
        if not value:
            return None
        page = await self._find(Filter(conditions=(Is(field, (value,)),)))
        return self._told(page, {field: value} if len(value) <= MAX_WORD else None)

    async def _find(self, where: Filter, *, after: Place | None = None, newer: bool = False) -> Page:
        # One more than is shown: the event may be among them. Of an altered one nothing says where it stands.
        wanted, share = self.limit + 1, BUDGET / 4
        return await find(
            self.database, self.view, where, self.catalog, limit=wanted, after=after, newer=newer, budget=share
        )

    def _told(self, page: Page, where: dict[str, str] | None) -> Neighbours:
        others = [record for record in page.records if record.seq != self.record.seq]
        return Neighbours(
            [shown(record, self.told, sealed=self.sealed) for record in others[: self.limit]],
            len(others) > self.limit or page.next is not None,
            None if where is None else urlencode(where, safe=":"),
        )


def _next(moment: datetime) -> datetime:
    """The first moment that is later, which `until` leaves out."""
    return moment + _TICK if moment < datetime.max.replace(tzinfo=UTC) - _TICK else moment
