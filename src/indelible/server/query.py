"""Query parameters: declared once, here, for reading them and for the API's description."""

import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Annotated, Any, cast, get_args
from uuid import UUID

import msgspec

from indelible.event import ActorType, Outcome, Source, is_tenant_id
from indelible.ledger.checkpoint import MAX_SIZE, decimal
from indelible.server.problems import ErrorDetail, Problem
from indelible.server.spans import is_span, span
from indelible.store.read import BadCursor, Cursor, Filter
from indelible.store.view import Column

__all__ = [
    "CHECKPOINT_SIZE",
    "CONSISTENCY",
    "EVENT_ID",
    "PARAMETERS",
    "TENANT",
    "CheckpointQuery",
    "ConsistencyQuery",
    "EventQuery",
    "Parameter",
    "TenantQuery",
    "TimelineQuery",
]

DEFAULT_LIMIT, MAX_LIMIT = 50, 1000
_MAX_QUERY = 256


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    text: str
    schema: Mapping[str, Any]
    aliases: tuple[str, ...] = ()
    repeatable: bool = False
    required: bool = False
    example: str | None = None


_WORD = {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[^\\u0000]+$"}
_MOMENT = {"type": "string", "minLength": 2, "maxLength": 40}

TENANT = Parameter(
    "tenant_id",
    "Whose events. A key that is bound to no tenant has to say it; whoever is bound to one may leave it out.",
    {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:@~+-]{0,127}$"},
    aliases=("workspace_id",),
    example="acme",
)
EVENT_ID = Parameter("event_id", "The event's id.", {"type": "string", "format": "uuid"}, required=True)

_SIZE = {"type": "integer", "minimum": 1, "maximum": MAX_SIZE}

CHECKPOINT_SIZE = Parameter("size", "The earliest checkpoint of at least so many entries; the latest if absent.", _SIZE)

CONSISTENCY = (
    TENANT,
    Parameter("from", "The earlier size, in entries.", _SIZE, required=True, example="1"),
    Parameter("to", "The later size; that of the latest checkpoint if absent.", _SIZE),
)

PARAMETERS = (
    TENANT,
    Parameter(
        "since", "The earliest occurred_at, inclusive: RFC 3339, or a span back from now (30m, 24h, 7d, 2w).", _MOMENT,
        example="7d",
    ),
    Parameter("until", "The latest occurred_at, exclusive; written as since.", _MOMENT),
    Parameter("action", "The action.", _WORD, aliases=("event_type",), repeatable=True, example="user.role_changed"),
    Parameter(
        "category", "The category.", {"enum": ["auth", "access", "data", "config", "security"]}, repeatable=True
    ),
    Parameter("operation", "The operation.", {"enum": ["created", "updated", "deleted", "accessed"]}, repeatable=True),
    Parameter("outcome", "The outcome.", {"enum": list(get_args(Outcome))}, repeatable=True),
    Parameter("source", "The source.", {"enum": list(get_args(Source))}, repeatable=True),
    Parameter("actor_id", "The actor's id.", _WORD, repeatable=True),
    Parameter("actor_type", "The actor's type.", {"enum": list(get_args(ActorType))}, repeatable=True),
    Parameter("target_id", "The primary target's id.", _WORD, aliases=("resource_id",), repeatable=True),
    Parameter("target_type", "The primary target's type.", _WORD, aliases=("resource_type",), repeatable=True),
    Parameter(
        "q", "Words, all of which occur in names, e-mail and IP addresses, changes or metadata; beginnings will do.",
        {"type": "string", "minLength": 1, "maxLength": _MAX_QUERY}, example="sarah",
    ),
    Parameter(
        "limit", f"Events a page, {DEFAULT_LIMIT} if absent.",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    ),
    Parameter(
        "cursor", "next_cursor of the page before, for the next, older page.", {"type": "string", "minLength": 1}
    ),
)  # fmt: skip

_PUNCTUATION = string.punctuation + "“”‘’„«»…"

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]

Given = Sequence[tuple[str, str]]
"""Query parameters as they came, in order, decoded."""


@dataclass(frozen=True, slots=True)
class TimelineQuery:
    tenant: str
    where: Filter
    limit: int
    after: Cursor | None
    words: str | None
    """`q` as it was given."""
    filters: Mapping[str, str | Sequence[str]]
    """The others that choose events, as they were given, under their own names."""

    @classmethod
    def parse(cls, given: Given, *, now: datetime, bound: str | None = None) -> "TimelineQuery":
        """`bound`, here and below, is the tenant of whoever is bound to one, who may leave the parameter out.

        Raises `Problem` 422, which lists every parameter that is wrong.
        """
        reader = _Reader(given, PARAMETERS, bound)
        equal = {cast("Column", p.name): values for p in PARAMETERS if p.repeatable and (values := reader.words(p))}
        query = cls(
            tenant=reader.tenant(),
            where=Filter(reader.moment("since", now), reader.moment("until", now), equal, reader.search()),
            limit=reader.limit(),
            after=reader.cursor(),
            words=reader.first("q"),
            filters={
                p.name: values if p.repeatable else values[0]
                for p in PARAMETERS
                if p.name not in ("tenant_id", "q", "limit", "cursor") and (values := reader.all(p.name))
            },
        )
        reader.finish()
        return query


