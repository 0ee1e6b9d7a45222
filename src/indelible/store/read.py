"""Reading events as records: one by its id, or those at given places.

What a reader sees of them is their `View`, which is part of the statement, and for members of the role as well.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast
from uuid import UUID

from psycopg import sql

from indelible.ledger.disclosure import GROUPS
from indelible.store.places import Place, within_years
from indelible.store.sealing import Record, read, stand_in
from indelible.store.session import Connection, Database
from indelible.store.view import View
from indelible.store.withhold import hidden_groups, withhold

__all__ = ["AHEAD", "OCCURRED_AT", "Spot", "event", "records"]

AHEAD = timedelta(days=1)
"""No event is recorded longer before it occurred: the sender's clock may be ahead of the service's by five minutes, and
the service's of PostgreSQL's."""

OCCURRED_AT = within_years("e")

_KEPT = ("id", "recorded_at", "action", "category", "operation", "outcome", "source", "actor_type", "actor_id")
"""The columns that stand in for an entry which can't be read any more."""

_EVENT = sql.SQL("""
    SELECT {occurred_at}, e.seq, {columns} FROM indelible.events e
    {personal}
    WHERE e.tenant_id = %(tenant)s AND e.id = %(id)s {conditions}
""")

_AT = {
    "reader": sql.SQL("""
    SELECT {occurred_at}, e.seq, {columns} FROM indelible.events_at(%(seqs)s::bigint[], %(times)s::timestamptz[]) e
    WHERE true {conditions}
    """),
    "member": sql.SQL("""
    SELECT {occurred_at}, e.seq, {columns}
    FROM unnest(%(seqs)s::bigint[], %(times)s::timestamptz[]) place (seq, recorded_at)
    JOIN indelible.events e ON e.seq = place.seq AND e.recorded_at = place.recorded_at
    LEFT JOIN LATERAL indelible.own_personal(e.seq, e.recorded_at) p ON true
    WHERE e.tenant_id = %(tenant)s AND e.recorded_at BETWEEN %(first)s AND %(last)s {conditions}
    """),
}

# Members have no privilege on the disclosures: they get their own from a function, which knows who asks.
_PERSONAL = {
    "reader": sql.SQL("""
    LEFT JOIN indelible.event_personal p
        ON p.tenant_id = %(tenant)s AND p.seq = e.seq AND p.recorded_at = e.recorded_at
    """),
    "member": sql.SQL("LEFT JOIN LATERAL indelible.own_personal(e.seq, e.recorded_at) p ON true"),
}


class Spot(NamedTuple):
    """Where an event is."""

    occurred_at: datetime
    seq: int
    recorded_at: datetime
    columns: tuple[Any, ...] = ()
    """`walking.COLUMNS` of it, where they were asked for."""


async def event(database: Database, view: View, event_id: UUID) -> Record | None:
    """The event of this id, if it is in the view."""
    parameters: dict[str, Any] = {"tenant": view.tenant, "id": event_id}
    query = _EVENT.format(
        columns=_columns(view),
        occurred_at=OCCURRED_AT,
        conditions=_all(view.conditions(parameters)),
        personal=_PERSONAL[view.role],
    )
    async with database.transaction(view.role, view.tenant, member=view.member) as connection:
        rows = await _rows(connection, query, parameters)
    return _record(view, rows[0]) if rows else None


async def records(connection: Connection, view: View, spots: Sequence[Spot]) -> list[tuple[Place, Record]]:
    """The events that are at `spots` and in the view, in no order, each with its place as the columns tell it.

    `connection` is in a transaction of the view's role.
    """
    if not spots:
        return []
    parameters: dict[str, Any] = {"tenant": view.tenant, "seqs": [spot.seq for spot in spots]}
    times = parameters["times"] = [spot.recorded_at for spot in spots]
    # For members: the months they are of are known beforehand, so that no other one is planned for.
    parameters |= {"first": min(times), "last": max(times)}
    query = _AT[view.role].format(
        columns=_columns(view, personal="p" if view.member is not None else "e"),
        occurred_at=OCCURRED_AT,
        conditions=_all(view.conditions(parameters)),
    )
    rows = await _rows(connection, query, parameters)
    return [(Place(row[0], row[1]), _record(view, row)) for row in rows]


def _columns(view: View, personal: str = "p") -> sql.Composed:
    """What `_record` reads. What the view shows nothing of does not leave the database."""
    hidden = hidden_groups(view.parts)
    return sql.SQL(", ").join(
        [
            *(sql.Identifier("e", column) for column in (*_KEPT, "entry", "leaf_hash")),
            sql.Identifier(personal, "erased"),
            *(sql.SQL("NULL") if group in hidden else sql.Identifier(personal, group) for group in GROUPS),
        ]
    )


def _all(found: Sequence[sql.Composable]) -> sql.Composed:
    return sql.Composed([part for condition in found for part in (sql.SQL(" AND "), condition)])


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
