"""What the signer itself records in a ledger, through the one way in."""

from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

from indelible.catalog import Catalog
from indelible.event import Actor, Change, Event
from indelible.ledger.note import Verifier
from indelible.store.appender import Appender
from indelible.store.sealing import prepare
from indelible.worker.refusal import Refused

__all__ = ["announce", "record_incident"]


async def announce(
    appender: Appender, catalog: Catalog, tenant: str, verifier: Verifier, before: bytes, occasion: str
) -> None:
    """Records that `verifier` signs from now on, and before it the key with the id `before`.

    Once on each `occasion`, however often it is called. Raises `StoreUnavailable` or `psycopg.Error`.
    """
    event = Event(
        id=_derived_id("ledger.key_rotated", verifier.name, verifier.key_id.hex(), occasion),
        tenant_id=tenant,
        action="ledger.key_rotated",
        actor=Actor(type="system"),
        source="background",
        changes={"key_id": Change(from_=before.hex(), to=verifier.key_id.hex())},
        metadata={"vkey": str(verifier)},
    )
    await _append(appender, catalog, event)


async def record_incident(appender: Appender, catalog: Catalog, tenant: str, refused: Refused) -> None:
    """Records in the ledger that it is not signed any more, and why.

    Once, however often it is called. Raises `StoreUnavailable` or `psycopg.Error`.
    """
    event = Event(
        id=_derived_id("ledger.incident", refused.origin, str(refused.size), refused.kind),
        tenant_id=tenant,
        action="ledger.incident",
        actor=Actor(type="system"),
        source="background",
        outcome="failure",
        metadata={"kind": refused.kind, "reason": refused.what, "size": refused.entries},
    )
    await _append(appender, catalog, event)


async def _append(appender: Appender, catalog: Catalog, event: Event) -> None:
    # An answer that it was refused means that there is one under this id already.
    await appender.commit([prepare(event, catalog, now=datetime.now(UTC))], again=True)


def _derived_id(*parts: str) -> UUID:
    """A UUIDv8 (RFC 9562 section 5.8): the same one for the same occasion, whichever process comes across it."""
    value = int.from_bytes(sha256("\n".join(parts).encode()).digest()[:16])
    return UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 0x8 << 76 | 0x2 << 62)
