"""The gate: every request passes it, and every route says what passing it takes.

A route is declared with `needs="events:read"`, the scope, or with `needs=OPEN`; one that says nothing is refused when
the application is made. So none can be forgotten.
"""

import asyncio
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, cast
from urllib.parse import parse_qsl
from uuid import UUID

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.routes.base import BaseRoute
from litestar.types import HTTPScope

from indelible.event import Actor, is_tenant_id
from indelible.server.auth import BadKey, Keyring, bearer
from indelible.server.caller import Caller
from indelible.server.client_address import client_address
from indelible.server.last_use import LastUse
from indelible.server.memory import Memory
from indelible.server.parameters import MAX_PARAMETERS, TENANT
from indelible.server.problems import Problem
from indelible.server.tokens import BadToken, Claims, ViewerTokens
from indelible.server.trail import Trail
from indelible.settings import Settings
from indelible.store.access import OPERATOR
from indelible.store.keys import SCOPES, Key, get_key
from indelible.store.revoked import Revocations, revocations
from indelible.store.session import Database
from indelible.store.tenant_settings import TenantSettings, settings_of
from indelible.store.view import ALL_PARTS

__all__ = ["OPEN", "Gate", "admit", "admit_again", "check_routes", "clock"]

OPEN: Final = "open"
"""For whoever comes: what says nothing about any tenant."""

_REALM: Final = 'Bearer realm="indelible"'

# Of a JWT the header is a JSON object, which ours begins so; INDELIBLE_ADMIN_KEY may have dots as well.
_TOKEN = re.compile(r"eyJ[^.]*\.[^.]*\.[^.]*")


class Gate:
    """Lets callers in who hold what a route needs."""

    def __init__(
        self, database: Database, memory: Memory, settings: Settings, tokens: ViewerTokens | None, trail: Trail
    ) -> None:
        self._database = database
        self._settings = settings
        self._tokens = tokens
        self._trail = trail
        self._memory = memory
        self._keyring = Keyring(database, memory, settings.environment)
        self._last_use = LastUse(database)
        self._issuers: dict[UUID, Key] = memory.shelf()
        self._revocations: dict[str, Revocations] = memory.shelf()
        self._tenants: dict[str, TenantSettings] = memory.shelf()

    async def admit(self, scope: HTTPScope, needs: str) -> Caller:
        """Who calls, with the scope `needs`. Raises `Problem` 401, 403 or 429, and `StoreUnavailable`."""
        return await self.allow(scope, await self.know(scope), needs)

    async def know(self, scope: HTTPScope) -> Caller:
        """Who calls, whatever they may. Raises `Problem` 401 or 429, and `StoreUnavailable`."""
        text = bearer(scope["headers"])
        if not text:
            raise self._unknown(scope, None, is_absent=text is None)
        try:
            if _TOKEN.fullmatch(text):
                return await self._by_token(text)
            return await self._by_key(text, client_address(scope, self._settings.trusted_proxies))
        except BadKey as error:
            raise self._unknown(scope, _of_key(error.key) if error.key else None, str(error)) from None
        except BadToken as error:
            raise self._unknown(scope, _of_token(error.claims) if error.claims else None, str(error)) from None

    async def allow(self, scope: HTTPScope, caller: Caller, needs: str) -> Caller:
        """The caller, who holds the scope `needs`. Raises `Problem` 403, and `StoreUnavailable`."""
        if caller.member is not None:
            caller = await self._as_member(scope, caller)
        if needs not in caller.scopes:
            said = f"the key {caller.actor.name!r}" if caller.key_id else "the viewer token"
            headers = {"www-authenticate": f'{_REALM}, error="insufficient_scope", scope="{needs}"'}
            problem = Problem(403, "missing_scope", f"{said} lacks the scope {needs}", headers=headers)
            raise self.refuse(scope, caller, problem)
        for named in _tenants_named(scope):
            if caller.tenant is not None or named == OPERATOR:
                self.tenant_for(scope, caller, named)
        return caller

    def ended(self, scope: HTTPScope, caller: Caller) -> Problem:
        """401 for whose key ended while their request was under way."""
        return self._unknown(scope, caller, "the key was revoked, or expired, while this was being done")

    def tenant_for(self, scope: HTTPScope, caller: Caller, asked: str | None) -> str:
        """As `Caller.tenant_for`, and a refusal goes on record."""
        try:
            return caller.tenant_for(asked)
        except Problem as problem:
            raise (self.refuse(scope, caller, problem) if problem.status == 403 else problem) from None

    def refuse(self, scope: HTTPScope, caller: Caller | None, problem: Problem) -> Problem:
        """The problem, which is now on the tenant's record as well, where there is a tenant that it is about."""
        tenant = (caller and caller.tenant) or next(_tenants_named(scope), None)
        if tenant is not None or caller is not None:
            self._trail.refused(scope, caller, tenant, problem.details.code, problem.details.detail)
        return problem

    async def close(self) -> None:
        await self._last_use.close()
        await self._memory.close()

    async def _by_key(self, text: str, address: str | None) -> Caller:
        key = await self._keyring.find(text, address)
        self._last_use.note(key.key_id, address)
        return _of_key(key)

    async def _by_token(self, text: str) -> Caller:
        if self._tokens is None:
            raise BadToken("the token is not one of this installation, which makes none")
        claims = self._tokens.read(text, datetime.now(UTC))
        tenant = claims.tenant
        revoked = await self._memory.get(self._revocations, tenant, lambda: revocations(self._database, tenant))
        if revoked is None or revoked.cover(claims.jti, claims.sub, claims.issued_at):
            raise BadToken("the token was revoked", claims)
        name = claims.iss_key
        issuer = await self._memory.get(self._issuers, name, lambda: get_key(self._database, name))
        if issuer is None or not issuer.is_active(datetime.now(UTC)):
            raise BadToken("the key that the token was issued with was revoked, or has expired", claims)
        return _of_token(claims, issuer)

    async def _as_member(self, scope: HTTPScope, caller: Caller) -> Caller:
        tenant = caller.tenant
        assert tenant is not None
        found = await self._memory.get(self._tenants, tenant, lambda: settings_of(self._database, tenant))
        if found is None or not found.member_access:
            detail = "members may not read this audit log; an admin can allow it"
            raise self.refuse(scope, caller, Problem(403, "members_not_allowed", detail))
        return replace(caller, parts=found.member_sees)

    def _unknown(
        self, scope: HTTPScope, caller: Caller | None, detail: str = "", *, is_absent: bool = False
    ) -> Problem:
        # With nothing sent there is nothing to call invalid (RFC 6750 section 3.1).
        challenge = f'{_REALM}, error="invalid_token"' if detail else _REALM
        if not detail:
            detail = (
                "send your key in the header Authorization: Bearer ind_…"
                if is_absent
                else "the header must read Authorization: Bearer ind_…, once"
            )
        problem = Problem(401, "unauthorized", detail, headers={"www-authenticate": challenge})
        return self.refuse(scope, caller, problem)


