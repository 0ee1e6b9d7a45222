"""Who may do what in the database, tried as each of them on the rows of two tenants. See test_grants for the
privileges as such; here is what those who have some could make of them.
"""

import contextlib

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from indelible.catalog import Catalog
from indelible.store.append import Receipt, Rules, append
from indelible.store.embedded import SERVICE_ROLE
from indelible.store.intake import Intake
from indelible.store.words import lexeme
from tests.postgres import Database
from tests.store.acting import EVENTS, MINE, MONTH, OTHER, PERSONAL, ROLES, RUNTIME, acting, refusal, run
from tests.store.samples import EVER, as_superuser, found_by, rows, take

# --- tenants

TENANT_TABLES = ("ledgers", "events", "event_personal")


@pytest.mark.parametrize("table", TENANT_TABLES)
@pytest.mark.parametrize("role", ["indelible_reader", "indelible_writer"])
def test_rows_are_those_of_the_tenant_that_is_set(filled: Database, role: str, table: str) -> None:
    query = f"SELECT DISTINCT tenant_id FROM indelible.{table}"
    assert len(rows(filled, query)) == 2
    with acting(filled, role) as connection:
        assert run(connection, query) == []
        run(connection, "SET LOCAL indelible.tenant_id = ''")
        assert run(connection, query) == []
    with acting(filled, role, tenant=MINE) as connection:
        assert run(connection, query) == [(MINE,)]
        assert run(connection, f"{query} WHERE tenant_id = %s", OTHER) == []


@pytest.mark.parametrize("table", [*TENANT_TABLES, "keys"])
def test_the_login_itself_reads_nothing(filled: Database, table: str) -> None:
    """It takes one of its roles for each transaction, and has what they have in no other way."""
    with acting(filled, SERVICE_ROLE, tenant=MINE) as connection:
        assert refusal(connection, f"SELECT FROM indelible.{table}") == "permission denied for schema indelible"


def test_what_was_set_ends_with_the_transaction(filled: Database) -> None:
    """A pooled connection must not carry one caller's tenant over to the next."""
    with psycopg.connect(filled.url) as connection:
        count = "SELECT count(*) FROM indelible.events"
        run(connection, f"SET LOCAL ROLE indelible_reader; SET LOCAL indelible.tenant_id = '{MINE}'")
        assert run(connection, count) == [(4,)]
        connection.commit()
        run(connection, "SET LOCAL ROLE indelible_reader")
        assert run(connection, count) == [(0,)]


def test_words_are_found_in_the_tenant_that_is_set(filled: Database) -> None:
    """The search runs as one who may see the words of all of them."""
    search = f"SELECT seq FROM indelible.search(%s, {EVER})"
    with acting(filled, "indelible_reader") as connection:
        assert run(connection, search, "sarah") == []
    with acting(filled, "indelible_reader", tenant=MINE) as connection:
        assert run(connection, f"{search} ORDER BY seq", found_by(MINE, "a", "sarah")) == [(1,), (2,), (3,)]
        for none in (
            found_by(MINE, "m", "elsewhere"), found_by(OTHER, "m", "elsewhere"), found_by(OTHER, "a", "sarah"), "sarah",
            f"'{lexeme(OTHER, 'm', '')[:3]}':*",
        ):  # fmt: skip
            assert run(connection, search, none) == []
        everywhere = [(0,), (1,), (2,), (3,)]
        for every in ("!sarah", f"!{found_by(OTHER, 'm', 'elsewhere')}", f"'{lexeme(MINE, 'm', '')[:3]}':*"):
            assert run(connection, f"{search} ORDER BY seq", every) == everywhere


