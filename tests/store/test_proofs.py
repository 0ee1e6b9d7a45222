"""Proofs from the stored tree: for every size there was, few rows by key, and never one that does not hold."""

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from indelible.catalog import Catalog
from indelible.ledger import proof
from indelible.ledger.checkpoint import Checkpoint
from indelible.ledger.proof import BadProof, Node
from indelible.ledger.tree import Frontier, leaf_hash
from indelible.store import nodes, proofs
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.intake import Intake
from indelible.store.proofs import LedgerAltered
from indelible.store.session import Database as Connections
from indelible.store.view import View
from tests.conftest import Cluster
from tests.postgres import Database
from tests.signed import leaves_of, origin_of
from tests.store.samples import as_superuser, examples, rows, send, take

pytestmark = pytest.mark.anyio

APPENDED, WRITTEN = 1500, 66_200


@dataclass(frozen=True)
class Tree:
    """A stored ledger, and what it has to be like by its leaves alone."""

    tenant: str
    leaves: Sequence[bytes]
    connections: Connections

    def frontier(self, size: int) -> Frontier:
        frontier = Frontier()
        frontier.extend(self.leaves[:size])
        return frontier

    def root(self, size: int) -> bytes:
        return self.frontier(size).root()

    def stated(self, size: int) -> Checkpoint:
        return Checkpoint("example.com/ledger", size, self.root(size))

    def folded(self, parts: Sequence[Sequence[Node]]) -> list[bytes]:
        """The hashes of a proof, from the leaves."""
        return [
            proof.fold([proof.subtree_root(self.leaves[i << level : (i + 1) << level]) for level, i in part])
            for part in parts
        ]


_appended: dict[str, list[bytes]] = {}


@pytest.fixture
async def tree(database: Database, connections: Connections, catalog: Catalog) -> Tree:
    """Appended as every event is, in batches; once for all tests that leave it alone."""
    if database.url not in _appended:
        intake = Intake(catalog)
        async with Appender.open(connections, Rules(catalog)) as appender:
            for size in (1, 255, 256, 987):
                await send(appender, *[take(intake, "tree") for _ in range(size)])
            await send(appender, take(intake, "beside"))
        _appended[database.url] = leaves_of(database, "tree")
    leaves = _appended[database.url]
    assert len(leaves) == APPENDED
    return Tree("tree", leaves, connections)


@pytest.fixture
async def small(database: Database, connections: Connections, catalog: Catalog) -> Tree:
    """One of 600 entries, for the test alone."""
    tenant = f"t-{secrets.token_hex(6)}"
    intake = Intake(catalog)
    async with Appender.open(connections, Rules(catalog)) as appender:
        await send(appender, *[take(intake, tenant) for _ in range(599)])
    return Tree(tenant, leaves_of(database, tenant), connections)


SEQ_AND_SIZE = st.integers(1, APPENDED).flatmap(lambda size: st.tuples(st.integers(0, size - 1), st.just(size)))


@examples(40)
@given(SEQ_AND_SIZE)
@example((0, 1))
@example((255, 256))
@example((256, 1024))
@example((767, 1280))
async def test_an_inclusion_proof_leads_from_each_entry_to_the_root_of_each_size(
    tree: Tree, numbers: tuple[int, int]
) -> None:
    seq, size = numbers
    found = await proofs.inclusion(tree.connections, tree.tenant, seq, size)
    assert found == tree.folded(proof.inclusion(seq, size))
    proof.verify_inclusion(tree.leaves[seq], seq, size, found, tree.root(size))
    assert (
        await proofs.proven_inclusion(tree.connections, tree.tenant, tree.leaves[seq], seq, tree.stated(size)) == found
    )


