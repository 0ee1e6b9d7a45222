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
from indelible.server.body import read_body
from indelible.server.problems import CONTENT_TYPE, Problem, describe
from indelible.server.service import Service
from indelible.server.wire import Accepted, BatchAnswer, Refused
from indelible.store.appender import Answer
from indelible.store.sealing import Prepared

__all__ = ["MAX_BATCH", "MAX_BATCH_BYTES", "MAX_BODY_BYTES", "Ingest"]

MAX_BATCH = 1000
"""Events in a batch."""

MAX_BODY_BYTES = 256 * 1024
"""The largest body that is read to the end for one event, which may itself have 32 KiB."""

MAX_BATCH_BYTES = 16 * 1024 * 1024
"""The largest batch, unpacked."""


_BREATH = 32
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
            history, headers = await self._admit(scope)
            raw = await read_body(headers, receive, limit=MAX_BODY_BYTES)
            prepared = self._service.intake.take(raw, now=datetime.now(UTC), history=history)
            (answer,) = await self._service.appender.append([prepared])
            if isinstance(answer, Exception):
                raise answer
        except Exception as error:  # noqa: BLE001 - every error becomes a problem, and none a dropped connection
            await _refuse(send, describe(error))
            return
        accepted = Accepted.of(prepared, answer)
        await _respond(send, accepted.status, _encoder.encode(accepted))

    async def batch(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        try:
            history, headers = await self._admit(scope)
            items = _split(await read_body(headers, receive, limit=MAX_BATCH_BYTES))
            taken = await self._take(items, history=history)
            answers = await self._service.appender.append([p for p in taken if isinstance(p, Prepared)])
        except Exception as error:  # noqa: BLE001 - as above
            await _refuse(send, describe(error))
            return
        answer = _answer(taken, answers)
        await _respond(send, 207 if answer.refused else 201, _encoder.encode(answer))

    async def _admit(self, scope: HTTPScope) -> tuple[bool, dict[bytes, bytes]]:
        """Whether the caller may log history, and the headers."""
        headers = scope["headers"]
        key = await self._service.keyring.authenticate(headers, "events:write")
        return "events:import" in key.scopes, dict(headers)

    async def _take(self, items: Sequence[Raw], *, history: bool) -> list[Prepared | InvalidEvent]:
        now = datetime.now(UTC)
        take = self._service.intake.take
        taken: list[Prepared | InvalidEvent] = []
        for number, item in enumerate(items):
            if number % _BREATH == 0:
                await asyncio.sleep(0)  # others wait as well, and transactions that PostgreSQL has answered
            try:
                taken.append(take(bytes(item), now=now, history=history))
            except InvalidEvent as error:
                taken.append(error)
        return taken


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


def _answer(taken: Sequence[Prepared | InvalidEvent], answers: Sequence[Answer]) -> BatchAnswer:
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


async def _refuse(send: Send, problem: Problem) -> None:
    extra = [(k.encode(), v.encode()) for k, v in problem.headers.items()]
    await _respond(send, problem.status, problem.body(), CONTENT_TYPE.encode(), extra)


async def _respond(
    send: Send,
    status: int,
    body: bytes,
    content_type: bytes = b"application/json",
    extra: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
