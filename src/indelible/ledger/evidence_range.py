"""The entries of an evidence file: steps 2 to 7 of docs/format.md, also where some of them are not there."""

from indelible.ledger.entry import Entry
from indelible.ledger.evidence import Header
from indelible.ledger.report import Counts, Erasure
from indelible.ledger.tree import HASH_BYTES, Frontier
from indelible.ledger.verify import Chain

__all__ = ["Range"]


class Range(Chain):
    """What was erased is known before the first entry. In a file nothing but the entries tells their numbers."""

    def __init__(self, origin: str, header: Header, counts: Counts) -> None:
        super().__init__(origin, Frontier(header.start, b"".join(header.left)))
        self._start = header.start
        self._stop = header.stop
        self._counts = counts
        self._stray: int | None = None  # the number of the last entry that was passed over
        self.is_torn = False
        """Whether entries were skipped, so that the tree is not known any more."""
        self.erased: dict[str, Erasure] = {}
        """By digest."""

    def missing(self, seq: int, found: Entry, digests: set[str]) -> None:  # noqa: ARG002
        for digest in digests:
            erasure = self.erased.get(digest)
            # Only what comes later in the ledger can record that something was erased.
            if erasure is not None and erasure.seq > seq:
                erasure.disclosures += 1
                self._counts.erased += 1
            else:
                self._counts.withheld += 1

    def displaced(self, seq: int, found: Entry) -> bool:
        """Goes on from the entry's own number where that is ahead; passes the entry over where it is behind, or is none
        of the range's. Entries that follow one another in a wrong place are one finding.
        """
        number = found.seq
        if found.prev == self.head:
            return super().displaced(seq, found)  # it follows the one before it: its number alone was altered
        if seq < number < self._stop:
            self.skip_to(number)
            self.is_torn = True
            return True
        follows = self._stray is not None and number == self._stray + 1
        self._stray = number
        if not follows:
            what = f"it stands where entry {seq} belongs: it was moved there, or is in the file twice"
            self._contradict(3, number, what)
        elif self._start <= number < seq:
            # Not this one is out of place, but the one that led ahead.
            self.frontier = Frontier(number, bytes(HASH_BYTES * number.bit_count()))
            self._prev = None
            self.recorded_at = ""
            self.is_torn = True
            return True
        return False
