"""Transactions. One role acts in each, and what it needs is set for the transaction alone (SET LOCAL)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import psycopg
from psycopg import sql
from psycopg_pool import AsyncConnectionPool

from indelible.store.errors import StoreUnavailable

__all__ = ["Connection", "Database", "Pool", "Role", "first_line", "is_transient"]

Connection = psycopg.AsyncConnection[tuple[object, ...]]
Pool = AsyncConnectionPool[Connection]
Role = Literal["writer", "reader", "control"]

# A transaction whose client froze gives its locks back after this long.
_ABANDONED = timedelta(seconds=30)


def is_transient(error: psycopg.Error) -> bool:
    """Whether the same transaction may well succeed in a moment: a lost server, a lock, a full connection list."""
    state = error.sqlstate
    return (isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and state is None) or (state or "")[
        :2
    ] in {"08", "40", "53", "57", "55"}


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
            kwargs={"autocommit": True, "application_name": "indelible"},
            check=AsyncConnectionPool.check_connection,
            reconnect_timeout=0,
            timeout=5,
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
            async with self.pool.connection() as connection:
                await connection.execute(_begin(role, tenant, timedelta() if snapshot else self.statement_timeout))
                try:
                    yield connection
                except BaseException:
                    await _roll_back(connection)
                    raise
                await connection.execute("COMMIT")
        except psycopg.Error as error:
            if not is_transient(error):
                raise
            raise StoreUnavailable(f"PostgreSQL does not answer: {first_line(error)}") from error


def _begin(role: Role, tenant: str | None, statement_timeout: timedelta) -> sql.Composed:
    # In one round trip. Without a limit of its own a statement is a long one, which wants one view of the data.
    return sql.SQL(
        "BEGIN ISOLATION LEVEL {mode}; SET LOCAL ROLE {role}; SET LOCAL indelible.tenant_id = {tenant}; "
        "SET LOCAL statement_timeout = {timeout}; SET LOCAL idle_in_transaction_session_timeout = {abandoned}"
    ).format(
        mode=sql.SQL(
            ("READ COMMITTED" if statement_timeout else "REPEATABLE READ") + (", READ ONLY" if role == "reader" else "")
        ),
        role=sql.Identifier(f"indelible_{role}"),
        tenant=sql.Literal(tenant or ""),
        timeout=sql.Literal(_milliseconds(statement_timeout)),
        abandoned=sql.Literal(_milliseconds(_ABANDONED)),
    )


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
