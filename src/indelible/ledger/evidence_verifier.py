"""Verification of an evidence file, offline: the file, the keys that are trusted, and nothing else.

The steps are numbered here as in docs/format.md; 2 to 7 are those of `evidence_range` and `verify.Chain`, 20 is in
`evidence_reader`, 21 and 27 are in `evidence_checkpoints`. Origin, size and root come from
the checkpoint that a trusted key signed, and keys from the caller only. Nothing that is skipped counts as proven.
"""

from collections.abc import Callable, Sequence
from typing import BinaryIO

from indelible.ledger import evidence, proof
from indelible.ledger.checkpoint import Checkpoint
from indelible.ledger.entry import BadEntry, Entry
from indelible.ledger.entry import parse as parse_entry
from indelible.ledger.evidence import BadLine, Header, Record
from indelible.ledger.evidence_checkpoints import check_older, open_older, open_signed
from indelible.ledger.evidence_range import Range
from indelible.ledger.evidence_reader import Reader, Unreadable
from indelible.ledger.note import Verifier
from indelible.ledger.report import MAX_FINDINGS, Erasure, Report, counted
from indelible.ledger.tree import leaf_hash
from indelible.ledger.verify import ERASURE, erased_digests, open_all

__all__ = ["verify"]

_PROGRESS_ENTRIES = 10_000

_ALTERED = ": the file was altered, or it is not whole"


def verify(
    file: BinaryIO,
    keys: Sequence[Verifier],
    *,
    after: bytes | None = None,
    accept_withheld: bool = False,
    accept_hidden: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _entries: None,
) -> Report:
    """Verifies an evidence file, read once from its beginning; whatever is wrong with it is in the report.

    `keys` are trusted, and have to come from elsewhere than the file. `after` is a checkpoint (a signed note) that was
    kept earlier, which this ledger has to continue. Disclosures that are neither shown nor recorded as erased, and
    entries that are hidden under a filter, leave the file unproven unless they are accepted. `progress` is told how
    many of how many entries are done.

    Memory is flat, but for some 200 bytes for each disclosure that the file's erasure records name.
    """
    verification = _Verification(file, keys)
    verification.run(after, progress)
    verification.check_completeness(accept_withheld=accept_withheld, accept_hidden=accept_hidden)
    return verification.report


class _Stop(Exception):
    """Nothing further can be checked; why is in the report."""


