"""What ingest is measured against: the same events, or the same rows, given to PostgreSQL without us.

`insert_each` is what a team would write instead of an audit log: a plain table with the four usual indexes, one
INSERT and one commit an event. The driver is psycopg's asynchronous one with prepared statements, as ours is, and
there is no HTTP, no JSON to check, no hash chain and no check for duplicates: it is meant to be hard to beat.

`CopyBaseline` is how fast these rows can be stored at all: the rows of a finished run are read back and copied, as
they are, into empty clones of their tables, with the same partitions and indexes and as many rows a commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from time import perf_counter

import msgspec
from psycopg import AsyncConnection, Connection
from psycopg.sql import SQL, Composed, Identifier

from load import Result

__all__ = ["CopyBaseline", "insert_each"]

PLAIN_TABLE = """
DROP TABLE IF EXISTS plain_audit_log;
CREATE TABLE plain_audit_log (
    tenant_id   text NOT NULL,
    occurred_at timestamptz NOT NULL,
    action      text NOT NULL,
    actor_id    text,
    target_id   text,
    event       jsonb NOT NULL
);
CREATE INDEX ON plain_audit_log (tenant_id, occurred_at);
CREATE INDEX ON plain_audit_log (tenant_id, actor_id, occurred_at);
CREATE INDEX ON plain_audit_log (tenant_id, target_id, occurred_at);
CREATE INDEX ON plain_audit_log (tenant_id, action, occurred_at);
"""
INSERT = """
INSERT INTO plain_audit_log (tenant_id, occurred_at, action, actor_id, target_id, event)
VALUES (%s, %s, %s, %s, %s, %s)
"""
BINARY_HEADER = 19
"""Bytes before the first row of a binary COPY: signature, flags, no extension."""
BINARY_TRAILER = b"\xff\xff"


async def insert_each(database: str, events: list[bytes], connections: int) -> Result:
    """One INSERT and commit an event, over `connections` connections; statuses count as 201."""
    rows = [_plain_row(event) for event in events]
    opened = [await AsyncConnection.connect(database, autocommit=True) for _ in range(connections)]
    await opened[0].execute(PLAIN_TABLE)
    await opened[0].execute("CHECKPOINT")
    result, supply = Result(), iter(rows)

    async def insert(connection: AsyncConnection) -> None:
        cursor = connection.cursor()
        for row in supply:
            sent = perf_counter()
            await cursor.execute(INSERT, row, prepare=True)
            result.latencies.append(perf_counter() - sent)
            result.statuses[201] += 1

    start = perf_counter()
    await asyncio.gather(*map(insert, opened))
    result.seconds = perf_counter() - start
    cursor = await opened[0].execute("SELECT count(*) FROM plain_audit_log")
    assert await cursor.fetchone() == (len(events),), "the plain table holds every event"
    for connection in opened:
        await connection.close()
    return result


def _plain_row(event: bytes) -> tuple[str, str, str, str, str, str]:
    told = msgspec.json.decode(event)
    return (
        told["tenant_id"],
        told["occurred_at"],
        told["action"],
        told["actor"]["id"],
        told["targets"][0]["id"],
        event.decode(),
    )


@dataclass
class CopyBaseline:
    """Binary COPY of the rows of `schema`.`tables` into clones of them, in one process over one connection."""

    connection: Connection
    schema: str
    tables: tuple[str, ...]

    def measure(self, rows_a_commit: int) -> float:
        """Events (rows of the first table) a second, `rows_a_commit` rows of each table a transaction."""
        self.connection.autocommit = True
        self.connection.execute("DROP SCHEMA IF EXISTS clone CASCADE; CREATE SCHEMA clone")
        for table in self.tables:
            self._clone(table)
        copies = {table: self._copy(table, "FROM STDIN") for table in self.tables}
        commits = list(zip_longest(*(self._read(table, rows_a_commit) for table in self.tables)))
        self.connection.execute("CHECKPOINT")
        start = perf_counter()
        for rows in commits:
            with self.connection.transaction():
                for table, block in zip(self.tables, rows, strict=True):
                    if block is None:  # an entry that has nothing personal has one row only
                        continue
                    with self.connection.cursor().copy(copies[table]) as copy:
                        copy.write(block)
        seconds = perf_counter() - start
        for table in self.tables:
            copied, stored = self._count("clone", table), self._count(self.schema, table)
            assert copied == stored, f"the clone of {table} holds {copied} rows of {stored}"
        events = self._count(self.schema, self.tables[0])
        self.connection.execute("DROP SCHEMA clone CASCADE")
        return events / seconds

    def _clone(self, table: str) -> None:
        """An empty table like `table` in the schema `clone`, with its partition key, partitions and indexes."""
        source, clone = Identifier(self.schema, table), Identifier("clone", table)
        key, partitions = self._one(
            """SELECT pg_get_partkeydef(c.oid),
                      array(SELECT ARRAY[p.relname::text, pg_get_expr(p.relpartbound, p.oid)]
                            FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhrelid WHERE i.inhparent = c.oid)
               FROM pg_class c WHERE c.oid = to_regclass(%s)""",
            f"{self.schema}.{table}",
        )
        partition_by = SQL("PARTITION BY " + key if key else "")
        self.connection.execute(SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL) {}").format(clone, source, partition_by))
        for name, bound in partitions:
            self.connection.execute(
                SQL("CREATE TABLE {} PARTITION OF {} {}").format(Identifier("clone", name), clone, SQL(bound))
            )

    def _read(self, table: str, rows: int) -> Iterator[bytes]:
        """The stored rows, in the order they were recorded in, as whole binary COPY blocks of `rows` rows."""
        statement = self._copy(table, "TO STDOUT")
        with self.connection.cursor().copy(statement) as copy:
            parts = [bytes(part) for part in copy]
        header, parts[0] = parts[0][:BINARY_HEADER], parts[0][BINARY_HEADER:]
        stored = [part for part in parts if part and part != BINARY_TRAILER]
        for at in range(0, len(stored), rows):
            yield header + b"".join(stored[at : at + rows]) + BINARY_TRAILER

    def _copy(self, table: str, direction: str) -> Composed:
        """A binary COPY of all columns but the generated ones, which PostgreSQL computes again."""
        (names,) = self._one(
            """SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
               WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''""",
            f"{self.schema}.{table}",
        )
        columns = SQL(", ").join(map(Identifier, names))
        if direction == "FROM STDIN":
            return SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(Identifier("clone", table), columns)
        return SQL("COPY (SELECT {} FROM {} ORDER BY recorded_at, tenant_id, seq) TO STDOUT (FORMAT binary)").format(
            columns, Identifier(self.schema, table)
        )

    def _count(self, schema: str, table: str) -> int:
        (count,) = self._one(SQL("SELECT count(*) FROM {}").format(Identifier(schema, table)))
        return int(count)

    def _one(self, query: str | Composed, *values: str) -> tuple:  # type: ignore[type-arg]
        row = self.connection.execute(query, values).fetchone()
        assert row is not None
        return row
