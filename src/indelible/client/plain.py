"""Python values as JSON has them: what `metadata` and `changes` may hold.

| value                                   | becomes                                                    |
|-----------------------------------------|------------------------------------------------------------|
| None, bool, str, int, finite float      | itself; an int beyond ±(2^53-1) a string, for JavaScript   |
| UUID, Decimal, IP address, path         | its text                                                   |
| datetime, date, time                    | ISO 8601                                                   |
| timedelta                               | ISO 8601 duration                                          |
| Enum                                    | its value                                                  |
| mapping                                 | object; keys str, int, UUID or Enum                        |
| list, tuple                             | array                                                      |
| set, frozenset                          | array, sorted, so that the same set makes the same event   |
| Actor, Target, Change, Context          | their fields                                               |

Anything else is refused. Objects are on purpose: an ORM row poured into a log takes its secrets along.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from pathlib import PurePath
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct

from indelible.client.errors import InvalidEventError
from indelible.event import Actor, Change, Context, FieldError, Impersonator, Target

__all__ = ["Json", "escape", "given", "plain", "refusal"]

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None

MAX_DEPTH = 64
"""Deeper values are refused: nobody reads them, and a value that contains itself has no end."""

_SAFE_INTEGER = 2**53 - 1
_AS_TEXT = (UUID, Decimal, IPv4Address, IPv6Address, PurePath)


def plain(value: object, pointer: str, depth: int = 0) -> Json:
    """`value` as JSON has it. Raises `InvalidEventError` with the pointer of what JSON has no place for."""
    if depth > MAX_DEPTH:
        raise refusal(pointer, f"is nested more than {MAX_DEPTH} deep, or contains itself")
    match value:
        # What is frequent comes first. An Enum that is also a str or int is its value as one.
        case None | bool():
            return value
        case str():
            return _text(value, pointer)
        case int():
            return _integer(value, pointer)
        case float():
            if not math.isfinite(value):
                raise refusal(pointer, f"is {value}, which JSON can't hold; leave it out or send it as text")
            return float(value)
        case dict():
            return _object(value, pointer, depth)
        case list() | tuple():
            return [plain(item, f"{pointer}/{index}", depth + 1) for index, item in enumerate(value)]
        case Actor() | Impersonator() | Target() | Change() | Context():
            return _object(given(value), pointer, depth)
        case Enum():
            return plain(value.value, pointer, depth + 1)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            # A subclass (such as pendulum's) is none to msgspec.
            return str(msgspec.to_builtins(timedelta(value.days, value.seconds, value.microseconds)))
        case _ if isinstance(value, _AS_TEXT):
            return _text(str(value), pointer)
        case Mapping():
            return _object(value, pointer, depth)
        case set() | frozenset():
            return sorted((plain(item, pointer, depth + 1) for item in value), key=msgspec.json.encode)
        case bytes() | bytearray() | memoryview():
            raise refusal(pointer, "is bytes; send text instead: .decode() or .hex()")
        case _:
            kind = type(value).__name__
            raise refusal(pointer, f"is an object of type {kind}; name the fields of it that belong in the log")


def given(value: Struct) -> dict[str, object]:
    """What was given of a struct of the event model, under the names that it has in JSON."""
    pairs = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
    fields = {name: getattr(value, attribute) for name, attribute in pairs}
    return {name: item for name, item in fields.items() if item is not UNSET}


def escape(name: str) -> str:
    """`name` as one step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def refusal(pointer: str, detail: str) -> InvalidEventError:
    """The error that says what is wrong with the field at `pointer`."""
    pointer = pointer.encode(errors="backslashreplace").decode()
    return InvalidEventError(f"{pointer or 'event'}: {detail}", errors=(FieldError(pointer, detail),))


def _text(value: str, pointer: str) -> str:
    text = str.__str__(value)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        raise refusal(pointer, "holds half of a surrogate pair, which is no character") from None
    return text


def _integer(value: int, pointer: str) -> int | str:
    if -_SAFE_INTEGER <= value <= _SAFE_INTEGER:
        return int(value)
    try:
        return int.__str__(value)
    except ValueError:
        raise refusal(pointer, "is an integer of thousands of digits") from None


def _object(value: Mapping[object, object] | Mapping[str, object], pointer: str, depth: int) -> dict[str, Json]:
    result: dict[str, Json] = {}
    for key, item in value.items():
        name = _key(key, pointer)
        if name in result:
            raise refusal(pointer, f"has two keys that become {name!r} in JSON")
        result[name] = plain(item, f"{pointer}/{escape(name)}", depth + 1)
    return result


def _key(key: object, pointer: str) -> str:
    name = key.value if isinstance(key, Enum) else key
    if isinstance(name, (str, int, UUID)) and not isinstance(name, bool):
        return str(plain(name, pointer))
    raise refusal(pointer, f"has a key of type {type(key).__name__}; keys must be text")
