"""The inclusion proof as a file of its own (c2sp.org/tlog-proof@v1): one entry is in the ledger, checked offline."""

from collections.abc import Sequence
from typing import NamedTuple

from indelible.ledger import checkpoint, note, proof
from indelible.ledger.tree import HASH_BYTES

__all__ = ["InclusionProof", "dump_tlog_proof", "parse_tlog_proof", "verify_tlog_proof"]

_FORMAT = "c2sp.org/tlog-proof@v1"
_MAX_HASHES = checkpoint.MAX_SIZE.bit_length()
_MAX_BYTES = 2 * note.MAX_NOTE_BYTES


class InclusionProof(NamedTuple):
    """Entry `index` is in the ledger as the note `checkpoint` states it; `hashes` from the leaf's sibling upwards.

    `extra` is what the writer put beside it; nothing vouches for it.
    """

    index: int  # type: ignore[assignment]  # it hides tuple.index
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes = b""


def dump_tlog_proof(parts: InclusionProof) -> str:
    """Raises `BadProof` for what `parse_tlog_proof` would not read so."""
    lines = [_FORMAT]
    if parts.extra:
        lines.append(f"extra {note.to_base64(parts.extra)}")
    lines.append(f"index {parts.index}")
    lines += map(note.to_base64, parts.hashes)
    whole = "\n".join([*lines, "", parts.checkpoint])
    try:
        is_read_so = parse_tlog_proof(whole.encode()) == parts
    except UnicodeEncodeError:
        is_read_so = False
    if not is_read_so:
        raise proof.BadProof("this cannot be written as a proof file")
    return whole


def parse_tlog_proof(data: bytes) -> InclusionProof:
    """Reads a proof without believing it. Raises `BadProof` for anything that is none."""
    if len(data) > _MAX_BYTES:
        raise proof.BadProof(f"the proof has {len(data)} bytes; at most {_MAX_BYTES} are read")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise proof.BadProof("the proof is not text in UTF-8") from None
    head, blank, signed = whole.partition("\n\n")
    # Not splitlines, which also breaks at carriage returns, U+2028 and others.
    first, *lines = head.split("\n")
    if first != _FORMAT:
        raise proof.BadProof(f"the proof does not begin with the line {_FORMAT}")
    if not blank:
        raise proof.BadProof("the proof has no blank line before its checkpoint: it may have been cut off")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = _from_base64(lines.pop(0).removeprefix("extra "), "extra data")
        if not extra:
            raise proof.BadProof("the proof has a line for extra data, and no extra data")
    if not lines or not lines[0].startswith("index "):
        raise proof.BadProof("the proof does not say which entry it is for")
    try:
        index = checkpoint.decimal(lines[0].removeprefix("index "))
    except ValueError:
        raise proof.BadProof(f"the entry's number is not a number from 0 to {checkpoint.MAX_SIZE}") from None
    if len(lines) - 1 > _MAX_HASHES:
        raise proof.BadProof(f"the proof has {len(lines) - 1} hashes; no ledger takes more than {_MAX_HASHES}")
    hashes = tuple(_from_base64(line, "hash") for line in lines[1:])
    if any(len(value) != HASH_BYTES for value in hashes):
        raise proof.BadProof(f"the proof holds something that is no hash of {HASH_BYTES} bytes")
    try:
        note.parse(signed.encode())
    except note.BadNote as error:
        raise proof.BadProof(f"the proof's checkpoint cannot be read: {error}") from None
    return InclusionProof(index, hashes, signed, extra)


def verify_tlog_proof(
    data: bytes, leaf: bytes, verifiers: Sequence[note.Verifier]
) -> tuple[InclusionProof, checkpoint.Checkpoint]:
    """Raises `BadProof`, or `BadNote` for its checkpoint, unless the proof is of the leaf hash `leaf`."""
    parts = parse_tlog_proof(data)
    signed = parts.checkpoint
    stated, _ = checkpoint.open_checkpoint(signed.encode(), verifiers)
    proof.verify_inclusion(leaf, parts.index, stated.size, parts.hashes, stated.root)
    return parts, stated


def _from_base64(line: str, what: str) -> bytes:
    try:
        return note.from_base64(line)
    except ValueError:
        raise proof.BadProof(f"the proof holds a line of {what} that is not base64") from None
