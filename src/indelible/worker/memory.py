"""What a signer knows of the ledgers beside what the database says now."""

from collections.abc import Iterable, Sequence

from indelible.ledger.signing import SigningKey
from indelible.store.checkpoints import Ledger, Signed
from indelible.worker import refusal
from indelible.worker.archived import Archived
from indelible.worker.inspection import Seen, as_signed, open_signed
from indelible.worker.refusal import Mark, Refused

__all__ = ["Memory"]


class Memory:
    """Everything is kept by the ledger's origin, the name under which it is signed; a tenant's id is none."""

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = {}
        """The last checkpoint of each that this process made, or verified."""
        self._owners: dict[str, str] = {}
        self._origins: dict[str, str] = {}
        # Of the archive, as long as the ledger was not compared with it.
        self._marks: dict[str, list[Mark]] = {}
        self._barred: dict[str, Refused] = {}
        # Signed, as long as PostgreSQL did not say that it is stored.
        self._unheard: dict[str, set[Mark]] = {}

    def learn_owners(self, found: Iterable[tuple[str, Signed]]) -> None:
        """Whose ledger it is of which each tenant has a last checkpoint.

        Somebody may have copied a ledger to go on with both: that with the later checkpoint has the name.
        """
        for tenant, last in sorted(found, key=lambda each: -each[1].size):
            self._learn(last.note.partition("\n")[0], tenant)

    def learn_archived(self, archived: Archived) -> None:
        self._marks = dict(archived.marks)
        self._barred = dict(archived.barred)

    def bar(self, origin: str, refused: Refused) -> None:
        """From now on the ledger is refused, whatever the database says."""
        self._barred[origin] = refused

    def require(self, ledger: Ledger, signed: int) -> tuple[Seen | None, Sequence[Mark]]:
        """What the ledger, of which `signed` entries were signed last, must agree with.

        Raises `Refused` where nothing can make it sound.
        """
        if ledger.origin in self._barred:
            raise self._barred[ledger.origin]
        if self._owners.get(ledger.origin, ledger.tenant) != ledger.tenant:
            raise refusal.not_its_name(ledger.origin, signed)
        if (origin := self._origins.get(ledger.tenant, ledger.origin)) != ledger.origin:
            what = f"the ledger is called {ledger.origin}, and was {origin}: rows were exchanged"
            raise Refused("rewritten", what, size=signed)
        marks = [*self._marks.get(ledger.origin, ()), *self._unheard.get(ledger.origin, ())]
        return self.seen.get(ledger.origin), marks

    def commits(self, origin: str, size: int, root: bytes) -> None:
        """A checkpoint is about to be committed: whatever the answer, somebody may have it from then on."""
        self._unheard.setdefault(origin, set()).add(Mark(size, root, "memory"))

    def accept(self, ledger: Ledger, signed: Signed, root: bytes) -> None:
        """The ledger is signed as it stands: it holds all that was known of it, and this is known from now on."""
        self.seen[ledger.origin] = Seen(ledger, signed.note, root)
        self._learn(ledger.origin, ledger.tenant)
        self._marks.pop(ledger.origin, None)
        self._unheard.pop(ledger.origin, None)

    def settles(self, ledger: Ledger, last: Signed, keys: Sequence[SigningKey]) -> bool:
        """Whether the ledger is signed as it stands, by the current key too, by its own row and its last checkpoint."""
        try:
            seen, marks = self.require(ledger, last.size)
            if seen is not None:
                return not marks and (seen.ledger, seen.note) == (ledger, last.note)
            found = open_signed(ledger, last, keys)
        except Refused:
            return False
        stated = (found.checkpoint.size, found.checkpoint.root)
        if not as_signed(ledger, found) or keys[0].public_key not in found.keys:
            return False
        if any((mark.size, mark.root) != stated for mark in marks):
            return False
        self.accept(ledger, last, found.checkpoint.root)
        return True

    def seen_of(self, tenant: str) -> Seen | None:
        return self.seen.get(self._origins.get(tenant, ""))

    def knows(self, tenant: str, size: int) -> bool:
        """Whether the tenant's ledger was seen at this size."""
        seen = self.seen_of(tenant)
        return seen is not None and seen.ledger.size == size

    def tenants(self) -> set[str]:
        """Whose ledgers this process has seen."""
        return {seen.ledger.tenant for seen in self.seen.values()}

    def archived_beside(self, origins: set[str]) -> dict[str, Mark]:
        """The largest checkpoint in the archive of each ledger that is none of `origins`."""
        return {origin: max(marks) for origin, marks in self._marks.items() if origin not in origins}

    def _learn(self, origin: str, tenant: str) -> None:
        self._owners.setdefault(origin, tenant)
        self._origins.setdefault(tenant, origin)
