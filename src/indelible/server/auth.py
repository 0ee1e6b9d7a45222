"""API keys: texts of which only a hash is kept, looked up once and then remembered."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256

from indelible.server.memory import Memory
from indelible.server.strangers import Strangers
from indelible.settings import Environment
from indelible.store.key_text import environment_of, has_right_checksum, is_well_formed
from indelible.store.keys import Key, find_key
from indelible.store.session import Database

__all__ = ["BadKey", "Keyring", "bearer"]

_MAX_KNOWN = 10_000

# What INDELIBLE_ADMIN_KEY can be, and older keys were. Of other texts nobody needs to ask.
_KEY = re.compile(r"[!-~]{20,4096}")


class BadKey(Exception):
    """The key opens nothing; the message says why, and does not quote it."""

    def __init__(self, detail: str, key: Key | None = None) -> None:
        super().__init__(detail)
        self.key = key
        """It, where it is one of ours that was good once."""


class Keyring:
    def __init__(self, database: Database, memory: Memory, environment: Environment) -> None:
        self._database = database
        self._memory = memory
        self._environment = environment
        self._keys: dict[bytes, Key] = memory.shelf()
        # Hashes of keys that were found here, whatever the epoch: whoever has one is no stranger.
        self._known: dict[bytes, None] = {}
        self._strangers = Strangers()

    async def find(self, text: str, address: str | None) -> Key:
        """The key, which is good now. `address` is whose it is who sends it.

        Raises `BadKey`, `Problem` 429 for too many that are not known here, and `StoreUnavailable`.
        """
        if is_well_formed(text):
            if not has_right_checksum(text):
                raise BadKey("the key's last characters do not fit the rest: it is cut short, or was mistyped")
            if (kind := environment_of(text)) != self._environment:
                raise BadKey(f"the key is for a {kind} installation, and this one is for {self._environment}")
        elif not _KEY.fullmatch(text):
            raise BadKey(_UNKNOWN)
        name = sha256(text.encode("ascii")).digest()
        key = await self._memory.get(self._keys, name, lambda: self._look_up(text, name, address))
        if key is None:
            raise BadKey(_UNKNOWN)
        if key.revoked_at is not None:
            raise BadKey(f"the key {key.name!r} was revoked on {_day(key.revoked_at)}", key)
        if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
            raise BadKey(f"the key {key.name!r} expired on {_day(key.expires_at)}", key)
        return key

    async def _look_up(self, text: str, name: bytes, address: str | None) -> Key | None:
        is_known = name in self._known
        if not is_known:
            self._strangers.try_one(address)
        key = await find_key(self._database, text)
        if key is None:
            self._known.pop(name, None)
        elif not is_known:
            self._strangers.was_known(address)
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[name] = None
        return key


_UNKNOWN = "the key is not known here; check that it is whole, and of this installation"


def bearer(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """What the one header `Authorization` bears (RFC 6750 section 2.1); "" where it is not one, None without any.

    `headers` are ASGI's: lower-case names, bytes.
    """
    values = [value for name, value in headers if name == b"authorization"]
    if not values:
        return None
    scheme, _, secret = values[0].partition(b" ")
    return secret.strip().decode("latin-1") if len(values) == 1 and scheme.lower() == b"bearer" else ""


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d at %H:%M} UTC"
