"""Why a ledger is not signed, in sentences that an operator understands."""

from typing import Literal, NamedTuple

__all__ = [
    "Kind",
    "Mark",
    "Refused",
    "altered",
    "foreign_key",
    "gone",
    "misfiled",
    "no_ledger",
    "not_its_name",
    "shortened",
]

Kind = Literal[
    "archive_ahead", "archive_differs", "foreign_key", "gone", "misfiled", "rewritten", "shortened", "unknown"
]

_TO_DO: dict[Kind, str] = {
    "archive_ahead": (
        "the database was restored from a backup, or entries were deleted: append what is missing again into a new"
        " ledger, or restore the database as it was"
    ),
    "archive_differs": (
        "the database was restored from a backup and went on, or its history was rewritten: restore it as it was"
        " signed, or start a new ledger"
    ),
    "foreign_key": (
        "give the worker the key it was signed with, as INDELIBLE_OLD_SIGNING_KEY, or find out who put it there"
    ),
    "gone": "restore its rows from a backup that is not older than its last checkpoint",
    "misfiled": (
        "it may hide the ledger's own newest one: find out who put it there, take it out of the ledger's folder, and"
        " restart the worker"
    ),
    "rewritten": (
        "find out who wrote into the database (`indelible verify` shows where), and restore it as it was signed, or"
        " start a new ledger"
    ),
    "shortened": (
        "the database was restored from a backup, or the newest entries were deleted: restore it as it was signed, or"
        " start a new ledger"
    ),
    "unknown": "",
}


class Refused(Exception):
    """The ledger is not signed: that would be a second history. The text says why, and what to do."""

    def __init__(self, kind: Kind, what: str, where: str = "", size: int = 0, origin: str = "") -> None:
        """`what` may be shown to the ledger's owner, `where` to the operator alone; `size` was signed last."""
        to_do = f"; {_TO_DO[kind]}; see docs/checkpoints.md#{kind.replace('_', '-')}" if _TO_DO[kind] else ""
        super().__init__(what + (f" ({where})" if where else "") + to_do)
        self.listed = what + to_do
        """As it is listed: without the place in the archive, since /readyz shows it to everybody."""
        self.kind: Kind = kind
        self.what = what
        self.size = size
        self.origin = origin
        """The ledger's, where that is known."""
        self.entries = size
        """How many entries the ledger has."""

    @property
    def reason(self) -> str:
        return str(self)


class Mark(NamedTuple):
    """A size at which the ledger's root is known, from the database, from memory or from the archive."""

    size: int
    root: bytes
    source: Literal["checkpoint", "memory", "archive"]
    where: str = ""
    """The file in the archive."""


def shortened(mark: Mark, size: int, signed: int) -> Refused:
    """The ledger has `size` entries, and had more."""
    has = f"the ledger has {size:,} entries"
    match mark.source:
        case "archive":
            return Refused("archive_ahead", f"{has}, and the archive a checkpoint of {mark.size:,}", mark.where, signed)
        case "memory":
            return Refused("shortened", f"{has}, and this signer saw {mark.size:,} of it", size=signed)
        case _:
            return Refused("shortened", f"{has}, and its last checkpoint says {mark.size:,}", size=signed)


def altered(mark: Mark, signed: int) -> Refused:
    """The first entries of the ledger are not those that they were."""
    first = f"the first {mark.size:,} entries of the ledger are not those that were signed"
    match mark.source:
        case "archive":
            return Refused("archive_differs", f"{first}, by the checkpoint in the archive", mark.where, signed)
        case "memory":
            return Refused("rewritten", f"{first} before, by this signer", size=signed)
        case _:
            return Refused("rewritten", f"{first}: the history was rewritten", size=signed)


def gone(what: str, where: str = "", origin: str = "") -> Refused:
    return Refused("gone", f"the ledger is gone, and {what}", where, origin=origin)


def foreign_key(what: str, where: str = "", size: int = 0) -> Refused:
    return Refused("foreign_key", f"{what} is signed by none of the keys of this signer", where, size)


def misfiled(what: str, where: str) -> Refused:
    return Refused("misfiled", what, where)


def not_its_name(origin: str, signed: int) -> Refused:
    what = f"the ledger is called {origin}, which is another tenant's: rows were exchanged, or made up"
    return Refused("rewritten", what, size=signed)


def no_ledger(tenant: str) -> Refused:
    return Refused("unknown", f"there is no ledger of {tenant!r}")