@examples(40)
@given(SEQ_AND_SIZE)
@example((255, 256))
@example((511, 1280))
async def test_a_consistency_proof_leads_from_each_size_to_each_later_one(tree: Tree, numbers: tuple[int, int]) -> None:
    old, new = numbers[0] + 1, numbers[1]
    found = await proofs.consistency(tree.connections, tree.tenant, old, new)
    assert found == tree.folded(proof.consistency(old, new))
    proof.verify_consistency(old, tree.root(old), new, tree.root(new), found)
    for sizes in ((), (old,), (new,), (old, new), (1, len(tree.leaves)), (old, (old + new) // 2)):
        stated = [tree.stated(size) for size in sizes]
        assert await proofs.proven_consistency(tree.connections, tree.tenant, old, new, stated) == found


@examples(40)
@given(SEQ_AND_SIZE)
@example((255, 256))
async def test_both_sides_of_a_range_give_the_root(tree: Tree, numbers: tuple[int, int]) -> None:
    start, size = numbers
    left = await proofs.left(tree.connections, tree.tenant, start)
    assert b"".join(left) == bytes(tree.frontier(start))
    tail = await proofs.tail(tree.connections, tree.tenant, start + 1, size)
    assert proof.root_of(tree.frontier(start + 1), tail, size) == tree.root(size)
    assert await proofs.root(tree.connections, tree.tenant, size) == tree.root(size)


async def test_it_is_so_above_65_536_entries(database: Database, connections: Connections) -> None:
    """Where nodes are made of stored subtrees of two levels. Written as rows alone, which is quicker."""
    leaves = [sha256(b"%d" % number).digest() for number in range(WRITTEN)]
    frontier = Frontier()
    frontier.extend(leaves)
    with psycopg.connect(database.admin_url) as connection:
        write_rows(connection, "written", WRITTEN)
        connection.cursor().executemany(
            "INSERT INTO indelible.subtrees VALUES ('written', %s, %s, %s)", frontier.completed
        )
    tree = Tree("written", leaves, connections)
    assert {subtree.level for subtree in frontier.completed} == {1, 2}
    for size in (WRITTEN, 65_536, 65_537, 65_792):
        for seq in (0, 255, 4711, 65_535, size - 1):
            if seq < size:
                stated = tree.stated(size)
                await proofs.proven_inclusion(connections, "written", leaves[seq], seq, stated)
        for old in (1, 40_000, 65_535, 65_536, size):
            if old <= size:
                await proofs.proven_consistency(
                    connections, "written", old, size, [tree.stated(old), tree.stated(size)]
                )


def write_rows(connection: psycopg.Connection, tenant: str, count: int, months: int = 1) -> None:
    """Spread over the last `months`, of which there are the partitions."""
    connection.execute("SET LOCAL session_replication_role = replica")
    connection.execute(
        """
        INSERT INTO indelible.events (tenant_id, seq, recorded_at, occurred_at, id, action, outcome, source,
                                      actor_type, leaf_hash, entry)
        SELECT %(tenant)s, number, recorded, recorded, gen_random_uuid(), 'user.joined', 'success', 'api', 'user',
               sha256(number::text::bytea), '{}' FROM generate_series(0, %(count)s - 1) number,
            LATERAL (SELECT now() - make_interval(months => %(months)s - 1 - number * %(months)s / %(count)s))
                at (recorded)
        """,
        {"tenant": tenant, "count": count, "months": months},
    )


async def test_it_reads_within_a_transaction_of_the_signer(tree: Tree) -> None:
    """Who sees hashes only."""
    async with tree.connections.transaction("signer", tree.tenant) as connection:
        assert b"".join(await proofs.left(connection, tree.tenant, 1023)) == bytes(tree.frontier(1023))
        assert await proofs.root(connection, tree.tenant, 1024) == tree.root(1024)


@pytest.mark.parametrize("tenant", ["beside", "nobody"])
async def test_nothing_of_another_tenant_gets_into_a_proof(tree: Tree, tenant: str) -> None:
    """Neither by asking for it, nor where the transaction is another tenant's."""
    for read in (proofs.inclusion(tree.connections, tenant, 600, 1400), proofs.left(tree.connections, tenant, 1024)):
        with pytest.raises(LedgerAltered, match="incomplete"):
            await read
    async with tree.connections.transaction("reader", tenant) as connection:
        with pytest.raises(LedgerAltered, match="incomplete"):
            await proofs.inclusion(connection, tree.tenant, 600, 1400)


@pytest.mark.parametrize("numbers", [(0, 0), (5, 5), (-1, 5), (6, 5)])
async def test_numbers_that_do_not_fit_are_no_proof(tree: Tree, numbers: tuple[int, int]) -> None:
    with pytest.raises(BadProof):
        await proofs.inclusion(tree.connections, tree.tenant, *numbers)


async def test_sizes_that_do_not_fit_are_no_proof(tree: Tree) -> None:
    with pytest.raises(BadProof):
        await proofs.consistency(tree.connections, tree.tenant, 6, 5)
    with pytest.raises(BadProof):
        await proofs.tail(tree.connections, tree.tenant, 6, 5)


HOLES = {
    "an entry": ("DELETE FROM indelible.events WHERE tenant_id = %(tenant)s AND seq = 520", "no hash of entry 520$"),
    "the first entry": ("DELETE FROM indelible.events WHERE tenant_id = %(tenant)s AND seq = 512", "entry 512$"),
    "a subtree": (
        "DELETE FROM indelible.subtrees WHERE tenant_id = %(tenant)s AND index = 0",
        "no hash of the entries 0 to 255$",
    ),
    "an entry twice": (
        """INSERT INTO indelible.events SELECT tenant_id, seq, recorded_at + interval '1 microsecond', occurred_at,
           gen_random_uuid(), action, category, operation, outcome, source, actor_type, actor_id, target_type,
           target_id, leaf_hash, entry FROM indelible.events WHERE tenant_id = %(tenant)s AND seq = 520""",
        "two entries of one number",
    ),
}


@pytest.mark.parametrize("hole", HOLES)
async def test_a_hole_in_what_is_stored_is_named(database: Database, small: Tree, hole: str) -> None:
    statement, said = HOLES[hole]
    as_superuser(database, statement, tenant=small.tenant)
    with pytest.raises(LedgerAltered, match=said):
        await proofs.inclusion(small.connections, small.tenant, 530, 600)
    # Of what is not needed nothing is read.
    assert await proofs.left(small.connections, small.tenant, 0) == []


@examples(20)
@given(st.integers(1, APPENDED).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), max_size=60))))
@example((1280, {255, 256, 511, 1279}))
async def test_the_proofs_of_many_are_those_of_each(tree: Tree, numbers: tuple[int, set[int]]) -> None:
    size, seqs = numbers
    found = await proofs.proven_inclusions(tree.connections, tree.tenant, seqs, tree.stated(size))
    assert found.fault is None
    assert found.hashes == {seq: tree.folded(proof.inclusion(seq, size)) for seq in seqs}


