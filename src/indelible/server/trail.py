"""The log of the log: what is done with a tenant's audit log is an entry in it."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

from litestar.types import HTTPScope

from indelible.event import Actor, Change, Context, Event, Outcome, Source, Target
from indelible.server.caller import Caller
from indelible.server.client_address import client_address
from indelible.server.denials import Denials
from indelible.settings import Settings
from indelible.store.access import OPERATOR, AccessLog

__all__ = ["Trail"]

_UNKNOWN = Actor(type="api_key", name="unknown")
"""Whoever holds nothing that is known here."""

_REQUEST_ID = re.compile("[!-~]{1,128}")


class Trail:
    def __init__(self, access_log: AccessLog, settings: Settings) -> None:
        self._log = access_log
        self._proxies = settings.trusted_proxies
        # Apart, so that strangers cannot keep a caller who is known from being recorded.
        self._callers = Denials(access_log)
        self._strangers = Denials(access_log, opens=False)

    async def close(self) -> None:
        """Waits some seconds for refusals to be recorded."""
        await asyncio.gather(self._callers.close(), self._strangers.close())

    async def record(
        self,
        scope: HTTPScope,
        caller: Caller,
        tenant: str,
        action: str,
        *,
        targets: Sequence[Target] = (),
        changes: Mapping[str, Change] | None = None,
        metadata: Mapping[str, Any] | None = None,
        outcome: Outcome = "success",
        once: Sequence[str] | None = None,
        within: Sequence[str] | None = None,
    ) -> None:
        """Appends an entry of `action` to the tenant's ledger: who, from where, and what is in `metadata`.

        `once` says what makes two acts the same: with it, those of one caller within ten minutes are one entry, and
        those of one key if they come from one address too; one of `within` serves as well. Returns when it is durable:
        whoever reads answers only then. Where there is no such ledger, there is nothing to record in, and none is
        opened but the operator's. Raises `StoreError` where it cannot be recorded.
        """
        event = Event(
            tenant_id=tenant,
            action=action,
            actor=caller.actor,
            targets=[*targets],
            changes={**(changes or {})},
            outcome=outcome,
            source=_source(caller),
            context=self._context(scope, caller),
            metadata=_told(caller, metadata or {}),
        )
        if once is None:
            await self._log.record(event)
            return
        # A key that is used from elsewhere as well may have been stolen.
        where = [event.context.ip_address or ""] if caller.key_id else []
        await self._log.record_once(event, [*once, *where], within=None if within is None else [*within, *where])

    def refused(self, scope: HTTPScope, caller: Caller | None, tenant: str | None, code: str, detail: str) -> None:
        """Has an entry made, behind the answer, of a request that is refused.

        In the ledger of the caller whom one tenant's events are open to; else in that of the `tenant` asked for. A key
        of the vendor's own that asks for none is told of to the operator; a stranger who asks for none to nobody. One
        entry for each caller and `code` in ten minutes, and for all strangers together one for each tenant and `code`.
        """
        metadata: dict[str, Any] = {
            "code": code,
            "detail": detail,
            "method": str(scope["method"]),
            "path": str(scope["path"]),
            **_needed(scope, code),
        }
        if caller is None:
            if tenant is not None:
                self._strangers.put(_denied(tenant, _UNKNOWN, "api", self._context(scope), metadata), code)
            return
        event = _denied(
            caller.tenant or tenant or OPERATOR,
            caller.actor,
            _source(caller),
            self._context(scope, caller),
            _told(caller, metadata),
        )
        self._callers.put(event, code)

    def _context(self, scope: HTTPScope, caller: Caller | None = None) -> Context:
        given = {
            name: value.decode("latin-1")
            for name, value in scope["headers"]
            if name in (b"user-agent", b"x-request-id")
        }
        request_id = given.get(b"x-request-id", "")
        return Context(
            ip_address=client_address(scope, self._proxies),
            user_agent=given.get(b"user-agent"),
            request_id=request_id if _REQUEST_ID.fullmatch(request_id) else None,
            session_id=caller.token_id if caller else None,
        )


def _denied(tenant: str, actor: Actor, source: Source, context: Context, metadata: dict[str, Any]) -> Event:
    return Event(
        tenant_id=tenant,
        action="audit_log.access_denied",
        actor=actor,
        outcome="denied",
        source=source,
        context=context,
        metadata=metadata,
    )


def _source(caller: Caller) -> Source:
    if caller.token_id is None:
        return "api"
    return "admin_panel" if caller.staff else "ui"


def _told(caller: Caller, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """`metadata`, and whether it was somebody of the vendor, and why they looked."""
    reason = {} if caller.reason is None else {"reason": caller.reason}
    return {**reason, **metadata, **({"vendor_staff": True} if caller.staff else {})}


def _needed(scope: HTTPScope, code: str) -> dict[str, str]:
    """The scope that a caller lacks: what the route says, and where there is none, it is one of logging."""
    if code != "missing_scope":
        return {}
    handler: Any = scope.get("route_handler")
    return {"scope": handler.opt.get("needs", "") if handler is not None else "events:write"}
