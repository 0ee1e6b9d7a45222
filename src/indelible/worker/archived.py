"""What the archive knows of the ledgers: the database must not have fallen behind that, nor contradict it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import structlog

from indelible.archive import Archive
from indelible.ledger import note
from indelible.ledger.signing import SigningKey
from indelible.worker import refusal
from indelible.worker.inspection import opened
from indelible.worker.refusal import Mark, Refused

__all__ = ["Archived", "read"]

_log = structlog.get_logger()


class Archived(NamedTuple):
    """By the ledger's origin."""

    marks: dict[str, list[Mark]]
    """The largest checkpoints that there are, signed by a key of ours."""
    barred: dict[str, Refused]
    """Ledgers under whose name there is something else: what no key of ours has signed, or not of it or its size."""
    filed: dict[str, int]
    """The largest size of each that lies where it belongs."""


async def read(archive: Archive, about: Mapping[str, int], keys: Sequence[SigningKey]) -> Archived:
    """Raises `ArchiveError`."""
    found = Archived({}, {}, {})
    await archive.check()
    async for published in archive.latest(about):
        try:
            stated = opened(published.note, keys).checkpoint
        except note.BadNote as error:
            what = f"the archive's checkpoint of {published.size:,} entries"
            found.barred[published.origin] = refusal.foreign_key(what, published.where)
            _log.warning("a checkpoint in the archive is none of ours", file=published.where, error=str(error))
            continue
        if (stated.origin, stated.size) != (published.origin, published.size):
            # The largest name is all that is looked at: one beneath it would not be found.
            what = (
                f"the archive's checkpoint of {published.size:,} entries is one of {stated.size:,} entries"
                f" of {stated.origin}"
            )
            found.barred[published.origin] = refusal.misfiled(what, published.where)
            _log.warning("a checkpoint in the archive is filed in the wrong place", file=published.where)
        else:
            found.filed[stated.origin] = stated.size
        # What we signed is true, wherever it lies.
        found.marks.setdefault(stated.origin, []).append(Mark(stated.size, stated.root, "archive", published.where))
    return found
