"""Checks of what the schema consists of: tables, row security, triggers, functions, and nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from indelible.store.doctor.expected import (
    FUNCTIONS,
    OF_A_MONTH,
    PINNED,
    POLICIES,
    PREFIX,
    TABLES,
    TRIGGERS,
    TRIGGERS_OF_A_MONTH,
    Policy,
    bodies,
)
from indelible.store.doctor.finding import Check
from indelible.store.doctor.patient import rows
from indelible.store.session import Connection

__all__ = ["check_objects"]

Row = tuple[Any, ...]

_TABLES = """
    SELECT c.relname::text, pg_get_userbyid(c.relowner)::text, c.relrowsecurity, c.relforcerowsecurity,
           (SELECT p.relname::text FROM pg_inherits JOIN pg_class p ON p.oid = inhparent WHERE inhrelid = c.oid),
           c.relhasrules
    FROM pg_class c WHERE c.relnamespace = 'indelible'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1
"""

_POLICIES = """
    SELECT c.relname::text, polname::text, polpermissive,
           CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
                       ELSE 'ALL' END,
           ARRAY(SELECT CASE r WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(r)::text END
                 FROM unnest(polroles) r ORDER BY 1),
           pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
    FROM pg_policy JOIN pg_class c ON c.oid = polrelid WHERE c.relnamespace = 'indelible'::regnamespace ORDER BY 1, 2
"""

_TRIGGERS = """
    SELECT c.relname::text, tgname::text, tgenabled::text, pg_get_triggerdef(t.oid)
    FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
    WHERE c.relnamespace = 'indelible'::regnamespace AND NOT tgisinternal ORDER BY 1, 2
"""

_FUNCTIONS = """
    SELECT proname::text, oidvectortypes(proargtypes), prosrc, prosecdef, coalesce(proconfig::text[], '{}'),
           pg_get_userbyid(proowner)::text, (SELECT lanname::text FROM pg_language l WHERE l.oid = prolang),
           proleakproof, prosupport <> 0
    FROM pg_proc WHERE pronamespace = 'indelible'::regnamespace ORDER BY 1, 2
"""

# Whatever else may stand in a schema. A table's own row type, and the array types, come with it.
_STRAYS = """
    SELECT pg_describe_object('pg_class'::regclass, c.oid, 0) FROM pg_class c
        WHERE relnamespace = 'indelible'::regnamespace AND relkind NOT IN ('r', 'p', 'i', 'I')
    UNION ALL SELECT pg_describe_object('pg_type'::regclass, t.oid, 0) FROM pg_type t
        WHERE typnamespace = 'indelible'::regnamespace AND typrelid = 0 AND typelem = 0
    UNION ALL SELECT pg_describe_object('pg_operator'::regclass, oid, 0) FROM pg_operator
        WHERE oprnamespace = 'indelible'::regnamespace
    UNION ALL SELECT pg_describe_object('pg_opclass'::regclass, oid, 0) FROM pg_opclass
        WHERE opcnamespace = 'indelible'::regnamespace
    UNION ALL SELECT pg_describe_object('pg_collation'::regclass, oid, 0) FROM pg_collation
        WHERE collnamespace = 'indelible'::regnamespace
    UNION ALL SELECT pg_describe_object('pg_conversion'::regclass, oid, 0) FROM pg_conversion
        WHERE connamespace = 'indelible'::regnamespace
    UNION ALL SELECT pg_describe_object('pg_ts_config'::regclass, oid, 0) FROM pg_ts_config
        WHERE cfgnamespace = 'indelible'::regnamespace
    UNION ALL SELECT pg_describe_object('pg_statistic_ext'::regclass, oid, 0) FROM pg_statistic_ext
        WHERE stxnamespace = 'indelible'::regnamespace
    UNION ALL SELECT pg_describe_object('pg_rewrite'::regclass, r.oid, 0) FROM pg_rewrite r
        JOIN pg_class c ON c.oid = ev_class
        WHERE c.relnamespace = 'indelible'::regnamespace AND rulename <> '_RETURN'
"""

_SCHEMA_OWNER = "SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = 'indelible'"
_EVENT_TRIGGERS = """
    SELECT evtname::text, evtevent::text, evtfoid::regproc::text FROM pg_event_trigger WHERE evtenabled <> 'D'
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_event_trigger'::regclass AND objid = pg_event_trigger.oid
                    AND deptype = 'e')
