"""Logging over HTTP: `POST /api/audit-log` and `POST /api/audit-log/batch`.

Bare ASGI, beside the framework: these two carry the load, and routing and injecting took half of a request.
"""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from litestar.types import HTTPScope, Receive, Send
from msgspec import Raw, Struct

from indelible.event import InvalidEvent
from indelible.server.body import PATIENCE, read_body
from indelible.server.caller import Caller
from indelible.server.gate import clock
from indelible.server.headers import ALWAYS
from indelible.server.problems import CONTENT_TYPE, Problem, describe
from indelible.server.responses import respond
from indelible.server.service import Service
from indelible.server.wire import Accepted, BatchAnswer, Refused
from indelible.store.appender import Answer
from indelible.store.epoch import EPOCH_AGE
from indelible.store.sealing import Prepared

__all__ = ["MAX_BATCH", "MAX_BATCH_BYTES", "MAX_BODY_BYTES", "Ingest"]

MAX_BATCH = 1000
"""Events in a batch."""

MAX_BODY_BYTES = 256 * 1024
"""The largest body that is read to the end for one event, which may itself have 32 KiB."""

MAX_BATCH_BYTES = 16 * 1024 * 1024
"""The largest batch, unpacked."""


_BATCH_PATIENCE = 60.0
"""Seconds that a batch may take to arrive."""

_NEEDS = "events:write"

_BREATH = 8
"""Events of a batch that are taken in one go."""


class _Events(Struct, forbid_unknown_fields=True):
    events: list[Raw]


_batch_decoder = msgspec.json.Decoder(list[Raw] | _Events)
_encoder = msgspec.json.Encoder()


