"""Viewer tokens over HTTP: the vendor's backend asks for one for whoever is logged in there, and takes it back."""

import re
import zoneinfo
from collections.abc import Iterator
from typing import Annotated, Any, get_args
from uuid import UUID, uuid4

from litestar import Request, Response, post
from litestar.datastructures import State
from msgspec import Meta, Struct

from indelible.event import Identifier, Target, TenantId, Text
from indelible.ledger.entry import micros
from indelible.server.body import read_json
from indelible.server.caller import Caller
from indelible.server.gate import admit_again
from indelible.server.parameters import PARAMETERS
from indelible.server.problems import ErrorDetail, Problem, no_such_tenant
from indelible.server.responses import json_response
from indelible.server.service import Service, admitted
from indelible.server.tokens import MAX_LIFETIME, MAX_TOKEN, ViewerRole
from indelible.server.wire import Time
from indelible.store.access import OPERATOR
from indelible.store.revoked import RevokedKind, issue_time, revoke
from indelible.store.tenant_settings import settings_of
from indelible.store.view import Column

__all__ = [
    "IssuedToken",
    "Person",
    "RevocationRequest",
    "RevokedTokens",
    "TokenRequest",
    "issue_token",
    "revoke_tokens",
]

_MAX_VALUES = 100

_LOCALE = r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,8}"
_ZONE = r"[A-Za-z][A-Za-z0-9_+-]{0,30}(/[A-Za-z0-9_+-]{1,30}){0,2}"

_ALLOWED = {p.name: p.schema["enum"] for p in PARAMETERS if "enum" in p.schema}

_OWN_TENANT = "Whose log; may be left out by a key that is for one tenant"

Filter = Annotated[
    dict[str, Annotated[list[Identifier], Meta(min_length=1, max_length=_MAX_VALUES)]],
    Meta(
        description="Only events that have one of these values in each of these fields",
        examples=[{"category": ["auth"]}],
        extra_json_schema={"propertyNames": {"enum": list(get_args(Column))}},
    ),
]
TimeZone = Annotated[
    str, Meta(max_length=100, description="The zone that times are shown in (IANA)", examples=["Europe/Berlin"])
]
Locale = Annotated[
    str, Meta(max_length=100, description="How dates and numbers are written (BCP 47)", examples=["en-GB"])
]

_Request = Request[Any, Any, State]


class Person(Struct, forbid_unknown_fields=True):
    """Who looks: as your application knows them, and as they appear in events."""

    id: Annotated[Identifier, Meta(examples=["usr_7"])]
    name: Text | None = None
    email: Text | None = None


class TokenRequest(Struct, forbid_unknown_fields=True, kw_only=True):
    """A token by which one person reads one tenant's audit log."""

    actor: Person
    role: Annotated[ViewerRole, Meta(description="admin: every event; member: those in which they are actor or target")]
    tenant_id: Annotated[TenantId, Meta(description=_OWN_TENANT)] | None = None
    filter: Filter = {}
    time_zone: TimeZone | None = None
    locale: Locale | None = None
    can_export: Annotated[bool, Meta(description="Whether they may export what they see")] = False
    can_manage_keys: Annotated[bool, Meta(description="Whether they may make and end their tenant's API keys")] = False
    can_manage_streams: Annotated[bool, Meta(description="Whether they may set up deliveries")] = False
    staff: Annotated[bool, Meta(description="Whether they are of your own staff, and not of the customer's")] = False
    reason: Annotated[Text, Meta(min_length=1, description="Why your staff looks")] | None = None
    expires_in: Annotated[int, Meta(ge=1, le=MAX_LIFETIME, description="Seconds")] = MAX_LIFETIME


class IssuedToken(Struct):
    token: Annotated[str, Meta(description="The token itself, for the header Authorization: Bearer …")]
    token_id: Annotated[str, Meta(description="By which it can be revoked, and is found in the audit log")]
    tenant_id: str
    role: ViewerRole
    expires_at: Time

    def __repr__(self) -> str:
        return f"IssuedToken(token_id={self.token_id!r})"


