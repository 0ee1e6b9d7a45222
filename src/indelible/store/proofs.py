"""Proofs from the stored tree: some hundred rows found by their keys, whatever the size of the ledger.

What is stored of a tree are the leaf hashes and, above, the roots of complete subtrees of 256, 65,536 … leaves; each
node between is hashed from up to 128 of these. All are rows that are only ever inserted, so that a proof for a size
that the ledger has had can be read at any time, without a lock.

Each function takes a `Database`, and reads in a transaction of its own, or a `Connection` in a transaction as
`reader` or `signer` of the tenant. Raises `LedgerAltered` where the rows are not all there, `BadProof` for sizes and
numbers that do not fit each other.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import chain, pairwise
from typing import Any, NamedTuple, cast
from uuid import UUID

from psycopg import sql

from indelible.ledger import proof
from indelible.ledger.checkpoint import Checkpoint
from indelible.ledger.proof import BadProof, Node
from indelible.ledger.tree import SUBTREE_LEVELS, leaf_hash
from indelible.store.errors import StoreError
from indelible.store.session import Connection, Database
from indelible.store.view import View

__all__ = [
    "LedgerAltered",
    "Placed",
    "consistency",
    "find",
    "inclusion",
    "left",
    "proven_consistency",
    "proven_inclusion",
    "root",
    "tail",
]


class LedgerAltered(StoreError):
    """What is stored of a ledger is incomplete, or contradicts what was signed of it.

    The message does not name the tenant: it is shown to others too.
    """

    def __init__(self, tenant: str, what: str) -> None:
        super().__init__(what)
        self.tenant = tenant


class Placed(NamedTuple):
    """Where an entry stands, and the hash of its bytes as they are now."""

    seq: int
    leaf: bytes


class _Span(NamedTuple):
    """Neighbouring stored hashes: those of a stored level from `start` up to, but not including, `stop`."""

    level: int
    start: int
    stop: int


# Spans and not a list of numbers: every month is searched for each of them. OFFSET 0 keeps each search apart: joined,
# the planner would take them for a ninth of the ledger and read through all of it.
_HASHES = b"""
    SELECT 0, e.seq, e.leaf_hash
    FROM unnest(%(starts)s::bigint[], %(stops)s::bigint[]) span (start, stop)
    CROSS JOIN LATERAL (
        SELECT seq, leaf_hash FROM indelible.events
        WHERE tenant_id = %(tenant)s AND seq >= span.start AND seq < span.stop OFFSET 0
    ) e
    UNION ALL
    SELECT s.level, s.index, s.root
    FROM unnest(%(high)s::smallint[], %(high_starts)s::bigint[], %(high_stops)s::bigint[]) span (level, start, stop)
    CROSS JOIN LATERAL (
        SELECT level, index, root FROM indelible.subtrees
        WHERE tenant_id = %(tenant)s AND level = span.level AND index >= span.start AND index < span.stop
        OFFSET 0
    ) s
"""

_ENTRY = sql.SQL("SELECT seq, entry FROM indelible.events WHERE {}")

Source = Database | Connection


async def inclusion(source: Source, tenant: str, seq: int, size: int) -> list[bytes]:
    """The proof that entry `seq` is one of the first `size`, from the leaf's sibling up; not yet verified."""
    return await _folded(source, tenant, proof.inclusion(seq, size))


async def consistency(source: Source, tenant: str, old: int, new: int) -> list[bytes]:
    """The proof that the first `new` entries begin with the first `old`; not yet verified."""
    return await _folded(source, tenant, proof.consistency(old, new))


async def left(source: Source, tenant: str, start: int) -> list[bytes]:
    """The frontier of the first `start` entries, largest subtree first."""
    return await _folded(source, tenant, [(node,) for node in proof.left(start)])


async def tail(source: Source, tenant: str, stop: int, size: int) -> list[bytes]:
    """What leads from the frontier of the first `stop` entries to the root of `size`; see `proof.root_of`."""
    return await _folded(source, tenant, proof.tail(stop, size))


async def root(source: Source, tenant: str, size: int) -> bytes:
    """The root of the first `size` entries, by the rows that there are now."""
    return proof.fold(await left(source, tenant, size))


async def proven_inclusion(source: Source, tenant: str, leaf: bytes, seq: int, stated: Checkpoint) -> list[bytes]:
    """The proof that `leaf` is entry `seq` of the ledger as it was signed.

    Raises `LedgerAltered` where what is stored does not make one that holds.
    """
    hashes = await inclusion(source, tenant, seq, stated.size)
    try:
        proof.verify_inclusion(leaf, seq, stated.size, hashes, stated.root)
    except BadProof as error:
        raise LedgerAltered(
            tenant, f"the stored ledger contradicts its signed checkpoint of {stated.size} entries: {error}"
        ) from error
    return hashes


