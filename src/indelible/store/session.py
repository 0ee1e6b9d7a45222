"""Transactions. One role acts in each, and what it needs is set for the transaction alone (SET LOCAL)."""

import re
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any, Literal, LiteralString, Self, get_args

import psycopg
import structlog
from psycopg import sql
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from indelible.store.errors import NoConnection, OtherDatabase, RoleNotGranted, StoreUnavailable, TooSlow

__all__ = ["Connection", "Database", "LoginRole", "Logins", "Pool", "Role", "first_line", "is_of_the_data"]

Connection = psycopg.AsyncConnection[tuple[object, ...]]
Cursor = psycopg.AsyncCursor[tuple[object, ...]]
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

_SAY_AGAIN = 60.0
"""Seconds, after which the log tells again of a login that does not work."""

_ROLE = re.compile(r"indelible_(writer|reader|member|control|signer|keeper)(?![a-z_])")

# The same after a restart and on a physical standby. Some vendors do not let everybody ask for the server's.
_DATABASE: LiteralString = "SELECT oid::text FROM pg_database WHERE datname = current_database()"
_SERVER: LiteralString = "SELECT system_identifier::text FROM pg_control_system()"

_log = structlog.get_logger()
_said: dict[str, float] = {}


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
        return self.own.get(_login_role(role), self.url)

    def setting(self, role: Role) -> str:
        """The name of the setting that has the role's URL."""
        return _setting(role) if _login_role(role) in self.own else "INDELIBLE_DATABASE_URL"


