"""Erasing: disclosures go, and an entry of the ledger says which, in one transaction.

The entries stay and still verify; so do all proofs that were made of them.
"""

import asyncio
import time
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from json.encoder import encode_basestring as quote  # as entries write texts
from typing import Any, Literal, cast

from indelible.event import Actor, Event, Target
from indelible.ledger import entry
from indelible.ledger.disclosure import GROUPS, digest
from indelible.ledger.entry import Subject
from indelible.ledger.verify import ERASURE
from indelible.store.append import MissingMonth, Receipt, Repeated, Rules, append, ensure_month
from indelible.store.errors import RoleNotGranted, StoreError, StoreUnavailable
from indelible.store.sealing import Prepared, prepare
from indelible.store.session import Connection, Database

__all__ = ["DEFAULT_GROUPS", "MAX_DIGESTS", "By", "Erased", "Order", "Plan", "Selection", "erase", "plan"]

By = Literal["actor", "target", "event"]

DEFAULT_GROUPS: dict[By, tuple[str, ...]] = {
    "actor": ("actor", "context"),
    "target": ("changes", "targets"),
    "event": GROUPS,
}
"""What is erased unless the groups are named. Of a target also the changes, as they hold its old and new values."""

MAX_DIGESTS = 500
"""How many digests one record lists at most, and so how much is erased in a transaction."""

_PATIENCE = timedelta(seconds=60)
"""For how long a batch is tried again while PostgreSQL, or the ledger's lock, is not to be had."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Selection:
    """`groups` of the events that somebody did ("actor", also as impersonator), of those that were done to something
    ("target", primary or not), or of one ("event", whose id is a UUID)."""

    by: By
    id: str
    groups: tuple[str, ...]
    since: datetime | None = None
    """Inclusive, by `occurred_at`."""
    until: datetime | None = None
    """Exclusive."""


@dataclass(frozen=True, slots=True)
class Order:
    """Why it is erased, for good: the record itself can't be erased."""

    reason: str
    request: str | None = None
    by: str | None = None
    """Who ordered it."""
    who: Actor | None = None
    """Who does it, of the vendor's staff; nobody is the system."""


@dataclass(slots=True)
class Plan:
    """What a selection comes to at this moment."""

    events: int = 0
    """How many it selects, whatever is left of them."""
    going: Counter[str] = field(default_factory=Counter)
    """How many disclosures of each group would be erased."""
    staying: Counter[str] = field(default_factory=Counter)
    """How many disclosures of the other groups these events have."""
    gone: Counter[str] = field(default_factory=Counter)
    """How many were erased earlier."""
    recorded: bool = False
    """Whether an earlier erasure was recorded for the same person or thing."""
    own: bool = False
    """Whether it selects an entry of the ledger's own, from which nothing is erased."""
    types: Counter[str] = field(default_factory=Counter)
    """As what it was found."""
    seqs: "array[int]" = field(default_factory=lambda: array("q"))
    """The entries that something would be erased from."""


@dataclass(slots=True)
class Erased:
    """What was erased, and the numbers of the entries that say so."""

    events: int = 0
    groups: Counter[str] = field(default_factory=Counter)
    records: list[int] = field(default_factory=list)


class _Overtaken(Exception):
    """Somebody else erased some of the same disclosures meanwhile. Nothing was done."""


# The needle is how the id is spelled in an entry, which has one spelling for everything: what does not contain it
# has no actor and no target of this id. An impersonator's id is in the actor's disclosure alone.
_IMPERSONATOR = "CASE WHEN p.actor LIKE '%%impersonator%%' THEN p.actor::jsonb #>> '{2,impersonator,id}' END"
_MATCHES: dict[By, str] = {
    "actor": f"position(%(needle)s IN e.entry) > 0 OR e.actor_id = %(id)s OR {_IMPERSONATOR} = %(id)s",
    "target": "position(%(needle)s IN e.entry) > 0 OR e.target_id = %(id)s",
    "event": "e.id = %(id)s",
}

_SIZE = "SELECT size FROM indelible.ledgers WHERE tenant_id = %s"

_SELECT = """
    SELECT e.seq, e.action, e.entry, e.actor_type, e.actor_id, e.target_type, e.target_id, {impersonator}, p.erased,
        {groups}
    FROM indelible.events e
    LEFT JOIN indelible.event_personal p
        ON p.tenant_id = %(tenant)s AND p.seq = e.seq AND p.recorded_at = e.recorded_at
    WHERE e.tenant_id = %(tenant)s AND ({matches})
        AND (%(since)s::timestamptz IS NULL OR e.occurred_at >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR e.occurred_at < %(until)s)
    ORDER BY e.seq
"""

