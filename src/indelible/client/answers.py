"""What the service says, as a receipt or an error. The error family's words are made here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from indelible.client.attempts import TRANSIENT
from indelible.client.errors import (
    AuthenticationError,
    ConflictError,
    IndelibleError,
    InvalidEventError,
    ServerError,
    UnavailableError,
)
from indelible.event import FieldError

__all__ = ["Answer", "NoAnswer", "Receipt", "read_batch", "read_receipt", "refusal_in"]


class Receipt(Struct, frozen=True):
    """The event is durable, in the ledger and searchable.

    `seq` is its place in the tenant's ledger, `leaf_hash` (base64url) what a proof of it starts from, and
    `registered` whether the catalog has its action.
    """

    id: UUID
    tenant_id: str
    seq: int
    recorded_at: datetime
    leaf_hash: str
    registered: bool


class Answer(NamedTuple):
    """An HTTP answer; the names of `headers` are read in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswer(NamedTuple):
    """The network's reason why there is none."""

    reason: str


class _Problem(Struct):
    title: str | None = None
    detail: str | None = None
    code: str | None = None
    errors: tuple[FieldError, ...] = ()


class _Item(Struct):
    status: int


class _RefusedItem(_Item):
    error: _Problem = msgspec.field(default_factory=_Problem)


class _Batch(Struct):
    data: list[msgspec.Raw]


_FAMILY: Mapping[int, type[IndelibleError]] = {
    400: InvalidEventError,
    401: AuthenticationError,
    403: AuthenticationError,
    409: ConflictError,
    413: InvalidEventError,
    422: InvalidEventError,
    **dict.fromkeys(TRANSIENT, UnavailableError),
}

_T = TypeVar("_T")


def read_receipt(answer: Answer, sent: UUID) -> Receipt | IndelibleError:
    """What became of the event `sent`."""
    if answer.status in (200, 201):
        return _receipt(answer.body, answer.status, sent)
    return refusal_in(answer)


def read_batch(answer: Answer, sent: list[UUID]) -> list[Receipt | IndelibleError] | IndelibleError:
    """What became of each of the events `sent`, in their order; or why the batch was refused as a whole."""
    if answer.status not in (200, 201, 207):
        return refusal_in(answer)
    batch = _decode(answer.body, _Batch)
    if batch is None or len(batch.data) != len(sent):
        return _useless(answer.status)
    return [_item(raw, id_) for raw, id_ in zip(batch.data, sent, strict=True)]


def refusal_in(answer: Answer) -> IndelibleError:
    """The error that an answer other than a success stands for."""
    if 300 <= answer.status < 400:
        place = answer.headers.get("location", "").partition("?")[0] or "nowhere"
        return ServerError(
            f"the service answered with a redirect to {place}; the key is not sent on: use the final url",
            code="redirected",
            status=answer.status,
        )
    if (problem := _decode(answer.body, _Problem)) is None:
        return _useless(answer.status)
    return _error(answer.status, problem)


def _item(raw: msgspec.Raw, sent: UUID) -> Receipt | IndelibleError:
    body = bytes(raw)
    item = _decode(body, _Item)
    if item is None:
        return _useless(207)
    if item.status in (200, 201):
        return _receipt(body, item.status, sent)
    refused = _decode(body, _RefusedItem)
    return _useless(item.status) if refused is None else _error(item.status, refused.error)


def _receipt(body: bytes, status: int, sent: UUID) -> Receipt | IndelibleError:
    receipt = _decode(body, Receipt)
    # An answer about another event is a proxy's or a cache's mistake, and says nothing of this one.
    return receipt if receipt is not None and receipt.id == sent else _useless(status)


def _error(status: int, problem: _Problem) -> IndelibleError:
    words = problem.detail or problem.title or "no reason was given"
    fields = [f"{e.pointer or 'event'}: {e.detail}" for e in problem.errors if e.detail not in words]
    label = ", ".join(filter(None, (problem.code, f"HTTP {status}")))
    kind = _FAMILY.get(status, ServerError)
    return kind(f"{'; '.join([words, *fields])} ({label})", code=problem.code, status=status, errors=problem.errors)


def _useless(status: int) -> IndelibleError:
    """What is said where the answer is not one of Indelible's."""
    kind = _FAMILY.get(status, ServerError)
    if kind not in (UnavailableError, AuthenticationError):
        kind = ServerError
    return kind(
        f"the answer is not one of Indelible's (HTTP {status}); does the url name the service, and nothing in between?",
        code=None if kind is not ServerError else "unexpected_answer",
        status=status,
    )


def _decode(body: bytes, kind: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
