"""`indelible checkpoint`: the signed statement of what a ledger holds now, to be kept somewhere else."""

import asyncio
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from indelible.archive import Archive, ArchiveError
from indelible.catalog import Catalog
from indelible.cli.database import DataDir, connected, database
from indelible.cli.keys import signing_keys
from indelible.cli.output import fail, note
from indelible.cli.worker import CONNECTIONS, archive_of, signer
from indelible.ledger.signing import SigningKey
from indelible.settings import Settings
from indelible.store import checkpoints
from indelible.store.checkpoints import Refusal, Signed
from indelible.store.session import Database
from indelible.store.tenants import Ledger, ledgers
from indelible.worker.signer import Refused

__all__ = ["checkpoint"]

_PATIENCE = timedelta(seconds=10)


def checkpoint(
    tenant: Annotated[str, typer.Option(help="Whose ledger.", metavar="TENANT")],
    out: Annotated[
        Path | None, typer.Option(help="Where to write it; on standard output if absent.", metavar="FILE")
    ] = None,
    data_dir: DataDir = Path(".indelible"),
) -> None:
    """Print a signed checkpoint of a ledger as it is now, to be kept where the database's administrators cannot write.

    Signs it with the signing key if that is set, or asks `indelible worker` and waits up to 10 seconds; otherwise
    prints the latest one and says what it lacks. Where the key is set, set INDELIBLE_CHECKPOINT_ARCHIVE as well, as for
    the worker: a ledger that contradicts the archive must not be signed.

    Exit code 0: it covers every entry; 1: it lacks some, or the ledger is refused; 2: there is none.
    """
    settings = Settings.from_env(os.environ)
    keys = signing_keys(settings, data_dir, note)
    archive = archive_of(settings, data_dir) if keys else None
    with database(settings, data_dir) as found:
        signed, lacking = asyncio.run(_checkpoint(found.url, settings, tenant, keys, archive))
    if out is None:
        typer.echo(signed.note, nl=False)
    else:
        try:
            out.write_text(signed.note)
        except OSError as error:
            fail(f"{out}: {error.strerror}")
    if lacking:
        raise typer.Exit(1)


async def _checkpoint(
    url: str, settings: Settings, tenant: str, keys: Sequence[SigningKey], archive: Archive | None
) -> tuple[Signed, bool]:
    """A checkpoint, and whether it lacks entries."""
    async with connected(url, size=CONNECTIONS) as opened:
        found = await ledgers(opened, tenant=tenant)
        if not found:
            fail(f"there is no tenant {tenant!r} yet; `indelible tenants list` names those there are")
        (ledger,) = found
        if keys and (archive is not None or await _refusal(opened, ledger) is None):
            try:
                return await _sign(opened, settings, tenant, keys, archive), False
            except Refused as refused:
                note(f"indelible: {ledger.origin} is not signed: {refused}")
        elif signed := await checkpoints.wait_for(opened, tenant, ledger.size, _PATIENCE):
            return signed, False
        elif refusal := await _refusal(opened, ledger):
            note(f"indelible: {ledger.origin} is not signed since {refusal.since:%Y-%m-%d %H:%M} UTC: {refusal.reason}")
        else:
            note("indelible: no worker signed it within 10 seconds: is `indelible worker` running?")
        latest = await checkpoints.latest(opened, tenant)
        if latest is None:
            fail(f"nothing was signed of the ledger of {tenant} yet")
        # Where entries were deleted, it may well speak of more than there are.
        if (lacking := ledger.size - latest.size) > 0:
            note(f"This is the latest checkpoint. It lacks the newest {lacking:,} of {ledger.size:,} entries.")
        else:
            note(f"This is the latest checkpoint, of {latest.size:,} entries; the ledger has {ledger.size:,}.")
        return latest, True


async def _sign(
    opened: Database, settings: Settings, tenant: str, keys: Sequence[SigningKey], archive: Archive | None
) -> Signed:
    """Raises `Refused`."""
    signs = signer(opened, settings, Catalog.load(settings.catalog), keys, archive)
    try:
        signed = await signs.sign(tenant)
    except ArchiveError as error:
        fail(f"nothing is signed before the archive of checkpoints was read: {error}")
    try:
        await signs.publish()
    except ArchiveError as error:
        note(f"It is not in the archive of checkpoints yet: {error}")
    return signed


async def _refusal(opened: Database, ledger: Ledger) -> Refusal | None:
    """Why a worker, which may know of an archive, does not sign it."""
    return next((each for each in await checkpoints.refusals(opened) if each.tenant_id == ledger.tenant_id), None)
