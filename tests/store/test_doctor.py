"""The doctor finds nothing on a fresh install, finds each hole that is planted, and leaves no trace.

Servers of its own: what is planted in roles would be seen by other tests.
"""

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

import psycopg
import pytest

from indelible.catalog import Catalog
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.doctor import Check, Examination, examine
from indelible.store.doctor.expected import FUNCTIONS, bodies
from indelible.store.doctor.expected_tables import BY_ID, EXPECTED_TABLES
from indelible.store.doctor.patient import log_in, transaction
from indelible.store.doctor.structure import structure
from indelible.store.embedded import LOGINS, SERVICE_ROLE, EmbeddedPostgres
from indelible.store.errors import StoreError, StoreUnavailable
from indelible.store.intake import Intake
from indelible.store.migrate import migrate
from indelible.store.session import Database as Connections
from indelible.store.session import Logins
from tests.postgres import VERSIONS, Database, TemplateDatabases, missing, server
from tests.store.samples import FULL, rows, send, take

_FIRST = datetime.now(UTC).year * 12 + datetime.now(UTC).month - 1
MONTHS = [f"{month // 12}_{month % 12 + 1:02}" for month in range(_FIRST, _FIRST + 4)]
MONTH = MONTHS[0]


@dataclass(frozen=True)
class Install:
    """A server with one migrated database, to be cloned."""

    postgres: EmbeddedPostgres
    databases: TemplateDatabases
    template: Database
    separate: bool

    @contextlib.contextmanager
    def clone(self) -> Iterator["Clone"]:
        database = self.databases.clone(self.template)
        own = {role: self.postgres.url(login, database.name) for role, login in LOGINS.items()} if self.separate else {}
        yield Clone(database, Logins(database.url, own))
        self.databases.drop(database)


