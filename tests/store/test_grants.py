"""The privileges in the database. GRANTS is the whole list: PostgreSQL's catalogue is compared with it, and each
role tries everything besides.
"""

from collections.abc import Iterator, Mapping

import pytest

from indelible.store.embedded import LOGINS, SERVICE_ROLE
from tests.postgres import Database
from tests.store.acting import EVENTS, PERSONAL, ROLES, RUNTIME, acting, refusal
from tests.store.samples import rows

Tables = Mapping[str, Mapping[str, str]]

GRANTS: Mapping[str, Tables] = {
    "indelible_writer": {
        "ledgers": {"SELECT": "*", "INSERT": "tenant_id origin", "UPDATE": "size head frontier recorded_at"},
        "events": {"SELECT": "tenant_id seq recorded_at id leaf_hash"},
        "event_personal": {"SELECT": "tenant_id seq recorded_at fingerprint"},
        "directory": {"INSERT": "*"},
        "subtrees": {"INSERT": "*"},
        "migrations": {"SELECT": "*"},
        EVENTS: {"INSERT": "*"},
        PERSONAL: {"INSERT": "*"},
    },
    "indelible_reader": {
        "ledgers": {"SELECT": "*"},
        "events": {"SELECT": "*"},
        "event_personal": {
            "SELECT": "tenant_id seq recorded_at occurred_at search actor changes context metadata targets erased"
        },
        "directory": {"SELECT": "*"},
        "subtrees": {"SELECT": "*"},
        "checkpoints": {"SELECT": "*"},
        "signers": {"SELECT": "*"},
        "migrations": {"SELECT": "*"},
    },
    "indelible_member": {"events": {"SELECT": "*"}},
    "indelible_searcher": {
        "events": {"SELECT": "tenant_id seq recorded_at actor_type actor_id target_type target_id other_users"},
        "event_personal": {"SELECT": "tenant_id seq recorded_at occurred_at search"},
        "tenant_settings": {"SELECT": "*"},
    },
    "indelible_control": {
        "ledgers": {"SELECT": "*"},
        "keys": {"SELECT": "*", "INSERT": "*", "UPDATE": "expires_at revoked_at last_used_at last_used_ip"},
        "installation": {"SELECT": "*"},
        "tenant_settings": {"SELECT": "*", "INSERT": "*", "UPDATE": "member_access member_sees changed_at"},
        "revoked_tokens": {"SELECT": "*", "INSERT": "*", "UPDATE": "revoked_at", "DELETE": "*"},
        "usage": {"SELECT": "*", "INSERT": "*", "UPDATE": "used", "DELETE": "*"},
        "saved_views": {"SELECT": "*", "INSERT": "*", "UPDATE": "name query changed_at", "DELETE": "*"},
        "checkpoints": {"SELECT": "tenant_id size signed_at"},
        "signers": {"SELECT": "*"},
        "refusals": {"SELECT": "*"},
        "migrations": {"SELECT": "*"},
    },
    "indelible_signer": {
        "ledgers": {"SELECT": "*"},
        "events": {"SELECT": "tenant_id seq leaf_hash"},
        "subtrees": {"SELECT": "*"},
        "checkpoints": {"SELECT": "*", "INSERT": "*"},
        "signers": {"SELECT": "*", "INSERT": "*"},
        "refusals": {"SELECT": "*", "INSERT": "*", "UPDATE": "*", "DELETE": "*"},
    },
    "indelible_keeper": {},
}
FUNCTIONS = {
    "indelible_writer": {"hold_heads", "move_heads", "ensure_month"},
    "indelible_reader": {"search", "timeline", "events_at"},
    "indelible_member": {"own_personal", "search_own"},
    "indelible_searcher": {
        "search",
        "search_own",
        "tenants_with_entries",
        "base64url",
        "word_prefix",
        "hidden_words",
    },
    "indelible_control": {"ensure_month", "tenants_with_entries"},
    "indelible_keeper": {"erase_disclosures"},
}
INTERNAL = {
    "refuse", "only_forward", "only_erased", "only_ends", "only_later", "new_epoch",
    "base64url", "disclosure_digest", "records_erasure", "words_of_groups",
}  # fmt: skip
"""Functions that nobody calls: triggers, and what the others use."""

SECURED = {
    "ledgers", "events", "event_personal", "keys", "subtrees", "checkpoints", "signers", "refusals",
    "installation", "tenant_settings", "revoked_tokens", "usage", "directory", "saved_views",
}  # fmt: skip


