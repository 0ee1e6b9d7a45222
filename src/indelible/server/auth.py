"""Who calls: bearer keys (RFC 6750), never in a URL."""

import asyncio
from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from indelible.server.problems import Problem
from indelible.store.errors import StoreUnavailable
from indelible.store.keys import Key, find_key
from indelible.store.session import Database

__all__ = ["Keyring"]

_KEEP = 10.0
"""Seconds that a key which was found is believed in, without asking PostgreSQL again."""

_GRACE = 60.0
"""Seconds since PostgreSQL last knew it that it is believed in while PostgreSQL cannot be asked."""

_MAX_KEPT = 10_000


class Keyring:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: dict[bytes, _Kept] = {}

    async def authenticate(self, headers: Iterable[tuple[bytes, bytes]], scope: str) -> Key:
        """The caller's key, which has `scope`. `headers` are ASGI's: lower-case names, bytes.

        Raises `Problem` 401 or 403, and `StoreUnavailable`.
        """
        secret = _bearer(headers)
        now = asyncio.get_running_loop().time()
        name = sha256(secret).digest()
        kept = self._kept.get(name)
        if kept is None or kept.ask_after < now:
            kept = await self._ask(secret, kept, now)
            if len(self._kept) >= _MAX_KEPT:
                self._kept.clear()
            self._kept[name] = kept
        key = kept.key
        if scope not in key.scopes:
            raise Problem(403, "missing_scope", f"the key {key.name!r} lacks the scope {scope}")
        return key

    async def _ask(self, secret: bytes, kept: "_Kept | None", now: float) -> "_Kept":
        try:
            key = await find_key(self._database, secret.decode("latin-1"))
        except StoreUnavailable:
            # Nobody can say; what was true a moment ago is taken for true, and no longer for having been asked again.
            if kept is None or kept.known_at + _GRACE < now:
                raise
            return kept._replace(ask_after=now + _KEEP)
        if key is None:
            self._kept.pop(sha256(secret).digest(), None)
            raise _unauthorized("the key is not known here; check that it is whole, and of this installation")
        return _Kept(key, known_at=now, ask_after=now + _KEEP)


class _Kept(NamedTuple):
    key: Key
    known_at: float
    """When PostgreSQL last knew it."""
    ask_after: float


def _bearer(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    values = [value for name, value in headers if name == b"authorization"]
    if not values:
        raise _unauthorized("send your key in the header Authorization: Bearer ind_…")
    scheme, _, secret = values[0].partition(b" ")
    secret = secret.strip()
    if len(values) > 1 or scheme.lower() != b"bearer" or not secret:
        raise _unauthorized("the header must read Authorization: Bearer ind_…, once")
    return secret


def _unauthorized(detail: str) -> Problem:
    return Problem(401, "unauthorized", detail, headers={"www-authenticate": 'Bearer realm="indelible"'})
