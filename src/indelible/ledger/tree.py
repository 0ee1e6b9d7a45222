"""The Merkle tree of RFC 6962 section 2.1 over a ledger's entries."""

from collections.abc import Iterable
from hashlib import sha256

__all__ = ["EMPTY_ROOT", "HASH_BYTES", "Frontier", "leaf_hash", "node_hash"]

HASH_BYTES = 32

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The roots of the complete subtrees a tree of `size` leaves falls into, largest first.

    Invariant: there is one root for each bit set in `size`. That is all that appending needs, and a push
    costs one node hash on average.
    """

    __slots__ = ("_roots", "size")

    def __init__(self, size: int = 0, roots: bytes = b"") -> None:
        """Raises `ValueError` where `roots`, the concatenated hashes, do not fit `size`."""
        if size < 0 or len(roots) != size.bit_count() * HASH_BYTES:
            raise ValueError(f"a tree of {size} leaves has no frontier of {len(roots)} bytes")
        self.size = size
        self._roots = [roots[i : i + HASH_BYTES] for i in range(0, len(roots), HASH_BYTES)]

    def push(self, leaf: bytes) -> None:
        carries = self.size
        self.size += 1
        while carries & 1:
            leaf = node_hash(self._roots.pop(), leaf)
            carries >>= 1
        self._roots.append(leaf)

    def extend(self, leaves: Iterable[bytes]) -> None:
        for leaf in leaves:
            self.push(leaf)

    def root(self) -> bytes:
        if not self._roots:
            return EMPTY_ROOT
        root = self._roots[-1]
        for left in reversed(self._roots[:-1]):
            root = node_hash(left, root)
        return root

    def __bytes__(self) -> bytes:
        return b"".join(self._roots)
