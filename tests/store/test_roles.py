"""Who may do what in the database, tried as each of them on the rows of two tenants.

GRANTS is the whole list. It is compared with PostgreSQL's catalogue, and each role tries everything besides.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from indelible.catalog import Catalog
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.embedded import SERVICE_ROLE
from indelible.store.intake import Intake
from indelible.store.session import Database as Connections
from tests.postgres import Database
from tests.store.samples import FULL, as_superuser, rows, send, take

MINE, OTHER = "acme", "globex"
MONTH = f"{datetime.now(UTC):%Y_%m}"
EVENTS, PERSONAL = f"events_{MONTH}", f"event_personal_{MONTH}"

RUNTIME = ("indelible_writer", "indelible_reader", "indelible_control")
ROLES = (*RUNTIME, "indelible_searcher", "indelible_signer", "indelible_keeper", SERVICE_ROLE)
"""SERVICE_ROLE is the login itself, before it takes a role."""

Tables = Mapping[str, Mapping[str, str]]

GRANTS: Mapping[str, Tables] = {
    "indelible_writer": {
        "ledgers": {"SELECT": "*", "INSERT": "tenant_id origin", "UPDATE": "size head frontier recorded_at"},
        "events": {"SELECT": "tenant_id seq recorded_at id leaf_hash"},
        "event_personal": {"SELECT": "tenant_id seq recorded_at fingerprint"},
        "migrations": {"SELECT": "*"},
        EVENTS: {"INSERT": "*"},
        PERSONAL: {"INSERT": "*"},
    },
    "indelible_reader": {
        "ledgers": {"SELECT": "*"},
        "events": {"SELECT": "*"},
        "event_personal": {"SELECT": "tenant_id seq recorded_at actor changes context metadata targets"},
        "migrations": {"SELECT": "*"},
    },
    "indelible_searcher": {"event_personal": {"SELECT": "tenant_id seq recorded_at search"}},
    "indelible_control": {
        "ledgers": {"SELECT": "*"},
        "keys": {"SELECT": "*", "INSERT": "*", "DELETE": "*"},
        "migrations": {"SELECT": "*"},
    },
    "indelible_signer": {},
    "indelible_keeper": {},
}
FUNCTIONS = {
    "indelible_writer": {"lock_ledger", "move_head", "ensure_month"},
    "indelible_reader": {"search"},
    "indelible_searcher": {"search"},
    "indelible_control": {"ensure_month"},
}


@pytest.fixture(scope="module")
def filled(database: Database, catalog: Catalog) -> Database:
    """Two tenants with events, and a key."""

    async def fill() -> None:
        intake = Intake(catalog)
        async with Connections.open(database.url) as connections, Appender.open(connections, Rules(catalog)) as to:
            await send(to, *[take(intake, MINE, **FULL) for _ in range(3)])
            await send(to, *[take(intake, OTHER, **{**FULL, "metadata": {"note": "elsewhere"}}) for _ in range(3)])

    asyncio.run(fill())
    as_superuser(
        database,
        "INSERT INTO indelible.keys (name, hash, scopes) VALUES ('one', sha256('one'), '{}')",
        "ANALYZE indelible.events, indelible.event_personal",
    )
    return database


@contextlib.contextmanager
def acting(database: Database, role: str, tenant: str = "") -> Iterator[psycopg.Connection]:
    """A transaction as `role` and of `tenant`, rolled back at the end. Who is no runtime role comes as a superuser
    that gave up being one."""
    url = database.url if role in (*RUNTIME, SERVICE_ROLE) else database.admin_url
    with psycopg.connect(url) as connection:
        if role != SERVICE_ROLE:
            connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
        if tenant:
            connection.execute(sql.SQL("SET LOCAL indelible.tenant_id = {}").format(tenant))
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


def columns(database: Database) -> dict[str, list[str]]:
    query = """
        SELECT c.relname, array_agg(a.attname::text) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'indelible'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 GROUP BY 1
    """
    wanted = {"ledgers", "events", "event_personal", "keys", "migrations", EVENTS, PERSONAL}
    return {table: names for table, names in rows(database, query) if table in wanted}


def granted(role: str) -> Iterator[tuple[str, str, str]]:
    """What GRANTS says of a role as (table, privilege, columns); the service inherits that of its roles."""
    for member in RUNTIME if role == SERVICE_ROLE else (role,):
        for table, privileges in GRANTS[member].items():
            for privilege, names in privileges.items():
                yield table, privilege, names


# --- privileges


@pytest.mark.parametrize("role", ROLES)
def test_each_statement_on_each_column_of_each_table(filled: Database, role: str) -> None:
    """UPDATE, DELETE and TRUNCATE of events are among what fails for everybody, on the partitions as well."""
    statements = {}
    for table, names in columns(filled).items():
        for name in names:
            statements[table, "SELECT", name] = f"SELECT {name} FROM indelible.{table}"
            statements[table, "INSERT", name] = f"INSERT INTO indelible.{table} ({name}) VALUES (DEFAULT)"
            statements[table, "UPDATE", name] = f"UPDATE indelible.{table} SET {name} = DEFAULT"
        statements[table, "DELETE", "*"] = f"DELETE FROM indelible.{table}"
        statements[table, "TRUNCATE", "*"] = f"TRUNCATE indelible.{table}"
    allowed = {
        (table, privilege, name)
        for table, privilege, names in granted(role)
        for name in (columns(filled)[table] if names == "*" and privilege != "DELETE" else names.split())
    }
    with acting(filled, role) as connection:
        refused = {
            attempt
            for attempt, statement in statements.items()
            if refusal(connection, statement).startswith("permission denied for")
        }
    assert len(statements) > 150
    assert set(statements) - refused == allowed


@pytest.mark.parametrize("role", ROLES)
def test_each_function(filled: Database, role: str) -> None:
    functions = rows(
        filled, "SELECT proname::text, pronargs FROM pg_proc WHERE pronamespace = 'indelible'::regnamespace"
    )
    assert {name for name, _ in functions} == {"refuse", "only_forward"}.union(*FUNCTIONS.values())
    with acting(filled, role) as connection:
        callable_ = {
            name
            for name, arguments in functions
            if not refusal(connection, f"SELECT indelible.{name}({', '.join(['NULL'] * arguments)})")
        }
    members = RUNTIME if role == SERVICE_ROLE else (role,)
    assert callable_ == {name for member in members for name in FUNCTIONS.get(member, ())}


def test_the_catalogue_knows_no_other_privilege(filled: Database) -> None:
    """Also of those that no statement above would use: REFERENCES, TRIGGER, MAINTAIN, WITH GRANT OPTION, CREATE."""
    found = rows(
        filled,
        """
        WITH owner AS (SELECT 'indelible_owner'::regrole::oid AS oid),
        acls(kind, name, part, acl) AS (
            SELECT 'schema', nspname::text, '*', nspacl FROM pg_namespace WHERE nspname = 'indelible'
            UNION ALL SELECT 'table', relname::text, '*', relacl FROM pg_class
                WHERE relnamespace = 'indelible'::regnamespace AND relkind <> 'i' AND relkind <> 'I'
            UNION ALL SELECT 'table', attrelid::regclass::text, attname::text, attacl
                FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 'indelible'::regnamespace
            UNION ALL SELECT 'function', proname::text, '*', coalesce(proacl, acldefault('f', proowner))
                FROM pg_proc WHERE pronamespace = 'indelible'::regnamespace
            UNION ALL SELECT 'default', defaclobjtype::text, '*', defaclacl FROM pg_default_acl
        )
        SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee)::text END, kind,
               replace(name, 'indelible.', ''), privilege_type || CASE WHEN is_grantable THEN ' and grant' ELSE '' END,
               part
        FROM acls, owner, aclexplode(acl) WHERE grantee <> owner.oid
        """,
    )
    listed = {(role, "schema", "indelible", "USAGE", "*") for role in (*RUNTIME, "indelible_searcher")}
    listed |= {(role, "function", name, "EXECUTE", "*") for role, names in FUNCTIONS.items() for name in names}
    for role in GRANTS:
        listed |= {(role, "table", t, privilege, n) for t, privilege, names in granted(role) for n in names.split()}
    for ahead in months_ahead(filled):
        listed |= {("indelible_writer", "table", table, "INSERT", "*") for table in ahead}
    assert set(found) == listed


def months_ahead(database: Database) -> list[tuple[str, str]]:
    query = """
        SELECT 'events_' || month, 'event_personal_' || month FROM (
            SELECT substr(inhrelid::regclass::text, length('indelible.events_') + 1) AS month
            FROM pg_inherits WHERE inhparent = 'indelible.events'::regclass) _
    """
    found = rows(database, query)
    assert (EVENTS, PERSONAL) in found
    return [(events, personal) for events, personal in found]


def test_every_table_is_under_forced_row_security(filled: Database) -> None:
    """But for the migrations, which belong to no tenant, and the partitions, on which there is only INSERT."""
    found = rows(
        filled,
        """
        SELECT relname::text, relrowsecurity, relforcerowsecurity, relispartition FROM pg_class
        WHERE relnamespace = 'indelible'::regnamespace AND relkind NOT IN ('i', 'I')
        """,
    )
    secured = {name for name, enabled, forced, _ in found if enabled and forced}
    assert secured == {"ledgers", "events", "event_personal", "keys"}
    partitions = {name for name, *_, partition in found if partition}
    assert partitions == {name for month in months_ahead(filled) for name in month}
    assert {name for name, *_ in found} == secured | partitions | {"migrations"}


def test_every_partition_has_the_triggers(filled: Database) -> None:
    query = """
        SELECT tgrelid::regclass::text, array_agg(tgname::text ORDER BY tgname) FROM pg_trigger
        WHERE tgenabled = 'O' GROUP BY 1
    """
    found = {name.removeprefix("indelible."): names for name, names in rows(filled, query)}
    for table in ("events", "event_personal", *(name for month in months_ahead(filled) for name in month)):
        assert found.pop(table) == ["append_only", "never_truncated"]
    assert found == {"ledgers": ["never_deleted", "never_truncated", "only_forward"]}


def test_what_runs_as_the_owner_looks_for_names_in_the_catalogue_alone(filled: Database) -> None:
    """pg_temp has to be named, and last: otherwise it is searched first, for tables and types."""
    query = """
        SELECT proname, proconfig, proowner::regrole::text FROM pg_proc
        WHERE pronamespace = 'indelible'::regnamespace AND prosecdef ORDER BY proname
    """
    pinned = ["search_path=pg_catalog, pg_temp"]
    assert rows(filled, query) == [
        ("ensure_month", pinned, "indelible_owner"),
        ("search", pinned, "indelible_searcher"),
    ]


def test_the_roles_themselves_can_do_nothing(filled: Database) -> None:
    query = """
        SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'indelible\\_%%'
        AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls OR rolcanlogin OR rolinherit)
    """
    assert rows(filled, query) == [(SERVICE_ROLE,)]
    query = "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls FROM pg_roles "
    assert rows(filled, query + "WHERE rolname = %s", SERVICE_ROLE) == [(False,)]
    query = """
        SELECT member::regrole::text, roleid::regrole::text, admin_option FROM pg_auth_members
        WHERE roleid::regrole::text LIKE 'indelible%%' OR member::regrole::text LIKE 'indelible%%'
    """
    members = {(SERVICE_ROLE, role, False) for role in RUNTIME}
    assert set(rows(filled, query)) == members | {("indelible_owner", "indelible_searcher", False)}


# --- tenants

TENANT_TABLES = ("ledgers", "events", "event_personal")


@pytest.mark.parametrize("table", TENANT_TABLES)
@pytest.mark.parametrize("role", ["indelible_reader", "indelible_writer", SERVICE_ROLE])
def test_rows_are_those_of_the_tenant_that_is_set(filled: Database, role: str, table: str) -> None:
    query = f"SELECT DISTINCT tenant_id FROM indelible.{table}"
    assert len(rows(filled, query)) == 2
    if (role, table) != (SERVICE_ROLE, "ledgers"):  # of which control sees the list
        with acting(filled, role) as connection:
            assert run(connection, query) == []
            run(connection, "SET LOCAL indelible.tenant_id = ''")
            assert run(connection, query) == []
        with acting(filled, role, tenant=MINE) as connection:
            assert run(connection, query) == [(MINE,)]
            assert run(connection, f"{query} WHERE tenant_id = %s", OTHER) == []


def test_what_was_set_ends_with_the_transaction(filled: Database) -> None:
    """A pooled connection must not carry one caller's tenant over to the next."""
    with psycopg.connect(filled.url) as connection:
        count = "SELECT count(*) FROM indelible.events"
        run(connection, f"SET LOCAL ROLE indelible_reader; SET LOCAL indelible.tenant_id = '{MINE}'")
        assert run(connection, count) == [(4,)]
        connection.commit()
        run(connection, "SET LOCAL ROLE indelible_reader")
        assert run(connection, count) == [(0,)]


