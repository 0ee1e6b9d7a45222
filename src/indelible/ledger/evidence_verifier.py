"""Verification of an evidence file, offline: the file, the keys that are trusted, and nothing else.

The steps are numbered here as in docs/format.md; 2 to 7 are those of `verify.Chain`. Origin, size and root come from
the checkpoint that a trusted key signed, and keys from the caller only. Nothing that is skipped counts as proven.
"""

from collections.abc import Callable, Sequence
from typing import BinaryIO

from indelible.ledger import checkpoint as checkpoints
from indelible.ledger import evidence, note, proof
from indelible.ledger.checkpoint import Checkpoint
from indelible.ledger.entry import BadEntry, Entry
from indelible.ledger.entry import parse as parse_entry
from indelible.ledger.evidence import BadLine, Header, Record
from indelible.ledger.evidence_reader import Reader, Unreadable
from indelible.ledger.note import Verifier
from indelible.ledger.report import Counts, Erasure, Report
from indelible.ledger.tree import EMPTY_ROOT, Frontier, leaf_hash
from indelible.ledger.verify import ERASURE, Chain, erased_digests, open_all

__all__ = ["verify"]

_PROGRESS_ENTRIES = 10_000


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


class _Range(Chain):
    """The entries of the file. What was erased is known before the first of them."""

    def __init__(self, origin: str, frontier: Frontier, counts: Counts) -> None:
        super().__init__(origin, frontier)
        self._counts = counts
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


