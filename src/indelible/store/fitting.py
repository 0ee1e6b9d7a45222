"""Events of the service's own, about what others sent: made to fit, so that nobody can keep one from being stored."""

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from msgspec import UNSET

from indelible.event import Actor, Change, Context, Event, Impersonator, InvalidEvent, Target, dump, parse

__all__ = ["fitting"]

_NOTHING = (32, 0, 0)
_SIZES = ((512, 40, 40), (128, 10, 20), (32, 3, 20), (32, 3, 3), _NOTHING)
"""Characters of a text, items of a list and members of an object at most: the first of these with which the event is
not too large.
"""

_MAX_LABEL, _MAX_ID, _MAX_NAME = 128, 256, 512
_MAX_TARGETS = 10
_MAX_NESTED = 4
_MAX_INTEGER = 2**53 - 1

# Controls say nothing in a log, PostgreSQL has no NUL, and UTF-8 no half of a surrogate pair.
_UNSTORABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def fitting(event: Event) -> Event:
    """`event` as a vendor's would be taken: within the limits, its secrets masked, what cannot be stored replaced.

    What is too long is cut off, and ends with "…". Raises `InvalidEvent` where the tenant or the action cannot be one.
    """
    for size in _SIZES[:-1]:
        with suppress(InvalidEvent):
            return parse(dump(_cut(event, size)))
    return parse(dump(_cut(event, _NOTHING)))


_Size = tuple[int, int, int]


def _cut(event: Event, size: _Size) -> Event:
    context = event.context
    length, _, members = size
    return Event(
        tenant_id=_UNSTORABLE.sub("\ufffd", event.tenant_id),
        action=_UNSTORABLE.sub("\ufffd", event.action),
        id=event.id,
        occurred_at=event.occurred_at,
        actor=_actor(event.actor),
        targets=[
            Target(_text(t.type, _MAX_LABEL) or "unknown", _text(t.id, _MAX_ID), _text(t.name, _MAX_NAME))
            for t in event.targets[:_MAX_TARGETS]
        ],
        changes={
            _key(name): Change(_side(change.from_, size), _side(change.to, size))
            for name, change in [*event.changes.items()][:members]
        },
        outcome=event.outcome,
        source=event.source,
        context=Context(
            ip_address=_text(context.ip_address, _MAX_LABEL),
            user_agent=_text(context.user_agent, length),
            request_id=_text(context.request_id, _MAX_LABEL),
            session_id=_text(context.session_id, _MAX_LABEL),
        ),
        metadata=_value(event.metadata, size),
    )


def _actor(actor: Actor) -> Actor:
    other = actor.impersonator
    return Actor(
        type=actor.type,
        id=_text(actor.id, _MAX_ID),
        name=_text(actor.name, _MAX_NAME),
        email=_text(actor.email, _MAX_NAME),
        impersonator=other
        and Impersonator(
            _text(other.id, _MAX_ID),
            _text(other.name, _MAX_NAME),
            _text(other.email, _MAX_NAME),
            _text(other.reason, _MAX_NAME),
        ),
    )


def _text(text: str | None, limit: int) -> str | None:
    if not text:
        return None
    clean = _UNSTORABLE.sub("\ufffd", text[: limit + 1])
    return clean if len(clean) <= limit else f"{clean[: limit - 1]}…"


def _key(name: object) -> str:
    return _text(str(name), _MAX_LABEL) or ""


def _side(value: Any, size: _Size) -> Any:
    return UNSET if value is UNSET else _value(value, size)


def _value(value: Any, size: _Size, depth: int = 0) -> Any:
    length, items, members = size
    match value:
        case None | bool():
            return value
        case str():
            return _text(value, length) or ""
        case int() if abs(value) <= _MAX_INTEGER:
            return value
        case float() if math.isfinite(value):
            return value
        case datetime():
            return value.isoformat()
        case Mapping() if depth < _MAX_NESTED:
            return {_key(k): _value(v, size, depth + 1) for k, v in [*value.items()][:members]}
        case list() | tuple() if depth < _MAX_NESTED:
            shown = [_value(item, size, depth + 1) for item in value[:items]]
            return shown if len(value) <= items else [*shown, f"… and {len(value) - items:,} more"]
        case set() | frozenset() if depth < _MAX_NESTED:
            return _value(sorted(value, key=str), size, depth)
    return _text(str(value), length) or ""
