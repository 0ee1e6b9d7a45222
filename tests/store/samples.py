"""Events for the tests of the store, and the rows that became of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg
from hypothesis import HealthCheck, settings

from indelible.catalog import Catalog
from indelible.store.append import Receipt
from indelible.store.appender import Appender
from indelible.store.filter import Condition, Filter
from indelible.store.finding import find
from indelible.store.intake import Intake
from indelible.store.sealing import Prepared, Record
from indelible.store.session import Database as Connections
from indelible.store.view import View
from indelible.store.words import Mark, lexeme
from tests.postgres import Database

__all__ = ["EVER", "FULL", "as_superuser", "examples", "found_by", "looked_for", "raw", "rows", "send", "take"]

FULL: dict[str, Any] = {
    "action": "user.role_changed",
    "actor": {"type": "user", "id": "usr_7", "name": "Sarah Chen", "email": "sarah@example.com"},
    "targets": [{"type": "user", "id": "usr_9", "name": "Sarah Roman"}],
    "changes": {"role": {"from": "member", "to": "Sarah's admin"}},
    "context": {"ip_address": "203.0.113.7", "user_agent": "Sarah's browser"},
    "metadata": {"note": "Sarah asked for it"},
    "outcome": "denied",
    "source": "ui",
}
"""The fields of an event that has a value in every column and every group; each group names Sarah."""


def raw(tenant: str, **fields: object) -> bytes:
    return msgspec.json.encode({"tenant_id": tenant, "action": "user.joined", "actor": {"type": "user"}, **fields})


def take(intake: Intake, tenant: str, **fields: object) -> Prepared:
    return intake.take(raw(tenant, **fields), now=datetime.now(UTC), history=False)


EVER = "'-infinity', 'infinity', 1000"
"""The last arguments of a search, of whenever it was recorded."""


def found_by(tenant: str, mark: Mark, word: str, suffix: str = "") -> str:
    """A tsquery of one word, with `:*` as its suffix of those that begin with it."""
    escaped = lexeme(tenant, mark, word).replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'{suffix}"


async def send(appender: Appender, *events: Prepared) -> list[Receipt]:
    """Appends events that are all expected to go in, as one batch."""
    answers = await appender.append(events)
    receipts = [answer for answer in answers if isinstance(answer, Receipt)]
    assert len(receipts) == len(events), answers
    return receipts


_CATALOG = Catalog.load()


async def looked_for(connections: Connections, view: View | str, *conditions: Condition) -> list[Record]:
    """All events of the view, or of this tenant, that fulfil the conditions; the newest first."""
    view = View(view) if isinstance(view, str) else view
    page = await find(connections, view, Filter(conditions=conditions), _CATALOG, limit=10_000)
    assert page.next is None
    return page.records


def rows(database: Database, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """What a superuser reads."""
    with psycopg.connect(database.admin_url) as connection:
        return connection.execute(query.encode(), parameters).fetchall()


def as_superuser(database: Database, *statements: str, **parameters: object) -> None:
    """Rewrites the database as somebody does who may do anything. Each statement has to hit something."""
    with psycopg.connect(database.admin_url) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")  # no trigger fires
        for statement in statements:
            done: Sequence[object] | int = connection.execute(statement.encode(), parameters).rowcount
            assert done, f"nothing was changed by {statement}"


def examples(number: int) -> settings:
    """Fixtures are shared by the examples: each has a tenant of its own."""
    return settings(max_examples=number, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