def test_the_directory_is_that_of_the_tenant_that_is_set(filled: Database) -> None:
    query = "SELECT tenant_id, kind, value FROM indelible.directory"
    listed = rows(filled, query)
    assert {tenant for tenant, _, _ in listed} == {MINE, OTHER}
    with acting(filled, "indelible_reader") as connection:
        assert run(connection, query) == []
    with acting(filled, "indelible_reader", tenant=MINE) as connection:
        assert sorted(run(connection, query)) == sorted(row for row in listed if row[0] == MINE)
        assert run(connection, f"{query} WHERE tenant_id = %s", OTHER) == []
    insert = "INSERT INTO indelible.directory (tenant_id, kind, value) VALUES ('{}', 'name', 'planted')"
    with acting(filled, "indelible_writer", tenant=MINE) as connection:
        assert refusal(connection, insert.format(MINE)) == ""
        assert "violates row-level security policy" in refusal(connection, insert.format(OTHER))
        for statement in (query, "DELETE FROM indelible.directory", "UPDATE indelible.directory SET value = 'x'"):
            assert refusal(connection, statement) == "permission denied for table directory"


def test_views_are_kept_for_the_tenant_that_is_set(filled: Database) -> None:
    save = "INSERT INTO indelible.saved_views (tenant_id, name, query, created_by) VALUES (%s, 'n', 'q=a', '{}')"
    seen = "SELECT tenant_id FROM indelible.saved_views"
    with acting(filled, "indelible_control", tenant=MINE) as connection:
        run(connection, save, MINE)
        assert "violates row-level security policy" in refusal(connection, save.replace("%s", f"'{OTHER}'"))
        assert run(connection, seen) == [(MINE,)]
        for tenant in (OTHER, ""):
            run(connection, f"SET LOCAL indelible.tenant_id = '{tenant}'")
            assert run(connection, seen) == []
            assert run(connection, "UPDATE indelible.saved_views SET name = 'x' RETURNING 1") == []
            assert run(connection, "DELETE FROM indelible.saved_views RETURNING 1") == []
        for column in ("tenant_id", "view_id", "owner", "created_by", "created_at"):
            said = refusal(connection, f"UPDATE indelible.saved_views SET {column} = DEFAULT")
            assert said == "permission denied for table saved_views"


def test_a_function_of_the_readers_own_never_sees_another_tenants_row(filled: Database) -> None:
    """However cheap it claims to be, it must not run before the policy."""
    with acting(filled, "indelible_reader", tenant=MINE) as connection:
        seen = []
        connection.add_notice_handler(lambda notice: seen.append(notice.message_primary))
        run(
            connection,
            "CREATE FUNCTION pg_temp.peek(text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql "
            "AS $$ BEGIN RAISE NOTICE '%%', $1; RETURN true; END $$".replace("%%", "%"),
        )
        run(connection, "SELECT FROM indelible.events WHERE pg_temp.peek(tenant_id)")
    assert seen == [MINE] * 4


@pytest.mark.parametrize("role", ROLES)
def test_statistics_tell_nothing(filled: Database, role: str) -> None:
    """They hold values of all tenants."""
    query = "SELECT tablename FROM pg_stats WHERE schemaname = 'indelible' AND tablename LIKE 'event%'"
    assert len(rows(filled, query.replace("%", "%%"))) > 10
    with acting(filled, role, tenant=MINE) as connection:
        assert run(connection, query) == []


def test_row_security_cannot_be_left_out(filled: Database) -> None:
    with acting(filled, "indelible_reader", tenant=MINE) as connection:
        run(connection, "SET LOCAL row_security = off")
        assert "would be affected by row-level security" in refusal(connection, "SELECT FROM indelible.events")


# --- heads

HEAD = (
    "size = size + 1, head = sha256('x'), "
    "frontier = decode(repeat('00', 32 * bit_count((size + 1)::bit(64))::int), 'hex')"
)


