"""What attempts are made on: rows of two tenants, put there in the transaction that is rolled back, or found there."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg.sql import SQL, Literal

from indelible.store.doctor.patient import Login, rows, transaction
from indelible.store.session import Connection
from indelible.store.words import lexeme

__all__ = ["Scene", "find_scene", "plant"]

_NOBODY = "indelible:doctor"


@dataclass(frozen=True, slots=True)
class Scene:
    mine: str
    """The tenant that a transaction is set to."""
    other: str
    """Another tenant."""
    person: str
    """Somebody who is the actor of an event of both of them, or of mine where that is all there is."""
    month: str
    """Of the partitions that are tried: YYYY_MM; "" where there are none."""
    origin: str
    """Where the rows come from, in words."""

    def names(self) -> dict[str, str]:
        return {"mine": self.mine, "other": self.other, "person": self.person}


async def month_of(connection: Connection) -> str:
    """The current one; where it has no partition, the newest that has one; "" where there is none."""
    found = await rows(
        connection,
        "SELECT substr(c.relname, 8)::text FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid "
        "JOIN pg_class p ON p.oid = inhparent WHERE p.relname = 'events' AND "
        "p.relnamespace = 'indelible'::regnamespace "
        "ORDER BY substr(c.relname, 8) = to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM') DESC, c.relname DESC LIMIT 1",
    )
    return str(found[0][0]) if found else ""


async def find_scene(logins: Sequence[Login]) -> Scene:
    """Of the two smallest ledgers that have entries. Which ones is told to nobody: their names are customers'."""
    control = next(login for login in logins if "control" in login.uses)
    reader = next(login for login in logins if "reader" in login.uses)
    async with transaction(control.connection):
        month = await month_of(control.connection)
    try:
        async with transaction(control.connection, "indelible_control"):
            tenants = await rows(
                control.connection,
                'SELECT tenant_id FROM indelible.ledgers WHERE size > 0 ORDER BY size, tenant_id COLLATE "C" LIMIT 2',
            )
        names = [str(name) for (name,) in tenants]
        person = await _person(reader, names[0]) if names else None
    except psycopg.errors.InsufficientPrivilege:
        names, person = [], None  # what a role lacks is told by the checks
    # The last one is always there, so that rows to be found are of the tenant that is not set.
    mine, other = (_NOBODY, _NOBODY + ":other", *names)[-2:]
    origin = ("no rows, as no ledger has entries yet", "one ledger that is there", "two ledgers that are there")[
        len(names)
    ]
    return Scene(mine, other, person or _NOBODY, month, origin)


async def _person(reader: Login, tenant: str) -> str | None:
    async with transaction(reader.connection, "indelible_reader"):
        setting = SQL("SET LOCAL indelible.tenant_id = {}").format(Literal(tenant))
        await reader.connection.execute(setting)
        found = await rows(
            reader.connection,
            "SELECT actor_id FROM indelible.events WHERE tenant_id = %s AND actor_type = 'user' "
            "AND actor_id IS NOT NULL LIMIT 1",
            tenant,
        )
    return str(found[0][0]) if found else None


async def plant(connection: Connection, month: str) -> Scene:
    """Rows of two made-up tenants, in a transaction that is open and will be rolled back. Takes the writer's role.

    Raises `psycopg.Error` where the writer cannot write.
    """
    mark = secrets.token_hex(8)
    scene = Scene(
        f"{_NOBODY}:{mark}:mine", f"{_NOBODY}:{mark}:other", f"{_NOBODY}:{mark}:person", month,
        "two made-up tenants, in transactions that were rolled back",
    )  # fmt: skip
    await connection.execute("SET LOCAL ROLE indelible_writer")
    for tenant in (scene.mine, scene.other):
        await connection.execute(SQL("SET LOCAL indelible.tenant_id = {}").format(Literal(tenant)))
        given = {
            "tenant": tenant, "person": scene.person, "actor": f'["","actor",{{"name":"{mark}"}}]',
            "words": [lexeme(tenant, "=", "doctor.tried"), lexeme(tenant, "u", scene.person)],
        }  # fmt: skip
        for statement in _ROWS + (_MONTHS_ROWS if month else ()):
            await connection.execute(statement.replace("MONTH", month).encode(), given)
    await connection.execute("SET LOCAL indelible.tenant_id = ''")
    return scene


_ROWS = (
    "INSERT INTO indelible.ledgers (tenant_id, origin) VALUES (%(tenant)s, 'indelible.invalid/' || %(tenant)s)",
    "INSERT INTO indelible.subtrees (tenant_id, level, index, root) VALUES (%(tenant)s, 1, 0, sha256('doctor'))",
    "INSERT INTO indelible.directory (tenant_id, kind, value) VALUES (%(tenant)s, 'action', 'doctor.tried')",
)
_MONTHS_ROWS = (
    "INSERT INTO indelible.events_MONTH (tenant_id, seq, recorded_at, occurred_at, id, action, outcome, source,"
    " actor_type, actor_id, leaf_hash, entry) SELECT %(tenant)s, 0, moment, moment, gen_random_uuid(), 'doctor.tried',"
    r" 'success', 'background', 'user', %(person)s, sha256('\x007b7d'), '\x7b7d' FROM"
    " (SELECT to_date('MONTH', 'YYYY_MM')::timestamp AT TIME ZONE 'UTC') _ (moment)",
    "INSERT INTO indelible.event_personal_MONTH (tenant_id, seq, recorded_at, occurred_at, actor, search)"
    " SELECT %(tenant)s, 0, moment, moment, %(actor)s, array_to_tsvector(%(words)s) FROM"
    " (SELECT to_date('MONTH', 'YYYY_MM')::timestamp AT TIME ZONE 'UTC') _ (moment)",
)
