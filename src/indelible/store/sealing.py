"""From an event to what is sealed of it, and back.

What can identify a person goes into disclosures, one a group; all else into the entry.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from indelible.catalog import Catalog
from indelible.event import Actor, Change, Context, Event, Impersonator, Target
from indelible.ledger import base64url, entry
from indelible.ledger.disclosure import GROUPS, SALT_BYTES, Disclosure, digest, disclose, open_disclosure
from indelible.ledger.entry import Entry, Subject, Unsealed
from indelible.ledger.tree import leaf_hash
from indelible.store.view import Part
from indelible.store.words import search_vector

__all__ = ["Prepared", "Record", "is_time_ordered", "leaf_text", "made_at", "prepare", "read", "stand_in", "uuid7"]

_json = msgspec.json.Encoder()
_stable_json = msgspec.json.Encoder(order="sorted")


class Prepared(NamedTuple):
    """An event on its way into the ledger: everything that can be computed before the ledger is locked."""

    event: Event
    id: UUID
    id_given: bool
    occurred_at: datetime
    category: str | None
    operation: str | None
    unsealed: Unsealed
    disclosures: Mapping[str, Disclosure]
    fingerprint: bytes
    search: bytes
    """The words that it is found by, as a tsvector; see `store.words`."""
    names: Collection[str]
    """Those of them that are words of names."""


def prepare(event: Event, catalog: Catalog, *, now: datetime) -> Prepared:
    """`event` comes from `event.parse`. `now` is its time where it has none, and that of the id it then gets."""
    spec = catalog.get(event.action)
    category, operation = (spec.category, spec.operation) if spec else (None, None)
    event_id = event.id or uuid7(now)
    occurred_at = event.occurred_at or now.replace(microsecond=now.microsecond // 1000 * 1000)
    disclosures = _disclosures(event)
    search, names = search_vector(event, disclosures)
    return Prepared(
        event=event,
        id=event_id,
        id_given=event.id is not None,
        occurred_at=occurred_at,
        category=category,
        operation=operation,
        unsealed=entry.unsealed(
            id=str(event_id),
            action=event.action,
            actor=Subject(event.actor.type, event.actor.id),
            targets=[Subject(t.type, t.id) for t in event.targets],
            category=category,
            operation=operation,
            outcome=event.outcome,
            source=event.source,
            occurred_at=occurred_at,
            digests=map(digest, disclosures.values()),
        ),
        disclosures=disclosures,
        fingerprint=sha256(_stable_json.encode(event)).digest()[:16],
        search=search,
        names=names,
    )


def uuid7(now: datetime) -> UUID:
    """A UUIDv7 (RFC 9562 section 5.7) of the time `now`."""
    milliseconds = int(now.timestamp() * 1000)
    value = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10))
    return UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62)


_LAST_MILLISECOND = 253_402_300_799_999  # of the year 9999, beyond which there are ids but no datetimes


def is_time_ordered(event_id: UUID) -> bool:
    """Whether the id is a UUIDv7, which tells when it was made."""
    return event_id.int >> 76 & 0xF == 7 and event_id.int >> 62 & 0x3 == 2


def made_at(event_id: UUID) -> datetime:
    """When a UUIDv7 was made; of later years than there are, the end of the last."""
    return datetime.fromtimestamp(min(event_id.int >> 80, _LAST_MILLISECOND) / 1000, UTC)


def _disclosures(event: Event) -> dict[str, Disclosure]:
    values: dict[str, object] = {}
    actor = event.actor
    if actor.name is not None or actor.email is not None or actor.impersonator is not None:
        values["actor"] = {
            name: value
            for name, value in (("email", actor.email), ("impersonator", actor.impersonator), ("name", actor.name))
            if value is not None
        }
    if event.changes:
        values["changes"] = event.changes
    if event.context != _NO_CONTEXT:
        values["context"] = event.context
    if event.metadata:
        values["metadata"] = event.metadata
    if any(target.name is not None for target in event.targets):
        values["targets"] = [target.name for target in event.targets]
    salts = os.urandom(SALT_BYTES * len(values))
    return {
        name: disclose(name, _json.encode(value), salts[i * SALT_BYTES : (i + 1) * SALT_BYTES])
        for i, (name, value) in enumerate(values.items())
    }


_NO_CONTEXT = Context()


@dataclass(frozen=True, slots=True)
class Record:
    """An event as it was sealed, read from its entry and those of its disclosures that are still there and fit."""

    event: Event
    seq: int
    recorded_at: datetime
    leaf_hash: bytes
    entry: bytes
    category: str | None
    operation: str | None
    disclosures: tuple[Disclosure, ...]
    altered: tuple[str, ...]
    """What does not fit the hashes: "entry", or names of groups, whose values are then left out of `event`."""
    erased: Mapping[str, int] = field(default_factory=dict)
    """Of each group that was erased the number of the entry that recorded it."""
    withheld: tuple[Part, ...] = ()
    """What was left out because its reader is not shown it; see `withhold`."""


def read(
    tenant: str, data: bytes, stored_leaf: bytes, disclosures: Iterable[Disclosure], erased: object = None
) -> Record:
    """What was sealed, and what of it no longer fits its hash. `erased` is what the column of this name holds.

    Raises `ValueError`, `TypeError`, `LookupError` or `AttributeError` where that cannot be told any more: `data` is no
    entry, or somebody replaced it and what it discloses by something else.
    """
    sealed = entry.parse(data)
    leaf = leaf_hash(data)
    altered = [] if leaf == stored_leaf else ["entry"]
    kept: dict[str, Any] = {}
    verbatim = []
    for disclosure in disclosures:
        name, value = _open(disclosure)
        if digest(disclosure) in sealed.digests:
            kept[name] = value
            verbatim.append(disclosure)
        else:
            altered.append(name)
    return Record(
        event=_event(tenant, sealed, kept),
        seq=sealed.seq,
        recorded_at=datetime.fromisoformat(sealed.recorded_at),
        leaf_hash=leaf,
        entry=data,
        category=sealed.category,
        operation=sealed.operation,
        disclosures=tuple(verbatim),
        altered=tuple(altered),
        erased=_erased(erased),
    )


def _erased(column: object) -> dict[str, int]:
    # Whoever writes something else into it must not hide the event.
    if not isinstance(column, dict):
        return {}
    return {group: seq for group, seq in sorted(column.items()) if group in GROUPS and type(seq) is int}


def stand_in(
    tenant: str, data: bytes, stored_leaf: bytes, seq: int, occurred_at: datetime, columns: Mapping[str, Any]
) -> Record:
    """An entry that cannot be read any more, as far as the columns that it was found by tell."""
    return Record(
        event=Event(
            id=columns["id"],
            tenant_id=tenant,
            action=columns["action"],
            occurred_at=occurred_at.astimezone(UTC),
            actor=Actor(type=columns["actor_type"], id=columns["actor_id"]),
            outcome=columns["outcome"],
            source=columns["source"],
        ),
        seq=seq,
        recorded_at=columns["recorded_at"].astimezone(UTC),
        leaf_hash=stored_leaf,
        entry=data,
        category=columns["category"],
        operation=columns["operation"],
        disclosures=(),
        altered=("entry",),
    )


def _open(disclosure: Disclosure) -> tuple[str, Any]:
    try:
        return open_disclosure(disclosure)
    except ValueError:
        return "disclosure", None


def _event(tenant: str, sealed: Entry, kept: Mapping[str, Any]) -> Event:
    actor: dict[str, Any] = kept.get("actor", {})
    impersonator = actor.get("impersonator")
    names = kept.get("targets", [None] * len(sealed.targets))
    return Event(
        id=UUID(sealed.id),
        tenant_id=tenant,
        action=sealed.action,
        occurred_at=datetime.fromisoformat(sealed.occurred_at).astimezone(UTC),
        actor=Actor(
            type=sealed.actor.type,  # type: ignore[arg-type]
            id=sealed.actor.id,
            name=actor.get("name"),
            email=actor.get("email"),
            impersonator=Impersonator(**impersonator) if impersonator else None,
        ),
        targets=[Target(type=t.type, id=t.id, name=n) for t, n in zip(sealed.targets, names, strict=True)],
        changes={k: msgspec.convert(v, Change) for k, v in kept.get("changes", {}).items()},
        outcome=sealed.outcome,  # type: ignore[arg-type]
        source=sealed.source,  # type: ignore[arg-type]
        context=Context(**kept.get("context", {})),
        metadata=kept.get("metadata", {}),
    )


def leaf_text(leaf: bytes) -> str:
    """A hash as entries and answers write it."""
    return base64url.encode(leaf)
