"""Merkle trees for the tests: RFC 6962's own words, and a tree kept as a store keeps one."""

from __future__ import annotations

from collections.abc import Sequence

from indelible.ledger.proof import Node, fold, subtree_root
from indelible.ledger.tree import EMPTY_ROOT, SUBTREE_LEVELS, Frontier, Subtree, leaf_hash, node_hash


def split(count: int) -> int:
    """The largest power of two smaller than `count`: k of RFC 6962 section 2.1."""
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def mth(leaves: Sequence[bytes]) -> bytes:
    """MTH of section 2.1, over leaf hashes."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node_hash(mth(leaves[:k]), mth(leaves[k:]))


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def proof(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PROOF of section 2.1.2, for 0 < m."""
    return subproof(m, leaves, True)


def subproof(m: int, leaves: Sequence[bytes], is_whole: bool) -> list[bytes]:
    if m == len(leaves):
        return [] if is_whole else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], is_whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def numbered(count: int) -> list[bytes]:
    return [leaf_hash(b"entry %d" % i) for i in range(count)]


class StoredTree:
    """Complete subtrees of 1, 256 and 65,536 leaves, and nothing else; all other nodes are computed from these."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.frontier = Frontier()
        self.frontier.extend(leaves)
        self.stored: dict[tuple[int, int], bytes] = {(0, i): leaf for i, leaf in enumerate(leaves)}
        self.stored |= {(level, index): root for level, index, root in self.frontier.completed}

    def completed(self) -> list[Subtree]:
        return self.frontier.completed

    def node(self, node: Node) -> bytes:
        level, above = divmod(node.level, SUBTREE_LEVELS)
        first = node.index << above
        return subtree_root([self.stored[level, i] for i in range(first, first + (1 << above))])

    def fold(self, nodes: Sequence[Node]) -> bytes:
        return fold([self.node(node) for node in nodes])

    def hashes(self, proof: Sequence[Sequence[Node]]) -> list[bytes]:
        return [self.fold(nodes) for nodes in proof]