class Ingest:
    """The two routes, for a service that the application has opened."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def one(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        try:
            caller, raw = await self._read(scope, receive, MAX_BODY_BYTES, PATIENCE)
            prepared = self._service.intake.take(raw, now=datetime.now(UTC), history=_history(caller))
            try:
                self._check_tenant(scope, caller, prepared)
            except Problem:
                self._service.limits.admit("read", caller.subject, caller.tenant)
                raise
            self._service.limits.admit("write", caller.subject, prepared.event.tenant_id)
            (answer,) = await self._service.appender.append([prepared])
            if isinstance(answer, Exception):
                raise answer
        except Exception as error:  # noqa: BLE001 - every error becomes a problem, and none a dropped connection
            await _refuse(send, describe(error))
            return
        accepted = Accepted.of(prepared, answer)
        await respond(send, accepted.status, _encoder.encode(accepted), extra=ALWAYS)

    async def batch(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        try:
            caller, raw = await self._read(scope, receive, MAX_BATCH_BYTES, _BATCH_PATIENCE)
            taken = await self._take(_split(raw), scope, caller)
            if taken and all(isinstance(item, Problem) and item.status == 403 for item in taken):
                self._service.limits.admit("read", caller.subject, caller.tenant)
            taken = self._admit_each(caller, taken)
            answers = await self._service.appender.append([p for p in taken if isinstance(p, Prepared)])
        except Exception as error:  # noqa: BLE001 - as above
            await _refuse(send, describe(error))
            return
        answer = _answer(taken, answers)
        extra = [*ALWAYS, *_come_back(taken)]
        await respond(send, 207 if answer.refused else 201, _encoder.encode(answer), extra=extra)

    async def _read(self, scope: HTTPScope, receive: Receive, limit: int, patience: float) -> tuple[Caller, bytes]:
        """Who logs, and the body. Whoever may log nothing more for now is told before it is read."""
        gate, limits = self._service.gate, self._service.limits
        caller = await gate.know(scope)
        try:
            caller = await gate.allow(scope, caller, _NEEDS)
        except Problem:
            limits.admit("read", caller.subject, caller.tenant)
            raise
        limits.check("write", caller.subject)
        admitted_at = clock()
        raw = await read_body(dict(scope["headers"]), receive, limit=limit, patience=patience)
        # What let them in may have ended while the body was waited for.
        return (caller if clock() - admitted_at < EPOCH_AGE else await gate.admit(scope, _NEEDS)), raw

    async def _take(self, items: Sequence[Raw], scope: HTTPScope, caller: Caller) -> "list[_Taken]":
        now = datetime.now(UTC)
        take, history = self._service.intake.take, _history(caller)
        taken: list[_Taken] = []
        for number, item in enumerate(items):
            if number % _BREATH == 0:
                await asyncio.sleep(0)  # others wait as well, and transactions that PostgreSQL has answered
            try:
                prepared = take(bytes(item), now=now, history=history)
                self._check_tenant(scope, caller, prepared)
                taken.append(prepared)
            except (InvalidEvent, Problem) as error:
                taken.append(error)
        return taken

    def _check_tenant(self, scope: HTTPScope, caller: Caller, prepared: Prepared) -> None:
        """Raises `Problem` 403 for an event of a tenant that the key is not for, whether there is such a one or not."""
        if caller.tenant is not None and prepared.event.tenant_id != caller.tenant:
            problem = Problem(403, "wrong_tenant", f"the key is for the tenant {caller.tenant!r} alone")
            raise self._service.gate.refuse(scope, caller, problem)

    def _admit_each(self, caller: Caller, taken: "Sequence[_Taken]") -> "list[_Taken]":
        """The same, with those refused that are over a limit."""
        tenants = [item.event.tenant_id for item in taken if isinstance(item, Prepared)]
        over = iter(self._service.limits.admit_each("write", caller.subject, tenants))
        return [(next(over) or item) if isinstance(item, Prepared) else item for item in taken]


_Taken = Prepared | InvalidEvent | Problem
"""What became of one event of a batch before it is appended."""


def _history(caller: Caller) -> bool:
    """Whether they may log what is older than 30 days."""
    return "events:import" in caller.scopes


def _split(body: bytes) -> list[Raw]:
    try:
        found = _batch_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        is_json = isinstance(error, msgspec.ValidationError)
        if not is_json and (items := _split_tolerantly(body)) is not None:
            return items
        detail = 'a batch is a JSON array of events, or {"events": […]}' + (
            "" if is_json else f"; this is no JSON: {error}"
        )
        raise Problem(422 if is_json else 400, "malformed_batch", detail) from None
    return _counted(found if isinstance(found, list) else found.events)


def _counted(items: list[Raw]) -> list[Raw]:
    if len(items) > MAX_BATCH:
        raise Problem(
            422, "batch_too_large", f"the batch has {len(items):,} events; send at most {MAX_BATCH:,} at once"
        )
    return items


def _split_tolerantly(body: bytes) -> list[Raw] | None:
    """The events of a batch that is JSON but for what one event holds, so that this one alone is refused.

    `JSON.stringify` writes half a surrogate pair where a program cut a text in the middle of an emoji.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, dict) and found.keys() == {"events"}:
        found = found["events"]
    return _counted([_raw(item) for item in found]) if isinstance(found, list) else None


def _raw(item: object) -> Raw:
    try:
        return Raw(json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode())
    except UnicodeEncodeError:
        return Raw(json.dumps(item).encode())


def _answer(taken: Sequence[_Taken], answers: Sequence[Answer]) -> BatchAnswer:
    appended = iter(answers)
    data: list[Accepted | Refused] = []
    for item in taken:
        outcome = next(appended) if isinstance(item, Prepared) else item
        if isinstance(outcome, Exception):
            details = describe(outcome).details
            data.append(Refused(details.status, details))
        else:
            assert isinstance(item, Prepared)
            data.append(Accepted.of(item, outcome))
    refused = sum(isinstance(item, Refused) for item in data)
    return BatchAnswer(data, len(data) - refused, refused)


def _come_back(taken: Sequence[_Taken]) -> list[tuple[bytes, bytes]]:
    """When all those that are over a limit can be sent again."""
    waits = [int(item.headers.get("retry-after", 0)) for item in taken if isinstance(item, Problem)]
    return [(b"retry-after", b"%d" % max(waits))] if any(waits) else []


async def _refuse(send: Send, problem: Problem) -> None:
    extra = [(k.encode(), v.encode()) for k, v in problem.headers.items()]
    await respond(send, problem.status, problem.body(), CONTENT_TYPE, [*ALWAYS, *extra])
