"""What is in the events of a filter, counted, for whoever narrows it further: facets and a histogram."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State
from msgspec import Meta, Struct

from indelible.catalog import Catalog
from indelible.ledger.entry import millis
from indelible.server.answers import Answer
from indelible.server.parameters import FILTER_PARAMETERS, Given, Parameter
from indelible.server.query import FilterQuery
from indelible.server.query_reader import Reader
from indelible.server.reading import given, hidden_part, record_listing, refused
from indelible.server.service import admitted
from indelible.server.wire import Time
from indelible.store.facets import MOST, MOST_BY_TIME, Facets, Histogram, count
from indelible.store.finding import HiddenPart
from indelible.store.histogram import SIZES

__all__ = ["FACETS", "FacetsAnswer", "FacetsQuery", "facets"]

_Request = Request[Any, Any, State]

_TOP, _MOST_TOP = 10, 100
_BUCKETS, _MOST_BUCKETS = 60, 200

FACETS: Final = (
    *FILTER_PARAMETERS,
    Parameter(
        "top", f"Values of each facet, {_TOP} if absent.",
        {"type": "integer", "minimum": 1, "maximum": _MOST_TOP, "default": _TOP},
    ),
    Parameter(
        "buckets", f"Buckets of the histogram, at most; {_BUCKETS} if absent.",
        {"type": "integer", "minimum": 1, "maximum": _MOST_BUCKETS, "default": _BUCKETS},
    ),
    Parameter(
        "zone", "The IANA time zone in which days, weeks, months and years begin; UTC if absent.",
        {"type": "string", "minLength": 1, "maxLength": 64}, example="Europe/Berlin",
    ),
)  # fmt: skip

_Number = Annotated[int, Meta(ge=0)]
_Complete = Annotated[
    str | None,
    Meta(description="RFC 3339: what occurred earlier may not all be counted; null: all of it is"),
]


class FacetValue(Struct):
    value: str
    count: _Number


class FacetActor(Struct, omit_defaults=True, kw_only=True):
    type: str
    id: Annotated[str | None, Meta(description="Absent for all of this type that have none")] = None
    name: Annotated[str | None, Meta(description="As of their latest events, if one of these shows it")] = None
    count: _Number


class FacetValues(Struct, omit_defaults=True, kw_only=True):
    """The most frequent values of each, with how many events have them."""

    action: list[FacetValue]
    category: list[FacetValue]
    operation: list[FacetValue]
    outcome: list[FacetValue]
    source: list[FacetValue]
    severity: Annotated[list[FacetValue], Meta(description="As today's catalog has it")]
    actor: list[FacetActor]
    target_type: Annotated[list[FacetValue], Meta(description="The primary target's")]
    country: Annotated[list[FacetValue], Meta(description="Absent where that of no event is known")] = []


class Total(Struct):
    count: _Number
    capped: Annotated[bool, Meta(description=f"There may be more; {MOST:,} are counted at most")]


class Bucket(Struct):
    at: Time
    count: _Number


class HistogramAnswer(Struct):
    """How many events there were when. Each bucket reaches to the next one's `at`."""

    bucket: Annotated[str, Meta(description=f"How long each is: {', '.join(SIZES)}")]
    since: Annotated[str, Meta(description="RFC 3339, UTC: nothing earlier is in the first bucket")]
    until: Annotated[str, Meta(description="RFC 3339, UTC: nothing from then on is in the last bucket")]
    counts: list[Bucket]
    complete_since: _Complete


class FacetsAnswer(Struct):
    """Of the events that fulfil the filter, the newest of which are counted."""

    total: Total
    facets: FacetValues
    histogram: Annotated[
        HistogramAnswer, Meta(description=f"Of up to {MOST_BY_TIME:,} events where the filter is of time alone")
    ]
    complete_since: _Complete

    @classmethod
    def of(cls, found: Facets) -> "FacetsAnswer":
        return cls(
            Total(found.count, found.capped),
            FacetValues(
                actor=[FacetActor(type=a.type, id=a.id, name=a.name, count=a.count) for a in found.actors],
                **{facet: [FacetValue(v.value, v.count) for v in values] for facet, values in found.values.items()},
            ),
            _histogram(found.histogram),
            _moment(found.complete_since),
        )


def _histogram(found: Histogram) -> HistogramAnswer:
    span = found.buckets
    return HistogramAnswer(
        span.size,
        millis(span.since),
        millis(span.until),
        [Bucket(millis(start), number) for start, number in zip(span.starts, found.counts, strict=True)],
        _moment(found.complete_since),
    )


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else millis(moment)


@dataclass(frozen=True, slots=True)
class FacetsQuery:
    chosen: FilterQuery
    top: int
    buckets: int
    zone: tzinfo
    asked: tuple[tuple[str, tuple[str, ...]], ...]
    """As it was given, in one order."""

    @classmethod
    def parse(cls, given: Given, *, now: datetime, catalog: Catalog, bound: str | None = None) -> "FacetsQuery":
        """Raises `Problem` 422, which lists every parameter that is wrong."""
        reader = Reader(given, FACETS, bound)
        query = cls(
            FilterQuery.read(reader, now=now, catalog=catalog),
            _whole(reader, "top", _TOP, _MOST_TOP),
            _whole(reader, "buckets", _BUCKETS, _MOST_BUCKETS),
            _zone(reader),
            tuple(sorted(reader.given().items())),
        )
        reader.finish()
        return query


@get("/api/audit-log/facets", needs="events:read")
async def facets(request: _Request) -> Response[bytes]:
    service, caller = admitted(request)
    now = datetime.now(UTC)
    now -= timedelta(microseconds=now.microsecond % 1000)
    query = FacetsQuery.parse(given(request), now=now, catalog=service.catalog, bound=caller.tenant)
    view = caller.view(query.chosen.tenant)

    async def answer() -> Answer:
        found = await count(
            service.reading,
            view,
            query.chosen.where,
            service.catalog,
            now=now,
            top=query.top,
            most_buckets=query.buckets,
            zone=query.zone,
        )
        return Answer(msgspec.json.encode(FacetsAnswer.of(found)), not found.cut, found.count, found.capped)

    # Spans such as 7d, and a histogram that ends now, go on with the time.
    asked = ("facets", query.asked, now.replace(second=0, microsecond=0))
    try:
        made = await service.answers.get(service.reading, view, asked, answer)
    except HiddenPart as error:
        raise refused(request, view.tenant, hidden_part(error)) from None
    await record_listing(request, query.chosen, made.events, more=made.more)
    return Response(made.body, media_type="application/json")


def _whole(reader: Reader, name: str, default: int, most: int) -> int:
    value = reader.single(name)
    if value is None:
        return default
    if not re.fullmatch(r"[0-9]{1,6}", value) or not 1 <= int(value) <= most:
        reader.wrong(name, f"must be a whole number from 1 to {most}")
        return default
    return int(value)


def _zone(reader: Reader) -> tzinfo:
    name = reader.single("zone")
    if name in (None, "UTC"):
        return UTC
    if name not in _zones():
        reader.wrong("zone", "must be the name of an IANA time zone, such as Europe/Berlin or America/New_York")
        return UTC
    return ZoneInfo(name)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
