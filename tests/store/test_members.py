"""What a member gets from the database itself, whatever is asked: rows in which they are actor or target, and of these
what the tenant lets members see. Each statement is tried as the role `indelible_member`.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from indelible.catalog import Catalog
from indelible.ledger.disclosure import GROUPS, open_disclosure
from indelible.store import migrate as migrating
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.embedded import SERVICE_ROLE
from indelible.store.intake import Intake
from indelible.store.migrate import migrate, migrations
from indelible.store.session import Database as Connections
from indelible.store.verify import verify
from indelible.store.words import Mark, lexeme
from tests.conftest import Cluster
from tests.postgres import Database
from tests.store.acting import EVENTS, PERSONAL, refusal, run
from tests.store.samples import EVER, as_superuser, found_by, rows, send, take
from tests.store.test_migrate_proofs import stored_before

SARAH, ALEX = "usr_7", "usr_9"
ACME, GLOBEX, CLOSED = "members-acme", "members-globex", "members-closed"
ALL_PARTS = ("changes", "ip_address", "metadata", "request_id", "session_id", "user_agent")


def person(id_: str) -> dict[str, str]:
    return {"type": "user", "id": id_}


def document(id_: str) -> dict[str, str]:
    return {"type": "document", "id": id_}


def event(actor: dict[str, str], *targets: dict[str, str], mark: str) -> dict[str, Any]:
    """`mark` is in each of its parts, with a word of the part's own."""
    return {
        "actor": {**actor, "name": f"{mark}actor"},
        "targets": [{**target, "name": f"{mark}target"} for target in targets],
        "changes": {"title": {"from": f"{mark}changes", "to": None}},
        "metadata": {"note": f"{mark}metadata"},
        "context": {
            "ip_address": f"{mark}address",
            "user_agent": f"{mark}agent",
            "request_id": f"{mark}request",
            "session_id": f"{mark}session",
        },
    }


OWN = [
    event(person(SARAH), document("d1"), mark="own"),
    event(person(SARAH), person(SARAH), person(SARAH), mark="own"),
    event(person(ALEX), person(SARAH), mark="own"),
    event(person(ALEX), document("d1"), person(SARAH), mark="own"),
    event({"type": "system"}, person(ALEX), document("d2"), person(SARAH), person(SARAH), mark="own"),
]
"""Sarah is the actor, the first target or another one."""

FOREIGN = [
    event(person(ALEX), document("d1"), mark="foreign"),
    event(person(ALEX), person(ALEX), person("usr_3"), mark="foreign"),
    event(person(f"{SARAH} "), person(SARAH.upper()), person(f"{SARAH},{ALEX}"), mark="foreign"),
    event({"type": "system"}, mark="foreign"),
    event({"type": "api_key", "id": SARAH}, document("d1"), mark="foreign"),
    event(person(ALEX), document(SARAH), mark="foreign"),
    event(person(ALEX), document("d1"), document(SARAH), mark="foreign"),
    event({"type": "user"}, {"type": "user"}, {"type": "user"}, mark="foreign"),
]
"""Hers are none of these, though some have her id: as that of a key, or of a document."""


@pytest.fixture(scope="module")
def members(database: Database, catalog: Catalog) -> Database:
    """Three tenants with the same events, entries 1 to 13; in the last of them members may see nothing."""

    async def fill() -> None:
        intake = Intake(catalog)
        async with Connections.open(database.url) as connections, Appender.open(connections, Rules(catalog)) as to:
            for tenant in (ACME, GLOBEX, CLOSED):
                await send(to, *[take(intake, tenant, **fields) for fields in OWN + FOREIGN])

    asyncio.run(fill())
    for tenant, access in ((ACME, True), (GLOBEX, True), (CLOSED, False)):
        as_superuser(
            database,
            "INSERT INTO indelible.tenant_settings (tenant_id, member_access, member_sees) "
            "VALUES (%(tenant)s, %(access)s, %(sees)s)",
            tenant=tenant, access=access, sees=list(ALL_PARTS),
        )  # fmt: skip
    as_superuser(database, "ANALYZE indelible.events, indelible.event_personal")
    return database


