"""What can go wrong between the service and PostgreSQL, in words for whoever can mend it."""

from datetime import timedelta

from indelible.event import FieldError, InvalidEvent

__all__ = [
    "IdConflict",
    "NoConnection",
    "OtherDatabase",
    "RoleNotGranted",
    "StoreError",
    "StoreUnavailable",
    "TooSlow",
    "UnknownTenant",
]


class StoreError(Exception):
    """Something an operator has to mend."""


class StoreUnavailable(StoreError):
    """Nothing can be said about the outcome. Sending the same events under the same ids again is safe."""


class TooSlow(StoreUnavailable):
    """A read took longer than a read may, and was ended."""

    def __init__(self, limit: timedelta) -> None:
        super().__init__(f"the query took longer than {limit.total_seconds():g} s and was ended")


class NoConnection(StoreUnavailable):
    """Nobody can log in now by what `setting` says; `reason` is what PostgreSQL or the network said to it, if anything.

    The reason is for the operator: it names hosts and logins.
    """

    def __init__(self, setting: str, seconds: float, reason: str | None) -> None:
        super().__init__(f"PostgreSQL does not answer: no connection by {setting} in {seconds:g} s")
        self.setting = setting
        self.reason = reason

    def in_full(self) -> str:
        return f"{self}: {self.reason}" if self.reason else str(self)


class RoleNotGranted(StoreUnavailable):
    """The login of `setting` may not act as `role`. Trying again will not help before somebody mends that."""

    def __init__(self, role: str, setting: str, own: str) -> None:
        """`own` is the setting for a login of the role's own."""
        mend = (
            f"set {own} here, if the role has a login of its own, or `indelible migrate --service ROLE` grants it"
            if setting != own
            else "set it to the login that may, or `indelible migrate`, where all URLs are set, grants it"
        )
        super().__init__(f"the login of {setting} may not act as {role}: {mend}")
        self.role = role
        self.setting = setting


class OtherDatabase(StoreError):
    """Two settings lead to different databases."""

    def __init__(self, setting: str, reference: str) -> None:
        super().__init__(f"{setting} and {reference} lead to different databases: set both to the same one")


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