def test_the_writer_moves_the_head_of_its_tenant_only_forward(filled: Database) -> None:
    with acting(filled, "indelible_writer", tenant=MINE) as connection:
        forward = f"UPDATE indelible.ledgers SET {HEAD} WHERE tenant_id = %s RETURNING size"
        with connection.transaction(force_rollback=True):
            assert run(connection, forward, MINE) == [(5,)]
        assert run(connection, forward, OTHER) == []
        for change in (
            HEAD.replace("size + 1", "size - 1"),
            "head = sha256('x')",
            HEAD + ", recorded_at = recorded_at - interval '1 microsecond'",
        ):
            assert refusal(connection, f"UPDATE indelible.ledgers SET {change}") == (
                "a ledger only grows, under its own name"
            )


def test_the_writer_opens_no_ledger_but_that_of_the_tenant_that_is_set(filled: Database) -> None:
    with acting(filled, "indelible_writer", tenant="third") as connection:
        insert = "INSERT INTO indelible.ledgers (tenant_id, origin) VALUES ('{}', 'o')"
        assert refusal(connection, insert.format("third")) == ""
        assert "violates row-level security policy" in refusal(connection, insert.format("fourth"))


# --- taking more than one was given

OF_THE_OWNER = {
    "ALTER TABLE indelible.events DISABLE TRIGGER append_only": "must be owner of table events",
    f"ALTER TABLE indelible.{EVENTS} DISABLE TRIGGER ALL": f"must be owner of table {EVENTS}",
    "ALTER TABLE indelible.ledgers DISABLE TRIGGER only_forward": "must be owner of table ledgers",
    "ALTER TABLE indelible.events DISABLE ROW LEVEL SECURITY": "must be owner of table events",
    "ALTER TABLE indelible.events NO FORCE ROW LEVEL SECURITY": "must be owner of table events",
    "ALTER TABLE indelible.events ADD COLUMN extra text": "must be owner of table events",
    "ALTER TABLE indelible.events OWNER TO CURRENT_USER": "must be owner of table events",
    f"ALTER TABLE indelible.events DETACH PARTITION indelible.{EVENTS}": "must be owner of table",
    "ALTER POLICY of_tenant ON indelible.events USING (true)": "must be owner of table events",
    "CREATE POLICY all_rows ON indelible.events USING (true)": "must be owner of table events",
    "DROP POLICY of_tenant ON indelible.events": "must be owner of relation events",
    "DROP TRIGGER append_only ON indelible.events": "must be owner of relation events",
    f"DROP TABLE indelible.{EVENTS}": f"must be owner of table {EVENTS}",
    "DROP TABLE indelible.events": "must be owner of table events",
    "DROP INDEX indelible.events_by_time": "must be owner of index events_by_time",
    "DROP SCHEMA indelible CASCADE": "must be owner of schema indelible",
    "DROP FUNCTION indelible.refuse CASCADE": "must be owner of function indelible.refuse",
    "ALTER FUNCTION indelible.ensure_month SECURITY INVOKER": "must be owner of function",
    "CREATE RULE nothing AS ON INSERT TO indelible.events DO INSTEAD NOTHING": "must be owner of",
    "CREATE TRIGGER mine BEFORE INSERT ON indelible.events EXECUTE FUNCTION indelible.refuse()":
        "permission denied for table events",
    "CREATE INDEX mine ON indelible.events (seq)": "must be owner of table events",
    "CREATE TABLE indelible.mine ()": "permission denied for schema indelible",
    "CREATE VIEW indelible.mine AS SELECT 1": "permission denied for schema indelible",
    "CREATE OR REPLACE FUNCTION indelible.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'":
        "permission denied for schema indelible",
    "CREATE TABLE public.mine ()": "permission denied for schema public",
    "CREATE SCHEMA mine": "permission denied for database",
    "CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION indelible.refuse()": "permission denied",
    "SET session_replication_role = replica": "permission denied to set parameter",
    "ALTER ROLE indelible_reader BYPASSRLS": "permission denied|must be superuser",
    "ALTER ROLE indelible_writer SUPERUSER": "permission denied|must be superuser",
    "CREATE ROLE mine": "permission denied to create role",
    "GRANT indelible_owner TO indelible_service": "permission denied to grant role|must have admin option",
    "COPY (SELECT 1) TO PROGRAM 'cat'": "permission denied to COPY|must be superuser",
    "COPY (SELECT 1) TO '/tmp/indelible-copy'": "permission denied to COPY|must be superuser",
    "SELECT pg_read_file('postgresql.conf')": "permission denied for function pg_read_file",
    "SELECT lo_import('/etc/passwd')": "permission denied for function lo_import",
}  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
def test_what_is_the_owners_is_refused(filled: Database, role: str) -> None:
    with acting(filled, role) as connection:
        said = {statement: refusal(connection, statement) for statement in OF_THE_OWNER}
    outside = ("permission denied for schema indelible",) if role == SERVICE_ROLE else ()
    wrong = {
        statement: message
        for statement, message in said.items()
        if not any(expected in message for expected in (*OF_THE_OWNER[statement].split("|"), *outside))
    }
    assert wrong == {}


