"""How a client is set up; checked when it is made, so that a mistake shows at start and not at the first event."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from indelible.client.errors import ConfigurationError

__all__ = ["Config", "Key"]


class Key:
    """An API key that can't be printed by accident."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Key(hidden)"

    def bearer(self) -> str:
        """The value of the Authorization header."""
        return f"Bearer {self._text}"

    def hide_in(self, text: str) -> str:
        """`text` without the key, should a server repeat it in its words."""
        return text.replace(self._text, "[key]")


@dataclass(frozen=True, slots=True)
class Config:
    """Where to, as whom, and how patiently; see `AuditLog` for the units."""

    url: str
    key: Key = field(repr=False)
    timeout: float
    retries: int
    deadline: float

    @classmethod
    def of(cls, url: str | None, key: str | None, timeout: object, retries: object, deadline: object) -> Config:
        """Raises `ConfigurationError`. What is not given comes from INDELIBLE_URL and INDELIBLE_KEY."""
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            raise ConfigurationError("retries must be a whole number, 0 or more")
        return cls(
            _url(url or os.environ.get("INDELIBLE_URL", "")),
            _key(key or os.environ.get("INDELIBLE_KEY", "")),
            _seconds("timeout", timeout),
            retries,
            _seconds("deadline", deadline),
        )


def _url(text: str) -> str:
    text = text.strip()
    if not text:
        raise ConfigurationError(
            "no address: give AuditLog the url of the service, or set INDELIBLE_URL (such as http://127.0.0.1:8750)"
        )
    # Imported only now, as in the clients.
    import httpx

    try:
        # Each of the parsers lets something pass that would fail at the first event: ports, empty labels, bad IPv6.
        parts = urlsplit(text)
        host = httpx.URL(text).host and (parts.hostname or "").encode("idna")
        named = host and parts.scheme in ("http", "https") and parts.port != 0
    except (ValueError, httpx.InvalidURL):
        named = False
    if not named or re.search(r"[^!-~]", text):
        raise ConfigurationError("the url must be like https://audit.example.com or http://127.0.0.1:8750")
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigurationError("the url must have no user, query or fragment; the key goes into key=")
    return text.rstrip("/")


def _key(text: str) -> Key:
    # A key read from a file brings the file's last line break along.
    text = text.strip()
    if not text:
        raise ConfigurationError("no key: give AuditLog key=, or set INDELIBLE_KEY")
    if re.search(r"[^!-~]", text):
        raise ConfigurationError("the key holds a space, a line break or a character that no key has")
    return Key(text)


def _seconds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ConfigurationError(f"{name} must be a number of seconds, more than 0")
    return float(value)
