"""Checks of what reaches into the schema from outside: views, functions, partitions, and what its roles own there."""

from collections.abc import Iterator

from indelible.store.doctor.expected import INTERNAL_ROLES, PREFIX, RUNTIME
from indelible.store.doctor.finding import Check
from indelible.store.doctor.patient import rows
from indelible.store.session import Connection

__all__ = ["check_outside"]

_AREA = "Outside"

# A rule, a trigger and the like belong to their relation. Publications, and what inherits, are told of apart.
_REACHING = """
    WITH ours(classid, objid) AS (
        SELECT 'pg_class'::regclass, oid FROM pg_class WHERE relnamespace = 'indelible'::regnamespace
        UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type WHERE typnamespace = 'indelible'::regnamespace
        UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace = 'indelible'::regnamespace
    ), found AS (
        SELECT d.classid, d.objid, coalesce(ev_class, tgrelid, polrelid, adrelid) AS relation
        FROM ours JOIN pg_depend d ON d.refclassid = ours.classid AND d.refobjid = ours.objid
        LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
        LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
        LEFT JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
        LEFT JOIN pg_attrdef a ON d.classid = 'pg_attrdef'::regclass AND a.oid = d.objid
        WHERE d.classid NOT IN ('pg_publication_rel'::regclass, 'pg_publication_namespace'::regclass,
                                'pg_event_trigger'::regclass)
    ), named AS (
        SELECT CASE WHEN relation IS NULL THEN classid ELSE 'pg_class'::regclass END AS classid,
               coalesce(relation, objid) AS objid FROM found
    )
    SELECT DISTINCT pg_describe_object(n.classid, n.objid, 0),
           coalesce((SELECT pg_get_userbyid(relowner)::text FROM pg_class c
                     WHERE n.classid = 'pg_class'::regclass AND c.oid = n.objid), '')
    FROM named n, pg_identify_object(n.classid, n.objid, 0) o
    WHERE coalesce(o.schema, '') NOT IN ('indelible', 'pg_toast')
      AND NOT (n.classid = 'pg_class'::regclass AND EXISTS (SELECT FROM pg_inherits WHERE inhrelid = n.objid))
    ORDER BY 1
"""

# Default privileges are told of with the privileges.
_OWNED = """
    SELECT DISTINCT pg_get_userbyid(d.refobjid)::text, pg_describe_object(d.classid, d.objid, d.objsubid)
    FROM pg_shdepend d LEFT JOIN pg_identify_object(d.classid, d.objid, 0) o ON true
    WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o' AND pg_get_userbyid(d.refobjid) = ANY (%s)
      AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND d.classid <> 'pg_default_acl'::regclass AND coalesce(o.schema, '') <> 'indelible'
      AND NOT (o.type = 'schema' AND o.identity = 'indelible')
    UNION ALL SELECT pg_get_userbyid(datdba)::text, 'database ' || datname FROM pg_database
    WHERE datname = current_database() AND pg_get_userbyid(datdba) = ANY (%s)
    ORDER BY 1, 2
"""

# Its text is all that PostgreSQL knows of what such a function reads.
_DEFINERS = """
    SELECT DISTINCT p.oid::regprocedure::text, pg_get_userbyid(proowner)::text
    FROM pg_proc p JOIN pg_roles r ON r.oid = proowner
    WHERE prosecdef AND pronamespace <> 'indelible'::regnamespace AND pg_get_userbyid(proowner) <> ALL (%s)
      AND prosrc || coalesce(pg_get_function_sqlbody(p.oid), '') || coalesce(proconfig::text, '') ~* 'indelible'
      AND (rolsuper OR EXISTS (SELECT FROM unnest(%s::text[]) o WHERE to_regrole(o) IS NOT NULL
                               AND pg_has_role(proowner, to_regrole(o), 'MEMBER')))
      AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid
                      AND e.deptype = 'e')
    ORDER BY 1
"""

_INHERITING = """
    SELECT c.oid::regclass::text, pg_get_userbyid(c.relowner)::text, p.oid::regclass::text,
           p.relnamespace = 'indelible'::regnamespace
    FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid JOIN pg_class p ON p.oid = inhparent
    WHERE (c.relnamespace = 'indelible'::regnamespace) <> (p.relnamespace = 'indelible'::regnamespace)
      AND c.relkind NOT IN ('i', 'I') ORDER BY 1
"""


async def check_outside(connection: Connection) -> list[Check]:
    ours = [PREFIX + role for role in (*RUNTIME, *INTERNAL_ROLES)]
    owned = await rows(connection, _OWNED, ours, ours)
    reaching = await rows(connection, _REACHING)
    told = {what for _, what in owned}
    checks = [
        *_owned(owned),
        *_reaching([(what, owner) for what, owner in reaching if what not in told]),
        *_definers(await rows(connection, _DEFINERS, ours, ours)),
        *_inheriting(await rows(connection, _INHERITING)),
    ]
    if not checks:
        said = (
            "Nothing in other schemas reads, refers to or continues what is in indelible, and no role of Indelible "
            "owns anything there."
        )
        checks.append(Check(_AREA, "ok", said))
    return checks


def _owned(found: list[tuple[str, str]]) -> Iterator[Check]:
    for role, what in found:
        yield Check(
            _AREA, "hole",
            f"{role} owns the {what}, outside of the schema indelible: what runs as its owner there has its rights.",
            "Find out who made it, and drop it or give it to another owner.",
        )  # fmt: skip


def _reaching(found: list[tuple[str, str]]) -> Iterator[Check]:
    for what, owner in found:
        belongs = f" of {owner}" if owner else ""
        yield Check(
            _AREA, "hole", f"The {what}{belongs} depends on what is in the schema indelible: it may show, or keep a "
            "copy of, what row security hides.", "Find out who made it and what for, and drop it.",
        )  # fmt: skip


def _definers(found: list[tuple[str, str]]) -> Iterator[Check]:
    for function, owner in found:
        yield Check(
            _AREA, "hole", f"The function {function} runs as {owner}, who may read and change everything, and its text "
            "names indelible.", f"Find out what it is for; DROP FUNCTION {function};",
        )  # fmt: skip


def _inheriting(found: list[tuple[str, str, str, bool]]) -> Iterator[Check]:
    for child, owner, parent, is_ours in found:
        if is_ours:
            said = (
                f"{child}, outside of the schema indelible, is a partition of {parent}: {owner}, its owner, may read "
                "and change the rows in it."
            )
            fix = f"Copy its rows; ALTER TABLE {parent} DETACH PARTITION {child};"
        else:
            said = f"{child} inherits from {parent}: who reads that reads this, past its row security."
            fix = f"ALTER TABLE {child} NO INHERIT {parent};"
        yield Check(_AREA, "hole", said, fix)
