"""Verification of a ledger, entry by entry, from the first one on.

The steps are numbered here as in docs/format.md. Nothing is taken from the store but the bytes:
each statement about them is computed again.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from indelible.ledger import base64url, entry
from indelible.ledger.disclosure import GROUPS, Disclosure, digest, open_disclosure
from indelible.ledger.tree import HASH_BYTES, Frontier, leaf_hash

__all__ = ["Chain", "Contradiction"]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What cannot be true of an honest ledger. `seq` is the entry it shows at; None for the ledger as a whole."""

    seq: int | None
    what: str


class Chain:
    """A ledger as far as it has been read.

    After a contradiction reading goes on with the bytes that are there, so that one altered entry does not
    make all later ones look altered.
    """

    def __init__(self, origin: str) -> None:
        self._prev: str | None = entry.genesis(origin)
        self.recorded_at = ""
        self.frontier = Frontier()
        self.contradictions: list[Contradiction] = []

    @property
    def size(self) -> int:
        return self.frontier.size

    @property
    def head(self) -> str | None:
        """The leaf hash of the last entry read; None after a gap."""
        return self._prev

    def skip_to(self, seq: int) -> None:
        """Notes that entries are missing before `seq`."""
        last = seq - 1
        missing = f"entry {self.size} is missing" if last == self.size else f"entries {self.size} to {last} are missing"
        self.contradictions.append(Contradiction(self.size, missing))
        # The hashes of what is missing are unknown; the root will not fit, and that is right. The gap is no loop:
        # somebody may have written 2^62 into a row.
        self.frontier = Frontier(seq, bytes(HASH_BYTES * seq.bit_count()))
        self._prev = None

    def add(self, data: bytes, stored_leaf: bytes, disclosures: Iterable[Disclosure]) -> entry.Entry | None:
        """Checks the next entry, number `size`. Returns what it says, or None if it does not parse."""
        seq = self.size
        # 1. The entry hashes to the leaf hash that is stored for it.
        leaf = leaf_hash(data)
        if leaf != stored_leaf:
            self._contradict(seq, "the entry was altered: its bytes do not hash to the leaf hash stored beside it")
        # 2. It is canonical JSON of the shape of its version.
        found = None
        try:
            found = entry.parse(data)
        except entry.BadEntry as error:
            self._contradict(seq, f"the entry {error}")
        if found is not None:
            self._check_place(seq, found)
            self._check_disclosures(seq, found, disclosures)
        # 7. It is the next leaf of the tree.
        self.frontier.push(leaf)
        self._prev = base64url.encode(leaf)
        return found

    def _check_place(self, seq: int, found: entry.Entry) -> None:
        # 3. It says that it is number `seq`.
        if found.seq != seq:
            self._contradict(seq, f"the entry says that it is number {found.seq}: rows were moved or swapped")
        # 4. It names the entry before it by hash.
        if self._prev is not None and found.prev != self._prev:
            before = f"entry {seq - 1}" if seq else "the ledger's origin"
            self._contradict(seq, f"prev is not the hash of {before}: one of the two was altered, moved or replaced")
        # 5. It was not recorded before the entry before it. (Times of one form compare as texts.)
        if found.recorded_at < self.recorded_at:
            self._contradict(seq, f"recorded_at {found.recorded_at} is before that of an earlier entry")
        else:
            self.recorded_at = found.recorded_at

    def _check_disclosures(self, seq: int, found: entry.Entry, disclosures: Iterable[Disclosure]) -> None:
        # 6. Every disclosure is one whose digest the entry holds, of a known group, at most one each; none is missing.
        pending = set(found.digests)
        names = set()
        for disclosure in disclosures:
            try:
                name, _ = open_disclosure(disclosure)
            except ValueError:
                name = "?"
            value = digest(disclosure)
            if value not in pending:
                self._contradict(seq, f"the disclosure {name!r} was altered or added: the entry has no digest for it")
            elif name not in GROUPS or name in names:
                self._contradict(seq, f"the disclosure {name!r} is of no known group, or there twice")
            pending.discard(value)
            names.add(name)
        if pending:
            self._contradict(seq, f"{len(pending)} of {len(found.digests)} disclosures are missing")

    def _contradict(self, seq: int, what: str) -> None:
        self.contradictions.append(Contradiction(seq, what))
