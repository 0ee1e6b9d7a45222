"""Whether a ledger may be signed as it stands: does it hold all that was signed of it before?"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple

from indelible.ledger import checkpoint, note
from indelible.ledger.checkpoint import Checkpoint
from indelible.ledger.signing import SigningKey, quick_verify
from indelible.ledger.tree import HASH_BYTES, Frontier
from indelible.store import checkpoints, proofs
from indelible.store.checkpoints import Ledger, MissingLeaves, Signed
from indelible.store.session import Connection
from indelible.worker import refusal
from indelible.worker.refusal import Mark, Refused

__all__ = ["Opened", "Seen", "as_signed", "inspect", "key_id", "open_signed", "opened", "require_name"]


class Opened(NamedTuple):
    """A checkpoint whose signatures were verified."""

    checkpoint: Checkpoint
    keys: frozenset[bytes]
    """The public keys of ours that signed it; at least one."""


class Seen(NamedTuple):
    """What this process remembers of a ledger: a checkpoint that it verified or made, and the tree at that size."""

    ledger: Ledger
    note: str
    root: bytes

    @property
    def mark(self) -> Mark:
        return Mark(self.ledger.size, self.root, "memory")


def key_id(origin: str, public_key: bytes) -> bytes:
    """As `note.Verifier` has it, for keys that were examined when they were read."""
    return sha256(origin.encode() + b"\n\x01" + public_key).digest()[:4]


def opened(data: bytes, keys: Sequence[SigningKey]) -> Opened:
    """The checkpoint in a note, and which of `keys` signed it.

    Raises `note.BadNote` where a signature of one of them is wrong, and its subclass `Unsigned` where there is none.
    """
    found = note.parse(data)
    stated = checkpoint.parse(found.text)
    ids = {key_id(stated.origin, key.public_key): key.public_key for key in keys}
    signers = set()
    for line in found.signatures:
        public_key = ids.get(line.key_id)
        if public_key is None or line.name != stated.origin:
            continue
        if not quick_verify(public_key, found.text.encode(), line.signature):
            raise note.BadNote("a signature is wrong")
        signers.add(public_key)
    if not signers:
        raise note.Unsigned("it is signed by none of our keys")
    return Opened(stated, frozenset(signers))


def open_signed(ledger: Ledger, last: Signed, keys: Sequence[SigningKey]) -> Opened:
    """The checkpoint in the database, which must be one of this ledger. Raises `Refused`."""
    try:
        found = opened(last.note.encode(), keys)
    except note.Unsigned:
        raise refusal.foreign_key(f"the last checkpoint, of {last.size:,} entries,", size=last.size) from None
    except (note.BadNote, UnicodeEncodeError):
        raise Refused("rewritten", "the last checkpoint was altered in the database", size=last.size) from None
    if (found.checkpoint.origin, found.checkpoint.size) != (ledger.origin, last.size):
        raise Refused(
            "rewritten",
            f"the last checkpoint is one of {found.checkpoint.size:,} entries of the ledger {found.checkpoint.origin},"
            f" where one of {last.size:,} entries of {ledger.origin} has to be: rows were exchanged",
            size=last.size,
        )
    return found


def as_signed(ledger: Ledger, found: Opened) -> bool:
    """Whether the ledger's own row says what its last checkpoint says; nothing else is read."""
    return found.checkpoint == Checkpoint(ledger.origin, ledger.size, _root(ledger))


async def require_name(connection: Connection, ledger: Ledger, signed: int) -> None:
    """Refuses a ledger whose name another tenant's may have been signed under. Raises `Refused`."""
    if await checkpoints.namesake(connection, ledger, signed) is not None:
        raise refusal.not_its_name(ledger.origin, signed)


async def inspect(
    connection: Connection, ledger: Ledger, last: Checkpoint | None, seen: Seen | None, marks: Iterable[Mark]
) -> bytes:
    """The root of the ledger, once it is proven that it holds all that is known of it. Raises `Refused`.

    Reads the entries from the largest size on that is known, within the snapshot of `connection`; memory is flat.
    """
    signed = last.size if last else 0
    known = [Mark(last.size, last.root, "checkpoint")] if last else []
    if seen is not None:
        known.append(seen.mark)
    known += marks
    for mark in known:
        if mark.size > ledger.size:
            raise refusal.shortened(mark, ledger.size, signed)
    try:
        return await _walk(connection, ledger, signed, seen, known)
    except (MissingLeaves, proofs.LedgerAltered) as error:
        raise Refused("rewritten", f"entries of the ledger were deleted: {error}", size=signed) from None


async def _walk(connection: Connection, ledger: Ledger, signed: int, seen: Seen | None, known: Sequence[Mark]) -> bytes:
    if seen is not None and seen.ledger.size <= signed:
        frontier = Frontier(seen.ledger.size, seen.ledger.frontier)
    else:
        frontier = await _stored(connection, ledger.tenant, signed)
    for mark in known:
        if mark.size < frontier.size and await proofs.root(connection, ledger.tenant, mark.size) != mark.root:
            raise refusal.altered(mark, signed)
    _compare(frontier, known, signed)
    stops = sorted({mark.size for mark in known})
    leaf = None
    async for chunk in checkpoints.leaves(connection, ledger.tenant, frontier.size, ledger.size):
        leaf, start = chunk[-1], frontier.size
        for stop in [stop for stop in stops if start < stop <= start + len(chunk)]:
            frontier.extend(chunk[frontier.size - start : stop - start])
            _compare(frontier, known, signed)
        frontier.extend(chunk[frontier.size - start :])
        frontier.completed.clear()
    if bytes(frontier) != ledger.frontier or (leaf is not None and leaf != ledger.head):
        raise Refused(
            "rewritten",
            f"the ledger's tree of {ledger.size:,} entries is not that of the first {signed:,} entries, which were "
            "signed, and those after them",
            size=signed,
        )
    return frontier.root()


def _compare(frontier: Frontier, known: Iterable[Mark], signed: int) -> None:
    for mark in known:
        if mark.size == frontier.size and mark.root != frontier.root():
            raise refusal.altered(mark, signed)


async def _stored(connection: Connection, tenant: str, size: int) -> Frontier:
    return Frontier(size, b"".join(await proofs.left(connection, tenant, size)))


def _root(ledger: Ledger) -> bytes:
    if len(ledger.frontier) != ledger.size.bit_count() * HASH_BYTES:
        return b""
    return Frontier(ledger.size, ledger.frontier).root()
