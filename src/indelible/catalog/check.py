"""Strict mode: does an event keep what its action declares?"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import TypeGuard

from msgspec import UNSET

from indelible.catalog.reader import did_you_mean
from indelible.catalog.spec import ActionSpec, FieldSpec
from indelible.event import MASK, Event, FieldError

__all__ = ["check_event", "closest"]

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d\d:\d\d))?", re.ASCII)
_ARTICLES = {"integer": "an integer", "timestamp": "a time such as 2026-11-21T09:30:00Z, or a date"}


def closest(action: str, known: Iterable[str]) -> str:
    """ " (did you mean 'user.signed_in'?)", and what to do otherwise."""
    return f"{did_you_mean(action, known)}; declare it in the file that INDELIBLE_CATALOG names"


def check_event(spec: ActionSpec, event: Event) -> list[FieldError]:
    """Where the event's metadata and changes break the fields of `spec`. Fields not declared are free."""
    errors: list[FieldError] = []
    for name, field in spec.metadata.items():
        value = event.metadata.get(name)
        if value is not None:
            errors.extend(_wrong(f"/metadata/{name}", value, field))
        elif field.required:
            errors.append(FieldError(f"/metadata/{name}", f"is required for {spec.name}: {field.description}"))
    for name, field in spec.changes.items():
        change = event.changes.get(name)
        if change is not None:
            for side, value in (("from", change.from_), ("to", change.to)):
                if value is not UNSET and value is not None:
                    errors.extend(_wrong(f"/changes/{name}/{side}", value, field))
        elif field.required:
            errors.append(FieldError(f"/changes/{name}", f"is required for {spec.name}: {field.description}"))
    return errors


def _wrong(pointer: str, value: object, field: FieldSpec) -> list[FieldError]:
    if value == MASK:
        return []  # Its type is gone with its content.
    if not _fits(value, field.type):
        return [FieldError(pointer, f"must be {_ARTICLES.get(field.type, f'a {field.type}')}, not {_shown(value)}")]
    if field.values:
        items = value if _is_list(value) else [value]
        for item in items:
            if item not in field.values:
                return [FieldError(pointer, f"must be one of {', '.join(field.values)}, not {_shown(item)}")]
    return []


def _fits(value: object, kind: str) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "timestamp":
            return isinstance(value, str) and _is_time(value)
        case "list":
            return _is_list(value) and all(isinstance(item, str | int | float) for item in value)
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


def _is_time(value: str) -> bool:
    if not _TIMESTAMP.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value.upper())
    except ValueError:
        return False
    return True


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:59]}…"
