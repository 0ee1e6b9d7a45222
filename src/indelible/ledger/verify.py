"""Verification of a ledger, entry by entry, in the order of `seq`.

The steps are numbered here as in docs/format.md. Nothing is taken from the store, or from a file, but the bytes:
each statement about them is computed again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from indelible.ledger import base64url
from indelible.ledger.disclosure import GROUPS, open_text, text_digest
from indelible.ledger.entry import BadEntry, Entry, genesis
from indelible.ledger.entry import parse as parse_entry
from indelible.ledger.tree import HASH_BYTES, Frontier, leaf_hash

__all__ = ["ERASURE", "Chain", "Contradiction", "Opened", "erased_digests", "open_all"]

ERASURE = "ledger.erasure"
"""The action of the entries that record which disclosures were erased."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What cannot be true of an honest ledger. `seq` is the entry it shows at; None for the ledger as a whole."""

    seq: int | None
    what: str
    step: int | None = None
    """Of docs/format.md."""


class Opened(NamedTuple):
    """An entry's disclosures, as far as they are there."""

    values: dict[str, Any]
    """By group, and only what the entry holds the digest of."""
    missing: set[str]
    """Digests of those that are not there."""
    faults: list[str]


class Chain:
    """A ledger as far as it has been read, from its first entry on or from the entry after `frontier`.

    After a contradiction reading goes on with the bytes that are there, so that one altered entry does not
    make all later ones look altered. Memory is flat but for what is erased: some 300 bytes for each disclosure that
    was missing, until the entry that records its erasure has been read.
    """

    def __init__(self, origin: str, frontier: Frontier | None = None) -> None:
        self.recorded_at = ""
        self.frontier = Frontier() if frontier is None else frontier
        self.contradictions: list[Contradiction] = []
        self.disclosed: dict[str, Any] = {}
        """What the last entry disclosed, by group; only what fits its digests."""
        # The frontier of an odd number of leaves ends in a leaf; of an even one it does not tell the last leaf.
        self._prev: str | None = None
        if self.size == 0:
            self._prev = genesis(origin)
        elif self.size % 2:
            self._prev = base64url.encode(bytes(self.frontier)[-HASH_BYTES:])
        self._missing: dict[str, tuple[int, int]] = {}  # digest -> seq of its entry, and how many digests that has

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
        self._contradict(3, self.size, missing)
        self._lose_to(seq)

    def lose(self) -> None:
        """The next entry, of which not even the leaf hash is known."""
        self._lose_to(self.size + 1)

    def _lose_to(self, seq: int) -> None:
        # The hashes of what is missing are unknown; the root will not fit, and that is right. The gap is no loop:
        # somebody may have written 2^62 into a row.
        self.frontier = Frontier(seq, bytes(HASH_BYTES * seq.bit_count()))
        self._prev = None

    def push(self, leaf: bytes) -> None:
        """The next entry, of which nothing but its leaf hash is known."""
        # 7. It is the next leaf of the tree.
        self.frontier.push(leaf)
        self._prev = base64url.encode(leaf)

    def add(self, data: bytes, texts: Iterable[bytes] | None, stored_leaf: bytes | None = None) -> Entry | None:
        """Checks the next entry, number `size`. Returns what it says, or None if it does not parse, or is not the next.

        `texts` are those of its disclosures, as ASCII; None leaves step 6 out. `stored_leaf` is the hash that was kept
        beside the entry, where one was.
        """
        seq = self.frontier.size
        # 1. The entry hashes to the leaf hash that is stored for it.
        leaf = leaf_hash(data)
        if stored_leaf is not None and leaf != stored_leaf:
            self._contradict(1, seq, "the entry was altered: its bytes do not hash to the leaf hash stored beside it")
        # 2. It is canonical JSON of the shape of its version.
        found = None
        self.disclosed = {}
        try:
            found = parse_entry(data)
        except BadEntry as error:
            self._contradict(2, seq, f"the entry {error}")
        if found is not None:
            # 3. It says that it is number `seq`.
            if found.seq != seq:
                if not self.displaced(seq, found):
                    return None
                seq = self.frontier.size
            self._check_place(seq, found)
            if texts is not None:
                self._check_disclosures(seq, found, texts)
        self.push(leaf)
        return found

    def end(self) -> None:
        """No entries are left: what is missing now was not recorded as erased."""
        missing: dict[tuple[int, int], int] = {}
        for place in self._missing.values():
            missing[place] = missing.get(place, 0) + 1
        for (seq, digests), count in missing.items():
            verb, them = ("is", "it") if count == 1 else ("are", "them")
            what = f"{count} of its {digests} personal parts {verb} missing, and no erasure of {them} is recorded"
            self._contradict(6, seq, what)
        self._missing.clear()

    def missing(self, seq: int, found: Entry, digests: set[str]) -> None:
        """Notes that entry `seq` lacks the disclosures of these digests."""
        self._missing.update(dict.fromkeys(digests, (seq, len(found.digests))))

    def displaced(self, seq: int, found: Entry) -> bool:
        """Notes that there is another number in the entry than `seq`, the next. Says whether it is still to be taken as
        the next, of what `size` is then.
        """
        self._contradict(3, seq, f"the entry says that it is number {found.seq}: entries were moved or swapped")
        return True

    def _check_place(self, seq: int, found: Entry) -> None:
        # 4. It names the entry before it by hash.
        if found.prev != self._prev and self._prev is not None:
            if seq:
                what = f"entry {seq - 1} is broken: one of the two was altered, moved or replaced"
            else:
                what = "the ledger's origin is broken: it was altered or moved, or is another ledger's"
            self._contradict(4, seq, f"the seal that ties it to {what}")
        # 5. It was not recorded before the entry before it. (Times of one form compare as texts.)
        if found.recorded_at < self.recorded_at:
            what = (
                f"it claims to have been recorded at {found.recorded_at}, and an entry that precedes it at "
                f"{self.recorded_at}: time does not run backwards"
            )
            self._contradict(5, seq, what)
        else:
            self.recorded_at = found.recorded_at

    def _check_disclosures(self, seq: int, found: Entry, texts: Iterable[bytes]) -> None:
        # 6. Every disclosure is one whose digest the entry holds, of a known group, at most one each; none is missing
        # but what a later entry records as erased.
        self.disclosed, missing, faults = open_all(found, texts)
        for fault in faults:
            self._contradict(6, seq, fault)
        if found.action == ERASURE and self._missing:
            for digest in erased_digests(self.disclosed) or ():
                self._missing.pop(digest, None)
        if missing:
            self.missing(seq, found, missing)

    def _contradict(self, step: int, seq: int, what: str) -> None:
        self.contradictions.append(Contradiction(seq, what, step))


def open_all(found: Entry, texts: Iterable[bytes]) -> Opened:
    """The disclosures of an entry, opened from their texts (ASCII) and held against its digests."""
    values: dict[str, Any] = {}
    missing = set(found.digests)
    faults = []
    for text in texts:
        try:
            name, value = open_text(text)
        except ValueError:
            name = ""
        digest = text_digest(text)
        if digest not in missing:
            faults.append(f"{_part(name)} was altered or added: it is not what was sealed with the entry")
            continue
        missing.remove(digest)
        if name not in GROUPS:
            faults.append(f"{_part(name)} is of no known group")
        elif name in values:
            faults.append(f"{_part(name)} is there twice")
        else:
            values[name] = value
    return Opened(values, missing, faults)


def _part(name: str) -> str:
    # Names that are not known may be anything, and are not repeated.
    return f"its personal part '{name}'" if name in GROUPS else "a personal part of it"


def erased_digests(disclosed: dict[str, Any]) -> Sequence[str] | None:
    """What an entry `ledger.erasure` that discloses this says was erased; None where it does not say it rightly."""
    match disclosed.get("metadata"):
        case {"digests": list(digests)} if digests and all(isinstance(each, str) for each in digests):
            return digests
    return None