@dataclass(frozen=True, slots=True)
class Database:
    """Connections to one PostgreSQL, and transactions on them."""

    pools: Mapping[str, Pool]
    """By the URL that they log in by."""
    logins: Logins
    statement_timeout: timedelta = timedelta(seconds=10)
    lock_timeout: timedelta = _LOCK_PATIENCE
    failures: MutableMapping[str, str] = field(default_factory=dict, repr=False)
    """What was said last to those who could not log in, by the URL; for the operator."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        logins: Logins | str,
        *,
        size: int = 4,
        statement_timeout: timedelta = timedelta(seconds=10),
        lock_timeout: timedelta = _LOCK_PATIENCE,
    ) -> AsyncIterator[Self]:
        """Does not wait for PostgreSQL to be there: whoever needs a connection does. `size` is that of each login."""
        if isinstance(logins, str):
            logins = Logins(logins)
        urls = {logins.of(role) for role in get_args(LoginRole)}
        async with AsyncExitStack() as opened:
            pools: dict[str, Pool] = {}
            failures: dict[str, str] = {}
            for url in urls:
                pools[url] = AsyncConnectionPool(
                    url,
                    connection_class=_connecting(url, failures),
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
            yield cls(pools, logins, statement_timeout, lock_timeout, failures)

    @asynccontextmanager
    async def transaction(
        self, role: Role, tenant: str | None = None, *, member: str | None = None, snapshot: bool = False
    ) -> AsyncIterator[Connection]:
        """A transaction that acts as `role`, of `tenant`. Committed at the end, rolled back on an exception.

        A `member`, whom the role of this name needs, is a person's id. `snapshot` shows the database as of one
        moment, for as long as it takes.

        Raises `TooSlow` where a statement takes longer than it may, `NoConnection` where PostgreSQL cannot be reached,
        `RoleNotGranted`, and `StoreUnavailable` where it could not be done this time.
        """
        pool = self.pools[self.logins.of(role)]
        with self._errors(role):
            connection, _ = await self._sent(role, self._begin(role, tenant, member, snapshot=snapshot))
            try:
                try:
                    yield connection
                except BaseException:
                    await _roll_back(connection)
                    raise
                await connection.execute("COMMIT")
            finally:
                await pool.putconn(connection)

    async def one(self, role: Role, query: LiteralString) -> tuple[object, ...] | None:
        """The first row of a query without parameters, in a transaction of its own and one round trip.

        It may be asked twice, where a connection died. Raises as `transaction` does.
        """
        pool = self.pools[self.logins.of(role)]
        message = b"; ".join([self._begin(role), query.encode(), b"COMMIT"])
        with self._errors(role):
            connection, cursor = await self._sent(role, message)
            await pool.putconn(connection)
        # What was sent has an answer each; the query's alone has rows.
        while cursor.description is None:
            if not cursor.nextset():
                return None
        return await cursor.fetchone()

    async def check(self, roles: Iterable[Role]) -> None:
        """Tries to act as each of `roles`, in the database in which control acts.

        Raises `RoleNotGranted`, `OtherDatabase`, or `StoreUnavailable`.
        """
        control = await self._identity("control")
        for role in roles:
            setting, reference = self.logins.setting(role), self.logins.setting("control")
            try:
                same = _may_be_one(await self._identity(role), control)
            except psycopg.errors.InvalidParameterValue as error:  # a server that has no such role
                raise OtherDatabase(setting, reference) from error
            if not same:
                raise OtherDatabase(setting, reference)

    async def _identity(self, role: Role) -> "_Identity":
        """Of the database, and of its server, None where the login may not know it."""
        database = await self.one(role, _DATABASE)
        try:
            server = await self.one(role, _SERVER)
        except psycopg.errors.InsufficientPrivilege:
            server = None
        return database, server

    async def is_read_only(self) -> bool:
        """Whether PostgreSQL takes no writes now. Raises `StoreUnavailable`."""
        async with self.transaction("control") as connection:
            row = await (await connection.execute("SHOW transaction_read_only")).fetchone()
        return row == ("on",)

    def _begin(
        self, role: Role, tenant: str | None = None, member: str | None = None, *, snapshot: bool = False
    ) -> bytes:
        limit = timedelta() if snapshot else self.statement_timeout
        return _begin(role, tenant, member, limit, self.lock_timeout)

    @contextmanager
    def _errors(self, role: Role) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            if isinstance(error, psycopg.errors.QueryCanceled) and role in _READERS:
                raise TooSlow(self.statement_timeout) from error
            if isinstance(error, psycopg.errors.InsufficientPrivilege) and (named := _ROLE.search(str(error))):
                refused = RoleNotGranted(named[0], self.logins.setting(role), _setting(role))
                _say("a login lacks its role", refused.setting, str(refused))
                raise refused from error
            if is_of_the_data(error) or is_of_the_query(error):
                raise
            raise StoreUnavailable(f"PostgreSQL does not answer: {first_line(error)}") from error

    async def _sent(self, role: Role, message: bytes) -> tuple[Connection, Cursor]:
        """What answers `message`, which begins a transaction; connections that died in the pool are passed over."""
        pool = self.pools[self.logins.of(role)]
        for _ in range(pool.max_size):
            connection = await self._connection(role)
            try:
                cursor = await connection.execute(message)
            except BaseException as error:
                await _roll_back(connection)
                await pool.putconn(connection)
                if not isinstance(error, psycopg.OperationalError) or not connection.closed:
                    raise
            else:
                return connection, cursor
        raise StoreUnavailable("PostgreSQL does not answer: every connection was lost")

    async def _connection(self, role: Role) -> Connection:
        url = self.logins.of(role)
        pool = self.pools[url]
        patience = min(_PATIENCE, self.statement_timeout.total_seconds())
        deadline = time.monotonic() + patience
        while True:
            try:
                return await pool.getconn(_ASK_AGAIN)
            except PoolTimeout as error:
                if time.monotonic() > deadline:
                    failed = NoConnection(self.logins.setting(role), patience, self.failures.get(url))
                    _say("no connection to PostgreSQL", failed.setting, failed.reason or str(failed))
                    raise failed from error


def _connecting(url: str, failures: MutableMapping[str, str]) -> type[Connection]:
    """What connects, and notes why it could not: the pool tells its log alone."""

    class Connecting(psycopg.AsyncConnection[tuple[object, ...]]):
        @classmethod
        async def connect(cls, conninfo: str = "", **options: Any) -> Self:
            try:
                connection = await super().connect(conninfo, **options)
            except psycopg.Error as error:
                failures[url] = first_line(error)
                raise
            failures.pop(url, None)
            return connection

    return Connecting


_Identity = tuple[object, object]


def _may_be_one(one: _Identity, other: _Identity) -> bool:
    return one[0] == other[0] and (None in (one[1], other[1]) or one[1] == other[1])


def _login_role(role: Role) -> LoginRole:
    return "reader" if role == "member" else role


def _setting(role: Role) -> str:
    return f"INDELIBLE_{_login_role(role).upper()}_URL"


def _say(what: str, setting: str, said: str) -> None:
    """Tells the operator of a login that does not work, once a minute."""
    key, now = f"{setting} {what}", time.monotonic()
    if now - _said.get(key, -_SAY_AGAIN) >= _SAY_AGAIN:
        _said[key] = now
        _log.error(what, setting=setting, error=said)


def _begin(
    role: Role, tenant: str | None, member: str | None, statement_timeout: timedelta, lock_timeout: timedelta
) -> bytes:
    """What a transaction starts with, in one round trip."""
    given = {"tenant_id": tenant, "member_id": member}
    return _settings(role, statement_timeout, lock_timeout) + b"".join(
        sql.SQL("; SET LOCAL {} = {}").format(sql.Identifier("indelible", name), sql.Literal(value)).as_bytes()
        for name, value in given.items()
        if value
    )


@cache
def _settings(role: Role, statement_timeout: timedelta, lock_timeout: timedelta) -> bytes:
    # Without a limit of its own a statement is a long one, which wants one view of the data.
    level = "READ COMMITTED" if statement_timeout else "REPEATABLE READ"
    mode = ", READ ONLY" if role in _READERS else ""
    return (
        f"BEGIN ISOLATION LEVEL {level}{mode}; SET LOCAL ROLE indelible_{role}; "
        f"SET LOCAL statement_timeout = {_milliseconds(statement_timeout)}; "
        f"SET LOCAL lock_timeout = {_milliseconds(lock_timeout)}; "
        # Whoever may create functions in another schema must not have us call theirs.
        "SET LOCAL search_path = pg_catalog, pg_temp; "
        # Off, which may be set for a login, it makes reads fail.
        "SET LOCAL row_security = on; "
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
