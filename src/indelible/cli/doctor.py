"""`indelible doctor`."""

import asyncio
import ipaddress
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from indelible.cli.database import DataDir, database
from indelible.cli.doctor_report import as_json, as_markdown, as_text
from indelible.cli.output import Progress, fail, note, say
from indelible.settings import Settings
from indelible.store.doctor import Check, Examination, examine
from indelible.store.session import Logins

__all__ = ["doctor"]

_FORMATS = {".md": as_markdown, ".json": as_json}


def doctor(
    report: Annotated[
        Path | None,
        typer.Option(help="Write all of it to FILE, in Markdown (.md) or JSON (.json).", metavar="FILE"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="All of it as one JSON object.")] = False,
    data_dir: DataDir = Path(".indelible"),
) -> None:
    """Examine the database, try what must not be possible, and print what PostgreSQL answered.

    Compares roles, logins, privileges, row security, triggers and functions with what this version makes. Then tries,
    with each login that the service uses and as each role that it takes, to change and remove records, to read what is
    another's, and to become somebody else. What is tried is rolled back; nothing is changed, and nobody is held up.

    Exit code 0: no hole; 1: a hole, and it says which; 2: could not be done.
    """
    if report is not None and report.suffix.lower() not in _FORMATS:
        fail(f"--report {report}: the name ends in .md or .json, which is how it is written")
    if report is not None and not report.absolute().parent.is_dir():
        fail(f"--report {report}: there is no directory {report.absolute().parent}")
    settings = Settings.from_env(os.environ)
    with database(settings, data_dir) as found:
        examination = asyncio.run(_examine(found.logins))
    examination = replace(examination, checks=(*examination.checks, *_checks(settings)))
    if report is not None:
        try:
            report.write_text(_FORMATS[report.suffix.lower()](examination), "utf-8")
        except OSError as error:
            fail(f"--report {report}: {error.strerror}")
        note(f"The report is in {report}.")
    say(as_json(examination) if json else as_text(examination))
    if examination.exit_code:
        raise typer.Exit(examination.exit_code)


async def _examine(logins: Logins) -> Examination:
    progress = Progress("Trying", " attempts")
    try:
        return await examine(logins, progress=progress)
    finally:
        progress.close()


def _checks(settings: Settings) -> Iterator[Check]:
    """Of the settings of this environment, which need not be those of every process."""
    area = "Settings"
    if settings.database_url is None:
        yield Check(
            area, "note", "The database is the embedded one, for development: who runs as its user is its superuser.",
            "Name a PostgreSQL of yours in INDELIBLE_DATABASE_URL.",
        )  # fmt: skip
    if settings.migration_url not in (None, settings.database_url):
        yield Check(
            area, "warning", "INDELIBLE_MIGRATION_URL is set here: who reads it may change anything.",
            "Keep it away from the hosts of the service.",
        )  # fmt: skip
    if settings.admin_key is not None:
        yield Check(
            area, "note", "INDELIBLE_ADMIN_KEY is set here: who reads it may call everything, for every tenant.",
            "Make lesser keys with it, and keep it away from where those are used.",
        )  # fmt: skip
    if settings.old_viewer_secret or settings.old_viewer_secret_file:
        yield Check(
            area, "warning", "INDELIBLE_OLD_VIEWER_SECRET is set: what it signed is still accepted.",
            "Unset it a quarter of an hour after the change.",
        )  # fmt: skip
    if not (settings.viewer_secret or settings.viewer_secret_file):
        yield Check(
            area,
            "note",
            "INDELIBLE_VIEWER_SECRET is not set here; the service needs it for viewer tokens.",
        )
    if not _is_loopback(settings.host):
        yield Check(
            area, "note", f"INDELIBLE_HOST is {settings.host}: the service is reached from outside, in plain HTTP.",
            "Let nobody reach it but a proxy with TLS, and name that in INDELIBLE_TRUSTED_PROXIES.",
        )  # fmt: skip
    if settings.checkpoint_archive is None and settings.database_url is not None:
        yield Check(
            area, "note", "INDELIBLE_CHECKPOINT_ARCHIVE is not set here: the worker needs it to keep checkpoints where "
            "the administrators of PostgreSQL cannot reach them.",
        )  # fmt: skip


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