@pytest.mark.parametrize("role", ["indelible_reader", SERVICE_ROLE])
def test_words_are_found_in_the_tenant_that_is_set(filled: Database, role: str) -> None:
    """The search runs as one who may see the words of all of them."""
    search = "SELECT seq FROM indelible.search(%s)"
    with acting(filled, role) as connection:
        assert run(connection, search, "sarah") == []
    with acting(filled, role, tenant=MINE) as connection:
        assert run(connection, f"{search} ORDER BY seq", "sarah") == [(1,), (2,), (3,)]
        assert run(connection, search, "elsewhere") == []


def test_a_function_of_the_readers_own_never_sees_another_tenants_row(filled: Database) -> None:
    """However cheap it claims to be, it must not run before the policy."""
    with acting(filled, SERVICE_ROLE, tenant=MINE) as connection:
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
        back = f"SELECT indelible.move_head('{MINE}', 4, 3, sha256('x'), decode(repeat('00', 64), 'hex'), now())"
        assert refusal(connection, back) == "a ledger only grows, under its own name"


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
    outside = (
        () if role not in ("indelible_signer", "indelible_keeper") else ("permission denied for schema indelible",)
    )
    wrong = {
        statement: message
        for statement, message in said.items()
        if not any(expected in message for expected in (*OF_THE_OWNER[statement].split("|"), *outside))
    }
    assert wrong == {}


