"""Intake: the rules an event passes before it may be sealed, whichever way it came."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from indelible.catalog import Catalog
from indelible.event import Event, FieldError, InvalidEvent, check_time, parse
from indelible.ledger.entry import MAX_ENTRY_BYTES, size_at_most
from indelible.store.access import OPERATOR
from indelible.store.sealing import Prepared, is_time_ordered, made_at, prepare

__all__ = ["RESERVED", "Intake"]

RESERVED = ("ledger.", "audit_log.")
"""Actions that only the service itself records: an application could forge an erasure otherwise."""

_MAX_ID_AHEAD = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Intake:
    catalog: Catalog
    strict: bool = False
    """Refuse actions that the catalog does not know, and fields that do not fit it. For CI."""

    def take(self, raw: bytes, *, now: datetime, history: bool, id_if_absent: UUID | None = None) -> Prepared:
        """The event in `raw`, ready to be appended. `history` allows events older than 30 days.

        Raises `InvalidEvent`.
        """
        event = parse(raw)
        if event.occurred_at is not None:
            check_time(event.occurred_at, now, history=history)
        if event.action.startswith(RESERVED):
            detail = "ledger.* and audit_log.* are recorded by the service itself; name the action otherwise"
            raise InvalidEvent("reserved_action", FieldError("/action", detail))
        if event.tenant_id == OPERATOR:
            detail = "is the service's own ledger, into which it alone records; give the id of a customer"
            raise InvalidEvent("reserved_tenant", FieldError("/tenant_id", detail))
        event.id = event.id or id_if_absent
        self._check_id(event, now)
        if self.strict and (errors := self.catalog.check(event)):
            raise InvalidEvent("not_in_catalog", *errors)
        prepared = prepare(event, self.catalog, now=now)
        if (size := size_at_most(prepared.unsealed)) > MAX_ENTRY_BYTES:
            detail = f"takes {size:,} bytes without what is personal; at most {MAX_ENTRY_BYTES:,} are accepted"
            raise InvalidEvent("event_too_large", FieldError("", detail))
        return prepared

    def _check_id(self, event: Event, now: datetime) -> None:
        # An id is looked for from its own time on (see `sealing.made_at`), so it must not be ahead of ours.
        if event.id and is_time_ordered(event.id) and (made := made_at(event.id)) > now + _MAX_ID_AHEAD:
            detail = f"is a UUIDv7 of {made:%Y-%m-%d %H:%M} UTC, over a day ahead; check the clock of the sender"
            raise InvalidEvent("invalid_id", FieldError("/id", detail))
