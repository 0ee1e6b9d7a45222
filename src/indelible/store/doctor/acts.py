"""What must not be possible. Each act is harmless where it is possible after all: it is rolled back at once.

Left out is what PostgreSQL would lock a table for before it refuses (CREATE TRIGGER, CREATE RULE), and what no
rollback undoes (ALTER SYSTEM). In statements `{mine}`, `{other}` and `{person}` stand for the scene's names, MONTH for
its month.
"""

from collections.abc import Iterator, Sequence

from indelible.store.doctor.act import CALLS, MINE, OTHER, SAVE, SPRUNG, VIEW, Act, callers
from indelible.store.doctor.expected import FUNCTIONS, PREFIX
from indelible.store.doctor.glances import glances
from indelible.store.session import Role

# ruff: noqa: S608 - no name in a statement comes from outside

__all__ = ["acts", "acts_of_login"]

_CHANGING = "Changing what was recorded"
_DISMANTLING = "Taking the locks off"
_WRITING = "Writing what is not for the role"
_RISING = "Becoming somebody else"
_PLANTING = "Planting names"
_LEAVING = "Leaving the database"

_TYPES = (
    "CREATE FUNCTION pg_temp.sprung(value pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN "
    f"RAISE EXCEPTION 'the planted type was used as %', current_user USING ERRCODE = '{SPRUNG}'; END $$",
    "CREATE DOMAIN pg_temp.text AS pg_catalog.text DEFAULT 'x' CHECK (pg_temp.sprung(VALUE))",
    "SET LOCAL search_path = pg_temp, pg_catalog",
)


def acts(schemas: Sequence[str]) -> Iterator[Act]:
    """For every role, and for the login itself. `schemas`: where it may look for names."""
    yield from _changing()
    yield from _dismantling()
    yield from glances()
    yield from _writing()
    yield from _planting(schemas)
    yield from _leaving()


def _changing() -> Iterator[Act]:
    for table in ("events", "events_MONTH"):
        yield _act(
            _CHANGING,
            f"UPDATE {table}",
            f"UPDATE indelible.{table} SET action = 'x' WHERE tenant_id = {{mine}} AND seq = 0",
        )
    for table in ("event_personal", "event_personal_MONTH"):
        yield _act(
            _CHANGING,
            f"UPDATE {table}",
            f"UPDATE indelible.{table} SET actor = '[]' WHERE tenant_id = {{mine}} AND seq = 0",
        )
    yield _act(
        _CHANGING, "UPDATE subtrees", "UPDATE indelible.subtrees SET root = sha256('x') WHERE tenant_id = {mine}"
    )
    yield _act(_CHANGING, "UPDATE checkpoints", "UPDATE indelible.checkpoints SET note = 'x' WHERE tenant_id = {mine}")
    yield _act(
        _CHANGING, "UPDATE ledgers: its origin", "UPDATE indelible.ledgers SET origin = 'x' WHERE tenant_id = {mine}"
    )
    yield _act(_CHANGING, "UPDATE keys: its scopes", "UPDATE indelible.keys SET scopes = '{{}}' WHERE false")
    tables = ("events", "events_MONTH", "event_personal", "event_personal_MONTH", "ledgers", "subtrees", "checkpoints")
    for table in tables:
        yield _act(_CHANGING, f"DELETE FROM {table}", f"DELETE FROM indelible.{table} WHERE tenant_id = {{mine}}")
    yield _act(_CHANGING, "DELETE FROM keys", "DELETE FROM indelible.keys WHERE false")
    for table in (*tables, "keys"):
        yield _act(_CHANGING, f"TRUNCATE {table}", f"TRUNCATE indelible.{table}")
    yield Act(
        _CHANGING, "make a ledger shorter",
        (MINE, "UPDATE indelible.ledgers SET size = 0, head = NULL, frontier = '' WHERE tenant_id = {mine}"),
        control=(MINE, "SELECT size FROM indelible.ledgers WHERE tenant_id = {mine}"),
    )  # fmt: skip
    yield Act(
        _CHANGING, "erase without a record in the ledger",
        (MINE, "SELECT * FROM indelible.erase_disclosures(0, '{{0}}', '{{actor}}')"),
    )  # fmt: skip
    made = (
        "INSERT INTO indelible.keys (name, hash, scopes, revoked_at, expires_at) "
        "VALUES ('doctor', sha256(uuid_send(gen_random_uuid())), '{{}}', now(), now())"
    )
    control = frozenset[Role]({"control"})
    for name, change in (
        ("bring back a key that was revoked", "revoked_at = NULL"),
        ("make a key last longer", "expires_at = NULL"),
    ):
        yield Act(
            _CHANGING, name, (made, f"UPDATE indelible.keys SET {change} WHERE name = 'doctor' AND created_at > now()"),
            only=control,
        )  # fmt: skip