@dataclass(frozen=True, slots=True)
class EventQuery:
    tenant: str
    event_id: UUID

    @classmethod
    def parse(cls, event_id: str, given: Given, *, bound: str | None = None) -> "EventQuery":
        """Raises `Problem` 422."""
        reader = _Reader(given, (TENANT,), bound)
        query = cls(reader.tenant(), reader.uuid(event_id))
        reader.finish()
        return query


@dataclass(frozen=True, slots=True)
class TenantQuery:
    tenant: str

    @classmethod
    def parse(cls, given: Given, *, bound: str | None = None) -> "TenantQuery":
        """Raises `Problem` 422."""
        reader = _Reader(given, (TENANT,), bound)
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
        reader = _Reader(given, (TENANT, CHECKPOINT_SIZE), bound)
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
        reader = _Reader(given, CONSISTENCY, bound)
        query = cls(reader.tenant(), reader.size("from", required=True) or 0, reader.size("to"))
        reader.finish()
        return query


class _Reader:
    """Collects what is wrong, so that one answer names all of it."""

    def __init__(self, given: Given, known: Sequence[Parameter], bound: str | None) -> None:
        self._bound = bound
        names = {alias: p for p in known for alias in (p.name, *p.aliases)}
        self._values: dict[str, list[str]] = {}
        self._errors: list[ErrorDetail] = []
        for name, value in given:
            if name not in names:
                near = get_close_matches(name, names, 1)
                hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(p.name for p in known)}"
                self._wrong(name, "is not known here" + hint)
            else:
                self._values.setdefault(names[name].name, []).append(value)

    def finish(self) -> None:
        if self._errors:
            detail = "; ".join(f"{e.parameter} {e.detail}" for e in self._errors)
            raise Problem(422, "invalid_parameter", detail, self._errors)

    def tenant(self) -> str:
        value = self._single("tenant_id")
        if value is None:
            if self._bound is not None:
                return self._bound
            self._wrong("tenant_id", "is required: a query is always one tenant's")
            return ""
        if not is_tenant_id(value):
            self._wrong("tenant_id", "must be 1 to 128 letters, digits or . _ : @ ~ + -")
        return value

    def all(self, name: str) -> tuple[str, ...]:
        """As given, whether right or wrong."""
        return tuple(self._values.get(name, ()))

    def first(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)

    def words(self, parameter: Parameter) -> tuple[str, ...]:
        values = self._values.get(parameter.name, [])
        allowed = parameter.schema.get("enum")
        for value in values:
            if allowed and value not in allowed:
                self._wrong(parameter.name, f"must be one of {', '.join(allowed)}")
            elif not 1 <= len(value) <= _WORD["maxLength"] or "\0" in value:  # type: ignore[operator]
                self._wrong(parameter.name, "must have 1 to 256 characters, none of them NUL")
        return tuple(values)

    def search(self) -> tuple[str, ...]:
        value = self._single("q")
        if value is None:
            return ()
        words = tuple(filter(None, (word.strip(_PUNCTUATION) for word in value.split())))
        if not words or len(value) > _MAX_QUERY or "\0" in value:
            self._wrong("q", f"must hold a word, and at most {_MAX_QUERY} characters, none of them NUL")
        return words

    def moment(self, name: str, now: datetime) -> datetime | None:
        value = self._single(name)
        if value is None:
            return None
        try:
            if is_span(value):
                return now - span(value)
            return msgspec.convert(value, _Moment).astimezone(UTC)
        except (msgspec.ValidationError, OverflowError):
            # In a URL a + that is written as itself arrives as a space.
            hint = "; write + as %2B" if re.search(r"T\S+ [0-9:]+$", value) else ""
            self._wrong(name, f"must be RFC 3339 with an offset (2026-11-21T09:30:00Z{hint}) or a span like 7d")
            return None

    def limit(self) -> int:
        value = self._single("limit")
        if value is None:
            return DEFAULT_LIMIT
        if not re.fullmatch(r"[0-9]{1,4}", value) or not 1 <= int(value) <= MAX_LIMIT:
            self._wrong("limit", f"must be a whole number from 1 to {MAX_LIMIT}")
            return DEFAULT_LIMIT
        return int(value)

    def size(self, name: str, *, required: bool = False) -> int | None:
        value = self._single(name)
        try:
            size = decimal(value) if value is not None else None
        except ValueError:
            size = 0
        if size == 0 or (required and name not in self._values):
            self._wrong(
                name, f"{'is required: it ' if size is None else ''}must be a whole number from 1 to {MAX_SIZE}"
            )
        return size

    def cursor(self) -> Cursor | None:
        value = self._single("cursor")
        try:
            return None if value is None else Cursor.parse(value)
        except BadCursor as error:
            self._wrong("cursor", f"is not one of ours: {error}")
            return None

    def uuid(self, value: str) -> UUID:
        try:
            return msgspec.convert(value, UUID)
        except msgspec.ValidationError:
            self._wrong("event_id", "must be a UUID")
            return UUID(int=0)

    def _single(self, name: str) -> str | None:
        values = self._values.get(name, [])
        if len(values) > 1:
            self._wrong(name, "must be given once")
        return values[0] if values else None

    def _wrong(self, parameter: str, detail: str) -> None:
        self._errors.append(ErrorDetail(detail, parameter=parameter))