def columns(database: Database) -> dict[str, list[str]]:
    query = """
        SELECT c.relname, array_agg(a.attname::text) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'indelible'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0
            AND NOT a.attisdropped GROUP BY 1
    """
    wanted = {*SECURED, "migrations", EVENTS, PERSONAL}
    return {table: names for table, names in rows(database, query) if table in wanted}


def granted(role: str) -> Iterator[tuple[str, str, str]]:
    """What GRANTS says of a role as (table, privilege, columns)."""
    for table, privileges in GRANTS.get(role, {}).items():
        for privilege, names in privileges.items():
            yield table, privilege, names


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
    assert {name for name, _ in functions} == INTERNAL.union(*FUNCTIONS.values())
    with acting(filled, role) as connection:
        callable_ = {
            name
            for name, arguments in functions
            if not refusal(connection, f"SELECT indelible.{name}({', '.join(['NULL'] * arguments)})").startswith(
                "permission denied"
            )
        }
    assert callable_ == set(FUNCTIONS.get(role, ()))


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
                FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
                WHERE relnamespace = 'indelible'::regnamespace AND NOT attisdropped
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
    assert secured == SECURED
    partitions = {name for name, *_, partition in found if partition}
    assert partitions == {name for month in months_ahead(filled) for name in month}
    assert {name for name, *_ in found} == secured | partitions | {"migrations"}


def test_every_partition_has_the_triggers(filled: Database) -> None:
    query = """
        SELECT tgrelid::regclass::text, array_agg(tgname::text ORDER BY tgname) FROM pg_trigger
        WHERE tgenabled = 'O' GROUP BY 1
    """
    found = {name.removeprefix("indelible."): names for name, names in rows(filled, query)}
    for events, personal in [("events", "event_personal"), *months_ahead(filled)]:
        assert found.pop(events) == ["append_only", "never_truncated"]
        assert found.pop(personal) == ["never_deleted", "never_truncated", "only_erased"]
    assert found == {
        "ledgers": ["never_deleted", "never_truncated", "only_forward"],
        "subtrees": ["append_only", "never_truncated"],
        "checkpoints": ["append_only", "never_truncated"],
        "keys": ["never_deleted", "never_truncated", "new_epoch", "only_ends"],
        "tenant_settings": ["new_epoch"],
        "revoked_tokens": ["new_epoch", "only_later"],
    }


def test_what_runs_as_the_owner_looks_for_names_in_the_catalogue_alone(filled: Database) -> None:
    """pg_temp has to be named, and last: otherwise it is searched first, for tables and types."""
    query = """
        SELECT proname, proconfig, proowner::regrole::text FROM pg_proc
        WHERE pronamespace = 'indelible'::regnamespace AND prosecdef ORDER BY proname
    """
    pinned = ["search_path=pg_catalog, pg_temp"]
    by_words = [
        *pinned, "plan_cache_mode=force_generic_plan",
        "enable_seqscan=off", "enable_indexscan=off", "enable_indexonlyscan=off",
    ]  # fmt: skip
    assert rows(filled, query) == [
        ("ensure_month", pinned, "indelible_owner"),
        ("erase_disclosures", pinned, "indelible_owner"),
        ("new_epoch", pinned, "indelible_owner"),
        ("own_personal", pinned, "indelible_owner"),
        ("search", by_words, "indelible_searcher"),
        ("search_own", by_words, "indelible_searcher"),
        ("tenants_with_entries", pinned, "indelible_searcher"),
    ]


def test_the_roles_themselves_can_do_nothing(filled: Database) -> None:
    query = """
        SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'indelible\\_%%'
        AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls OR rolcanlogin OR rolinherit)
    """
    logins = {SERVICE_ROLE, *LOGINS.values()}
    assert {name for (name,) in rows(filled, query)} == logins
    query = """
        SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'indelible\\_%%'
        AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls OR rolinherit)
    """
    assert rows(filled, query) == []
    query = """
        SELECT member::regrole::text, roleid::regrole::text, admin_option FROM pg_auth_members
        WHERE roleid::regrole::text LIKE 'indelible%%' OR member::regrole::text LIKE 'indelible%%'
    """
    members = {(SERVICE_ROLE, role, False) for role in RUNTIME}
    assert set(rows(filled, query)) == members | {("indelible_owner", "indelible_searcher", False)}
