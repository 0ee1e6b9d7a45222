"""Disclosures (SD-JWT, RFC 9901 section 4.2): the salted parts of an event that can be erased one by one.

A disclosure is kept as the UTF-8 JSON `[salt, name, value]`; its text is base64url of that JSON and its
digest base64url of SHA-256 of that text. An entry carries the digests, so it verifies with or without them.
"""

import json
from hashlib import sha256
from typing import Any

from indelible.ledger import base64url

__all__ = ["GROUPS", "SALT_BYTES", "Disclosure", "digest", "disclose", "open_disclosure", "text"]

GROUPS = ("actor", "changes", "context", "metadata", "targets")
"""The groups of an event that are disclosed, at most one disclosure each."""

SALT_BYTES = 16

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
    return base64url.encode(sha256(base64url.to_bytes(disclosure)).digest())


def open_disclosure(disclosure: Disclosure) -> tuple[str, Any]:
    """Its name and value. Raises `ValueError` for anything but `[salt, name, value]`."""
    try:
        match json.loads(disclosure.decode()):
            case [str(), str() as name, value]:
                return name, value
    except RecursionError:
        pass
    raise ValueError("a disclosure is a JSON array of salt, name and value")
