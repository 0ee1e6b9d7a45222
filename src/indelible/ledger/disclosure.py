"""Disclosures (SD-JWT, RFC 9901 section 4.2): the salted parts of an event that can be erased one by one.

A disclosure is kept as the UTF-8 JSON `[salt, name, value]`; its text is base64url of that JSON and its
digest base64url of SHA-256 of that text. An entry carries the digests, so it verifies with or without them.
"""

import json
import re
from hashlib import sha256
from typing import Any

from indelible.ledger import base64url

__all__ = [
    "GROUPS",
    "MAX_DEPTH",
    "SALT_BYTES",
    "Disclosure",
    "digest",
    "disclose",
    "open_disclosure",
    "open_text",
    "text",
    "text_digest",
]

GROUPS = ("actor", "changes", "context", "metadata", "targets")
"""The groups of an event that are disclosed, at most one disclosure each."""

SALT_BYTES = 16

MAX_DEPTH = 68
"""Arrays and objects within one another, the disclosure's own array among them.

The service takes 65 in `from` or `to` of a change, which is in an object, in an object, in that array.
"""

Disclosure = bytes
"""The JSON of a disclosure, exactly as its digest was made from it."""


def disclose(name: str, value: bytes, salt: bytes) -> Disclosure:
    """The disclosure of `value` (JSON, UTF-8) under `name`. `salt` is 16 random bytes, used once."""
    return b'["%s","%s",%s]' % (base64url.to_bytes(salt), name.encode(), value)


def text(disclosure: Disclosure) -> str:
    """What SD-JWT calls the disclosure: base64url of the JSON."""
    return base64url.encode(disclosure)


def digest(disclosure: Disclosure) -> str:
    """What an entry's `_sd` holds of it."""
    return text_digest(base64url.to_bytes(disclosure))


def text_digest(text: bytes) -> str:
    """The same of the disclosure's text, as ASCII."""
    return base64url.encode(sha256(text).digest())


def open_disclosure(disclosure: Disclosure) -> tuple[str, Any]:
    """Its name and value. Raises `ValueError` for anything but `[salt, name, value]`."""
    try:
        match json.loads(disclosure.decode()):
            case [str(), str() as name, value]:
                return name, value
    except RecursionError:
        pass
    raise ValueError("a disclosure is a JSON array of salt, name and value")


def open_text(text: bytes) -> tuple[str, Any]:
    """The name and value of the disclosure of this text (ASCII).

    Raises `ValueError` unless it is canonical base64url of what `disclose` writes: a salt, a name, and a value that is
    JSON, no deeper than `MAX_DEPTH`.
    """
    try:
        found = base64url.from_bytes(text).decode()
        head = _HEAD.match(found)
        if head is not None and not (len(found) > _FLAT and _is_too_deep(found)):
            value, end = _scan(found, head.end())
            if found[end:] == "]":
                return head[1], value
    except (ValueError, RecursionError, StopIteration):
        pass
    raise ValueError("a disclosure is base64url of a JSON array of salt, name and value")


def _is_too_deep(text: str) -> bool:
    """Of a JSON text; of any other text it may say anything."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for token in _NESTING.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif token[0] in "]}":
            depth -= 1
    return False


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


# A salt of 16 bytes: the last character has four bits to spare.
_HEAD = re.compile(r'\["[A-Za-z0-9_-]{21}[AQgw]","([^"\\]*)",')
_FLAT = 2 * MAX_DEPTH  # a text that is no longer has no room for so many pairs of brackets
_NESTING = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[][{}]', re.DOTALL)  # what is in a string does not count
# Not json.loads: a verifier opens three disclosures an entry, and half of that time went by around the scanner.
_scan = json.JSONDecoder(parse_constant=_refuse).scan_once  # type: ignore[attr-defined]  # typeshed lacks it