"""

_MIGRATE = "Restore it as the migrations of this version make it, and find out who did this."


async def check_objects(connection: Connection) -> list[Check]:
    tables = await rows(connection, _TABLES)
    months = {name: parent for name, _, _, _, parent, _ in tables if _is_month(name, parent)}
    functions = await rows(connection, _FUNCTIONS)
    return [
        *_of("Tables", _tables(tables, months), f"{len(TABLES)} tables and {len(months)} partitions belong to "
             "indelible_owner, and there is nothing else in the schema."),
        *_of("Tables", _owner_and_strays(await rows(connection, _SCHEMA_OWNER), await rows(connection, _STRAYS))),
        *_of("Row security", _row_security(tables, months), "Row security is on for every table that holds anything, "
             "and forced for its owner too. (Partitions are read through their table; in them nobody has but INSERT.)"),
        *_of("Row security", _policies(await rows(connection, _POLICIES)), f"The {len(POLICIES)} policies are those "
             "that this version makes, in each word, and no others."),
        *_of("Triggers", _triggers(await rows(connection, _TRIGGERS), months), "Every trigger that refuses changes is "
             "there and enabled, on the tables and on each partition, and no others are."),
        *_of("Functions", _functions(functions), f"The {len(FUNCTIONS)} functions are, letter for letter, those of "
             "this version's migrations. Those that run as their owner look for names in pg_catalog alone."),
        *_of("Triggers", _event_triggers(await rows(connection, _EVENT_TRIGGERS))),
    ]  # fmt: skip


def _of(area: str, found: Iterator[tuple[str, str]], fine: str | None = None) -> list[Check]:
    """Each is a hole: what was found, and what to do. `fine` where there is none."""
    checks = [Check(area, "hole", said, fix) for said, fix in found]
    return checks or ([Check(area, "ok", fine)] if fine else [])


def _is_month(name: str, parent: str | None) -> bool:
    found = OF_A_MONTH.fullmatch(name)
    return found is not None and parent == found[1]


def _tables(tables: Sequence[Row], months: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    names = {name for name, *_ in tables}
    for lacking in sorted(TABLES.keys() - names):
        yield f"There is no table indelible.{lacking}.", _MIGRATE
    for name, owner, _, _, parent, _ in tables:
        if name not in TABLES and name not in months:
            what = f"a partition of {parent}" if parent else "a table"
            yield f"indelible.{name} is {what} that no migration makes.", "Find out what it is for."
        if owner != PREFIX + "owner":
            yield (
                f"indelible.{name} belongs to {owner}, who may do with it what they like.",
                f"ALTER TABLE indelible.{name} OWNER TO indelible_owner;",
            )


def _owner_and_strays(owner: Sequence[Row], strays: Sequence[Row]) -> Iterator[tuple[str, str]]:
    for (name,) in owner:
        if name != PREFIX + "owner":
            yield (f"The schema indelible belongs to {name}.", "ALTER SCHEMA indelible OWNER TO indelible_owner;")
    for (what,) in strays:
        yield f"There is a {what}, which no migration makes.", "Find out what it is for, and drop it."


def _row_security(tables: Sequence[Row], months: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, _, enabled, forced, _, _ in tables:
        if name in months or name == "migrations":
            continue
        if not enabled:
            yield (
                f"Row security of indelible.{name} is off: every row is seen by who may read one.",
                f"ALTER TABLE indelible.{name} ENABLE ROW LEVEL SECURITY;",
            )
        if not forced:
            yield (
                f"Row security of indelible.{name} is not forced: it does not hold for its owner's functions.",
                f"ALTER TABLE indelible.{name} FORCE ROW LEVEL SECURITY;",
            )


def _policies(found: Sequence[Row]) -> Iterator[tuple[str, str]]:
    there = {}
    for table, name, permissive, command, roles, using, check in found:
        there[table, name] = (
            permissive,
            Policy(" ".join(r.removeprefix(PREFIX) for r in roles), command, using, check),
        )
    for key, (permissive, policy) in there.items():
        table, name = key
        drop = f"DROP POLICY {name} ON indelible.{table};"
        shown = f"({policy.command} TO {policy.roles}, USING {policy.using}, WITH CHECK {policy.check})"
        if key not in POLICIES:
            yield f"The policy {name} on indelible.{table} is one that no migration makes {shown}.", drop
        elif not permissive or policy != POLICIES[key]:
            kind = "" if permissive else ", and restrictive"
            yield f"The policy {name} on indelible.{table} is not what the migrations make {shown}{kind}.", _MIGRATE
    for table, name in sorted(POLICIES.keys() - there.keys()):
        yield f"There is no policy {name} on indelible.{table}.", _MIGRATE


def _triggers(found: Sequence[Row], months: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    wanted = dict(TRIGGERS) | {name: TRIGGERS_OF_A_MONTH[parent] for name, parent in months.items()}
    there: dict[str, dict[str, tuple[str, str]]] = {}
    for table, name, enabled, definition in found:
        there.setdefault(table, {})[name] = (enabled, definition)
    for table in sorted(wanted.keys() | there.keys()):
        for name in sorted(wanted.get(table, {}).keys() | there.get(table, {}).keys()):
            if name not in there.get(table, {}):
                yield f"The trigger {name} on indelible.{table} is gone: what it refuses is done.", _MIGRATE
                continue
            enabled, definition = there[table][name]
            if name not in wanted.get(table, {}):
                yield (
                    f"The trigger {name} on indelible.{table} is one that no migration makes: {definition}.",
                    f"DROP TRIGGER {name} ON indelible.{table};",
                )
                continue
            before, after = wanted[table][name]
            if definition != f"CREATE TRIGGER {name} {before} ON indelible.{table} {after}":
                yield (
                    f"The trigger {name} on indelible.{table} is not what the migrations make: {definition}.",
                    _MIGRATE,
                )
            if enabled not in ("O", "A"):
                how = "disabled" if enabled == "D" else "enabled for replicas only"
                yield (
                    f"The trigger {name} on indelible.{table} is {how}: what it refuses is done.",
                    f"ALTER TABLE indelible.{table} ENABLE TRIGGER {name};",
                )


def _functions(found: Sequence[Row]) -> Iterator[tuple[str, str]]:
    there: set[str] = set()
    for name, arguments, source, definer, config, owner, language, leakproof, supported in found:
        shown = f"indelible.{name}({arguments})"
        wanted = FUNCTIONS.get(name)
        if wanted is None or arguments != wanted.arguments:
            yield f"The function {shown} is one that no migration makes.", f"DROP FUNCTION {shown};"
            continue
        there.add(name)
        if source != bodies()[name] or language not in ("sql", "plpgsql"):
            yield (
                f"The function {shown} does not do what this version's migrations say: its text was altered.",
                _MIGRATE,
            )
        if definer != wanted.definer:
            runs = "its owner" if definer else "who calls it"
            yield f"The function {shown} runs as {runs}, and should not.", _MIGRATE
        if leakproof:
            yield (
                f"The function {shown} is LEAKPROOF: it may be called on rows before row security hides them.",
                f"ALTER FUNCTION {shown} NOT LEAKPROOF;",
            )
        if supported:
            yield f"The function {shown} has a planner's support function, which no migration gives it.", _MIGRATE
        if owner != PREFIX + wanted.owner:
            fix = f"ALTER FUNCTION {shown} OWNER TO {PREFIX}{wanted.owner};"
            yield f"The function {shown} belongs to {owner}, and should to {PREFIX}{wanted.owner}.", fix
        if list(config) != [*([PINNED] if wanted.pinned else []), *wanted.settings]:
            said = ", ".join(config) or "no search_path of its own: it looks for names where its caller says"
            fix = _MIGRATE if wanted.settings else f"ALTER FUNCTION {shown} SET {PINNED};"
            yield f"The function {shown} has {said}.", fix
    for lacking in sorted(FUNCTIONS.keys() - there):
        yield f"There is no function indelible.{lacking}({FUNCTIONS[lacking].arguments}).", _MIGRATE


def _event_triggers(found: Sequence[Row]) -> Iterator[tuple[str, str]]:
    for name, event, function in found:
        yield (
            f"The event trigger {name} runs {function} on every {event} in this database, also when migrations run.",
            f"Find out what it is for; DROP EVENT TRIGGER {name};",
        )