OWN_SEQS = list(range(1, len(OWN) + 1))


@contextlib.contextmanager
def as_member(
    database: Database, tenant: str | None = ACME, member: str | None = SARAH, *, sees: tuple[str, ...] | None = None
) -> Iterator[psycopg.Connection]:
    """A transaction of the service's login in the role, rolled back at the end. `sees` is set before, for good."""
    if sees is not None:
        as_superuser(
            database,
            "UPDATE indelible.tenant_settings SET member_sees = %(sees)s WHERE tenant_id = %(tenant)s",
            tenant=tenant, sees=list(sees),
        )  # fmt: skip
    with psycopg.connect(database.url) as connection:
        connection.execute("SET LOCAL ROLE indelible_member")
        for name, value in (("tenant_id", tenant), ("member_id", member)):
            if value is not None:
                connection.execute(sql.SQL("SET LOCAL {} = {}").format(sql.Identifier("indelible", name), value))
        yield connection
        connection.rollback()


SEQS = "SELECT seq FROM indelible.events{} ORDER BY seq"
OWN_WORDS = f"SELECT seq FROM indelible.search_own(NULL, {EVER}) ORDER BY seq"


def seqs(connection: psycopg.Connection, condition: str = "", *parameters: object) -> list[int]:
    return [seq for (seq,) in run(connection, SEQS.format(f" WHERE {condition}" if condition else ""), *parameters)]


def test_rows_are_those_in_which_the_member_is_actor_or_target(members: Database) -> None:
    with as_member(members) as connection:
        assert seqs(connection) == OWN_SEQS
        for wider in (
            "true", f"tenant_id IN ('{ACME}', '{GLOBEX}', '{CLOSED}')", "actor_id IS NULL OR actor_id IS NOT NULL",
            "other_users IS NULL OR other_users IS NOT NULL", "seq >= 0 OR pg_sleep(0) IS NULL",
        ):  # fmt: skip
            assert seqs(connection, wider) == OWN_SEQS
        for foreign in (
            f"tenant_id = '{GLOBEX}'", f"tenant_id <> '{ACME}'", f"seq > {len(OWN)}", "seq = 0",
            "actor_type = 'api_key'", f"target_id = '{SARAH}' AND target_type = 'document'",
            "action = 'ledger.created'",
        ):  # fmt: skip
            assert seqs(connection, foreign) == []
        assert run(connection, "SELECT count(*), max(seq) FROM indelible.events") == [(len(OWN), len(OWN))]
        assert run(connection, "SELECT count(*) FROM indelible.events TABLESAMPLE SYSTEM (100)") == [(len(OWN),)]
        both = "SELECT count(*) FROM indelible.events a JOIN indelible.events b ON true"
        assert run(connection, both) == [(len(OWN) ** 2,)]


def test_another_person_has_other_rows(members: Database) -> None:
    with as_member(members, member=ALEX) as connection:
        assert seqs(connection) == [3, 4, 5, 6, 7, 11, 12]
    with as_member(members, member="usr_3") as connection:
        assert seqs(connection) == [7]


@pytest.mark.parametrize(
    ("tenant", "member"), [(ACME, None), (ACME, ""), (None, SARAH), ("", SARAH), (None, None), ("", ""), ("x", SARAH)]
)
def test_without_a_tenant_and_a_member_there_are_no_rows(
    members: Database, tenant: str | None, member: str | None
) -> None:
    with as_member(members, tenant, member) as connection:
        assert seqs(connection) == []
        assert run(connection, OWN_WORDS) == []
        for where in places(members, ACME):
            assert run(connection, "SELECT * FROM indelible.own_personal(%s, %s)", *where) == []