def _of_key(key: Key) -> Caller:
    return Caller(
        Actor(type="api_key", id=str(key.key_id), name=key.name),
        key.scopes,
        tenant=key.tenant_id,
        staff=key.tenant_id is None,
        key_id=key.key_id,
        expires_at=key.expires_at,
    )


def _of_token(claims: Claims, issuer: Key | None = None) -> Caller:
    held = {"export": claims.can_export, "keys:manage": claims.can_manage_keys}
    held |= {"streams:manage": claims.can_manage_streams, "events:read": True}
    is_member = claims.role == "member"
    return Caller(
        Actor(type="user", id=claims.sub, name=claims.name, email=claims.email),
        frozenset(scope for scope, holds in held.items() if holds),
        tenant=claims.tenant,
        staff=claims.staff,
        token_id=claims.jti,
        expires_at=claims.expires_at,
        issuer=claims.iss_key,
        issuer_expires_at=issuer.expires_at if issuer else None,
        member=claims.sub if is_member else None,
        equal=claims.filter,
        # What members are shown is the tenant's to say, at each request.
        parts=frozenset() if is_member else ALL_PARTS,
        reason=claims.reason,
        time_zone=claims.zoneinfo,
        locale=claims.locale,
    )


def _tenants_named(scope: HTTPScope) -> Iterator[str]:
    """The tenants that the query names, as far as they can be tenants."""
    if not scope["query_string"]:
        return
    try:
        given = parse_qsl(scope["query_string"].decode("latin-1"), max_num_fields=MAX_PARAMETERS)
    except ValueError:
        return
    for name, value in given:
        if name in (TENANT.name, *TENANT.aliases) and is_tenant_id(value):
            yield value


async def admit(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Litestar's guard for every route: leaves the `Caller` in the request's state.

    What is refused to whom we know counts as a read like any other: it takes as much work.
    """
    needs = _needs(handler)
    if needs != OPEN:
        service, scope = connection.app.state.service, cast("HTTPScope", connection.scope)
        caller = await service.gate.know(scope)
        service.limits.admit("read", caller.subject, caller.tenant or next(_tenants_named(scope), None))
        connection.state.caller = await service.gate.allow(scope, caller, needs or "")
        connection.state.admitted_at = clock()


async def admit_again(request: Request[Any, Any, Any], *, after: float = 0.0) -> Caller:
    """The caller as of now, also in the request's state: what let them in may have ended while they were waited for.

    Nothing is asked within `after` seconds since they were admitted. Counts nothing; raises as `Gate.admit`.
    """
    if clock() - request.state.admitted_at >= after:
        needs = _needs(request.route_handler)
        request.state.caller = await request.app.state.service.gate.admit(request.scope, needs or "")
        request.state.admitted_at = clock()
    caller: Caller = request.state.caller
    return caller


def clock() -> float:
    """Seconds, by which the time since a request was admitted is told."""
    return asyncio.get_running_loop().time()


def check_routes(routes: Iterable[BaseRoute]) -> None:
    """Raises `LookupError` for one that does not say what it needs."""
    for route in routes:
        for handler in getattr(route, "route_handlers", ()):
            if _needs(handler) not in (OPEN, *SCOPES):
                raise LookupError(f"{route.path} does not say which scope it needs")


def _needs(handler: BaseRouteHandler) -> str | None:
    # Litestar makes a handler of its own that tells the methods.
    if getattr(handler, "http_methods", None) == {"OPTIONS"}:
        return OPEN
    found: str | None = handler.opt.get("needs")
    return found