@dataclass(frozen=True)
class Clone:
    database: Database
    logins: Logins = field(repr=False)

    def execute(self, *statements: str) -> None:
        """As a superuser."""
        with psycopg.connect(self.database.admin_url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def examined(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Examination:
        return asyncio.run(examine(self.logins, now=now))


Installs = Callable[[int, bool], Install]


@pytest.fixture(scope="module")
def installs() -> Iterator[Installs]:
    """By version, and whether each role has a login of its own."""
    with contextlib.ExitStack() as running:

        @cache
        def install(version: int, separate: bool) -> Install:
            if reason := missing(version):
                pytest.skip(reason)
            postgres = running.enter_context(server(version))
            databases = TemplateDatabases(postgres)
            template = databases.create("template_doctor")
            migrate(template.admin_url, service=SERVICE_ROLE, own=LOGINS if separate else {})
            return Install(postgres, databases, template, separate)

        yield install


@pytest.fixture
def one_login(installs: Installs) -> Iterator[Clone]:
    with installs(18, False).clone() as clone:
        yield clone


@pytest.fixture
def own_logins(installs: Installs) -> Iterator[Clone]:
    with installs(18, True).clone() as clone:
        yield clone


def of(examination: Examination, grade: str) -> list[str]:
    return [check.said for check in examination.checks if check.grade == grade]


def succeeded(examination: Examination) -> dict[str, set[str]]:
    """What could be done, and by whom: a role, or "" for a login as itself."""
    found: dict[str, set[str]] = {}
    for attempt in examination.attempts:
        if attempt.outcome == "hole":
            found.setdefault(attempt.name, set()).add(attempt.role or "")
    return found


# Of the tests' servers, which may lose what they were told.
NOT_DURABLE = ("fsync is off", "full_page_writes is off", "synchronous_commit is off")


# --- nothing is wrong


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("separate", [False, True], ids=["one login", "a login each"])
def test_a_fresh_install_has_no_hole(installs: Installs, version: int, separate: bool) -> None:
    with installs(version, separate).clone() as clone:
        examination = clone.examined()
    assert of(examination, "hole") == []
    assert succeeded(examination) == {}
    assert examination.exit_code == 0
    warnings = [said for said in of(examination, "warning") if not said.startswith(NOT_DURABLE)]
    assert warnings == (
        [] if separate else [f"One login, {SERVICE_ROLE}, takes all roles: who has its password has them all."]
    )
    outcomes = {attempt.outcome for attempt in examination.attempts}
    assert outcomes == {"refused", "no rows", "no effect"}
    assert {patient.login for patient in examination.patients} == {SERVICE_ROLE, *(LOGINS.values() if separate else ())}


def test_what_is_tried_with_a_login_each(own_logins: Clone) -> None:
    """Each login as itself and as each role that it takes, and no other."""
    tried = {(attempt.login, attempt.role) for attempt in own_logins.examined().attempts}
    assert tried == {
        (SERVICE_ROLE, None),
        *((login, None) for login in LOGINS.values()),
        (LOGINS["writer"], "writer"), (LOGINS["reader"], "reader"), (LOGINS["reader"], "member"),
        (LOGINS["control"], "control"), (LOGINS["signer"], "signer"),
        (LOGINS["keeper"], "keeper"), (LOGINS["keeper"], "reader"), (LOGINS["keeper"], "writer"),
    }  # fmt: skip


def test_the_answers_are_those_of_postgresql(one_login: Clone) -> None:
    """Each attempt's answer is what the same statement gets from a connection of ours."""
    answers = {(a.name, a.role): (a.outcome, a.sqlstate, a.answer) for a in one_login.examined().attempts}
    denied = "permission denied for"
    for key, state, said in (
        (("DELETE FROM events", "writer"), "42501", f"{denied} table events"),
        (("DELETE FROM events", None), "42501", f"{denied} schema indelible"),
        ((f"TRUNCATE events_{MONTH}", "writer"), "42501", f"{denied} table events_{MONTH}"),
        (("make a ledger shorter", "writer"), "42501", "a ledger only grows, under its own name"),
        (("drop a partition", "keeper"), "42501", f"must be owner of table events_{MONTH}"),
        (("SET ROLE indelible_owner", None), "42501", 'permission denied to set role "indelible_owner"'),
        (("erase without a record in the ledger", "keeper"), "42501",
         "an erasure is recorded in the ledger first, in the same transaction"),
    ):  # fmt: skip
        assert answers[key] == ("refused", state, said)
    assert answers["events, no tenant set", "reader"] == ("no rows", None, "no rows")
    assert answers["grant a privilege", "reader"] == ("no effect", None, "no privilege was granted")


def test_reading_is_tried_where_there_is_something_to_read(one_login: Clone) -> None:
    """Of every attempt to read, the same role is shown to find rows where it may."""
    read = [a for a in one_login.examined().attempts if a.outcome == "no rows" and a.there_was_something is not None]
    assert len(read) > 20
    assert {a.there_was_something for a in read} == {True}
    assert {a.role for a in read} == {"writer", "reader", "member", "signer", "control"}


def test_rows_that_are_there_are_tried_on_and_their_tenants_not_named(own_logins: Clone, catalog: Catalog) -> None:
    """The reader's login cannot put rows there. A report is shown to others, so it names no customer."""

    async def fill() -> None:
        async with Connections.open(own_logins.logins) as connections, Appender.open(connections, Rules(catalog)) as to:
            for tenant in ("acme", "globex"):
                await send(to, take(Intake(catalog), tenant, **FULL))

    asyncio.run(fill())
    examination = own_logins.examined()
    assert of(examination, "hole") == []
    read = [
        a for a in examination.attempts if a.login == LOGINS["reader"] and "events" in a.name and a.outcome == "no rows"
    ]
    assert {a.there_was_something for a in read} == {True}
    assert {a.role for a in read} == {"reader", "member"}
    assert any("two ledgers that are there" in said for said in of(examination, "note"))
    for name in ("acme", "globex", "usr_7"):
        assert name not in repr(examination)


# --- nothing is left behind, and nobody held up

CATALOGUE = """
    SELECT 'relation', relname::text, relkind::text, relacl::text, relowner::text, reltuples::text, relfilenode::text
        FROM pg_class
    UNION ALL SELECT 'function', proname::text, md5(prosrc), proacl::text, proowner::text, '', oid::text FROM pg_proc
    UNION ALL SELECT 'trigger', tgname::text, tgrelid::text, tgenabled::text, '', '', oid::text FROM pg_trigger
    UNION ALL SELECT 'policy', polname::text, polrelid::text, polroles::text, '', '', oid::text FROM pg_policy
    UNION ALL SELECT 'type', typname::text, typtype::text, '', typowner::text, '', oid::text FROM pg_type
    UNION ALL SELECT 'schema', nspname::text, '', nspacl::text, nspowner::text, '', oid::text FROM pg_namespace
    UNION ALL SELECT 'role', to_jsonb(r)::text, '', '', '', '', oid::text FROM pg_authid r
    UNION ALL SELECT 'member', to_jsonb(m)::text, '', '', '', '', '' FROM pg_auth_members m
    UNION ALL SELECT 'setting', to_jsonb(s)::text, '', '', '', '', '' FROM pg_db_role_setting s
    UNION ALL SELECT 'database', datname::text, '', datacl::text, datdba::text, '', oid::text FROM pg_database
    UNION ALL SELECT 'large object', oid::text, '', '', '', '', '' FROM pg_largeobject_metadata
"""

HELD = """
    SELECT locktype, mode, pid FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE application_name ~ 'indelible'
    UNION ALL SELECT state, query, pid FROM pg_stat_activity WHERE application_name ~ 'indelible'
"""


def everything(database: Database) -> tuple[set[tuple[object, ...]], Mapping[str, set[str]]]:
    tables = [name for (name,) in rows(
        database, "SELECT relname::text FROM pg_class WHERE relnamespace = 'indelible'::regnamespace AND relkind = 'r'"
    )]  # fmt: skip
    content = {name: {str(row) for row in rows(database, f"SELECT t FROM indelible.{name} t")} for name in tables}
    return set(rows(database, CATALOGUE)), content


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_changed_and_no_lock_is_left(installs: Installs, version: int, catalog: Catalog) -> None:
    with installs(version, False).clone() as clone:

        async def fill() -> None:
            async with Connections.open(clone.logins) as connections, Appender.open(connections, Rules(catalog)) as to:
                await send(to, take(Intake(catalog), "acme", **FULL))

        asyncio.run(fill())
        before = everything(clone.database)
        assert len(before[0]) > 3000
        assert before[1]["ledgers"]
        assert len(clone.examined().attempts) > 400
        assert everything(clone.database) == before
        assert rows(clone.database, HELD) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_refused_waits_for_nobody(installs: Installs, version: int) -> None:
    """Somebody appends meanwhile, in a transaction that goes on and on: it holds what appending and reading hold. A
    statement that asked for a table's lock before it is refused would end by the lock time-out, and hold up others."""
    with installs(version, False).clone() as clone, psycopg.connect(clone.database.admin_url) as busy:
        tables = [name for (name,) in rows(
            clone.database,
            "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'indelible'::regnamespace "
            "AND relkind IN ('r', 'p')",
        )]  # fmt: skip
        busy.execute(f"LOCK TABLE {', '.join(tables)} IN ROW EXCLUSIVE MODE".encode())
        examination = clone.examined()
    assert succeeded(examination) == {}
    assert {attempt.outcome for attempt in examination.attempts} == {"refused", "no rows", "no effect"}


def test_others_are_not_held_up_even_where_there_is_a_hole(one_login: Clone) -> None:
    """Whoever may TRUNCATE waits for a tenth of a second at most for the lock that it takes, and others behind it."""
    one_login.execute("GRANT TRUNCATE ON indelible.events TO indelible_writer")
    with psycopg.connect(one_login.database.admin_url) as reading:
        reading.execute("SELECT FROM indelible.events")
        longest, ended = timedelta(), threading.Event()

        def look() -> None:
            nonlocal longest
            with psycopg.connect(one_login.database.admin_url, autocommit=True) as other:
                while not ended.is_set():
                    began = datetime.now(UTC)
                    other.execute("SELECT FROM indelible.events LIMIT 1")
                    longest = max(longest, datetime.now(UTC) - began)

        looking = threading.Thread(target=look)
        looking.start()
        try:
            examination = one_login.examined()
        finally:
            ended.set()
            looking.join()
    (attempt,) = [a for a in examination.attempts if a.name == "TRUNCATE events" and a.role == "writer"]
    assert (attempt.outcome, attempt.sqlstate) == ("hole", "55P03")
    assert longest < timedelta(seconds=2)


# --- holes


@dataclass(frozen=True)
class Hole:
    name: str
    plant: tuple[str, ...]
    found: tuple[str, ...]
    """What the checks say, each the beginning of a sentence: all of their holes."""
    done: Mapping[str, set[str]] = field(default_factory=dict)
    """What attempts succeeded, and as whom."""
    undo: tuple[str, ...] = ()
    """Of what belongs to the whole server."""


EVERY = {"", "writer", "reader", "member", "control", "signer", "keeper"}
SHADOWING = "The function public.format(text,text) in schema public has the name of a function of PostgreSQL's own"

HOLES = [
    Hole(
        "update of events", ("GRANT UPDATE, DELETE ON indelible.events TO indelible_writer",),
        ("indelible_writer has DELETE ON indelible.events", "indelible_writer has UPDATE ON indelible.events"),
        {"UPDATE events": {"writer"}, "DELETE FROM events": {"writer"}, "lock a table": {"writer"},
         "grant a privilege": {"writer"}},
    ),
    Hole(
        "delete from a partition", (f"GRANT DELETE ON indelible.events_{MONTH} TO indelible_writer",),
        (f"indelible_writer has DELETE ON indelible.events_{MONTH}",),
        # The trigger still refuses.
    ),
    Hole(
        "disclosures for the writer", ("GRANT SELECT ON indelible.event_personal TO indelible_writer",),
        ("indelible_writer has SELECT ON indelible.event_personal",),
        {"disclosures": {"writer"}, "search words": {"writer"}},
    ),
    Hole(
        "one column for the signer", ("GRANT SELECT (entry) ON indelible.events TO indelible_signer",),
        ("indelible_signer has SELECT (entry) ON indelible.events",), {"entries": {"signer"}},
    ),
    Hole(
        "a function for the reader",
        ("GRANT EXECUTE ON FUNCTION indelible.erase_disclosures(bigint, bigint[], text[]) TO indelible_reader",),
        ("indelible_reader has EXECUTE ON function indelible.erase_disclosures(bigint, bigint[], text[])",),
        # The function refuses by itself: nothing is on record.
    ),
    Hole(
        "a function for everybody", ("GRANT EXECUTE ON FUNCTION indelible.tenants_with_entries() TO PUBLIC",),
        ("Everybody (PUBLIC) has EXECUTE ON function indelible.tenants_with_entries()",),
        {"tenants_with_entries()": EVERY - {"", "control"}},
    ),
    Hole(
        "a right to hand on", ("GRANT SELECT ON indelible.ledgers TO indelible_reader WITH GRANT OPTION",),
        ("indelible_reader has SELECT ON indelible.ledgers, and may grant it",),
    ),
    Hole(
        "what months to come are granted",
        ("ALTER DEFAULT PRIVILEGES FOR ROLE indelible_owner GRANT SELECT ON TABLES TO indelible_reader",),
        ("ALTER DEFAULT PRIVILEGES gives SELECT on new objects of indelible_owner to indelible_reader",),
    ),
    Hole(
        "a disabled trigger", ("ALTER TABLE indelible.events DISABLE TRIGGER append_only",),
        ("The trigger append_only on indelible.events is disabled",
         *(f"The trigger append_only on indelible.events_{month} is disabled" for month in MONTHS)),
    ),
    Hole(
        "a partition's disabled trigger", (f"ALTER TABLE indelible.events_{MONTH} DISABLE TRIGGER append_only",),
        (f"The trigger append_only on indelible.events_{MONTH} is disabled",),
    ),
    Hole(
        "a trigger for replicas only", ("ALTER TABLE indelible.ledgers ENABLE REPLICA TRIGGER only_forward",),
        ("The trigger only_forward on indelible.ledgers is enabled for replicas only",),
        {"make a ledger shorter": {"writer"}},
    ),
    Hole(
        "a dropped trigger", ("DROP TRIGGER never_truncated ON indelible.checkpoints",),
        ("The trigger never_truncated on indelible.checkpoints is gone",),
    ),
    Hole(
        "a trigger with a condition",
        ("CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE ON indelible.subtrees FOR EACH ROW "
         "WHEN (false) EXECUTE FUNCTION indelible.refuse()",),
        ("The trigger append_only on indelible.subtrees is not what the migrations make",),
    ),
    Hole(
        "a trigger of somebody's",
        ("CREATE TRIGGER other BEFORE INSERT ON indelible.keys FOR EACH ROW EXECUTE FUNCTION indelible.only_ends()",),
        ("The trigger other on indelible.keys is one that no migration makes",),
    ),
    Hole(
        "a trigger's function that does nothing",
        ("CREATE OR REPLACE FUNCTION indelible.only_forward() RETURNS trigger LANGUAGE plpgsql "
         "SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NEW; END'",),
        ("The function indelible.only_forward() does not do what this version's migrations say",),
        {"make a ledger shorter": {"writer"}},
    ),
    Hole(
        "row security off", ("ALTER TABLE indelible.event_personal DISABLE ROW LEVEL SECURITY",),
        ("Row security of indelible.event_personal is off",),
        {f"{name}, {what}": roles for what in ("no tenant set", "another one set")
         for name, roles in (("event_personal", {"reader", "writer"}), ("search words", {"reader"}))},
    ),
    Hole(
        "row security not forced", ("ALTER TABLE indelible.events NO FORCE ROW LEVEL SECURITY",),
        ("Row security of indelible.events is not forced",),
    ),
    Hole(
        "one more policy", ("CREATE POLICY more ON indelible.events FOR SELECT TO indelible_reader USING (true)",),
        ("The policy more on indelible.events is one that no migration makes",),
        {"events, no tenant set": {"reader"}, "events, another one set": {"reader"}, "events, tenant '%'": {"reader"},
         "events, tenant '*'": {"reader"}, "events, tenant \"' OR true --\"": {"reader"}},
    ),
    Hole(
        "a policy with one word more",
        ("ALTER POLICY own ON indelible.events USING (tenant_id = "
         "nullif(current_setting('indelible.tenant_id', true), '') "
         "OR current_setting('indelible.member_id', true) = '')",),
        ("The policy own on indelible.events is not what the migrations make",),
        {"events, no person set": {"member"}, "events, another person set": {"member"}},
    ),
    Hole(
        "a policy for everybody", ("ALTER POLICY of_tenant ON indelible.checkpoints TO PUBLIC",),
        ("The policy of_tenant on indelible.checkpoints is not what the migrations make",),
    ),
    Hole(
        "a function where its caller says",
        ("ALTER FUNCTION indelible.tenants_with_entries() RESET search_path",
         "ALTER FUNCTION indelible.ensure_month(date) SET search_path = pg_catalog"),
        ("The function indelible.ensure_month(date) has search_path=pg_catalog.",
         "The function indelible.tenants_with_entries() has no search_path of its own"),
        # Once in a connection: what was compiled with the first type does not look for another.
        {"a type that ensure_month() would use": {"writer"}},
    ),
    Hole(
        "a function that runs as its owner", ("ALTER FUNCTION indelible.only_forward() SECURITY DEFINER",),
        ("The function indelible.only_forward() runs as its owner, and should not",),
    ),
    Hole(
        "a function of another's", ("ALTER FUNCTION indelible.search OWNER TO indelible_owner",),
        (f"The function indelible.search({FUNCTIONS['search'].arguments}) belongs to indelible_owner",),
    ),
    Hole(
        "one more function",
        ("SET ROLE indelible_owner; CREATE FUNCTION indelible.more() RETURNS void LANGUAGE sql AS ''; "
         "REVOKE ALL ON FUNCTION indelible.more() FROM PUBLIC",),
        ("The function indelible.more() is one that no migration makes",),
    ),
    Hole(
        "one more table and a view",
        ("SET ROLE indelible_owner; CREATE TABLE indelible.copy AS SELECT * FROM indelible.events; "
         "ALTER TABLE indelible.copy ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; "
         "CREATE VIEW indelible.all_events AS SELECT * FROM indelible.copy",),
        ("There is a view indelible.all_events", "indelible.copy is a table that no migration makes"),
    ),
    Hole(
        "a rule", ("CREATE RULE quiet AS ON DELETE TO indelible.subtrees DO INSTEAD NOTHING",),
        ("There is a rule quiet on table indelible.subtrees",),
        # The rule takes the statement's place, privileges and all.
        {"DELETE FROM subtrees": EVERY - {""}},
    ),
    Hole(
        "a table of another's", ("ALTER TABLE indelible.events OWNER TO doctor_other",),
        ("indelible.events belongs to doctor_other",),
    ),
    Hole(
        "everybody may create in the schema", ("GRANT CREATE ON SCHEMA indelible TO PUBLIC",),
        ("PUBLIC may create functions, types and tables in the schema indelible",
         "Everybody (PUBLIC) has CREATE ON schema indelible"),
        {"a table in indelible": EVERY, "a function in indelible": EVERY},
    ),
    Hole(
        "everybody may create in public", ("GRANT CREATE ON SCHEMA public TO PUBLIC",),
        ("PUBLIC may create functions, types and tables in the schema public",), {"a function in public": EVERY},
    ),
    Hole(
        "a function in public",
        ("CREATE FUNCTION public.format(text, text) RETURNS text LANGUAGE sql AS 'SELECT $1'",), (SHADOWING,),
    ),
    Hole(
        "an operator in public",
        ("CREATE FUNCTION public.same(text, varchar) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
         "CREATE OPERATOR public.= (FUNCTION = public.same, LEFTARG = text, RIGHTARG = varchar)"),
        ("The operator public.=(text,character varying) in schema public has the name of an operator",),
    ),
    Hole(
        "an event trigger",
        ("CREATE FUNCTION public.spy() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
         "CREATE EVENT TRIGGER spy ON ddl_command_end EXECUTE FUNCTION public.spy()"),
        ("The event trigger spy runs",),
    ),
    Hole(
        "the login as the owner", (f"GRANT indelible_owner TO {SERVICE_ROLE} WITH INHERIT FALSE, SET TRUE",),
        (f"The login {SERVICE_ROLE} may act as indelible_owner",
         f"The login {SERVICE_ROLE} may act as indelible_searcher"),
        {"SET ROLE indelible_owner": {""}, "SET ROLE indelible_searcher": {""}},
        (f"REVOKE indelible_owner FROM {SERVICE_ROLE}",),
    ),
    Hole(
        "the login is a superuser", (f"ALTER ROLE {SERVICE_ROLE} SUPERUSER",),
        (f"The login {SERVICE_ROLE} is SUPERUSER",), {}, (f"ALTER ROLE {SERVICE_ROLE} NOSUPERUSER",),
    ),
    Hole(
        "the login makes roles", (f"ALTER ROLE {SERVICE_ROLE} CREATEROLE REPLICATION",),
        (f"The login {SERVICE_ROLE} is CREATEROLE", f"The login {SERVICE_ROLE} is REPLICATION"), {"make a role": {""}},
        (f"ALTER ROLE {SERVICE_ROLE} NOCREATEROLE NOREPLICATION",),
    ),
    Hole(
        "the login reads everything", (f"GRANT pg_read_all_data TO {SERVICE_ROLE}",),
        (f"The login {SERVICE_ROLE} is a member of pg_read_all_data",), {},
        (f"REVOKE pg_read_all_data FROM {SERVICE_ROLE}",),
    ),
    Hole(
        "a role bypasses row security", ("ALTER ROLE indelible_reader BYPASSRLS",), ("indelible_reader is BYPASSRLS",),
        {"with row security set off": {"reader"},
         **{f"{name}, {what}": {"reader"} for what in ("no tenant set", "another one set")
            for name in ("ledgers", "events", "event_personal", "search words", "directory", "subtrees")},
         "events, tenant '%'": {"reader"}, "events, tenant '*'": {"reader"},
         "events, tenant \"' OR true --\"": {"reader"}},
        ("ALTER ROLE indelible_reader NOBYPASSRLS",),
    ),
    Hole(
        "a role can log in", ("ALTER ROLE indelible_keeper LOGIN",), ("indelible_keeper is LOGIN",), {},
        ("ALTER ROLE indelible_keeper NOLOGIN",),
    ),
    Hole(
        "somebody else reads", ("GRANT indelible_reader TO doctor_other",),
        ("doctor_other, by which the service does not log in, may act as indelible_reader",), {},
        ("REVOKE indelible_reader FROM doctor_other",),
    ),
    Hole(
        "triggers off at each login", (f"ALTER ROLE {SERVICE_ROLE} SET session_replication_role = replica",),
        (f"session_replication_role is set to 'replica' for {SERVICE_ROLE}",
         f"{SERVICE_ROLE} logs in with session_replication_role = replica"),
        {"make a ledger shorter": {"writer"}, "bring back a key that was revoked": {"control"},
         "make a key last longer": {"control"}},
        (f"ALTER ROLE {SERVICE_ROLE} RESET session_replication_role",),
    ),
    Hole(
        "the login may switch triggers off", (f"GRANT SET ON PARAMETER session_replication_role TO {SERVICE_ROLE}",),
        (f"{SERVICE_ROLE} may SET session_replication_role",),
        {"stop all triggers": {""}, "have no trigger fire from now on": {""}},
        (f"REVOKE SET ON PARAMETER session_replication_role FROM {SERVICE_ROLE}",),
    ),
    Hole(
        "the login owns the database", (f"ALTER DATABASE {{database}} OWNER TO {SERVICE_ROLE}",),
        (f"The login {SERVICE_ROLE} owns the database",
         f"{SERVICE_ROLE} may create functions, types and tables in the schema public",
         f"{SERVICE_ROLE} may create schemas in the database"),
        {"a function in public": {""}, "a schema": {""}},
    ),
    Hole(
        "views and functions elsewhere",
        ("CREATE VIEW public.v AS SELECT seq, actor_id FROM indelible.events",
         "ALTER VIEW public.v OWNER TO indelible_searcher",
         f"CREATE VIEW public.w AS SELECT entry FROM indelible.events_{MONTH}",
         "ALTER VIEW public.w OWNER TO doctor_other",
         "CREATE MATERIALIZED VIEW public.m AS SELECT * FROM indelible.events",
         "CREATE TABLE public.t (tenant_id text REFERENCES indelible.ledgers)",
         "CREATE TABLE public.u (n integer); CREATE RULE r AS ON INSERT TO public.u DO ALSO "
         "SELECT count(*) FROM indelible.events",
         "CREATE STATISTICS public.s ON tenant_id, actor_id FROM indelible.events",
         f"CREATE FUNCTION public.f() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS "
         f"'SELECT count(*) FROM indelible.events_{MONTH}'",
         "CREATE FUNCTION public.g() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
         "ALTER FUNCTION public.g() OWNER TO indelible_owner",
         "CREATE FUNCTION public.h() RETURNS bigint LANGUAGE sql "
         "BEGIN ATOMIC SELECT count(*) FROM indelible.events; END",
         # These have nothing to do with Indelible.
         "CREATE FUNCTION public.i() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
         "CREATE VIEW public.x AS SELECT 1 AS n"),
        ("The constraint t_tenant_id_fkey on table public.t depends on what is in the schema indelible",
         "The function public.f() runs as postgres",
         "The function public.h() depends on what is in the schema indelible",
         "The materialized view public.m of postgres depends on what is in the schema indelible",
         "The statistics object public.s depends on what is in the schema indelible",
         "The table public.u of postgres depends on what is in the schema indelible",
         "The view public.w of doctor_other depends on what is in the schema indelible",
         "indelible_owner owns the function public.g()",
         "indelible_searcher owns the view public.v"),
    ),
    Hole(
        "partitions elsewhere",
        ("CREATE TABLE public.later PARTITION OF indelible.events FOR VALUES FROM ('2131-01-01Z') TO ('2131-02-01Z')",
         "ALTER TABLE public.later OWNER TO doctor_other",
         "CREATE TABLE public.names (name text NOT NULL); ALTER TABLE indelible.keys INHERIT public.names"),
        ("indelible.keys inherits from public.names",
         "public.later, outside of the schema indelible, is a partition of indelible.events: doctor_other"),
    ),
    Hole(
        "who is not stopped by privileges",
        ("CREATE ROLE doctor_group BYPASSRLS; GRANT pg_write_all_data TO doctor_group",
         "GRANT doctor_group TO doctor_other",
         "CREATE ROLE doctor_copies LOGIN REPLICATION",
         "CREATE ROLE doctor_root NOLOGIN SUPERUSER; CREATE ROLE doctor_rises LOGIN; GRANT doctor_root TO doctor_rises",
         *(f"GRANT {power} TO doctor_other" for power in (
             "pg_read_all_data", "pg_execute_server_program", "pg_read_server_files", "pg_write_server_files"))),
        ("doctor_copies has REPLICATION",
         "doctor_other has pg_execute_server_program (runs programs on the server), pg_read_all_data (reads every "
         "table, and partitions without row security), pg_read_server_files (reads the server's files), "
         "pg_write_server_files",
         "doctor_other may act as doctor_group, which has BYPASSRLS (passes row security), pg_write_all_data",
         "doctor_rises may act as doctor_root, which has SUPERUSER"),
        {},
        ("DROP ROLE doctor_group, doctor_copies, doctor_root, doctor_rises",
         "REVOKE pg_read_all_data, pg_execute_server_program, pg_read_server_files, pg_write_server_files "
         "FROM doctor_other"),
    ),
    Hole(
        "columns, constraints and indexes",
        ("ALTER TABLE indelible.tenant_settings ALTER member_access SET DEFAULT true",
         "CREATE FUNCTION public.g(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END'",
         "ALTER TABLE indelible.events ALTER category SET DEFAULT public.g('x')",
         "ALTER TABLE indelible.keys ADD CHECK (public.g(name) <> '') NOT VALID",
         "ALTER TABLE indelible.keys DROP CONSTRAINT keys_hash_key, ALTER name DROP NOT NULL, ADD more text",
         "CREATE INDEX evil ON indelible.signers (public.g(public_key::text))",
         "ALTER TABLE indelible.ledgers DROP CONSTRAINT ledgers_head_check",
         "ALTER TABLE indelible.event_personal ALTER search SET DEFAULT ''",
         "ALTER TABLE indelible.signers ADD copy bytea GENERATED ALWAYS AS (public_key) STORED",
         f"DROP INDEX indelible.events_{MONTH}_by_id",
         "ALTER TABLE indelible.revoked_tokens SET UNLOGGED"),
        ("indelible.event_personal has the column search tsvector NOT NULL DEFAULT ''::tsvector",
         "indelible.event_personal lacks the column search tsvector NOT NULL",
         "indelible.events has the column category text COLLATE \"C\" DEFAULT public.g('x'::text)",
         "indelible.events lacks the column category text COLLATE \"C\"",
         f"indelible.events_{MONTH} lacks the index UNIQUE btree (tenant_id, id): an event that is sent again",
         "indelible.keys has the column more text",
         "indelible.keys has the column name text",
         "indelible.keys has the constraint CHECK ((public.g(name) <> ''::text))",
         "indelible.keys lacks the column name text NOT NULL",
         "indelible.keys lacks the constraint UNIQUE (hash)",
         "indelible.ledgers lacks the constraint CHECK ((octet_length(head) = 32))",
         "indelible.revoked_tokens is unlogged",
         "indelible.signers has the column copy bytea STORED public_key",
         "indelible.signers has the index btree (public.g((public_key)::text))",
         "indelible.tenant_settings has the column member_access boolean NOT NULL DEFAULT true",
         "indelible.tenant_settings lacks the column member_access boolean NOT NULL DEFAULT false"),
    ),
    Hole(
        "a function that is called on hidden rows",
        ("ALTER FUNCTION indelible.own_personal(bigint, timestamptz) LEAKPROOF",),
        ("The function indelible.own_personal(bigint, timestamp with time zone) is LEAKPROOF",),
    ),
    Hole(
        "what comes into the schema is granted",
        ("ALTER DEFAULT PRIVILEGES IN SCHEMA indelible GRANT SELECT ON TABLES TO PUBLIC",
         "ALTER DEFAULT PRIVILEGES FOR ROLE doctor_other IN SCHEMA indelible GRANT EXECUTE ON FUNCTIONS "
         "TO doctor_other",
         "ALTER DEFAULT PRIVILEGES FOR ROLE doctor_other IN SCHEMA indelible GRANT EXECUTE ON FUNCTIONS "
         "TO indelible_reader"),
        ("ALTER DEFAULT PRIVILEGES gives EXECUTE on new functions of doctor_other in the schema indelible to "
         "indelible_reader",
         "ALTER DEFAULT PRIVILEGES gives SELECT on new tables of postgres in the schema indelible to PUBLIC"),
    ),
    Hole(
        "the login starts as another role", (f"ALTER ROLE {SERVICE_ROLE} SET role = indelible_reader",),
        (f"role is set to 'indelible_reader' for {SERVICE_ROLE}",), {}, (f"ALTER ROLE {SERVICE_ROLE} RESET role",),
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def other(installs: Installs) -> None:
    """A role that has nothing to do with Indelible."""
    with psycopg.connect(installs(18, False).postgres.admin_url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE ROLE doctor_other LOGIN")


@pytest.mark.usefixtures("other")
@pytest.mark.parametrize("hole", HOLES, ids=lambda hole: hole.name)
def test_each_hole_is_found_and_nothing_else(one_login: Clone, hole: Hole) -> None:
    one_login.execute(*(statement.replace("{database}", one_login.database.name) for statement in hole.plant))
    try:
        examination = one_login.examined()
    finally:
        one_login.execute(*hole.undo)
    found = sorted(of(examination, "hole"))
    # Each as far as it is given.
    shortened = [said[: len(start)] for said, start in zip(found, sorted(hole.found), strict=False)] + found[
        len(hole.found) :
    ]
    assert (shortened, succeeded(examination)) == (sorted(hole.found), hole.done)
    assert examination.exit_code == 1


def test_the_fix_of_a_grant_gives_back_what_it_takes_along(one_login: Clone) -> None:
    """To revoke a privilege on a table revokes it on the columns too, which the service needs."""
    one_login.execute("GRANT SELECT ON indelible.event_personal TO indelible_writer")
    (found,) = (check for check in one_login.examined().checks if check.grade == "hole")
    one_login.execute(*str(found.fix).split("; "))
    after = one_login.examined()
    assert of(after, "hole") == []
    assert not [said for said in of(after, "warning") if "lacks" in said]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_tables_are_made_of_is_what_the_migrations_make(installs: Installs, version: int) -> None:
    """In the same words on each version, so that what differs was done by somebody."""

    async def made(clone: Clone) -> dict[str, Counter[tuple[str, str]]]:
        async with log_in(clone.logins) as (login,), transaction(login.connection):
            return dict(await structure(login.connection))

    with installs(version, False).clone() as clone:
        found = asyncio.run(made(clone))
    assert {name: found[name] for name in EXPECTED_TABLES} == {n: Counter(p) for n, p in EXPECTED_TABLES.items()}
    for month in MONTHS:
        assert found.pop(f"events_{month}") == found["events"] + Counter(BY_ID)
        assert found.pop(f"event_personal_{month}") == found["event_personal"]
    assert found.keys() == EXPECTED_TABLES.keys()


def test_holes_on_15(installs: Installs) -> None:
    """Where the catalogue is another one: memberships, generated columns, publications of a schema."""
    with installs(15, False).clone() as clone:
        clone.execute(
            "CREATE ROLE doctor_reads LOGIN; GRANT pg_read_all_data TO doctor_reads",
            "CREATE ROLE doctor_makes LOGIN CREATEROLE",
            "CREATE VIEW public.v AS SELECT seq FROM indelible.events; ALTER VIEW public.v OWNER TO indelible_owner",
            "ALTER TABLE indelible.tenant_settings ALTER member_access SET DEFAULT true",
            "CREATE PUBLICATION doctor_p FOR TABLES IN SCHEMA indelible",
            f"ALTER ROLE {SERVICE_ROLE} SET row_security = off",
        )
        try:
            examination = clone.examined()
        finally:
            clone.execute("DROP ROLE doctor_reads, doctor_makes", f"ALTER ROLE {SERVICE_ROLE} RESET row_security")
    starts = (
        "doctor_reads has pg_read_all_data",
        "indelible.tenant_settings has the column member_access boolean NOT NULL DEFAULT true",
        "indelible.tenant_settings lacks the column member_access boolean NOT NULL DEFAULT false",
        "indelible_owner owns the view public.v",
    )
    found = sorted(of(examination, "hole"))
    assert [said[: len(start)] for said, start in zip(found, starts, strict=True)] == list(starts)
    warned = of(examination, "warning")
    assert any(said.startswith("The publication doctor_p carries tables of indelible") for said in warned)
    assert any(said.startswith("row_security is set to 'off'") for said in warned)
    assert any(said.startswith("doctor_makes may make roles: before PostgreSQL 16") for said in warned)


def test_what_may_carry_rows_elsewhere_is_a_warning(one_login: Clone) -> None:
    """So is an index that makes searches slow by its lack, a login's odd settings, and who may be let in later."""
    one_login.execute(
        "CREATE PUBLICATION doctor_all FOR ALL TABLES", "CREATE PUBLICATION doctor_keys FOR TABLE indelible.keys",
        "CREATE TABLE public.t (); CREATE PUBLICATION doctor_theirs FOR TABLE public.t",
        "CREATE SUBSCRIPTION doctor_in CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false)",
        "CREATE FOREIGN DATA WRAPPER doctor_wrapper; CREATE SERVER doctor_far FOREIGN DATA WRAPPER doctor_wrapper",
        "CREATE USER MAPPING FOR PUBLIC SERVER doctor_far",
        "DROP INDEX indelible.personal_by_word; CREATE INDEX ON indelible.keys (name)",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO indelible_reader",
        "CREATE ROLE doctor_nobody BYPASSRLS", "CREATE SCHEMA doctor_names",
        f"ALTER ROLE {SERVICE_ROLE} SET row_security = off",
        f"ALTER ROLE {SERVICE_ROLE} SET search_path = pg_temp, doctor_names, public",
    )  # fmt: skip
    try:
        examination = one_login.examined()
    finally:
        one_login.execute(
            f"ALTER ROLE {SERVICE_ROLE} RESET ALL", "DROP ROLE doctor_nobody",
            "ALTER SUBSCRIPTION doctor_in DISABLE", "ALTER SUBSCRIPTION doctor_in SET (slot_name = NONE)",
            "DROP SUBSCRIPTION doctor_in",
        )  # fmt: skip
    assert (of(examination, "hole"), succeeded(examination), examination.exit_code) == ([], {}, 0)
    starts = [
        "ALTER DEFAULT PRIVILEGES gives SELECT on whatever postgres makes to indelible_reader",
        "One login",
        "The foreign server doctor_far has a login for everybody (PUBLIC)",
        "The publication doctor_all carries all tables",
        "The publication doctor_keys carries tables of indelible",
        "The subscription doctor_in writes into this database",
        "doctor_nobody has BYPASSRLS",
        "indelible.event_personal lacks the index gin (search) WITH (gin_pending_list_limit='1024'): searches take "
        "longer",
        "indelible.keys has the index btree (name)",
        "row_security is set to 'off' for indelible_service",
        "search_path is set to 'pg_temp, doctor_names, public' for indelible_service: names are looked for in "
        "doctor_names, pg_temp",
    ]
    found = sorted(
        said for said in of(examination, "warning") if not said.startswith((*NOT_DURABLE, "row_security is off"))
    )
    assert [said[: len(start)] for said, start in zip(found, starts, strict=True)] == starts


def test_a_login_that_takes_another_role_than_its_own(own_logins: Clone) -> None:
    own_logins.execute(
        f"GRANT indelible_writer TO {LOGINS['reader']}", f"GRANT indelible_keeper TO {SERVICE_ROLE} WITH INHERIT FALSE"
    )
    try:
        examination = own_logins.examined()
    finally:
        own_logins.execute(
            f"REVOKE indelible_writer FROM {LOGINS['reader']}", f"REVOKE indelible_keeper FROM {SERVICE_ROLE}"
        )
    assert of(examination, "hole") == [f"The login {LOGINS['reader']} may act as indelible_writer."]
    assert succeeded(examination) == {"SET ROLE indelible_writer": {""}}
    # As with one login for all roles, but then who set up separate ones believes something else.
    said = (
        f"{SERVICE_ROLE}, whose password every process has, may act as indelible_keeper, which has a login of its own."
    )
    assert said in of(examination, "warning")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_login_that_inherits(installs: Installs, version: int) -> None:
    with installs(version, False).clone() as clone:
        alone = " WITH INHERIT " if version >= 16 else ""
        clone.execute(
            f"ALTER ROLE {SERVICE_ROLE} INHERIT",
            *([f"GRANT indelible_reader TO {SERVICE_ROLE}{alone}TRUE"] if alone else []),
        )
        try:
            examination = clone.examined()
        finally:
            clone.execute(
                f"ALTER ROLE {SERVICE_ROLE} NOINHERIT",
                *([f"GRANT indelible_reader TO {SERVICE_ROLE}{alone}FALSE"] if alone else []),
            )
    (said,) = [w for w in of(examination, "warning") if "has the rights of" in w]
    assert said.startswith(f"{SERVICE_ROLE} has the rights of indelible_")
    assert "indelible_reader" in said
    assert succeeded(examination) == {}


def test_who_migrates_is_told_of_and_no_hole(one_login: Clone) -> None:
    one_login.execute("CREATE ROLE doctor_migrator LOGIN CREATEROLE", "GRANT indelible_owner TO doctor_migrator")
    try:
        examination = one_login.examined()
    finally:
        one_login.execute("DROP ROLE doctor_migrator")
    assert examination.exit_code == 0
    assert any(
        said.startswith("doctor_migrator may make roles and act as indelible_owner") for said in of(examination, "note")
    )


def test_a_name_that_indelible_does_not_use_is_a_warning(one_login: Clone) -> None:
    one_login.execute("CREATE FUNCTION public.pi() RETURNS float8 LANGUAGE sql AS 'SELECT 3'")
    examination = one_login.examined()
    assert examination.exit_code == 0
    assert any(said.startswith("The function public.pi()") for said in of(examination, "warning"))


# --- what has to go on


@pytest.mark.parametrize(
    ("ahead", "grade", "said"),
    [
        (timedelta(seconds=1), "ok", "This host's clock and PostgreSQL's agree (within 2 s)."),
        (timedelta(seconds=10), "warning", "This host's clock and PostgreSQL's are 10."),
        (timedelta(seconds=-10), "warning", "This host's clock and PostgreSQL's are 10."),
        (timedelta(minutes=5), "hole", "This host's clock and PostgreSQL's are 30"),
        (timedelta(minutes=-5), "hole", "This host's clock and PostgreSQL's are 30"),
    ],
)
def test_the_clock(one_login: Clone, ahead: timedelta, grade: str, said: str) -> None:
    # What it takes to ask counts for the clocks: a tenth of a second less, at most.
    examination = one_login.examined(lambda: datetime.now(UTC) + ahead * 1.005)
    assert [s[: len(said)] for s in of(examination, grade) if "clock" in s] == [said]
    assert examination.exit_code == (grade == "hole")


def test_months_that_are_missing(one_login: Clone) -> None:
    """Their partitions are not tried on either."""
    one_login.execute(
        *(f"DROP TABLE indelible.events_{month}, indelible.event_personal_{month}" for month in MONTHS[1:])
    )
    said = f"There are no partitions for {MONTHS[1].replace('_', '-')}: the next event has to make them first."
    assert said in of(one_login.examined(), "warning")
    one_login.execute(f"DROP TABLE indelible.events_{MONTH}, indelible.event_personal_{MONTH}")
    examination = one_login.examined()
    assert (of(examination, "hole"), succeeded(examination), examination.exit_code) == ([], {}, 0)
    assert not any("MONTH" in attempt.name or "2" in attempt.name for attempt in examination.attempts)


def test_a_ledger_that_is_not_signed_any_more_is_a_hole(one_login: Clone) -> None:
    one_login.execute("INSERT INTO indelible.refusals VALUES ('acme', 'indelible.local/x', 'entry 3 differs')")
    (said,) = of(one_login.examined(), "hole")
    assert said.endswith("indelible.local/x: entry 3 differs")


def test_nothing_was_ever_signed(one_login: Clone) -> None:
    one_login.execute("INSERT INTO indelible.ledgers (tenant_id, origin) VALUES ('acme', 'x')")
    assert any(said.startswith("Nothing was ever signed") for said in of(one_login.examined(), "warning"))


def test_keys(one_login: Clone) -> None:
    """Each kind is named by its hint, or its id where it has none; a key of today's, and one that ended, are not."""
    for name, hint, scopes, times in (
        ("fresh", "'ind_live_a…z'", "events:write", {}),
        ("lies about", "'ind_live_b…z'", "events:write", {"created_at": "now() - interval '91 days'"}),
        ("in use", "'ind_live_c…z'", "events:write",
         {"created_at": "now() - interval '91 days'", "last_used_at": "now() - interval '1 day'"}),
        ("revoked", "NULL", "events:write", {"revoked_at": "now()"}),
        ("ends soon", "'ind_live_d…z'", "events:write", {"expires_at": "now() + interval '3 days'"}),
        ("old", "NULL", "events:write", {"key_id": "'0192f0c4-0000-7000-8000-000000000001'"}),
    ):  # fmt: skip
        columns = "".join(f", {column}" for column in times)
        values = "".join(f", {value}" for value in times.values())
        one_login.execute(
            f"INSERT INTO indelible.keys (name, hash, hint, scopes{columns}) "
            f"VALUES ('{name}', sha256('{name}'), {hint}, '{{{scopes}}}'{values})"
        )
    found: list[Check] = [check for check in one_login.examined().checks if check.area == "Keys"]
    assert [(check.grade, check.said) for check in found] == [
        ("warning", "Keys without an end that were not used for 90 days: ind_live_b…z."),
        ("warning", "Keys of an older form, which secret scanners do not know: 0192f0c4-0000-7000-8000-000000000001."),
        ("warning", "Keys that end within 14 days: ind_live_d…z."),
    ]  # fmt: skip


# --- what could not be done


def test_a_database_that_is_not_migrated(installs: Installs) -> None:
    install = installs(18, False)
    empty = install.databases.create("empty")
    try:
        with pytest.raises(StoreError, match="the database is not up to date"):
            asyncio.run(examine(Logins(empty.url)))
    finally:
        install.databases.drop(empty)


def test_no_database(one_login: Clone) -> None:
    nowhere = one_login.logins.url.replace(one_login.database.name, "nowhere")
    with pytest.raises(StoreUnavailable, match='database "nowhere" does not exist'):
        asyncio.run(examine(Logins(nowhere)))


def test_the_text_of_every_function_is_found_in_the_migrations(one_login: Clone) -> None:
    """PostgreSQL's own record of what ran, letter for letter."""
    query = "SELECT proname::text, prosrc FROM pg_proc WHERE pronamespace = 'indelible'::regnamespace"
    assert dict(rows(one_login.database, query)) == bodies()
    assert bodies().keys() == FUNCTIONS.keys()
