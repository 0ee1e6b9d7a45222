"""API keys over HTTP: made, listed, rotated and ended, by those who hold `keys:manage`."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.datastructures import State
from msgspec import Meta, Struct

from indelible.event import Actor, Target, TenantId, Timestamp
from indelible.ledger.entry import micros
from indelible.server.body import invalid_body, read_json
from indelible.server.caller import Caller
from indelible.server.gate import admit_again
from indelible.server.grants import check_ending, check_making, latest_end
from indelible.server.listing import CURSOR, LIMIT, ListQuery, key_cursor, key_place
from indelible.server.parameters import TENANT, Parameter
from indelible.server.problems import ErrorDetail, Problem
from indelible.server.responses import json_response
from indelible.server.service import Service, admitted
from indelible.server.spans import span
from indelible.server.wire import Time
from indelible.store import keys as store
from indelible.store.access import OPERATOR
from indelible.store.errors import UnknownTenant
from indelible.store.keys import SCOPES, Key, KeyHasEnded, KeyIsReplaced, KeyPlace, MakerHasEnded
from indelible.store.tenants import ledgers

__all__ = [
    "KEY_ID",
    "KEY_LIST",
    "MAX_OVERLAP",
    "KeyInfo",
    "KeyList",
    "KeyRequest",
    "MadeKey",
    "RotationRequest",
    "as_long_as",
    "check_name",
    "create_key",
    "end_of",
    "granted",
    "key",
    "list_keys",
    "revoke_key",
    "rotate_key",
]

_MAX_NAME = 128
_MAX_LIFE = timedelta(days=36_525)
MAX_OVERLAP = timedelta(days=90)

KEY_ID = Parameter("key_id", "The key's id.", {"type": "string", "format": "uuid"}, required=True)
KEY_LIST = (
    replace(TENANT, text="Only keys of this tenant.", required=False),
    Parameter(
        "include_ended",
        "Whether those that were revoked or have expired are listed too.",
        {"enum": ["true", "false"], "default": "false"},
    ),
    LIMIT,
    CURSOR,
)

# The patterns are for the API's description; what does not fit is refused in words, below.
KeyName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=_MAX_NAME,
        extra_json_schema={"pattern": r"^[^\x00-\x20\x7f-\xa0][^\x00-\x1f\x7f-\x9f]*$"},
        description="What it is for: up to 128 characters, none of them a control character",
        examples=["Reporting"],
    ),
]
Scopes = Annotated[
    list[Annotated[str, Meta(extra_json_schema={"enum": list(SCOPES)})]],
    Meta(max_length=100, description="What it may do; none at all is allowed, and then it may do nothing"),
]
Span = Annotated[
    str, Meta(extra_json_schema={"pattern": "^[0-9]{1,6}[mhdw]$"}, description="30m, 24h, 90d, 2w", examples=["90d"])
]

_Request = Request[Any, Any, State]


class KeyRequest(Struct, forbid_unknown_fields=True):
    """A key to be made. It grants at most what its maker holds; what is left out is as the maker's own."""

    name: KeyName
    scopes: Scopes
    tenant_id: Annotated[TenantId, Meta(description="The one tenant that it opens; all of them if absent")] | None = (
        None
    )
    expires_at: Timestamp | None = None
    expires_in: Span | None = None


class RotationRequest(Struct, forbid_unknown_fields=True):
    """How a key is replaced by a new one. Without an end the new one lasts as long as the old one was made for."""

    overlap: Annotated[Span, Meta(description="For how long the old key goes on working; 0m ends it at once")] = "24h"
    expires_at: Timestamp | None = None
    expires_in: Span | None = None


class KeyInfo(Struct, kw_only=True):
    """A key, as it is known afterwards: without its text, which nobody has but who was given it."""

    key_id: UUID
    name: str
    hint: Annotated[str | None, Meta(description="Its beginning and end, by which to recognise it")]
    scopes: list[str]
    tenant_id: Annotated[str | None, Meta(description="The one tenant that it opens; null: all of them")]
    status: Literal["active", "expired", "revoked"]
    created_at: Time
    created_by: Annotated[Actor | None, Meta(description="null for the first key")]
    expires_at: Time | None
    revoked_at: Time | None
    replaces: Annotated[UUID | None, Meta(description="The key that this one was made to replace")]
    last_used_at: Annotated[Time | None, Meta(description="At most a minute late")]
    last_used_ip: str | None

    @classmethod
    def of(cls, key: Key) -> "KeyInfo":
        return cls(**_fields(key))


class MadeKey(KeyInfo, kw_only=True):
    """A key that was just made."""

    key: Annotated[str, Meta(description="The key itself, shown here and never again")]

    def __repr__(self) -> str:
        return f"MadeKey(key_id={self.key_id!r}, hint={self.hint!r})"


class KeyList(Struct):
    data: list[KeyInfo]
    next_cursor: Annotated[str | None, Meta(description="For the next, older page; null on the last one")]


