"""Where a command finds its database: `INDELIBLE_DATABASE_URL`, or an embedded one in the data directory."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import psycopg
import typer

from indelible.cli.output import fail, note
from indelible.settings import Settings
from indelible.store.embedded import LOGINS, SERVICE_ROLE, EmbeddedPostgres
from indelible.store.errors import NoConnection, RoleNotGranted, StoreError, StoreUnavailable
from indelible.store.migrate import migrate, unapplied
from indelible.store.session import Database, Logins, Role

__all__ = ["DataDir", "Found", "as_environment", "connected", "database", "migrate_external", "when_ready"]

T = TypeVar("T")

_PATIENCE = 60.0
"""Seconds: a service and its database often start together."""

_PATIENCE_WITH_LOGINS = 5.0
"""Seconds, where PostgreSQL is there and a login is refused."""

DataDir = Annotated[
    Path,
    typer.Option(
        help="Where the embedded PostgreSQL lives, unless INDELIBLE_DATABASE_URL names another.", metavar="DIR"
    ),
]


@dataclass(frozen=True, slots=True)
class Found:
    logins: Logins
    embedded: EmbeddedPostgres | None


@contextmanager
def database(settings: Settings, data_dir: Path, *, create: bool = False) -> Iterator[Found]:
    """The database, there and running. An embedded one that was not running is stopped again at the end.

    An embedded one is brought up to date; that of the vendor is not touched. With `create` an embedded one is made
    where there is none. Raises `StoreUnavailable` or `EmbeddedError`.
    """
    if settings.database_url is not None:
        yield Found(Logins(settings.database_url, settings.own_urls), None)
        return
    if not create and not (data_dir / "postgres").exists():
        raise StoreUnavailable(
            f"there is no database: INDELIBLE_DATABASE_URL is not set, and {data_dir} holds none; "
            "`indelible dev` makes one, --data-dir names another place"
        )
    data_dir.mkdir(parents=True, exist_ok=True)
    with EmbeddedPostgres(data_dir) as postgres:
        migrate(postgres.admin_url(), service=SERVICE_ROLE, own=LOGINS)
        yield Found(postgres.logins(), postgres)


@asynccontextmanager
async def connected(logins: Logins, *, size: int = 1, roles: Collection[Role] = ()) -> AsyncIterator[Database]:
    """Connections to a database that is up to date, in which each of `roles` may be taken. Raises `StoreError`."""
    async with Database.open(logins, size=size) as opened:
        try:
            if missing := await unapplied(opened):
                raise StoreError(f"the database is not up to date ({', '.join(missing)}): run `indelible migrate`")
            if roles:
                await opened.check(roles)
        except NoConnection as error:
            raise StoreUnavailable(error.in_full()) from error
        yield opened


async def when_ready(opened: Database, work: Callable[[], Awaitable[T]], *, roles: Collection[Role] = ()) -> T:
    """Does `work` once PostgreSQL is there, for which it waits up to a minute; anew where PostgreSQL goes away again.

    Ends the command where the database is not up to date. Raises `StoreError`, also where one of `roles` cannot be
    taken.
    """
    started = time.monotonic()
    there: float | None = None  # since when PostgreSQL is, as control sees it
    while True:
        up_to_date = False
        try:
            if missing := await unapplied(opened):
                fail(f"the database is not up to date ({', '.join(missing)}): run `indelible migrate`")
            up_to_date = True
            if roles:
                await opened.check(roles)
            return await work()
        except RoleNotGranted:
            raise
        except StoreUnavailable as error:
            now = time.monotonic()
            there = (there or now) if up_to_date else None
            said = error.in_full() if isinstance(error, NoConnection) else str(error)
            of_login = isinstance(error, NoConnection) and there is not None
            if of_login and now - (there or now) > _PATIENCE_WITH_LOGINS:
                raise StoreError(f"{said}; gave up after {_PATIENCE_WITH_LOGINS:.0f} s") from error
            if now - started > _PATIENCE:
                raise StoreError(f"{said}; gave up after {_PATIENCE:.0f} s") from error
            note(f"Waiting for the database: {said}")
            await asyncio.sleep(1)


def migrate_external(settings: Settings, service: str | None) -> list[str]:
    """Migrates the vendor's database; the roles that the service logs in as get their runtime roles."""
    assert settings.database_url is not None
    assert settings.migration_url is not None
    own = {role: _login(url) for role, url in settings.own_urls.items()}
    return migrate(settings.migration_url, service=service or _login(settings.database_url), own=own)


def as_environment(logins: Logins) -> dict[str, str]:
    """The settings by which a process of ours logs in so."""
    own = {f"INDELIBLE_{role.upper()}_URL": url for role, url in logins.own.items()}
    return {"INDELIBLE_DATABASE_URL": logins.url, **own}


def _login(url: str) -> str:
    try:
        with psycopg.connect(url) as connection:
            (name,) = connection.execute("SELECT current_user").fetchone() or ("",)
    except psycopg.OperationalError as error:
        raise StoreUnavailable(f"PostgreSQL does not answer: {str(error).strip()}") from error
    return str(name)
