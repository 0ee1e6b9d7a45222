"""Checks of the server's other roles: those whom row security and privileges do not stop."""

from collections.abc import Iterator, Sequence

from indelible.store.doctor.expected import INTERNAL_ROLES, PREFIX, RUNTIME
from indelible.store.doctor.finding import Check
from indelible.store.doctor.patient import Login, rows
from indelible.store.session import Connection

__all__ = ["check_cluster"]

_AREA = "Roles"

_REACHES = {
    "SUPERUSER": "may do everything",
    "BYPASSRLS": "passes row security",
    "REPLICATION": "may copy the whole server",
    "pg_read_all_data": "reads every table, and partitions without row security",
    "pg_write_all_data": "writes into every table",
    "pg_execute_server_program": "runs programs on the server",
    "pg_read_server_files": "reads the server's files",
    "pg_write_server_files": "writes the server's files",
}

# Each power that a role has by itself: an attribute, or one of PostgreSQL's own roles whose member it is.
_POWERS = """
    SELECT rolname::text, power FROM pg_roles r, LATERAL (VALUES
        ('SUPERUSER', rolsuper), ('BYPASSRLS', rolbypassrls), ('REPLICATION', rolreplication)) p (power, has)
    WHERE has AND rolname NOT LIKE 'pg\\_%%'
    UNION ALL
    SELECT pg_get_userbyid(member)::text, pg_get_userbyid(roleid)::text FROM pg_auth_members
    WHERE pg_get_userbyid(roleid) = ANY (%s) AND pg_get_userbyid(member) NOT LIKE 'pg\\_%%'
    ORDER BY 1, 2
"""

# Who logs in and may act as whom, also through others. Superusers may as everybody: they are told of apart.
_WAYS = """
    SELECT l.rolname::text, r.rolname::text FROM pg_roles l, pg_roles r
    WHERE l.rolcanlogin AND NOT l.rolsuper AND pg_has_role(l.oid, r.oid, 'MEMBER') AND r.rolname = ANY (%s)
    ORDER BY 1, 2
"""


async def check_cluster(connection: Connection, logins: Sequence[Login]) -> list[Check]:
    """What the service's own logins have by themselves, and Indelible's roles, are checked with those."""
    predefined = [name for name in _REACHES if name.startswith("pg_")]
    powers: dict[str, list[str]] = {}
    for role, power in await rows(connection, _POWERS, predefined):
        powers.setdefault(role, []).append(power)
    ways: dict[str, list[str]] = {}
    for login, role in await rows(connection, _WAYS, list(powers)):
        ways.setdefault(role, []).append(login)
    known = {login.name for login in logins} | {PREFIX + role for role in (*RUNTIME, *INTERNAL_ROLES)}
    checks = [check for role, has in powers.items() for check in _power(role, has, ways.get(role, []), known)]
    if not checks:
        said = (
            "Nobody who logs in, but superusers, bypasses row security, replicates, reads or writes all data, or "
            "reaches the server's files and programs."
        )
        checks.append(Check(_AREA, "ok", said))
    return checks


def _power(role: str, has: Sequence[str], logins: Sequence[str], known: set[str]) -> Iterator[Check]:
    others = [login for login in logins if login != role]
    if role in known:
        return
    is_superuser = "SUPERUSER" in has
    what = ", ".join(f"{power} ({_REACHES[power]})" for power in has if not is_superuser or power == "SUPERUSER")
    fix = " ".join(
        f"REVOKE {power} FROM {role};" if power.startswith("pg_") else f"ALTER ROLE {role} NO{power};" for power in has
    )
    if others:
        names = f"{', '.join(others)} may act as {role}, which"
        fix = " ".join(f"REVOKE {role} FROM {login};" for login in others) + ("" if is_superuser else f" Or {fix}")
    elif is_superuser:
        return  # the superusers are told of by name
    else:
        names = role
    if logins:
        yield Check(_AREA, "hole", f"{names} has {what}: privileges on indelible do not stop that.", fix)
    else:
        yield Check(_AREA, "warning", f"{names} has {what}, though nobody who logs in may act as it yet.", fix)
