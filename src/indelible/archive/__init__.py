"""Places outside of the database, where what was signed is kept from those who can rewrite the database."""

from indelible.archive.place import (
    Archive,
    ArchiveError,
    ArchiveUnavailable,
    Differs,
    Published,
    Unfit,
    open_archive,
)

__all__ = ["Archive", "ArchiveError", "ArchiveUnavailable", "Differs", "Published", "Unfit", "open_archive"]