@post("/api/keys", needs="keys:manage")
async def create_key(request: _Request) -> Response[bytes]:
    wanted = await read_json(request, KeyRequest)
    service, caller = admitted(request)
    check_name(wanted.name)
    scopes = _known_scopes(wanted.scopes)
    tenant = caller.tenant if wanted.tenant_id is None else wanted.tenant_id
    expires_at = end_of(wanted.expires_at, wanted.expires_in, datetime.now(UTC)) or latest_end(caller)
    with _on_record(request):
        check_making(caller, scopes, tenant, expires_at)
    if tenant == OPERATOR:
        detail = "is the service's own ledger; a key without a tenant, with keys:manage and events:read, reads it"
        raise Problem(422, "reserved_tenant", f"tenant_id {detail}", [ErrorDetail(detail, pointer="/tenant_id")])
    if tenant is not None and not await ledgers(service.control, tenant=tenant):
        if not service.settings.auto_tenants:
            raise UnknownTenant(tenant)
        await service.appender.open_ledger(tenant)  # or there were none to record it in
    # What is done to keys is recorded first. So there may be an entry of a key that was never made, where something
    # failed in between, and there is no key without an entry.
    key_id = uuid4()
    await service.trail.record(
        request.scope, caller, tenant or OPERATOR, "audit_log.key_created",
        targets=[_target(key_id, wanted.name)], metadata=granted(scopes, expires_at),
    )  # fmt: skip
    caller = await admit_again(request)
    try:
        made, text = await store.create_key(
            service.control, service.settings.environment, name=wanted.name, scopes=scopes, tenant=tenant,
            created_by=caller.actor, expires_at=expires_at, key_id=key_id, maker=caller.maker,
        )  # fmt: skip
    except MakerHasEnded:
        raise service.gate.ended(request.scope, caller) from None
    return _made(made, text)


@get("/api/keys", needs="keys:manage")
async def list_keys(request: _Request) -> Response[bytes]:
    service, caller = admitted(request)
    query = ListQuery.parse(request, KEY_LIST)
    found = await store.list_keys(
        service.control,
        tenant=query.tenant if caller.tenant is None else service.gate.tenant_for(request.scope, caller, query.tenant),
        include_ended=query.include_ended,
        limit=query.limit + 1,
        after=None if query.cursor is None else key_place(query.cursor),
    )
    page = found[: query.limit]
    cursor = key_cursor(KeyPlace.of(page[-1])) if len(found) > len(page) else None
    return json_response(KeyList([KeyInfo.of(each) for each in page], cursor))


@get("/api/keys/{key_id:str}", needs="keys:manage")
async def key(request: _Request) -> Response[bytes]:
    service, caller = admitted(request)
    ListQuery.parse(request, ())
    return json_response(KeyInfo.of(await _own(request, service, caller)))


@delete("/api/keys/{key_id:str}", needs="keys:manage", status_code=200)
async def revoke_key(request: _Request) -> Response[bytes]:
    service, caller = admitted(request)
    ListQuery.parse(request, ())
    found = await _own(request, service, caller)
    with _on_record(request):
        check_ending(caller, found)
    if found.revoked_at is None:
        await service.trail.record(
            request.scope, caller, found.tenant_id or OPERATOR, "audit_log.key_revoked",
            targets=[_target(found.key_id, found.name)],
        )  # fmt: skip
        found = await store.revoke_key(service.control, found.key_id) or found
    return json_response(KeyInfo.of(found))


@post("/api/keys/{key_id:str}/rotate", needs="keys:manage")
async def rotate_key(request: _Request) -> Response[bytes]:
    ListQuery.parse(request, ())
    wanted = await read_json(request, RotationRequest)
    service, caller = admitted(request)
    old = await _own(request, service, caller)
    overlap = _span(wanted.overlap, "/overlap")
    if overlap > MAX_OVERLAP:
        raise invalid_body(ErrorDetail("must be at most 90d", pointer="/overlap"))
    now = datetime.now(UTC)
    earlier = await store.successors(service.control, old.key_id)
    try:
        store.check_rotation(old, earlier, now)
        expires_at = end_of(wanted.expires_at, wanted.expires_in, now)
        if expires_at is None:
            expires_at = as_long_as((*earlier, old)[0], now, latest_end(caller))
        # Whoever gets the new key gets all that it opens: that takes what making it would take.
        with _on_record(request):
            check_making(caller, old.scopes, old.tenant_id, expires_at)
        new_id = uuid4()
        await service.trail.record(
            request.scope, caller, old.tenant_id or OPERATOR, "audit_log.key_rotated",
            targets=[_target(old.key_id, old.name), _target(new_id, old.name)],
            metadata=granted(old.scopes, expires_at),
        )  # fmt: skip
        caller = await admit_again(request)
        made, text = await store.rotate_key(
            service.control, service.settings.environment, old.key_id, overlap=overlap, created_by=caller.actor,
            expires_at=expires_at, successor_id=new_id, maker=caller.maker,
        )  # fmt: skip
    except MakerHasEnded:
        raise service.gate.ended(request.scope, caller) from None
    except KeyHasEnded as error:
        raise Problem(409, "key_has_ended", str(error)) from None
    except KeyIsReplaced as error:
        raise Problem(409, "key_is_replaced", str(error)) from None
    return _made(made, text)


