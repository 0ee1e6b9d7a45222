"""Canonical JSON: the restriction of RFC 8785 that entries are written in.

Objects with ASCII keys `[a-z0-9_.]+`, arrays, strings, integers within ±(2^53-1), booleans and null.
With such keys the order of code points is that of UTF-16 units, and without floats no number formatting
is left to choose, so Python's own encoder writes RFC 8785.
"""

import json
import re
from typing import TypeGuard

__all__ = ["MAX_INTEGER", "Json", "NotCanonical", "encode", "parse"]

Json = dict[str, "Json"] | list["Json"] | str | int | bool | None

MAX_INTEGER = 2**53 - 1

_KEY = re.compile(r"[a-z0-9_.]+", re.ASCII)
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode


class NotCanonical(ValueError):
    """The bytes, or the value, are not canonical JSON."""


def encode(value: Json) -> bytes:
    """The one spelling of `value`. Raises `NotCanonical` where it has none."""
    if not _is_restricted(value):
        raise NotCanonical("beyond canonical JSON, which has no place for a key, number or type in it")
    try:
        return _encode(value).encode()
    except UnicodeEncodeError:
        raise NotCanonical("not text: it holds a lone surrogate") from None


def parse(data: bytes) -> Json:
    """The value that `data` spells. Raises `NotCanonical` for anything that `encode` would not have written.

    Comparing with what `encode` writes also refuses what parsers differ on: duplicate keys (only the last
    one would come back), other orders, escapes and spaces.
    """
    try:
        value: Json = json.loads(data.decode())
        is_canonical = encode(value) == data
    except NotCanonical:
        raise
    except (ValueError, RecursionError) as error:
        raise NotCanonical(f"not JSON in UTF-8: {error}") from None
    if not is_canonical:
        raise NotCanonical("not in canonical form: its keys, spaces, escapes or numbers are written otherwise")
    return value


def _is_restricted(value: object) -> TypeGuard[Json]:
    match value:
        case None | bool() | str():
            return True
        case int():
            return -MAX_INTEGER <= value <= MAX_INTEGER
        case list():
            return all(map(_is_restricted, value))
        case dict():
            return all(isinstance(k, str) and _KEY.fullmatch(k) for k in value) and all(
                map(_is_restricted, value.values())
            )
        case _:
            return False