def _dismantling() -> Iterator[Act]:
    for name, statement in (
        ("disable a trigger", "ALTER TABLE indelible.events DISABLE TRIGGER append_only"),
        ("disable a partition's triggers", "ALTER TABLE indelible.events_MONTH DISABLE TRIGGER ALL"),
        ("drop a trigger", "DROP TRIGGER append_only ON indelible.events"),
        ("replace a trigger's function",
         "CREATE OR REPLACE FUNCTION indelible.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"),
        ("alter a function", "ALTER FUNCTION indelible.search RESET search_path"),
        ("switch row security off", "ALTER TABLE indelible.events DISABLE ROW LEVEL SECURITY"),
        ("drop a policy", "DROP POLICY of_tenant ON indelible.events"),
        ("drop a table", "DROP TABLE indelible.events"),
        ("drop a partition", "DROP TABLE indelible.events_MONTH"),
        ("detach a partition", "ALTER TABLE indelible.events DETACH PARTITION indelible.events_MONTH"),
        ("change a column", "ALTER TABLE indelible.events DROP COLUMN entry"),
        ("take a table", "ALTER TABLE indelible.events OWNER TO CURRENT_USER"),
        ("lock a table", "LOCK TABLE indelible.events IN ACCESS EXCLUSIVE MODE NOWAIT"),
        ("stop all triggers", "SET LOCAL session_replication_role = replica"),
    ):  # fmt: skip
        yield _act(_DISMANTLING, name, statement)
    yield Act(
        _DISMANTLING, "grant a privilege",
        ("GRANT DELETE ON indelible.events TO PUBLIC",
         "SELECT true WHERE has_table_privilege(current_user, 'indelible.events', 'DELETE')"), "no effect",
        vain="no privilege was granted",
    )  # fmt: skip


def _writing() -> Iterator[Act]:
    def act(table: str, *but: Role) -> Act:
        return Act(
            _WRITING,
            f"INSERT INTO {table}",
            (MINE, f"INSERT INTO indelible.{table} DEFAULT VALUES"),
            but=frozenset(but),
        )

    yield act("events")
    yield act("event_personal")
    yield act("events_MONTH", "writer")
    yield act("event_personal_MONTH", "writer")
    yield act("subtrees", "writer")
    yield act("directory", "writer")
    yield act("checkpoints", "signer")
    yield act("keys", "control")
    yield act("tenant_settings", "control")
    yield act("revoked_tokens", "control")
    yield act("saved_views", "control")
    yield Act(
        _WRITING, "INSERT INTO ledgers", (MINE, "INSERT INTO indelible.ledgers (tenant_id, origin) VALUES ('x', 'x')")
    )
    yield Act(
        _WRITING, "INSERT INTO checkpoints of another tenant",
        (MINE, "INSERT INTO indelible.checkpoints (tenant_id, size, previous, note) VALUES ('x', 1, 0, '')"),
    )  # fmt: skip
    for table, role, values in (
        ("directory", "writer", "(tenant_id, kind, value) VALUES ({other}, 'name', 'doctor')"),
        ("saved_views", "control", VIEW),
    ):
        yield Act(
            _WRITING, f"INSERT INTO {table} of another tenant", (MINE, f"INSERT INTO indelible.{table} {values}"),
            only=frozenset[Role]({role}),  # type: ignore[arg-type]
        )  # fmt: skip
    for change in ("UPDATE indelible.saved_views SET name = 'doctor'", "DELETE FROM indelible.saved_views"):
        statement = f"{change} WHERE tenant_id = {{other}}"
        yield Act(
            _WRITING, f"{change.split()[0]} saved_views of another tenant", (OTHER, SAVE, MINE, statement), "no rows",
            only=frozenset[Role]({"control"}), control=(OTHER, SAVE, statement),
        )  # fmt: skip
    yield _act(_WRITING, "UPDATE installation", "UPDATE indelible.installation SET epoch = 0 WHERE false")
    yield _act(_WRITING, "INSERT INTO migrations", "INSERT INTO indelible.migrations DEFAULT VALUES")


