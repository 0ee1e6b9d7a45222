"""The parameters of lists that are no timelines, and the pages of such lists."""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from litestar import Request
from litestar.datastructures import State

from indelible.event import is_tenant_id
from indelible.ledger import base64url
from indelible.server.parameters import DEFAULT_LIMIT, MAX_LIMIT, Parameter
from indelible.server.problems import ErrorDetail, Problem
from indelible.store.keys import KeyPlace

__all__ = ["CURSOR", "LIMIT", "ListQuery", "bad_cursor", "key_cursor", "key_place"]

LIMIT = Parameter(
    "limit",
    f"How many a page, {DEFAULT_LIMIT} if absent.",
    {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
)
CURSOR = Parameter("cursor", "next_cursor of the page before, for the next one.", {"type": "string", "minLength": 1})

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ListQuery:
    tenant: str | None
    limit: int
    cursor: str | None
    include_ended: bool

    @classmethod
    def parse(cls, request: Request[Any, Any, State], known: Sequence[Parameter]) -> "ListQuery":
        """Raises `Problem` 422, which lists every parameter that is wrong."""
        names = {alias: parameter.name for parameter in known for alias in (parameter.name, *parameter.aliases)}
        given: dict[str, str] = {}
        errors = []
        for name, value in request.query_params.multi_items():
            if name not in names:
                there_are = ", ".join(parameter.name for parameter in known) or "none"
                errors.append(ErrorDetail(f"is not known here; there are {there_are}", parameter=name))
            elif names[name] in given:
                errors.append(ErrorDetail("must be given once", parameter=name))
            else:
                given[names[name]] = value
        limit = given.get("limit", str(DEFAULT_LIMIT))
        if not re.fullmatch(r"[0-9]{1,4}", limit) or not 1 <= int(limit) <= MAX_LIMIT:
            errors.append(ErrorDetail(f"must be a whole number from 1 to {MAX_LIMIT}", parameter="limit"))
        tenant = given.get("tenant_id")
        if tenant is not None and not is_tenant_id(tenant):
            errors.append(ErrorDetail("must be 1 to 128 letters, digits or . _ : @ ~ + -", parameter="tenant_id"))
        ended = given.get("include_ended", "false")
        if ended not in ("true", "false"):
            errors.append(ErrorDetail("must be true or false", parameter="include_ended"))
        if errors:
            raise Problem(422, "invalid_parameter", "; ".join(f"{e.parameter} {e.detail}" for e in errors), errors)
        return cls(tenant, int(limit), given.get("cursor"), ended == "true")


def key_cursor(place: KeyPlace) -> str:
    micros = (place.created_at - _EPOCH) // timedelta(microseconds=1)
    return base64url.encode(struct.pack(">q16s", micros, place.key_id.bytes))


def key_place(cursor: str) -> KeyPlace:
    """Raises `Problem` 422."""
    try:
        micros, key_id = struct.unpack(">q16s", base64url.decode(cursor))
        return KeyPlace(_EPOCH + timedelta(microseconds=micros), UUID(bytes=key_id))
    except (ValueError, OverflowError, struct.error):
        raise bad_cursor() from None


def bad_cursor() -> Problem:
    detail = "is not one of ours: take it from next_cursor of the page before, unchanged"
    return Problem(422, "invalid_parameter", f"cursor {detail}", [ErrorDetail(detail, parameter="cursor")])
