"""`indelible worker`: the signer of checkpoints, apart from the service because it holds the key."""

import asyncio
import os
import signal
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import structlog
import typer

from indelible.archive import Archive, ArchiveUnavailable, Unfit, open_archive
from indelible.catalog import Catalog
from indelible.cli.database import DataDir, database, when_ready
from indelible.cli.keys import signing_keys
from indelible.cli.output import fail
from indelible.ledger.signing import SigningKey
from indelible.server.logs import configure_logs
from indelible.server.run import end_with_parent
from indelible.settings import Settings
from indelible.store.append import Rules
from indelible.store.session import Database, Logins
from indelible.worker.signer import Signer

__all__ = ["CONNECTIONS", "DEV_ARCHIVE", "archive_of", "signer", "worker"]

CONNECTIONS = 3
"""To the database, for a signer."""

DEV_ARCHIVE = "checkpoints"
"""Under this name `indelible dev` keeps checkpoints in its data directory."""

_log = structlog.get_logger()


def worker(
    data_dir: DataDir = Path(".indelible"),
    parent: Annotated[int | None, typer.Option("--end-with-parent", hidden=True)] = None,
) -> None:
    """Sign checkpoints of the ledgers, with the settings of the environment, until SIGTERM or SIGINT.

    Needs INDELIBLE_SIGNING_KEY or INDELIBLE_SIGNING_KEY_FILE: keep it away from the hosts of `indelible serve`. A
    ledger that does not continue what was signed of it is refused and logged; the others go on being signed. Several
    may run: of two that sign at once one wins.
    """
    if parent is not None:
        end_with_parent(parent)
    settings = Settings.from_env(os.environ)
    configure_logs(settings)
    keys = signing_keys(settings, data_dir, _log.warning)
    if not keys:
        fail(
            "there is no signing key: `indelible keys new --out FILE` makes one; set INDELIBLE_SIGNING_KEY_FILE to "
            "its path"
        )
    catalog = Catalog.load(settings.catalog)
    archive = archive_of(settings, data_dir)
    with database(settings, data_dir) as found:
        asyncio.run(_work(found.logins, settings, catalog, keys, archive))


def archive_of(settings: Settings, data_dir: Path) -> Archive | None:
    """The archive of checkpoints, None where none is set. Ends the command where what is set is no place for one.

    With an embedded database that of `indelible dev` counts as set.
    """
    where, own = settings.checkpoint_archive, data_dir / DEV_ARCHIVE
    if where is None and settings.database_url is None and own.exists():
        where = str(own)
    if where is None:
        return None
    try:
        return open_archive(where, retention=timedelta(days=settings.checkpoint_retention_days))
    except Unfit as error:
        fail(f"INDELIBLE_CHECKPOINT_ARCHIVE: {error}")


def signer(
    opened: Database, settings: Settings, catalog: Catalog, keys: Sequence[SigningKey], archive: Archive | None
) -> Signer:
    """On at least `CONNECTIONS` connections."""
    return Signer(
        opened,
        Rules(catalog, host=settings.ledger_host),
        keys,
        archive,
        interval=timedelta(seconds=settings.checkpoint_interval),
        archive_interval=timedelta(seconds=settings.checkpoint_archive_interval),
    )


async def _work(
    logins: Logins, settings: Settings, catalog: Catalog, keys: Sequence[SigningKey], archive: Archive | None
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Database.open(logins, size=CONNECTIONS) as opened:
        if not await _is_ready(opened, archive, stop):
            return
        if archive is None:
            _log.warning("checkpoints are kept in the database alone: set INDELIBLE_CHECKPOINT_ARCHIVE")
        _log.info("signing checkpoints", keys=len(keys), every=settings.checkpoint_interval)
        await signer(opened, settings, catalog, keys, archive).run(stop)
        _log.info("stopped signing")


async def _is_ready(opened: Database, archive: Archive | None, stop: asyncio.Event) -> bool:
    """Waits for what the signer needs; False where it is told to stop meanwhile."""
    stopped = asyncio.ensure_future(stop.wait())
    ready = asyncio.ensure_future(_prepare(opened, archive))
    try:
        await asyncio.wait((stopped, ready), return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            return False
        ready.result()
        return True
    finally:
        for task in (stopped, ready):
            task.cancel()
        await asyncio.gather(stopped, ready, return_exceptions=True)


async def _prepare(opened: Database, archive: Archive | None) -> None:
    async def nothing() -> None:
        pass

    await when_ready(opened, nothing, roles=("signer", "writer", "reader"))
    if archive is None:
        return
    try:
        await archive.check()
    except Unfit as error:
        fail(f"INDELIBLE_CHECKPOINT_ARCHIVE: {error}")
    except ArchiveUnavailable as error:
        _log.warning("the archive of checkpoints cannot be reached; it is tried again", error=str(error))
