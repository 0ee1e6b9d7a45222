"""`indelible verify`: a stored ledger, read again from its first entry and computed anew."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from indelible.ledger import base64url
from indelible.ledger.disclosure import GROUPS
from indelible.ledger.entry import Entry
from indelible.ledger.note import Verifier
from indelible.ledger.tree import Frontier
from indelible.ledger.verify import Chain, Contradiction
from indelible.store.append import other_users
from indelible.store.session import Connection, Database
from indelible.store.verify_proofs import Checkpoints, Erasures, Subtrees
from indelible.store.verify_words import Words

__all__ = ["Remembered", "Report", "verify"]


class Remembered(NamedTuple):
    """What somebody noted of a ledger earlier, out of the database's reach."""

    size: int
    head: str | None = None
    """The leaf hash of entry size-1, base64url."""


@dataclass(frozen=True, slots=True)
class Report:
    tenant_id: str
    origin: str
    size: int
    head: str | None
    root: str
    contradictions: tuple[Contradiction, ...]
    erased: int = 0
    """How many disclosures are missing because they were erased, as entries say."""
    checkpoints: int = 0
    """How many stored ones were held against the entries."""
    signatures_checked: bool = False
    unproven: tuple[str, ...] = ()
    """What could not be told by the keys that were given."""

    @property
    def proven(self) -> bool:
        return not self.contradictions and not self.unproven


# Times as text: Python has no datetime for infinity, which somebody may have written. PostgreSQL's own text, which it
# writes quicker than any other; see `_column_time`.
_TEXTS = "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'"

_HEAD = "SELECT origin, size, head, frontier, recorded_at::text FROM indelible.ledgers WHERE tenant_id = %s"

_COLUMNS = (
    "id", "recorded_at", "occurred_at", "action", "category", "operation", "outcome", "source", "actor_type",
    "actor_id", "target_type", "target_id", "other_users",
)  # fmt: skip

_OCCURRED_AT = _COLUMNS.index("occurred_at")

_ENTRIES = f"""
    SELECT e.seq, e.entry, e.leaf_hash, p.erased, p.search, p.occurred_at::text,
        {", ".join(f"p.{group}" for group in GROUPS)},
        {", ".join(f"e.{column}::text" for column in _COLUMNS[:-1])}, e.other_users
    FROM indelible.events e
    LEFT JOIN indelible.event_personal p
        ON p.tenant_id = %(tenant)s AND p.seq = e.seq AND p.recorded_at = e.recorded_at
    WHERE e.tenant_id = %(tenant)s ORDER BY e.seq
"""  # noqa: S608 - the names are ours

_ANY = "SELECT EXISTS (SELECT FROM indelible.events WHERE tenant_id = %s)"

_STRAY = """
    SELECT p.seq FROM indelible.event_personal p
    LEFT JOIN indelible.events e ON e.tenant_id = %(tenant)s AND e.seq = p.seq AND e.recorded_at = p.recorded_at
    WHERE p.tenant_id = %(tenant)s AND e.seq IS NULL ORDER BY p.seq LIMIT 1
"""

_FETCHED = 2000


async def verify(
    database: Database,
    tenant: str,
    *,
    remembered: Remembered | None = None,
    keys: Sequence[Verifier] = (),
    progress: Callable[[int, int], None] = lambda _done, _size: None,
) -> Report | None:
    """Verifies the ledger of `tenant`, as of one moment, while it may go on growing. None where there never was one,
    as far as can be told.

    `keys` are those that its checkpoints may be signed with, from outside of the database; those of other ledgers are
    passed over. Memory is flat, but for some hundred bytes for each disclosure that was erased. `progress` is told how
    many of how many entries are done. Raises `StoreUnavailable` or `psycopg.Error` where it cannot be read.
    """
    async with database.transaction("reader", tenant, snapshot=True) as connection:
        await connection.execute(_TEXTS)
        head = await (await connection.execute(_HEAD, (tenant,))).fetchone()
        if head is None:
            row = await (await connection.execute(_ANY, (tenant,))).fetchone()
            return _vanished(tenant, entries=row == (True,), remembered=remembered)
        origin, size = cast("tuple[str, int]", head[:2])
        own = [key for key in keys if key.name == origin]
        chain = Chain(origin)
        reading = _Reading(connection, tenant, chain, remembered)
        async with Checkpoints.open(connection, tenant, origin, own, chain.contradictions) as checkpoints:
            await reading.run(checkpoints, size, progress)
        stray = await (await connection.execute(_STRAY, {"tenant": tenant})).fetchone()
    found = [*chain.contradictions, *_against_head(chain, head), *_against_memory(chain, remembered, reading.noted)]
    if stray:
        found.append(Contradiction(cast("int", stray[0]), "there are personal parts of an entry that is not there", 6))
    found.sort(key=lambda c: chain.size if c.seq is None else c.seq)
    root = base64url.encode(chain.frontier.root())
    return Report(
        tenant, origin, chain.size, chain.head, root, tuple(found),
        reading.erasures.recorded, checkpoints.compared, bool(own), tuple(checkpoints.unproven),
    )  # fmt: skip


def _vanished(tenant: str, *, entries: bool, remembered: Remembered | None) -> Report | None:
    found = []
    if entries:
        found.append(Contradiction(None, "the ledger's own row is gone; entries of it are there", 10))
    if remembered:
        found.append(Contradiction(None, f"the ledger had {remembered.size} entries and is gone", 11))
    empty = base64url.encode(Frontier().root())
    return Report(tenant, "", 0, None, empty, tuple(found)) if found else None


