"""Proofs against RFC 6962's recursive definitions, from a tree as it is stored; and everything wrong is refused."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from indelible.ledger.proof import (
    BadProof,
    Node,
    consistency,
    fold,
    inclusion,
    left,
    root_of,
    subtree_root,
    tail,
    verify_consistency,
    verify_inclusion,
)
from indelible.ledger.tree import EMPTY_ROOT, Frontier
from tests.ledger import trees
from tests.ledger.trees import StoredTree, mth, numbered

LEAVES = numbered(66_300)  # more than one subtree of 65,536, and then some of 256
LARGE = StoredTree(LEAVES)
SMALL = [StoredTree(LEAVES[:n]) for n in range(71)]
ROOTS = [mth(LEAVES[:n]) for n in range(71)]


def frontier(count: int) -> Frontier:
    return Frontier(count, b"".join(LARGE.node(node) for node in left(count)))


def root(size: int) -> bytes:
    return frontier(size).root()


def flipped(value: bytes, bit: int) -> bytes:
    bit %= len(value) * 8
    return bytes(byte ^ (1 << bit % 8 if i == bit // 8 else 0) for i, byte in enumerate(value))


def test_the_examples_of_rfc_6962() -> None:
    """Section 2.1.3: a tree of seven leaves a=d0 to j=d6, g=ab, h=cd, i=ef, k=ghij…, by its own names."""
    a, b, c, d, e, f, j = (Node(0, i) for i in range(7))
    g, h, i = (Node(1, n) for n in range(3))
    k = Node(2, 0)
    right_half = (i, j)  # the RFC's l
    assert inclusion(0, 7) == [(b,), (h,), right_half]
    assert inclusion(3, 7) == [(c,), (g,), right_half]
    assert inclusion(4, 7) == [(f,), (j,), (k,)]
    assert inclusion(6, 7) == [(i,), (k,)]
    assert consistency(3, 7) == [(c,), (d,), (g,), right_half]
    assert consistency(4, 7) == [right_half]
    assert consistency(6, 7) == [(i,), (j,), (k,)]
    assert left(7) == [k, i, j]
    assert tail(3, 7) == [(d,), right_half]
    assert (a, e) == (Node(0, 0), Node(0, 4))


def test_every_pair_up_to_70_is_that_of_the_definition() -> None:
    """All shapes of a right edge over all shapes of an earlier one."""
    for size in range(1, 71):
        leaves, tree = LEAVES[:size], SMALL[size]
        for index in range(size):
            hashes = tree.hashes(inclusion(index, size))
            assert hashes == trees.path(index, leaves)
            verify_inclusion(leaves[index], index, size, hashes, ROOTS[size])
            rights = tree.hashes(tail(index + 1, size))
            assert root_of(SMALL[index + 1].frontier, rights, size) == ROOTS[size]
            assert len(left(index + 1)) + len(rights) <= 2 * size.bit_length()
        for old in range(1, size + 1):
            hashes = tree.hashes(consistency(old, size))
            assert hashes == trees.proof(old, leaves)
            verify_consistency(old, ROOTS[old], size, ROOTS[size], hashes)


@given(st.integers(1, len(LEAVES)), st.data())
def test_a_large_tree_is_proven_from_what_is_stored(size: int, data: st.DataObject) -> None:
    """Nodes of all levels, computed from the subtrees of 1, 256 and 65,536 leaves that a store keeps."""
    stop = data.draw(st.integers(1, size))
    whole = root(size)
    verify_inclusion(LEAVES[stop - 1], stop - 1, size, LARGE.hashes(inclusion(stop - 1, size)), whole)
    verify_consistency(stop, root(stop), size, whole, LARGE.hashes(consistency(stop, size)))
    assert root_of(frontier(stop), LARGE.hashes(tail(stop, size)), size) == whole


@pytest.mark.parametrize("size", [255, 256, 257, 511, 65_535, 65_536, 65_537, 65_792, 66_300])
def test_the_stored_tree_has_the_root_of_the_definition(size: int) -> None:
    grown = Frontier()
    grown.extend(LEAVES[:size])
    assert bytes(grown) == bytes(frontier(size))
    assert root(size) == grown.root() == mth(LEAVES[:size])
    for index in (0, size // 3, size - 1):
        assert LARGE.hashes(inclusion(index, size)) == trees.path(index, LEAVES[:size])


def test_the_empty_tree_is_the_beginning_of_all() -> None:
    assert consistency(0, 5) == consistency(0, 0) == consistency(5, 5) == []
    assert left(0) == []
    assert fold([]) == EMPTY_ROOT
    verify_consistency(0, EMPTY_ROOT, 5, ROOTS[5], [])
    verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    verify_consistency(5, ROOTS[5], 5, ROOTS[5], [])
    for old, old_root, new, new_root, proof in [
        (0, ROOTS[1], 5, ROOTS[5], []),
        (0, EMPTY_ROOT, 5, ROOTS[5], [ROOTS[5]]),
        (0, EMPTY_ROOT, 0, ROOTS[1], []),
        (5, ROOTS[5], 5, ROOTS[4], []),
        (5, ROOTS[5], 5, ROOTS[5], [ROOTS[5]]),
        (1, EMPTY_ROOT, 5, ROOTS[5], SMALL[5].hashes(consistency(1, 5))),
    ]:
        with pytest.raises(BadProof):
            verify_consistency(old, old_root, new, new_root, proof)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 1), (5, 5), (6, 5), (0, -1), (2**53, 2**53)])
def test_an_entry_that_is_not_there_has_no_proof(index: int, size: int) -> None:
    for attempt in (
        lambda: inclusion(index, size),
        lambda: tail(index + 1, size),
        lambda: verify_inclusion(LEAVES[0], index, size, [], LEAVES[0]),
    ):
        with pytest.raises(BadProof, match="there is no entry"):
            attempt()


@pytest.mark.parametrize(("old", "new"), [(1, 0), (-1, 0), (-1, -1), (6, 5)])
def test_a_ledger_does_not_shrink(old: int, new: int) -> None:
    with pytest.raises(BadProof, match="does not grow"):
        consistency(old, new)
    with pytest.raises(BadProof, match="does not grow"):
        verify_consistency(old, ROOTS[1], new, ROOTS[1], [])


@pytest.mark.parametrize("count", [0, 3, 5, 255, 257])
def test_a_subtree_is_complete_or_none(count: int) -> None:
    with pytest.raises(BadProof, match="no complete subtree"):
        subtree_root(LEAVES[:count])


@pytest.mark.parametrize("stop", range(1, 6))
def test_a_tail_of_another_length_is_refused(stop: int) -> None:
    rights = SMALL[5].hashes(tail(stop, 5))
    assert root_of(frontier(stop), rights, 5) == ROOTS[5]
    for wrong in [*([rights[:-1]] if rights else []), [*rights, LEAVES[0]]]:
        with pytest.raises(BadProof, match="hashes where it takes"):
            root_of(frontier(stop), wrong, 5)
    with pytest.raises(BadProof, match="there is no entry"):
        root_of(frontier(stop), rights, stop - 1)
    with pytest.raises(BadProof, match="there is no entry"):
        root_of(Frontier(), rights, 5)


def test_a_byte_does_not_move_from_one_hash_into_the_next() -> None:
    """The hash of a node is over both put together: without their lengths other leaves would have the same root."""
    one, other = LEAVES[:2]
    for leaf, sibling in [(one + other[:1], other[1:]), (one[:-1], one[-1:] + other), (one + other, b"")]:
        with pytest.raises(BadProof, match="no hash of 32 bytes"):
            verify_inclusion(leaf, 0, 2, [sibling], ROOTS[2])
        with pytest.raises(BadProof, match="no hash of 32 bytes"):
            verify_consistency(1, leaf, 2, ROOTS[2], [sibling])
        with pytest.raises(BadProof, match="no hash of 32 bytes"):
            root_of(frontier(1), [sibling], 2)


def wrong_proofs(draw: st.DrawFn, right: Sequence[bytes]) -> list[bytes]:
    """One thing wrong: a hash too few or too many, two swapped, a bit flipped, bytes too few or too many."""
    wrong = list(right)
    at = draw(st.integers(0, max(len(wrong) - 1, 0)))
    match draw(st.sampled_from("less more again swap bit short long none".split())):
        case "less" if wrong:
            del wrong[at]
        case "more":
            wrong.insert(at, draw(st.binary(min_size=32, max_size=32)))
        case "again" if wrong:
            wrong.insert(at, wrong[at])
        case "swap" if len(wrong) > 1:
            wrong[at], wrong[at - 1] = wrong[at - 1], wrong[at]
        case "bit" if wrong:
            wrong[at] = flipped(wrong[at], draw(st.integers(0, 255)))
        case "short" if wrong:
            wrong[at] = wrong[at][:-1]
        case "long" if wrong:
            wrong[at] += b"\0"
        case "none":
            wrong.clear()
    return wrong


@st.composite
def wrong_inclusions(draw: st.DrawFn) -> tuple[bytes, int, int, list[bytes], bytes]:
    size = draw(st.integers(1, 70))
    index = draw(st.integers(0, size - 1))
    leaf, hashes, whole = LEAVES[index], SMALL[size].hashes(inclusion(index, size)), ROOTS[size]
    right = wrong = (leaf, index, size, hashes, whole)
    other = draw(st.integers(1, 70))
    match draw(st.sampled_from("leaf leaf-bit index size root-bit proof".split())):
        case "leaf":
            wrong = (LEAVES[other], index, size, hashes, whole)
        case "leaf-bit":
            wrong = (flipped(leaf, other), index, size, hashes, whole)
        case "index":
            wrong = (leaf, other, size, hashes, whole)
        case "size":  # a size and a root belong together: a checkpoint states both
            wrong = (leaf, index, other, hashes, ROOTS[other])
        case "root-bit":
            wrong = (leaf, index, size, hashes, flipped(whole, other))
        case "proof":
            wrong = (leaf, index, size, wrong_proofs(draw, hashes), whole)
    assume(wrong != right)
    return wrong


@given(wrong_inclusions())
def test_every_wrong_inclusion_proof_is_refused(wrong: tuple[bytes, int, int, list[bytes], bytes]) -> None:
    with pytest.raises(BadProof):
        verify_inclusion(*wrong)


@st.composite
def wrong_consistencies(draw: st.DrawFn) -> tuple[int, bytes, int, bytes, list[bytes]]:
    new = draw(st.integers(1, 70))
    old = draw(st.integers(1, new))
    right = wrong = (old, ROOTS[old], new, ROOTS[new], SMALL[new].hashes(consistency(old, new)))
    other = draw(st.integers(0, 70))
    match draw(st.sampled_from("old new old-bit new-bit proof forked".split())):
        case "old":
            wrong = (other, ROOTS[other], *right[2:])
        case "new":
            wrong = (*right[:2], other, ROOTS[other], right[4])
        case "old-bit":
            wrong = (old, flipped(right[1], other), *right[2:])
        case "new-bit":
            wrong = (*right[:3], flipped(right[3], other), right[4])
        case "proof":
            wrong = (*right[:4], wrong_proofs(draw, right[4]))
        case "forked":  # the best proof of a ledger in which one of the old entries was replaced
            replaced = LEAVES[:new]
            replaced[other % old] = LEAVES[100]
            wrong = (*right[:3], mth(replaced), trees.proof(old, replaced))
    assume(wrong != right)
    # From the empty ledger, or from a size to itself, the empty proof is the right one.
    assume(wrong[0] not in (0, wrong[2]) or wrong[4] or (wrong[1], wrong[3]) != (ROOTS[wrong[0]], ROOTS[wrong[2]]))
    return wrong


@given(wrong_consistencies())
def test_every_wrong_consistency_proof_is_refused(wrong: tuple[int, bytes, int, bytes, list[bytes]]) -> None:
    with pytest.raises(BadProof):
        verify_consistency(*wrong)


@given(
    st.lists(st.binary(min_size=31, max_size=33), max_size=70),
    st.integers(-2, 2**64),
    st.integers(-2, 2**64),
    st.binary(max_size=33),
)
def test_nothing_but_refusal_comes_of_nonsense(proof: list[bytes], one: int, other: int, value: bytes) -> None:
    with pytest.raises(BadProof):
        verify_inclusion(LEAVES[0], one, other, proof, value)
    if one:
        with pytest.raises(BadProof):
            verify_consistency(one, LEAVES[0], other, value, proof)
