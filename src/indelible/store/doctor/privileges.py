"""Checks of privileges: PostgreSQL's catalogue compared with what is expected, in both directions."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from indelible.store.doctor.expected import FUNCTIONS, OF_A_MONTH, ON_A_MONTH, PREFIX, RUNTIME, TABLES
from indelible.store.doctor.finding import Check
from indelible.store.doctor.patient import rows
from indelible.store.session import Connection

__all__ = ["check_privileges"]

_AREA = "Privileges"


class _Grant(NamedTuple):
    role: str
    kind: str
    name: str
    part: str
    """A column, or "" for the whole."""
    privilege: str
    grantable: bool = False

    @property
    def what(self) -> str:
        """As GRANT and REVOKE name it."""
        column = f" ({self.part})" if self.part else ""
        place = "schema " if self.kind == "schema" else "function " if self.kind == "function" else ""
        return f"{self.privilege}{column} ON {place}{self.name}"


# Of what its owner has there is no word: they may give it to themselves.
_FOUND = """
    WITH acls(kind, name, part, owner, acl) AS (
        SELECT 'schema', nspname::text, '', nspowner, nspacl FROM pg_namespace WHERE nspname = 'indelible'
        UNION ALL SELECT 'table', 'indelible.' || relname, '', relowner, relacl FROM pg_class
            WHERE relnamespace = 'indelible'::regnamespace AND relkind NOT IN ('i', 'I')
        UNION ALL SELECT 'table', 'indelible.' || relname, attname::text, relowner, attacl
            FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 'indelible'::regnamespace
            AND NOT attisdropped
        UNION ALL SELECT 'function', format('indelible.%s(%s)', proname, oidvectortypes(proargtypes)), '', proowner,
            coalesce(proacl, acldefault('f', proowner)) FROM pg_proc WHERE pronamespace = 'indelible'::regnamespace
    )
    SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee)::text END, kind, name, part, privilege_type,
           is_grantable
    FROM acls, aclexplode(acl) WHERE grantee <> owner
"""

# Also what nobody granted yet, and what opens the way to more.
_BESIDES = """
    SELECT format('ALTER DEFAULT PRIVILEGES gives %%s on new objects of %%s to %%s', privilege_type,
                  pg_get_userbyid(defaclrole), CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END),
           format('ALTER DEFAULT PRIVILEGES FOR ROLE %%I REVOKE …', pg_get_userbyid(defaclrole))
    FROM pg_default_acl, aclexplode(defaclacl)
    WHERE pg_get_userbyid(defaclrole) LIKE 'indelible\\_%%' AND grantee <> defaclrole
    UNION ALL
    SELECT format('ALTER DEFAULT PRIVILEGES gives %%s on new %%s of %%s in the schema indelible to %%s', privilege_type,
                  CASE defaclobjtype WHEN 'r' THEN 'tables' WHEN 'f' THEN 'functions' WHEN 'S' THEN 'sequences'
                                     ELSE 'types' END,
                  pg_get_userbyid(defaclrole), CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END),
           format('ALTER DEFAULT PRIVILEGES FOR ROLE %%I IN SCHEMA indelible REVOKE …', pg_get_userbyid(defaclrole))
    FROM pg_default_acl, aclexplode(defaclacl)
    WHERE defaclnamespace = 'indelible'::regnamespace AND pg_get_userbyid(defaclrole) NOT LIKE 'indelible\\_%%'
      AND grantee <> defaclrole
    UNION ALL
    SELECT format('%%s may create schemas in the database', r), format('REVOKE CREATE ON DATABASE %%I FROM %%s',
           current_database(), CASE r WHEN 'public' THEN 'PUBLIC' ELSE quote_ident(r) END)
    FROM unnest(%s::text[]) r WHERE has_database_privilege(r, current_database(), 'CREATE')
        AND NOT coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = r), false)
    UNION ALL
    SELECT format('%%s may %%s %%s', CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END,
                  privilege_type, parname), format('REVOKE %%s ON PARAMETER %%s FROM …', privilege_type, parname)
    FROM pg_parameter_acl, aclexplode(paracl)
    WHERE grantee = 0 OR pg_get_userbyid(grantee) = ANY (%s)
