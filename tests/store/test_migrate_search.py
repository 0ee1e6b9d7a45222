"""From version 3 to 4: every event is found by the words that appending gives it, whoever did what to it before."""

import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from indelible.catalog import Catalog
from indelible.event import parse
from indelible.ledger.disclosure import GROUPS
from indelible.store import migrate as migrating
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.embedded import SERVICE_ROLE
from indelible.store.intake import Intake
from indelible.store.migrate import migrate, migrations
from indelible.store.sealing import Prepared, prepare
from indelible.store.session import Database as Connections
from indelible.store.verify import verify
from indelible.store.words import SEARCHED, is_listed, lexeme, tokens
from tests.conftest import Cluster
from tests.postgres import Database
from tests.store.acting import EVENTS, PERSONAL, acting, refusal
from tests.store.samples import EVER, FULL, as_superuser, found_by, raw, rows, send, take
from tests.store.test_migrate_access import described, ensure_a_far_month
from tests.store.test_migrate_proofs import stored_before

pytestmark = pytest.mark.anyio

ACCENTS = (
    "Müller MÜLLER Straße STRASSE ǅungla İstanbul ﬁnance Ⅳ ½ Ærø Łódź Ångström naïve coöperate Ελλάς ΟΔΥΣΣΕΥΣ ἀρχὴ"
)
SCRIPTS = "Москва МОСКВА ёлка Київ שָׁלוֹם مُحَمَّد हिन्दी ภาษาไทย 東京 トウキョウ ﾄｳｷｮｳ がぎ 서울 Հայաստան ქართული አማርኛ ᏣᎳᎩ"
LONG = f"{'a' * 64}b {'é' * 200} {'ß' * 40} " + "x" * 129

EVENTS_OF_BEFORE: list[dict[str, Any]] = [
    {},
    FULL,
    {"actor": {"type": "user", "id": "u1", "name": ACCENTS, "email": "Ünïcode@Bücher.example"}},
    {"actor": {"type": "user", "name": "", "email": ""}, "targets": [{"type": "file", "name": ""}]},
    {"actor": {"type": "api_key", "id": "ümläut 'quoted' \\back\\"}, "targets": [{"type": "a'b\\c", "id": "'\\''"}]},
    {"actor": {"type": "user", "id": "u1", "name": "Ann", "impersonator": {
        "id": "os:robin'\\", "name": "Robin", "email": "robin@vendor.example", "reason": "Ticket #4711, asked-for"}}},
    {"actor": {"type": "user", "impersonator": {"reason": "no id"}}},
    {"actor": {"type": "user", "impersonator": {"id": "nobody"}}},
    {"targets": [{"type": "user", "id": "u1", "name": "Ann"}, {"type": "file"}, {"type": "user", "id": "u1"},
                 {"type": "file", "id": "f" * 256, "name": SCRIPTS}]},
    {"targets": [{"type": f"t{n}", "id": f"\U0001f600{n}" * 9, "name": f"name{n} of {n}"} for n in range(100)]},
    {"changes": {"role": {"from": "member", "to": None}, "\"\\\n": {"from": {"deep": [1, 2.5, True, "\u0001x"]}},
                 "text": {"to": "new\\nline \"quoted\" \u2028 tab\tend /slash\\"}}},
    {"metadata": {"ключ": SCRIPTS, "a.b": [LONG, {"c": -1.5e300}], "e": "", "\\u0041": "\\u0042", "null": None}},
    {"context": {"ip_address": "2001:db8::1", "session_id": "S" * 1024, "request_id": "\\'req'\\ é"}},
    {"context": {"ip_address": "", "user_agent": "curl"}},
    {"action": "ünï.cödé'\\", "outcome": "failure", "actor": {"type": "user", "id": "\u202e\u0301"}},
    {"metadata": {"emoji": "launch \U0001f680 day ❤️ ok", "private": "a\ue000b", "full": "ＡＢＣ１２３"}},
]  # fmt: skip


