"""What can go wrong between the service and PostgreSQL, in words for whoever can mend it."""

from datetime import timedelta

from indelible.event import FieldError, InvalidEvent

__all__ = ["IdConflict", "StoreError", "StoreUnavailable", "TooSlow", "UnknownTenant"]


class StoreError(Exception):
    """Something an operator has to mend."""


class StoreUnavailable(StoreError):
    """Nothing can be said about the outcome. Sending the same events under the same ids again is safe."""


class TooSlow(StoreUnavailable):
    """A read took longer than a read may, and was ended."""

    def __init__(self, limit: timedelta) -> None:
        super().__init__(f"the query took longer than {limit.total_seconds():g} s and was ended")


class UnknownTenant(InvalidEvent):
    """There is no such ledger, and ledgers are not made on first use."""

    def __init__(self, tenant_id: str) -> None:
        detail = f"there is no tenant {tenant_id!r}, and this service does not make tenants on first use"
        super().__init__("unknown_tenant", FieldError("/tenant_id", detail))


class IdConflict(InvalidEvent):
    """The id belongs to an event of other content."""

    def __init__(self, event_id: object) -> None:
        detail = f"{event_id} is the id of another event; send a retry unchanged, and give each event an id of its own"
        super().__init__("id_conflict", FieldError("/id", detail))
