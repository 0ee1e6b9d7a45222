"""Attempts: each act by each login, as itself and as each role that it takes, and what PostgreSQL answered."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from indelible.store.doctor.act import SPRUNG, Act
from indelible.store.doctor.acts import acts, acts_of_login
from indelible.store.doctor.expected import INTERNAL_ROLES, PREFIX, RUNTIME
from indelible.store.doctor.finding import Attempt, Outcome
from indelible.store.doctor.patient import Login, rows, transaction
from indelible.store.doctor.scene import Scene, find_scene, plant
from indelible.store.errors import StoreUnavailable
from indelible.store.session import Connection, Role, first_line

__all__ = ["Tried", "try_everything"]

_REFUSED = "42501"

# These say nothing of what is allowed: cancelled, out of resources, in conflict, unreachable, read only, broken.
_UNCLEAR = ("08", "25", "40", "53", "57", "58", "XX")

_SUPERUSERS = "SELECT rolname::text FROM pg_roles WHERE rolsuper ORDER BY oid LIMIT 3"
_IS_SUPERUSER = "SELECT rolsuper FROM pg_roles WHERE rolname = session_user"
_ACTS_AS = "SELECT r::text FROM unnest(%s::text[]) r WHERE pg_has_role(session_user, r, %s)"
_SHOWN = {"mine": "<tenant>", "other": "<another tenant>", "person": "<person>"}


@dataclass(frozen=True, slots=True)
class Tried:
    attempts: tuple[Attempt, ...]
    remarks: tuple[str, ...]
    """On what rows, and what was not tried."""


@dataclass(frozen=True, slots=True)
class _Actor:
    login: Login
    role: Role | None
    """None: the login as itself."""
    has: frozenset[Role]
    """The roles whose rights it has."""
    acts: tuple[Act, ...]


async def try_everything(logins: Sequence[Login], paths: Sequence[str], progress: Callable[[int, int], None]) -> Tried:
    """`paths`: the schemas in which logins look for names. Raises `StoreUnavailable` where PostgreSQL goes away."""
    found = await find_scene(logins)
    remarks: list[str] = []
    actors = [actor for login in logins for actor in await _actors(login, logins, paths, found.month, remarks)]
    total = sum(len(actor.acts) for actor in actors)
    attempts: list[Attempt] = []
    origins: dict[str, list[str]] = {}
    for actor in actors:
        connection = actor.login.connection
        async with transaction(connection):
            scene = found
            if "writer" in actor.login.takes:
                await connection.execute("SAVEPOINT planting")
                try:
                    scene = await plant(connection, found.month)
                except psycopg.errors.InsufficientPrivilege as error:
                    remarks.append(f"{actor.login.name} could not put rows there to try on: {first_line(error)}.")
                    await connection.execute("ROLLBACK TO SAVEPOINT planting")
            taken = "NONE" if actor.role is None else PREFIX + actor.role
            await connection.execute(f"SET LOCAL ROLE {taken}".encode())
            names = origins.setdefault(scene.origin, [])
            if actor.login.name not in names:
                names.append(actor.login.name)
            for act in actor.acts:
                progress(len(attempts), total)
                attempts.append(await _try(actor, act, scene))
    areas = [*dict.fromkeys(act.area for act in (*acts(()), *acts_of_login("", (), ())))]
    attempts.sort(key=lambda attempt: areas.index(attempt.area))
    remarks += [f"{', '.join(names)}: tried on {origin}." for origin, names in origins.items()]
    return Tried(tuple(attempts), tuple(remarks))


async def _actors(
    login: Login, logins: Sequence[Login], paths: Sequence[str], month: str, remarks: list[str]
) -> list[_Actor]:
    everybody = [PREFIX + role for role in RUNTIME]
    able = {name for (name,) in await rows(login.connection, _ACTS_AS, everybody, "MEMBER")}
    inherits = {name for (name,) in await rows(login.connection, _ACTS_AS, everybody, "USAGE")}
    ((is_superuser,),) = await rows(login.connection, _IS_SUPERUSER)
    mine = [role for role in login.takes if PREFIX + role in able]
    tried = [act for act in acts(paths) if month or not any("MONTH" in statement for statement in act.statements)]
    found = [_Actor(login, role, frozenset({role}), tuple(_of(tried, role, frozenset({role})))) for role in mine]
    if is_superuser:
        remarks.append(f"{login.name} is a superuser, whom PostgreSQL refuses nothing: nothing was tried as itself.")
        return found
    own = frozenset(role for role in RUNTIME if PREFIX + role in inherits)
    superusers = [name for (name,) in await rows(login.connection, _SUPERUSERS)]
    # What the default login may take beyond its own is told by a check: other processes have separate ones.
    others = [*(PREFIX + role for role in (*RUNTIME, *INTERNAL_ROLES)), *(each.name for each in logins)]
    allowed = {login.name, *(PREFIX + role for role in login.takes), *(able if login.is_default else ())}
    refused = [_quoted(name) for name in others if name not in allowed]
    rising = acts_of_login(_quoted(login.name), refused, [_quoted(name) for name in superusers])
    return [*found, _Actor(login, None, own, (*_of(tried, None, own), *rising))]


def _of(every: Sequence[Act], role: Role | None, has: frozenset[Role]) -> Iterator[Act]:
    for act in every:
        if not act.but & has and (act.only is None or role in act.only):
            yield act


async def _try(actor: _Actor, act: Act, scene: Scene) -> Attempt:
    connection = actor.login.connection
    month = scene.month
    known = None
    if act.control:
        known = await _finds(connection, act.control, scene)
    answer = await _run(connection, act.statements, scene)
    outcome = _outcome(act, answer, known)
    attempt = Attempt(
        act.area,
        act.name.replace("MONTH", month),
        tuple(s.replace("MONTH", month).format(**_SHOWN) for s in act.statements),
        actor.login.name,
        actor.role,
        outcome,
        None if outcome == "no effect" else answer.sqlstate,
        act.vain if outcome == "no effect" else answer.text,
        known,
    )
    # An answer may quote what was asked for.
    for name, shown in _SHOWN.items():
        attempt = replace(attempt, answer=attempt.answer.replace(scene.names()[name], shown))
    return attempt


@dataclass(frozen=True, slots=True)
class _Answer:
    sqlstate: str | None
    text: str
    rows: int = 0


def _outcome(act: Act, answer: _Answer, known: bool | None) -> Outcome:
    state = answer.sqlstate
    if state == _REFUSED:
        return "refused"
    if state == SPRUNG:
        return "hole"
    if state is not None and state.startswith(_UNCLEAR):
        return "unclear"
    if act.ends == "no trap":
        return "no effect"
    if act.ends == "refused":
        # It was let through, whatever came of it; unless there was nothing to be let at.
        return "unclear" if known is False else "hole"
    if state is not None:
        return "unclear"
    if answer.rows:
        return "hole"
    return "no rows" if act.ends == "no rows" else "no effect"


async def _run(connection: Connection, statements: Sequence[str], scene: Scene) -> _Answer:
    await connection.execute("SAVEPOINT attempt")
    try:
        for statement in statements:
            cursor = await connection.execute(_filled(statement, scene))
        count = max(cursor.rowcount, 0)
        return _Answer(None, "no rows" if count == 0 else f"done: {count} row{'' if count == 1 else 's'}", count)
    except psycopg.Error as error:
        if connection.closed or error.sqlstate is None:
            raise StoreUnavailable(f"PostgreSQL does not answer: {first_line(error)}") from error
        return _Answer(error.sqlstate, error.diag.message_primary or first_line(error))
    finally:
        if not connection.closed:
            await connection.execute("ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt")


async def _finds(connection: Connection, statements: Sequence[str], scene: Scene) -> bool:
    return (await _run(connection, statements, scene)).rows > 0


def _filled(statement: str, scene: Scene) -> bytes:
    names = {name: Literal(value) for name, value in scene.names().items()}
    return SQL(statement.replace("MONTH", scene.month)).format(**names).as_bytes()


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else Identifier(name).as_string()
