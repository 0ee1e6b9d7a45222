"""Cursors: places in a tenant's timeline, as text that nobody makes up and nobody moves to another tenant."""

import hmac
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from indelible.ledger import base64url
from indelible.store.places import Place

__all__ = ["BadCursor", "Cursor", "Cursors"]

_VERSION: Final = 1
_PURPOSE: Final = b"indelible timeline cursor"
_PAYLOAD: Final = struct.Struct(">BBqq")
"""Version, direction (1: newer), microseconds since 1970, number in the ledger."""
_MAC_BYTES: Final = 16
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class BadCursor(ValueError):
    """The text is no cursor of this installation for this tenant."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where to go on, and whether to what is newer or to what is older."""

    place: Place
    newer: bool = False


class Cursors:
    """Writes and reads the cursors of one installation, whose `secret` signs them."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, _PURPOSE, "sha256")

    def write(self, cursor: Cursor, tenant: str) -> str:
        micros = (cursor.place.occurred_at - _EPOCH) // timedelta(microseconds=1)
        payload = _PAYLOAD.pack(_VERSION, cursor.newer, micros, cursor.place.seq)
        return base64url.encode(payload + self._mac(tenant, payload))

    def read(self, text: str, tenant: str | None) -> Cursor:
        """Where the tenant is None, because it is not known, only whether it may be a cursor. Raises `BadCursor`."""
        try:
            found = base64url.decode(text)
            payload, mac = found[: _PAYLOAD.size], found[_PAYLOAD.size :]
            version, newer, micros, seq = _PAYLOAD.unpack(payload)
            if len(mac) != _MAC_BYTES or version != _VERSION or newer not in (0, 1):
                raise ValueError("not as it is written here")
            if tenant is not None and not hmac.compare_digest(mac, self._mac(tenant, payload)):
                raise ValueError("not signed here for this tenant")
            return Cursor(Place(_EPOCH + timedelta(microseconds=micros), seq), bool(newer))
        except (ValueError, OverflowError, struct.error):
            raise BadCursor("take it from next_cursor or prev_cursor of the page before, unchanged") from None

    def _mac(self, tenant: str, payload: bytes) -> bytes:
        # The payload's length is fixed: no other tenant's name goes over into it.
        return hmac.digest(self._key, tenant.encode() + payload, "sha256")[:_MAC_BYTES]
