"""Reading one tenant's events: the timeline, newest first by `(occurred_at, seq)`, and one event by id.

What a reader sees of them is their `View`, which is part of the statement, and for members of the role as well.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

from psycopg import sql

from indelible.ledger import base64url
from indelible.ledger.disclosure import GROUPS
from indelible.store.sealing import Record, read, stand_in
from indelible.store.session import Connection, Database
from indelible.store.view import CONTEXT_PARTS, Column, Part, View, conditions
from indelible.store.withhold import hidden_groups, withhold

__all__ = ["BadCursor", "Cursor", "Filter", "Page", "event", "timeline"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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

_TIMELINE = sql.SQL("""
    SELECT {occurred_at}, e.seq, {columns}
    FROM (
        SELECT occurred_at, seq, entry, leaf_hash, {kept} FROM indelible.events {search}
        WHERE tenant_id = %(tenant)s {conditions}
        ORDER BY occurred_at DESC, seq DESC LIMIT %(limit)s
    ) e
    {personal}
    ORDER BY e.occurred_at DESC, e.seq DESC
""")

_EVENT = sql.SQL("""
    SELECT {occurred_at}, e.seq, {columns} FROM indelible.events e
    {personal}
    WHERE e.tenant_id = %(tenant)s AND e.id = %(id)s {conditions}
""")

# Members have no privilege on the disclosures: they get their own from a function, which knows who asks.
_PERSONAL = {
    "reader": sql.SQL("""
    LEFT JOIN indelible.event_personal p
        ON p.tenant_id = %(tenant)s AND p.seq = e.seq AND p.recorded_at = e.recorded_at
    """),
    "member": sql.SQL("LEFT JOIN LATERAL indelible.own_personal(e.seq, e.recorded_at) p ON true"),
}
_SEARCH = {
    "reader": sql.SQL("JOIN indelible.search(%(words)s::tsquery) found USING (seq, recorded_at)"),
    "member": sql.SQL("JOIN indelible.search_own(%(words)s::tsquery) found USING (seq, recorded_at)"),
}


async def timeline(
    database: Database, view: View, where: Filter, *, limit: int = 50, after: Cursor | None = None
) -> Page:
    """Up to `limit` events of the view that `where` describes, newest first, from just after the place `after` on."""
    parameters: dict[str, Any] = {"tenant": view.tenant, "limit": limit + 1}
    if where.words:
        parameters["words"] = _tsquery(where.words, view)
    query = _TIMELINE.format(
        columns=_columns(view),
        occurred_at=_OCCURRED_AT,
        kept=sql.SQL(", ").join(map(sql.Identifier, _KEPT)),
        search=_SEARCH[view.role] if where.words else sql.SQL(""),
        conditions=_all([*view.conditions(parameters), *_conditions(where, after, parameters)]),
        personal=_PERSONAL[view.role],
    )
    async with database.transaction(view.role, view.tenant, member=view.member) as connection:
        rows = await _rows(connection, query, parameters)
    records = [_record(view, row) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(records, Cursor(*rows[limit - 1][:2]) if more else None)


async def event(database: Database, view: View, event_id: UUID) -> Record | None:
    """The event of this id, if it is in the view."""
    parameters: dict[str, Any] = {"tenant": view.tenant, "id": event_id}
    query = _EVENT.format(
        columns=_columns(view),
        occurred_at=_OCCURRED_AT,
        conditions=_all(view.conditions(parameters)),
        personal=_PERSONAL[view.role],
    )
    async with database.transaction(view.role, view.tenant, member=view.member) as connection:
        rows = await _rows(connection, query, parameters)
    return _record(view, rows[0]) if rows else None


def _columns(view: View) -> sql.Composed:
    """What `_record` reads. What the view shows nothing of does not leave the database."""
    hidden = hidden_groups(view.parts)
    return sql.SQL(", ").join(
        [
            *(sql.Identifier("e", column) for column in (*_KEPT, "entry", "leaf_hash")),
            sql.Identifier("p", "erased"),
            *(sql.SQL("NULL") if group in hidden else sql.Identifier("p", group) for group in GROUPS),
        ]
    )


def _conditions(where: Filter, after: Cursor | None, parameters: dict[str, Any]) -> list[sql.Composable]:
    found = conditions(where.equal, "only", parameters)
    if where.since is not None:
        # What occurred later was not recorded much earlier: that leaves out the older months. The sender's clock
        # may be ahead of the service's, and the service's of PostgreSQL's: a day is more than both.
        found.append(sql.SQL("occurred_at >= %(since)s AND recorded_at >= %(recorded_since)s"))
        parameters.update(since=where.since, recorded_since=_earlier(where.since, timedelta(days=1)))
    if where.until is not None:
        found.append(sql.SQL("occurred_at < %(until)s"))
        parameters["until"] = where.until
    if after is not None:
        found.append(sql.SQL("(occurred_at, seq) < (%(after_time)s, %(after_seq)s)"))
        parameters.update(after_time=after.occurred_at, after_seq=after.seq)
    return found


def _all(found: Sequence[sql.Composable]) -> sql.Composed:
    return sql.Composed([part for condition in found for part in (sql.SQL(" AND "), condition)])


def _tsquery(words: Sequence[str], view: View) -> str:
    """All of `words`, each as a prefix. Quoted, so that none is an operator.

    They are looked for in what the view shows, by the marks that words have: A names, B changes, C metadata, D context.
    """
    marks = "A" + "B" * ("changes" in view.parts) + "C" * ("metadata" in view.parts) + "D" * (view.parts >= _SEARCHED)
    quoted = (word.lower().replace("\\", "\\\\").replace("'", "''") for word in words)
    return " & ".join(f"'{word}':*{'' if marks == 'ABCD' else marks}" for word in quoted)


_SEARCHED: frozenset[Part] = CONTEXT_PARTS - {"user_agent"}
"""What is searched of the context, whose words do not tell which part they are of."""


def _earlier(moment: datetime, span: timedelta) -> datetime:
    try:
        return moment - span
    except OverflowError:
        return moment


async def _rows(connection: Connection, query: sql.Composed, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    return cast("list[tuple[Any, ...]]", await (await connection.execute(query, parameters)).fetchall())


def _record(view: View, row: tuple[Any, ...]) -> Record:
    (occurred_at, seq), kept, (data, leaf, erased, *texts) = row[:2], row[2 : 2 + len(_KEPT)], row[2 + len(_KEPT) :]
    disclosures = [text.encode() for text in texts if text is not None]
    try:
        record = read(view.tenant, data, leaf, disclosures, erased)
    except (ValueError, TypeError, LookupError, AttributeError):
        # Somebody who altered what is stored must not hide the events beside it as well.
        record = stand_in(view.tenant, data, leaf, seq, occurred_at, dict(zip(_KEPT, kept, strict=True)))
    return withhold(record, view.parts)