@pytest.mark.parametrize(
    "role", ["indelible_owner", "indelible_searcher", "indelible_signer", "indelible_keeper", "postgres"]
)
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


def test_tables_of_the_callers_own_are_not_taken_for_the_ledgers(filled: Database) -> None:
    with acting(filled, "indelible_writer") as connection:
        run(connection, "CREATE TEMP TABLE ledgers (LIKE indelible.ledgers)")
        run(connection, "CREATE TEMP TABLE events (tenant_id text)")
        run(connection, "SET LOCAL search_path = pg_temp, indelible")
        locked = "SELECT size, origin FROM indelible.lock_ledger(%s, NULL, '{}', '-infinity')"
        query = "SELECT size, origin FROM indelible.ledgers WHERE tenant_id = %s"
        assert run(connection, locked, MINE) == rows(filled, query, MINE)


# --- append-only, for whoever has every privilege

REFUSED = {
    f"{verb} indelible.{table}{rest}": verb.split()[0]
    for table in ("events", "event_personal", EVENTS, PERSONAL)
    for verb, rest in (("UPDATE", " SET seq = seq"), ("DELETE FROM", ""), ("TRUNCATE", ""))
} | {
    "DELETE FROM indelible.ledgers": "DELETE",
    "TRUNCATE indelible.ledgers": "TRUNCATE",
    f"MERGE INTO indelible.{EVENTS} e USING (SELECT 1) _ ON true WHEN MATCHED THEN DELETE": "DELETE",
}


@pytest.mark.parametrize("statement", REFUSED)
def test_the_triggers_stop_a_superuser(filled: Database, statement: str) -> None:
    with acting(filled, "postgres") as connection:
        said = refusal(connection, statement)
    assert said.startswith(f"{REFUSED[statement]} on indelible.")
    assert said.endswith("is refused: the ledger is append-only")


@pytest.mark.parametrize(
    "change", ["size = 1, frontier = head", "head = sha256('x')", "tenant_id = 'x'", "origin = 'x'"]
)
def test_not_even_a_superuser_sets_a_head_back(filled: Database, change: str) -> None:
    with acting(filled, "postgres") as connection:
        said = refusal(connection, f"UPDATE indelible.ledgers SET {change}")
    assert said == "a ledger only grows, under its own name"


@pytest.mark.parametrize("statement", REFUSED)
def test_the_owner_changes_no_row(filled: Database, statement: str) -> None:
    """Row security hides them from it, and where there is none the triggers hold."""
    with acting(filled, "indelible_owner", tenant=MINE) as connection:
        if MONTH not in statement and not statement.startswith("TRUNCATE"):
            assert connection.execute(statement.encode()).rowcount == 0
        else:
            assert refusal(connection, statement).endswith("is refused: the ledger is append-only")