@pytest.mark.parametrize(
    "member",
    [
        "nobody", "usr_", "usr_%", "USR_7", "usr_7 ", " usr_7", "{usr_7}", "usr_7,usr_9", '"usr_7"', "'usr_7'", "*",
        "%", "' OR true --", "usr_7' OR 'a' = 'a", "\\", "\\'", "$$", "NULL", "null", "{}", "{NULL}", "é",
        "\u202eusr_7",
        "usr_7; SET LOCAL indelible.member_id = 'usr_9'", "x" * 5000,
    ],
)  # fmt: skip
def test_an_id_that_is_nobodys_has_no_rows(members: Database, member: str) -> None:
    """Whatever it looks like: it is compared, and never read as a pattern, a list or SQL."""
    foreign = {f"{SARAH} ": [8], SARAH.upper(): [8], f"{SARAH},{ALEX}": [8]}  # there are such people
    with as_member(members, member=member) as connection:
        assert seqs(connection) == foreign.get(member, [])
        assert [seq for (seq,) in run(connection, OWN_WORDS)] == foreign.get(member, [])


def places(database: Database, tenant: str) -> list[tuple[int, Any]]:
    found = rows(database, "SELECT seq, recorded_at FROM indelible.events WHERE tenant_id = %s", tenant)
    return [(seq, recorded_at) for seq, recorded_at in found]


def test_disclosures_are_those_of_the_members_own_rows(members: Database) -> None:
    there = places(members, ACME) + places(members, GLOBEX)
    with as_member(members, sees=ALL_PARTS) as connection:
        found = [
            (where, texts)
            for where in there
            for texts in run(connection, "SELECT * FROM indelible.own_personal(%s, %s)", *where)
        ]
        assert {where for where, _ in found} == {where for where in places(members, ACME) if where[0] in OWN_SEQS}
        assert "foreign" not in str(found)
        assert all(len([text for text in texts if text]) == len(GROUPS) for _, texts in found)


SETTINGS = [
    (), ALL_PARTS, ("changes",), ("metadata",), ("ip_address",), ("user_agent",), ("request_id", "session_id"),
    ("ip_address", "request_id", "session_id"), ("changes", "request_id", "session_id"),
]  # fmt: skip


@pytest.mark.parametrize("sees", SETTINGS, ids="+".join)
def test_disclosures_are_those_that_the_tenant_lets_members_see(members: Database, sees: tuple[str, ...]) -> None:
    expected = {"actor", "targets"} | {"changes", "metadata"}.intersection(sees)
    if set(sees) - {"changes", "metadata"}:
        expected.add("context")
    with as_member(members, sees=sees) as connection:
        query = "SELECT p.* FROM indelible.events e, indelible.own_personal(e.seq, e.recorded_at) p"
        found = run(connection, query)
        assert len(found) == len(OWN)
        for texts in found:
            shown = {open_disclosure(text.encode())[0] for text in texts if text is not None}
            assert shown - {"targets"} == expected - {"targets"}


FIND = f"SELECT seq FROM indelible.search_own(%s, {EVER}) ORDER BY seq"
EVERYWHERE = [(seq,) for seq in OWN_SEQS]

MARKED: dict[str, Mark] = {
    "actor": "a", "target": "t", "changes": "c", "metadata": "m", "address": "x", "request": "r", "session": "s",
}  # fmt: skip
"""The words of each part of an event, and their mark. Those of the user agent are of no index."""


def words_of(part: str, tenant: str = ACME, whose: str = "own", suffix: str = "") -> str:
    return found_by(tenant, MARKED[part], f"{whose}{part}", suffix)


