"""From version 2 to 3: who is a target is found by columns, and everything that was said before stays true."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from indelible.catalog import Catalog
from indelible.store import migrate as migrating
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.embedded import SERVICE_ROLE
from indelible.store.intake import Intake
from indelible.store.keys import SCOPES
from indelible.store.migrate import migrate, migrations
from indelible.store.months import ensure_months
from indelible.store.session import Database as Connections
from indelible.store.verify import verify
from tests.conftest import Cluster
from tests.postgres import Database
from tests.store.acting import EVENTS, PERSONAL, acting, refusal
from tests.store.samples import FULL, as_superuser, rows, send, take
from tests.store.test_migrate_proofs import stored_before

pytestmark = pytest.mark.anyio


def user(id_: str | None) -> dict[str, Any]:
    return {"type": "user"} if id_ is None else {"type": "user", "id": id_}


FILE = {"type": "file", "id": "f_1"}
TARGETS: list[tuple[list[dict[str, Any]], list[str] | None]] = [
    ([], None),
    ([user("a")], None),
    ([FILE, user("a")], ["a"]),
    ([user("a"), user("b"), user("c")], ["b", "c"]),
    ([user("a"), user("a")], ["a"]),
    ([FILE, user("c"), user("b"), user("c"), user("b"), user("a")], ["c", "b", "a"]),
    ([FILE, FILE, {"type": "api_key", "id": "a"}], None),
    ([user("a"), user(None), {"type": "user", "name": "nobody"}], None),
    ([user(None), user("x")], ["x"]),
    ([FILE, user("},{"), user('"a"'), user("é\U0001f600\\"), user("NULL"), user("{a,b}")],
     ["},{", '"a"', "é\U0001f600\\", "NULL", "{a,b}"]),
    ([{"type": "file", "id": "},{"}], None),
    ([FILE, *[user(f"u{n}") for n in range(99)]], [f"u{n}" for n in range(99)]),
]  # fmt: skip
"""The targets of an event, and the people among those after the first."""

DAMAGE = {
    "no JSON": r"'\x00ff7d2c7b'",
    "no object": "'[{},{}]'",
    "no targets": """'{"a":[{},{}]}'""",
    "targets of another kind": """'{"targets":{"a":[{},{}]}}'""",
    "a target of another kind": """'{"targets":[1,"x",null,[{},{}]]}'""",
}


@pytest.fixture
def old(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database of version 2."""
    database = cluster.databases.create("version2")
    with monkeypatch.context() as patch:
        patch.setattr(migrating, "migrations", lambda: migrations()[:3])
        assert migrate(database.admin_url, service=SERVICE_ROLE) == ["0001_ledger", "0002_proofs"]
    yield database
    cluster.databases.drop(database)


def fill(database: Database, catalog: Catalog) -> None:
    intake = Intake(catalog)
    some = [take(intake, "acme", targets=targets) for targets, _ in TARGETS]
    stored_before(database, "acme", [*some, take(intake, "acme", **FULL)], catalog)
    stored_before(database, "globex", [take(intake, "globex", targets=[FILE, user("a")])], catalog)


def upgrade(database: Database) -> None:
    assert migrate(database.admin_url, service=SERVICE_ROLE)[0] == "0003_access"


async def test_the_people_among_the_targets_are_found(old: Database, catalog: Catalog) -> None:
    fill(old, catalog)
    before = rows(old, "SELECT tenant_id, seq, leaf_hash, entry FROM indelible.events ORDER BY 1, 2")
    upgrade(old)
    assert rows(old, "SELECT tenant_id, seq, leaf_hash, entry FROM indelible.events ORDER BY 1, 2") == before
    query = "SELECT other_users FROM indelible.events"
    found = rows(old, f"{query} WHERE tenant_id = 'acme' AND seq > 0 ORDER BY seq")
    assert [users for (users,) in found] == [*(users for _, users in TARGETS), None]
    async with Connections.open(old.url) as connections, Appender.open(connections, Rules(catalog)) as appender:
        for tenant in ("acme", "globex"):
            report = await verify(connections, tenant)
            assert report is not None
            assert (report.proven, report.contradictions) == (True, ())
        # And as appending fills the column, so did the migration.
        receipts = await send(appender, *[take(Intake(catalog), "new", targets=targets) for targets, _ in TARGETS])
        appended = rows(
            old, "SELECT other_users FROM indelible.events WHERE tenant_id = 'new' AND seq > 0 ORDER BY seq"
        )
        assert [users for (users,) in appended] == [users for _, users in TARGETS]
        assert len(receipts) == len(TARGETS)
        async with connections.transaction("member", "acme", member="b") as connection:
            cursor = await connection.execute("SELECT seq FROM indelible.events ORDER BY seq")
            assert await cursor.fetchall() == [(4,), (6,)]


@pytest.mark.parametrize("damage", DAMAGE)
async def test_an_altered_entry_does_not_stop_it(old: Database, catalog: Catalog, damage: str) -> None:
    """The others are to go on; of this one verification tells."""
    fill(old, catalog)
    as_superuser(old, f"UPDATE indelible.events SET entry = {DAMAGE[damage]} WHERE tenant_id = 'acme' AND seq = 4")
    upgrade(old)
    found = rows(old, "SELECT seq, other_users FROM indelible.events WHERE tenant_id = 'acme' AND seq IN (4, 6)")
    assert sorted(found) == [(4, None), (6, ["c", "b", "a"])]
    async with Connections.open(old.url) as connections:
        report = await verify(connections, "acme")
        assert report is not None
        assert {c.seq for c in report.contradictions} >= {4}
        report = await verify(connections, "globex")
        assert report is not None
        assert report.proven