@pytest.mark.parametrize("role", ["indelible_owner", "indelible_searcher", "postgres"])
@pytest.mark.parametrize("first", ["", *RUNTIME])
def test_the_service_takes_no_other_role(filled: Database, first: str, role: str) -> None:
    with psycopg.connect(filled.url) as connection:
        if first:
            run(connection, f"SET ROLE {first}")
        assert refusal(connection, f"SET ROLE {role}") == f'permission denied to set role "{role}"'
        assert "permission denied to set session authorization" in refusal(
            connection, f"SET SESSION AUTHORIZATION {role}"
        )


@pytest.mark.parametrize("role", RUNTIME)
def test_nobody_passes_on_what_they_have(filled: Database, role: str) -> None:
    """PostgreSQL only warns where somebody grants what they may not."""
    with acting(filled, role) as connection:
        acl = "SELECT array_agg(relacl::text || relname ORDER BY relname) FROM pg_class WHERE relacl IS NOT NULL"
        before = run(connection, acl)
        for statement in (
            "GRANT ALL ON ALL TABLES IN SCHEMA indelible TO PUBLIC",
            "GRANT SELECT ON indelible.migrations TO PUBLIC",
        ):
            with contextlib.suppress(InsufficientPrivilege), connection.transaction():
                run(connection, statement)
        assert run(connection, acl) == before


@pytest.mark.parametrize("role", ["indelible_writer", "indelible_control"])
def test_types_of_the_callers_own_do_not_run_as_the_owner(filled: Database, role: str) -> None:
    """A domain named like a type that `ensure_month` uses would have its check run with the owner's rights."""
    names = ("text", "date", "timestamp", "boolean", "interval", "bool", "timestamptz")
    with acting(filled, role) as connection:
        run(
            connection,
            "CREATE FUNCTION pg_temp.who() RETURNS boolean LANGUAGE plpgsql "
            "AS $$ BEGIN RAISE EXCEPTION 'this ran as %', current_user; END $$",
        )
        for name in names:
            run(connection, f'CREATE DOMAIN pg_temp."{name}" AS pg_catalog.text CHECK (pg_temp.who())')
        with pytest.raises(psycopg.errors.RaiseException, match=f"this ran as {role}"), connection.transaction():
            run(connection, "SELECT 'x'::pg_temp.text")
        assert run(connection, "SELECT indelible.ensure_month('2031-01-01'::pg_catalog.date)") == [(True,)]


@pytest.mark.anyio
async def test_tables_of_the_callers_own_are_not_taken_for_the_ledgers(
    filled: Database, catalog: Catalog, intake: Intake
) -> None:
    async with await psycopg.AsyncConnection.connect(filled.url) as connection:
        await connection.execute("""
            SET LOCAL ROLE indelible_writer;
            CREATE TEMP TABLE ledgers (LIKE indelible.ledgers);
            CREATE TEMP TABLE events (LIKE indelible.migrations);
            SET LOCAL search_path = pg_temp, indelible
        """)
        (receipt,) = await append(connection, [take(intake, MINE)], Rules(catalog))
        await connection.rollback()
    assert isinstance(receipt, Receipt)
    assert receipt.seq == 4


