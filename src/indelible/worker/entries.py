"""What the signer itself records in a ledger, through the one way in."""

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

import structlog

from indelible.event import Actor, Change, Event
from indelible.ledger.note import Verifier
from indelible.ledger.signing import SigningKey
from indelible.store.access import find_own
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.errors import IdConflict, StoreUnavailable
from indelible.store.sealing import prepare
from indelible.store.session import Database
from indelible.worker.refusal import Refused

__all__ = ["Entries"]

_log = structlog.get_logger()

_ATTEMPTS = 3


class Entries:
    """Each is made once, whichever process comes across the occasion: its id follows from that and from `key`."""

    def __init__(self, database: Database, rules: Rules, key: SigningKey) -> None:
        self._database = database
        self._catalog = rules.catalog
        # A ledger that is gone must not be opened anew under another name.
        self._appender = Appender(database, replace(rules, auto_tenants=False))
        self._key = key

    async def announce(self, tenant: str, verifier: Verifier, before: bytes, occasion: str) -> None:
        """Records that `verifier` signs from now on, and before it the key with the id `before`.

        Once on each `occasion`, however often it is called. Raises `StoreUnavailable` or `psycopg.Error`.
        """
        event = Event(
            tenant_id=tenant,
            action="ledger.key_rotated",
            actor=Actor(type="system"),
            source="background",
            changes={"key_id": Change(from_=before.hex(), to=verifier.key_id.hex())},
            metadata={"vkey": str(verifier)},
        )
        await self._append(event, verifier.name, verifier.key_id.hex(), occasion)

    async def record_incident(self, tenant: str, refused: Refused) -> None:
        """Records in the ledger that it is not signed any more, and why.

        Once, however often it is called. Raises `StoreUnavailable` or `psycopg.Error`.
        """
        event = Event(
            tenant_id=tenant,
            action="ledger.incident",
            actor=Actor(type="system"),
            source="background",
            outcome="failure",
            metadata={"kind": refused.kind, "reason": refused.what, "size": refused.entries},
        )
        await self._append(event, refused.origin, str(refused.size), refused.kind)

    async def _append(self, event: Event, *occasion: str) -> None:
        for attempt in range(_ATTEMPTS):
            event.id = _derived_id(self._key, event.action, *occasion, str(attempt))
            (answer,) = await self._appender.commit([prepare(event, self._catalog, now=datetime.now(UTC))], again=True)
            if not isinstance(answer, IdConflict) or await find_own(
                self._database, event.tenant_id, [event.id], event.action
            ):
                return
            _log.error("somebody took the id of an entry of ours", tenant=event.tenant_id, id=str(event.id))
        raise StoreUnavailable(f"{event.action} cannot be recorded: its ids are taken")


def _derived_id(key: SigningKey, *occasion: str) -> UUID:
    """A UUIDv8 (RFC 9562 section 5.8) that nobody without the key can tell in advance, and take.

    It follows from a signature, which Ed25519 makes the same each time (RFC 8032 section 5.1.6). What is signed can be
    no checkpoint: it begins with a NUL.
    """
    signature = key.sign(b"\0indelible/id@v1\n" + "\n".join(occasion).encode())
    value = int.from_bytes(sha256(signature).digest()[:16])
    return UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 0x8 << 76 | 0x2 << 62)
