"""What follows when a ledger is refused: it is said once, listed as long as it lasts, and recorded in the ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg
import structlog

from indelible.store import checkpoints
from indelible.store.checkpoints import Refusal
from indelible.store.errors import StoreError
from indelible.store.session import Database, first_line
from indelible.worker.entries import Entries
from indelible.worker.refusal import Refused

__all__ = ["Refusals"]

_log = structlog.get_logger()


@dataclass(slots=True)
class _Done:
    occasion: tuple[str, int]
    is_listed: bool = False
    is_recorded: bool = False


class Refusals:
    def __init__(self, database: Database, entries: Entries) -> None:
        self._database = database
        self._entries = entries
        self._done: dict[str, _Done] = {}
        self._missing: set[str] = set()

    def __contains__(self, tenant: str) -> bool:
        return tenant in self._done

    def learn(self, listed: Sequence[Refusal]) -> set[str]:
        """What is listed already, by this process or another; returns all tenants that were refused.

        They are listed anew when they are refused again: others may have removed a row, or changed it.
        """
        for tenant in {each.tenant_id for each in listed if each.tenant_id}:
            self._done.setdefault(tenant, _Done(("", 0)))
        for done in self._done.values():
            done.is_listed = False
        return set(self._done)

    async def refuse(self, tenant: str, refused: Refused) -> None:
        """Raises `StoreUnavailable` where it cannot be listed; it is said all the same."""
        occasion = (refused.kind, refused.size)
        done = self._done.get(tenant)
        if done is None or done.occasion != occasion:
            done = self._done[tenant] = _Done(occasion)
            _log.error("a ledger is not signed", tenant=tenant, origin=refused.origin, reason=refused.reason)
        if not done.is_listed:
            await self._list([(tenant, refused)])
            done.is_listed = True
        if not done.is_recorded and refused.kind != "gone":
            try:
                await self._entries.record_incident(tenant, refused)
            except (StoreError, psycopg.Error) as error:
                _log.error("the incident is not recorded in the ledger yet", tenant=tenant, error=first_line(error))
            else:
                done.is_recorded = True

    async def end(self, tenant: str) -> None:
        """The ledger is signed again."""
        if tenant in self._done:
            async with self._database.transaction("signer") as connection:
                await checkpoints.unrefuse(connection, tenant)
            del self._done[tenant]
            _log.warning("a ledger is signed again", tenant=tenant)

    async def replace_missing(self, missing: Mapping[str, Refused], listed: Sequence[Refusal]) -> None:
        """The ledgers, by origin, that only the archive knows of; others of `listed` are back."""
        for origin, refused in missing.items():
            if origin not in self._missing:
                _log.error("a ledger is not signed", origin=origin, reason=refused.reason)
        await self._list([("", refused) for refused in missing.values()])
        self._missing = set(missing)
        if back := [each.origin for each in listed if not each.tenant_id and each.origin not in missing]:
            async with self._database.transaction("signer") as connection:
                for origin in back:
                    await checkpoints.unrefuse(connection, "", origin)

    async def _list(self, refusals: Sequence[tuple[str, Refused]]) -> None:
        if refusals:
            async with self._database.transaction("signer") as connection:
                for tenant, refused in refusals:
                    await checkpoints.refuse(connection, tenant, refused.origin, refused.listed)
