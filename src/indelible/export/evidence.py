"""Evidence: a range of a ledger in one file, with all that proves it against a signed checkpoint."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import BinaryIO, NamedTuple, cast

from indelible.ledger import base64url, checkpoint, note
from indelible.ledger.checkpoint import Checkpoint
from indelible.ledger.disclosure import GROUPS, Disclosure
from indelible.ledger.entry import BadEntry
from indelible.ledger.entry import parse as parse_entry
from indelible.ledger.evidence import Header, Older, Record, Writer
from indelible.ledger.filter import Filter
from indelible.ledger.proof import BadProof, root_of, verify_consistency
from indelible.ledger.tree import Frontier, leaf_hash
from indelible.store import proofs
from indelible.store.errors import StoreError
from indelible.store.session import Connection, Database

__all__ = ["NothingToExport", "Scope", "Summary", "UnsignedErasure", "export_entry", "export_evidence"]

# The sender's clock may be ahead of the service's, and the service's of PostgreSQL's: a day is more than both.
_CLOCKS = timedelta(days=1)


class NothingToExport(StoreError):
    """There is no entry, or no checkpoint, in what was asked for."""


class UnsignedErasure(StoreError):
    """Something in the range was erased, and no checkpoint covers the record."""

    def __init__(self, record: int, groups: Sequence[str], first: int, last: int) -> None:
        of = f"entry {first:,}" if first == last else f"entries {first:,} to {last:,}"
        super().__init__(
            f"entry {record:,} records that something of {of} was erased, and is not signed yet, so that nobody could "
            "verify it"
        )
        self.groups = groups
        """What was erased without a signed record."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What goes into the file: the entries from number `start` up to, but not including, `stop`."""

    start: int = 0
    stop: int | None = None
    recorded_since: datetime | None = None
    """Leaves out what was recorded before, by a margin for clocks. One entry from before is there, to show it."""
    where: Filter | None = None
    hide: bool = False
    """Whether entries that `where` leaves out are there as hashes only; otherwise without their disclosures."""
    withheld: frozenset[str] = field(default_factory=frozenset)
    """Groups of disclosures that are left out."""
    older: Checkpoint | None = None
    """An earlier checkpoint, to which the file proves that nothing before it was changed since."""


class Summary(NamedTuple):
    checkpoint: Checkpoint
    start: int
    stop: int
    shown: int
    size: int
    """Of the ledger, when it was read."""
    lacking: int
    """How many entries of what was asked for are not signed, and not in the file."""
    faults: tuple[str, ...]
    """What was noticed on the way that no verifier will accept; the file shows what is stored."""


