"""The checkpoint of an evidence file, and an earlier one that was kept: steps 21 and 27 of docs/format.md."""

from collections.abc import Sequence

from indelible.ledger import checkpoint, note, proof
from indelible.ledger.checkpoint import Checkpoint
from indelible.ledger.evidence import Header
from indelible.ledger.note import Verifier
from indelible.ledger.report import Report, counted
from indelible.ledger.tree import EMPTY_ROOT

__all__ = ["check_older", "open_older", "open_signed"]


# 21. The checkpoint is signed by a trusted key, whose name is the ledger's.


def open_signed(data: bytes, keys: Sequence[Verifier], report: Report) -> Checkpoint | None:
    """The file's checkpoint; None where it is not one of a ledger whose key is trusted."""
    try:
        names = sorted({each.name for each in note.parse(data).signatures})
    except note.BadNote as error:
        report.find("not proven", 21, None, f"the checkpoint in this file cannot be read: {error}")
        return None
    try:
        signed, signers = checkpoint.open_checkpoint(data, keys)
    except note.Unsigned:
        what = (
            f"the checkpoint in this file is not signed with {_given(keys)}, but with another one, in the name of "
            f"{', '.join(map(repr, names[:3]))}. Ask for the key of that ledger elsewhere than where the file is from, "
            "and give it with --key"
        )
        report.find("not proven", 21, None, what)
        return None
    except note.WrongSignature:
        what = "the checkpoint in this file was altered or made up: the signature on it is not that of its key"
        report.find("contradicted", 21, None, what)
        return None
    except note.BadNote as error:
        report.find("contradicted", 21, None, str(error))
        return None
    report.origin, report.size, report.root = signed
    report.signed_by = tuple(map(str, signers))
    return signed


# 27. The ledger continues the one of the earlier checkpoint.


def open_older(data: bytes, keys: Sequence[Verifier], origin: str, report: Report) -> Checkpoint | None:
    """The earlier checkpoint; None where nothing can be held against it."""
    try:
        older, _ = checkpoint.open_checkpoint(data, keys)
    except note.Unsigned:
        what = f"the earlier checkpoint cannot be relied on: it is not signed with {_given(keys)}"
    except note.WrongSignature:
        what = "the earlier checkpoint cannot be relied on: the signature on it is not that of its key"
    except note.BadNote as error:
        what = f"the earlier checkpoint cannot be relied on: {error}"
    else:
        if older.origin == origin:
            report.older_size = older.size
            return older
        what = f"the earlier checkpoint is of another ledger, {older.origin}"
    report.find("not proven", 27, None, what)
    return None


def check_older(
    older: Checkpoint, header: Header, signed: Checkpoint, middle: bytes | None, *, is_whole: bool, report: Report
) -> None:
    """`middle` is the root of the first `older.size` entries, if they end within the range; `is_whole` says whether it
    is that of entries that lead to the signed root.
    """
    if older.size > signed.size:
        # A ledger cut short and an old file look the same.
        what = (
            f"the checkpoint that you kept covers {counted(older.size, 'entry', 'entries')}, and the one in this file "
            f"only {signed.size:,}: either this file is older, or the ledger was cut short. Ask for a file against a "
            "newer checkpoint; if the vendor cannot give you one, entries were removed"
        )
        report.find("not proven", 27, None, what)
        return
    if older.size == 0:
        is_continued = older.root == EMPTY_ROOT
    elif older.size == signed.size:
        is_continued = older.root == signed.root
    elif middle is not None:
        if not is_whole:
            what = "the earlier checkpoint cannot be compared with entries that are not proven"
            report.find("not proven", 27, None, what)
            return
        is_continued = older.root == middle
    elif header.older is not None and header.older.size == older.size:
        is_continued = _is_continued(older, signed, header.older.proof)
    else:
        what = (
            f"the file does not say how the ledger of {counted(older.size, 'entry', 'entries')} was continued: ask for "
            "it to be exported again with --after and the earlier checkpoint"
        )
        report.find("not proven", 27, None, what)
        return
    report.older_proven = is_continued
    if not is_continued:
        first = "first entry is not that" if older.size == 1 else f"first {older.size:,} entries are not those"
        what = f"the {first} of the earlier checkpoint: history was rewritten, and two different ones were signed"
        report.find("contradicted", 27, None, what)


def _is_continued(older: Checkpoint, signed: Checkpoint, consistency: Sequence[bytes]) -> bool:
    try:
        proof.verify_consistency(older.size, older.root, signed.size, signed.root, consistency)
    except proof.BadProof:
        return False
    return True


def _given(keys: Sequence[Verifier]) -> str:
    return "the key that you gave" if len(keys) == 1 else "any of the keys that you gave"
