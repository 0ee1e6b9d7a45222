"""Who is signed in to Quayside, and what an event says of them. The demo has no passwords."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypedDict, Unpack
from urllib.parse import urlsplit

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from msgspec.structs import replace

from examples.workspace.audit import Audit, Watching
from examples.workspace.workspace import Member, Workspace
from indelible import Actor, Context, Impersonator, IndelibleError
from indelible.cli.northwind import MARCUS
from indelible.client.events import ActorLike, ChangeLike, TargetLike
from indelible.event import Outcome, Source

__all__ = [
    "HOME", "AnyRequest", "NotAllowed", "Product", "Session", "Visitor",
    "same_origin", "signed_in", "signed_in_or_marcus",
]  # fmt: skip

AnyRequest = Request[Any, Any, Any]
COOKIE = "quayside"
HOME = "/workspace"


class NotAllowed(Exception):
    """Somebody tried what their role does not permit. It is logged by then; they go back to where they came from."""

    def __init__(self, came_from: str) -> None:
        super().__init__()
        self.came_from = came_from


class Toast(NamedTuple):
    """What a person is told of the record of what they did."""

    text: str
    is_good: bool


class What(TypedDict, total=False):
    """What only the place knows in which something is done; the rest of an event is the visitor's."""

    target: TargetLike
    changes: Mapping[str, ChangeLike]
    outcome: Outcome
    source: Source
    metadata: Mapping[str, object]


@dataclass
class Session:
    tenant: str
    person: Member
    support: Impersonator | None = None
    """Who of Quayside's support acts as the person, and why."""
    id: str = field(default_factory=lambda: f"ses_{secrets.token_hex(4)}")
    """What events say; the cookie's secret is another, and is in no log."""
    began: float = field(default_factory=time.monotonic)
    toast: Toast | None = None

    @property
    def actor(self) -> Actor:
        return replace(self.person.actor, impersonator=self.support) if self.support else self.person.actor


class Sessions:
    """By the secret that the browser has in its cookie."""

    def __init__(self) -> None:
        self._open: dict[str, Session] = {}

    def begin(self, session: Session) -> Cookie:
        secret = secrets.token_urlsafe(32)
        self._open[secret] = session
        # On https add secure=True, and the prefix __Host- to the name.
        return Cookie(COOKIE, value=secret, path="/", httponly=True, samesite="lax")

    def of(self, request: AnyRequest) -> Session | None:
        return self._open.get(request.cookies.get(COOKIE, ""))

    def end(self, request: AnyRequest) -> None:
        self._open.pop(request.cookies.get(COOKIE, ""), None)

    def end_all(self, person: Member) -> None:
        self._open = {secret: session for secret, session in self._open.items() if session.person is not person}


class Visitor:
    """Whoever sends this request. `context` is what events say of the request; `came_from` where the button was."""

    def __init__(
        self, session: Session, workspace: Workspace, audit: Audit, context: Context, came_from: str = HOME
    ) -> None:
        self.session = session
        self.workspace = workspace
        self.audit = audit
        self.context = context
        self.came_from = came_from
        self.cookies: list[Cookie] = []
        """Of a session that has just begun."""

    def log(self, action: str, *, actor: ActorLike | None = None, **what: Unpack[What]) -> None:
        """What was done is done, whatever becomes of its record: where it can't be logged, people are told."""
        session = self.session
        where: What = {"source": "admin_panel" if session.support else "ui", **what}
        by = actor or session.actor
        try:
            receipt = self.audit.log(action, tenant=session.tenant, actor=by, context=self.context, **where)
            session.toast = Toast(f"Logged: {action} is entry {receipt.seq:,}.", is_good=True)
        except IndelibleError as error:
            session.toast = Toast(f"Not logged: {action}. {error}", is_good=False)

    def must_be_admin(self, permission: str) -> None:
        """Raises `NotAllowed`."""
        if not self.session.person.is_admin:
            self.log("security.permission_denied", outcome="denied", metadata={"permission": permission})
            logged = self.session.toast.text if self.session.toast else ""
            self.session.toast = Toast(f"Your role does not permit that. {logged}", is_good=False)
            raise NotAllowed(self.came_from)

    @property
    def watching(self) -> Watching:
        """How much of the log they may see: that is for your backend to say, from its own session."""
        session = self.session
        if session.support:
            staff = session.support
            actor = {"id": staff.id, "name": staff.name, "email": staff.email}
            return {
                "tenant_id": session.tenant,
                "actor": actor,
                "role": "admin",
                "staff": True,
                "reason": staff.reason or "",
            }
        person = session.person
        actor = {"id": person.id, "name": person.name, "email": person.email}
        role = "admin" if person.is_admin else "member"
        return {"tenant_id": session.tenant, "actor": actor, "role": role, "can_export": person.is_admin}


class Product:
    """All that there is of Quayside while it runs."""

    def __init__(self, workspace: Workspace, audit: Audit) -> None:
        self.workspace = workspace
        self.audit = audit
        self.sessions = Sessions()

    def visitor(self, request: AnyRequest) -> Visitor | None:
        """Who is signed in."""
        session = self.sessions.of(request)
        return self._as(request, session) if session else None

    def enter(self, request: AnyRequest, session: Session) -> Visitor:
        """Signs somebody in; the answer has to set their `cookies`."""
        who = self._as(request, session)
        who.cookies.append(self.sessions.begin(session))
        return who

    def _as(self, request: AnyRequest, session: Session) -> Visitor:
        # Behind a proxy it is the proxy's address: take the one that it forwards, if the proxy is yours.
        address = request.client.host if request.client else None
        context = Context(address, request.headers.get("user-agent"), None, session.id)
        # The path of ours where the button was, to go back to.
        path = urlsplit(request.headers.get("referer", "")).path
        came_from = path if path == HOME or path.startswith(f"{HOME}/") else HOME
        return Visitor(session, self.workspace, self.audit, context, came_from)


def signed_in(request: AnyRequest, product: Product) -> Visitor:
    """Raises `NotAuthorizedException`."""
    who = product.visitor(request)
    if who is None:
        raise NotAuthorizedException("nobody is signed in")
    return who


def signed_in_or_marcus(request: AnyRequest, product: Product) -> Visitor:
    """In the demo whoever opens a page is Marcus, until they sign in as somebody else.

    Raises `NotAuthorizedException` where it is another site's page that asks, so that none signs anybody in.
    """
    who = product.visitor(request)
    if who is None:
        if request.headers.get("sec-fetch-site") not in (None, "none", "same-origin"):
            raise NotAuthorizedException("nobody is signed in")
        who = product.enter(request, Session(product.workspace.tenant, product.workspace.members[MARCUS.id]))
        who.log("user.signed_in", metadata={"method": "sso"})
    return who


def same_origin(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Refuses what no page of ours sent. Browsers put at least one of the two headers on every POST."""
    site = connection.headers.get("sec-fetch-site")
    origin = connection.headers.get("origin")
    ours = str(connection.base_url).rstrip("/")
    if (site is None and origin is None) or site not in (None, "same-origin") or origin not in (None, ours):
        raise PermissionDeniedException("only pages of this site may do that")