@pytest.mark.parametrize("sees", SETTINGS, ids="+".join)
def test_words_are_found_in_what_members_see_of_their_own(members: Database, sees: tuple[str, ...]) -> None:
    """Who asks for a word of a hidden part, in whatever way, gets nothing."""
    shown = {
        "actor": True, "target": True, "changes": "changes" in sees, "metadata": "metadata" in sees,
        "address": "ip_address" in sees, "request": "request_id" in sees, "session": "session_id" in sees,
    }  # fmt: skip
    with as_member(members, sees=sees) as connection:
        for part, is_shown in shown.items():
            there = EVERYWHERE if is_shown else []
            word = words_of(part)
            assert run(connection, FIND, word) == there
            assert run(connection, FIND, words_of(part)[:-4] + "':*") == there
            assert run(connection, FIND, f"{words_of('actor')} & {word}") == there
            assert run(connection, FIND, f"!{words_of(part, whose='foreign')}") == there
            for nothing in (f"!{word}", words_of(part, whose="foreign")):
                assert run(connection, FIND, nothing) == []
        for mark in ("=", "o", "u", "i", "y", "b"):
            there = EVERYWHERE if mark == "=" else []
            assert run(connection, FIND, found_by(ACME, mark, "user.joined")) == there


def test_the_member_finds_by_ids_what_is_their_own(members: Database) -> None:
    with as_member(members) as connection:
        assert run(connection, FIND, found_by(ACME, "u", ALEX)) == [(3,), (4,)]
        assert run(connection, FIND, found_by(ACME, "i", SARAH)) == [(2,), (3,), (4,), (5,)]
        assert run(connection, FIND, found_by(ACME, "i", "usr_3")) == []
        assert run(connection, FIND, found_by(ACME, "u", "usr", ":*")) == [(seq,) for seq in (1, 2, 3, 4)]


def test_without_words_all_of_their_own_is_found(members: Database) -> None:
    found = "SELECT seq FROM indelible.search_own(NULL, {}) ORDER BY seq"
    with as_member(members) as connection:
        assert run(connection, found.format(EVER)) == EVERYWHERE
        assert len(run(connection, found.format("'-infinity', 'infinity', 2"))) == 2
        assert run(connection, found.format("'-infinity', now() - interval '1 day', 9")) == []
        assert run(connection, found.format("now() + interval '1 day', 'infinity', 9")) == []
        assert run(connection, found.format("NULL, NULL, NULL")) == []
        assert run(connection, FIND, "") == []


SMUGGLED = [
    "{w}", "{w}:*", "!{w}", "!!{w}", "{v} & {w}", "{v} | {w}", "{w} | {v}", "{v} & !{w}", "!({v} & {w})",
    "!({v} | !{w})", "{v} <-> {w}", "{w} <2> {v}", "!({w} <-> {v})", "{w}:A", "{w}:ABCD", "{v} | {w}:D", "{v} | {w}:*A",
    "{none} | {w}", "(({v} & {v}) | (({w})))", "!{none} & {w}", "!{none} & !{w}", "{quoted} | {w}", "{slashed} | {w}",
    "{slashed} & !{w}", "{v} | {slashed} | {w}", "{quoted} & {slashed} | {w}", "'''' | {w}", "'\\\\' | {w}",
    "'''\\\\''' | {w} | ''''",
]  # fmt: skip
"""Queries with a word that is hidden; among words that are not, that are there or not, or have quotes in them."""


@pytest.mark.parametrize("query", SMUGGLED)
def test_no_query_tells_whether_a_hidden_word_is_there(members: Database, query: str) -> None:
    """What it gives is the same for a word that their own events have, for one that others' have, and for none."""
    visible = {
        "v": words_of("actor"), "none": found_by(ACME, "a", "nowhere"), "quoted": found_by(ACME, "a", "own'actor'"),
        "slashed": found_by(ACME, "a", "own\\"),
    }  # fmt: skip
    with as_member(members, sees=("changes",)) as connection:
        assert run(connection, FIND, f"{visible['v']} | {visible['quoted']} | {visible['slashed']}") == EVERYWHERE
        for part, mark in MARKED.items():
            if mark in "mxrs":
                for word in (words_of(part), words_of(part, whose="foreign"), found_by(ACME, mark, "nowhere")):
                    assert run(connection, FIND, query.format(w=word, **visible)) == []
        # Nor does the beginning of all words of a part, of all parts, or of those of another tenant.
        start = visible["v"][1:4]
        for beginning in ("{}m", "{}a", "{}", "{:.2}", "{:.1}", "{}?x", "{}\\\\m", "x{}m"):
            word = f"'{beginning.format(start)}':*"
            if "{w}:" not in query:
                assert run(connection, FIND, query.format(w=word, **visible)) == []
        other = words_of("actor", GLOBEX)
        assert run(connection, FIND, query.format(w=other, **visible)) == []