async def export_evidence(
    database: Database,
    tenant: str,
    file: BinaryIO,
    scope: Scope,
    signed: Callable[[int], Awaitable[str | None]],
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Summary:
    """Writes the tenant's evidence to `file`, as of one moment, with flat memory.

    `signed` is asked for a checkpoint (a note) of at least so many entries; a smaller one, where there is no such, cuts
    the range short. Raises `NothingToExport`, `UnsignedErasure`, `StoreError` or `psycopg.Error`.
    """
    async with database.transaction("reader", tenant) as connection:
        _, before = await _ledger(connection, tenant)
    # Signing much takes a while, for which no view of the data is held.
    found = await signed(before)
    async with database.transaction("reader", tenant, snapshot=True) as connection:
        origin, size = await _ledger(connection, tenant)
        note_, point = _stated(tenant, origin, found)
        if before <= point.size < size:
            # What was erased up to now is recorded up to now.
            note_, point = _stated(tenant, origin, await signed(size))
        _require_continued(scope.older, point)
        start, stop = await _range(connection, tenant, scope, min(size, point.size))
        erasures = await _erasures(connection, tenant, start, stop)
        if erasures and erasures[-1] >= size:
            raise _no_record(erasures[-1])
        if erasures and erasures[-1] >= point.size:
            await _require_withheld(connection, tenant, start, stop, point.size, scope.withheld)
            erasures = [seq for seq in erasures if seq < point.size]
        async with database.transaction("reader", tenant) as now:
            # Rows that proofs are made of never change, and there may be newer ones than the snapshot has.
            header = await _header(now, tenant, scope, note_, point, start, stop)
            writer = Writer(file, header)
            for seq in erasures:
                writer.record(await _record(now, tenant, seq, point.size))
        frontier = Frontier(start, b"".join(header.left))
        faults = []
        shown = 0
        if scope.older is not None and scope.older.size == start and frontier.root() != scope.older.root:
            faults.append(_REWRITTEN)
        async for seq, entry, texts in _entries(connection, tenant, start, stop, scope.withheld):
            if seq != frontier.size:
                raise _torn(tenant, frontier.size, seq)
            leaf = leaf_hash(entry)
            frontier.push(leaf)
            if scope.older is not None and scope.older.size == frontier.size and frontier.root() != scope.older.root:
                faults.append(_REWRITTEN)
            if scope.where is None or _matches(scope.where, entry):
                writer.shown(entry, texts)
                shown += 1
            elif scope.hide:
                writer.hidden(leaf)
            else:
                writer.bare(entry)
            if frontier.size % 1000 == 0:
                frontier.completed.clear()
                progress(frontier.size - start, stop - start)
    if frontier.size != stop:
        raise _torn(tenant, frontier.size, stop)
    writer.end()
    progress(stop - start, stop - start)
    if header.older is not None and scope.older is not None and not _continues(scope.older, point, header.older):
        faults.append(_REWRITTEN)
    if root_of(frontier, header.tail, point.size) != point.root:
        faults.append("what is stored contradicts the checkpoint that was signed of it: entries were altered")
    lacking = max(0, (size if scope.stop is None else min(scope.stop, size)) - stop)
    return Summary(point, start, stop, shown, size, lacking, tuple(faults))


async def export_entry(
    database: Database,
    tenant: str,
    file: BinaryIO,
    seq: int,
    entry: bytes,
    disclosures: Sequence[Disclosure],
    erasures: Iterable[int],
    signed: str,
) -> None:
    """Writes the evidence of one entry, with those of its disclosures that its reader is shown.

    `signed` is a checkpoint (a note) that covers it, and the entries `erasures`, which record what was erased of it.
    Without them that counts as withheld. Raises `StoreError` or `psycopg.Error`.
    """
    async with database.transaction("reader", tenant) as connection:
        origin, _ = await _ledger(connection, tenant)
        _, point = _stated(tenant, origin, signed)
        writer = Writer(file, await _header(connection, tenant, Scope(), signed, point, seq, seq + 1))
        for record in sorted({*erasures}):
            writer.record(await _record(connection, tenant, record, point.size))
    writer.shown(entry, [base64url.to_bytes(disclosure) for disclosure in disclosures])
    writer.end()


_REWRITTEN = "the ledger does not continue the earlier checkpoint: entries before it were altered"


def _torn(tenant: str, expected: int, found: int) -> StoreError:
    what = f"entry {expected} is missing" if found > expected else f"there are two entries of number {found}"
    return StoreError(f"the ledger of {tenant!r} was altered: {what}. Run `indelible verify`")


def _no_record(seq: int) -> StoreError:
    return StoreError(f"entry {seq:,} is said to record an erasure, and is not there: run `indelible verify`")


async def _ledger(connection: Connection, tenant: str) -> tuple[str, int]:
    """Its origin and size."""
    cursor = await connection.execute("SELECT origin, size FROM indelible.ledgers WHERE tenant_id = %s", (tenant,))
    row = await cursor.fetchone()
    if row is None:
        raise NothingToExport(f"there is no tenant {tenant!r}; `indelible tenants list` names those there are")
    return cast("tuple[str, int]", row)


def _stated(tenant: str, origin: str, found: str | None) -> tuple[str, Checkpoint]:
    """The note, and what it states. Its signature is for those to verify who pin the key."""
    if found is None:
        raise NothingToExport(
            f"nothing of tenant {tenant!r} has been signed yet: run `indelible worker` with a signing key, see "
            "docs/checkpoints.md"
        )
    try:
        point = checkpoint.parse(note.parse(found.encode()).text)
    except note.BadNote as error:
        raise StoreError(f"the stored checkpoint of {tenant!r} was altered: {error}") from error
    if point.origin != origin:
        raise StoreError(
            f"the stored checkpoint of {tenant!r} was altered: it speaks of the ledger {point.origin}, and this is "
            f"{origin}"
        )
    return found, point


def _require_continued(older: Checkpoint | None, point: Checkpoint) -> None:
    if older is None:
        return
    if older.origin != point.origin:
        raise StoreError(f"the earlier checkpoint is of another ledger, {older.origin}: this is {point.origin}")
    if older.size > point.size:
        raise StoreError(
            f"the earlier checkpoint speaks of {older.size:,} entries, and only {point.size:,} are signed here: the "
            "newest were removed, or the database was set back. Run `indelible verify`"
        )


def _continues(older: Checkpoint, point: Checkpoint, proven: Older) -> bool:
    try:
        verify_consistency(older.size, older.root, point.size, point.root, proven.proof)
    except BadProof:
        return False
    return True


async def _range(connection: Connection, tenant: str, scope: Scope, size: int) -> tuple[int, int]:
    start, stop = scope.start, size if scope.stop is None else min(scope.stop, size)
    nothing = f"tenant {tenant!r} has no entries there: its ledger has {size:,} that are signed"
    if scope.recorded_since is not None:
        cursor = await connection.execute(
            "SELECT seq FROM indelible.events WHERE tenant_id = %s AND recorded_at >= %s AND seq < %s "
            "ORDER BY seq LIMIT 1",
            (tenant, scope.recorded_since - _CLOCKS, stop),
        )
        row = await cursor.fetchone()
        if row is None:
            raise NothingToExport(f"{nothing}, none of them since then")
        start = max(start, cast("int", row[0]) - 1)
    if start >= stop:
        raise NothingToExport(nothing)
    return start, stop


async def _erasures(connection: Connection, tenant: str, start: int, stop: int) -> list[int]:
    """The numbers of the entries that record what was erased of the range."""
    cursor = await connection.execute(
        "SELECT DISTINCT record.value::bigint AS seq FROM indelible.event_personal p, jsonb_each_text(p.erased) record "
        "WHERE p.tenant_id = %s AND p.erased IS NOT NULL AND p.seq >= %s AND p.seq < %s ORDER BY seq",
        (tenant, start, stop),
    )
    return [seq for (seq,) in cast("list[tuple[int]]", await cursor.fetchall())]


async def _require_withheld(
    connection: Connection, tenant: str, start: int, stop: int, signed: int, withheld: frozenset[str]
) -> None:
    """Raises `UnsignedErasure` unless all is withheld that was erased of the range without a record in what is signed.
    In the file it then counts as withheld.
    """
    cursor = await connection.execute(
        "SELECT record.key, max(record.value::bigint), min(p.seq), max(p.seq) "
        "FROM indelible.event_personal p, jsonb_each_text(p.erased) record "
        "WHERE p.tenant_id = %s AND p.erased IS NOT NULL AND p.seq >= %s AND p.seq < %s AND record.value::bigint >= %s "
        "GROUP BY record.key ORDER BY record.key",
        (tenant, start, stop, signed),
    )
    found = cast("list[tuple[str, int, int, int]]", await cursor.fetchall())
    if withheld.issuperset(group for group, *_ in found):
        return
    groups, records, first, last = zip(*found, strict=True)
    raise UnsignedErasure(max(records), groups, min(first), max(last))


async def _header(
    connection: Connection, tenant: str, scope: Scope, signed: str, point: Checkpoint, start: int, stop: int
) -> Header:
    older = None
    if scope.older is not None and scope.older.size and not start <= scope.older.size <= stop:
        hashes = await proofs.consistency(connection, tenant, scope.older.size, point.size)
        older = Older(scope.older.size, hashes)
    return Header(
        signed,
        start,
        stop,
        await proofs.left(connection, tenant, start),
        await proofs.tail(connection, tenant, stop, point.size),
        older,
        scope.where,
    )


async def _record(connection: Connection, tenant: str, seq: int, size: int) -> Record:
    cursor = await connection.execute(
        "SELECT e.entry, p.metadata FROM indelible.events e JOIN indelible.event_personal p "
        "ON p.tenant_id = %(tenant)s AND p.seq = e.seq AND p.recorded_at = e.recorded_at "
        "WHERE e.tenant_id = %(tenant)s AND e.seq = %(seq)s",
        {"tenant": tenant, "seq": seq},
    )
    row = await cursor.fetchone()
    if row is None or row[1] is None:
        raise _no_record(seq)
    entry, metadata = cast("tuple[bytes, str]", row)
    return Record(entry, base64url.to_bytes(metadata.encode()), await proofs.inclusion(connection, tenant, seq, size))


async def _entries(
    connection: Connection, tenant: str, start: int, stop: int, withheld: frozenset[str]
) -> AsyncIterator[tuple[int, bytes, Sequence[bytes]]]:
    columns = ", ".join(f"p.{group}" for group in GROUPS)
    shown = [group not in withheld for group in GROUPS]
    async with connection.cursor("evidence") as cursor:
        cursor.itersize = 2000
        await cursor.execute(
            f"SELECT e.seq, e.action, e.entry, {columns} FROM indelible.events e "  # noqa: S608 - the names are ours
            "LEFT JOIN indelible.event_personal p "
            "ON p.tenant_id = %(tenant)s AND p.seq = e.seq AND p.recorded_at = e.recorded_at "
            "WHERE e.tenant_id = %(tenant)s AND e.seq >= %(start)s AND e.seq < %(stop)s ORDER BY e.seq".encode(),
            {"tenant": tenant, "start": start, "stop": stop},
        )
        async for row in cursor:
            seq, action, entry, *disclosures = cast("tuple[int, str, bytes, *tuple[str | None, ...]]", row)
            # What the ledger says of itself (whose it is, what was erased) is needed to verify it.
            everything = action.startswith("ledger.")
            yield (
                seq,
                entry,
                [
                    base64url.to_bytes(disclosure.encode())
                    for disclosure, may in zip(disclosures, shown, strict=True)
                    if disclosure is not None and (may or everything)
                ],
            )


def _matches(where: Filter, entry: bytes) -> bool:
    try:
        return where.matches(parse_entry(entry))
    except BadEntry:
        return True  # an altered one is shown, for all to see
