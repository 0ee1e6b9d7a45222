"""Where a command gets a checkpoint from: it signs one itself where the key is, and else asks `indelible worker`."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from indelible.archive import ArchiveError
from indelible.catalog import Catalog
from indelible.cli.output import note
from indelible.cli.worker import archive_of, signer
from indelible.ledger.signing import SigningKey
from indelible.settings import Settings
from indelible.store import checkpoints
from indelible.store.checkpoints import Signed
from indelible.store.session import Database
from indelible.worker.signer import Refused, Signer

__all__ = ["Checkpoints"]

_PATIENCE = timedelta(seconds=10)


class Checkpoints:
    """The checkpoints of one tenant's ledger, for as long as a command runs."""

    def __init__(
        self, opened: Database, settings: Settings, data_dir: Path, keys: Sequence[SigningKey], tenant: str
    ) -> None:
        self._opened = opened
        self._tenant = tenant
        self._signer: Signer | None = None
        self._knows_archive = False
        if keys:
            archive = archive_of(settings, data_dir)
            self._knows_archive = archive is not None
            self._signer = signer(opened, settings, Catalog.load(settings.catalog), keys, archive)
        self.is_in_vain = False
        """Whether a checkpoint that was asked for could not be had."""
        self.is_refused = False
        """Whether that is because a signer refuses the ledger."""

    async def covering(self, size: int) -> Signed | None:
        """One of at least `size` entries. Where there is none to be had it says why, and gives the latest there is."""
        found = None
        if not self.is_in_vain:
            found = await (self._ask(size) if self._signer is None else self._sign(self._signer))
        if found is None:
            self.is_in_vain = True
            found = await checkpoints.latest(self._opened, self._tenant)
        return found

    async def _sign(self, signs: Signer) -> Signed | None:
        # Whoever refused it may know an archive that is not known here.
        if not self._knows_archive and await self._has_refusal():
            return None
        try:
            signed = await signs.sign(self._tenant)
        except Refused as refused:
            self.is_refused = True
            note(f"indelible: the ledger of {self._tenant} is not signed: {refused}")
            return None
        except ArchiveError as error:
            note(f"indelible: nothing is signed before the archive of checkpoints was read: {error}")
            return None
        try:
            await signs.publish()
        except ArchiveError as error:
            note(f"The checkpoint is not in the archive yet: {error}")
        return signed

    async def _ask(self, size: int) -> Signed | None:
        signed = await checkpoints.wait_for(self._opened, self._tenant, size, _PATIENCE)
        if signed is None and not await self._has_refusal():
            note("indelible: no worker signed it within 10 seconds: is `indelible worker` running?")
        return signed

    async def _has_refusal(self) -> bool:
        """Whether a signer refuses the ledger; says why."""
        for refusal in await checkpoints.refusals(self._opened):
            if refusal.tenant_id == self._tenant:
                self.is_refused = True
                since = f"{refusal.since:%Y-%m-%d %H:%M} UTC"
                note(f"indelible: the ledger of {self._tenant} is not signed since {since}: {refusal.reason}")
                return True
        return False
