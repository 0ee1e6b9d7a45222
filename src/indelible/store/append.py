"""Appending: the one way into a ledger. One call is one transaction's work, of any number of tenants."""

import asyncio
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple, cast
from uuid import UUID

import psycopg

from indelible.catalog import Catalog
from indelible.event import Actor, Event, InvalidEvent, Target
from indelible.ledger import base64url, entry
from indelible.ledger.disclosure import GROUPS
from indelible.ledger.entry import Subject
from indelible.ledger.tree import Frontier, Subtree, leaf_hash
from indelible.store.errors import IdConflict, UnknownTenant
from indelible.store.sealing import Prepared, is_time_ordered, made_at, prepare
from indelible.store.session import Connection
from indelible.store.words import listed

__all__ = ["MissingMonth", "Receipt", "Repeated", "Rules", "append", "ensure_month", "open_ledger"]


class Receipt(NamedTuple):
    """What an appended event got."""

    id: UUID
    seq: int
    recorded_at: datetime
    leaf_hash: bytes
    created: bool
    """False where the ledger had the event already, from an earlier attempt."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How ledgers are made. `catalog` describes the entry that opens one; `host` is in its origin."""

    catalog: Catalog
    host: str = "indelible.local"
    auto_tenants: bool = True


class MissingMonth(Exception):
    """There is no partition for the month yet. Nothing was written; make it and append again."""

    def __init__(self, day: date) -> None:
        super().__init__(f"no partition for {day:%Y-%m}")
        self.day = day


_BREATH = 64
"""Events that are sealed, or written, in one go: others of the process wait as well, and reads more than any."""

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
"""Before the first event was ever recorded."""


class Repeated(Exception):
    """An event is in its ledger already. Nothing was written; append `again`."""


class _Known(NamedTuple):
    """An event that the ledger has, under an id that came in again."""

    receipt: Receipt
    fingerprint: bytes | None


_EVENT_COLUMNS = {
    "tenant_id": "text", "seq": "int8", "recorded_at": "timestamptz", "occurred_at": "timestamptz", "id": "uuid",
    "action": "text", "category": "text", "operation": "text", "outcome": "text", "source": "text",
    "actor_type": "text", "actor_id": "text", "target_type": "text", "target_id": "text", "leaf_hash": "bytea",
    "entry": "bytea", "other_users": "text[]",
}  # fmt: skip
_PERSONAL_COLUMNS = {
    "tenant_id": "text", "seq": "int8", "recorded_at": "timestamptz", **dict.fromkeys(GROUPS, "text"),
    "fingerprint": "bytea", "occurred_at": "timestamptz", "search": "tsvector",
}  # fmt: skip


async def append(
    connection: Connection, batch: Sequence[Prepared], rules: Rules, *, again: bool = False
) -> list[Receipt | InvalidEvent]:
    """Appends `batch` in a transaction of the writer's that the caller commits.

    The answers stand in the order of `batch`: a receipt, or why this event is refused while the others go in.
    `again` has every id looked up, our own too: after `Repeated`, or where an earlier attempt may have been committed
    unheard. Otherwise only those are that can be from an earlier month.

    Raises `MissingMonth`, `Repeated` or `psycopg.Error`; then nothing is written.
    """
    by_tenant: defaultdict[str, list[int]] = defaultdict(list)
    for index, prepared in enumerate(batch):
        by_tenant[prepared.event.tenant_id].append(index)
    answers: dict[int, Receipt | InvalidEvent] = {}
    growths = await _lock(connection, {t: [batch[i] for i in by_tenant[t]] for t in by_tenant}, rules, again=again)
    for tenant, indexes in by_tenant.items():
        if growth := growths.get(tenant):
            for number, index in enumerate(indexes):
                if number % _BREATH == 0:
                    await asyncio.sleep(0)
                answers[index] = growth.add(batch[index])
        else:
            answers |= dict.fromkeys(indexes, UnknownTenant(tenant))
    await _store(connection, growths.values())
    return [answers[index] for index in range(len(batch))]


async def open_ledger(connection: Connection, tenant: str, rules: Rules) -> bool:
    """Opens the ledger of a new tenant, in a transaction of the writer's; False where there is one already.

    Raises as `append` does.
    """
    growths = await _lock(connection, {tenant: []}, replace(rules, auto_tenants=True))
    await _store(connection, growths.values())
    return bool(growths[tenant].events)