async def test_of_many_those_that_hold_are_given_though_a_hash_was_altered(database: Database, small: Tree) -> None:
    """By what the next entry says; and those that it is no part of, where nothing does."""
    seqs, stated = {0, 255, 256, 520, 521, 522, 599}, small.stated(600)
    right = {seq: small.folded(proof.inclusion(seq, 600)) for seq in seqs}
    altered = "UPDATE indelible.events SET leaf_hash = sha256('x') WHERE tenant_id = %(tenant)s AND seq = 521"
    as_superuser(database, altered, tenant=small.tenant)
    found = await proofs.proven_inclusions(small.connections, small.tenant, seqs, stated)
    assert found.hashes == right
    assert "contradicts its signed checkpoint of 600 entries" in (found.fault or "")
    as_superuser(
        database, "UPDATE indelible.events SET entry = '{}' WHERE tenant_id = %(tenant)s AND seq = 522",
        tenant=small.tenant,
    )  # fmt: skip
    # Nothing tells any more what the hash was, and every proof of this size is made of it.
    with pytest.raises(LedgerAltered, match="contradicts"):
        await proofs.proven_inclusions(small.connections, small.tenant, seqs, stated)
    early = {0, 255, 256}
    found = await proofs.proven_inclusions(small.connections, small.tenant, early, small.stated(512))
    assert found.hashes == {seq: small.folded(proof.inclusion(seq, 512)) for seq in early}


async def test_of_nothing_there_are_no_proofs(tree: Tree) -> None:
    assert await proofs.proven_inclusions(tree.connections, tree.tenant, [], tree.stated(7)) == ({}, None)


async def test_of_numbers_those_of_the_view_are_told(tree: Tree) -> None:
    asked = [APPENDED, 2**53 - 1, 700, 3, 3, 0]
    assert await proofs.in_view(tree.connections, View(tree.tenant), asked) == [0, 3, 700]
    assert await proofs.in_view(tree.connections, View("beside"), asked) == [0]
    none = View(tree.tenant, equal={"action": ["user.left"]})
    assert await proofs.in_view(tree.connections, none, asked) == []
    assert await proofs.in_view(tree.connections, View(tree.tenant, member="nobody"), asked) == []


ALTERED: dict[str, Callable[[int], str]] = {
    "a leaf hash": lambda seq: f"UPDATE indelible.events SET leaf_hash = sha256('x') WHERE seq = {seq}",
    "a subtree": lambda seq: f"UPDATE indelible.subtrees SET root = sha256('x') WHERE index = {seq // 256}",
}