_DISCLOSURES = f"""
    SELECT p.seq, {", ".join(f"p.{group}" for group in GROUPS)} FROM indelible.event_personal p
    JOIN indelible.events e ON e.tenant_id = %(tenant)s AND e.seq = p.seq AND e.recorded_at = p.recorded_at
    WHERE p.tenant_id = %(tenant)s AND p.seq = ANY (%(seqs)s) AND e.action NOT LIKE 'ledger.%%' ORDER BY p.seq
"""  # noqa: S608 - the names are ours

_ERASE = "SELECT digest FROM indelible.erase_disclosures(%s, %s::bigint[], %s::text[])"


async def plan(
    database: Database,
    tenant: str,
    selection: Selection,
    *,
    progress: Callable[[int, int], None] = lambda _done, _size: None,
) -> Plan | None:
    """What erasing `selection` would do. None where there is no such tenant.

    Looks at each entry of the tenant, at every target of it: it is complete rather than quick. `progress` is told how
    far in the ledger it is. Raises `StoreUnavailable`.
    """
    found = Plan()
    query = _SELECT.format(
        impersonator=_IMPERSONATOR,
        groups=", ".join(f"p.{group} IS NOT NULL" for group in GROUPS),
        matches=_MATCHES[selection.by],
    )
    parameters = {
        "tenant": tenant,
        "id": selection.id,
        "needle": b'"id":' + quote(selection.id).encode(),
        "since": selection.since,
        "until": selection.until,
    }
    async with database.transaction("reader", tenant, snapshot=True) as connection:
        head = await (await connection.execute(_SIZE, (tenant,))).fetchone()
        if head is None:
            return None
        size = cast("int", head[0])
        async with connection.cursor("selected", binary=True) as cursor:
            cursor.itersize = 2000
            await cursor.execute(query.encode(), parameters)
            async for row in cursor:
                _consider(cast("tuple[Any, ...]", row), selection, found)
                progress(cast("int", row[0]), size)
    return found


def _consider(row: tuple[Any, ...], selection: Selection, found: Plan) -> None:
    seq, action, data, actor_type, actor_id, target_type, target_id, impersonator, erased, *present = row
    subjects = {"actor": [Subject(actor_type, actor_id)], "target": [Subject(target_type, target_id)]}
    try:
        sealed = entry.parse(data)
    except entry.BadEntry:
        pass  # somebody altered it; what it was found by is still to be erased
    else:
        subjects = {"actor": [sealed.actor], "target": [*sealed.targets]}
    if action == ERASURE and any(subject.id == selection.id for subject in subjects["target"]):
        found.recorded = True
    if action.startswith("ledger."):
        found.own = True
        return
    if selection.by != "event":
        types = [subject.type for subject in subjects[selection.by] if subject.id == selection.id]
        if selection.by == "actor" and impersonator == selection.id:
            types.append("user")
        if not types:
            return
        found.types[types[0]] += 1
    found.events += 1
    groups = [group for group, there in zip(GROUPS, present, strict=True) if there]
    found.going.update(group for group in groups if group in selection.groups)
    found.staying.update(group for group in groups if group not in selection.groups)
    found.gone.update(group for group in erased or () if group in selection.groups)
    if not set(selection.groups).isdisjoint(groups):
        found.seqs.append(seq)


async def erase(
    database: Database,
    tenant: str,
    selection: Selection,
    order: Order,
    rules: Rules,
    planned: Plan,
    *,
    progress: Callable[[int, int], None] = lambda _done, _size: None,
) -> Erased:
    """Erases what was planned, and records it: at most `MAX_DIGESTS` disclosures a transaction, each whole in itself.

    Whenever it ends, what it erased is recorded, and planning again finds what is left. Raises `StoreError`.
    """
    done = Erased()
    rules = Rules(rules.catalog, rules.host, auto_tenants=False)
    type_ = "event" if selection.by == "event" else _type(planned)
    subject = Target(type=type_, id=selection.id)
    at, total = 0, len(planned.seqs)
    while at < total:
        at += await _batch(
            database, tenant, planned.seqs[at : at + MAX_DIGESTS], selection, subject, order, rules, done
        )
        progress(at, total)
    return done


