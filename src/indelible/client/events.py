"""From an application's arguments to an `Event`, and from an `Event` to the bytes that are sent.

Building and sending are apart, so that an event can wait in between: in a list, a spool or an outbox.
Every check of the event itself is `indelible.event.parse`'s: client and service can't disagree.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple, Required, TypedDict, get_args
from uuid import UUID

import msgspec

from indelible.client.errors import InvalidEventError
from indelible.client.plain import Json, escape, given, plain, refusal
from indelible.event import (
    MAX_EVENT_BYTES,
    Actor,
    ActorType,
    Change,
    Context,
    Event,
    InvalidEvent,
    Outcome,
    Source,
    Target,
    dump,
    parse,
)

__all__ = ["ActorLike", "ChangeLike", "EventFields", "Id", "Prepared", "TargetLike", "new_event", "prepare", "uuid7"]

Id = str | int | UUID
"""An identifier of the application's; numbers and UUIDs are sent as their text."""

ActorLike = Actor | Mapping[str, object] | str
"""An `Actor`, its fields, or `"user:usr_7"`, `"api_key:key_1"`, `"system:billing"`, `"system"`."""

TargetLike = Target | Mapping[str, object] | str
"""A `Target`, its fields, or `"invoice:inv_42"`."""

ChangeLike = Change | tuple[object, object] | Mapping[str, object]
"""`(before, after)`, `{"from": before, "to": after}` (either side may be absent), or a `Change`."""


# What is left out of the JSON is the default object itself, not its equals; an event must have one spelling.
_NO_CONTEXT = Event(tenant_id="", action="", actor=Actor(type="system")).context


class EventFields(TypedDict, total=False):
    """What `new_event` and `log` take by keyword, next to the action."""

    tenant: Required[Id]
    actor: Required[ActorLike]
    target: TargetLike | None
    targets: Iterable[TargetLike] | None
    changes: Mapping[str, ChangeLike] | None
    outcome: Outcome | None
    source: Source | None
    context: Context | Mapping[str, object] | None
    metadata: Mapping[str, object] | None
    occurred_at: datetime | None
    id: UUID | str | None


class Prepared(NamedTuple):
    """An event that has its id and time, and the JSON that is sent for it, the same at each try."""

    event: Event
    body: bytes


def new_event(
    action: str,
    *,
    tenant: Id,
    actor: ActorLike,
    target: TargetLike | None = None,
    targets: Iterable[TargetLike] | None = None,
    changes: Mapping[str, ChangeLike] | None = None,
    outcome: Outcome | None = None,
    source: Source | None = None,
    context: Context | Mapping[str, object] | None = None,
    metadata: Mapping[str, object] | None = None,
    occurred_at: datetime | None = None,
    id: UUID | str | None = None,  # noqa: A002 - the event's own word
) -> Event:
    """A valid event, ready to be logged now or later; nothing is sent.

    `tenant`       the customer's id in your application.
    `actor`        who did it: an `Actor`, its fields, or the shorthand `"user:usr_7"`.
    `target`       what it was done to, or `targets` for several, the primary one first.
    `changes`      `{"role": ("member", "admin")}`.
    `outcome`      success (the default), failure or denied.
    `source`       ui, admin_panel, api (the default) or background.
    `context`      ip_address, user_agent, request_id, session_id.
    `metadata`     what else belongs to it; `indelible.client.plain` lists the values it may hold.
    `occurred_at`  with a time zone; now, if absent. Kept to the millisecond.
    `id`           the idempotency key; a UUIDv7 is made if absent.

    Values under keys that name secrets are masked here: they never leave the process.
    Raises `InvalidEventError`, whose `errors` point at the fields.
    """
    if target is not None and targets is not None:
        raise refusal("/targets", "was given together with target; give one of them, the primary target first")
    if isinstance(targets, (str, Mapping)) or (targets is not None and not isinstance(targets, Iterable)):
        raise refusal("/targets", "must be a list of targets; for a single one use target")
    return prepare(
        {
            "tenant_id": tenant,
            "action": action,
            "actor": actor,
            "id": id,
            "occurred_at": occurred_at,
            "targets": list(targets) if targets is not None else [] if target is None else [target],
            "changes": changes,
            "outcome": outcome,
            "source": source,
            "context": context,
            "metadata": metadata,
        }
    ).event


def prepare(event: Event | Mapping[str, object]) -> Prepared:
    """The event (or its fields), valid, with id and time, its secrets masked. Raises `InvalidEventError`."""
    named = given(event) if isinstance(event, Event) else event
    fields = {name: value for name, value in named.items() if value is not None}
    fields.setdefault("id", uuid7())
    fields["occurred_at"] = _utc(fields.get("occurred_at", datetime.now(UTC)))
    try:
        checked = parse(msgspec.json.encode({name: _field(name, value) for name, value in fields.items()}))
        if checked.context == _NO_CONTEXT:
            checked.context = _NO_CONTEXT
        body = dump(checked)
        # A mask can be longer than what it hides, and the service counts what it is sent.
        if len(body) > MAX_EVENT_BYTES:
            parse(body)
    except InvalidEvent as error:
        raise InvalidEventError(str(error), code=error.code, errors=error.errors) from None
    return Prepared(checked, body)


def uuid7() -> UUID:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then chance."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | int.from_bytes(os.urandom(10))
    return UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62)


def _field(name: str, value: object) -> Json:
    pointer = f"/{name}"
    match name:
        case "tenant_id":
            return _id(plain(value, pointer))
        case "actor":
            return _actor(value, pointer)
        case "targets" if isinstance(value, list):
            return [_target(target, f"{pointer}/{index}") for index, target in enumerate(value)]
        case "changes" if isinstance(value, Mapping):
            return plain({field: _change(field, change) for field, change in value.items()}, pointer)
        case _:
            return plain(value, pointer)


def _actor(value: object, pointer: str) -> Json:
    if isinstance(value, str):
        kind, _, name = value.partition(":")
        if kind not in get_args(ActorType) or not (name or value == "system"):
            raise refusal(pointer, 'as text must be "user:ID", "api_key:ID", "system:ID" or "system"')
        value = {"type": kind, "id": name or None}
    actor = _with_text_id(plain(value, pointer))
    if isinstance(actor, dict) and "impersonator" in actor:
        actor["impersonator"] = _with_text_id(actor["impersonator"])
    return actor


def _target(value: object, pointer: str) -> Json:
    if isinstance(value, str):
        kind, _, name = value.partition(":")
        if not (kind and name):
            raise refusal(pointer, 'as text must be "type:id", such as "invoice:inv_42"')
        value = {"type": kind, "id": name}
    return _with_text_id(plain(value, pointer))


def _change(field: object, value: object) -> object:
    match value:
        case Change() | Mapping():
            return value
        case tuple() if len(value) == 2:
            return {"from": value[0], "to": value[1]}
        case _:
            detail = 'must be (before, after) or {"from": before, "to": after}'
            raise refusal(f"/changes/{escape(str(field))}", detail)


def _with_text_id(value: Json) -> Json:
    if isinstance(value, dict) and "id" in value:
        value["id"] = _id(value["id"])
    return value


def _id(value: Json) -> Json:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _utc(moment: object) -> object:
    """The time in UTC. One whose zone is unknown is refused: guessing it would put a wrong time on record."""
    if not isinstance(moment, datetime):
        return moment
    if moment.utcoffset() is None:
        detail = "has no time zone; use datetime.now(UTC), or .astimezone() if it is this machine's local time"
        raise refusal("/occurred_at", detail)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise refusal("/occurred_at", "is outside the years 1 to 9999") from None