async def ensure_month(connection: Connection, day: date) -> bool:
    """Makes the partitions for the month of `day`; False where they were there. The caller commits."""
    cursor = await connection.execute("SELECT indelible.ensure_month(%s)", (day,))
    return bool((await cursor.fetchone() or (False,))[0])


class _Growth:
    """One locked ledger, and what this transaction adds to it."""

    def __init__(self, tenant: str, locked: Sequence[object], rules: Rules, batch: Sequence[Prepared]) -> None:
        origin, size, head, frontier, now, *found = locked
        self.tenant = tenant
        self.now = cast("datetime", now).astimezone(UTC)
        self.events: list[tuple[object, ...]] = []
        self.personal: list[tuple[object, ...]] = []
        self.actions: set[str] = set()
        self.names: set[str] = set()
        self._old_size = cast("int", size)
        self._frontier = Frontier(self._old_size, cast("bytes", frontier))
        self._head = cast("bytes | None", head)
        self._prev = entry.genesis(cast("str", origin)) if head is None else base64url.encode(cast("bytes", head))
        self._recorded_at = entry.micros(self.now)
        self._known = _known(found)
        if self._old_size == 0:
            # It was opened because of them: a little earlier than what happens just now.
            recent = [p.occurred_at for p in batch if p.occurred_at > self.now - timedelta(minutes=1)]
            self._seal(_first(tenant, cast("str", origin), rules.catalog, min([self.now, *recent])))

    def add(self, prepared: Prepared) -> Receipt | InvalidEvent:
        known = self._known.get(prepared.id)
        if known is None:
            receipt = self._seal(prepared)
            self._known[prepared.id] = _Known(receipt, prepared.fingerprint)
            return receipt
        if known.fingerprint not in (None, prepared.fingerprint):
            return IdConflict(prepared.id)
        return known.receipt._replace(created=not prepared.id_given)

    def move(self) -> tuple[object, ...]:
        return self.tenant, self._old_size, self._frontier.size, self._head, bytes(self._frontier), self.now

    @property
    def listed(self) -> list[tuple[str, str]]:
        """What the directory has to list, by kind. In one order everywhere."""
        return sorted([("action", action) for action in self.actions] + [("name", n) for n in listed(self.names)])

    @property
    def completed(self) -> list[Subtree]:
        """The subtrees that became complete, whose roots are stored."""
        return self._frontier.completed

    def _seal(self, prepared: Prepared) -> Receipt:
        seq = self._frontier.size
        data = entry.seal(prepared.unsealed, seq, self._prev, self._recorded_at)
        leaf = leaf_hash(data)
        self._frontier.push(leaf)
        self._head = leaf
        self._prev = base64url.encode(leaf)
        event = prepared.event
        target = event.targets[0] if event.targets else None
        self.events.append((
            self.tenant, seq, self.now, prepared.occurred_at, prepared.id,
            event.action, prepared.category, prepared.operation, event.outcome, event.source,
            event.actor.type, event.actor.id, target.type if target else None, target.id if target else None,
            leaf, data, other_users(event.targets),
        ))  # fmt: skip
        disclosed = prepared.disclosures
        texts = [disclosed[group].decode() if group in disclosed else None for group in GROUPS]
        self.personal.append(
            (self.tenant, seq, self.now, *texts, prepared.fingerprint, prepared.occurred_at, prepared.search)
        )
        self.actions.add(event.action)
        self.names.update(prepared.names)
        return Receipt(prepared.id, seq, self.now, leaf, created=True)


async def _lock(
    connection: Connection, batches: Mapping[str, Sequence[Prepared]], rules: Rules, *, again: bool = False
) -> dict[str, _Growth]:
    """Locks the ledgers of `batches`; those that there are not, and that may not be made, are missing in the answer."""
    tenants = sorted(batches)  # one order everywhere, so that two transactions never wait for each other
    ids = [[p.id for p in batches[tenant] if again or p.id_given] for tenant in tenants]
    cursor = await connection.execute(
        "SELECT * FROM indelible.hold_heads(%s::text[], %s::text[], %s::uuid[], %s::integer[], %s::timestamptz[], %s)",
        (
            tenants,
            [_new_origin(rules) if rules.auto_tenants else None for _ in tenants],
            [i for some in ids for i in some],
            [len(some) for some in ids],
            [_since(some) for some in ids],
            again,
        ),
    )
    rows = cast("list[tuple[str, *tuple[object, ...]]]", await cursor.fetchall())
    return {tenant: _Growth(tenant, locked, rules, batches[tenant]) for tenant, *locked in rows}


