"""Migrations: plain SQL files, applied in order, once, all in one transaction under a lock."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from types import MappingProxyType
from typing import cast

import psycopg
from psycopg import sql

from indelible.store.errors import StoreError, StoreUnavailable
from indelible.store.months import MONTHS_AHEAD
from indelible.store.session import Database, LoginRole, Role, first_line

__all__ = ["Migration", "migrate", "migrations", "unapplied"]


_LOCK = 0x1DE1B1E
_APPLIED = "SELECT version, sha256 FROM indelible.migrations"
_ROLES: Mapping[LoginRole, tuple[Role, ...]] = {
    "writer": ("writer",),
    "reader": ("reader", "member"),
    "control": ("control",),
    "signer": ("signer",),
    # An erasure reads what is erased, and records it, in the same transaction.
    "keeper": ("keeper", "reader", "writer"),
}
"""The roles that a login becomes a member of which is used for a role."""


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        return sha256(self.text.encode()).hexdigest()


def migrations() -> list[Migration]:
    """All there are, in order. Number 0 makes the roles and is run each time."""
    folder = files("indelible.store") / "migrations"
    found = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [Migration(int(f.name[:4]), f.name.removesuffix(".sql"), f.read_text("utf-8")) for f in found]


def migrate(url: str, *, service: str | None = None, own: Mapping[LoginRole, str] = MappingProxyType({})) -> list[str]:
    """Brings the database up to date, and returns the names of the migrations that it ran.

    `url` logs in as a superuser, or as a role with CREATEROLE that may create schemas in the database. `service` is
    the role that the service logs in as; it becomes a member of the runtime roles, and of no other. Those for which
    the service logs in as another, by `own`, are granted to that one instead, and taken from the others where they
    had them.

    Raises `StoreError` where a migration fails or the database is of a later version, `StoreUnavailable` where
    there is no database.
    """
    try:
        with psycopg.connect(url, application_name="indelible migrate", prepare_threshold=None) as connection:
            return _migrate(connection, _runtime_roles(service, own))
    except psycopg.OperationalError as error:
        raise StoreUnavailable(f"PostgreSQL does not answer: {str(error).strip()}") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise StoreError(
            f"the migrating role may not do all it has to: {error.diag.message_primary}. It needs CREATEROLE and "
            "CREATE on the database, or a superuser; see docs/operations.md"
        ) from error


def _runtime_roles(service: str | None, own: Mapping[LoginRole, str]) -> dict[str, set[Role]]:
    """What each login is to be a member of. One that is used for several roles has them all."""
    logins: dict[str, set[Role]] = {name: set() for name in (service, *own.values()) if name is not None}
    for used, roles in _ROLES.items():
        if (login := own.get(used, service)) is not None:
            logins[login].update(roles)
    return logins


async def unapplied(database: Database) -> list[str]:
    """The names of the migrations that the service's database still needs. Raises `StoreError`, of which one is
    `RoleNotGranted`."""
    try:
        async with database.transaction("control") as connection:
            cursor = await connection.execute(_APPLIED)
            return _pending(cast("list[tuple[int, str]]", await cursor.fetchall()))
    except psycopg.errors.InsufficientPrivilege as error:
        raise StoreError(
            f"{first_line(error)}: the role that the service logs in as lacks its runtime roles; "
            "`indelible migrate --service ROLE` grants them"
        ) from error
    except (psycopg.errors.InvalidParameterValue, psycopg.errors.InvalidSchemaName, psycopg.errors.UndefinedTable):
        return _pending([])  # there is no such role, schema or table yet


def _pending(applied: Iterable[tuple[int, str]]) -> list[str]:
    """What has not run yet. Raises `StoreError` where the database is not one of this version's past."""
    known = {m.version: m for m in migrations() if m.version}
    done = dict(applied)
    for version, checksum in done.items():
        if version not in known:
            raise StoreError(f"the database has migration {version}, which this version of Indelible does not know")
        if known[version].sha256 != checksum:
            raise StoreError(f"migration {known[version].name} is not the one that this database was made with")
    return [m.name for version, m in known.items() if version not in done]


def _migrate(connection: psycopg.Connection, logins: Mapping[str, Collection[Role]]) -> list[str]:
    # The whole transaction, so that of several that start at once one works and the others find it done.
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    connection.execute("SET LOCAL search_path = pg_catalog, pg_temp")
    (encoding,) = connection.execute("SHOW server_encoding").fetchone() or ("",)
    if encoding not in ("UTF8", b"UTF8"):
        raise StoreError("the database's encoding is not UTF8: make one with CREATE DATABASE … ENCODING 'UTF8'")
    roles, *steps = migrations()
    connection.execute(roles.text.encode())
    todo = _pending(connection.execute(_APPLIED))
    for step in steps:
        if step.name in todo:
            connection.execute(step.text.encode())
            connection.execute(
                "INSERT INTO indelible.migrations (version, name, sha256) VALUES (%s, %s, %s)",
                (step.version, step.name, step.sha256),
            )
    connection.execute(
        "SELECT indelible.ensure_month((now() AT TIME ZONE 'UTC' + make_interval(months => ahead))::date) "
        "FROM generate_series(0, %s) ahead",
        (MONTHS_AHEAD,),
    )
    connection.execute("RESET ROLE")
    _grant(connection, logins)
    return todo


def _grant(connection: psycopg.Connection, logins: Mapping[str, Collection[Role]]) -> None:
    """Makes each login a member of those runtime roles, and of no other: it may have had more of them before."""
    # So that a transaction may do what its role may, and not what all of them may; before 16 the login role itself has
    # to be NOINHERIT for that.
    separable = connection.info.server_version >= 160000
    alone = b" WITH INHERIT FALSE" if separable else b""
    # Whoever made a role is a member that may grant it, which is another matter.
    taking = " AND set_option" if separable else ""
    memberships = f"""
        SELECT roleid::regrole::text, grantor::regrole::text FROM pg_auth_members
        WHERE member = (SELECT oid FROM pg_roles WHERE rolname = %s) AND roleid::regrole::text = ANY (%s){taking}
    """  # noqa: S608 - the condition is ours
    every = [f"indelible_{role}" for roles in _ROLES.values() for role in roles]
    for login, roles in logins.items():
        wanted = {f"indelible_{role}" for role in roles}
        for role, grantor in connection.execute(memberships.encode(), (login, every)).fetchall():
            if role not in wanted:
                revoke = sql.SQL("REVOKE {} FROM {} GRANTED BY {}").format(
                    sql.Identifier(role), sql.Identifier(login), sql.SQL(grantor)
                )
                connection.execute(revoke.as_bytes())
        for role in sorted(wanted):
            grant = sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(login))
            connection.execute(grant.as_bytes() + alone)