class _Reading:
    """Goes through a ledger's entries once."""

    def __init__(self, connection: Connection, tenant: str, chain: Chain, remembered: Remembered | None) -> None:
        self.noted: str | None = None
        """The head that the ledger had at the size that is remembered."""
        self.erasures = Erasures(chain.contradictions)
        self._words = Words(tenant, chain.contradictions)
        self._connection = connection
        self._tenant = tenant
        self._chain = chain
        self._noted_at = remembered.size if remembered else 0

    async def run(self, checkpoints: Checkpoints, size: int, progress: Callable[[int, int], None]) -> None:
        chain = self._chain
        subtrees = Subtrees(self._connection, self._tenant, chain.contradictions)
        whole = True
        async with self._connection.cursor("entries", binary=True) as cursor:
            await cursor.execute(_ENTRIES.encode(), {"tenant": self._tenant})
            while rows := await cursor.fetchmany(_FETCHED):
                for row in cast("list[tuple[Any, ...]]", rows):
                    if row[0] > chain.size:
                        # What is missing has no hash, and so nothing above it has.
                        whole = False
                        chain.skip_to(row[0])
                    self._add(row)
                    if chain.size >= checkpoints.due:
                        await checkpoints.compare(chain)
                if whole:
                    await subtrees.compare(chain)
                progress(chain.size, size)
        chain.end()
        self.erasures.end()
        await checkpoints.end(chain)
        if whole:
            await subtrees.compare(chain, last=True)
            await subtrees.end()

    def _add(self, row: tuple[Any, ...]) -> None:
        chain = self._chain
        seq, data, leaf, erased, search, occurred_at, actor, changes, context, metadata, targets, *columns = row
        if seq < chain.size:
            chain.contradictions.append(Contradiction(seq, "there is a second entry of this number", 3))
            return
        disclosures = (actor, changes, context, metadata, targets)
        texts = [base64url.to_bytes(disclosure.encode()) for disclosure in disclosures if disclosure is not None]
        entry = chain.add(data, texts, leaf)
        if entry is not None:
            self.erasures.add(seq, entry, chain.disclosed, texts, erased)
            said = _said(entry)
            if columns != said:
                chain.contradictions += _against_columns(seq, columns, said)
            self._words.compare(seq, entry, chain.disclosed, {"changes": changes, "metadata": metadata}, search)
            if occurred_at != said[_OCCURRED_AT] and search is not None:
                what = f"beside its words it says that it occurred at {occurred_at!r}, the entry {said[_OCCURRED_AT]!r}"
                chain.contradictions.append(Contradiction(seq, what, 16))
            if seq == 0:
                chain.contradictions += _against_tenant(self._tenant, entry, chain.disclosed)
        if chain.size == self._noted_at:
            self.noted = chain.head


def _said(entry: Entry) -> list[object]:
    """What the columns `_COLUMNS` hold of an entry."""
    type_, id_ = entry.targets[0] if entry.targets else (None, None)
    return [
        entry.id, _column_time(entry.recorded_at), _column_time(entry.occurred_at), entry.action, entry.category,
        entry.operation, entry.outcome, entry.source, entry.actor.type, entry.actor.id, type_, id_,
        other_users(entry.targets),
    ]  # fmt: skip


def _column_time(text: str) -> str:
    """An entry's time as PostgreSQL writes it: `2026-11-21 09:30:00.12+00`."""
    return f"{text[:10]} {text[11:-1].rstrip('0').removesuffix('.')}+00"


def _against_columns(seq: int, columns: Sequence[object], said: Sequence[object]) -> list[Contradiction]:
    # 8. The columns that it is found by say what the entry says.
    return [
        Contradiction(seq, f"the column {name} says {column!r}, the entry {value!r}", 8)
        for name, column, value in zip(_COLUMNS, columns, said, strict=True)
        if column != value
    ]


def _against_tenant(tenant: str, entry: Entry, disclosed: dict[str, Any]) -> list[Contradiction]:
    # 9. Entry 0 opens the ledger of this tenant: two ledgers that changed places are each consistent in themselves.
    match disclosed.get("metadata"):
        case {"tenant_id": named} if entry.action == "ledger.created" and named == tenant:
            return []
    return [Contradiction(0, f"entry 0 does not open the ledger of {tenant}", 9)]


def _against_head(chain: Chain, head: tuple[object, ...]) -> list[Contradiction]:
    # 10. The ledger's own row knows the same size, head and tree.
    _, size, leaf, frontier, recorded_at = cast("tuple[str, int, bytes | None, bytes, str]", head)
    found = []
    if size > chain.size:
        found.append(f"the ledger has {size} entries by its head, but the last {size - chain.size} are missing")
    elif size < chain.size:
        found.append(f"the ledger has {size} entries by its head, but there are {chain.size}")
    else:
        if chain.head is not None and leaf is not None and base64url.encode(leaf) != chain.head:
            found.append("the ledger's head is not the hash of its last entry: one of the two was altered")
        if frontier != bytes(chain.frontier):
            found.append("the tree kept with the ledger's head is not the tree of its entries")
        if chain.recorded_at and recorded_at != _column_time(chain.recorded_at):
            found.append(f"by its head the ledger last grew at {recorded_at}, by its entries at {chain.recorded_at}")
    return [Contradiction(None, what, 10) for what in found]


def _against_memory(chain: Chain, remembered: Remembered | None, noted: str | None) -> list[Contradiction]:
    # 11. It holds what somebody remembers of it.
    if remembered is None:
        return []
    if chain.size < remembered.size:
        what = f"the ledger had {remembered.size} entries and has {chain.size}: the newest were deleted"
        return [Contradiction(chain.size, what, 11)]
    if remembered.head is not None and noted != remembered.head:
        what = f"at {remembered.size} entries its head was {remembered.head} and is {noted}: history was rewritten"
        return [Contradiction(remembered.size - 1, what, 11)]
    return []
