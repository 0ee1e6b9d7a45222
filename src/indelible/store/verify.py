"""`indelible verify`: a stored ledger, read again from its first entry and computed anew."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from psycopg.rows import dict_row

from indelible.ledger import base64url
from indelible.ledger.disclosure import GROUPS, open_disclosure
from indelible.ledger.entry import Entry
from indelible.ledger.tree import Frontier
from indelible.ledger.verify import Chain, Contradiction
from indelible.store.session import Connection, Database

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

    @property
    def proven(self) -> bool:
        return not self.contradictions


_MOMENT = """
    CASE WHEN e.{0} >= '0001-01-01Z' AND e.{0} < '10000-01-01Z'
        THEN to_char(e.{0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE e.{0}::text END AS {0}"""

# Times as text: Python has no datetime for infinity, which somebody may have written.
_HEAD = f"""
    SELECT e.origin, e.size, e.head, e.frontier, {_MOMENT.format("recorded_at")}
    FROM indelible.ledgers e WHERE e.tenant_id = %s
"""  # noqa: S608 - as below

_ENTRIES = f"""
    SELECT e.seq, e.id::text, {_MOMENT.format("recorded_at")}, {_MOMENT.format("occurred_at")}, e.action, e.category,
        e.operation, e.outcome, e.source, e.actor_type, e.actor_id, e.target_type, e.target_id, e.leaf_hash, e.entry,
        {", ".join(f"p.{group} AS p_{group}" for group in GROUPS)}
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


async def verify(
    database: Database,
    tenant: str,
    *,
    remembered: Remembered | None = None,
    progress: Callable[[int, int], None] = lambda _done, _size: None,
) -> Report | None:
    """Verifies the ledger of `tenant`, as of one moment, while it may go on growing. None where there never was one,
    as far as can be told.

    Memory is flat. `progress` is told how many of how many entries are done. Raises `StoreUnavailable` or
    `psycopg.Error` where it cannot be read.
    """
    async with database.transaction("reader", tenant, snapshot=True) as connection:
        head = await (await connection.execute(_HEAD.encode(), (tenant,))).fetchone()
        if head is None:
            row = await (await connection.execute(_ANY, (tenant,))).fetchone()
            return _vanished(tenant, entries=row == (True,), remembered=remembered)
        origin, size = cast("tuple[str, int]", head[:2])
        chain = Chain(origin)
        noted = await _read_entries(connection, tenant, chain, size, remembered, progress)
        stray = await (await connection.execute(_STRAY, {"tenant": tenant})).fetchone()
    found = [*chain.contradictions, *_against_head(chain, head), *_against_memory(chain, remembered, noted)]
    if stray:
        found.append(Contradiction(cast("int", stray[0]), "there are disclosures of an entry that is not there"))
    found.sort(key=lambda c: chain.size if c.seq is None else c.seq)
    return Report(tenant, origin, chain.size, chain.head, base64url.encode(chain.frontier.root()), tuple(found))


def _vanished(tenant: str, *, entries: bool, remembered: Remembered | None) -> Report | None:
    found = []
    if entries:
        found.append(Contradiction(None, "the ledger's own row is gone; entries of it are there"))
    if remembered:
        found.append(Contradiction(None, f"the ledger had {remembered.size} entries and is gone"))
    empty = base64url.encode(Frontier().root())
    return Report(tenant, "", 0, None, empty, tuple(found)) if found else None


async def _read_entries(
    connection: Connection,
    tenant: str,
    chain: Chain,
    size: int,
    remembered: Remembered | None,
    progress: Callable[[int, int], None],
) -> str | None:
    """Adds each entry to `chain`; returns the head that the ledger had at the size that is remembered."""
    noted = None
    async with connection.cursor("entries", row_factory=dict_row) as cursor:
        cursor.itersize = 2000
        await cursor.execute(_ENTRIES.encode(), {"tenant": tenant})
        async for row in cursor:
            if row["seq"] < chain.size:
                chain.contradictions.append(Contradiction(row["seq"], "there is a second entry of this number"))
                continue
            if row["seq"] > chain.size:
                chain.skip_to(row["seq"])
            disclosures = [d.encode() for group in GROUPS if (d := row[f"p_{group}"]) is not None]
            entry = chain.add(row["entry"], row["leaf_hash"], disclosures)
            if entry is not None:
                chain.contradictions += _against_columns(row, entry)
                if entry.seq == 0:
                    chain.contradictions += _against_tenant(tenant, entry, row["p_metadata"])
            if remembered and chain.size == remembered.size:
                noted = chain.head
            if chain.size % 1000 == 0:
                progress(chain.size, size)
    progress(chain.size, size)
    return noted


def _against_columns(row: dict[str, Any], entry: Entry) -> list[Contradiction]:
    # 8. The columns that it is found by say what the entry says.
    target = entry.targets[0] if entry.targets else None
    said = {
        "id": entry.id,
        "recorded_at": entry.recorded_at,
        "occurred_at": f"{entry.occurred_at[:-1]}000Z",
        "action": entry.action,
        "category": entry.category,
        "operation": entry.operation,
        "outcome": entry.outcome,
        "source": entry.source,
        "actor_type": entry.actor.type,
        "actor_id": entry.actor.id,
        "target_type": target and target.type,
        "target_id": target and target.id,
    }
    return [
        Contradiction(row["seq"], f"the column {name} says {row[name]!r}, the entry {value!r}")
        for name, value in said.items()
        if row[name] != value
    ]


def _against_tenant(tenant: str, entry: Entry, metadata: str | None) -> list[Contradiction]:
    # 9. Entry 0 opens the ledger of this tenant: two ledgers that changed places are each consistent in themselves.
    try:
        _, opened = open_disclosure((metadata or "").encode())
        named = entry.action == "ledger.created" and opened["tenant_id"] == tenant
    except (ValueError, TypeError, LookupError):
        named = False
    return [] if named else [Contradiction(0, f"entry 0 does not open the ledger of {tenant}")]


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
        if chain.recorded_at and recorded_at != chain.recorded_at:
            found.append(f"by its head the ledger last grew at {recorded_at}, by its entries at {chain.recorded_at}")
    return [Contradiction(None, what) for what in found]


def _against_memory(chain: Chain, remembered: Remembered | None, noted: str | None) -> list[Contradiction]:
    # 11. It holds what somebody remembers of it.
    if remembered is None:
        return []
    if chain.size < remembered.size:
        what = f"the ledger had {remembered.size} entries and has {chain.size}: the newest were deleted"
        return [Contradiction(chain.size, what)]
    if remembered.head is not None and noted != remembered.head:
        what = f"at {remembered.size} entries its head was {remembered.head} and is {noted}: history was rewritten"
        return [Contradiction(remembered.size - 1, what)]
    return []
