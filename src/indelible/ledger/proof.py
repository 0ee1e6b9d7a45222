"""Inclusion, consistency and range proofs in the Merkle tree of RFC 6962 section 2.1.

Which hashes a proof is made of (`inclusion`, `consistency`, `left`, `tail`) is a matter of numbers alone; whoever
has the tree looks them up. The `verify_…` functions (RFC 9162 sections 2.1.3.2 and 2.1.4.2) and `root_of` have
nothing but what they are given. A proof does not prove a size by itself: size and root are taken together, from a
verified checkpoint.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from indelible.ledger.tree import EMPTY_ROOT, HASH_BYTES, Frontier, node_hash

__all__ = [
    "BadProof",
    "Node",
    "consistency",
    "fold",
    "inclusion",
    "left",
    "root_of",
    "subtree_root",
    "tail",
    "verify_consistency",
    "verify_inclusion",
]


class BadProof(ValueError):
    """The proof does not prove what it is said to."""


class Node(NamedTuple):
    """The complete subtree of the leaves from `index << level` up to, but not including, `(index + 1) << level`."""

    level: int
    index: int  # type: ignore[assignment]  # it hides tuple.index


def inclusion(index: int, size: int) -> list[tuple[Node, ...]]:
    """PATH of RFC 6962 section 2.1.1, from the leaf's sibling up: each hash as the nodes that `fold` makes it of."""
    _require_leaf(index, size)
    start, stop = 0, size
    proof = []
    while stop - start > 1:
        middle = start + _largest_power_below(stop - start)
        if index < middle:
            proof.append(_cover(middle, stop))
            stop = middle
        else:
            proof.append(_cover(start, middle))
            start = middle
    return proof[::-1]


def consistency(old: int, new: int) -> list[tuple[Node, ...]]:
    """PROOF of RFC 6962 section 2.1.2: each hash as the nodes that `fold` makes it of. Empty from size 0 on."""
    _require_growth(old, new)
    if old == 0:
        return []
    start, stop = 0, new
    proof = []
    while old != stop:
        middle = start + _largest_power_below(stop - start)
        if old <= middle:
            proof.append(_cover(middle, stop))
            stop = middle
        else:
            proof.append(_cover(start, middle))
            start = middle
    if start:
        proof.append(_cover(start, stop))
    return proof[::-1]


def left(start: int) -> list[Node]:
    """The frontier of the first `start` leaves."""
    return list(_cover(0, start))


def tail(stop: int, size: int) -> list[tuple[Node, ...]]:
    """What `root_of` needs beside the frontier of the first `stop` leaves to know the root of all `size`.

    These are the right siblings on the path from leaf `stop - 1` to the root, bottom up, each as the nodes that
    `fold` makes it of.
    """
    _require_leaf(stop - 1, size)
    return [nodes for nodes in inclusion(stop - 1, size) if nodes[0].index << nodes[0].level >= stop]


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over complete subtrees, largest first."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for sibling in reversed(hashes[:-1]):
        root = node_hash(sibling, root)
    return root


def subtree_root(hashes: Sequence[bytes]) -> bytes:
    """The root of a complete subtree, from all of its nodes of one level. Raises `BadProof` unless they are 2^k."""
    if len(hashes).bit_count() != 1:
        raise BadProof(f"{len(hashes)} hashes are no complete subtree")
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level), 2)]
    return level[0]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raises `BadProof` unless the leaf hash `leaf` is number `index` of the `size` leaves under `root`."""
    _require_leaf(index, size)
    sides = list(_sides(index, size - 1))
    _require_hashes(proof, len(sides))
    for sibling, is_left in zip(proof, sides, strict=True):
        leaf = node_hash(sibling, leaf) if is_left else node_hash(leaf, sibling)
    if leaf != root:
        raise BadProof(f"the proof does not lead from entry {index} to the root of the {size} entries")


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Raises `BadProof` unless the `new` leaves under `new_root` begin with the `old` ones under `old_root`."""
    _require_growth(old, new)
    if old == 0 and old_root != EMPTY_ROOT:
        raise BadProof("the root of no entries is not that of the empty tree")
    if old == new and old_root != new_root:
        raise BadProof(f"there are two different roots of the first {old} entries")
    if old in (0, new):
        _require_hashes(proof, 0)
        return
    # The largest complete subtree at the old tree's right edge is a node of both trees: the proof starts there. It
    # is left out where it is the whole old tree.
    height = (old & -old).bit_length() - 1
    sides = list(_sides((old - 1) >> height, (new - 1) >> height))
    is_whole = old == 1 << height
    _require_hashes(proof, len(sides) + (not is_whole))
    before = after = old_root if is_whole else proof[0]
    for sibling, is_left in zip(proof if is_whole else proof[1:], sides, strict=True):
        if is_left:
            before = node_hash(sibling, before)
            after = node_hash(sibling, after)
        else:
            after = node_hash(after, sibling)
    if before != old_root:
        raise BadProof(f"the proof does not lead to the earlier root, that of the first {old} entries")
    if after != new_root:
        raise BadProof(
            f"the proof does not lead from the first {old} entries to the root of {new}: "
            "either it is damaged, or entries were altered or removed in between"
        )


def root_of(frontier: Frontier, right: Sequence[bytes], size: int) -> bytes:
    """The root of `size` leaves, of which `frontier` has the first and `right` the hashes that `tail` names.

    Raises `BadProof` where these are too many or too few.
    """
    stop = frontier.size
    _require_leaf(stop - 1, size)
    height = (stop & -stop).bit_length() - 1
    sides = list(_sides((stop - 1) >> height, (size - 1) >> height))
    _require_hashes(right, sides.count(False))
    known = bytes(frontier)
    lefts = [known[i : i + HASH_BYTES] for i in range(0, len(known), HASH_BYTES)]
    rights = iter(right)
    root = lefts.pop()
    for is_left in sides:
        root = node_hash(lefts.pop(), root) if is_left else node_hash(root, next(rights))
    return root


def _cover(start: int, stop: int) -> tuple[Node, ...]:
    """The complete subtrees of these leaves, largest first. `start` is a multiple of the largest one's size."""
    nodes = []
    while start < stop:
        level = (stop - start).bit_length() - 1
        nodes.append(Node(level, start >> level))
        start += 1 << level
    return tuple(nodes)


def _largest_power_below(count: int) -> int:
    return 1 << ((count - 1).bit_length() - 1)


def _sides(index: int, last: int) -> Iterator[bool]:
    """Upwards from node `index` of the nodes 0 to `last` of a level: is its sibling the left one? None: no answer."""
    while last:
        if index & 1:
            yield True
        elif index != last:
            yield False
        index >>= 1
        last >>= 1


def _require_leaf(index: int, size: int) -> None:
    if not 0 <= index < size:
        raise BadProof(f"there is no entry {index} among {size} entries")


def _require_growth(old: int, new: int) -> None:
    if not 0 <= old <= new:
        raise BadProof(f"a ledger of {old} entries does not grow to {new}")


def _require_hashes(proof: Sequence[bytes], count: int) -> None:
    if len(proof) != count:
        raise BadProof(f"the proof has {len(proof)} hashes where it takes {count}")
    if any(len(value) != HASH_BYTES for value in proof):
        raise BadProof(f"the proof holds something that is no hash of {HASH_BYTES} bytes")
