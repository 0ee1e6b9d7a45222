"""API keys: random texts of which only a hash is kept. None is ever deleted: those that ended stay on record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, cast
from uuid import UUID, uuid4

import msgspec
from psycopg.sql import SQL, Composed

from indelible.event import Actor
from indelible.settings import Environment
from indelible.store.epoch import in_force_everywhere
from indelible.store.errors import StoreError
from indelible.store.key_text import hint_of, make_key_text
from indelible.store.session import Connection, Database

__all__ = [
    "SCOPES",
    "Key",
    "KeyHasEnded",
    "KeyIsReplaced",
    "KeyPlace",
    "MakerHasEnded",
    "check_rotation",
    "create_key",
    "find_key",
    "get_key",
    "has_keys",
    "list_keys",
    "note_use",
    "revoke_key",
    "rotate_key",
    "save_bootstrap_key",
    "successors",
]

SCOPES = (
    "events:import", "events:read", "events:write", "export", "keys:manage", "privacy:erase", "retention:manage",
    "streams:manage", "tenants:manage", "viewer:issue",
)  # fmt: skip
"""What a key may be allowed. `events:import` allows events older than 30 days."""

_BOOTSTRAP = "bootstrap"

_COLUMNS = SQL(
    "key_id, name, scopes, tenant_id, hint, created_at, created_by, expires_at, revoked_at, replaces, last_used_at, "
    "last_used_ip"
)
_BY_HASH = SQL("SELECT {} FROM indelible.keys WHERE hash = %s").format(_COLUMNS)
_BY_ID = SQL("SELECT {} FROM indelible.keys WHERE key_id = %s").format(_COLUMNS)
_SUCCESSORS = SQL("SELECT {} FROM indelible.keys WHERE replaces = %s ORDER BY created_at DESC").format(_COLUMNS)
_LIST = SQL(
    "SELECT {} FROM indelible.keys WHERE (%(tenant)s::text IS NULL OR tenant_id = %(tenant)s) "
    "AND (%(ended)s OR (revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp()))) "
    "AND (%(time)s::timestamptz IS NULL OR (created_at, key_id) < (%(time)s, %(key_id)s)) "
    "ORDER BY created_at DESC, key_id DESC LIMIT %(limit)s"
).format(_COLUMNS)
_CREATE = SQL(
    "INSERT INTO indelible.keys (key_id, name, hash, hint, scopes, tenant_id, created_by, expires_at, replaces) "
    "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING {}"
).format(_COLUMNS)

# The rows are locked in one order, as several processes do this at once.
_NOTE_USE = """
WITH used AS (
    SELECT * FROM unnest(%s::uuid[], %s::timestamptz[], %s::text[]) AS used (key_id, at, ip)
), locked AS (
    SELECT key_id FROM indelible.keys WHERE key_id IN (SELECT key_id FROM used) ORDER BY key_id FOR NO KEY UPDATE
)
UPDATE indelible.keys k SET last_used_at = used.at, last_used_ip = used.ip
FROM used JOIN locked USING (key_id)
WHERE k.key_id = used.key_id AND (k.last_used_at IS NULL OR k.last_used_at < used.at)
"""


class KeyHasEnded(StoreError):
    """The key was revoked, or has expired: there is nothing to go on with."""


class MakerHasEnded(StoreError):
    """The key of whoever makes another one was revoked, or has expired, by now."""


class KeyIsReplaced(StoreError):
    """Another key was made to replace it, and works."""


@dataclass(frozen=True, slots=True)
class Key:
    key_id: UUID
    name: str
    scopes: frozenset[str]
    tenant_id: str | None = None
    """The one tenant whose events it opens; None for a key of the vendor's own, which opens all."""
    hint: str | None = None
    """Its beginning and end; None of keys that are older than hints."""
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    created_by: Actor | None = None
    """None of the bootstrap key, which nobody made over the API."""
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    replaces: UUID | None = None
    last_used_at: datetime | None = None
    """At most a minute late."""
    last_used_ip: str | None = None

    def is_active(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """A place in the list of keys: the last one of a page."""

    created_at: datetime
    key_id: UUID

    @classmethod
    def of(cls, key: Key) -> "KeyPlace":
        return cls(key.created_at, key.key_id)


async def find_key(database: Database, secret: str) -> Key | None:
    """The key of this text, also one that has ended: it is for the caller to say why that opens nothing."""
    async with database.transaction("control") as connection:
        return await _one(connection, _BY_HASH, _hash(secret))


async def get_key(database: Database, key_id: UUID) -> Key | None:
    async with database.transaction("control") as connection:
        return await _one(connection, _BY_ID, key_id)


async def list_keys(
    database: Database,
    *,
    tenant: str | None = None,
    include_ended: bool = False,
    limit: int | None = None,
    after: KeyPlace | None = None,
) -> list[Key]:
    """The newest first: those of `tenant`, or all there are."""
    given = {
        "tenant": tenant,
        "ended": include_ended,
        "time": after and after.created_at,
        "key_id": after and after.key_id,
        "limit": limit,
    }
    async with database.transaction("control") as connection:
        cursor = await connection.execute(_LIST, given)
        return [_key(row) for row in await cursor.fetchall()]


async def create_key(
    database: Database,
    environment: Environment,
    *,
    name: str,
    scopes: frozenset[str],
    created_by: Actor | None,
    tenant: str | None = None,
    expires_at: datetime | None = None,
    key_id: UUID | None = None,
    maker: UUID | None = None,
) -> tuple[Key, str]:
    """A new key, and its text, which is known here and now and never again.

    `maker` is the key of whoever makes it; None for the operator, who needs none. Raises `MakerHasEnded`.
    """
    text = make_key_text(environment)
    async with database.transaction("control") as connection:
        await _hold(connection, maker)
        key = await _insert(connection, key_id or uuid4(), text, name, scopes, tenant, created_by, expires_at, None)
    return key, text


async def revoke_key(database: Database, key_id: UUID) -> Key | None:
    """Ends the key; returns it, once it opens nothing any more on any process. None where there is no such key.

    One that was revoked before stays as it was.
    """
    async with database.transaction("control") as connection:
        await connection.execute(
            "UPDATE indelible.keys SET revoked_at = clock_timestamp() WHERE key_id = %s AND revoked_at IS NULL",
            (key_id,),
        )
        key = await _one(connection, _BY_ID, key_id)
    await in_force_everywhere()
    return key


async def rotate_key(
    database: Database,
    environment: Environment,
    key_id: UUID,
    *,
    overlap: timedelta,
    created_by: Actor | None,
    expires_at: datetime | None = None,
    successor_id: UUID | None = None,
    maker: UUID | None = None,
) -> tuple[Key, str]:
    """A key of the same name, scopes and tenant, and its text. The one that it replaces ends after `overlap`, or when
    it was to end anyway; returns when every process knows. Raises as `check_rotation` and `create_key` do.
    """
    text = make_key_text(environment)
    async with database.transaction("control") as connection:
        # Who rotates it at the same time waits here, and then finds what this one made.
        await _hold(connection, maker, key_id)
        old = await _one(connection, _BY_ID, key_id)
        if old is None:
            raise KeyHasEnded(f"there is no key {key_id}")
        check_rotation(old, await _successors(connection, key_id), datetime.now(UTC))
        await connection.execute(
            "UPDATE indelible.keys SET expires_at = least(expires_at, clock_timestamp() + %s) WHERE key_id = %s",
            (overlap, key_id),
        )
        new = await _insert(
            connection, successor_id or uuid4(), text, old.name, old.scopes, old.tenant_id, created_by, expires_at,
            key_id,
        )  # fmt: skip
    await in_force_everywhere()
    return new, text


async def successors(database: Database, key_id: UUID) -> list[Key]:
    """The keys that were made to replace it, the newest first."""
    async with database.transaction("control") as connection:
        return await _successors(connection, key_id)


def check_rotation(key: Key, successors: Sequence[Key], now: datetime) -> None:
    """Raises `KeyHasEnded` where there is nothing to replace, `KeyIsReplaced` where that was done already."""
    if not key.is_active(now):
        raise KeyHasEnded("the key was revoked or has expired: make a new one")
    if replaced := next((each for each in successors if each.is_active(now)), None):
        raise KeyIsReplaced(
            f"the key {replaced.key_id} ({replaced.hint}) replaces it already: rotate that one, or revoke it first"
        )


async def note_use(database: Database, uses: Mapping[UUID, tuple[datetime, str | None]]) -> None:
    """When each of these keys was last used, and from which address; what is known to be later stays."""
    if uses:
        async with database.transaction("control") as connection:
            await connection.execute(
                _NOTE_USE, (list(uses), [at for at, _ in uses.values()], [ip for _, ip in uses.values()])
            )


async def has_keys(database: Database) -> bool:
    """Whether there ever was one."""
    async with database.transaction("control") as connection:
        row = await (await connection.execute("SELECT EXISTS (SELECT FROM indelible.keys)")).fetchone()
    return bool(row and row[0])


async def save_bootstrap_key(database: Database, secret: str) -> None:
    """Makes `secret` the bootstrap key, with every scope, instead of the one before it, which is revoked.

    Raises `KeyHasEnded` for one that was revoked, or has expired: what ended does not begin again. Then nothing is
    changed.
    """
    async with database.transaction("control") as connection:
        await connection.execute(
            "INSERT INTO indelible.keys (name, hash, hint, scopes) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT (hash) DO NOTHING",
            (_BOOTSTRAP, _hash(secret), hint_of(secret), list(SCOPES)),
        )
        key = await _one(connection, _BY_HASH, _hash(secret))
        if key is None or not key.is_active(datetime.now(UTC)):
            since = key and (key.revoked_at or key.expires_at)
            how = "was revoked" if key and key.revoked_at else "expired"
            raise KeyHasEnded(f"the key {hint_of(secret)} {how} on {since:%Y-%m-%d at %H:%M} UTC, and stays so")
        # A successor that somebody rotated to, or another key of this name, is somebody's: those stay.
        await connection.execute(
            "UPDATE indelible.keys SET revoked_at = clock_timestamp() "
            "WHERE name = %s AND created_by IS NULL AND hash <> %s AND revoked_at IS NULL",
            (_BOOTSTRAP, _hash(secret)),
        )


async def _hold(connection: Connection, maker: UUID | None, *others: UUID) -> None:
    """Keeps these keys as they are until the transaction ends. Raises `MakerHasEnded`."""
    ids = {*others} if maker is None else {maker, *others}
    # In one order, as several do this at once.
    cursor = await connection.execute(
        "SELECT key_id FROM indelible.keys WHERE key_id = ANY (%s) ORDER BY key_id FOR UPDATE", (list(ids),)
    )
    await cursor.fetchall()
    if maker is not None:
        # A statement of its own, which sees what whoever held them before has changed.
        cursor = await connection.execute(
            "SELECT FROM indelible.keys WHERE key_id = %s AND revoked_at IS NULL "
            "AND (expires_at IS NULL OR expires_at > clock_timestamp())",
            (maker,),
        )
        if await cursor.fetchone() is None:
            raise MakerHasEnded("the key that this is made with was revoked, or has expired")


async def _insert(
    connection: Connection,
    key_id: UUID,
    text: str,
    name: str,
    scopes: frozenset[str],
    tenant: str | None,
    created_by: Actor | None,
    expires_at: datetime | None,
    replaces: UUID | None,
) -> Key:
    by = None if created_by is None else Actor(type=created_by.type, id=created_by.id, name=created_by.name)
    made_by = None if by is None else msgspec.json.encode(by).decode()
    cursor = await connection.execute(
        _CREATE,
        (key_id, name, _hash(text), hint_of(text), sorted(scopes), tenant, made_by, expires_at, replaces),
    )
    row = await cursor.fetchone()
    assert row is not None
    return _key(row)


async def _successors(connection: Connection, key_id: UUID) -> list[Key]:
    cursor = await connection.execute(_SUCCESSORS, (key_id,))
    return [_key(row) for row in await cursor.fetchall()]


async def _one(connection: Connection, query: Composed, value: object) -> Key | None:
    cursor = await connection.execute(query, (value,))
    row = await cursor.fetchone()
    return None if row is None else _key(row)


def _key(row: tuple[object, ...]) -> Key:
    key_id, name, scopes, tenant, hint, created_at, created_by, expires_at, revoked_at, replaces, used_at, used_ip = (
        cast("tuple[Any, ...]", row)
    )
    return Key(
        key_id,
        name,
        frozenset(scopes),
        tenant,
        hint,
        created_at.astimezone(UTC),
        None if created_by is None else msgspec.convert(created_by, Actor),
        _utc(expires_at),
        _utc(revoked_at),
        replaces,
        _utc(used_at),
        used_ip,
    )


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)


def _hash(secret: str) -> bytes:
    # The key has more than 200 random bits, so a slow hash would protect nothing.
    return sha256(secret.encode()).digest()