# --- append-only, for whoever has every privilege

APPEND_ONLY = "is refused: the ledger is append-only"
ONLY_ERASED = "is refused: disclosures may be erased, and nothing else"
REFUSED = {
    f"{verb} indelible.{table}{rest}": f"{verb.split()[0]} on indelible.{table} {APPEND_ONLY}"
    for table in ("events", "event_personal", EVENTS, PERSONAL, "subtrees", "checkpoints")
    for verb, rest in (("UPDATE", " SET tenant_id = tenant_id"), ("DELETE FROM", ""), ("TRUNCATE", ""))
} | {
    "DELETE FROM indelible.ledgers": f"DELETE on indelible.ledgers {APPEND_ONLY}",
    "TRUNCATE indelible.ledgers": f"TRUNCATE on indelible.ledgers {APPEND_ONLY}",
    f"MERGE INTO indelible.{EVENTS} e USING (SELECT 1) _ ON true WHEN MATCHED THEN DELETE":
        f"DELETE on indelible.{EVENTS} {APPEND_ONLY}",
    "UPDATE indelible.event_personal SET tenant_id = tenant_id": f"UPDATE on indelible.event_personal {ONLY_ERASED}",
    f"UPDATE indelible.{PERSONAL} SET tenant_id = tenant_id": f"UPDATE on indelible.event_personal {ONLY_ERASED}",
}  # fmt: skip

# A checkpoint and a subtree of each tenant, before the transaction takes its role.
PROOFS = """
    INSERT INTO indelible.subtrees SELECT tenant_id, 1, 0, sha256('x') FROM indelible.ledgers;
    INSERT INTO indelible.checkpoints (tenant_id, size, previous, note)
        SELECT tenant_id, 2, 0, 'note' FROM indelible.ledgers
"""


def rest_of(message: str) -> str:
    """Without the name of the table: on a parent it is the partition's, where the row is."""
    return message[:7] + message[message.index(" is refused") :]


@pytest.mark.parametrize("statement", REFUSED)
def test_the_triggers_stop_a_superuser(filled: Database, statement: str) -> None:
    with acting(filled, "postgres") as connection:
        run(connection, PROOFS)
        assert rest_of(refusal(connection, statement)) == rest_of(REFUSED[statement])


@pytest.mark.parametrize(
    "change", ["size = 1, frontier = head", "head = sha256('x')", "tenant_id = 'x'", "origin = 'x'"]
)
def test_not_even_a_superuser_sets_a_head_back(filled: Database, change: str) -> None:
    with acting(filled, "postgres") as connection:
        said = refusal(connection, f"UPDATE indelible.ledgers SET {change}")
    assert said == "a ledger only grows, under its own name"


@pytest.mark.parametrize("statement", REFUSED)
def test_the_owner_changes_no_row(filled: Database, statement: str) -> None:
    """Row security hides them from it, and where there is none, or it erases, the triggers hold."""
    with acting(filled, "indelible_owner", tenant=MINE) as connection:
        seen = MONTH in statement or statement.startswith("TRUNCATE") or "UPDATE indelible.event_personal" in statement
        if seen:
            assert rest_of(refusal(connection, statement)) == rest_of(REFUSED[statement])
        else:
            assert connection.execute(statement.encode()).rowcount == 0


# --- proofs


