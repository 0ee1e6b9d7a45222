"""The logins that the service uses, each on a connection of its own, and how PostgreSQL's catalogue is read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, get_args

import psycopg

from indelible.store.doctor.expected import RUNTIME, TAKES
from indelible.store.errors import StoreUnavailable
from indelible.store.session import Connection, LoginRole, Logins, Role, first_line

__all__ = ["Login", "log_in", "rows", "transaction"]

_CONNECT_WITHIN = 10.0

# PostgreSQL refuses what is not allowed before it waits for a lock. So only what is not refused, which is a hole,
# waits, and nobody waits behind it for longer than this.
_LOCK_PATIENCE = "100ms"
_STATEMENT_PATIENCE = "5s"


@dataclass(frozen=True, slots=True)
class Login:
    """As whom the service logs in, and by what."""

    name: str
    uses: frozenset[LoginRole]
    """The roles for which the service logs in so."""
    is_default: bool
    """Whether it is that of INDELIBLE_DATABASE_URL, which every process has."""
    connection: Connection = field(repr=False)

    @property
    def takes(self) -> tuple[Role, ...]:
        """The roles that the service takes by it."""
        taken = {role for used in self.uses for role in TAKES[used]}
        return tuple(role for role in RUNTIME if role in taken)

    @property
    def is_local(self) -> bool:
        """Whether the connection stays on this host."""
        try:
            host = self.connection.info.hostaddr or self.connection.info.host
        except psycopg.Error:
            return False
        if host.startswith(("/", "@")) or host in ("", "localhost"):
            return True
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return False


@asynccontextmanager
async def log_in(logins: Logins) -> AsyncIterator[tuple[Login, ...]]:
    """Every login that the service may use, the default one first. Raises `StoreUnavailable`."""
    uses: dict[str, set[LoginRole]] = {logins.url: set()}
    for role in get_args(LoginRole):
        uses.setdefault(logins.of(role), set()).add(role)
    opened: list[Connection] = []
    try:
        found: dict[str, Login] = {}
        for url, roles in uses.items():
            opened.append(connection := await _connect(url))
            ((name,),) = await rows(connection, "SELECT session_user::text")
            before = found.get(name)
            found[name] = Login(
                name,
                frozenset(roles) | (before.uses if before else frozenset()),
                url == logins.url or (before is not None and before.is_default),
                before.connection if before else connection,
            )
        yield tuple(found.values())
    finally:
        for connection in opened:
            await connection.close()


async def _connect(url: str) -> Connection:
    connecting = psycopg.AsyncConnection.connect(
        url, autocommit=True, prepare_threshold=None, application_name="indelible doctor"
    )
    try:
        return await asyncio.wait_for(connecting, _CONNECT_WITHIN)
    except TimeoutError:
        raise StoreUnavailable(f"PostgreSQL does not answer: no connection in {_CONNECT_WITHIN:g} s") from None
    except psycopg.OperationalError as error:
        raise StoreUnavailable(f"PostgreSQL does not answer: {str(error).strip()}") from error


@asynccontextmanager
async def transaction(connection: Connection, role: str | None = None) -> AsyncIterator[None]:
    """A transaction that is rolled back whatever happens. Acts as the login, or takes a role."""
    await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE")
    try:
        for setting in (
            # What is set for the login, or for the database, is told by a check; it must not stop the others.
            "ROLE NONE",
            "row_security = on",
            "quote_all_identifiers = off",
            "bytea_output = hex",
            f"statement_timeout = '{_STATEMENT_PATIENCE}'",
            f"lock_timeout = '{_LOCK_PATIENCE}'",
            "idle_in_transaction_session_timeout = '10s'",
            "search_path = pg_catalog, pg_temp",
            # A pooler may hand over a connection that another client set something on.
            "indelible.tenant_id = ''",
            "indelible.member_id = ''",
        ):
            await connection.execute(f"SET LOCAL {setting}".encode())
        if role is not None:
            await connection.execute(f"SET LOCAL ROLE {role}".encode())
        yield
    finally:
        if not connection.closed:
            try:
                await connection.execute("ROLLBACK")
            except psycopg.Error as error:
                await connection.close()
                raise StoreUnavailable(f"PostgreSQL does not answer: {first_line(error)}") from error


async def rows(connection: Connection, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(query.encode(), parameters or None)
    return await cursor.fetchall()
