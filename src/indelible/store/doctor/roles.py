"""Checks of roles and logins: what they are, and whose members."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from indelible.store.doctor.expected import INTERNAL_ROLES, PREFIX, RUNTIME
from indelible.store.doctor.finding import Check, Grade
from indelible.store.doctor.patient import Login, rows
from indelible.store.session import Connection

__all__ = ["check_roles"]

_ROLES = """
    SELECT rolname::text, rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, rolinherit
    FROM pg_roles
"""

# Before 16 every membership lets its member act. From then on it may be told apart: to act, or only to grant.
_MEMBERS = """
    SELECT pg_get_userbyid(member)::text, pg_get_userbyid(roleid)::text,
           coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)
           OR coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, false), admin_option
    FROM pg_auth_members m
"""

_OWNED = """
    SELECT r.rolname::text, pg_describe_object(d.classid, d.objid, d.objsubid),
           coalesce(c.relnamespace, p.pronamespace) = 'indelible'::regnamespace
           OR (d.classid = 'pg_namespace'::regclass AND d.objid = 'indelible'::regnamespace)
    FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid
    LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
    LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
    WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o' AND r.rolname = ANY (%s)
      AND d.classid <> 'pg_database'::regclass
      AND d.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    UNION ALL
    SELECT pg_get_userbyid(datdba)::text, 'database ' || datname, true FROM pg_database
    WHERE datname = current_database() AND pg_get_userbyid(datdba) = ANY (%s)
"""

_INHERITED = """
    SELECT l::text, array_agg(r::text ORDER BY r) FROM unnest(%s::text[]) l, unnest(%s::text[]) r
    WHERE pg_has_role(l, r, 'USAGE') AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = l) GROUP BY l