async def proven_consistency(
    source: Source, tenant: str, old: int, new: int, stated: Iterable[Checkpoint]
) -> list[bytes]:
    """The proof that the first `new` entries begin with the first `old`, which agrees with all that `stated` says.

    Where nothing is stated of one of the two sizes, its root is that of the rows, and has to be consistent with what
    is stated of others. Raises `LedgerAltered` where what is stored does not make a proof that holds.
    """
    signed = {checkpoint.size: checkpoint.root for checkpoint in stated}
    steps = {(old, new), *pairwise(sorted({old, new, *signed}))}
    wanted = {step: proof.consistency(*step) for step in steps}
    frontiers = {size: proof.left(size) for size in (old, new) if size not in signed}
    async with _transaction(source, View(tenant)) as connection:
        nodes = await _nodes(connection, tenant, chain(*chain(*wanted.values()), *frontiers.values()))
    roots = signed | {size: _fold(nodes, frontier) for size, frontier in frontiers.items()}
    proofs = {step: [_fold(nodes, part) for part in parts] for step, parts in wanted.items()}
    for (before, after), hashes in proofs.items():
        try:
            proof.verify_consistency(before, roots[before], after, roots[after], hashes)
        except BadProof as error:
            raise LedgerAltered(
                tenant,
                f"the stored ledger contradicts its signed checkpoints, between {before} and {after} entries: {error}",
            ) from error
    return proofs[old, new]


async def find(source: Source, view: View, event_id: UUID) -> Placed | None:
    """The event of this id, if it is in the view, with the hash of the entry that is stored and not the one beside it.

    A connection as `source` is in a transaction of the view's role, tenant and member.
    """
    parameters: dict[str, Any] = {"tenant": view.tenant, "id": event_id}
    wanted = [sql.SQL("tenant_id = %(tenant)s AND id = %(id)s"), *view.conditions(parameters)]
    async with _transaction(source, view) as connection:
        row = await (await connection.execute(_ENTRY.format(sql.SQL(" AND ").join(wanted)), parameters)).fetchone()
    return Placed(cast("int", row[0]), leaf_hash(cast("bytes", row[1]))) if row else None


async def _folded(source: Source, tenant: str, parts: Sequence[Sequence[Node]]) -> list[bytes]:
    if not parts:
        return []
    async with _transaction(source, View(tenant)) as connection:
        nodes = await _nodes(connection, tenant, chain.from_iterable(parts))
    return [_fold(nodes, part) for part in parts]


def _fold(nodes: Mapping[Node, bytes], part: Iterable[Node]) -> bytes:
    return proof.fold([nodes[node] for node in part])


async def _nodes(connection: Connection, tenant: str, wanted: Iterable[Node]) -> dict[Node, bytes]:
    """The hashes of these nodes, all by one query."""
    below = {node: _stored_below(node) for node in wanted}
    spans = _joined(below.values())
    low = [span for span in spans if span.level == 0]
    high = [span for span in spans if span.level]
    cursor = await connection.execute(
        _HASHES,
        {
            "tenant": tenant,
            "starts": [span.start for span in low],
            "stops": [span.stop for span in low],
            "high": [span.level for span in high],
            "high_starts": [span.start for span in high],
            "high_stops": [span.stop for span in high],
        },
    )
    rows = cast("list[tuple[int, int, bytes]]", await cursor.fetchall())
    stored = {(level, index): value for level, index, value in rows}
    for level, start, stop in spans:
        for index in range(start, stop):
            if (level, index) not in stored:
                width = 1 << SUBTREE_LEVELS * level
                what = f"the entries {index * width} to {(index + 1) * width - 1}" if level else f"entry {index}"
                raise LedgerAltered(tenant, f"the stored ledger is incomplete: there is no hash of {what}")
    if len(rows) != len(stored):
        raise LedgerAltered(tenant, "the stored ledger has two entries of one number")
    return {
        node: proof.subtree_root([stored[level, i] for i in range(start, stop)])
        for node, (level, start, stop) in below.items()
    }


def _stored_below(node: Node) -> _Span:
    """The stored hashes that `node` is the root of."""
    level, height = divmod(node.level, SUBTREE_LEVELS)
    return _Span(level, node.index << height, (node.index + 1) << height)


def _joined(spans: Iterable[_Span]) -> list[_Span]:
    joined: list[_Span] = []
    for span in sorted(spans):
        if joined and joined[-1].level == span.level and joined[-1].stop >= span.start:
            joined[-1] = joined[-1]._replace(stop=max(joined[-1].stop, span.stop))
        else:
            joined.append(span)
    return joined


@asynccontextmanager
async def _transaction(source: Source, view: View) -> AsyncIterator[Connection]:
    if isinstance(source, Database):
        async with source.transaction(view.role, view.tenant, member=view.member) as connection:
            yield connection
    else:
        yield source
