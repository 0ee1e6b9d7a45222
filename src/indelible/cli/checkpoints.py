"""`indelible checkpoint`: the signed statement of what a ledger holds now, to be kept somewhere else."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from indelible.cli.database import DataDir, connected, database
from indelible.cli.keys import signing_keys
from indelible.cli.output import fail, note
from indelible.cli.signing import Checkpoints
from indelible.cli.worker import CONNECTIONS
from indelible.ledger.signing import SigningKey
from indelible.settings import Settings
from indelible.store.checkpoints import Signed
from indelible.store.session import Logins
from indelible.store.tenants import ledgers

__all__ = ["checkpoint"]


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
    with database(settings, data_dir) as found:
        signed, lacking = asyncio.run(_checkpoint(found.logins, settings, data_dir, keys, tenant))
    if out is None:
        typer.echo(signed.note, nl=False)
    else:
        try:
            # An earlier checkpoint that was kept is the one thing not to lose.
            with out.open("x") as file:
                file.write(signed.note)
        except FileExistsError:
            if out.read_text() != signed.note:
                fail(f"{out} exists already, and is not overwritten")
        except OSError as error:
            fail(f"{out}: {error.strerror}")
    if lacking:
        raise typer.Exit(1)


async def _checkpoint(
    logins: Logins, settings: Settings, data_dir: Path, keys: Sequence[SigningKey], tenant: str
) -> tuple[Signed, bool]:
    """A checkpoint, and whether it lacks entries, or speaks of others."""
    async with connected(logins, size=CONNECTIONS) as opened:
        found = await ledgers(opened, tenant=tenant)
        if not found:
            fail(f"there is no tenant {tenant!r} yet; `indelible tenants list` names those there are")
        (ledger,) = found
        source = Checkpoints(opened, settings, data_dir, keys, tenant)
        signed = await source.covering(ledger.size)
        if signed is None:
            fail(f"nothing was signed of the ledger of {tenant} yet")
        if source.is_in_vain:
            # Where entries were deleted, it may well speak of more than there are.
            if (lacking := ledger.size - signed.size) > 0:
                note(f"This is the latest checkpoint. It lacks the newest {lacking:,} of {ledger.size:,} entries.")
            else:
                note(f"This is the latest checkpoint, of {signed.size:,} entries; the ledger has {ledger.size:,}.")
        return signed, source.is_in_vain
