"""Saved views over HTTP: filters that people keep, for themselves or for all who read the tenant's events.

Keeping one is part of reading, so that `events:read` is all it takes. What is shared is said by admins who see the
whole log, and by keys with `tenants:manage`.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl
from uuid import UUID, uuid4

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.datastructures import State
from msgspec import Meta, Struct

from indelible.catalog import Catalog
from indelible.event import Actor, Change, Target
from indelible.ledger.entry import micros
from indelible.server.body import invalid_body, read_json
from indelible.server.caller import Caller
from indelible.server.gate import admit_again
from indelible.server.listing import ListQuery
from indelible.server.parameters import FILTER_PARAMETERS, TENANT, Parameter
from indelible.server.problems import ErrorDetail, Problem, no_such_tenant
from indelible.server.query import FilterQuery
from indelible.server.query_reader import Reader
from indelible.server.responses import json_response
from indelible.server.service import Service, admitted
from indelible.server.wire import Time
from indelible.store import saved_views as store
from indelible.store.narrowing import hidden_part_of
from indelible.store.saved_views import SavedView, TooManyViews, ViewExists
from indelible.store.tenants import ledgers
from indelible.store.view import ALL_PARTS

__all__ = [
    "VIEW_ID",
    "ViewChange",
    "ViewInfo",
    "ViewList",
    "ViewRequest",
    "change_view",
    "create_view",
    "delete_view",
    "list_views",
    "may_share",
]

_MAX_NAME, _MAX_QUERY, _MAX_PARAMETERS = 100, 8192, 100

_KEPT = tuple(parameter for parameter in FILTER_PARAMETERS if parameter is not TENANT)
"""What a view may hold: it is a tenant's already, and begins with its first page."""

_SHARES: Final = "tenants:manage"
"""The scope by which a key says what others see: reading alone changes nothing for anybody else."""

VIEW_ID = Parameter("view_id", "The view's id.", {"type": "string", "format": "uuid"}, required=True)

# The patterns are for the API's description; what does not fit is refused in words, below.
Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=_MAX_NAME,
        extra_json_schema={"pattern": r"^[^\x00-\x20\x7f-\xa0][^\x00-\x1f\x7f-\x9f]*$"},
        description=f"Up to {_MAX_NAME} characters, none of them a control character",
        examples=["Failed sign-ins"],
    ),
]
Query = Annotated[
    str,
    Meta(
        max_length=_MAX_QUERY,
        extra_json_schema={"pattern": '^[!"$-~]*$'},
        description="The timeline's parameters as they stand in a URL, without tenant_id, limit and cursor",
        examples=["action=user.sign_in_failed&since=7d"],
    ),
]

_Request = Request[Any, Any, State]


class ViewRequest(Struct, forbid_unknown_fields=True):
    """A view to be kept."""

    name: Name
    query: Query
    shared: Annotated[
        bool, Meta(description="Whether it is for all who read the tenant's events; a key keeps no others")
    ] = False


class ViewChange(Struct, forbid_unknown_fields=True):
    """What is to be different; what is left out stays as it is."""

    name: Name | None = None
    query: Query | None = None


class ViewInfo(Struct):
    """A view that is kept."""

    view_id: UUID
    name: str
    query: str
    shared: Annotated[bool, Meta(description="Whether it is for all who read the tenant's events, or the caller's own")]
    created_by: Actor
    created_at: Time
    changed_at: Time

    @classmethod
    def of(cls, view: SavedView) -> "ViewInfo":
        shared = view.owner is None
        created_at, changed_at = micros(view.created_at), micros(view.changed_at)
        return cls(view.view_id, view.name, view.query, shared, view.created_by, created_at, changed_at)


class ViewList(Struct):
    """The shared ones, then the caller's own, each by name."""

    data: list[ViewInfo]


@get("/api/audit-log/views", needs="events:read")
async def list_views(request: _Request) -> Response[bytes]:
    service, caller = admitted(request)
    tenant = _tenant(request)
    found = await store.list_views(service.control, tenant, _owner(caller))
    shown = [view for view in found if view.owner is not None or _is_shown(view, caller, tenant, service.catalog)]
    return json_response(ViewList([ViewInfo.of(view) for view in shown]))


