"""`indelible`: its commands, and how their errors reach a person."""

import logging
import os
import sys
from typing import Annotated

import psycopg
import structlog
import typer

from indelible import __version__
from indelible.catalog import CatalogError
from indelible.cli.checkpoints import checkpoint
from indelible.cli.dev import dev
from indelible.cli.doctor import doctor
from indelible.cli.erasing import erase
from indelible.cli.events import list_events, log
from indelible.cli.evidence import evidence
from indelible.cli.exporting import export
from indelible.cli.importing import import_events
from indelible.cli.keys import keys
from indelible.cli.output import note, say
from indelible.cli.serve import migrate, serve
from indelible.cli.tenants import tenants
from indelible.cli.text_command import TextCommand
from indelible.cli.verifying import verify
from indelible.cli.worker import worker
from indelible.settings import SettingsError
from indelible.store.embedded import EmbeddedError
from indelible.store.errors import StoreError

__all__ = ["app", "run"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="An audit log that is append-only, hash-chained and provable, on PostgreSQL alone.",
    epilog="Settings are environment variables INDELIBLE_*: docs/settings.md. Exit codes: 0 done; 1 done, and "
    "something is wrong; 2 could not be done.",
)
app.command()(dev)
app.command()(serve)
app.command()(worker)
app.command()(migrate)
app.command()(log)
app.command("import")(import_events)
app.command("list", cls=TextCommand)(list_events)
app.command()(verify)
app.command()(doctor)
app.command()(export)
app.command()(checkpoint)
app.command()(erase)
app.add_typer(evidence)
app.add_typer(tenants)
app.add_typer(keys)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"indelible {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="The version.")] = False,
) -> None:
    pass


def run() -> None:
    # What the store has to say meanwhile is no result.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    # Each attempt to connect would be told of; the one error in the end says it.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    try:
        app()
    except (SettingsError, CatalogError, EmbeddedError, StoreError) as error:
        note("\n".join(f"indelible: {line}" for line in str(error).splitlines()))
    except psycopg.Error as error:
        note(f"indelible: PostgreSQL: {str(error).strip()}")
    except BrokenPipeError:
        # `indelible list | head` has all it wants.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    sys.exit(2)
