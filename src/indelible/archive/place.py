"""What every place for checkpoints can do, how a checkpoint is named there, and how a place is opened."""

import re
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

from indelible.ledger.checkpoint import MAX_SIZE

__all__ = [
    "Archive",
    "ArchiveError",
    "ArchiveUnavailable",
    "Differs",
    "Published",
    "Unfit",
    "checkpoint_name",
    "open_archive",
    "parse_checkpoint_name",
    "require_origin",
]

_ULID = "[0-7][0-9A-HJKMNP-TV-Z]{25}"
# No part of it can be `.` or `..`, or begin a path anew.
_ORIGIN = re.compile(rf"(?!\.{{1,2}}/)[A-Za-z0-9.-]{{1,253}}/{_ULID}", re.ASCII)
_NAME = re.compile(r"([0-9]{20})\.checkpoint", re.ASCII)


class ArchiveError(Exception):
    """What is wrong with the archive, in words for whoever can mend it."""


class ArchiveUnavailable(ArchiveError):
    """It could not be reached, or did not do it this time; trying again may help."""


class Unfit(ArchiveError):
    """It cannot be one as it is set up: trying again will not help."""


class Differs(ArchiveError):
    """There is a checkpoint of this ledger and size already, and it is another one."""


class Published(NamedTuple):
    """A checkpoint as it was found in an archive. Nothing of it is verified."""

    origin: str
    """The ledger that it is filed under."""
    size: int
    """The size that it is filed under."""
    note: bytes
    where: str
    """The file, for people."""


class Archive(Protocol):
    """A place that checkpoints are added to, and never changed or removed. Any method raises `ArchiveError`."""

    async def check(self) -> None:
        """Raises `Unfit` where the place cannot keep what is put there, `ArchiveUnavailable` where nobody can tell."""

    async def put(self, origin: str, size: int, note: str) -> None:
        """Adds a checkpoint. Fine if it is there already; raises `Differs` where another one is."""

    def latest(self, about: Mapping[str, int]) -> AsyncIterator[Published]:
        """Of each ledger that there is in the archive the checkpoint of the largest size.

        Several of one size where there are several. `about` maps origins to sizes near to the largest, to find it
        quicker; the answer does not depend on it.
        """


def open_archive(where: str, *, retention: timedelta) -> Archive:
    """The archive `s3://bucket/prefix`, or in a directory. Raises `Unfit` where that is no place.

    Nobody can remove what is put into a bucket for the time `retention`. Does not reach out yet: see `Archive.check`.
    """
    if where.startswith("s3://"):
        from indelible.archive.s3 import S3Archive

        return S3Archive(where, retention)
    if "://" in where:
        raise Unfit(f"the archive {where} is of no known kind; give s3://bucket/prefix, or the path of a directory")
    from indelible.archive.directory import DirectoryArchive

    return DirectoryArchive(Path(where))


def require_origin(origin: str) -> str:
    """`origin`, where it can be a ledger's, `<host>/<ULID>`, and so is harmless in a path. Raises `ArchiveError`."""
    if not _ORIGIN.fullmatch(origin):
        raise ArchiveError(f"{origin!r} cannot be a ledger's origin, <host>/<ULID>; nothing is filed under it")
    return origin


def checkpoint_name(size: int) -> str:
    """The last part of a checkpoint's name; these sort by size."""
    if not 0 <= size <= MAX_SIZE:
        raise ArchiveError(f"a ledger cannot have {size} entries")
    return f"{size:020}.checkpoint"


def parse_checkpoint_name(name: str) -> int | None:
    """The size in a name that `checkpoint_name` wrote, None for any other."""
    found = _NAME.fullmatch(name)
    return int(found[1]) if found and int(found[1]) <= MAX_SIZE else None