class RevocationRequest(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which tokens of a tenant: one of these three."""

    tenant_id: Annotated[TenantId, Meta(description=_OWN_TENANT)] | None = None
    token_id: Annotated[UUID, Meta(description="The one of this id")] | None = None
    actor_id: Annotated[Identifier, Meta(description="All that this person was given until now")] | None = None
    all: Annotated[bool, Meta(description="true: all of the tenant's until now")] | None = None


class RevokedTokens(Struct):
    """They are refused by now, by every process."""

    tenant_id: str
    revoked_at: Annotated[Time, Meta(description="What was issued until then, of those that are meant, is refused")]


@post("/api/viewer-tokens", needs="viewer:issue")
async def issue_token(request: _Request) -> Response[bytes]:
    service, _ = admitted(request)
    if service.viewer_tokens is None:
        raise Problem(
            409,
            "viewer_tokens_off",
            "there are no viewer tokens here: set INDELIBLE_VIEWER_SECRET or INDELIBLE_VIEWER_SECRET_FILE for "
            "`indelible serve`; `openssl rand -base64 32` makes one",
        )
    wanted = await read_json(request, TokenRequest)
    caller: Caller = request.state.caller
    if wrong := [*_wrong(wanted)]:
        raise _invalid(*wrong)
    tenant = _tenant(request, service, caller, wanted.tenant_id)
    if tenant == OPERATOR:
        detail = "is the service's own ledger, which people do not look at with a token"
        raise Problem(422, "reserved_tenant", f"tenant_id {detail}", [ErrorDetail(detail, pointer="/tenant_id")])
    if beyond := [*_beyond(caller, wanted)]:
        detail = f"a token opens nothing that the key which asks for it does not: {'; '.join(e.detail for e in beyond)}"
        raise service.gate.refuse(request.scope, caller, Problem(403, "beyond_your_own", detail, beyond))
    now = await issue_time(service.control, tenant)
    if now is None:
        raise no_such_tenant(tenant)
    if wanted.role == "member" and not (await settings_of(service.control, tenant)).member_access:
        detail = f"the tenant {tenant!r} does not let members read; PATCH /api/tenants/{tenant} with member_access does"
        raise service.gate.refuse(request.scope, caller, Problem(403, "members_not_allowed", detail))
    assert caller.key_id is not None  # no token has the scope
    token, claims = service.viewer_tokens.make(
        token_id=str(uuid4()), key_id=caller.key_id, now=now, seconds=wanted.expires_in, not_after=caller.expires_at,
        tenant=tenant, sub=wanted.actor.id, name=wanted.actor.name, email=wanted.actor.email, role=wanted.role,
        filter=wanted.filter, zoneinfo=wanted.time_zone, locale=wanted.locale, can_export=wanted.can_export,
        can_manage_keys=wanted.can_manage_keys, can_manage_streams=wanted.can_manage_streams, staff=wanted.staff,
        reason=wanted.reason,
    )  # fmt: skip
    if len(token) > MAX_TOKEN:
        size = f"{len(token):,} characters, and a header takes {MAX_TOKEN:,}"
        detail = f"makes a token of {size}: give fewer or shorter values"
        raise _invalid(ErrorDetail(detail, pointer="/filter" if wanted.filter else "/actor"))
    expires_at = micros(claims.expires_at)
    may = {"export": wanted.can_export, "keys": wanted.can_manage_keys, "streams": wanted.can_manage_streams}
    optional = {"filter": wanted.filter, "reason": wanted.reason}
    await service.trail.record(
        request.scope, caller, tenant, "audit_log.token_issued",
        targets=[Target(type="user", id=wanted.actor.id, name=wanted.actor.name)],
        metadata={
            "token_id": claims.jti, "role": wanted.role, "expires_at": expires_at, "staff": wanted.staff,
            "permissions": ["read", *(name for name, holds in may.items() if holds)],
            **{name: value for name, value in optional.items() if value},
        },
    )  # fmt: skip
    await admit_again(request)
    return json_response(IssuedToken(token, claims.jti, tenant, wanted.role, expires_at), 201)


@post("/api/viewer-tokens/revoke", needs="viewer:issue", status_code=200)
async def revoke_tokens(request: _Request) -> Response[bytes]:
    wanted = await read_json(request, RevocationRequest)
    service, caller = admitted(request)
    given = {"token_id": wanted.token_id, "actor_id": wanted.actor_id, "all": wanted.all}
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1 or wanted.all is False:
        raise _invalid(ErrorDetail("must have one of token_id, actor_id and all: true", pointer=""))
    tenant = _tenant(request, service, caller, wanted.tenant_id)
    if await issue_time(service.control, tenant) is None:
        raise no_such_tenant(tenant)
    kinds: dict[str, tuple[RevokedKind, str]] = {
        "token_id": ("token", str(wanted.token_id)),
        "actor_id": ("actor", wanted.actor_id or ""),
        "all": ("tenant", ""),
    }
    # First: what is to end must end, also where it cannot be recorded; sending it again then records it.
    revoked_at = await revoke(service.control, tenant, *kinds[named[0]])
    await service.trail.record(
        request.scope, caller, tenant, "audit_log.token_revoked",
        targets=[Target(type="user", id=wanted.actor_id)] if wanted.actor_id else [],
        metadata={"token_id": str(wanted.token_id)} if wanted.token_id else {"all": True} if wanted.all else {},
    )  # fmt: skip
    return json_response(RevokedTokens(tenant, micros(revoked_at)))


def _wrong(wanted: TokenRequest) -> Iterator[ErrorDetail]:
    if wanted.filter.keys() - set(get_args(Column)):
        yield ErrorDetail(f"goes by these fields alone: {', '.join(get_args(Column))}", pointer="/filter")
    for name, values in wanted.filter.items():
        for number, value in enumerate(values):
            if name in _ALLOWED and value not in _ALLOWED[name]:
                yield ErrorDetail(f"must be one of {', '.join(_ALLOWED[name])}", pointer=f"/filter/{name}/{number}")
    if wanted.time_zone is not None and not _is_zone(wanted.time_zone):
        yield ErrorDetail("must be a time zone of the IANA, such as Europe/Berlin", pointer="/time_zone")
    if wanted.locale is not None and not re.fullmatch(_LOCALE, wanted.locale):
        yield ErrorDetail("must be a language tag (BCP 47), such as en-GB", pointer="/locale")
    for managing in ("can_manage_keys", "can_manage_streams"):
        if getattr(wanted, managing) and (wanted.role != "admin" or wanted.filter):
            yield ErrorDetail("is for admins who see every event: keys and streams show all", pointer=f"/{managing}")
    if wanted.staff and wanted.role != "admin":
        yield ErrorDetail(
            "staff are no members of the tenant; give the role admin, and perhaps a filter", pointer="/role"
        )
    if wanted.reason is not None and not wanted.staff:
        yield ErrorDetail("is why staff looks; give staff: true with it, or leave it out", pointer="/reason")


def _is_zone(name: str) -> bool:
    try:
        return bool(re.fullmatch(_ZONE, name)) and zoneinfo.ZoneInfo(name).key == name
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False


def _beyond(caller: Caller, wanted: TokenRequest) -> Iterator[ErrorDetail]:
    """By what the token would exceed the key."""
    if wanted.staff and caller.tenant is not None:
        yield ErrorDetail("the key is a tenant's own, and staff are yours", pointer="/staff")
    needs = {"can_export": "export", "can_manage_keys": "keys:manage", "can_manage_streams": "streams:manage"}
    if "events:read" not in caller.scopes:
        yield ErrorDetail("the key lacks the scope events:read", pointer="")
    for name, scope in needs.items():
        if getattr(wanted, name) and scope not in caller.scopes:
            yield ErrorDetail(f"the key lacks the scope {scope}", pointer=f"/{name}")


def _tenant(request: _Request, service: Service, caller: Caller, asked: str | None) -> str:
    if asked is None and caller.tenant is None:
        raise _invalid(ErrorDetail("is required: a token is for one tenant", pointer="/tenant_id"))
    return service.gate.tenant_for(request.scope, caller, asked)


def _invalid(*errors: ErrorDetail) -> Problem:
    return Problem(422, "invalid_body", "; ".join(f"{e.pointer or 'the body'} {e.detail}" for e in errors), errors)