@post("/api/audit-log/views", needs="events:read")
async def create_view(request: _Request) -> Response[bytes]:
    tenant = _tenant(request)
    wanted = await read_json(request, ViewRequest)
    service, caller = admitted(request)
    _check(service, tenant, wanted.name, wanted.query)
    owner = None if wanted.shared else _owner(caller)
    if wanted.shared:
        _check_may_share(request, caller)
    elif owner is None:
        raise invalid_body(ErrorDetail("must be true: a key has no views of its own", pointer="/shared"))
    if not await ledgers(service.control, tenant=tenant):
        raise no_such_tenant(tenant)
    view_id = uuid4()
    with _conflicts():
        if wanted.shared:
            # What is shared is recorded first, as what is done to keys. So there may be an entry of a view that was
            # never made, where something failed in between, and there is no shared view without an entry.
            await store.check_new_view(service.control, tenant, owner, wanted.name)
            await service.trail.record(
                request.scope, caller, tenant, "audit_log.view_created",
                targets=[_target(view_id, wanted.name)], metadata={"query": wanted.query},
            )  # fmt: skip
            caller = await admit_again(request)
        who = caller.actor
        made = await store.create_view(
            service.control, tenant, view_id, owner=owner, name=wanted.name, query=wanted.query,
            created_by=Actor(type=who.type, id=who.id, name=who.name),
        )  # fmt: skip
    return json_response(ViewInfo.of(made), 201)


@patch("/api/audit-log/views/{view_id:str}", needs="events:read")
async def change_view(request: _Request) -> Response[bytes]:
    tenant = _tenant(request)
    wanted = await read_json(request, ViewChange)
    service, caller = admitted(request)
    _check(service, tenant, wanted.name, wanted.query)
    view = await _one(request, service, caller, tenant)
    name = view.name if wanted.name is None else wanted.name
    query = view.query if wanted.query is None else wanted.query
    changes = {
        field: Change(before, after)
        for field, before, after in (("name", view.name, name), ("query", view.query, query))
        if before != after
    }
    if not changes:
        return json_response(ViewInfo.of(view))
    with _conflicts():
        if view.owner is None:
            if "name" in changes:
                await store.check_name(service.control, tenant, view.owner, name)
            await service.trail.record(
                request.scope, caller, tenant, "audit_log.view_changed",
                targets=[_target(view.view_id, view.name)], changes=changes,
            )  # fmt: skip
            await admit_again(request)
        changed = await store.change_view(service.control, tenant, view, name=name, query=query)
    if changed is None:
        raise _no_such_view()
    return json_response(ViewInfo.of(changed))


@delete("/api/audit-log/views/{view_id:str}", needs="events:read")
async def delete_view(request: _Request) -> Response[None]:
    tenant = _tenant(request)
    service, caller = admitted(request)
    view = await _one(request, service, caller, tenant)
    if view.owner is None:
        await service.trail.record(
            request.scope, caller, tenant, "audit_log.view_deleted",
            targets=[_target(view.view_id, view.name)], metadata={"query": view.query},
        )  # fmt: skip
        await admit_again(request)
    await store.delete_view(service.control, tenant, view)
    return Response(None, status_code=204)


def _tenant(request: _Request) -> str:
    service, caller = admitted(request)
    return service.gate.tenant_for(request.scope, caller, ListQuery.parse(request, (TENANT,)).tenant)


def _owner(caller: Caller) -> str | None:
    """The person whose own views are theirs; None for a key, which is nobody.

    Of the vendor's staff and of the customer's people either may have any id: the first word tells them apart.
    """
    return f"{'staff' if caller.staff else 'user'}:{caller.actor.id}" if caller.token_id else None


