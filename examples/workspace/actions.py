"""What people do in Quayside, each logged in one line. docs/catalog.md has the actions and their fields."""

from __future__ import annotations

import time
from functools import partial
from typing import Annotated, Literal, TypeVar

import httpx
from litestar import post
from litestar.enums import RequestEncodingType
from litestar.exceptions import NotFoundException, PermissionDeniedException, ServiceUnavailableException
from litestar.handlers import HTTPRouteHandler
from litestar.params import Body
from litestar.response import Redirect
from msgspec import Meta, Struct

from examples.workspace.break_in import break_in
from examples.workspace.visitors import AnyRequest, Product, Session, Visitor
from examples.workspace.workspace import Member
from indelible import Actor, Impersonator

__all__ = ["ACTIONS"]

AUDIT_LOG = "/workspace/admin/audit-log"
SIGN_IN = "/workspace/sign-in"
DANA = Actor("user", "sup_31", "Dana Whitlock", "dana.whitlock@vendor.example")
"""Of Quayside's support."""
HELP_TAKES = 1800
"""Seconds that support may act as somebody."""

action = partial(post, sync_to_thread=True)
"""Logging waits for the service: in a thread, not in the event loop."""

Email = Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+$", max_length=200)]
Words = Annotated[str, Meta(min_length=1, max_length=200)]
_T = TypeVar("_T")
Form = Annotated[_T, Body(media_type=RequestEncodingType.URL_ENCODED)]


class Invitation(Struct):
    email: Email
    role: Literal["admin", "manager", "member"]


class RoleChange(Struct):
    role: Literal["admin", "manager", "member"]


class Share(Struct):
    email: Email


class NewKey(Struct):
    name: Words


class Switch(Struct):
    person: str


class Help(Struct):
    person: str
    ticket: Words
    reason: Words


@action("/members/invite")
def invite(who: Visitor, data: Form[Invitation]) -> Redirect:
    who.must_be_admin("members:invite")
    member = who.workspace.invite(data.email, data.role)
    who.log("user.invited", target=member.target, metadata={"role": member.role})
    return Redirect(who.came_from)


@action("/members/{member_id:str}/role")
def change_role(who: Visitor, member_id: str, data: Form[RoleChange]) -> Redirect:
    who.must_be_admin("members:edit")
    member = colleague(who, member_id)
    before, member.role = member.role, data.role
    who.audit.end_tokens(who.session.tenant, member.id)
    who.log("user.role_changed", target=member.target, changes={"role": (before, member.role)})
    return Redirect(who.came_from)


@action("/members/{member_id:str}/remove")
def remove(who: Visitor, product: Product, member_id: str) -> Redirect:
    who.must_be_admin("members:remove")
    member = colleague(who, member_id)
    del who.workspace.members[member.id]
    product.sessions.end_all(member)
    who.audit.end_tokens(who.session.tenant, member.id)
    who.log("user.removed", target=member.target)
    return Redirect(who.came_from)


@action("/documents/{document_id:str}/share")
def share(who: Visitor, document_id: str, data: Form[Share]) -> Redirect:
    document = found(who.workspace.documents, document_id)
    document.shared_with.append(data.email)
    details = {"recipients": [data.email], "permission": "view"}
    who.log("document.shared_externally", target=document.target, metadata=details)
    return Redirect(who.came_from)


@action("/customers/export")
def export_customers(who: Visitor) -> Redirect:
    who.must_be_admin("customers:export")
    records = len(who.workspace.customers)
    who.log("data.exported", metadata={"records": records, "resource_type": "customers", "format": "csv"})
    return Redirect(who.came_from)


@action("/api-keys/create")
def create_key(who: Visitor, data: Form[NewKey]) -> Redirect:
    who.must_be_admin("api_keys:create")
    key = who.workspace.create_key(data.name, ("customers:read",), who.session.person.name)
    who.log("api_key.created", target=key.target, metadata={"scopes": key.scopes})
    return Redirect(who.came_from)


