"""The names of actors, as their latest events show them."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final, Protocol

from indelible.store.read import Spot, records
from indelible.store.session import Database
from indelible.store.view import View

__all__ = ["Who", "latest_names"]

_TRIES: Final = 3
"""Events of one actor that are looked into: not each has to show a name."""

Who = tuple[str, str | None]
"""An actor's type and id."""


class _Row(Protocol):
    """Where an event is, and who its actor is, as its columns have it."""

    @property
    def occurred_at(self) -> datetime: ...
    @property
    def seq(self) -> int: ...
    @property
    def recorded_at(self) -> datetime: ...
    @property
    def actor_type(self) -> str: ...
    @property
    def actor_id(self) -> str | None: ...


async def latest_names(database: Database, view: View, rows: Iterable[_Row], actors: Collection[Who]) -> dict[Who, str]:
    """Of `actors`, those that one of their newest events in `rows` shows a name of, and this name.

    The `rows` are events of the view, newest first. Nothing is taken from an entry that was altered.
    """
    tries = dict.fromkeys(actors, _TRIES)
    left = len(tries) * _TRIES
    spots: list[Spot] = []
    for row in rows:
        if not left:
            break
        if tries.get(who := (row.actor_type, row.actor_id)):
            tries[who] -= 1
            left -= 1
            spots.append(Spot(row.occurred_at, row.seq, row.recorded_at))
    if not spots:
        return {}
    async with database.transaction(view.role, view.tenant, member=view.member) as connection:
        found = await records(connection, view, spots)
    found.sort(key=lambda each: (each[0], each[1].seq), reverse=True)
    names: dict[Who, str] = {}
    for _, record in found:
        actor = record.event.actor
        # What the columns say, which rows are found by, somebody may have altered.
        if actor.name is not None and "entry" not in record.altered and (actor.type, actor.id) in tries:
            names.setdefault((actor.type, actor.id), actor.name)
    return names
