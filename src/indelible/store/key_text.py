"""What an API key looks like: `ind_live_` or `ind_test_`, 40 characters of chance, and 6 of a checksum.

The checksum is the CRC-32 of all that stands before it, in base62. So a scanner that finds such a text knows whether it
is a key without asking anybody, and a key that was mistyped is refused without asking the database.
"""

import re
import secrets
import string
from typing import Final, get_args
from zlib import crc32

from indelible.settings import Environment

__all__ = ["PATTERN", "environment_of", "has_right_checksum", "hint_of", "is_well_formed", "make_key_text"]

PATTERN: Final = r"ind_(live|test)_[0-9A-Za-z]{46}"
"""Of the whole text. For scanners of secrets: see docs/keys.md."""

_BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM, _CHECKSUM, _SHOWN = 40, 6, 4

_WHOLE = re.compile(PATTERN)
_PREFIX = re.compile(r"ind_(?:live|test)_")


def make_key_text(environment: Environment) -> str:
    """A new key, of 238 bits of chance."""
    text = f"ind_{environment}_" + "".join(secrets.choice(_BASE62) for _ in range(_RANDOM))
    return text + _checksum(text)


def is_well_formed(text: str) -> bool:
    """Whether it has the shape; keys that were chosen by hand, or made by earlier versions, have another."""
    return _WHOLE.fullmatch(text) is not None


def has_right_checksum(text: str) -> bool:
    """Of a text that is well formed: whether it can be a key at all."""
    return _checksum(text[:-_CHECKSUM]) == text[-_CHECKSUM:]


def environment_of(text: str) -> Environment | None:
    """The kind of installation that a text which is well formed belongs to; None of others."""
    match = _WHOLE.fullmatch(text)
    return next((kind for kind in get_args(Environment) if match and match[1] == kind), None)


def hint_of(text: str) -> str:
    """By which people recognise it, such as `ind_live_…x7Qa`: of at least 20 characters the last 4."""
    prefix = _PREFIX.match(text)
    return f"{prefix[0] if prefix else ''}…{text[-_SHOWN:]}"


def _checksum(text: str) -> str:
    rest, digits = crc32(text.encode()), ""
    for _ in range(_CHECKSUM):
        rest, digit = divmod(rest, len(_BASE62))
        digits = _BASE62[digit] + digits
    return digits