@pytest.mark.parametrize(
    ("what", "seq"), [("a leaf hash", 521), ("a leaf hash", 599), ("a subtree", 0), ("a subtree", 300)]
)
async def test_what_was_altered_makes_no_proof(database: Database, small: Tree, what: str, seq: int) -> None:
    """Whichever of the rows of the proof it is."""
    stated = small.stated(600)
    as_superuser(database, f"{ALTERED[what](seq)} AND tenant_id = %(tenant)s", tenant=small.tenant)
    with pytest.raises(LedgerAltered, match="contradicts its signed checkpoint of 600 entries"):
        await proofs.proven_inclusion(small.connections, small.tenant, small.leaves[530], 530, stated)
    for signed in ([stated], [small.stated(530), stated], [small.stated(599), stated]):
        with pytest.raises(LedgerAltered, match="contradicts its signed checkpoints"):
            await proofs.proven_consistency(small.connections, small.tenant, 530, 600, signed)


async def test_another_entry_than_that_which_was_signed_is_not_proven(small: Tree) -> None:
    for leaf in (small.leaves[531], leaf_hash(b"{}"), b""):
        with pytest.raises(LedgerAltered, match="contradicts"):
            await proofs.proven_inclusion(small.connections, small.tenant, leaf, 530, small.stated(600))


@pytest.mark.parametrize("size", [100, 530, 560, 600])
async def test_a_contradicting_checkpoint_of_any_size_stops_a_consistency_proof(small: Tree, size: int) -> None:
    """Of two histories that were signed, none is proven."""
    other = Checkpoint("example.com/ledger", size, sha256(b"another history").digest())
    with pytest.raises(LedgerAltered, match=str(size)):
        await proofs.proven_consistency(small.connections, small.tenant, 530, 580, [small.stated(600), other])


async def test_an_event_is_found_with_the_hash_of_its_bytes(database: Database, small: Tree) -> None:
    """Not with the hash that is stored beside them."""
    ((event_id,),) = rows(database, "SELECT id FROM indelible.events WHERE tenant_id = %s AND seq = 7", small.tenant)
    found = await proofs.find(small.connections, View(small.tenant), event_id)
    assert found == (7, small.leaves[7])
    assert await proofs.find(small.connections, View("beside"), event_id) is None
    as_superuser(database, "UPDATE indelible.events SET entry = '{}' WHERE id = %(id)s", id=event_id)
    assert await proofs.find(small.connections, View(small.tenant), event_id) == (7, leaf_hash(b"{}"))
    assert origin_of(database, small.tenant).startswith("indelible.local/")


AHEAD = "SELECT (date_trunc('month', now()) + make_interval(months => ahead))::date FROM generate_series(1, 3) ahead"


async def test_no_ledger_is_read_through_for_a_proof(cluster: Cluster) -> None:
    """However little PostgreSQL knows of it, and however much: also where one tenant has nearly all there is."""
    database = cluster.databases.clone(cluster.template)
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute(
            "SELECT indelible.ensure_month((now() - make_interval(months => ago))::date) "
            "FROM generate_series(0, 23) ago"
        )
        with connection.transaction():
            write_rows(connection, "large", 36_000, months=24)
            write_rows(connection, "small", 100, months=24)
        empty = {f"events_{day:%Y_%m}" for (day,) in connection.execute(AHEAD)}
        for statement in ("SELECT", "ANALYZE indelible.events, indelible.subtrees"):
            connection.execute(statement.encode())
            plan = await plan_of_a_proof(database)
            read_through = set(re.findall(r"Seq Scan on (events_\S+)", plan)) - empty
            assert plan.count("_pkey") >= 24
            assert read_through == set()
    cluster.databases.drop(database)


async def plan_of_a_proof(database: Database) -> str:
    async with Connections.open(database.url) as connections, connections.transaction("reader", "large") as reading:
        cursor = await reading.execute(
            b"EXPLAIN " + nodes._HASHES,
            {"tenant": "large", "starts": [256, 301, 35_840], "stops": [300, 512, 35_999],
             "high": [1, 1], "high_starts": [0, 2], "high_stops": [1, 140]},
        )  # fmt: skip
        return "\n".join(str(line) for (line,) in await cursor.fetchall())