@pytest.mark.parametrize("role", ["indelible_reader", "indelible_signer"])
def test_subtrees_are_those_of_the_tenant_that_is_set(filled: Database, role: str) -> None:
    with acting(filled, "postgres") as connection:
        run(connection, f"{PROOFS}; SET LOCAL ROLE {role}")
        assert run(connection, "SELECT tenant_id FROM indelible.subtrees") == []
        run(connection, f"SET LOCAL indelible.tenant_id = '{MINE}'")
        assert run(connection, "SELECT tenant_id FROM indelible.subtrees") == [(MINE,)]


def test_the_signer_signs_of_the_tenant_that_is_set_and_sees_hashes(filled: Database) -> None:
    sign = "INSERT INTO indelible.checkpoints (tenant_id, size, previous, note) VALUES ('{}', {}, {}, 'note')"
    with acting(filled, "postgres") as connection:
        run(connection, f"{PROOFS}; SET LOCAL ROLE indelible_signer; SET LOCAL indelible.tenant_id = '{MINE}'")
        assert len(run(connection, "SELECT tenant_id FROM indelible.ledgers")) == 2
        assert run(connection, "SELECT DISTINCT tenant_id FROM indelible.events") == [(MINE,)]
        assert refusal(connection, "SELECT entry FROM indelible.events") == "permission denied for table events"
        assert "violates row-level security policy" in refusal(connection, sign.format(OTHER, 4, 2))
        run(connection, sign.format(MINE, 4, 2))
        for size, previous in ((5, 2), (4, 3), (4, 4)):
            with pytest.raises(psycopg.errors.IntegrityError), connection.transaction():
                run(connection, sign.format(MINE, size, previous))
        for statement in ("UPDATE indelible.checkpoints SET note = 'x'", "DELETE FROM indelible.checkpoints"):
            assert refusal(connection, statement) == "permission denied for table checkpoints"


def test_readers_see_the_checkpoints_of_the_tenant_that_is_set(filled: Database) -> None:
    with acting(filled, "postgres") as connection:
        run(connection, f"{PROOFS}; SET LOCAL ROLE indelible_reader")
        assert run(connection, "SELECT note FROM indelible.checkpoints") == []
        run(connection, f"SET LOCAL indelible.tenant_id = '{MINE}'")
        assert run(connection, "SELECT tenant_id FROM indelible.checkpoints") == [(MINE,)]


def test_the_writer_adds_subtrees_to_the_tenant_that_is_set(filled: Database) -> None:
    with acting(filled, "indelible_writer", tenant=MINE) as connection:
        insert = "INSERT INTO indelible.subtrees VALUES ('{}', 1, 9, sha256('x'))"
        assert refusal(connection, insert.format(MINE)) == ""
        assert "violates row-level security policy" in refusal(connection, insert.format(OTHER))


def test_triggers_look_nowhere_else_for_operators(filled: Database) -> None:
    """Whoever may make a schema could otherwise define an operator by which a ledger that shrinks grows."""
    as_superuser(
        filled,
        "CREATE SCHEMA evil",
        "CREATE FUNCTION evil.no(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT false'",
        "CREATE OPERATOR evil.<= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = evil.no)",
        "GRANT USAGE ON SCHEMA evil TO indelible_writer",
    )
    with acting(filled, "indelible_writer", MINE) as connection:
        run(connection, "SET LOCAL search_path = evil, pg_catalog")
        shrink = "UPDATE indelible.ledgers SET size = 1, frontier = sha256('x')"
        assert refusal(connection, shrink) == "a ledger only grows, under its own name"


def test_an_origin_names_one_ledger(filled: Database) -> None:
    """Two tenants' ledgers of one name could be signed by turns, and one proven by the other's key."""
    ((origin,),) = rows(filled, "SELECT origin FROM indelible.ledgers WHERE tenant_id = %s", MINE)
    with acting(filled, "indelible_writer", "evil") as connection, pytest.raises(psycopg.errors.UniqueViolation):
        run(connection, "INSERT INTO indelible.ledgers (tenant_id, origin) VALUES ('evil', %s)", origin)