"""

_ONLY_READ = {"pg_monitor", "pg_read_all_settings", "pg_read_all_stats", "pg_stat_scan_tables", "pg_checkpoint"}
"""Predefined roles that show how the server does, and no data."""


@dataclass(frozen=True, slots=True)
class _Role:
    name: str
    can_login: bool
    is_superuser: bool
    bypasses_rls: bool
    creates_roles: bool
    creates_databases: bool
    replicates: bool
    inherits: bool

    def powers(self) -> dict[str, str]:
        """What it may beyond its grants: the attribute that gives it, and what takes it away."""
        given = {
            "SUPERUSER": self.is_superuser,
            "BYPASSRLS": self.bypasses_rls,
            "CREATEROLE": self.creates_roles,
            "REPLICATION": self.replicates,
            "CREATEDB": self.creates_databases,
        }
        return {name: f"NO{name}" for name, has in given.items() if has}


class _Members:
    """Who may act as whom."""

    def __init__(self, found: list[tuple[Any, ...]]) -> None:
        self._acts: dict[str, set[str]] = {}
        self._grants: dict[str, set[str]] = {}
        for member, role, acts, admin in found:
            if acts:
                self._acts.setdefault(member, set()).add(role)
            if admin:
                self._grants.setdefault(member, set()).add(role)

    def of(self, member: str) -> set[str]:
        """The roles that it can act as, directly or through others; those too that it may grant to itself."""
        seen: set[str] = set()
        todo = [member]
        while todo:
            each = todo.pop()
            for role in self._acts.get(each, set()) | self._grants.get(each, set()):
                if role not in seen:
                    seen.add(role)
                    todo.append(role)
        return seen - {member}


async def check_roles(connection: Connection, logins: Sequence[Login]) -> list[Check]:
    roles = {row[0]: _Role(*row) for row in await rows(connection, _ROLES)}
    members = _Members(await rows(connection, _MEMBERS))
    names = [login.name for login in logins]
    owned = await rows(connection, _OWNED, names, names)
    runtime = [PREFIX + role for role in RUNTIME]
    inherited = dict(await rows(connection, _INHERITED, names, runtime))
    return [
        *_ours(roles, members),
        *_takers(roles, members, logins, any_role=connection.info.server_version < 160000),
        *(check for login in logins for check in _login(roles[login.name], members.of(login.name), login)),
        *_owners(owned),
        *_inheritors(inherited),
        *_one_for_all(logins),
    ]


def _ours(roles: dict[str, _Role], members: _Members) -> Iterator[Check]:
    wrong = False
    for short in (*RUNTIME, *INTERNAL_ROLES):
        name = PREFIX + short
        if name not in roles:
            yield Check("Roles", "warning", f"There is no role {name}.", "Run `indelible migrate`.")
            wrong = True
            continue
        role = roles[name]
        powers = role.powers() | ({"LOGIN": "NOLOGIN"} if role.can_login else {})
        if powers:
            wrong = True
            yield Check(
                "Roles", "hole", f"{name} is {', '.join(powers)}.", f"ALTER ROLE {name} {' '.join(powers.values())};"
            )
        if role.inherits:
            wrong = True
            yield Check("Roles", "warning", f"{name} inherits what is granted to it.", f"ALTER ROLE {name} NOINHERIT;")
        for other in sorted(members.of(name) - ({PREFIX + "searcher"} if short == "owner" else set())):
            wrong = True
            yield Check("Roles", "hole", f"{name} is a member of {other}.", f"REVOKE {other} FROM {name};")
    if not wrong:
        yield Check(
            "Roles", "ok",
            f"The {len(RUNTIME) + len(INTERNAL_ROLES)} roles of Indelible exist. None can log in, is a superuser, "
            "bypasses row security, may make roles, or is a member of another role (but the owner of the searcher).",
        )  # fmt: skip


def _takers(roles: dict[str, _Role], members: _Members, logins: Sequence[Login], *, any_role: bool) -> Iterator[Check]:
    """Who may act as one of our roles, besides the logins of the service and superusers. `any_role`: whether who may
    make roles may become a member of any."""
    known = {login.name for login in logins} | {PREFIX + role for role in (*RUNTIME, *INTERNAL_ROLES)}
    unexpected = False
    for name, role in sorted(roles.items()):
        ours = sorted(r for r in members.of(name) if r.startswith(PREFIX))
        if name in known or role.is_superuser:
            continue
        if not ours:
            if role.creates_roles and role.can_login and any_role:
                unexpected = True
                yield Check(
                    "Roles", "warning", f"{name} may make roles: before PostgreSQL 16 who may do so may also make "
                    "themselves a member of any, indelible_owner too.", f"ALTER ROLE {name} NOCREATEROLE;",
                )  # fmt: skip
            continue
        if role.creates_roles:
            yield Check(
                "Roles", "note",
                f"{name} may make roles and act as {_list(ours)}: whoever migrates can do so, and can change anything. "
                "Keep its password away from the hosts of the service.",
            )  # fmt: skip
            continue
        unexpected = True
        yield Check(
            "Roles", "hole", f"{name}, by which the service does not log in, may act as {_list(ours)}.",
            " ".join(f"REVOKE {r} FROM {name};" for r in ours),
        )  # fmt: skip
    if not unexpected:
        yield Check(
            "Roles", "ok", "Nobody may act as a role of Indelible but the service's logins and those who migrate."
        )
    superusers = sorted(name for name, role in roles.items() if role.is_superuser and name not in known)
    yield Check(
        "Roles", "note",
        f"{len(superusers)} superuser{'' if len(superusers) == 1 else 's'}"
        f"{': ' + _list(superusers) if superusers else ' besides'}. PostgreSQL refuses a superuser nothing; what shows "
        "what one did are signed checkpoints outside of the database.",
    )  # fmt: skip


def _login(role: _Role, acts_as: set[str], login: Login) -> Iterator[Check]:
    wrong = False
    for power, without in role.powers().items():
        wrong = True
        yield Check(
            "Logins", "warning" if power == "CREATEDB" else "hole", f"The login {role.name} is {power}.",
            f"ALTER ROLE {role.name} {without};",
        )  # fmt: skip
    takes = {PREFIX + r for r in login.takes}
    runtime = {PREFIX + r for r in RUNTIME}
    for extra in sorted(acts_as - takes):
        fix = f"REVOKE {extra} FROM {role.name};"
        wrong = True
        if extra in runtime and login.is_default:
            said = f"{role.name}, whose password every process has, may act as {extra}, which has a login of its own."
            yield Check("Logins", "warning", said, fix)
        elif extra.startswith(PREFIX):
            yield Check("Logins", "hole", f"The login {role.name} may act as {extra}.", fix)
        elif extra.startswith("pg_"):
            grade: Grade = "warning" if extra in _ONLY_READ else "hole"
            yield Check("Logins", grade, f"The login {role.name} is a member of {extra}.", fix)
        else:
            said = f"The login {role.name} is a member of {extra}, and may do whatever that may."
            yield Check("Logins", "warning", said, fix)
    if (lacking := sorted(takes - acts_as)) and not role.is_superuser:
        wrong = True
        said = f"The login {role.name} may not act as {_list(lacking)}: what the service does so fails."
        yield Check("Logins", "warning", said, "Run `indelible migrate`.")
    if not wrong:
        yield Check(
            "Logins", "ok",
            f"{role.name} takes {_list(sorted(takes)) or 'no role'}, and nothing else: it is no superuser, bypasses no "
            "row security, makes no roles and does not replicate.",
        )  # fmt: skip


def _owners(owned: list[tuple[Any, ...]]) -> Iterator[Check]:
    for login, what, is_ours in owned:
        grade: Grade = "hole" if is_ours else "warning"
        said = (
            f"The login {login} owns the {what}" if what.startswith("database ") else f"The login {login} owns {what}"
        )
        yield Check("Logins", grade, f"{said}: its owner may do with it what it likes.", "Give it to another owner.")
    if not owned:
        yield Check("Logins", "ok", "No login of the service owns anything in this database.")


def _inheritors(inherited: dict[str, list[str]]) -> Iterator[Check]:
    for login, roles in inherited.items():
        yield Check(
            "Logins", "warning",
            f"{login} has the rights of {_list(roles)} at any time, and not only in transactions that take the role.",
            f"ALTER ROLE {login} NOINHERIT; and `indelible migrate`; "
            + " ".join(f"from PostgreSQL 16 on GRANT {role} TO {login} WITH INHERIT FALSE;" for role in roles),
        )  # fmt: skip


def _one_for_all(logins: Sequence[Login]) -> Iterator[Check]:
    if len(logins) == 1:
        yield Check(
            "Logins", "warning", f"One login, {logins[0].name}, takes all roles: who has its password has them all.",
            "Give each a login of its own: docs/operations.md#separate-logins.",
        )  # fmt: skip


def _list(names: Collection[str]) -> str:
    *most, last = list(names) or [""]
    return f"{', '.join(most)} and {last}" if most else last
