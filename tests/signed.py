"""Checkpoints as a signer writes them, for tests of whoever reads them."""

import psycopg

from indelible.ledger.checkpoint import Checkpoint
from indelible.ledger.signing import SigningKey, sign_checkpoint
from indelible.ledger.tree import Frontier
from tests.postgres import Database

__all__ = ["leaves_of", "origin_of", "sign"]


def sign(database: Database, tenant: str, key: SigningKey, size: int | None = None) -> Checkpoint:
    """Signs the tenant's first `size` entries, or all there are, as they are stored."""
    leaves = leaves_of(database, tenant)[:size]
    frontier = Frontier()
    frontier.extend(leaves)
    stated = Checkpoint(origin_of(database, tenant), len(leaves), frontier.root())
    with psycopg.connect(database.admin_url) as connection:
        connection.execute("INSERT INTO indelible.signers VALUES (%s) ON CONFLICT DO NOTHING", (key.public_key,))
        connection.execute(
            "INSERT INTO indelible.checkpoints (tenant_id, size, previous, note) VALUES (%(tenant)s, %(size)s, "
            "(SELECT coalesce(max(size), 0) FROM indelible.checkpoints WHERE tenant_id = %(tenant)s), %(note)s)",
            {"tenant": tenant, "size": stated.size, "note": sign_checkpoint(stated, [key])},
        )
    return stated


def leaves_of(database: Database, tenant: str) -> list[bytes]:
    query = "SELECT leaf_hash FROM indelible.events WHERE tenant_id = %s ORDER BY seq"
    with psycopg.connect(database.admin_url) as connection:
        return [leaf for (leaf,) in connection.execute(query, (tenant,))]


def origin_of(database: Database, tenant: str) -> str:
    with psycopg.connect(database.admin_url) as connection:
        row = connection.execute("SELECT origin FROM indelible.ledgers WHERE tenant_id = %s", (tenant,)).fetchone()
    assert row
    origin: str = row[0]
    return origin