def test_a_query_that_no_text_gives_tells_nothing_either(members: Database) -> None:
    """In the binary format an operand may be empty, and hold whatever PostgreSQL's text of it would escape."""

    def operand(word: str, *, prefix: bool = False) -> bytes:
        return b"\x01\x00" + bytes([prefix]) + word.encode() + b"\0"

    hidden = lexeme(ACME, "m", "ownmetadata")
    visible = lexeme(ACME, "a", "ownactor")
    either = b"\x02\x03"
    with as_member(members, sees=("changes",)) as connection:
        run(connection, "CREATE TEMPORARY TABLE queries (query tsquery)")
        for words in (
            [operand(visible)], [operand(hidden)], [operand(""), operand(hidden)], [operand(""), operand(visible)],
            [operand("'"), operand(hidden)], [operand("\\"), operand(hidden)], [operand("", prefix=True)],
            [operand(visible + "\\"), operand(hidden)], [operand(visible + "'"), operand(hidden, prefix=True)],
        ):  # fmt: skip
            query = either * (len(words) - 1) + b"".join(words)
            value = (2 * len(words) - 1).to_bytes(4) + query
            row = b"\x00\x01" + len(value).to_bytes(4) + value
            run(connection, "TRUNCATE queries")
            with connection.cursor().copy("COPY queries FROM STDIN (FORMAT BINARY)") as copy:
                copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8) + row + b"\xff\xff")
            found = run(connection, f"SELECT s.seq FROM queries, indelible.search_own(query, {EVER}) s ORDER BY 1")
            assert found == (EVERYWHERE if words == [operand(visible)] else [])


def test_where_members_may_not_see_their_events_no_name_is_given_out(members: Database) -> None:
    """Their rows, which hold ids, are kept from them by the service, which refuses them altogether."""
    with as_member(members, CLOSED) as connection:
        assert run(connection, OWN_WORDS) == []
        for where in places(members, CLOSED):
            assert run(connection, "SELECT * FROM indelible.own_personal(%s, %s)", *where) == []


REFUSED = [
    *(f"SELECT FROM indelible.{table}" for table in (
        "event_personal", EVENTS, PERSONAL, "ledgers", "keys", "checkpoints", "subtrees", "signers", "refusals",
        "tenant_settings", "revoked_tokens", "installation", "usage", "migrations", "directory", "saved_views",
    )),
    f"SELECT * FROM indelible.search('own:*', {EVER})",
    "SELECT indelible.hidden_words('own:*', '{}', 'abc')",
    "SELECT indelible.word_prefix('acme')",
    "SELECT indelible.tenants_with_entries()",
    "SELECT indelible.ensure_month(current_date)",
    "SELECT indelible.erase_disclosures(1, '{1}', '{actor}')",
    "UPDATE indelible.events SET other_users = '{usr_7}'",
    "UPDATE indelible.tenant_settings SET member_access = true",
    "DELETE FROM indelible.events",
    "TRUNCATE indelible.events",
    "INSERT INTO indelible.events (tenant_id) VALUES ('x')",
    "SELECT 1 FROM indelible.events FOR UPDATE",
    "ALTER POLICY own ON indelible.events USING (true)",
    "CREATE OR REPLACE FUNCTION indelible.own_personal(of_seq bigint, of_recorded_at timestamptz) "
    "RETURNS integer LANGUAGE sql AS 'SELECT 1'",
]  # fmt: skip


