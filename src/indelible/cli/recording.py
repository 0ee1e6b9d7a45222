"""What a command does with a tenant's audit log is an entry in it, made before the command shows what it found."""

import asyncio
import os
import pwd
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from msgspec import json

from indelible.catalog import Catalog
from indelible.event import Actor, Change, Event, Target
from indelible.server.query import FilterQuery
from indelible.settings import Settings
from indelible.store.access import AccessLog
from indelible.store.append import Receipt, Rules
from indelible.store.session import Database

__all__ = ["operator", "recorded", "recorded_listing"]


async def recorded(
    opened: Database,
    settings: Settings,
    tenant: str,
    action: str,
    *,
    targets: Sequence[Target] = (),
    changes: Mapping[str, Change] | None = None,
    metadata: Mapping[str, Any] | None = None,
    once: Sequence[str] | None = None,
) -> Receipt | None:
    """Appends an entry of `action` to the tenant's ledger: by whoever is logged in on this host, of the vendor's staff.

    With `once`, those of one person with the same `once` are one entry in ten minutes; then there is no receipt. Nor is
    there where there is no such ledger, which is not opened by it unless it is the operator's own. Raises `StoreError`.
    """
    event = Event(
        tenant_id=tenant,
        action=action,
        actor=operator(),
        targets=[*targets],
        changes={**(changes or {})},
        source="admin_panel",
        metadata={**(metadata or {}), "vendor_staff": True},
    )
    rules = Rules(Catalog.load(settings.catalog), host=settings.ledger_host)
    patience = timedelta(seconds=settings.append_timeout)
    async with AccessLog.open(opened, rules, patience=patience) as access_log:
        recording = access_log.record(event) if once is None else access_log.record_once(event, once)
        # What is raised in here would come out as a group.
        (answer,) = await asyncio.gather(recording, return_exceptions=True)
    if isinstance(answer, BaseException):
        raise answer
    return answer


async def recorded_listing(opened: Database, settings: Settings, query: FilterQuery, results: int) -> None:
    """Records that events were listed, once in ten minutes for the same query. Raises `StoreError`."""
    if query.words is None and not query.filters:
        await recorded(opened, settings, query.tenant, "audit_log.viewed", once=["list"])
        return
    asked = {"filters": query.filters, **({} if query.words is None else {"query": query.words})}
    once = ["list", json.encode(asked, order="deterministic").decode()]
    metadata = {**asked, "results": results}
    await recorded(opened, settings, query.tenant, "audit_log.searched", metadata=metadata, once=once)


def operator() -> Actor:
    """Who runs the command: by the login on this host, and through sudo the one of before.

    The id is none that a user of the customer can have who happens to be called the same.
    """
    uid = os.getuid()
    # Whoever is not root may write into it what they like.
    name = os.environ.get("SUDO_USER") if uid == 0 else None
    if not name:
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:  # in a container
            name = str(uid)
    return Actor(type="user", id=f"os:{name}", name=name)
