"""Checks of where the logins look for names: whoever may put a function there may have it called instead of another."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from indelible.store.doctor.expected import PREFIX, RUNTIME, bodies
from indelible.store.doctor.finding import Check, Grade
from indelible.store.doctor.patient import Login, rows
from indelible.store.session import Connection

__all__ = ["check_names", "schemas_of"]

_AREA = "Names"

# What an extension brings was installed by somebody who may install extensions.
_SHADOWS = """
    WITH found(classid, objid, kind, name, schema) AS (
        SELECT 'pg_proc'::regclass, oid, 'function', proname, pronamespace FROM pg_proc p
        WHERE EXISTS (SELECT FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = p.proname)
        UNION ALL SELECT 'pg_operator'::regclass, oid, 'operator', oprname, oprnamespace FROM pg_operator o
        WHERE EXISTS (SELECT FROM pg_operator WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprname = o.oprname)
        UNION ALL SELECT 'pg_type'::regclass, oid, 'type', typname, typnamespace FROM pg_type t
        WHERE EXISTS (SELECT FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typname = t.typname)
        UNION ALL SELECT 'pg_class'::regclass, oid, 'relation', relname, relnamespace FROM pg_class r
        WHERE EXISTS (SELECT FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relname = r.relname)
    )
    SELECT kind, name::text, nspname::text, pg_describe_object(classid, objid, 0)
    FROM found f JOIN pg_namespace n ON n.oid = schema
    WHERE nspname = ANY (%s)
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = f.classid AND d.objid = f.objid AND d.deptype = 'e')
    ORDER BY 1, 3, 4
"""

_CREATORS = """
    SELECT n.nspname::text, array_agg(r::text ORDER BY r) FROM pg_namespace n, unnest(%s::text[]) r
    WHERE n.nspname = ANY (%s) AND has_schema_privilege(r, n.oid, 'CREATE')
      AND NOT coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = r), false)
    GROUP BY 1 ORDER BY 1
"""

_SET_FOR_LOGINS = """
    SELECT CASE s.setrole WHEN 0 THEN 'this database' ELSE pg_get_userbyid(s.setrole)::text END,
           split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1)
    FROM pg_db_role_setting s, unnest(setconfig) setting
    WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
      AND (s.setrole = 0 OR pg_get_userbyid(s.setrole) = ANY (%s)) ORDER BY 1, 2
"""

_DANGEROUS = re.compile(r"session_replication_role|role|.*_preload_libraries|indelible\..*|allow_system_table_mods")


async def schemas_of(login: Login) -> list[str]:
    """Where the login looks for names by default, in that order; without pg_catalog, which comes first, and the
    session's own."""
    ((path,),) = await rows(login.connection, "SELECT current_schemas(false)::text[]")
    return [schema for schema in path if schema != "pg_catalog" and not schema.startswith("pg_temp_")]


async def check_names(connection: Connection, logins: Sequence[Login], path: Sequence[str]) -> list[Check]:
    """`path`: the schemas in which one of the logins looks for names."""
    names = [login.name for login in logins]
    everybody = ["public", *names, *(PREFIX + role for role in RUNTIME)]
    looked_at = [*dict.fromkeys(["indelible", *path])]
    checks = [
        *_creators(await rows(connection, _CREATORS, everybody, looked_at)),
        *_shadows(await rows(connection, _SHADOWS, [schema for schema in path if schema != "indelible"])),
        *_set(await rows(connection, _SET_FOR_LOGINS, [*names, *everybody])),
    ]
    if not checks:
        shown = ", ".join(path) or "pg_catalog alone"
        said = (
            "No login and no role may create anything in the schema indelible or where logins look for names "
            f"({shown}), and nothing there is named like something of PostgreSQL's own."
        )
        checks.append(Check(_AREA, "ok", said))
    return checks


def _creators(found: Sequence[tuple[Any, ...]]) -> Iterator[Check]:
    for schema, holders in found:
        who = "PUBLIC" if "public" in holders else ", ".join(holders)
        yield Check(
            _AREA, "hole", f"{who} may create functions, types and tables in the schema {schema}.",
            f"REVOKE CREATE ON SCHEMA {schema} FROM {who};",
        )  # fmt: skip


def _shadows(found: Sequence[tuple[Any, ...]]) -> Iterator[Check]:
    used = {word for body in bodies().values() for word in re.findall(r"\w+", body)}
    for kind, name, schema, described in found:
        # Of a function the name alone says little: many are called like one of the 3,000 of PostgreSQL's own.
        grade: Grade = "hole" if kind == "operator" or name in used else "warning"
        article = "an" if kind == "operator" else "a"
        why = "which Indelible uses" if grade == "hole" else "which Indelible does not use"
        yield Check(
            _AREA, grade,
            f"The {described} in schema {schema} has the name of {article} {kind} of PostgreSQL's own, {why}: who "
            "looks there may get this one instead.",
            f"Find out who made it; ALTER ROLE … SET search_path = pg_catalog; for the logins that look in {schema}.",
        )  # fmt: skip


def _set(found: Sequence[tuple[Any, ...]]) -> Iterator[Check]:
    for where, name, value in found:
        fix = f"ALTER {'DATABASE' if where == 'this database' else 'ROLE'} … RESET {name};"
        if name == "row_security" and value != "on":
            said = f"row_security is set to {value!r} for {where}: reads fail that do not set it themselves."
            yield Check(_AREA, "warning", said, fix)
        if name == "search_path" and (strange := _strange(value)):
            said = f"search_path is set to {value!r} for {where}: names are looked for in {', '.join(strange)}."
            yield Check(_AREA, "warning", said, fix)
        if _DANGEROUS.fullmatch(name) and not (name == "session_replication_role" and value == "origin"):
            said = f"{name} is set to {value!r} for {where}, wherever one logs in."
            yield Check(_AREA, "hole", said, fix)


def _strange(path: str) -> list[str]:
    """The schemas of a search_path that are neither PostgreSQL's own nor the default; pg_temp where it is not last."""
    schemas = [schema.strip().strip('"') for schema in path.split(",")]
    found = [schema for schema in schemas if schema not in ("", "pg_catalog", "public", "$user", "pg_temp")]
    return found + (["pg_temp"] if "pg_temp" in schemas[:-1] else [])
