"""Transactions. One role acts in each, and what it needs is set for the transaction alone (SET LOCAL)."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Literal

import psycopg
from psycopg import sql
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from indelible.store.errors import StoreUnavailable

__all__ = ["Connection", "Database", "Pool", "Role", "first_line", "is_of_the_data"]

Connection = psycopg.AsyncConnection[tuple[object, ...]]
Pool = AsyncConnectionPool[Connection]
Role = Literal["writer", "reader", "control", "signer", "keeper"]

# A ledger that somebody holds locks for longer must not hold up the others.
_LOCK_PATIENCE = timedelta(seconds=0.5)

# A transaction whose client froze gives its locks back after this long.
_ABANDONED = timedelta(seconds=30)

# Seconds to wait for a connection, and after how many of them to ask anew: a pool that could not connect forgets who
# waits, and tries again for whoever asks next. So a PostgreSQL that is back is noticed at once.
_PATIENCE = 2.0
_ASK_AGAIN = 0.25


def is_of_the_data(error: Exception) -> bool:
    """Whether it is what was sent that PostgreSQL, or the driver, cannot take: trying again will not help."""
    state = getattr(error, "sqlstate", None) or ""
    return isinstance(error, psycopg.DataError | psycopg.IntegrityError) or state[:2] in {"22", "23", "54"}


def is_of_the_query(error: psycopg.Error) -> bool:
    """Whether it is how we asked: a mistake of ours, or a database that is not the one we know."""
    return isinstance(error, psycopg.ProgrammingError) and error.sqlstate is not None


@dataclass(frozen=True, slots=True)
class Database:
    """Connections to one PostgreSQL, and transactions on them."""

    pool: Pool
    statement_timeout: timedelta = timedelta(seconds=10)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, *, size: int = 4, statement_timeout: timedelta = timedelta(seconds=10)
    ) -> AsyncIterator["Database"]:
        """Does not wait for PostgreSQL to be there: whoever needs a connection does."""
        pool: Pool = AsyncConnectionPool(
            url,
            connection_class=Connection,
            min_size=1,
            max_size=size,
            open=False,
            # An autocommit connection sends what we write and nothing of its own.
            # Nothing is prepared: a plan must fit its parameters, as tenants differ in size by orders of magnitude; and
            # a pooler need not carry prepared statements over.
            kwargs={"autocommit": True, "prepare_threshold": None, "application_name": "indelible"},
            reconnect_timeout=0,
        )
        await pool.open(wait=False)
        try:
            yield cls(pool, statement_timeout)
        finally:
            await pool.close()

    @asynccontextmanager
    async def transaction(
        self, role: Role, tenant: str | None = None, *, snapshot: bool = False
    ) -> AsyncIterator[Connection]:
        """A transaction that acts as `role`, of `tenant`. Committed at the end, rolled back on an exception.

        `snapshot` shows the database as of one moment, for as long as it takes.

        Raises `StoreUnavailable` where PostgreSQL cannot be reached, or could not do it this time.
        """
        try:
            connection = await self._begun(_begin(role, tenant, timedelta() if snapshot else self.statement_timeout))
            try:
                try:
                    yield connection
                except BaseException:
                    await _roll_back(connection)
                    raise
                await connection.execute("COMMIT")
            finally:
                await self.pool.putconn(connection)
        except psycopg.Error as error:
            if is_of_the_data(error) or is_of_the_query(error):
                raise
            raise StoreUnavailable(f"PostgreSQL does not answer: {first_line(error)}") from error

    async def is_read_only(self) -> bool:
        """Whether PostgreSQL takes no writes now. Raises `StoreUnavailable`."""
        async with self.transaction("control") as connection:
            row = await (await connection.execute("SHOW transaction_read_only")).fetchone()
        return row == ("on",)

    async def _begun(self, begin: bytes) -> Connection:
        """A connection in a new transaction; those that died in the pool meanwhile are passed over."""
        for _ in range(self.pool.max_size):
            connection = await self._connection()
            try:
                await connection.execute(begin)
            except BaseException as error:
                await _roll_back(connection)
                await self.pool.putconn(connection)
                if not isinstance(error, psycopg.OperationalError) or not connection.closed:
                    raise
            else:
                return connection
        raise StoreUnavailable("PostgreSQL does not answer: every connection was lost")

    async def _connection(self) -> Connection:
        patience = min(_PATIENCE, self.statement_timeout.total_seconds())
        deadline = time.monotonic() + patience
        while True:
            try:
                return await self.pool.getconn(_ASK_AGAIN)
            except PoolTimeout as error:
                if time.monotonic() > deadline:
                    raise StoreUnavailable(f"PostgreSQL does not answer: no connection in {patience:g} s") from error


def _begin(role: Role, tenant: str | None, statement_timeout: timedelta) -> bytes:
    """What a transaction starts with, in one round trip."""
    setting = sql.SQL("; SET LOCAL indelible.tenant_id = {}").format(sql.Literal(tenant)).as_bytes() if tenant else b""
    return _settings(role, statement_timeout) + setting


@cache
def _settings(role: Role, statement_timeout: timedelta) -> bytes:
    # Without a limit of its own a statement is a long one, which wants one view of the data.
    level = "READ COMMITTED" if statement_timeout else "REPEATABLE READ"
    mode = ", READ ONLY" if role == "reader" else ""
    return (
        f"BEGIN ISOLATION LEVEL {level}{mode}; SET LOCAL ROLE indelible_{role}; "
        f"SET LOCAL statement_timeout = {_milliseconds(statement_timeout)}; "
        f"SET LOCAL lock_timeout = {_milliseconds(_LOCK_PATIENCE)}; "
        # Whoever may create functions in another schema must not have us call theirs.
        "SET LOCAL search_path = pg_catalog, pg_temp; "
        f"SET LOCAL idle_in_transaction_session_timeout = {_milliseconds(_ABANDONED)}; "
        # A pooler may hand over a connection that another client set something on.
        "SET LOCAL indelible.tenant_id = ''"
    ).encode()


def first_line(error: BaseException) -> str:
    """PostgreSQL's message without its detail and context, which may quote data."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


async def _roll_back(connection: Connection) -> None:
    # The exception on its way out says more than a connection that broke meanwhile.
    try:
        await connection.execute("ROLLBACK")
    except psycopg.Error:
        await connection.close()


def _milliseconds(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
