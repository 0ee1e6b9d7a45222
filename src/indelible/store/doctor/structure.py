"""Checks of what each table is made of: columns, constraints, indexes, and whether it survives a crash."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from indelible.store.doctor.expected import OF_A_MONTH
from indelible.store.doctor.expected_tables import BY_ID, EXPECTED_TABLES, UNLOGGED
from indelible.store.doctor.finding import Check
from indelible.store.doctor.patient import rows
from indelible.store.session import Connection

__all__ = ["check_structure", "structure"]

# What they are called is theirs, so constraints and indexes stand without names. NOT NULL is told with its column, as
# only from 18 on it is a constraint. An index that a constraint made is told with that.
_STRUCTURE = r"""
    SELECT c.relname::text, 'column', a.attname || ' ' || format_type(atttypid, atttypmod)
        || CASE WHEN attcollation IN (0, typcollation) THEN ''
                ELSE ' COLLATE ' || (SELECT quote_ident(collname) FROM pg_collation x WHERE x.oid = attcollation) END
        || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
        || CASE attidentity WHEN '' THEN '' ELSE ' GENERATED AS IDENTITY' END
        || coalesce(CASE attgenerated WHEN '' THEN ' DEFAULT ' WHEN 's' THEN ' STORED ' ELSE ' VIRTUAL ' END
                    || pg_get_expr(adbin, adrelid), '')
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped
    JOIN pg_type t ON t.oid = atttypid LEFT JOIN pg_attrdef d ON adrelid = c.oid AND adnum = attnum
    WHERE c.relnamespace = 'indelible'::regnamespace AND c.relkind IN ('r', 'p')
    UNION ALL
    SELECT c.relname::text, 'constraint', replace(pg_get_constraintdef(k.oid), ' NOT VALID', '')
    FROM pg_constraint k JOIN pg_class c ON c.oid = conrelid
    WHERE c.relnamespace = 'indelible'::regnamespace AND contype NOT IN ('n', 't')
    UNION ALL
    SELECT c.relname::text, 'index', regexp_replace(pg_get_indexdef(indexrelid),
               '^CREATE (UNIQUE )?INDEX .*? ON (ONLY )?indelible\.\S+ USING ', '\1')
           || CASE WHEN indisvalid AND indisready AND indislive THEN '' ELSE ' INVALID' END
    FROM pg_index i JOIN pg_class c ON c.oid = indrelid WHERE c.relnamespace = 'indelible'::regnamespace
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
    ORDER BY 1, 2, 3
"""

_NOT_KEPT = """
    SELECT relname::text FROM pg_class
    WHERE relnamespace = 'indelible'::regnamespace AND relkind IN ('r', 'p') AND relpersistence <> 'p' ORDER BY 1
"""
_IS_DISTRIBUTED = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')"

# Names a function, or an operator class of somebody's, that every write then calls.
_CALLS = re.compile(r"\w[(.]")

_FIX = "Restore it as the migrations of this version make it, and find out who did this."

Part = tuple[str, str]
"""`column`, `constraint` or `index`, and its definition."""


async def structure(connection: Connection) -> Mapping[str, Counter[Part]]:
    """What each table of the schema is made of, in the words of `EXPECTED_TABLES`."""
    found: dict[str, Counter[Part]] = {}
    for table, kind, definition in await rows(connection, _STRUCTURE):
        found.setdefault(table, Counter())[kind, definition] += 1
    return found


async def check_structure(connection: Connection) -> list[Check]:
    found = await structure(connection)
    ((is_distributed,),) = await rows(connection, _IS_DISTRIBUTED)
    checks = [
        Check(
            "Tables", "hole", f"indelible.{name} is unlogged: PostgreSQL empties it after a crash.",
            f"ALTER TABLE indelible.{name} SET LOGGED;",
        )
        for (name,) in await rows(connection, _NOT_KEPT)
        if name not in UNLOGGED
    ]  # fmt: skip
    checks += _compared(found, is_distributed=is_distributed)
    if not checks:
        said = "Every column, default, generated value, constraint and index is as this version's migrations make it."
        checks.append(Check("Tables", "ok", said))
    return checks


def _compared(found: Mapping[str, Counter[Part]], *, is_distributed: bool) -> Iterator[Check]:
    wanted = {name: Counter(parts) for name, parts in EXPECTED_TABLES.items()}
    if is_distributed:
        # It cannot promise that an origin is unique across tenants.
        wanted["ledgers"] -= Counter({("index", "UNIQUE btree (origin)"): 1})
        wanted["ledgers"] += Counter({("index", "btree (origin)"): 1})
    for table, has in found.items():
        month = OF_A_MONTH.fullmatch(table)
        parent = month[1] if month else table
        if parent not in wanted:
            continue  # told of as a table that no migration makes
        should = wanted[parent] + Counter(BY_ID if month and parent == "events" else ())
        more, less = has - should, should - has
        if month and parent in found:
            # What a partition has from its parent is told once.
            more, less = more - (found[parent] - wanted[parent]), less - (wanted[parent] - found[parent])
        yield from _different(table, more, less)


def _different(table: str, more: Iterable[Part], less: Iterable[Part]) -> Iterator[Check]:
    for kind, said in sorted(less):
        lighter = kind == "index" and not said.startswith("UNIQUE")
        why = ": searches take longer" if lighter else ""
        if kind == "index" and (kind, said) in BY_ID:
            why = ": an event that is sent again is recorded twice"
        yield Check(
            "Tables", "warning" if lighter else "hole", f"indelible.{table} lacks the {kind} {said}{why}.", _FIX
        )
    for kind, said in sorted(more):
        invalid = said.endswith(" INVALID")
        lighter = kind == "index" and not said.startswith("UNIQUE") and not _CALLS.search(said)
        yield Check(
            "Tables", "warning" if lighter or invalid else "hole",
            f"indelible.{table} has the {kind} {said}, which no migration makes.", _FIX,
        )  # fmt: skip
