"""Whom and what a tenant's events name: what a viewer offers to whoever types the beginning of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State
from msgspec import Meta, Struct

from indelible.catalog import Catalog
from indelible.server.answers import Answer
from indelible.server.languages import catalog_for, language_headers
from indelible.server.parameters import LIMIT, MAX_WORD, TENANT, Given, Parameter
from indelible.server.query_reader import Reader
from indelible.server.reading import given
from indelible.server.service import Service, admitted
from indelible.store import directory
from indelible.store.view import View

__all__ = [
    "ACTIONS",
    "ACTORS",
    "TARGETS",
    "ActionDirectory",
    "ActorDirectory",
    "DirectoryQuery",
    "TargetDirectory",
    "actions",
    "actors",
    "targets",
]

_Request = Request[Any, Any, State]

_DEFAULT, _MOST = 20, 100

_LIMIT: Final = replace(
    LIMIT,
    text=f"Entries of the answer, {_DEFAULT} if absent.",
    schema={"type": "integer", "minimum": 1, "maximum": _MOST, "default": _DEFAULT},
)


def _text(text: str) -> Parameter:
    return Parameter("q", text, {"type": "string", "maxLength": MAX_WORD, "pattern": "^[^\\u0000]*$"}, example="sar")


_TYPE: Final = Parameter(
    "type",
    "Only targets of this type.",
    {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[^\\u0000]+$"},
)

ACTORS: Final = (TENANT, _text("The beginning of their id, or of each word in their name or e-mail address."), _LIMIT)
TARGETS: Final = (TENANT, _text("The beginning of its id, or of each word in its name."), _TYPE, _LIMIT)
ACTIONS: Final = (TENANT, replace(_text("Words of its name, title or sentence, or their beginnings."), example="role"),
                  _LIMIT)  # fmt: skip

_Partial = Annotated[bool, Meta(description="There may be more: more was found, or not every event was looked at")]


class ListedActor(Struct, omit_defaults=True, kw_only=True):
    type: str
    id: str | None = None
    name: str | None = None
    email: str | None = None


class ActorDirectory(Struct):
    """Actors and impersonators of the newest events that fit, last seen first."""

    data: list[ListedActor]
    partial: _Partial


class ListedTarget(Struct, omit_defaults=True, kw_only=True):
    type: str
    id: str | None = None
    name: str | None = None


class TargetDirectory(Struct):
    """Targets of the newest events that fit, last seen first."""

    data: list[ListedTarget]
    partial: _Partial


class ListedAction(Struct, kw_only=True):
    """As today's catalog has it; null is what it does not know."""

    action: str
    title: str | None
    category: str | None
    operation: str | None
    severity: str | None
    registered: bool

    @classmethod
    def of(cls, name: str, catalog: Catalog) -> "ListedAction":
        spec = catalog.get(name)
        return cls(
            action=name,
            title=spec.title if spec else None,
            category=spec.category if spec else None,
            operation=spec.operation if spec else None,
            severity=spec.severity if spec else None,
            registered=spec is not None,
        )


class ActionDirectory(Struct):
    """Actions that there are events of, those that begin with what was asked for first."""

    data: list[ListedAction]
    partial: _Partial


@dataclass(frozen=True, slots=True)
class DirectoryQuery:
    tenant: str
    text: str | None
    type: str | None
    limit: int

    @classmethod
    def parse(cls, given: Given, known: tuple[Parameter, ...], *, bound: str | None = None) -> "DirectoryQuery":
        """Raises `Problem` 422, which lists every parameter that is wrong."""
        reader = Reader(given, known, bound)
        tenant, text, type_ = reader.tenant(), reader.single("q"), reader.single("type")
        if text is not None and (len(text) > MAX_WORD or "\0" in text):
            reader.wrong("q", f"must have at most {MAX_WORD} characters, none of them NUL")
        if type_ is not None and (not 1 <= len(type_) <= 128 or "\0" in type_):
            reader.wrong("type", "must have 1 to 128 characters, none of them NUL")
        query = cls(tenant, (text or "").strip() or None, type_, reader.limit(default=_DEFAULT, most=_MOST))
        reader.finish()
        return query


@get("/api/audit-log/actors", needs="events:read")
async def actors(request: _Request) -> Response[bytes]:
    service, view, query = _asked(request, ACTORS)

    async def answer() -> Answer:
        seen = await directory.actors(service.reading, view, query.text, service.catalog, limit=query.limit)
        data = [ListedActor(type=n.type, id=n.id, name=n.name, email=n.email) for n in seen.named]
        return Answer(msgspec.json.encode(ActorDirectory(data, seen.partial)), not seen.cut)

    made = await service.answers.get(service.reading, view, ("actors", query), answer)
    return await _told(request, view, made.body)


@get("/api/audit-log/targets", needs="events:read")
async def targets(request: _Request) -> Response[bytes]:
    service, view, query = _asked(request, TARGETS)

    async def answer() -> Answer:
        seen = await directory.targets(
            service.reading, view, query.text, service.catalog, type_=query.type, limit=query.limit
        )
        data = [ListedTarget(type=n.type, id=n.id, name=n.name) for n in seen.named]
        return Answer(msgspec.json.encode(TargetDirectory(data, seen.partial)), not seen.cut)

    made = await service.answers.get(service.reading, view, ("targets", query), answer)
    return await _told(request, view, made.body)


@get("/api/audit-log/actions", needs="events:read")
async def actions(request: _Request) -> Response[bytes]:
    service, view, query = _asked(request, ACTIONS)
    catalog = catalog_for(request)

    async def answer() -> Answer:
        found = await directory.actions(service.reading, view, query.text, service.catalog, limit=query.limit)
        data = [ListedAction.of(name, catalog) for name in found.names]
        return Answer(msgspec.json.encode(ActionDirectory(data, found.partial)), not found.cut)

    made = await service.answers.get(service.reading, view, ("actions", query, catalog.language.tag), answer)
    return await _told(request, view, made.body, language_headers(catalog))


def _asked(request: _Request, known: tuple[Parameter, ...]) -> tuple[Service, View, DirectoryQuery]:
    service, caller = admitted(request)
    query = DirectoryQuery.parse(given(request), known, bound=caller.tenant)
    return service, caller.view(query.tenant), query


async def _told(
    request: _Request, view: View, body: bytes, headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    """The answer, once it is on record that the caller looked: as if at the list of events."""
    service, caller = admitted(request)
    await service.trail.record(request.scope, caller, view.tenant, "audit_log.viewed", once=["list"])
    return Response(body, media_type="application/json", headers=dict(headers or {}))