def test_two_functions_are_the_members(members: Database) -> None:
    query = (
        "SELECT proname FROM pg_proc WHERE pronamespace = 'indelible'::regnamespace "
        "AND has_function_privilege('indelible_member', oid, 'EXECUTE') ORDER BY 1"
    )
    assert rows(members, query) == [("own_personal",), ("search_own",)]


@pytest.mark.parametrize("statement", REFUSED)
def test_all_else_is_refused(members: Database, statement: str) -> None:
    with as_member(members) as connection:
        assert refusal(connection, statement) != ""


def test_row_security_cannot_be_left_out_nor_looked_behind(members: Database) -> None:
    """A function of the member's own, however cheap it claims to be, must not run before the policy."""
    with as_member(members) as connection:
        seen: list[str | None] = []
        connection.add_notice_handler(lambda notice: seen.append(notice.message_primary))
        run(
            connection,
            "CREATE FUNCTION pg_temp.peek(bigint) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql "
            "AS $$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$",
        )
        run(connection, "SELECT FROM indelible.events WHERE pg_temp.peek(seq)")
        assert sorted(map(str, seen)) == sorted(map(str, OWN_SEQS))
        assert run(connection, "SELECT FROM pg_stats WHERE schemaname = 'indelible' AND tablename LIKE 'event%'") == []
        run(connection, "SET LOCAL row_security = off")
        assert "would be affected by row-level security" in refusal(connection, "SELECT FROM indelible.events")


# --- a database of version 2


@pytest.fixture
def old(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    database = cluster.databases.create("members_old")
    with monkeypatch.context() as patch:
        patch.setattr(migrating, "migrations", lambda: migrations()[:3])
        assert migrate(database.admin_url, service=SERVICE_ROLE) == ["0001_ledger", "0002_proofs"]
    yield database
    cluster.databases.drop(database)


@pytest.mark.anyio
async def test_people_among_the_other_targets_of_old_entries_are_found(old: Database, catalog: Catalog) -> None:
    intake = Intake(catalog)
    odd = event(person(ALEX), document("},{"), {"type": "user", "id": '"},{"'}, person("\\"), person("é"), mark="odd")
    stored_before(old, "acme", [take(intake, "acme", **fields) for fields in [*OWN, *FOREIGN, odd]], catalog)
    assert migrate(old.admin_url, service=SERVICE_ROLE)[0] == "0003_access"
    found = dict(rows(old, "SELECT seq, other_users FROM indelible.events WHERE other_users IS NOT NULL"))
    assert found == {
        2: [SARAH], 4: [SARAH], 5: [SARAH], 7: ["usr_3"], 8: [f"{SARAH},{ALEX}"], 14: ['"},{"', "\\", "é"],
    }  # fmt: skip
    with as_member(old, "acme") as connection:
        assert seqs(connection) == OWN_SEQS
    async with Connections.open(old.url) as connections:
        report = await verify(connections, "acme")
        assert report is not None
        assert report.contradictions == ()


@pytest.mark.anyio
async def test_an_entry_that_was_altered_does_not_stop_the_migration(old: Database, catalog: Catalog) -> None:
    """It becomes nobody's; the others are done, and verification tells of it."""
    intake = Intake(catalog)
    stored_before(old, "acme", [take(intake, "acme", **OWN[3]) for _ in range(3)], catalog)
    as_superuser(old, r"UPDATE indelible.events SET entry = '\xff7d2c7bff' WHERE seq = 2")
    migrate(old.admin_url, service=SERVICE_ROLE)
    with as_member(old, "acme") as connection:
        assert seqs(connection) == [1, 3]
    with psycopg.connect(old.admin_url) as admin:  # append-only again
        said = refusal(admin, "UPDATE indelible.events SET other_users = NULL")
        assert said.endswith("is refused: the ledger is append-only")
    async with Connections.open(old.url) as connections:
        report = await verify(connections, "acme")
        assert report is not None
        assert {c.seq for c in report.contradictions} >= {2}
