"""Somebody who may do anything in the database, knows the format, and computes anew whatever can be computed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from indelible.ledger import base64url, canonical
from indelible.ledger.tree import Frontier, leaf_hash
from tests.postgres import Database

__all__ = ["Attacker", "Dump", "Edit"]

Edit = Callable[[int, dict[str, Any]], None]
"""Alters an entry, given its number and what it says."""

_TABLES = ("ledgers", "events", "event_personal", "subtrees", "checkpoints")

Dump = dict[str, bytes]
"""What a tenant has in each table."""


def _nothing(_seq: int, _entry: dict[str, Any]) -> None:
    """For rewriting what only moved."""


@dataclass(frozen=True)
class Attacker:
    database: Database

    def run(self, *statements: str, **parameters: object) -> None:
        """As a superuser, past all triggers. Each statement has to hit something."""
        with psycopg.connect(self.database.admin_url) as connection:
            connection.execute("SET LOCAL session_replication_role = replica")
            for statement in statements:
                assert connection.execute(statement.encode(), parameters).rowcount, f"nothing changed: {statement}"

    def entries(self, tenant: str) -> list[bytes]:
        with psycopg.connect(self.database.admin_url) as connection:
            query = b"SELECT entry FROM indelible.events WHERE tenant_id = %s ORDER BY seq"
            return [data for (data,) in connection.execute(query, (tenant,)).fetchall()]

    def rewrite(self, tenant: str, edit: Edit = _nothing) -> None:
        """Alters entries, and chains and hashes all that follow anew: afterwards the database agrees with itself."""
        frontier = Frontier()
        head = b""
        entry: dict[str, Any] = {}
        with psycopg.connect(self.database.admin_url) as connection:
            connection.execute("SET LOCAL session_replication_role = replica")
            for seq, data in enumerate(self.entries(tenant)):
                entry = json.loads(data)
                edit(seq, entry)
                entry["seq"] = seq
                if seq:
                    entry["prev"] = base64url.encode(head)
                altered = canonical.encode(entry)
                head = leaf_hash(altered)
                frontier.push(head)
                if altered == data:
                    continue
                values = {
                    "tenant": tenant, "seq": seq, "entry": altered, "leaf": head, "action": entry["action"],
                    "actor": entry["actor"].get("id"), "occurred": entry["occurred_at"], "at": entry["recorded_at"],
                }  # fmt: skip
                where = b" WHERE tenant_id = %(tenant)s AND seq = %(seq)s"
                connection.execute(
                    b"UPDATE indelible.events SET entry = %(entry)s, leaf_hash = %(leaf)s, action = %(action)s, "
                    b"actor_id = %(actor)s, occurred_at = %(occurred)s, recorded_at = %(at)s" + where,
                    values,
                )
                connection.execute(b"UPDATE indelible.event_personal SET recorded_at = %(at)s" + where, values)
            connection.execute(
                "UPDATE indelible.ledgers SET size = %s, head = %s, frontier = %s, recorded_at = %s "
                "WHERE tenant_id = %s",
                (frontier.size, head, bytes(frontier), entry["recorded_at"], tenant),
            )
            connection.execute("DELETE FROM indelible.subtrees WHERE tenant_id = %s", (tenant,))
            for level, index, root in frontier.completed:
                connection.execute(
                    "INSERT INTO indelible.subtrees VALUES (%s, %s, %s, %s)", (tenant, level, index, root)
                )

    def remove(self, tenant: str, first: int, last: int) -> None:
        """Removes entries, closes the gap, and rewrites what follows."""
        for table in ("events", "event_personal"):
            where = "WHERE tenant_id = %(tenant)s AND seq"
            self.run(f"DELETE FROM indelible.{table} {where} BETWEEN %(first)s AND %(last)s",
                     tenant=tenant, first=first, last=last)  # fmt: skip
            with psycopg.connect(self.database.admin_url) as connection:
                connection.execute("SET LOCAL session_replication_role = replica")
                for step in ("seq + 1000000", f"seq - 1000000 - {last - first + 1}"):  # two rows never meet
                    connection.execute(
                        f"UPDATE indelible.{table} SET seq = {step} {where} > %(last)s".encode(),
                        {"tenant": tenant, "last": last},
                    )
        self.rewrite(tenant)

    def forget_checkpoints(self, tenant: str, beyond: int = -1) -> None:
        self.run("DELETE FROM indelible.checkpoints WHERE tenant_id = %(tenant)s AND size > %(size)s",
                 tenant=tenant, size=beyond)  # fmt: skip

    def dump(self, tenant: str) -> Dump:
        """What a backup has of the tenant."""
        with psycopg.connect(self.database.admin_url) as connection:
            found = {}
            for table in _TABLES:
                query = sql.SQL("COPY (SELECT {} FROM indelible.{} WHERE tenant_id = {}) TO STDOUT").format(
                    _columns(connection, table), sql.Identifier(table), sql.Literal(tenant)
                )
                with connection.cursor().copy(query) as copy:
                    found[table] = b"".join(bytes(data) for data in copy)
            return found

    def restore(self, tenant: str, dump: Dump) -> None:
        """Puts the tenant's rows back as they were."""
        with psycopg.connect(self.database.admin_url) as connection:
            connection.execute("SET LOCAL session_replication_role = replica")
            for table in _TABLES:
                name = sql.Identifier(table)
                connection.execute(sql.SQL("DELETE FROM indelible.{} WHERE tenant_id = %s").format(name), (tenant,))
                query = sql.SQL("COPY indelible.{} ({}) FROM STDIN").format(name, _columns(connection, table))
                with connection.cursor().copy(query) as copy:
                    copy.write(dump[table])

    def exchange(self, one: str, other: str, *tables: str) -> None:
        """Each gets the other's rows."""
        for table in tables:
            for old, new in ((one, "exchanged"), (other, one), ("exchanged", other)):
                self.run(f"UPDATE indelible.{table} SET tenant_id = %(new)s WHERE tenant_id = %(old)s",
                         old=old, new=new)  # fmt: skip


def _columns(connection: psycopg.Connection, table: str) -> sql.Composed:
    """Those that are not generated."""
    query = (
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
        "AND attgenerated = '' ORDER BY attnum"
    )
    names = [name for (name,) in connection.execute(query, (f"indelible.{table}",)).fetchall()]
    return sql.SQL(", ").join(map(sql.Identifier, names))
