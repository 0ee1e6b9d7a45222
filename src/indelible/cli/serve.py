"""`indelible serve` and `indelible migrate`: what runs in production."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from indelible.catalog import Catalog
from indelible.cli.database import DataDir, Found, as_environment, database, migrate_external, when_ready
from indelible.cli.output import fail, note, say
from indelible.server.health import ROLES
from indelible.server.logs import configure_logs
from indelible.server.run import CannotListen, end_with_parent, free_address, public_address, run
from indelible.server.tokens import viewer_secrets
from indelible.settings import Environment, Settings
from indelible.store.key_text import environment_of, has_right_checksum, make_key_text
from indelible.store.keys import KeyHasEnded, has_keys, save_bootstrap_key
from indelible.store.session import Database, Logins

__all__ = ["bootstrap_key", "check_admin_key", "environment_here", "listening_address", "migrate", "serve"]

_WAIT_FOR_PORT = 5.0
"""Seconds, in which the server processes of one that was killed end."""


def serve(
    data_dir: DataDir = Path(".indelible"),
    migrate_first: Annotated[bool, typer.Option("--migrate", help="Bring the database up to date first.")] = False,
    parent: Annotated[int | None, typer.Option("--end-with-parent", hidden=True)] = None,
) -> None:
    """Serve the API, with the settings of the environment.

    INDELIBLE_WORKERS says how many server processes. They stop on SIGTERM or SIGINT, once what they took is stored.
    """
    if parent is not None:
        end_with_parent(parent)
    settings = Settings.from_env(os.environ)
    configure_logs(settings)
    if settings.signing_key or settings.signing_key_file:
        note("A signing key is set here, and not needed: who takes over this host could sign with it. Leave it to")
        note("`indelible worker`.")
    # What is wrong is an error now, not in each server process.
    Catalog.load(settings.catalog)
    viewer_secrets(settings, note)
    address = listening_address(settings, patience=_WAIT_FOR_PORT)
    with database(settings, data_dir, create=True) as found:
        if migrate_first and found.embedded is None:
            migrate_external(settings, None)
        settings = replace(settings, environment=environment_here(settings, found))
        os.environ["INDELIBLE_ENVIRONMENT"] = settings.environment
        if settings.admin_key is not None:
            check_admin_key(settings.admin_key, settings.environment, "INDELIBLE_ADMIN_KEY")
        # The server processes read their settings from the environment.
        os.environ.update(as_environment(found.logins))
        made = asyncio.run(_prepare(found.logins, settings))
        if made is not None:
            say(f"The first API key, shown only this once: {made}")
        note(f"Serving on {public_address(settings)}")
        run(settings, address)


def listening_address(settings: Settings, *, patience: float) -> str:
    """The IP address to listen on; ends the command where it is taken for longer than `patience` seconds."""
    try:
        return free_address(settings, patience=patience)
    except CannotListen as error:
        fail(str(error))


def migrate(
    service: Annotated[
        str | None,
        typer.Option(
            help="The role that the service logs in as; that of INDELIBLE_DATABASE_URL if absent.", metavar="ROLE"
        ),
    ] = None,
    data_dir: DataDir = Path(".indelible"),
) -> None:
    """Bring the database up to date. Safe to run at any time, by several at once.

    Logs in by INDELIBLE_MIGRATION_URL, or INDELIBLE_DATABASE_URL: as a superuser, or as a role with CREATEROLE that
    may create schemas in the database.
    """
    settings = Settings.from_env(os.environ)
    if settings.database_url is None:
        with database(settings, data_dir, create=True):
            say("The embedded database is up to date.")
        return
    applied = migrate_external(settings, service)
    say(f"Applied: {', '.join(applied)}." if applied else "The database is up to date.")


async def _prepare(logins: Logins, settings: Settings) -> str | None:
    """Waits for the database, and returns the bootstrap key if one had to be made."""
    async with Database.open(logins, size=1) as opened:
        try:
            return await when_ready(opened, lambda: bootstrap_key(opened, settings), roles=ROLES)
        except KeyHasEnded as error:
            # Who revokes a key that leaked must not bring the service down with it.
            note(f"INDELIBLE_ADMIN_KEY opens nothing: {error}. Unset it, or choose another one.")
            return None


async def bootstrap_key(opened: Database, settings: Settings) -> str | None:
    """Sees to it that there is a key; returns it if it was made here, for the only time.

    Raises `KeyHasEnded` where that of the settings was revoked or has expired.
    """
    if settings.admin_key is not None:
        await save_bootstrap_key(opened, settings.admin_key)
        return None
    if await has_keys(opened):
        return None
    made = make_key_text(settings.environment)
    await save_bootstrap_key(opened, made)
    return made


def environment_here(settings: Settings, found: Found) -> Environment:
    """The kind of keys that are made: an embedded database is no place for production, unless somebody says so."""
    if found.embedded is not None and not os.environ.get("INDELIBLE_ENVIRONMENT"):
        return "test"
    return settings.environment


def check_admin_key(key: str, environment: Environment, name: str) -> None:
    """Ends the command for a key that the service would refuse without looking it up. `name` is where it stands."""
    kind = environment_of(key)
    if kind is not None and not has_right_checksum(key):
        fail(f"{name}: the checksum at its end does not fit: a character is wrong")
    if kind not in (None, environment):
        fail(
            f"{name} begins with ind_{kind}_, and INDELIBLE_ENVIRONMENT here is {environment}; a key of the one kind "
            "opens nothing of the other"
        )
