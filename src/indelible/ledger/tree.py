"""The Merkle tree of RFC 6962 section 2.1 over a ledger's entries."""

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

__all__ = ["EMPTY_ROOT", "HASH_BYTES", "SUBTREE_LEVELS", "Frontier", "Subtree", "leaf_hash", "node_hash"]

HASH_BYTES = 32

EMPTY_ROOT = sha256(b"").digest()

SUBTREE_LEVELS = 8
"""A `Subtree` of one level holds 2^8 of those below."""


class Subtree(NamedTuple):
    """A complete subtree of 256^level leaves: number `index`, from 0 on, among those of its level."""

    level: int
    index: int  # type: ignore[assignment]  # it hides tuple.index
    root: bytes


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The roots of the complete subtrees a tree of `size` leaves falls into, largest first.

    Invariant: there is one root for each bit set in `size`. That is all that appending needs, and a push
    costs one node hash on average.

    `completed` collects, in order, the subtrees of 256, 65,536, 16,777,216 … leaves that pushes have completed;
    its owner may take them away.
    """

    __slots__ = ("_roots", "completed", "size")

    def __init__(self, size: int = 0, roots: bytes = b"") -> None:
        """Raises `ValueError` where `roots`, the concatenated hashes, do not fit `size`."""
        if size < 0 or len(roots) != size.bit_count() * HASH_BYTES:
            raise ValueError(f"a tree of {size} leaves has no frontier of {len(roots)} bytes")
        self.size = size
        self._roots = [roots[i : i + HASH_BYTES] for i in range(0, len(roots), HASH_BYTES)]
        self.completed: list[Subtree] = []

    def push(self, leaf: bytes) -> None:
        carries = self.size
        self.size += 1
        if not self.size & 0xFF:
            leaf, carries = self._complete(leaf, carries)
        while carries & 1:
            leaf = node_hash(self._roots.pop(), leaf)
            carries >>= 1
        self._roots.append(leaf)

    def extend(self, leaves: Iterable[bytes]) -> None:
        for leaf in leaves:
            self.push(leaf)

    def _complete(self, root: bytes, index: int) -> tuple[bytes, int]:
        """Folds leaf number `index`, the last of 256, upwards as long as it completes subtrees to be collected."""
        level = 0
        while index & 0xFF == 0xFF:
            for _ in range(SUBTREE_LEVELS):
                root = node_hash(self._roots.pop(), root)
            index >>= SUBTREE_LEVELS
            level += 1
            self.completed.append(Subtree(level, index, root))
        return root, index

    def root(self) -> bytes:
        if not self._roots:
            return EMPTY_ROOT
        root = self._roots[-1]
        for left in reversed(self._roots[:-1]):
            root = node_hash(left, root)
        return root

    def __bytes__(self) -> bytes:
        return b"".join(self._roots)
