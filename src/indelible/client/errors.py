"""What can go wrong, as one family: `except IndelibleError` catches all of it.

No message holds the key or a value of the event; the event itself is at `error.event`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from indelible.event import Event, FieldError

if TYPE_CHECKING:
    from indelible.client.batch import BatchResult

__all__ = [
    "AuthenticationError",
    "BatchRefusedError",
    "ConfigurationError",
    "ConflictError",
    "IndelibleError",
    "InvalidEventError",
    "ServerError",
    "UnavailableError",
]


class IndelibleError(Exception):
    """The base of the family.

    `code`    stable, for programs: the service's own, or one of the client's.
    `status`  of the HTTP answer; None where there was none.
    `errors`  the fields that are wrong: JSON pointers and what to do about each.
    `event`   the event concerned, with its id and time: logging it again can't make a second one.
    `result`  set by `log_many` only: what was answered before this, and what was not.
    """

    default_code = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        errors: tuple[FieldError, ...] = (),
        event: Event | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code or self.default_code
        self.status = status
        self.errors = errors
        self.event = event
        self.result: BatchResult | None = None


class ConfigurationError(IndelibleError):
    """The client was set up wrongly: no key, an address that is none, a time-out below zero."""

    default_code = "configuration"


class InvalidEventError(IndelibleError, ValueError):
    """The event is not one, says the client (before any network) or the service; `errors` names each field."""

    default_code = "invalid_event"


class AuthenticationError(IndelibleError):
    """The key is wrong, revoked, or may not do this."""

    default_code = "unauthorized"


class ConflictError(IndelibleError):
    """Another event is in the ledger under the same id; neither was changed."""

    default_code = "id_conflict"


class UnavailableError(IndelibleError):
    """No answer that settles it, after all tries. Safe to log again: `audit.log(error.event)`."""

    default_code = "unavailable"


class ServerError(IndelibleError):
    """An answer that the client has no use for: a fault of the service, or no Indelible at that address."""

    default_code = "server_error"


class BatchRefusedError(IndelibleError):
    """Some events of a batch were refused for good; `result.refused` has each with its error."""

    default_code = "batch_refused"
