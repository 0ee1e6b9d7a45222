"""The Merkle tree against RFC 6962's own recursive definition, and against published values."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.ledger.tree import EMPTY_ROOT, HASH_BYTES, Frontier, Subtree, leaf_hash, node_hash
from tests.ledger.trees import mth, numbered

LEAVES = [
    bytes.fromhex(leaf)
    for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]


def definition(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + definition(leaves[:k]) + definition(leaves[k:])).digest()


def grown(leaves: list[bytes]) -> Frontier:
    frontier = Frontier()
    frontier.extend(map(leaf_hash, leaves))
    return frontier


def test_published_values() -> None:
    """From the test data of certificate transparency logs: leaves, nodes and trees tell each other apart."""
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert node_hash(b"N123", b"N456").hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert grown(LEAVES).root().hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def test_every_size_up_to_600_has_the_root_of_the_definition() -> None:
    """Every shape of the right edge that there is below ten levels."""
    leaves = [b"%d" % i for i in range(600)]
    frontier = Frontier()
    for size, leaf in enumerate(leaves):
        if size <= 70 or size % 37 == 0 or size.bit_count() < 3:
            assert frontier.root() == definition(leaves[:size])
        frontier.push(leaf_hash(leaf))
    assert frontier.root() == definition(leaves)


@given(st.lists(st.binary(max_size=40), max_size=600))
def test_any_leaves_have_the_root_of_the_definition(leaves: list[bytes]) -> None:
    assert grown(leaves).root() == definition(leaves)


@given(st.lists(st.binary(max_size=3), max_size=70), st.data())
def test_growth_goes_on_from_what_was_stored(leaves: list[bytes], data: st.DataObject) -> None:
    """The ledger's row keeps size and frontier; a later transaction takes them up from there."""
    cut = data.draw(st.integers(0, len(leaves)))
    stored = grown(leaves[:cut])
    assert len(bytes(stored)) == cut.bit_count() * HASH_BYTES
    again = Frontier(cut, bytes(stored))
    again.extend(map(leaf_hash, leaves[cut:]))
    assert (again.size, again.root(), bytes(again)) == (len(leaves), definition(leaves), bytes(grown(leaves)))


@pytest.mark.parametrize(
    ("size", "roots"), [(0, 32), (1, 0), (1, 31), (1, 33), (1, 64), (3, 32), (4, 64), (-1, 32), (-1, 0), (2**64, 0)]
)
def test_a_frontier_that_does_not_fit_its_size_is_refused(size: int, roots: int) -> None:
    """Growing on from it would give a root that nobody can explain."""
    with pytest.raises(ValueError, match="has no frontier of"):
        Frontier(size, bytes(roots))


def test_complete_subtrees_are_collected_at_each_size() -> None:
    """Of 256 and of 65,536 leaves, as soon as they are complete, each once, with the root of the definition."""
    leaves = numbered(2 * 65_536 + 300)
    frontier = Frontier()
    for size, leaf in enumerate(leaves, 1):
        frontier.push(leaf)
        assert len(frontier.completed) == size // 256 + size // 65_536
    assert frontier.root() == mth(leaves)
    assert [s.index for s in frontier.completed if s.level == 1] == list(range(512 + 1))
    assert [s.index for s in frontier.completed if s.level == 2] == [0, 1]
    for level, index, root in [*frontier.completed[:3], *frontier.completed[254:260], *frontier.completed[-4:]]:
        width = 256**level
        assert root == mth(leaves[index * width : (index + 1) * width])


def test_a_subtree_of_a_further_level_is_collected() -> None:
    """The 2^24th leaf completes one of each level; the frontier before it is made up, the folding is not."""
    before = 2**24 - 1
    roots = [bytes([i]) * HASH_BYTES for i in range(24)]
    frontier = Frontier(before, b"".join(roots))
    frontier.push(bytes(HASH_BYTES))
    expected = [bytes(HASH_BYTES)]
    for left in reversed(roots):
        expected.append(node_hash(left, expected[-1]))
    assert frontier.completed == [
        Subtree(1, 2**16 - 1, expected[8]),
        Subtree(2, 2**8 - 1, expected[16]),
        Subtree(3, 0, expected[24]),
    ]
    assert bytes(frontier) == expected[24]


@given(st.integers(0, 700), st.integers(0, 700))
def test_subtrees_are_collected_after_growth_was_taken_up_again(cut: int, count: int) -> None:
    """A transaction starts from the stored frontier and collects just the subtrees that it completes itself."""
    leaves = numbered(cut + count)
    before = Frontier()
    before.extend(leaves[:cut])
    after = Frontier(cut, bytes(before))
    after.extend(leaves[cut:])
    whole = Frontier()
    whole.extend(leaves)
    assert before.completed + after.completed == whole.completed
    assert after.root() == whole.root()
