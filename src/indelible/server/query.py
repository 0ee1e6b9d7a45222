"""What a query asks for, read from its parameters. All that is wrong with them is in one answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from indelible.catalog import Catalog
from indelible.event import is_tenant_id
from indelible.server.conditions import condition
from indelible.server.cursors import BadCursor, Cursor, Cursors
from indelible.server.moments import written
from indelible.server.parameters import (
    CHECKPOINT_SIZE,
    CONSISTENCY,
    CURSOR,
    ENTRIES,
    FILTER_PARAMETERS,
    MAX_PROOFS,
    MAX_VALUES,
    PARAMETERS,
    PROOFS,
    SEALED,
    TENANT,
    Given,
    Parameter,
    named,
)
from indelible.server.query_reader import Reader
from indelible.server.search_box import BadSearch, Search, search
from indelible.store.filter import Condition, Filter

__all__ = [
    "CheckpointQuery",
    "ConsistencyQuery",
    "EventQuery",
    "FilterQuery",
    "ProofsQuery",
    "TenantQuery",
    "TimelineQuery",
]


@dataclass(frozen=True, slots=True)
class FilterQuery:
    """Which events of which tenant."""

    tenant: str
    where: Filter
    words: str | None
    """`q` as it was given."""
    filters: Mapping[str, str | Sequence[str]]
    """The others that choose events, as they were given, under their own names."""
    search: Search | None = None
    """How `q` was understood."""

    @classmethod
    def parse(cls, given: Given, *, now: datetime, catalog: Catalog, bound: str | None = None) -> Self:
        """`bound`, here and below, is the tenant of whoever is bound to one, who may leave the parameter out.

        Raises `Problem` 422, which lists every parameter that is wrong.
        """
        reader = Reader(given, FILTER_PARAMETERS, bound)
        query = cls.read(reader, now=now, catalog=catalog)
        reader.finish()
        return query

    @classmethod
    def read(cls, reader: Reader, *, now: datetime, catalog: Catalog) -> Self:
        """For a query that has more parameters than `FILTER_PARAMETERS`; whose reader it is calls `finish`."""
        since, until = reader.moment("since", now), reader.moment("until", now)
        filters: dict[str, str | Sequence[str]] = {}
        conditions: list[Condition] = []
        counts: dict[str, int] = {}
        for name, values in reader.given().items():
            parameter = _filter(name)
            if parameter is None:
                continue
            if not parameter.repeatable:
                filters[name] = values[0]
                continue
            filters[name] = values
            counts[name] = len(values)
            sound = reader.words(parameter, name)
            conditions.append(condition(name.removeprefix("-"), sound, catalog, excluded=name.startswith("-")))
        if is_never := since is not None and until is not None and since >= until:
            reader.wrong("since", f"must be before until, and {written(since)} is not before {written(until)}")
        words, found = _search(reader, now, catalog)
        if found is not None:
            since = max(filter(None, (since, found.since)), default=None)
            until = min(filter(None, (until, found.until)), default=None)
            if not is_never and since is not None and until is not None and since >= until:
                reader.wrong(
                    "q", f"leaves no time beside since and until: {written(since)} is not before {written(until)}"
                )
            conditions += found.conditions
            counts["q"] = found.values
        if (count := sum(counts.values())) > MAX_VALUES:
            most = max(counts, key=lambda name: counts[name])
            reader.wrong(most, f"has too many values: all filters together have {count}, of at most {MAX_VALUES}")
        return cls(reader.tenant(), Filter(since, until, tuple(conditions)), words, filters, found)


def _filter(name: str) -> Parameter | None:
    """The filter that goes by this name; None for the tenant, for `q`, and for what chooses no events."""
    parameter = named(name.removeprefix("-"))
    return None if parameter is None or parameter.name in ("tenant_id", "q") else parameter


def _search(reader: Reader, now: datetime, catalog: Catalog) -> tuple[str | None, Search | None]:
    text = reader.single("q")
    if text is None:
        return None, None
    try:
        return text, search(text, now=now, catalog=catalog)
    except BadSearch as error:
        reader.wrong("q", str(error))
        return text, None


@dataclass(frozen=True, slots=True)
class TimelineQuery:
    """A page of the timeline."""

    chosen: FilterQuery
    limit: int
    cursor: Cursor | None
    sealed: bool

    @classmethod
    def parse(
        cls, given: Given, *, now: datetime, catalog: Catalog, cursors: Cursors, bound: str | None = None
    ) -> "TimelineQuery":
        """Raises `Problem` 422."""
        reader = Reader(given, PARAMETERS, bound)
        chosen = FilterQuery.read(reader, now=now, catalog=catalog)
        query = cls(chosen, reader.limit(), _cursor(reader, chosen.tenant, cursors), reader.flag(SEALED.name))
        reader.finish()
        return query


def _cursor(reader: Reader, tenant: str, cursors: Cursors) -> Cursor | None:
    text = reader.single(CURSOR.name)
    try:
        return None if text is None else cursors.read(text, tenant if is_tenant_id(tenant) else None)
    except BadCursor as error:
        reader.wrong(CURSOR.name, f"is not one of ours: {error}")
        return None


@dataclass(frozen=True, slots=True)
class EventQuery:
    tenant: str
    event_id: UUID

    @classmethod
    def parse(cls, event_id: str, given: Given, *, bound: str | None = None) -> "EventQuery":
        """Raises `Problem` 422."""
        reader = Reader(given, (TENANT,), bound)
        query = cls(reader.tenant(), reader.uuid("event_id", event_id))
        reader.finish()
        return query


@dataclass(frozen=True, slots=True)
class TenantQuery:
    tenant: str

    @classmethod
    def parse(cls, given: Given, *, bound: str | None = None) -> "TenantQuery":
        """Raises `Problem` 422."""
        reader = Reader(given, (TENANT,), bound)
        query = cls(reader.tenant())
        reader.finish()
        return query


@dataclass(frozen=True, slots=True)
class CheckpointQuery:
    tenant: str
    size: int | None

    @classmethod
    def parse(cls, given: Given, *, bound: str | None = None) -> "CheckpointQuery":
        """Raises `Problem` 422."""
        reader = Reader(given, (TENANT, CHECKPOINT_SIZE), bound)
        query = cls(reader.tenant(), reader.size("size"))
        reader.finish()
        return query


@dataclass(frozen=True, slots=True)
class ConsistencyQuery:
    tenant: str
    old: int
    new: int | None

    @classmethod
    def parse(cls, given: Given, *, bound: str | None = None) -> "ConsistencyQuery":
        """Raises `Problem` 422. Whether there are so many entries is for the caller to find out."""
        reader = Reader(given, CONSISTENCY, bound)
        query = cls(reader.tenant(), reader.size("from", required=True) or 0, reader.size("to"))
        reader.finish()
        return query


@dataclass(frozen=True, slots=True)
class ProofsQuery:
    tenant: str
    seqs: frozenset[int]
    size: int | None
    entries: bool

    @classmethod
    def parse(cls, given: Given, *, bound: str | None = None) -> "ProofsQuery":
        """Raises `Problem` 422."""
        reader = Reader(given, PROOFS, bound)
        query = cls(
            reader.tenant(), reader.numbers("seq", most=MAX_PROOFS), reader.size("size"), reader.flag(ENTRIES.name)
        )
        reader.finish()
        return query
