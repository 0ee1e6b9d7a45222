"""Checkpoints (c2sp.org/tlog-checkpoint): the signed statement of a ledger's size and root."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from indelible.ledger import note
from indelible.ledger.tree import EMPTY_ROOT, HASH_BYTES

__all__ = ["MAX_SIZE", "Checkpoint", "decimal", "open_checkpoint", "parse", "text"]

MAX_SIZE = 2**53 - 1
"""An entry's number is a JSON integer, exact in every language."""

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)


class Checkpoint(NamedTuple):
    """The ledger `origin` has `size` entries, and their tree has this root."""

    origin: str
    size: int
    root: bytes


def text(statement: Checkpoint) -> str:
    """What is signed. Raises `BadNote` for what `parse` would not read."""
    body = f"{statement.origin}\n{statement.size}\n{note.to_base64(statement.root)}\n"
    parse(body)
    return body


def parse(body: str) -> Checkpoint:
    """Strict: three lines, so that there is nothing in it that is signed and not understood. Raises `BadNote`."""
    lines = body.split("\n")
    if len(lines) != 4 or lines[3]:
        raise note.BadNote("the checkpoint is not three lines: a ledger's origin, its size and its root")
    origin, size_line, root_line, _ = lines
    if not note.is_key_name(origin):
        raise note.BadNote("the checkpoint's first line is not a ledger's name")
    try:
        size = decimal(size_line)
    except ValueError:
        raise note.BadNote(f"the checkpoint's size is not a number from 0 to {MAX_SIZE}") from None
    try:
        root = note.from_base64(root_line)
    except ValueError:
        raise note.BadNote("the checkpoint's root is not base64") from None
    if len(root) != HASH_BYTES:
        raise note.BadNote(f"the checkpoint's root is not a hash of {HASH_BYTES} bytes")
    if size == 0 and root != EMPTY_ROOT:
        raise note.BadNote("the checkpoint gives a ledger of no entries a root that is not the empty tree's")
    return Checkpoint(origin, size, root)


def open_checkpoint(data: bytes, verifiers: Sequence[note.Verifier]) -> tuple[Checkpoint, tuple[note.Verifier, ...]]:
    """A checkpoint, and which of `verifiers` signed it: at least one, under the ledger's own name.

    So a key that is pinned for one ledger says nothing of another one. Raises `BadNote` and its subclasses, as
    `note.open_note` does.
    """
    body, signers = note.open_note(data, verifiers)
    found = parse(body)
    own = tuple(v for v in signers if v.name == found.origin)
    if not own:
        raise note.BadNote(
            f"the checkpoint speaks of the ledger {found.origin}, but it is signed by the key of {signers[0].name}"
        )
    return found, own


def decimal(digits: str) -> int:
    """A number from 0 to `MAX_SIZE`, ASCII, without leading zeros. Raises `ValueError` for any other spelling.

    Python's own `int` takes spaces, signs, underscores and the digits of other scripts too.
    """
    if not _DECIMAL.fullmatch(digits) or int(digits) > MAX_SIZE:
        raise ValueError(f"not a decimal number from 0 to {MAX_SIZE}")
    return int(digits)