def _type(planned: Plan) -> str:
    """As what a person or thing is recorded; the same however far an interrupted erasure had come."""
    return "user" if "user" in planned.types or not planned.types else min(planned.types)


async def _batch(
    database: Database,
    tenant: str,
    seqs: "array[int]",
    selection: Selection,
    subject: Target,
    order: Order,
    rules: Rules,
    done: Erased,
) -> int:
    """Erases from the first of `seqs`; returns from how many. Tried again while that may help."""
    deadline = time.monotonic() + _PATIENCE.total_seconds()
    pause = _FIRST_PAUSE
    while True:
        try:
            # As the keeper, whose login alone may also read and append: what follows is one transaction.
            async with database.transaction("keeper", tenant) as connection:
                taken, going = _cut(seqs, await _read(connection, tenant, seqs), selection.groups)
                record = None
                if going:
                    prepared = _record(tenant, going, subject, order, rules)
                    record = await _erase(connection, going, prepared, rules)
        except MissingMonth as missing:
            async with database.transaction("writer") as connection:
                await ensure_month(connection, missing.day)
        except (_Overtaken, Repeated):
            pass  # and is read again
        except RoleNotGranted:
            raise
        except StoreUnavailable as error:
            if time.monotonic() > deadline:
                raise StoreUnavailable(
                    f"{error}. Whatever was erased so far is recorded; the same command goes on with the rest"
                ) from error
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        else:
            if record is not None:
                done.records.append(record)
                done.events += len({seq for seq, _, _ in going})
                done.groups.update(group for _, group, _ in going)
            return taken


_Going = list[tuple[int, str, str]]
"""What is erased: the entry, the group, and the digest of each disclosure."""


async def _read(connection: Connection, tenant: str, seqs: "array[int]") -> list[tuple[Any, ...]]:
    # The keeper, as whom the transaction began, sees nothing.
    await connection.execute("SET LOCAL ROLE indelible_reader")
    cursor = await connection.execute(_DISCLOSURES.encode(), {"tenant": tenant, "seqs": list(seqs)})
    return cast("list[tuple[Any, ...]]", await cursor.fetchall())


def _cut(seqs: "array[int]", rows: Iterable[Sequence[Any]], groups: Sequence[str]) -> tuple[int, _Going]:
    """As much of `rows` as one record can list, and how many of `seqs` are dealt with thereby."""
    going: _Going = []
    for seq, *texts in rows:
        found = [
            (cast("int", seq), group, digest(text.encode()))
            for group, text in zip(GROUPS, texts, strict=True)
            if text is not None and group in groups
        ]
        if len(going) + len(found) > MAX_DIGESTS:
            return bisect_left(seqs, seq), going
        going += found
    return len(seqs), going


def _record(tenant: str, going: _Going, subject: Target, order: Order, rules: Rules) -> Prepared:
    event = Event(
        tenant_id=tenant,
        action=ERASURE,
        actor=order.who or Actor(type="system"),
        targets=[subject],
        source="admin_panel" if order.who else "background",
        metadata={
            "digests": [text for _, _, text in going],
            "entries": len({seq for seq, _, _ in going}),
            "groups": sorted({group for _, group, _ in going}),
            "reason": order.reason,
            **({"request": order.request} if order.request else {}),
            **({"ordered_by": order.by} if order.by else {}),
            **({"vendor_staff": True} if order.who else {}),
        },
    )
    return prepare(event, rules.catalog, now=datetime.now(UTC))


async def _erase(connection: Connection, going: _Going, record: Prepared, rules: Rules) -> int:
    """Records and erases; returns the record's number. Raises `_Overtaken`, or as `append` does."""
    await connection.execute("SET LOCAL ROLE indelible_writer")
    (receipt,) = await append(connection, [record], rules)
    if not isinstance(receipt, Receipt):
        raise StoreError(str(receipt))
    await connection.execute("SET LOCAL ROLE indelible_keeper")
    seqs = sorted({seq for seq, _, _ in going})
    cursor = await connection.execute(_ERASE, (receipt.seq, seqs, sorted({group for _, group, _ in going})))
    erased = [text for (text,) in cast("list[tuple[str]]", await cursor.fetchall())]
    # The record is true, or there is none.
    if sorted(erased) != sorted(text for _, _, text in going):
        raise _Overtaken
    return receipt.seq
