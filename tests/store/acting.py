"""Acting as each role of the database, on the rows of two tenants (fixture `filled`)."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from indelible.store.embedded import SERVICE_ROLE
from tests.postgres import Database

__all__ = ["EVENTS", "MINE", "MONTH", "OTHER", "PERSONAL", "ROLES", "RUNTIME", "acting", "refusal", "run"]

MINE, OTHER = "acme", "globex"
MONTH = f"{datetime.now(UTC):%Y_%m}"
EVENTS, PERSONAL = f"events_{MONTH}", f"event_personal_{MONTH}"

RUNTIME = (
    "indelible_writer", "indelible_reader", "indelible_member", "indelible_control", "indelible_signer",
    "indelible_keeper",
)  # fmt: skip
ROLES = (*RUNTIME, "indelible_searcher", SERVICE_ROLE)
"""SERVICE_ROLE is the login itself, before it takes a role."""


@contextlib.contextmanager
def acting(database: Database, role: str, tenant: str = "", member: str = "") -> Iterator[psycopg.Connection]:
    """A transaction as `role`, of `tenant` and for `member`, rolled back at the end. Who is no runtime role comes as a
    superuser that gave up being one."""
    url = database.url if role in (*RUNTIME, SERVICE_ROLE) else database.admin_url
    with psycopg.connect(url) as connection:
        if role != SERVICE_ROLE:
            connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
        if tenant:
            connection.execute(sql.SQL("SET LOCAL indelible.tenant_id = {}").format(tenant))
        if member:
            connection.execute(sql.SQL("SET LOCAL indelible.member_id = {}").format(member))
        assert connection.execute("SELECT current_user").fetchone() == (role,)
        yield connection
        connection.rollback()


def run(connection: psycopg.Connection, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    cursor = connection.execute(statement.encode(), parameters or None)
    return cursor.fetchall() if cursor.description else []


def refusal(connection: psycopg.Connection, statement: str) -> str:
    """What PostgreSQL says against `statement` for want of a privilege; "" where it has nothing to say to that."""
    try:
        with connection.transaction(force_rollback=True):
            run(connection, statement)
    except InsufficientPrivilege as error:
        return error.diag.message_primary or "?"
    except psycopg.Error:
        return ""  # it may, and fails over something else
    return ""