def end_of(expires_at: datetime | None, expires_in: str | None, now: datetime) -> datetime | None:
    """When a key is to end, as asked for in either way. Raises `Problem` 422."""
    pointer = "/expires_at" if expires_in is None else "/expires_in"
    try:
        if expires_in is not None:
            if expires_at is not None:
                raise invalid_body(ErrorDetail("give this or expires_at, not both", pointer=pointer))
            expires_at = now + _span(expires_in, pointer)
        elif expires_at is not None:
            expires_at = expires_at.astimezone(UTC)
        else:
            return None
    except OverflowError:
        raise invalid_body(ErrorDetail("is further away than 100 years", pointer=pointer)) from None
    if not now < expires_at <= now + _MAX_LIFE:
        wrong = "must lie in the future" if expires_at <= now else "is further away than 100 years"
        raise invalid_body(ErrorDetail(wrong, pointer=pointer))
    return expires_at


def check_name(name: str) -> None:
    """Names are shown on terminals and in lists: one that cannot be seen, or moves the cursor, is none."""
    if len(name) > _MAX_NAME:
        raise invalid_body(ErrorDetail(f"must have at most {_MAX_NAME} characters", pointer="/name"))
    if not re.fullmatch(r"[^\x00-\x20\x7f-\xa0][^\x00-\x1f\x7f-\x9f]*", name):
        detail = "must begin with a visible character, and hold no control characters"
        raise invalid_body(ErrorDetail(detail, pointer="/name"))


def _span(text: str, pointer: str) -> timedelta:
    try:
        return span(text)
    except ValueError as error:
        raise invalid_body(ErrorDetail(str(error), pointer=pointer)) from None


def as_long_as(key: Key, now: datetime, at_most: datetime | None = None) -> datetime | None:
    """The end of a key that is made now to last as long as `key` was made to last, and not beyond its maker."""
    if key.expires_at is None:
        return at_most
    end = now + (key.expires_at - key.created_at)
    return end if at_most is None else min(end, at_most)


@contextmanager
def _on_record(request: _Request) -> Iterator[None]:
    """A refusal is told of in the log of the log."""
    service, caller = admitted(request)
    try:
        yield
    except Problem as problem:
        raise service.gate.refuse(request.scope, caller, problem) from None


async def _own(request: _Request, service: Service, caller: Caller) -> Key:
    """The key of the address. One of another tenant is as if it were not there. Raises `Problem` 404."""
    text = request.path_params["key_id"]
    try:
        found = await store.get_key(service.control, msgspec.convert(text, UUID))
    except msgspec.ValidationError:
        found = None
    if found is None or caller.tenant not in (None, found.tenant_id):
        raise Problem(404, "no_such_key", "there is no key of this id; GET /api/keys lists those there are")
    return found


def _known_scopes(given: list[str]) -> frozenset[str]:
    unknown = [
        ErrorDetail(f"is no scope; there are {', '.join(SCOPES)}", pointer=f"/scopes/{number}")
        for number, scope in enumerate(given)
        if scope not in SCOPES
    ]
    if unknown:
        raise invalid_body(*unknown)
    return frozenset(given)


def _target(key_id: UUID, name: str) -> Target:
    return Target(type="api_key", id=str(key_id), name=name)


def granted(scopes: frozenset[str], expires_at: datetime | None) -> dict[str, Any]:
    """What an entry about a key tells of it."""
    ends = {} if expires_at is None else {"expires_at": micros(expires_at)}
    return {"scopes": sorted(scopes), **ends}


def _made(key: Key, text: str) -> Response[bytes]:
    return json_response(MadeKey(**_fields(key), key=text), 201)


def _fields(key: Key) -> dict[str, Any]:
    active = key.is_active(datetime.now(UTC))
    return {
        "key_id": key.key_id,
        "name": key.name,
        "hint": key.hint,
        "scopes": sorted(key.scopes),
        "tenant_id": key.tenant_id,
        "status": "active" if active else "revoked" if key.revoked_at else "expired",
        "created_at": micros(key.created_at),
        "created_by": key.created_by,
        "expires_at": key.expires_at and micros(key.expires_at),
        "revoked_at": key.revoked_at and micros(key.revoked_at),
        "replaces": key.replaces,
        "last_used_at": key.last_used_at and micros(key.last_used_at),
        "last_used_ip": key.last_used_ip,
    }
