"""The space that the ledgers take, by table and index, all months together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import psycopg

__all__ = ["Size", "report", "sizes"]


class Size(NamedTuple):
    """What a table, or an index of it, takes in all months together."""

    table: str
    part: str
    """"heap", "toast" or the index's name."""
    bytes: int


def sizes(connection: psycopg.Connection) -> list[Size]:
    """Of everything in the schema, by table, the largest first. Needs no privilege."""
    # A partition's index has a name of its own; what it is part of is the parent's, or says so but for the month.
    rows = connection.execute(r"""
        WITH tables AS (
            SELECT t.oid, t.reltoastrelid AS toast, coalesce(parent.relname, t.relname)::text AS name
            FROM pg_class t
            LEFT JOIN pg_inherits i ON i.inhrelid = t.oid LEFT JOIN pg_class parent ON parent.oid = i.inhparent
            WHERE t.relnamespace = 'indelible'::regnamespace AND t.relkind = 'r'
        ), parts AS (
            SELECT name, 0 AS place, 'heap' AS part, pg_table_size(oid)
                - CASE WHEN toast = 0 THEN 0 ELSE pg_total_relation_size(toast) END AS size FROM tables
            UNION ALL SELECT name, 1, 'toast', pg_total_relation_size(toast) FROM tables WHERE toast <> 0
            UNION ALL
            SELECT t.name, 2, coalesce(parent.relname, regexp_replace(c.relname, '_\d{4}_\d{2}', '')),
                pg_relation_size(c.oid)
            FROM tables t JOIN pg_index x ON x.indrelid = t.oid JOIN pg_class c ON c.oid = x.indexrelid
            LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class parent ON parent.oid = i.inhparent
        )
        SELECT name, part, sum(size)::bigint FROM parts GROUP BY name, place, part
        ORDER BY sum(sum(size)) OVER (PARTITION BY name) DESC, name, place, sum(size) DESC
    """)
    return [Size(*row) for row in rows]


def report(connection: psycopg.Connection) -> Iterator[str]:
    """The sizes as a table."""
    (count,) = connection.execute("SELECT sum(size)::bigint FROM indelible.ledgers").fetchone() or (0,)
    found = sizes(connection)
    yield f"| of {count:,} entries | MB | bytes an entry |"
    yield "|---|---:|---:|"
    named = {"events", "event_personal"}
    rows = [(f"{table}: {part}", size) for table, part, size in found if table in named]
    rows.append(("all other tables", sum(size for table, _, size in found if table not in named)))
    rows.append(("total", sum(size for _, _, size in found)))
    for name, size in rows:
        yield f"| {name} | {size / 1e6:,.1f} | {size / count:,.0f} |"
