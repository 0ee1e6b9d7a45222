"""API keys: random texts of which only a hash is kept."""

import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import cast
from uuid import UUID

from indelible.store.session import Database

__all__ = ["SCOPES", "Key", "find_key", "has_keys", "new_key", "save_bootstrap_key"]

SCOPES = ("events:import", "events:read", "events:write")
"""What a key may be allowed. `events:import` allows events older than 30 days."""

_BOOTSTRAP = "bootstrap"


@dataclass(frozen=True, slots=True)
class Key:
    key_id: UUID
    name: str
    scopes: frozenset[str]


def new_key() -> str:
    """A fresh key of 256 bits of chance."""
    return f"ind_live_{secrets.token_urlsafe(32)}"


async def find_key(database: Database, secret: str) -> Key | None:
    async with database.transaction("control") as connection:
        cursor = await connection.execute(
            "SELECT key_id, name, scopes FROM indelible.keys WHERE hash = %s", (_hash(secret),)
        )
        row = cast("tuple[UUID, str, list[str]] | None", await cursor.fetchone())
    return Key(row[0], row[1], frozenset(row[2])) if row else None


async def has_keys(database: Database) -> bool:
    async with database.transaction("control") as connection:
        row = await (await connection.execute("SELECT EXISTS (SELECT FROM indelible.keys)")).fetchone()
    return bool(row and row[0])


async def save_bootstrap_key(database: Database, secret: str) -> None:
    """Makes `secret` the bootstrap key, with every scope, instead of the one before it."""
    async with database.transaction("control") as connection:
        await connection.execute(
            "DELETE FROM indelible.keys WHERE name = %s AND hash <> %s", (_BOOTSTRAP, _hash(secret))
        )
        await connection.execute(
            "INSERT INTO indelible.keys (name, hash, scopes) VALUES (%s, %s, %s) ON CONFLICT (hash) DO NOTHING",
            (_BOOTSTRAP, _hash(secret), list(SCOPES)),
        )


def _hash(secret: str) -> bytes:
    # The key has 256 random bits, so a slow hash would protect nothing.
    return sha256(secret.encode()).digest()
