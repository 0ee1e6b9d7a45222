"""Reading one tenant's events: the timeline, newest first by `(occurred_at, seq)`, and one event by id."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast
from uuid import UUID

from psycopg import sql

from indelible.ledger import base64url
from indelible.ledger.disclosure import GROUPS
from indelible.store.sealing import Record, read, stand_in
from indelible.store.session import Connection, Database

__all__ = ["BadCursor", "Column", "Cursor", "Filter", "Page", "event", "timeline"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


Column = Literal[
    "action", "category", "operation", "outcome", "source", "actor_type", "actor_id", "target_type", "target_id"
]
"""What events can be picked by."""


class BadCursor(ValueError):
    """The text is no cursor of ours."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the timeline: the last event of a page."""

    occurred_at: datetime
    seq: int

    def __str__(self) -> str:
        return base64url.encode(struct.pack(">qq", (self.occurred_at - _EPOCH) // timedelta(microseconds=1), self.seq))

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Raises `BadCursor`."""
        try:
            micros, seq = struct.unpack(">qq", base64url.decode(text))
            return cls(_EPOCH + timedelta(microseconds=micros), seq)
        except (ValueError, OverflowError, struct.error):
            raise BadCursor("take it from next_cursor of the page before, unchanged") from None


@dataclass(frozen=True, slots=True)
class Filter:
    """What the events of a timeline have in common. `equal` maps columns to values, any of which will do."""

    since: datetime | None = None
    """Inclusive, by `occurred_at`."""
    until: datetime | None = None
    """Exclusive."""
    equal: Mapping[Column, Sequence[str]] = field(default_factory=dict)
    words: Sequence[str] = ()
    """Each occurs in the event's names, addresses, changes or metadata, as a word or the beginning of one."""


@dataclass(frozen=True, slots=True)
class Page:
    records: list[Record]
    next_cursor: Cursor | None


_KEPT = ("id", "recorded_at", "action", "category", "operation", "outcome", "source", "actor_type", "actor_id")
"""The columns that stand in for an entry which can't be read any more."""

# Python has no datetime for infinity or the years before 1, which somebody may have written.
_OCCURRED_AT = sql.SQL("least(greatest(e.occurred_at, '0001-01-02Z'), '9999-12-30Z')")

_COLUMNS = sql.SQL(", ").join(
    [
        *(sql.Identifier("e", column) for column in (*_KEPT, "entry", "leaf_hash")),
        *(sql.Identifier("p", column) for column in ("erased", *GROUPS)),
    ]
)

_TIMELINE = sql.SQL("""
    SELECT {occurred_at}, e.seq, {columns}
    FROM (
        SELECT occurred_at, seq, entry, leaf_hash, {kept} FROM indelible.events {search}
        WHERE tenant_id = %(tenant)s {conditions}
        ORDER BY occurred_at DESC, seq DESC LIMIT %(limit)s
    ) e
    LEFT JOIN indelible.event_personal p
        ON p.tenant_id = %(tenant)s AND p.seq = e.seq AND p.recorded_at = e.recorded_at
    ORDER BY e.occurred_at DESC, e.seq DESC
""")

_SEARCH = sql.SQL("JOIN indelible.search(%(words)s::tsquery) found USING (seq, recorded_at)")

_EVENT = sql.SQL("""
    SELECT {occurred_at}, e.seq, {columns} FROM indelible.events e
    LEFT JOIN indelible.event_personal p
        ON p.tenant_id = %(tenant)s AND p.seq = e.seq AND p.recorded_at = e.recorded_at
    WHERE e.tenant_id = %(tenant)s AND e.id = %(id)s
""").format(columns=_COLUMNS, occurred_at=_OCCURRED_AT)


async def timeline(
    database: Database, tenant: str, where: Filter, *, limit: int = 50, after: Cursor | None = None
) -> Page:
    """Up to `limit` events that `where` describes, newest first, from just after the place `after` on."""
    parameters: dict[str, Any] = {"tenant": tenant, "limit": limit + 1}
    query = _TIMELINE.format(
        columns=_COLUMNS,
        occurred_at=_OCCURRED_AT,
        kept=sql.SQL(", ").join(map(sql.Identifier, _KEPT)),
        search=_SEARCH if where.words else sql.SQL(""),
        conditions=_conditions(where, after, parameters),
    )
    async with database.transaction("reader", tenant) as connection:
        rows = await _rows(connection, query, parameters)
    records = [_record(tenant, row) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(records, Cursor(*rows[limit - 1][:2]) if more else None)


async def event(database: Database, tenant: str, event_id: UUID) -> Record | None:
    """The tenant's event of this id."""
    async with database.transaction("reader", tenant) as connection:
        rows = await _rows(connection, _EVENT, {"tenant": tenant, "id": event_id})
    return _record(tenant, rows[0]) if rows else None


def _conditions(where: Filter, after: Cursor | None, parameters: dict[str, Any]) -> sql.Composed:
    conditions: list[sql.Composable] = []
    for column, values in where.equal.items():
        # One value leaves the index its order; several are merged or sorted.
        single = len(values) == 1
        template = "{} = %({})s" if single else "{} = ANY (%({})s)"
        conditions.append(sql.SQL(template).format(sql.Identifier(column), sql.SQL(column)))
        parameters[column] = values[0] if single else list(values)
    if where.words:
        parameters["words"] = _tsquery(where.words)
    if where.since is not None:
        # What occurred later was not recorded much earlier: that leaves out the older months. The sender's clock
        # may be ahead of the service's, and the service's of PostgreSQL's: a day is more than both.
        conditions.append(sql.SQL("occurred_at >= %(since)s AND recorded_at >= %(recorded_since)s"))
        parameters.update(since=where.since, recorded_since=_earlier(where.since, timedelta(days=1)))
    if where.until is not None:
        conditions.append(sql.SQL("occurred_at < %(until)s"))
        parameters["until"] = where.until
    if after is not None:
        conditions.append(sql.SQL("(occurred_at, seq) < (%(after_time)s, %(after_seq)s)"))
        parameters.update(after_time=after.occurred_at, after_seq=after.seq)
    return sql.Composed([part for condition in conditions for part in (sql.SQL(" AND "), condition)])


def _tsquery(words: Sequence[str]) -> str:
    """All of `words`, each as a prefix. Quoted, so that none is an operator."""
    quoted = (word.lower().replace("\\", "\\\\").replace("'", "''") for word in words)
    return " & ".join(f"'{word}':*" for word in quoted)


def _earlier(moment: datetime, span: timedelta) -> datetime:
    try:
        return moment - span
    except OverflowError:
        return moment


async def _rows(connection: Connection, query: sql.Composed, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    return cast("list[tuple[Any, ...]]", await (await connection.execute(query, parameters)).fetchall())


def _record(tenant: str, row: tuple[Any, ...]) -> Record:
    (occurred_at, seq), kept, (data, leaf, erased, *texts) = row[:2], row[2 : 2 + len(_KEPT)], row[2 + len(_KEPT) :]
    disclosures = [text.encode() for text in texts if text is not None]
    try:
        return read(tenant, data, leaf, disclosures, erased)
    except (ValueError, TypeError, LookupError, AttributeError):
        # Somebody who altered what is stored must not hide the events beside it as well.
        return stand_in(tenant, data, leaf, seq, occurred_at, dict(zip(_KEPT, kept, strict=True)))