class _Verification:
    def __init__(self, file: BinaryIO, keys: Sequence[Verifier]) -> None:
        self.report = Report()
        self._reader = Reader(file)
        self._keys = keys
        self._is_whole = True  # no entry is missing, so that the root can be computed
        self._first_time: str | None = None  # when the first entry was recorded that is not hidden

    def run(self, after: bytes | None, progress: Callable[[int, int], None]) -> None:
        try:
            header = self._reader.header()
            signed = open_signed(header.checkpoint.encode(), self._keys, self.report)
            if signed is None:
                return
            older = None if after is None else open_older(after, self._keys, signed.origin, self.report)
            self._check_range(header, signed)
            chain = Range(signed.origin, header, self.report.counts)
            line = self._read_records(signed, chain)
            middle = self._read_entries(header, chain, line, None if older is None else older.size, progress)
            self._check_root(header, signed, chain)
        except Unreadable as error:
            self._doubt(20, None, str(error))
        except _Stop:
            pass
        else:
            if older is not None:
                check_older(older, header, signed, middle, is_whole=self._is_whole, report=self.report)
            self.report.complete_from = self._first_time
            self.report.complete_until = chain.recorded_at or None

    def _contradict(self, step: int, seq: int | None, what: str) -> None:
        self.report.find("contradicted", step, seq, what)

    def _doubt(self, step: int, seq: int | None, what: str) -> None:
        self.report.find("not proven", step, seq, what)

    # 22. The range lies within the checkpoint's size, and comes with the hashes that it takes.

    def _check_range(self, header: Header, signed: Checkpoint) -> None:
        if header.stop > signed.size:
            what = (
                f"the file goes up to entry {header.stop - 1}, and its checkpoint covers "
                f"{counted(signed.size, 'entry', 'entries')} only: it was altered, or its checkpoint is of another time"
            )
        elif len(header.left) != header.start.bit_count():
            what = "the hashes that stand for what is before its first entry are too few or too many" + _ALTERED
        elif len(header.tail) != len(proof.tail(header.stop, signed.size)):
            what = "the hashes that stand for what is after its last entry are too few or too many" + _ALTERED
        else:
            self.report.start, self.report.stop, self.report.filter = header.start, header.stop, header.filter
            return
        self._doubt(22, None, what)
        raise _Stop

    # 23. Each erasure record is an entry of the ledger, and names what was erased.

    def _read_records(self, signed: Checkpoint, chain: Range) -> bytes:
        """Returns the first line that is none."""
        while (line := self._reader.next()).startswith(evidence.RECORD):
            # Nothing bounds how many lines there are, and nobody needs a key to write them.
            if self.report.contradicted + self.report.not_proven >= MAX_FINDINGS:
                what = f"the file gives {MAX_FINDINGS:,} erasure records that are wrong: what follows was not read"
                self._doubt(23, None, what)
                raise _Stop
            try:
                self._check_record(evidence.cut_record(line), signed, chain)
            except BadEntry as error:
                self._doubt(23, None, f"line {self._reader.lines} is no erasure record: its entry {error}")
            except BadLine as error:
                what = f"line {self._reader.lines} is no erasure record, and what follows was not read: {error}"
                self._doubt(23, None, what)
                raise _Stop from None
        return line

    def _check_record(self, record: Record, signed: Checkpoint, chain: Range) -> None:
        found = parse_entry(record.entry)
        seq = found.seq
        try:
            proof.verify_inclusion(leaf_hash(record.entry), seq, signed.size, record.proof, signed.root)
        except proof.BadProof:
            what = "the erasure record that the file gives is not in the ledger: it or its proof was altered or made up"
            self._contradict(23, seq, what)
            return
        opened = open_all(found, [record.text])
        digests = erased_digests(opened.values)
        erasures = self.report.erasures
        if found.action != ERASURE:
            self._contradict(23, seq, f"the file gives it as an erasure record, but it is {found.action!r}")
        elif opened.faults:
            self._contradict(23, seq, f"the erasure record that the file gives is wrong: {opened.faults[0]}")
        elif digests is None:
            self._contradict(23, seq, "the erasure record does not say what was erased")
        elif erasures and erasures[-1].seq >= seq:
            what = (
                "the erasure records are not in the order of their numbers, or one is there twice: this one was passed "
                "over, and what only it records as erased counts as withheld"
            )
            self._doubt(23, seq, what)
        else:
            erasures.append(Erasure(seq, found.recorded_at))
            chain.erased.update(dict.fromkeys(digests, erasures[-1]))

    # The entries: steps 2 to 7, and 24 and 25.

    def _read_entries(
        self, header: Header, chain: Range, line: bytes, marked: int | None, progress: Callable[[int, int], None]
    ) -> bytes | None:
        """Reads from `line` on up to the end. Returns the root of the first `marked` entries, if it passes by there."""
        root = None
        entries = header.stop - header.start
        seq = header.start
        while True:
            if seq == marked:
                root = chain.frontier.root()
            if line.startswith(b'{"end":'):
                break
            # Where an entry led ahead, those that it passed by may still come.
            if seq >= header.stop and not (chain.is_torn and line.startswith(evidence.ENTRY)):
                break
            try:
                self._read_entry(header, chain, seq, line)
            except BadLine as error:
                self._doubt(
                    20, seq, f"line {self._reader.lines} should be this entry, and is of no known form: {error}"
                )
                self._is_whole = False
                chain.lose()
            if chain.contradictions:
                self._move_contradictions(chain)
            seq = chain.frontier.size
            if seq % _PROGRESS_ENTRIES == 0:
                progress(seq - header.start, entries)
                chain.frontier.completed.clear()
            line = self._reader.next()
        progress(seq - header.start, entries)
        if chain.is_torn:
            self._is_whole = False
        if seq < header.stop:
            self._is_whole = False
            last = header.stop - 1
            if seq == last:
                what = f"entry {seq} belongs to the file's range, and is not in the file"
            else:
                what = f"the entries {seq} to {last} belong to the file's range, and are not in the file"
            self._doubt(20, seq, what)
        self._reader.end()
        return root

    def _read_entry(self, header: Header, chain: Range, seq: int, line: bytes) -> None:
        counts = self.report.counts
        if line.startswith(evidence.HIDDEN):
            chain.push(evidence.cut_hidden(line))
            counts.hidden += 1
            return
        data, texts = evidence.cut_entry(line)
        entry = chain.add(data, texts)
        if entry is None and chain.size == seq:
            return  # it was passed over
        if texts is None:
            counts.bare += 1
        else:
            counts.shown += 1
            counts.disclosed += len(chain.disclosed)
        if entry is None:
            return
        # 24. What is shown matches the filter, and what is not shown does not.
        if header.filter is not None and header.filter.matches(entry) != (texts is not None):
            if texts is None:
                what = "it belongs in this selection, but was left out as if it did not match the filter"
            else:
                what = "it does not match the filter, but is shown in this selection as if it did"
            self._contradict(24, chain.size - 1, what)
        if self._first_time is None:
            self._first_time = entry.recorded_at
            if chain.size == 1:
                self._check_opening(entry, chain)

    # 25. Entry 0 opens the ledger whose checkpoint this is.

    def _check_opening(self, entry: Entry, chain: Range) -> None:
        match chain.disclosed.get("metadata"):
            case _ if entry.action != "ledger.created":
                self._contradict(25, 0, f"entry 0 opens no ledger: it is {entry.action!r}")
            case None:
                pass  # it is not shown
            case {"origin": origin, "tenant_id": str(tenant)} if origin == self.report.origin:
                self.report.tenant_id = tenant
            case _:
                self._contradict(25, 0, f"entry 0 opens another ledger than {self.report.origin}")

    def _move_contradictions(self, chain: Range) -> None:
        for each in chain.contradictions:
            self._contradict(each.step or 7, each.seq, each.what)
        chain.contradictions.clear()

    # 26. The entries lead to the root that was signed.

    def _check_root(self, header: Header, signed: Checkpoint, chain: Range) -> None:
        if not self._is_whole:
            self._doubt(26, None, "without the entries that are missing the rest cannot be held against the checkpoint")
        elif proof.root_of(chain.frontier, header.tail, signed.size) != signed.root:
            self._is_whole = False
            what = (
                "the entries are not those that were signed: one was altered, added, left out or moved, or the hashes "
                "of what is before and after them were altered"
            )
            self._contradict(26, None, what)

    # 28. Nothing was left out but what was erased, or what the caller accepts.

    def check_completeness(self, *, accept_withheld: bool, accept_hidden: bool) -> None:
        counts = self.report.counts
        if counts.withheld and not accept_withheld:
            are = counted(counts.withheld, "personal part is", "personal parts are")
            they = "it is" if counts.withheld == 1 else "they are"
            what = f"{are} neither shown nor recorded as erased: {they} withheld (--accept-withheld if that was agreed)"
            self._doubt(28, None, what)
        if self.report.filter is None:
            # 24. Without a filter every entry is shown, whatever the caller accepts.
            if unshown := counts.bare + counts.hidden:
                are = counted(unshown, "entry is", "entries are")
                self._doubt(24, None, f"the file has no filter, and yet {are} not shown with what was recorded")
        elif counts.hidden and not accept_hidden:
            are = counted(counts.hidden, "entry is", "entries are")
            match = "it matches" if counts.hidden == 1 else "they match"
            what = (
                f"{are} hidden, so that nobody can tell whether {match} the filter (--accept-hidden if that was agreed)"
            )
            self._doubt(28, None, what)
