"""Tenants over HTTP: their ledgers, and what their members may see. None is ever deleted."""

from typing import Annotated, Any

from litestar import Request, Response, get, patch, post
from litestar.datastructures import State
from msgspec import Meta, Struct

from indelible.event import Change, TenantId, is_tenant_id
from indelible.ledger.entry import micros
from indelible.server.body import read_json
from indelible.server.caller import Caller
from indelible.server.listing import CURSOR, LIMIT, ListQuery, bad_cursor
from indelible.server.problems import ErrorDetail, Problem
from indelible.server.responses import json_response
from indelible.server.service import Service, admitted
from indelible.server.wire import Time
from indelible.store.access import OPERATOR
from indelible.store.tenant_settings import TenantSettings, save_settings, settings_of_each
from indelible.store.tenants import Ledger, ledgers
from indelible.store.view import Part

__all__ = [
    "TENANT_LIST",
    "SettingsChange",
    "TenantChange",
    "TenantInfo",
    "TenantList",
    "TenantRequest",
    "change_tenant",
    "changes_of",
    "list_tenants",
    "open_tenant",
    "tenant",
]

TENANT_LIST = (LIMIT, CURSOR)

MemberAccess = Annotated[
    bool, Meta(description="Whether members may read the events in which they are actor or target")
]
MemberSees = Annotated[
    list[Part],
    Meta(max_length=100, description="What members are shown of those, besides who did what to whom"),
]

_Request = Request[Any, Any, State]


class ShownSettings(Struct):
    """What a tenant's members may see."""

    member_access: MemberAccess
    member_sees: MemberSees


class SettingsChange(Struct, forbid_unknown_fields=True):
    """Settings to be changed; what is left out stays as it is."""

    member_access: MemberAccess | None = None
    member_sees: MemberSees | None = None


class TenantRequest(Struct, forbid_unknown_fields=True):
    """A tenant, whose ledger is opened."""

    tenant_id: TenantId
    settings: SettingsChange | None = None


class TenantChange(Struct, forbid_unknown_fields=True):
    settings: SettingsChange


class TenantInfo(Struct):
    """A tenant, with its ledger."""

    tenant_id: str
    origin: Annotated[str, Meta(description="The ledger's name, in checkpoints and vkeys")]
    size: Annotated[int, Meta(ge=0, description="Entries in the ledger")]
    head: Annotated[str | None, Meta(description="The leaf hash of the last entry, base64url")]
    created_at: Time
    settings: ShownSettings


class TenantList(Struct):
    data: list[TenantInfo]
    next_cursor: Annotated[str | None, Meta(description="For the next page; null on the last one")]


@get("/api/tenants", needs="tenants:manage")
async def list_tenants(request: _Request) -> Response[bytes]:
    service, caller = admitted(request)
    query = ListQuery.parse(request, TENANT_LIST)
    if query.cursor is not None and not is_tenant_id(query.cursor):
        raise bad_cursor()
    found = await ledgers(service.control, tenant=caller.tenant, after=query.cursor, limit=query.limit + 1)
    page = found[: query.limit]
    settings = await settings_of_each(service.control, [ledger.tenant_id for ledger in page])
    cursor = page[-1].tenant_id if len(found) > len(page) else None
    return json_response(TenantList([_info(ledger, settings[ledger.tenant_id]) for ledger in page], cursor))


@post("/api/tenants", needs="tenants:manage")
async def open_tenant(request: _Request) -> Response[bytes]:
    ListQuery.parse(request, ())
    wanted = await read_json(request, TenantRequest)
    service, caller = admitted(request)
    name = service.gate.tenant_for(request.scope, caller, wanted.tenant_id)
    if name == OPERATOR:
        detail = "is the service's own ledger, which it opens itself; give the id of a customer"
        raise Problem(422, "reserved_tenant", f"tenant_id {detail}", [ErrorDetail(detail, pointer="/tenant_id")])
    made = await service.appender.open_ledger(name)
    if wanted.settings is not None:
        await _change(request, service, caller, name, wanted.settings)
    return json_response(await _one(service, name), 201 if made else 200)


@get("/api/tenants/{tenant_id:str}", needs="tenants:manage")
async def tenant(request: _Request) -> Response[bytes]:
    service, _ = admitted(request)
    ListQuery.parse(request, ())
    return json_response(await _one(service, _named(request)))


@patch("/api/tenants/{tenant_id:str}", needs="tenants:manage")
async def change_tenant(request: _Request) -> Response[bytes]:
    ListQuery.parse(request, ())
    wanted = await read_json(request, TenantChange)
    service, caller = admitted(request)
    name = _named(request)
    if name == OPERATOR:
        raise Problem(422, "reserved_tenant", f"{OPERATOR} is the service's own ledger, which has no members")
    await _one(service, name)
    await _change(request, service, caller, name, wanted.settings)
    return json_response(await _one(service, name))


def changes_of(before: TenantSettings, wanted: SettingsChange) -> dict[str, Change]:
    """What differs from it, as an event tells it."""
    changes = {}
    if wanted.member_access not in (None, before.member_access):
        changes["member_access"] = Change(before.member_access, wanted.member_access)
    if wanted.member_sees is not None and frozenset(wanted.member_sees) != before.member_sees:
        changes["member_sees"] = Change(sorted(before.member_sees), sorted({*wanted.member_sees}))
    return changes


async def _change(request: _Request, service: Service, caller: Caller, name: str, wanted: SettingsChange) -> None:
    before = (await settings_of_each(service.control, [name]))[name]
    if changes := changes_of(before, wanted):
        # Recorded first: nothing is changed without an entry of it.
        await service.trail.record(request.scope, caller, name, "audit_log.settings_changed", changes=changes)
        sees = None if wanted.member_sees is None else frozenset(wanted.member_sees)
        await save_settings(service.control, name, member_access=wanted.member_access, member_sees=sees)


async def _one(service: Service, name: str) -> TenantInfo:
    """Raises `Problem` 404."""
    found = await ledgers(service.control, tenant=name)
    if not found:
        raise Problem(404, "no_such_tenant", f"there is no tenant {name!r}; GET /api/tenants lists those there are")
    return _info(found[0], (await settings_of_each(service.control, [name]))[name])


def _named(request: _Request) -> str:
    """The tenant of the address. Raises `Problem` 403, whether or not there is another one, and 404."""
    service, caller = admitted(request)
    name: str = request.path_params["tenant_id"]
    if not is_tenant_id(name):
        raise Problem(404, "no_such_tenant", "there is no such tenant; GET /api/tenants lists those there are")
    return service.gate.tenant_for(request.scope, caller, name)


def _info(ledger: Ledger, settings: TenantSettings) -> TenantInfo:
    return TenantInfo(
        ledger.tenant_id,
        ledger.origin,
        ledger.size,
        ledger.head,
        micros(ledger.created_at),
        ShownSettings(settings.member_access, sorted(settings.member_sees)),
    )
