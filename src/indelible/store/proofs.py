"""Proofs from the stored tree: some hundred rows found by their keys, whatever the size of the ledger.

All are rows that are only ever inserted, so that a proof for a size that the ledger has had can be read at any time,
without a lock; `store.nodes` reads them.

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
from indelible.ledger.tree import leaf_hash
from indelible.store.nodes import LedgerAltered, nodes_of
from indelible.store.session import Connection, Database
from indelible.store.view import View

__all__ = [
    "LedgerAltered",
    "Placed",
    "Proven",
    "consistency",
    "entries",
    "find",
    "in_view",
    "inclusion",
    "left",
    "proven_consistency",
    "proven_inclusion",
    "proven_inclusions",
    "root",
    "tail",
]


class Placed(NamedTuple):
    """Where an entry stands, and the hash of its bytes as they are now."""

    seq: int
    leaf: bytes


class Proven(NamedTuple):
    """Inclusion proofs that hold, by the numbers of their entries."""

    hashes: Mapping[int, list[bytes]]
    fault: str | None
    """What was found to contradict the checkpoint, although these hold."""


_IN_VIEW = sql.SQL("SELECT DISTINCT seq FROM indelible.events WHERE {} ORDER BY seq")

_ENTRY = sql.SQL("SELECT seq, entry FROM indelible.events WHERE {}")

_CONTRADICTS = "the stored ledger contradicts its signed checkpoint of {} entries"

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
        raise LedgerAltered(tenant, f"{_CONTRADICTS.format(stated.size)}: {error}") from error
    return hashes


async def proven_inclusions(source: Source, tenant: str, seqs: Iterable[int], stated: Checkpoint) -> Proven:
    """The proofs that these entries, of those that were signed, stand where they do. The tree is read once for all.

    They are verified from the leaf hashes that are stored, and say nothing of the bytes of an entry: whoever has those
    hashes them, so that of an altered one it shows, and of that one alone. Where a stored hash does not lead to the
    root either, its neighbours' proofs, which it is part of, are made of what the entries that follow call `prev`: the
    chain has each hash a second time. Left out is what does not hold in either way.

    Raises `LedgerAltered` where none of them holds.
    """
    parts = {seq: proof.inclusion(seq, stated.size) for seq in seqs}
    if not parts:
        return Proven({}, None)
    proven: dict[int, list[bytes]] = {}
    fault = None
    async with _transaction(source, View(tenant)) as connection:
        for chained in (False, True):
            missing = {seq: parts[seq] for seq in parts if seq not in proven}
            wanted = {*map(_leaf, missing), *chain(*chain(*missing.values()))}
            nodes = await nodes_of(connection, tenant, wanted, chained=chained)
            for seq, each in missing.items():
                hashes = [_fold(nodes, part) for part in each]
                try:
                    proof.verify_inclusion(nodes[_leaf(seq)], seq, stated.size, hashes, stated.root)
                except BadProof as error:
                    fault = fault or f"{_CONTRADICTS.format(stated.size)}: {error}"
                else:
                    proven[seq] = hashes
            if len(proven) == len(parts):
                break
    if not proven:
        raise LedgerAltered(tenant, fault or "")
    return Proven(proven, fault)


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
        nodes = await nodes_of(connection, tenant, chain(*chain(*wanted.values()), *frontiers.values()))
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


async def in_view(source: Source, view: View, seqs: Iterable[int]) -> list[int]:
    """Those of the numbers that are of entries in the view, in their order. As for `find`."""
    parameters: dict[str, Any] = {"tenant": view.tenant, "seqs": [*seqs]}
    wanted = [sql.SQL("tenant_id = %(tenant)s AND seq = ANY (%(seqs)s::bigint[])"), *view.conditions(parameters)]
    async with _transaction(source, view) as connection:
        rows = await (await connection.execute(_IN_VIEW.format(sql.SQL(" AND ").join(wanted)), parameters)).fetchall()
    return [cast("int", seq) for (seq,) in rows]


async def entries(source: Source, tenant: str, seqs: Iterable[int]) -> dict[int, bytes]:
    """The entries of these numbers, as they are stored, for whoever sees all of the tenant's."""
    parameters: dict[str, Any] = {"tenant": tenant, "seqs": [*seqs]}
    wanted = sql.SQL("tenant_id = %(tenant)s AND seq = ANY (%(seqs)s::bigint[])")
    async with _transaction(source, View(tenant)) as connection:
        rows = await (await connection.execute(_ENTRY.format(wanted), parameters)).fetchall()
    return {cast("int", seq): cast("bytes", entry) for seq, entry in rows}


async def _folded(source: Source, tenant: str, parts: Sequence[Sequence[Node]]) -> list[bytes]:
    if not parts:
        return []
    async with _transaction(source, View(tenant)) as connection:
        nodes = await nodes_of(connection, tenant, chain.from_iterable(parts))
    return [_fold(nodes, part) for part in parts]


def _fold(nodes: Mapping[Node, bytes], part: Iterable[Node]) -> bytes:
    return proof.fold([nodes[node] for node in part])


def _leaf(seq: int) -> Node:
    return Node(0, seq)


@asynccontextmanager
async def _transaction(source: Source, view: View) -> AsyncIterator[Connection]:
    if isinstance(source, Database):
        async with source.transaction(view.role, view.tenant, member=view.member) as connection:
            yield connection
    else:
        yield source