async def _one(request: _Request, service: Service, caller: Caller, tenant: str) -> SavedView:
    """The view of the address, for it to be changed.

    Raises `Problem` 404, and 403 if it is shared and not theirs to change.
    """
    try:
        view_id = msgspec.convert(request.path_params["view_id"], UUID)
    except msgspec.ValidationError:
        raise _no_such_view() from None
    found = await store.get_view(service.control, tenant, view_id, _owner(caller))
    if found is None:
        raise _no_such_view()
    if found.owner is None:
        _check_may_share(request, caller)
    return found


def _no_such_view() -> Problem:
    """The same whether there is none or it is somebody else's."""
    return Problem(404, "no_such_view", "you have no view of this id; GET /api/audit-log/views lists those there are")


def may_share(caller: Caller) -> bool:
    """Whether they may say what others see."""
    return caller.sees_all and (caller.key_id is None or _SHARES in caller.scopes)


def _check_may_share(request: _Request, caller: Caller) -> None:
    """Raises `Problem` 403 for whoever may not say what others see, and that is on record."""
    service, _ = admitted(request)
    if may_share(caller):
        return
    if not caller.sees_all:
        detail = (
            "shared views are made, changed and deleted by admins whose token has no filter; a view of your own has "
            "shared: false"
        )
        raise service.gate.refuse(request.scope, caller, Problem(403, "admins_only", detail))
    detail = f"the key {caller.actor.name!r} lacks the scope {_SHARES}, which it takes to change shared views"
    raise service.gate.refuse(request.scope, caller, Problem(403, "missing_scope", detail))


def _is_shown(view: SavedView, caller: Caller, tenant: str, catalog: Catalog) -> bool:
    """Whether the caller may learn of this shared view: what it looks for in a hidden part is hidden as well."""
    if caller.parts == ALL_PARTS:
        return True
    try:
        where = _filter_of(view.query, catalog, tenant).where
    except (Problem, ValueError):
        return False  # The timeline takes it no longer: nobody can tell what it is about.
    return hidden_part_of(where.conditions, caller.parts) is None


@contextmanager
def _conflicts() -> Iterator[None]:
    try:
        yield
    except ViewExists as error:
        raise Problem(409, "view_exists", str(error)) from None
    except TooManyViews as error:
        raise Problem(409, "too_many_views", str(error)) from None


def _check(service: Service, tenant: str, name: str | None, query: str | None) -> None:
    """Raises `Problem` 422, which lists everything that is wrong."""
    errors: list[ErrorDetail] = []
    if name is not None and not re.fullmatch(r"[^\x00-\x20\x7f-\xa0][^\x00-\x1f\x7f-\x9f]*", name):
        detail = "must begin with a visible character, and hold no control characters"
        errors.append(ErrorDetail(detail, pointer="/name"))
    if query is not None:
        errors += _wrong_with(query, service.catalog, tenant)
    if errors:
        raise invalid_body(*errors)


def _wrong_with(query: str, catalog: Catalog, tenant: str) -> Sequence[ErrorDetail]:
    """What keeps the timeline from taking the query as its parameters."""
    try:
        _filter_of(query, catalog, tenant)
    except Problem as problem:
        return [
            ErrorDetail(f"{each.parameter} {each.detail}", pointer="/query", parameter=each.parameter)
            for each in problem.details.errors
        ]
    except ValueError:
        detail = (
            f"must be as in a URL, such as action=user.joined&since=7d: at most {_MAX_PARAMETERS} parameters, and what "
            "is no visible ASCII character, or is #, in UTF-8 behind percent signs"
        )
        return [ErrorDetail(detail, pointer="/query")]
    return []


def _filter_of(query: str, catalog: Catalog, tenant: str) -> FilterQuery:
    """What the timeline makes of the query. Raises `Problem` 422, and `ValueError` for what is no query of a URL."""
    if not re.fullmatch('[!"$-~]*', query):
        raise ValueError("characters")
    given = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS)
    reader = Reader(given, _KEPT, bound=tenant)
    found = FilterQuery.read(reader, now=datetime.now(UTC), catalog=catalog)
    reader.finish()
    return found


def _target(view_id: UUID, name: str) -> Target:
    return Target(type="saved_view", id=str(view_id), name=name)
