"""Errors as RFC 9457 problem details."""

from collections.abc import Iterable, Mapping

import msgspec
import structlog
from msgspec import Struct

from indelible.event import FieldError, InvalidEvent
from indelible.store.errors import IdConflict, RoleNotGranted, StoreError, StoreUnavailable, TooSlow
from indelible.store.proofs import LedgerAltered

__all__ = ["CONTENT_TYPE", "ErrorDetail", "Problem", "ProblemDetails", "describe", "no_such_tenant"]

CONTENT_TYPE = "application/problem+json"

_log = structlog.get_logger()

_TITLES = {
    400: "Malformed request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    409: "Conflict",
    413: "Too large",
    414: "Address too long",
    415: "Unsupported encoding",
    422: "Not acceptable as it is",
    429: "Too much for now",
    500: "Internal error",
    503: "Unavailable for now",
}


class ErrorDetail(Struct, frozen=True, omit_defaults=True):
    """One thing wrong, and where: `pointer` (RFC 6901) into the event, or the name of a `parameter`."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None

    @classmethod
    def of(cls, error: FieldError) -> "ErrorDetail":
        return cls(error.detail, pointer=error.pointer)


class ProblemDetails(Struct, omit_defaults=True):
    """An error (RFC 9457). `code` is stable, for programs; `detail` is for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[ErrorDetail] = []


class Problem(Exception):
    """An error on its way to the client."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: Iterable[ErrorDetail] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})
        self.details = ProblemDetails("about:blank", _TITLES.get(status, "Error"), status, code, detail, [*errors])

    def body(self) -> bytes:
        return msgspec.json.encode(self.details)


def describe(error: Exception) -> Problem:
    """The problem that `error` is to the client. What nobody foresaw is logged, and tells the client nothing."""
    match error:
        case Problem():
            return error
        case IdConflict():
            return Problem(409, error.code, str(error), map(ErrorDetail.of, error.errors))
        case InvalidEvent():
            status = 400 if error.malformed else 422
            return Problem(status, error.code, str(error), map(ErrorDetail.of, error.errors))
        case TooSlow():
            # Nothing is wrong here that asking again would mend, so it is no 5xx, which clients and proxies try again.
            detail = f"{error}; narrow the span of time (since, until) or the filter"
            return Problem(422, "too_slow", detail)
        case RoleNotGranted():
            detail = "the service lacks a right in its database, which its operator has to grant: see /readyz"
            return Problem(503, "unavailable", detail, headers={"retry-after": "1"})
        case StoreUnavailable():
            detail = f"{error}; send it again, unchanged: under an id of yours it is never stored twice"
            return Problem(503, "unavailable", detail, headers={"retry-after": "1"})
        case LedgerAltered():
            _log.critical("a stored ledger contradicts what was signed of it", tenant=error.tenant, error=str(error))
            return Problem(500, "ledger_altered", f"{error}; no proof is given. Run `indelible verify`")
        case StoreError():
            return Problem(500, "not_stored", str(error))
        case _:
            _log.error("unexpected error", exc_info=error)
            return Problem(500, "internal_error", "something went wrong here; it was logged")


def no_such_tenant(tenant: str) -> Problem:
    return Problem(
        404, "no_such_tenant", f"there is no tenant {tenant!r}; its first event, or POST /api/tenants, makes it"
    )
