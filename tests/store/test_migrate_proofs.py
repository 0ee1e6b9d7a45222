"""A ledger of version 1 gets its tree stored, and everything that was said of it before stays true."""

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from indelible.catalog import Catalog
from indelible.ledger import base64url
from indelible.ledger.tree import Frontier, leaf_hash
from indelible.store import migrate as migrating
from indelible.store.append import _EVENT_COLUMNS, _PERSONAL_COLUMNS, Receipt, Rules, _Growth
from indelible.store.appender import Appender
from indelible.store.embedded import SERVICE_ROLE
from indelible.store.intake import Intake
from indelible.store.migrate import migrate, migrations
from indelible.store.read import event
from indelible.store.sealing import Prepared
from indelible.store.session import Database as Connections
from indelible.store.verify import Remembered, Report, verify
from indelible.store.view import View
from tests.conftest import Cluster
from tests.postgres import Database
from tests.store.samples import FULL, as_superuser, rows, send, take

pytestmark = pytest.mark.anyio

SIZE = 66_000
"""Of which 65,536 make up a subtree of the second level."""


@pytest.fixture
def old(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database of version 1."""
    database = cluster.databases.create("old")
    with monkeypatch.context() as patch:
        patch.setattr(migrating, "migrations", lambda: migrations()[:2])
        assert migrate(database.admin_url, service=SERVICE_ROLE) == ["0001_ledger"]
    yield database
    cluster.databases.drop(database)


def fill(database: Database, tenant: str, size: int, catalog: Catalog) -> list[Receipt]:
    """Entries as version 1 stored them, the opening one included."""
    intake = Intake(catalog)
    some = [take(intake, tenant, **FULL) if n % 100 == 0 else take(intake, tenant) for n in range(size - 1)]
    return stored_before(database, tenant, some, catalog)


def stored_before(database: Database, tenant: str, some: list[Prepared], catalog: Catalog) -> list[Receipt]:
    """A new ledger of these, as versions before 4 stored them, past their functions, and the receipts of `some`."""
    now = datetime.now(UTC)
    locked = (f"indelible.local/{tenant}", 0, None, b"", now, *[None] * 5)
    growth = _Growth(tenant, locked, Rules(catalog), some)
    receipts = [growth.add(prepared) for prepared in some]
    _, _, total, head, frontier, _ = growth.move()
    with psycopg.connect(database.admin_url) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(
            "INSERT INTO indelible.ledgers (tenant_id, origin, size, head, frontier, recorded_at) "
            "VALUES (%s, %s, %s, %s, %s, %s)",
            (tenant, locked[0], total, head, frontier, now),
        )
        for table, columns, lines in (
            ("events", _EVENT_COLUMNS, growth.events),
            ("event_personal", _PERSONAL_COLUMNS, growth.personal),
        ):
            # What there is of each, and what is not generated.
            query = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attgenerated = ''"
            found = {name for (name,) in connection.execute(query, (f"indelible.{table}",)).fetchall()}
            there = {name: type_ for name, type_ in columns.items() if name in found}
            copied = f"COPY indelible.{table} ({', '.join(there)}) FROM STDIN (FORMAT BINARY)"
            with connection.cursor().copy(copied.encode()) as copy:
                copy.set_types(list(there.values()))
                for line in lines:
                    copy.write_row([v for name, v in zip(columns, line, strict=True) if name in there])
    return [receipt for receipt in receipts if isinstance(receipt, Receipt)]


async def verified(connections: Connections, tenant: str, remembered: Remembered | None = None) -> Report:
    report = await verify(connections, tenant, remembered=remembered)
    assert report is not None
    return report


def subtrees(database: Database, tenant: str) -> list[tuple[int, int, bytes]]:
    query = "SELECT level, index, root FROM indelible.subtrees WHERE tenant_id = %s ORDER BY level, index"
    return [(level, index, root) for level, index, root in rows(database, query, tenant)]


async def test_the_tree_is_stored_and_what_was_said_stays_true(old: Database, catalog: Catalog) -> None:
    receipts = {
        tenant: fill(old, tenant, size, catalog) for tenant, size in (("acme", SIZE), ("few", 200), ("one", 256))
    }
    before = rows(old, "SELECT tenant_id, seq, leaf_hash, entry FROM indelible.events ORDER BY 1, 2")
    assert migrate(old.admin_url, service=SERVICE_ROLE)[0] == "0002_proofs"
    assert rows(old, "SELECT tenant_id, seq, leaf_hash, entry FROM indelible.events ORDER BY 1, 2") == before

    for tenant in receipts:
        frontier = Frontier()
        frontier.extend(leaf_hash(data) for name, _, _, data in before if name == tenant)
        assert subtrees(old, tenant) == sorted(tuple(each) for each in frontier.completed)
    assert [len(subtrees(old, tenant)) for tenant in receipts] == [258, 0, 1]

    async with Connections.open(old.url) as connections, Appender.open(connections, Rules(catalog)) as appender:
        for tenant, got in receipts.items():
            last = got[-1]
            noted = Remembered(last.seq + 1, base64url.encode(last.leaf_hash))
            assert (await verified(connections, tenant, noted)).contradictions == ()
            for receipt in (got[0], got[len(got) // 2], last):
                found = await event(connections, View(tenant), receipt.id)
                assert found is not None
                assert (found.seq, found.leaf_hash, found.altered) == (receipt.seq, receipt.leaf_hash, ())
            await send(appender, *[take(Intake(catalog), tenant) for _ in range(300)])
            assert (await verified(connections, tenant, noted)).contradictions == ()
    assert [len(subtrees(old, tenant)) for tenant in receipts] == [259, 1, 2]


@pytest.mark.parametrize(
    ("damage", "stored"),
    [
        ("DELETE FROM indelible.events WHERE seq = 300", 1),
        ("UPDATE indelible.ledgers SET size = 1::bigint << 62, frontier = head", 2),
        ("UPDATE indelible.ledgers SET size = 256, frontier = head", 1),
        ("DELETE FROM indelible.events", 0),
    ],
)
async def test_a_ledger_that_was_tampered_with_does_not_stop_the_migration(
    old: Database, catalog: Catalog, damage: str, stored: int
) -> None:
    """The others are to go on; of this one verification tells."""
    fill(old, "acme", 600, catalog)
    as_superuser(old, damage)
    assert migrate(old.admin_url, service=SERVICE_ROLE)[0] == "0002_proofs"
    assert len(subtrees(old, "acme")) == stored
    async with Connections.open(old.url) as connections:
        assert not (await verified(connections, "acme")).proven
