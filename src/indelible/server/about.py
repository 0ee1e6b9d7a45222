"""What a viewer has to know before it shows anything: who looks, what they may see and do, and how large the ledger is.

It tells of no event, so that asking is not recorded.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from litestar import Request, Response, get
from litestar.datastructures import State
from msgspec import Meta, Struct

from indelible.event import Actor
from indelible.ledger.entry import micros
from indelible.server.caller import Caller
from indelible.server.query import TenantQuery
from indelible.server.reading import given
from indelible.server.responses import json_response
from indelible.server.saved_views import may_share
from indelible.server.service import admitted
from indelible.server.wire import Time
from indelible.store.tenants import ledgers
from indelible.store.view import Column, Part

__all__ = ["About", "about"]

_Request = Request[Any, Any, State]


class Abilities(Struct):
    """What else they may do."""

    export: bool
    manage_keys: bool
    manage_streams: bool
    share_views: Annotated[bool, Meta(description="Save views for all who read the tenant's events")]


class About(Struct):
    """The caller, and the ledger that they look at."""

    tenant_id: str
    role: Annotated[Literal["admin", "member", "key"], Meta(description="As the viewer token says; key for a key")]
    actor: Annotated[Actor, Meta(description="As whom they appear in the log of the log")]
    can: Abilities
    sees: Annotated[list[Part], Meta(description="What they are shown of an event besides who did what to whom")]
    filter: Annotated[
        dict[Column, list[str]] | None,
        Meta(description="They see only events with one of these values in each of these fields; null: no such filter"),
    ]
    time_zone: Annotated[str | None, Meta(description="The zone to show times in (IANA); null: the browser's")]
    locale: Annotated[
        str | None, Meta(description="How to write dates and numbers (BCP 47); null: as the browser does")
    ]
    expires_at: Annotated[Time | None, Meta(description="When what they hold ends; null: not by itself")]
    origin: Annotated[
        str | None, Meta(description="The ledger's name in its checkpoints; null: there is no ledger yet")
    ]
    size: Annotated[int, Meta(ge=0, description="Entries of the ledger")]
    time: Annotated[Time, Meta(description="The service's clock")]


@get("/api/audit-log/about", needs="events:read")
async def about(request: _Request) -> Response[bytes]:
    service, caller = admitted(request)
    query = TenantQuery.parse(given(request), bound=caller.tenant)
    tenant = caller.tenant_for(query.tenant)
    found = await ledgers(service.reading, tenant=tenant)
    return json_response(
        About(
            tenant,
            _role(caller),
            caller.actor,
            Abilities(
                export="export" in caller.scopes,
                manage_keys="keys:manage" in caller.scopes,
                manage_streams="streams:manage" in caller.scopes,
                share_views=may_share(caller),
            ),
            sorted(caller.parts),
            {column: [*values] for column, values in caller.equal.items()} or None,
            caller.time_zone,
            caller.locale,
            micros(caller.ends) if caller.ends else None,
            found[0].origin if found else None,
            found[0].size if found else 0,
            micros(datetime.now(UTC)),
        )
    )


def _role(caller: Caller) -> Literal["admin", "member", "key"]:
    if caller.key_id is not None:
        return "key"
    return "admin" if caller.member is None else "member"
