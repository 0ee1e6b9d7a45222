"""Transactions. One role acts in each, and what it needs is set for the transaction alone (SET LOCAL)."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Literal, Self, get_args

import psycopg
from psycopg import sql
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from indelible.store.errors import StoreUnavailable, TooSlow

__all__ = ["Connection", "Database", "LoginRole", "Logins", "Pool", "Role", "first_line", "is_of_the_data"]

Connection = psycopg.AsyncConnection[tuple[object, ...]]
Pool = AsyncConnectionPool[Connection]
LoginRole = Literal["writer", "reader", "control", "signer", "keeper"]
Role = LoginRole | Literal["member"]
"""`reader` sees a tenant's rows; `member` those of them in which one person is actor or target."""

_READERS: frozenset[Role] = frozenset({"reader", "member"})

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
class Logins:
    """As whom the service logs in: by `url`, and for the roles that have credentials of their own by those."""

    url: str = field(repr=False)
    own: Mapping[LoginRole, str] = field(default_factory=dict, repr=False)

    def of(self, role: Role) -> str:
        """What reads for a member reads for an admin as well: their login is the same one."""
        return self.own.get("reader" if role == "member" else role, self.url)


@dataclass(frozen=True, slots=True)
class Database:
    """Connections to one PostgreSQL, and transactions on them."""

    pools: Mapping[str, Pool]
    """By the URL that they log in by."""
    logins: Logins
    statement_timeout: timedelta = timedelta(seconds=10)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, logins: Logins | str, *, size: int = 4, statement_timeout: timedelta = timedelta(seconds=10)
    ) -> AsyncIterator[Self]:
        """Does not wait for PostgreSQL to be there: whoever needs a connection does. `size` is that of each login."""
        if isinstance(logins, str):
            logins = Logins(logins)
        urls = {logins.of(role) for role in get_args(LoginRole)}
        async with AsyncExitStack() as opened:
            pools: dict[str, Pool] = {}
            for url in urls:
                pools[url] = AsyncConnectionPool(
                    url,
                    connection_class=Connection,
                    # Of several logins, who opens this needs one or two.
                    min_size=1 if len(urls) == 1 else 0,
                    max_size=size,
                    open=False,
                    # An autocommit connection sends what we write and nothing of its own.
                    # Nothing is prepared: a plan must fit its parameters, as tenants differ in size by orders of
                    # magnitude; and a pooler need not carry prepared statements over.
                    kwargs={"autocommit": True, "prepare_threshold": None, "application_name": "indelible"},
                    reconnect_timeout=0,
                )
                await pools[url].open(wait=False)
                opened.push_async_callback(pools[url].close)
            yield cls(pools, logins, statement_timeout)

    @asynccontextmanager
    async def transaction(
        self, role: Role, tenant: str | None = None, *, member: str | None = None, snapshot: bool = False
    ) -> AsyncIterator[Connection]:
        """A transaction that acts as `role`, of `tenant`. Committed at the end, rolled back on an exception.

        A `member`, whom the role of this name needs, is a person's id. `snapshot` shows the database as of one
        moment, for as long as it takes.

        Raises `TooSlow` where a statement takes longer than it may, `StoreUnavailable` where PostgreSQL cannot be
        reached, or could not do it this time.
        """
        pool = self.pools[self.logins.of(role)]
        try:
            connection = await self._begun(
                pool, _begin(role, tenant, member, timedelta() if snapshot else self.statement_timeout)
            )
            try:
                try:
                    yield connection
                except BaseException:
                    await _roll_back(connection)
                    raise
                await connection.execute("COMMIT")
            finally:
                await pool.putconn(connection)
        except psycopg.Error as error:
            if isinstance(error, psycopg.errors.QueryCanceled) and role in _READERS:
                raise TooSlow(self.statement_timeout) from error
            if is_of_the_data(error) or is_of_the_query(error):
                raise
            raise StoreUnavailable(f"PostgreSQL does not answer: {first_line(error)}") from error

    async def is_read_only(self) -> bool:
        """Whether PostgreSQL takes no writes now. Raises `StoreUnavailable`."""
        async with self.transaction("control") as connection:
            row = await (await connection.execute("SHOW transaction_read_only")).fetchone()
        return row == ("on",)

    async def _begun(self, pool: Pool, begin: bytes) -> Connection:
        """A connection in a new transaction; those that died in the pool meanwhile are passed over."""
        for _ in range(pool.max_size):
            connection = await self._connection(pool)
            try:
                await connection.execute(begin)
            except BaseException as error:
                await _roll_back(connection)
                await pool.putconn(connection)
                if not isinstance(error, psycopg.OperationalError) or not connection.closed:
                    raise
            else:
                return connection
        raise StoreUnavailable("PostgreSQL does not answer: every connection was lost")

    async def _connection(self, pool: Pool) -> Connection:
        patience = min(_PATIENCE, self.statement_timeout.total_seconds())
        deadline = time.monotonic() + patience
        while True:
            try:
                return await pool.getconn(_ASK_AGAIN)
            except PoolTimeout as error:
                if time.monotonic() > deadline:
                    raise StoreUnavailable(f"PostgreSQL does not answer: no connection in {patience:g} s") from error


def _begin(role: Role, tenant: str | None, member: str | None, statement_timeout: timedelta) -> bytes:
    """What a transaction starts with, in one round trip."""
    given = {"tenant_id": tenant, "member_id": member}
    return _settings(role, statement_timeout) + b"".join(
        sql.SQL("; SET LOCAL {} = {}").format(sql.Identifier("indelible", name), sql.Literal(value)).as_bytes()
        for name, value in given.items()
        if value
    )


@cache
def _settings(role: Role, statement_timeout: timedelta) -> bytes:
    # Without a limit of its own a statement is a long one, which wants one view of the data.
    level = "READ COMMITTED" if statement_timeout else "REPEATABLE READ"
    mode = ", READ ONLY" if role in _READERS else ""
    return (
        f"BEGIN ISOLATION LEVEL {level}{mode}; SET LOCAL ROLE indelible_{role}; "
        f"SET LOCAL statement_timeout = {_milliseconds(statement_timeout)}; "
        f"SET LOCAL lock_timeout = {_milliseconds(_LOCK_PATIENCE)}; "
        # Whoever may create functions in another schema must not have us call theirs.
        "SET LOCAL search_path = pg_catalog, pg_temp; "
        f"SET LOCAL idle_in_transaction_session_timeout = {_milliseconds(_ABANDONED)}; "
        # A pooler may hand over a connection that another client set something on.
        "SET LOCAL indelible.tenant_id = ''; SET LOCAL indelible.member_id = ''"
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