"""

# Of whoever else may make something in the schema, wherever it is made. Functions and types are everybody's by default.
_DEFAULTS = """
    SELECT DISTINCT format('ALTER DEFAULT PRIVILEGES gives %s on whatever %s makes to %s, also in the schema indelible',
                           privilege_type, pg_get_userbyid(defaclrole),
                           CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END),
           format('ALTER DEFAULT PRIVILEGES FOR ROLE %I REVOKE …', pg_get_userbyid(defaclrole))
    FROM pg_default_acl, aclexplode(defaclacl)
    WHERE defaclnamespace = 0 AND pg_get_userbyid(defaclrole) NOT LIKE 'indelible\\_%' AND grantee <> defaclrole
      AND NOT (grantee = 0 AND defaclobjtype IN ('f', 'T')) AND defaclobjtype IN ('r', 'S', 'f', 'T')
      AND has_schema_privilege(defaclrole, 'indelible', 'CREATE') ORDER BY 1
"""

_PARTITIONS = "SELECT relname::text FROM pg_class WHERE relnamespace = 'indelible'::regnamespace AND relispartition"


async def check_privileges(connection: Connection, logins: Sequence[str]) -> list[Check]:
    found = {_Grant(*row) for row in await rows(connection, _FOUND)}
    partitions = await rows(connection, _PARTITIONS)
    wanted = set(_expected({f"indelible.{name}" for (name,) in partitions if OF_A_MONTH.fullmatch(name)}))
    runtime = [PREFIX + role for role in RUNTIME]
    besides = await rows(connection, _BESIDES, ["public", *logins, *runtime], [*logins, *runtime])
    checks = [
        Check(_AREA, "hole", f"{_holder(grant)} {grant.what}{_with(grant)}.", _revoked(grant, wanted))
        for grant in sorted(found - wanted)
    ]
    checks += [Check(_AREA, "hole", f"{said}.", f"{fix};") for said, fix in sorted(besides)]
    checks += [
        Check(
            _AREA, "warning", f"{grant.role} lacks {grant.what}: what the service does so fails.",
            f"GRANT {grant.what} TO {grant.role};",
        )
        for grant in sorted(wanted - found)
    ]  # fmt: skip
    defaults = [Check(_AREA, "warning", f"{said}.", f"{fix};") for said, fix in await rows(connection, _DEFAULTS)]
    if not checks:
        said = (
            f"The {len(wanted)} privileges on the schema, its tables, columns and functions are those that this "
            "version needs, and no others. Nobody has UPDATE, DELETE or TRUNCATE on events, event_personal, subtrees "
            "or checkpoints."
        )
        checks.append(Check(_AREA, "ok", said))
    return [*checks, *defaults]


def _expected(months: set[str]) -> Iterator[_Grant]:
    roles = {*(role for table in TABLES.values() for role in table)}
    roles |= {role for function in FUNCTIONS.values() for role in function.callers}
    for role in roles - {"owner"}:
        yield _Grant(PREFIX + role, "schema", "indelible", "", "USAGE")
    tables = {f"indelible.{name}": granted for name, granted in TABLES.items()} | dict.fromkeys(months, ON_A_MONTH)
    for table, granted in tables.items():
        for role, privileges in granted.items():
            for privilege, columns in privileges.items():
                for column in columns.split():
                    yield _Grant(PREFIX + role, "table", table, "" if column == "*" else column, privilege)
    for name, function in FUNCTIONS.items():
        for role in function.callers:
            yield _Grant(PREFIX + role, "function", f"indelible.{name}({function.arguments})", "", "EXECUTE")


def _revoked(grant: _Grant, wanted: set[_Grant]) -> str:
    """What takes it away; a privilege on a whole table takes those on its columns along, which are given back."""
    lost = [
        each
        for each in sorted(wanted)
        if not grant.part
        and each.part
        and (each.role, each.kind, each.name, each.privilege) == (grant.role, grant.kind, grant.name, grant.privilege)
    ]
    back = [f"GRANT {grant.privilege} ({', '.join(each.part for each in lost)}) ON {grant.name} TO {grant.role};"]
    return " ".join([f"REVOKE {grant.what} FROM {grant.role};", *(back if lost else [])])


def _holder(grant: _Grant) -> str:
    return "Everybody (PUBLIC) has" if grant.role == "PUBLIC" else f"{grant.role} has"


def _with(grant: _Grant) -> str:
    return ", and may grant it" if grant.grantable else ""