class _Verification:
    def __init__(self, file: BinaryIO, keys: Sequence[Verifier]) -> None:
        self.report = Report()
        self._reader = Reader(file)
        self._keys = keys
        self._is_whole = True  # no entry is missing, so that the root can be computed

    def run(self, after: bytes | None, progress: Callable[[int, int], None]) -> None:
        try:
            header = self._read_header()
            signed = self._open_checkpoint(header.checkpoint.encode())
            older = None if after is None else self._open_older(after, signed)
            self._check_range(header, signed)
            chain = _Range(signed.origin, Frontier(header.start, b"".join(header.left)), self.report.counts)
            line = self._read_records(signed, chain)
            middle = self._read_entries(header, chain, line, None if older is None else older.size, progress)
            self._check_root(header, signed, chain)
        except Unreadable as error:
            self._doubt(20, None, str(error))
        except _Stop:
            pass
        else:
            if older is not None:
                self._check_older(older, header, signed, middle)
            self.report.complete_until = chain.recorded_at or None

    def _contradict(self, step: int, seq: int | None, what: str) -> None:
        self.report.find("contradicted", step, seq, what)

    def _doubt(self, step: int, seq: int | None, what: str) -> None:
        self.report.find("not proven", step, seq, what)

    # 20. The file is whole: each line is of a known form and in its place, and the last one counts and hashes those
    # before it. (The rest of this is in `Reader`.)

    def _read_header(self) -> Header:
        try:
            return evidence.cut_header(self._reader.next())
        except BadLine as error:
            raise Unreadable(f"the first line is no header of an evidence file: {error}") from None

    # 21. The checkpoint is signed by a trusted key, whose name is the ledger's.

    def _open_checkpoint(self, data: bytes) -> Checkpoint:
        try:
            names = sorted({each.name for each in note.parse(data).signatures})
        except note.BadNote as error:
            self._doubt(21, None, f"the checkpoint cannot be read: {error}")
            raise _Stop from None
        try:
            signed, signers = checkpoints.open_checkpoint(data, self._keys)
        except note.Unsigned as error:
            what = (
                f"{error}; it is signed in the name of {', '.join(map(repr, names[:3]))}. Ask for the key of that "
                "ledger elsewhere than where the file is from, and give it with --key"
            )
            self._doubt(21, None, what)
            raise _Stop from None
        except note.BadNote as error:
            self._contradict(21, None, f"the checkpoint is not to be believed: {error}")
            raise _Stop from None
        self.report.origin, self.report.size, self.report.root = signed
        self.report.signed_by = tuple(map(str, signers))
        return signed

    # 22. The range lies within the checkpoint's size, and comes with the hashes that it takes.

    def _check_range(self, header: Header, signed: Checkpoint) -> None:
        if header.stop > signed.size:
            what = (
                f"the file goes up to entry {header.stop - 1}, and the checkpoint speaks of {signed.size} entries only"
            )
        elif len(header.left) != header.start.bit_count():
            what = (
                f"the file has {len(header.left)} hashes of what is before its first entry, which takes another number"
            )
        elif len(header.tail) != len(proof.tail(header.stop, signed.size)):
            what = f"the file has {len(header.tail)} hashes of what is after its last entry, which takes another number"
        else:
            self.report.start, self.report.stop = header.start, header.stop
            self.report.filter = None if header.filter is None else header.filter.to_json()
            return
        self._doubt(22, None, what)
        raise _Stop

    # 23. Each erasure record is an entry of the ledger, and names what was erased.

    def _read_records(self, signed: Checkpoint, chain: _Range) -> bytes:
        """Returns the first line that is none."""
        while (line := self._reader.next()).startswith(evidence.RECORD):
            try:
                self._check_record(evidence.cut_record(line), signed, chain)
            except (BadLine, BadEntry) as error:
                self._doubt(23, None, f"line {self._reader.lines} is no erasure record: {error}")
        return line

    def _check_record(self, record: Record, signed: Checkpoint, chain: _Range) -> None:
        found = parse_entry(record.entry)
        seq = found.seq
        try:
            proof.verify_inclusion(leaf_hash(record.entry), seq, signed.size, record.proof, signed.root)
        except proof.BadProof as error:
            self._contradict(23, seq, f"the file gives a record of an erasure that is not in the ledger: {error}")
            return
        opened = open_all(found, [record.text])
        digests = erased_digests(opened.values)
        erasures = self.report.erasures
        if found.action != ERASURE:
            self._contradict(23, seq, f"the file gives it as the record of an erasure, but it is {found.action!r}")
        elif opened.faults:
            self._contradict(23, seq, opened.faults[0])
        elif digests is None:
            self._contradict(23, seq, "the record of an erasure does not say what was erased")
        elif erasures and erasures[-1].seq >= seq:
            self._doubt(23, seq, "the records of erasures are not in the order of their numbers")
        else:
            erasures.append(Erasure(seq, found.recorded_at))
            chain.erased.update(dict.fromkeys(digests, erasures[-1]))

    # The entries: steps 2 to 7, and 24 and 25.

    def _read_entries(
        self, header: Header, chain: _Range, line: bytes, marked: int | None, progress: Callable[[int, int], None]
    ) -> bytes | None:
        """Reads from `line` on up to the end. Returns the root of the first `marked` entries, if it passes by there."""
        root = None
        entries = header.stop - header.start
        seq = header.start
        while True:
            if seq == marked:
                root = chain.frontier.root()
            if seq == header.stop or line.startswith(b'{"end":'):
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
            seq += 1
            if seq % _PROGRESS_ENTRIES == 0:
                progress(seq - header.start, entries)
                chain.frontier.completed.clear()
            line = self._reader.next()
        progress(seq - header.start, entries)
        if seq < header.stop:
            self._is_whole = False
            what = f"entry {seq}" if seq == header.stop - 1 else f"the entries {seq} to {header.stop - 1}"
            self._doubt(20, seq, f"{what} of the file's range are not in it")
        self._reader.end()
        return root

    def _read_entry(self, header: Header, chain: _Range, seq: int, line: bytes) -> None:
        counts = self.report.counts
        if line.startswith(evidence.HIDDEN):
            chain.push(evidence.cut_hidden(line))
            counts.hidden += 1
            if header.filter is None:
                self._doubt(24, seq, "the file has no filter, and gives only the hash of this entry")
            return
        data, texts = evidence.cut_entry(line)
        entry = chain.add(data, texts)
        if texts is None:
            counts.bare += 1
        else:
            counts.shown += 1
            counts.disclosed += len(chain.disclosed)
        if entry is None:
            return
        # 24. What is shown matches the filter, and what is not shown does not.
        if header.filter is not None:
            if header.filter.matches(entry) != (texts is not None):
                said = "does not match the file's filter" if texts is not None else "matches the file's filter"
                self._contradict(24, seq, f"the entry {said}, and the file says otherwise")
        elif texts is None:
            self._doubt(24, seq, "the file has no filter, and leaves out what this entry discloses")
        if seq == 0:
            self._check_opening(entry, chain)

    # 25. Entry 0 opens the ledger whose checkpoint this is.

    def _check_opening(self, entry: Entry, chain: _Range) -> None:
        match chain.disclosed.get("metadata"):
            case _ if entry.action != "ledger.created":
                self._contradict(25, 0, f"entry 0 opens no ledger: it is {entry.action!r}")
            case None:
                pass  # it is not shown
            case {"origin": origin, "tenant_id": str(tenant)} if origin == self.report.origin:
                self.report.tenant_id = tenant
            case _:
                self._contradict(25, 0, f"entry 0 opens another ledger than {self.report.origin}")

    def _move_contradictions(self, chain: _Range) -> None:
        for each in chain.contradictions:
            self._contradict(each.step or 7, each.seq, each.what)
        chain.contradictions.clear()

    # 26. The entries lead to the root that was signed.

    def _check_root(self, header: Header, signed: Checkpoint, chain: _Range) -> None:
        if not self._is_whole:
            self._doubt(26, None, "without the entries that are missing the rest cannot be held against the checkpoint")
        elif proof.root_of(chain.frontier, header.tail, signed.size) != signed.root:
            self._is_whole = False
            what = (
                "the entries do not lead to the root that was signed: one was altered, added, left out or moved, or "
                "the hashes of what is before and after them were altered"
            )
            self._contradict(26, None, what)

    # 27. The ledger continues the one of the earlier checkpoint.

    def _open_older(self, data: bytes, signed: Checkpoint) -> Checkpoint | None:
        try:
            older, _ = checkpoints.open_checkpoint(data, self._keys)
        except note.BadNote as error:
            self._doubt(27, None, f"the earlier checkpoint cannot be relied on: {error}")
            return None
        if older.origin != signed.origin:
            self._doubt(27, None, f"the earlier checkpoint is of another ledger, {older.origin}")
            return None
        self.report.older_size = older.size
        return older

    def _check_older(self, older: Checkpoint, header: Header, signed: Checkpoint, middle: bytes | None) -> None:
        """`middle` is the root of the first `older.size` entries, if they end within the range."""
        if older.size > signed.size:
            what = (
                f"the ledger had {older.size} entries by the earlier checkpoint, and has {signed.size} by this one: "
                "it was longer, or this file is older"
            )
            self._contradict(27, None, what)
            return
        if older.size == 0:
            is_continued = older.root == EMPTY_ROOT
        elif older.size == signed.size:
            is_continued = older.root == signed.root
        elif middle is not None:
            if not self._is_whole:
                self._doubt(27, None, "the earlier checkpoint cannot be compared with entries that are not proven")
                return
            is_continued = older.root == middle
        elif header.older is not None and header.older.size == older.size:
            is_continued = _is_continued(older, signed, header.older.proof)
        else:
            what = (
                f"the file does not say how the ledger of {older.size} entries was continued: export it again with "
                "--after and the earlier checkpoint"
            )
            self._doubt(27, None, what)
            return
        self.report.older_proven = is_continued
        if not is_continued:
            what = (
                f"the first {older.size} entries are not those of the earlier checkpoint: history was rewritten, and "
                "two different ones were signed"
            )
            self._contradict(27, None, what)

    # 28. Nothing was left out but what was erased, or what the caller accepts.

    def check_completeness(self, *, accept_withheld: bool, accept_hidden: bool) -> None:
        counts = self.report.counts
        if counts.withheld and not accept_withheld:
            what = (
                f"{counts.withheld} disclosures are neither shown nor recorded as erased: they are withheld "
                "(--accept-withheld if that was agreed)"
            )
            self._doubt(28, None, what)
        if counts.hidden and self.report.filter is not None and not accept_hidden:
            what = (
                f"{counts.hidden} entries are hidden, so that nobody can tell whether they match the filter "
                "(--accept-hidden if that was agreed)"
            )
            self._doubt(28, None, what)


def _is_continued(older: Checkpoint, signed: Checkpoint, consistency: Sequence[bytes]) -> bool:
    try:
        proof.verify_consistency(older.size, older.root, signed.size, signed.root, consistency)
    except proof.BadProof:
        return False
    return True