def of_before(tenant: str, catalog: Catalog) -> list[Prepared]:
    """These, and one that the service itself writes."""
    event = parse(raw(tenant, action=SEARCHED, metadata={"query": "sarah"}))
    some = [take(Intake(catalog), tenant, **each) for each in EVENTS_OF_BEFORE]
    return [*some, prepare(event, catalog, now=datetime.now(UTC))]


@pytest.fixture
def old(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database of version 3."""
    database = cluster.databases.create("version3")
    with monkeypatch.context() as patch:
        patch.setattr(migrating, "migrations", lambda: migrations()[:4])
        assert migrate(database.admin_url, service=SERVICE_ROLE)[-1] == "0003_access"
    yield database
    cluster.databases.drop(database)


def upgrade(database: Database) -> None:
    assert migrate(database.admin_url, service=SERVICE_ROLE) == ["0004_search"]


def words(database: Database, tenant: str) -> list[set[str]]:
    """Those of each event, as PostgreSQL reads them back."""
    query = "SELECT tsvector_to_array(search) FROM indelible.event_personal WHERE tenant_id = %s ORDER BY seq"
    return [set(found) for (found,) in rows(database, query, tenant)]


def directory(database: Database, tenant: str) -> list[tuple[str, str]]:
    query = 'SELECT kind, value FROM indelible.directory WHERE tenant_id = %s ORDER BY kind COLLATE "C", value'
    return [(kind, value) for kind, value in rows(database, query, tenant)]


async def appended(database: Database, catalog: Catalog, some: list[Prepared]) -> None:
    async with Connections.open(database.url) as connections, Appender.open(connections, Rules(catalog)) as appender:
        await send(appender, *some)


async def proven(database: Database, *tenants: str) -> None:
    async with Connections.open(database.url) as connections:
        for tenant in tenants:
            report = await verify(connections, tenant)
            assert report is not None
            assert report.contradictions == ()


async def test_words_are_those_that_appending_gives(old: Database, catalog: Catalog) -> None:
    """Of the same events one tenant's are migrated, the other's appended afterwards."""
    for tenant in ("acme", "globex"):
        stored_before(old, tenant, of_before(tenant, catalog), catalog)
    before = rows(old, "SELECT tenant_id, seq, leaf_hash, entry FROM indelible.events ORDER BY 1, 2")
    upgrade(old)
    assert rows(old, "SELECT tenant_id, seq, leaf_hash, entry FROM indelible.events ORDER BY 1, 2") == before
    await appended(old, catalog, of_before("new", catalog))
    migrated, expected = words(old, "acme"), words(old, "new")
    prefix, other = lexeme("acme", "=", "")[:3], lexeme("new", "=", "")[:3]
    assert {word[:3] for each in migrated for word in each} == {prefix}
    for number, fields in enumerate([*EVENTS_OF_BEFORE, SEARCHED], 1):
        assert {w[3:] for w in migrated[number]} == {w[3:] for w in expected[number] if w[:3] == other}, fields
    assert directory(old, "acme") == directory(old, "new")
    assert ("name", "muller") in directory(old, "acme")
    assert directory(old, "globex") == directory(old, "acme")
    of_both = "SELECT count(*) FROM indelible.event_personal JOIN indelible.events USING (tenant_id, seq, occurred_at)"
    assert rows(old, of_both) == rows(old, "SELECT count(*) FROM indelible.events")
    await proven(old, "acme", "globex", "new")


SETTLED = [
    chr(code)
    for code in range(0x80, 0x10000)
    if unicodedata.ucd_3_2_0.category(chr(code)) not in ("Cn", "Cs") and not 0xAC60 <= code < 0xD7A0
]
"""The characters that Unicode 3.2 had, but for most of Hangul's syllables, of which there are eleven thousand."""


async def test_each_character_is_taken_as_appending_takes_it(old: Database, catalog: Catalog) -> None:
    """So that verification tells of every word that is missing, in any script. Younger characters it leaves alone."""
    texts = [f"a{character}b {character} {character}x" for character in SETTLED]
    events = [take(Intake(catalog), "acme", metadata={"t": texts[n : n + 1500]}) for n in range(0, len(texts), 1500)]
    stored_before(old, "acme", events, catalog)
    upgrade(old)
    for found, start in zip(words(old, "acme")[1:], range(0, len(texts), 1500), strict=True):
        expected = {lexeme("acme", "m", word) for word in tokens(" ".join(["t", *texts[start : start + 1500]]))}
        marked = {word for word in found if word[3] == "m"}
        assert (marked - expected, expected - marked) == (set(), set())
    await proven(old, "acme")


DAMAGE = {
    "no JSON": r"UPDATE indelible.events SET entry = '\x00ff'",
    "no object": "UPDATE indelible.events SET entry = '[1]'",
    "targets of another kind": """UPDATE indelible.events SET entry = '{"targets":{"a":1}}'""",
    "a target of another kind": """UPDATE indelible.events SET entry = '{"targets":[1,null,{"id":[]},{"type":{}}]}'""",
    "a long id": "UPDATE indelible.events SET actor_id = repeat('\u20ac', 3000)",
    "a long action": "UPDATE indelible.events SET action = repeat('\u20ac', 3000)",
    "no action": "UPDATE indelible.events SET action = ''",
    "an actor of another kind": "UPDATE indelible.event_personal SET actor = '[1,2,[3]]'",
    "an actor that is none": "UPDATE indelible.event_personal SET actor = '{}'",
    "targets' names of another kind": """UPDATE indelible.event_personal SET targets = '["","",{"a":1}]'""",
    "changes that are none": "UPDATE indelible.event_personal SET changes = '\"\u20ac\"'",
    "metadata cut short": "UPDATE indelible.event_personal SET metadata = '[]'",
    "a context of another kind": """UPDATE indelible.event_personal SET context = '["","",{"ip_address":[1]}]'""",
    "no personal row": "DELETE FROM indelible.event_personal",
    "no entry": "DELETE FROM indelible.events",
    "another time": "UPDATE indelible.events SET recorded_at = recorded_at + interval '1 second'",
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_an_altered_row_does_not_stop_it(old: Database, catalog: Catalog, damage: str) -> None:
    """The others are to go on; of this one verification tells."""
    stored_before(old, "acme", [take(Intake(catalog), "acme", **FULL) for _ in range(3)], catalog)
    as_superuser(old, DAMAGE[damage].replace("%", "%%") + " WHERE tenant_id = 'acme' AND seq = 2")
    upgrade(old)
    async with Connections.open(old.url) as connections:
        report = await verify(connections, "acme")
        assert report is not None
        assert {c.seq for c in report.contradictions if c.seq is not None} >= {2}
        assert not {1, 3}.intersection(c.seq for c in report.contradictions if c.step == 16)
        async with connections.transaction("reader", "acme") as connection:
            found = await connection.execute(
                f"SELECT seq FROM indelible.search(%s, {EVER})".encode(), (found_by("acme", "a", "sarah"),)
            )
            assert {1, 3} <= {seq for (seq,) in await found.fetchall()}


async def test_of_what_was_erased_nothing_is_found(old: Database, catalog: Catalog) -> None:
    """By version 3, which set the columns to NULL."""
    stored_before(old, "acme", [take(Intake(catalog), "acme", **FULL) for _ in GROUPS], catalog)
    for seq, group in enumerate(GROUPS, 1):
        as_superuser(
            old, f"UPDATE indelible.event_personal SET {group} = NULL WHERE tenant_id = 'acme' AND seq = {seq}"
        )
    upgrade(old)
    gone = {"actor": "ab", "changes": "c", "context": "xsr", "metadata": "m", "targets": "t"}
    marks = {word[3] for word in words(old, "acme")[0]} | set("=oiuyatcmx")
    for found, group in zip(words(old, "acme")[1:], GROUPS, strict=True):
        assert {word[3] for word in found} == marks - set(gone[group])
    assert ("name", "chen") in directory(old, "acme")


async def test_the_directory_lists_no_long_id_nor_number(old: Database, catalog: Catalog) -> None:
    """Whatever the prefix of the tenant's words: in some of them are digits."""
    names = ["ab", "abc", "12345", "a1", "a1b2c3d4e5f6g7h", "a1b2c3d4e5f6g7h8", "abcdefghijklmnopq", "z" * 40, "z" * 41]
    tenants = [f"t{n}" for n in range(12)]
    assert any(any(c.isdigit() for c in lexeme(t, "=", "")[:3]) for t in tenants)
    for tenant in tenants:
        stored_before(
            old, tenant, [take(Intake(catalog), tenant, targets=[{"type": "x", "name": " ".join(names)}])], catalog
        )
    upgrade(old)
    expected = sorted(
        [("action", a) for a in ("ledger.created", "user.joined")] + [("name", n) for n in names if is_listed(n)]
    )
    assert ("name", "abcdefghijklmnopq") in expected
    assert {tenant: directory(old, tenant) for tenant in tenants} == dict.fromkeys(tenants, expected)


async def test_afterwards_nothing_can_be_changed_again(old: Database, catalog: Catalog) -> None:
    """The migration switches the second lock off for itself; it is on again, on the months that were there as well."""
    stored_before(old, "acme", [take(Intake(catalog), "acme", **FULL)], catalog)
    upgrade(old)
    await ensure_a_far_month(old)
    query = """
        SELECT c.relname::text FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
        WHERE c.relnamespace = 'indelible'::regnamespace AND tgname = 'only_erased' AND tgenabled = 'O'
    """
    of_events = "SELECT relname::text FROM pg_class WHERE relname ~ '^event_personal(_20.._..)?$'"
    assert len(rows(old, query)) == 1 + 4 + 4
    assert set(rows(old, query)) == set(rows(old, of_events))
    not_secured = """
        SELECT relname::text FROM pg_class
        WHERE relnamespace = 'indelible'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
          AND NOT (relrowsecurity AND relforcerowsecurity)
    """
    assert rows(old, not_secured) == [("migrations",)]
    with acting(old, "postgres") as connection:
        for table in ("event_personal", PERSONAL):
            said = refusal(connection, f"UPDATE indelible.{table} SET search = ''")
            assert said.endswith("is refused: disclosures may be erased, and nothing else")
        said = refusal(connection, f"UPDATE indelible.{EVENTS} SET action = 'x'")
        assert said.endswith("is refused: the ledger is append-only")
    assert rows(old, "SELECT FROM pg_proc WHERE proname IN ('tokens', 'words_of')") == []
    assert rows(old, "SELECT FROM pg_collation WHERE collnamespace = 'indelible'::regnamespace") == []


async def test_a_month_made_afterwards_is_like_those_that_were_there(old: Database) -> None:
    upgrade(old)
    await ensure_a_far_month(old)
    for table in ("events", "event_personal"):
        assert described(old, f"{table}_{EVENTS[-7:]}") == described(old, f"{table}_2031_06")
    ((index,),) = rows(
        old, "SELECT pg_get_indexdef(indexrelid) FROM pg_index "
        "WHERE indrelid = 'indelible.event_personal_2031_06'::regclass AND pg_get_indexdef(indexrelid) ~ 'gin'"
    )  # fmt: skip
    assert "gin_pending_list_limit='1024'" in index


async def test_a_service_of_the_version_before_stores_nothing_without_words(old: Database) -> None:
    """It is not restarted in the same moment. It calls what is there no more, and is told so: what was sent to it is
    sent again."""
    assert rows(old, "SELECT FROM pg_proc WHERE proname = 'lock_heads'")
    upgrade(old)
    with acting(old, "indelible_writer", "acme") as connection, pytest.raises(psycopg.errors.UndefinedFunction):
        connection.execute(
            "SELECT * FROM indelible.lock_heads('{acme}'::text[], '{o}'::text[], '{}'::uuid[], '{0}'::integer[], "
            "'{now}'::timestamptz[], false)"
        )
    with acting(old, "indelible_writer", "acme") as connection, pytest.raises(psycopg.errors.NotNullViolation):
        connection.execute(
            f"INSERT INTO indelible.{PERSONAL} (tenant_id, seq, recorded_at, occurred_at) VALUES ('x', 1, now(), now())"
        )