def _planting(schemas: Sequence[str]) -> Iterator[Act]:
    for schema in dict.fromkeys(("indelible", "pg_catalog", *schemas)):
        quoted = '"' + schema.replace('"', '""').replace("{", "{{").replace("}", "}}") + '"'
        yield _act(
            _PLANTING, f"a function in {schema}",
            f"CREATE FUNCTION {quoted}.indelible_doctor() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        )  # fmt: skip
    yield _act(_PLANTING, "a table in indelible", "CREATE TABLE indelible.indelible_doctor ()")
    yield _act(_PLANTING, "a schema", "CREATE SCHEMA indelible_doctor")
    for name, function in FUNCTIONS.items():
        # Of all entries there may be too many to go through.
        if function.definer and function.callers and name != "tenants_with_entries":
            # These run as their owner: if they took a type of the caller's own, its check would run as the owner.
            yield Act(
                _PLANTING,
                f"a type that {name}() would use",
                (MINE, *_TYPES, CALLS[name]),
                "no trap",
                only=callers(name),
                vain="the planted type was not used",
            )


def _leaving() -> Iterator[Act]:
    for name, statement in (
        ("read a file of the server", "SELECT pg_read_file('PG_VERSION')"),
        ("load a file of the server", "SELECT lo_import('PG_VERSION')"),
        ("run a program on the server", "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'"),
    ):
        yield _act(_LEAVING, name, statement)


def acts_of_login(login: str, roles: Sequence[str], superusers: Sequence[str]) -> Iterator[Act]:
    """For the login as itself, who may take `roles` in no case. Names are quoted already."""
    for role in (*roles, *superusers):
        yield _act(_RISING, f"SET ROLE {role}", f"SET LOCAL ROLE {role}")
    for name in superusers[:1]:
        yield _act(_RISING, f"SET SESSION AUTHORIZATION {name}", f"SET LOCAL SESSION AUTHORIZATION {name}")
    for name, statement in (
        ("become a superuser", f"ALTER ROLE {login} SUPERUSER"),
        ("bypass row security", f"ALTER ROLE {login} BYPASSRLS"),
        ("have a role bypass it", f"ALTER ROLE {PREFIX}reader BYPASSRLS"),
        ("log in as a role", f"ALTER ROLE {PREFIX}owner LOGIN PASSWORD 'x'"),
        ("grant oneself the owner", f"GRANT {PREFIX}owner TO {login}"),
        ("grant oneself all data", f"GRANT pg_read_all_data TO {login}"),
        ("make a role", "CREATE ROLE indelible_doctor"),
        ("have no trigger fire from now on", f"ALTER ROLE {login} SET session_replication_role = replica"),
    ):
        yield _act(_RISING, name, statement)


def _act(area: str, name: str, statement: str) -> Act:
    return Act(area, name, (MINE, statement))