@action("/api-keys/{key_id:str}/revoke")
def revoke_key(who: Visitor, key_id: str) -> Redirect:
    who.must_be_admin("api_keys:revoke")
    key = found(who.workspace.keys, key_id)
    del who.workspace.keys[key.id]
    who.log("api_key.revoked", target=key.target, metadata={"scopes": key.scopes})
    return Redirect(who.came_from)


@action("/settings/mfa")
def require_mfa(who: Visitor) -> Redirect:
    who.must_be_admin("settings:edit")
    before, now = who.workspace.is_mfa_required, not who.workspace.is_mfa_required
    who.workspace.is_mfa_required = now
    who.log("workspace.settings_changed", changes={"mfa_required": (before, now)})
    return Redirect(who.came_from)


@action("/break-in")
def be_broken_into(who: Visitor) -> Redirect:
    break_in(who)
    return Redirect(who.came_from)


@action("/sign-in-as")
def sign_in(request: AnyRequest, product: Product, data: Form[Switch]) -> Redirect:
    person = found(product.workspace.members, data.person)
    leave(product, request)
    who = product.enter(request, Session(product.workspace.tenant, person))
    who.log("user.signed_in", metadata={"method": "sso"})
    return Redirect(AUDIT_LOG, cookies=who.cookies)


@action("/sign-out")
def sign_out(request: AnyRequest, product: Product) -> Redirect:
    leave(product, request)
    return Redirect(SIGN_IN)


@action("/support/start")
def start_support(request: AnyRequest, product: Product, data: Form[Help]) -> Redirect:
    """In a real product this is in an admin panel of yours, behind a sign-in of your staff's own."""
    person = found(product.workspace.members, data.person)
    leave(product, request)
    support = Impersonator(DANA.id, DANA.name, DANA.email, f"ticket {data.ticket}: {data.reason}")
    who = product.enter(request, Session(product.workspace.tenant, person, support))
    details = {"ticket": data.ticket, "duration_seconds": HELP_TAKES}
    who.log("impersonation.started", actor=DANA, target=person.target, metadata=details)
    return Redirect(AUDIT_LOG, cookies=who.cookies)


@action("/admin/audit-log/token", status_code=200)
def audit_log_token(who: Visitor) -> dict[str, str]:
    """What the page asks for when its token ends: `static/audit-log.js`. Tenant, person and role are the session's."""
    try:
        return who.audit.token(who.watching)._asdict()
    except httpx.HTTPError as error:
        raise ServiceUnavailableException("the audit log does not answer") from error


def leave(product: Product, request: AnyRequest) -> None:
    """Ends the session, if there is one."""
    who = product.visitor(request)
    if who is None:
        return
    product.sessions.end(request)
    if who.session.support:
        lasted = {"duration_seconds": int(time.monotonic() - who.session.began)}
        who.log("impersonation.ended", actor=DANA, target=who.session.person.target, metadata=lasted)
    else:
        who.log("user.signed_out")


def colleague(who: Visitor, member_id: str) -> Member:
    """Somebody whom an admin may change. Raises `PermissionDeniedException`."""
    member = found(who.workspace.members, member_id)
    if member.role == "owner" or member is who.session.person:
        raise PermissionDeniedException("nobody changes the owner, or themselves")
    return member


def found(things: dict[str, _T], id_: str) -> _T:
    """Raises `NotFoundException`: it is of another workspace, or somebody removed it meanwhile."""
    if id_ not in things:
        raise NotFoundException("there is no such thing here any more")
    return things[id_]


ACTIONS: tuple[HTTPRouteHandler, ...] = (
    invite, change_role, remove, share, export_customers, create_key, revoke_key, require_mfa, be_broken_into,
    sign_in, sign_out, start_support, audit_log_token,
)  # fmt: skip