async def test_afterwards_nothing_can_be_changed_again(old: Database, catalog: Catalog) -> None:
    """The migration switches the second lock off for itself; it is on again, on the months that were there as well."""
    fill(old, catalog)
    upgrade(old)
    await ensure_a_far_month(old)
    query = """
        SELECT c.relname::text FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
        WHERE c.relnamespace = 'indelible'::regnamespace AND tgname = 'append_only' AND tgenabled = 'O'
          AND c.relname ~ '^events'
    """
    of_events = "SELECT relname::text FROM pg_class WHERE relname ~ '^events(_20.._..)?$'"
    assert len(rows(old, query)) == 1 + 4 + 4
    assert set(rows(old, query)) == set(rows(old, of_events))
    secured = """
        SELECT relname::text FROM pg_class
        WHERE relnamespace = 'indelible'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
          AND NOT (relrowsecurity AND relforcerowsecurity)
    """
    assert rows(old, secured) == [("migrations",)]
    with acting(old, "postgres") as connection:
        for table in ("events", EVENTS):
            said = refusal(connection, f"UPDATE indelible.{table} SET other_users = '{{x}}'")
            assert said.endswith("is refused: the ledger is append-only")
        said = refusal(connection, f"UPDATE indelible.{PERSONAL} SET actor = 'x'")
        assert said.endswith("is refused: disclosures may be erased, and nothing else")
    for role in ("indelible_owner", "indelible_member"):
        with acting(old, role) as connection:
            assert connection.execute("SELECT FROM indelible.events").rowcount == 0


async def ensure_a_far_month(database: Database) -> None:
    async with Connections.open(database.url) as connections:
        assert len(await ensure_months(connections, datetime(2031, 5, 1, tzinfo=UTC))) == 4


async def test_a_month_made_afterwards_is_like_those_that_were_there(old: Database) -> None:
    """Its columns stand in another order where the old ones lack one that was dropped; in nothing else."""
    upgrade(old)
    await ensure_a_far_month(old)
    this, new = f"{datetime.now(UTC):%Y_%m}", "2031_06"
    for table in ("events", "event_personal"):
        assert described(old, f"{table}_{this}") == described(old, f"{table}_{new}")
    columns = rows(old, "SELECT attname::text FROM pg_attribute WHERE attrelid = 'indelible.events_2031_06'::regclass")
    assert ("other_users",) in columns
    with acting(old, "indelible_writer") as connection, pytest.raises(psycopg.errors.CheckViolation) as raised:
        connection.execute("""
            INSERT INTO indelible.events_2031_06 (tenant_id, seq, recorded_at, occurred_at, id, action, outcome, source,
                actor_type, leaf_hash, entry, other_users)
            VALUES ('t', 1, '2031-06-02', now(), gen_random_uuid(), 'a.b', 'success', 'ui', 'user', sha256('x'), '{}',
                '{}')
        """)
    assert raised.value.diag.constraint_name == "events_other_users_check"


def described(database: Database, table: str) -> list[tuple[Any, ...]]:
    """Columns, constraints, indexes and triggers of a partition, without its name."""
    month = table[-7:]
    query = """
        SELECT 'column', attname::text, format_type(atttypid, atttypmod) || attnotnull || attcollation::regcollation,
               coalesce(pg_get_expr(adbin, adrelid), ''), coalesce(attacl::text, '')
            FROM pg_attribute LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
            WHERE attrelid = %(table)s::regclass AND attnum > 0 AND NOT attisdropped
        UNION ALL SELECT 'check', conname, pg_get_constraintdef(oid), convalidated::text, ''
            FROM pg_constraint WHERE conrelid = %(table)s::regclass
        UNION ALL SELECT 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid::text, ''
            FROM pg_index WHERE indrelid = %(table)s::regclass
        UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(oid), tgenabled::text, ''
            FROM pg_trigger WHERE tgrelid = %(table)s::regclass
        UNION ALL SELECT 'table', relacl::text, relrowsecurity::text, relpersistence::text, ''
            FROM pg_class WHERE oid = %(table)s::regclass
    """
    with psycopg.connect(database.admin_url) as connection:
        found = connection.execute(query.encode(), {"table": f"indelible.{table}"}).fetchall()
    return sorted(tuple(str(value).replace(month, "M") for value in row) for row in found)


async def test_keys_of_before_open_what_they_did_and_the_first_opens_all(old: Database) -> None:
    query = "SELECT name, scopes, tenant_id, expires_at, revoked_at FROM indelible.keys ORDER BY name"
    with psycopg.connect(old.admin_url) as connection:
        connection.execute("""
            INSERT INTO indelible.keys (name, hash, scopes) VALUES
            ('bootstrap', sha256('first'), '{events:read,events:write}'),
            ('reporting', sha256('second'), '{events:read}'), ('nothing', sha256('third'), '{}')
        """)
    upgrade(old)
    assert rows(old, query) == [
        ("bootstrap", sorted(SCOPES), None, None, None),
        ("nothing", [], None, None, None),
        ("reporting", ["events:read"], None, None, None),
    ]
    assert rows(old, "SELECT epoch >= 0 FROM indelible.installation") == [(True,)]


async def test_a_service_of_the_version_before_stores_nothing_incompletely(old: Database) -> None:
    """It does not know the column, and is not restarted in the same moment. It calls what is there no more."""
    assert rows(old, "SELECT FROM pg_proc WHERE proname = 'lock_ledgers'")
    upgrade(old)
    with acting(old, "indelible_writer", "acme") as connection, pytest.raises(psycopg.errors.UndefinedFunction):
        connection.execute(
            "SELECT * FROM indelible.lock_ledgers('{acme}'::text[], '{o}'::text[], '{}'::uuid[], '{0}'::integer[], "
            "'{now}'::timestamptz[], false)"
        )
