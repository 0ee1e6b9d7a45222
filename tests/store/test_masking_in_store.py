"""What a vendor should never have sent is not kept: not in a ledger, not in an index of words, nowhere."""

from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from indelible.store.appender import Appender
from indelible.store.intake import Intake
from indelible.store.key_text import make_key_text
from indelible.store.keys import save_bootstrap_key
from indelible.store.session import Database as Connections
from tests.postgres import Database
from tests.store.samples import send, take

pytestmark = pytest.mark.anyio


def holds(database: Database, needle: str) -> list[str]:
    """The columns of any table whose values, as text or as bytes, hold `needle`."""
    with psycopg.connect(database.admin_url) as connection:
        columns = connection.execute("""
            SELECT c.oid::regclass::text, attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
            WHERE relnamespace = 'indelible'::regnamespace AND relkind = 'r' AND attnum > 0 ORDER BY 1, 2
        """).fetchall()
        assert len(columns) > 50
        found = []
        for table, column in columns:
            schema, name = table.split(".")
            query = sql.SQL("SELECT FROM {table} WHERE lower({column}::text) LIKE ANY (%s) LIMIT 1").format(
                table=sql.Identifier(schema, name), column=sql.Identifier(column)
            )
            patterns = [f"%{needle.lower()}%", f"%{needle.encode().hex()}%"]
            if connection.execute(query, (patterns,)).fetchall():
                found.append(f"{table}.{column}")
    return found


async def test_secrets_are_nowhere(appender: Appender, database: Database, intake: Intake, tenant: str) -> None:
    secrets = {where: f"hush{uuid4().hex}" for where in ("top", "nested", "listed", "before", "after", "deep")}
    event = {
        "metadata": {
            "password": secrets["top"],
            "request": {"headers": {"Authorization": f"Bearer {secrets['nested']}"}},
            "cards": [{"card_number": secrets["listed"]}],
            "plain": "seen-by-all",
        },
        "changes": {
            "api_key": {"from": secrets["before"], "to": secrets["after"]},
            "integration": {"to": {"client_secret": secrets["deep"]}},
        },
    }
    await send(appender, take(intake, tenant, id=uuid4(), **event))
    assert any(column.endswith(".metadata") for column in holds(database, "seen-by-all"))
    assert {where: columns for where, secret in secrets.items() if (columns := holds(database, secret))} == {}


async def test_what_can_be_erased_is_in_no_entry(
    appender: Appender, database: Database, intake: Intake, tenant: str
) -> None:
    """Names, addresses and whatever is in changes and metadata stand where erasure reaches, and only there."""
    mark = f"mark{uuid4().hex}"
    await send(
        appender,
        take(
            intake,
            tenant,
            actor={"type": "user", "name": mark, "email": f"{mark}@example.com", "impersonator": {"name": mark}},
            targets=[{"type": "user", "name": mark}],
            changes={"name": {"from": mark}},
            context={"ip_address": mark, "user_agent": mark},
            metadata={mark: mark},
        ),
    )
    columns = holds(database, mark)
    assert {column.rsplit(".")[-1] for column in columns} >= {"actor", "changes", "context", "metadata", "targets"}
    assert all(column.startswith("indelible.event_personal_") for column in columns)


async def test_keys_are_nowhere(connections: Connections, database: Database) -> None:
    key = make_key_text("live")
    await save_bootstrap_key(connections, key)
    assert holds(database, "bootstrap") == ["indelible.keys.name"]
    assert holds(database, key) == []
    assert holds(database, key.removeprefix("ind_live_")) == []