def _since(ids: Sequence[UUID]) -> datetime:
    """From when on an event under one of `ids` can have been recorded.

    Not before a UUIDv7 was made; intake allows a day for clocks that run ahead, and here is one more for ours and
    PostgreSQL's. So a retry is looked for in this month's partition and not in all there are.
    """
    if not ids or not all(map(is_time_ordered, ids)):
        return _EVER
    return made_at(min(ids)) - timedelta(days=2)


def other_users(targets: Sequence[Target | Subject]) -> list[str] | None:
    """The ids of the people among the targets after the first, who are found by them; None where there is none."""
    if len(targets) < 2:
        return None
    return list(dict.fromkeys(t.id for t in targets[1:] if t.type == "user" and t.id is not None)) or None


def _new_origin(rules: Rules) -> str:
    """`<host>/<ULID>`: 48 bits of time and 80 of chance in Crockford's base 32, nothing of the customer."""
    value = int.from_bytes(int(datetime.now(UTC).timestamp() * 1000).to_bytes(6) + os.urandom(10))
    return f"{rules.host}/" + "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[value >> s & 31] for s in range(125, -5, -5))


def _first(tenant: str, origin: str, catalog: Catalog, now: datetime) -> Prepared:
    """Entry 0, which says whose ledger this is."""
    return prepare(
        Event(
            tenant_id=tenant,
            action="ledger.created",
            actor=Actor(type="system"),
            source="background",
            metadata={"origin": origin, "format": entry.VERSION, "tenant_id": tenant},
        ),
        catalog,
        now=now,
    )


def _known(found: Sequence[object]) -> dict[UUID, _Known]:
    """What `hold_heads` found: five arrays of one length, or NULLs."""
    ids, seqs, times, leaves, fingerprints = cast("Sequence[Sequence[Any] | None]", found)
    return {
        i: _Known(Receipt(i, seq, time.astimezone(UTC), leaf, created=False), fingerprint)
        for i, seq, time, leaf, fingerprint in zip(
            ids or (), seqs or (), times or (), leaves or (), fingerprints or (), strict=True
        )
    }


async def _store(connection: Connection, growths: Iterable[_Growth]) -> None:
    grown = [growth for growth in growths if growth.events]
    if not grown:
        return
    await _write(connection, grown)
    completed = [growth.completed for growth in grown]
    subtrees = [subtree for each in completed for subtree in each]
    directories = [growth.listed for growth in grown]
    texts = [text for each in directories for text in each]
    await connection.execute(
        "SELECT indelible.move_heads(%s::text[], %s::bigint[], %s::bigint[], %s::bytea[], %s::bytea[], "
        "%s::timestamptz[], %s::integer[], %s::smallint[], %s::bigint[], %s::bytea[], %s::integer[], %s::text[], "
        "%s::text[])",
        [
            *(list(column) for column in zip(*(growth.move() for growth in grown), strict=True)),
            [len(each) for each in completed],
            [subtree.level for subtree in subtrees],
            [subtree.index for subtree in subtrees],
            [subtree.root for subtree in subtrees],
            [len(each) for each in directories],
            [kind for kind, _ in texts],
            [text for _, text in texts],
        ],
    )


async def _write(connection: Connection, growths: Sequence[_Growth]) -> None:
    months: defaultdict[date, list[_Growth]] = defaultdict(list)
    for growth in growths:
        months[growth.now.date().replace(day=1)].append(growth)
    for month, grown in months.items():
        try:
            await _copy(connection, "events", month, _EVENT_COLUMNS, [r for g in grown for r in g.events])
            await _copy(connection, "event_personal", month, _PERSONAL_COLUMNS, [r for g in grown for r in g.personal])
        except psycopg.errors.UndefinedTable as error:
            raise MissingMonth(month) from error
        except psycopg.errors.UniqueViolation as error:
            raise Repeated from error


async def _copy(
    connection: Connection, table: str, month: date, columns: Mapping[str, str], rows: Sequence[Sequence[object]]
) -> None:
    # Into the month itself: PostgreSQL refuses COPY into a table under row security.
    statement = f"COPY indelible.{table}_{month:%Y_%m} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
    async with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        # A tsvector comes in PostgreSQL's binary format, which the driver has no type for.
        copy.set_types([{"tsvector": "bytea"}.get(kind, kind) for kind in columns.values()])
        for number, row in enumerate(rows):
            if number % _BREATH == 0:
                await asyncio.sleep(0)
            await copy.write_row(row)
