"""Ledgers that grow, signers on them, and what became of it (fixtures `bench` and `intake`)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from indelible.archive import Archive
from indelible.catalog import Catalog
from indelible.ledger import checkpoint
from indelible.ledger.checkpoint import Checkpoint
from indelible.ledger.signing import SigningKey
from indelible.ledger.tree import Frontier
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.checkpoints import Signed, latest, refusals
from indelible.store.intake import Intake
from indelible.store.session import Database as Connections
from indelible.worker.signer import Refused, Signer
from tests.postgres import Database
from tests.store.samples import as_superuser, rows, send, take

__all__ = ["KEY", "OLD_KEY", "Bench", "until"]

KEY, OLD_KEY = SigningKey.generate(), SigningKey.generate()


@dataclass(frozen=True)
class Bench:
    """A database, and everything to let its ledgers grow and be signed."""

    database: Database
    connections: Connections
    appender: Appender
    intake: Intake
    catalog: Catalog
    keys: Sequence[SigningKey] = field(default=(KEY,))

    def signer(
        self,
        *keys: SigningKey,
        archive: Archive | None = None,
        interval: float = 0.05,
        archive_interval: float = 0.0,
    ) -> Signer:
        """A new one, which remembers nothing."""
        return Signer(
            self.connections,
            Rules(self.catalog),
            keys or self.keys,
            archive,
            interval=timedelta(seconds=interval),
            archive_interval=timedelta(seconds=archive_interval),
        )

    async def grow(self, tenant: str, entries: int) -> None:
        """Appends; the first entry of a ledger is its own, and one more."""
        for start in range(0, entries, 1000):
            count = min(1000, entries - start)
            await send(self.appender, *[take(self.intake, tenant) for _ in range(count)])

    async def latest(self, tenant: str) -> Checkpoint | None:
        """The latest checkpoint that any verifier with the current key accepts."""
        signed = await latest(self.connections, tenant)
        return self.opened(signed, tenant) if signed else None

    def opened(self, signed: Signed, tenant: str, *keys: SigningKey) -> Checkpoint:
        """What a verifier with one of `keys` makes of it."""
        verifiers = [key.verifier(self.origin(tenant)) for key in keys or self.keys[:1]]
        stated, _ = checkpoint.open_checkpoint(signed.note.encode(), verifiers)
        assert stated.size == signed.size
        return stated

    def origin(self, tenant: str) -> str:
        ((origin,),) = rows(self.database, "SELECT origin FROM indelible.ledgers WHERE tenant_id = %s", tenant)
        assert isinstance(origin, str)
        return origin

    def size(self, tenant: str) -> int:
        ((size,),) = rows(self.database, "SELECT size FROM indelible.ledgers WHERE tenant_id = %s", tenant)
        assert isinstance(size, int)
        return size

    def root(self, tenant: str, size: int) -> bytes:
        """Of the first entries, from nothing but their leaf hashes."""
        frontier = Frontier()
        query = "SELECT leaf_hash FROM indelible.events WHERE tenant_id = %s AND seq < %s ORDER BY seq"
        frontier.extend(leaf for (leaf,) in rows(self.database, query, tenant, size))
        assert frontier.size == size
        return frontier.root()

    def sizes(self, tenant: str) -> list[tuple[int, int]]:
        """Of each checkpoint, and of that before it."""
        query = "SELECT size, previous FROM indelible.checkpoints WHERE tenant_id = %s ORDER BY size"
        return [(size, previous) for size, previous in rows(self.database, query, tenant)]

    def actions(self, tenant: str, like: str = "ledger.%") -> list[str]:
        """Of the entries that the service itself made."""
        query = "SELECT action FROM indelible.events WHERE tenant_id = %s AND action LIKE %s ORDER BY seq"
        return [action for (action,) in rows(self.database, query, tenant, like)]

    async def refusals(self) -> list[tuple[str, str]]:
        return [(each.tenant_id, each.reason) for each in await refusals(self.connections)]

    async def refused(self, signer: Signer, tenant: str) -> Refused:
        """Why `signer` does not sign the ledger; nor does it in its rounds, and it lists the ledger."""
        with pytest.raises(Refused) as caught:
            await signer.sign(tenant)
        before = self.sizes(tenant)
        await signer.sign_changed()
        assert self.sizes(tenant) == before
        if caught.value.kind != "unknown":
            assert [tenant for each, reason in await self.refusals() if each == tenant and "; see docs/" in reason]
        return caught.value

    def let_names_repeat(self) -> None:
        """As whoever owns the tables can: from then on two ledgers may have one origin."""
        constraints = (
            "SELECT conname FROM pg_constraint WHERE conrelid = 'indelible.ledgers'::regclass AND contype = 'u'"
        )
        for (name,) in rows(self.database, constraints):
            self.tamper(f"ALTER TABLE indelible.ledgers DROP CONSTRAINT {name}")
        indexes = (
            "SELECT indexrelid::regclass FROM pg_index "
            "WHERE indrelid = 'indelible.ledgers'::regclass AND indisunique AND NOT indisprimary"
        )
        for (name,) in rows(self.database, indexes):
            self.tamper(f"DROP INDEX {name}")

    def tamper(self, *statements: str, **parameters: Any) -> None:
        as_superuser(self.database, *statements, **parameters)


async def until(condition: Any, seconds: float = 15) -> None:
    """Waits for what `condition`, a function that may be a coroutine's, says to become true."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        assert asyncio.get_running_loop().time() < deadline, "it did not happen in time"
        await asyncio.sleep(0.05)
