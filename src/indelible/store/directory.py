"""Who and what a view's events name, so that a person can choose from it instead of remembering ids."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final, Literal, cast

from indelible.catalog import Catalog
from indelible.event import Event
from indelible.store.filter import Condition, Filter, Is, Term
from indelible.store.finding import BUDGET, Page, Place, find, sample
from indelible.store.narrowing import action_has
from indelible.store.read import Spot, records
from indelible.store.session import Database
from indelible.store.view import View
from indelible.store.words import MAX_WHOLE, fold, name_has, tokens

__all__ = ["MOST", "MOST_READ", "Actions", "Named", "Seen", "actions", "actors", "targets"]

MOST: Final = 2000
"""Events whose actions are told to whoever sees a part of the events."""

MOST_READ: Final = 500
"""Events that are read for actors or targets."""

PATIENCE: Final = timedelta(seconds=0.5)
"""How long they are looked for: somebody is typing."""

_MOST_ACTIONS: Final = 5000
"""Of those that a tenant has."""

_PAGE: Final = 100
"""Events that are read at a time."""

_ROWS: Final = 300
"""Events whose actors are looked at in their columns before any is read; twice as many wherever these had too few."""

_TRIES: Final = 3
"""Events of somebody that are read until one shows a name: not each has to."""


@dataclass(frozen=True, slots=True)
class Named:
    """An actor or a target, with what its latest events show of it."""

    type: str
    id: str | None
    name: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """Whom the newest events name, those who were named last first."""

    named: Sequence[Named]
    partial: bool
    """There may be more."""
    cut: bool = field(default=False, compare=False)
    """It was time that ran out, and another try may find more."""


@dataclass(frozen=True, slots=True)
class Actions:
    names: Sequence[str]
    partial: bool
    cut: bool = field(default=False, compare=False)


async def actors(
    database: Database,
    view: View,
    text: str | None,
    catalog: Catalog,
    *,
    limit: int,
    most: int = MOST_READ,
    budget: timedelta = PATIENCE,
) -> Seen:
    """Whoever has `text` in their name, e-mail address or id as a `Term` has it; everybody without.

    Impersonators are among them, as users. Raises as `find` does.
    """
    conditions = [Term((text,), of="actor")] if text else []
    return await _seen(
        database, view, conditions, catalog, "actor_id", _actors, text, limit=limit, most=most, budget=budget
    )


async def targets(
    database: Database,
    view: View,
    text: str | None,
    catalog: Catalog,
    *,
    type_: str | None = None,
    limit: int,
    most: int = MOST_READ,
    budget: timedelta = PATIENCE,
) -> Seen:
    """As `actors`, of all targets of an event or those of one type."""
    conditions: list[Condition] = [Term((text,), of="target")] if text else []
    if type_ is not None:
        conditions.append(Is("target_type", (type_,)))

    def of_type(event: Event) -> Iterable[Named]:
        named = (Named(target.type, target.id, target.name) for target in event.targets)
        return [each for each in named if type_ in (None, each.type)]

    return await _seen(
        database, view, conditions, catalog, "target_id", of_type, text, limit=limit, most=most, budget=budget
    )


async def actions(
    database: Database,
    view: View,
    text: str | None,
    catalog: Catalog,
    *,
    limit: int,
    most: int = MOST,
    budget: timedelta = BUDGET,
) -> Actions:
    """The actions that have all words of `text` in their name, title or sentence, or all; in order.

    Whoever sees a part of the events is told of those that the newest `most` of that part have: others' actions are not
    theirs to know. Raises as `sample` does.
    """
    if view.member is None and not view.equal:
        names, partial, cut = *await _listed(database, view.tenant), False
    else:
        found = await sample(database, view, Filter(), catalog, most=most, budget=budget)
        names, partial, cut = list({row.action for row in found.rows}), found.capped or found.cut, found.cut
    fitting = [name for name in names if not text or _has(text, name, catalog)]
    fitting.sort(key=lambda name: (not fold(name).startswith(fold(text or "")), name))
    return Actions(fitting[:limit], partial or len(fitting) > limit, cut)


async def _listed(database: Database, tenant: str) -> tuple[list[str], bool]:
    """The tenant's actions; and whether there are more."""
    async with database.transaction("reader", tenant) as connection:
        cursor = await connection.execute(
            "SELECT value FROM indelible.directory WHERE tenant_id = %s AND kind = 'action' ORDER BY value LIMIT %s",
            (tenant, _MOST_ACTIONS + 1),
        )
        names = [name for (name,) in cast("list[tuple[str]]", await cursor.fetchall())]
    return names[:_MOST_ACTIONS], len(names) > _MOST_ACTIONS


def _has(text: str, action: str, catalog: Catalog) -> bool:
    if (words := tokens(text)) and all(action_has(word, action, catalog) for word in words):
        return True
    spec = catalog.get(action)
    title = tokens(spec.title) if spec else set()
    if words and all(any(each.startswith(word) for each in title) for word in words):
        return True
    whole = fold(text)
    return bool(whole) and whole in fold(action)


@dataclass(slots=True)
class _Known:
    named: Named
    times: int = 1

    def add(self, older: Named) -> None:
        """What the newer event does not show, the older one may."""
        now = self.named
        self.named = replace(now, name=now.name or older.name, email=now.email or older.email)
        self.times += 1

    @property
    def is_known(self) -> bool:
        return self.named.name is not None or self.times >= _TRIES


async def _seen(
    database: Database,
    view: View,
    conditions: Sequence[Condition],
    catalog: Catalog,
    id_of: Literal["actor_id", "target_id"],
    named_in: Callable[[Event], Iterable[Named]],
    text: str | None,
    *,
    limit: int,
    most: int,
    budget: timedelta,
) -> Seen:
    """The newest events are read, all of them; then of older ones those that name none of whom was found.

    So whoever is named only beside one who was found, or has the same id and another type, may be missed, or found
    late: what is told without having read everything is told to be a part.
    """
    deadline = time.monotonic() + budget.total_seconds()
    found: dict[tuple[str, str | None, str | None], _Known] = {}
    looked, rows, after, page = 0, _ROWS, cast("Place | None", None), None
    while True:
        left = timedelta(seconds=max(deadline - time.monotonic(), 0))
        others = (Is(id_of, known, excluded=True),) if (known := _ids(found.values())) else ()
        where, size = Filter(conditions=(*conditions, *others)), min(_PAGE, most - looked)
        if page is None or after is None or id_of != "actor_id":
            page = await find(database, view, where, catalog, limit=size, after=after, budget=left)
        else:
            page = await _of_each_actor(database, view, where, catalog, rows=rows, limit=size, after=after, budget=left)
            rows *= 2
        for record in page.records:
            if "entry" in record.altered:
                continue  # nothing is known of it
            for named in named_in(record.event):
                if (named.id or named.name) and (not text or _fits(text, named)):
                    # Whoever has no id goes by their name.
                    key = (named.type, named.id, None if named.id is not None else named.name)
                    if key in found:
                        found[key].add(named)
                    else:
                        found[key] = _Known(named)
        looked, first, after = looked + len(page.records), after is None, page.next
        late = after is not None and (page.cut or time.monotonic() > deadline)
        if after is None or late or len(found) >= limit or looked >= most:
            shown = [each.named for each in found.values()]
            return Seen(shown[:limit], len(shown) > limit or after is not None or not first, cut=late)


async def _of_each_actor(
    database: Database,
    view: View,
    where: Filter,
    catalog: Catalog,
    *,
    rows: int,
    limit: int,
    after: Place,
    budget: timedelta,
) -> Page:
    """As `find`, but of the events of one actor, or of all of a type without an id, the newest alone."""
    span = replace(where, until=after.occurred_at + timedelta(microseconds=1))
    # A sample looks up countries in the metadata, unless it is not shown them.
    lean = replace(view, parts=view.parts - {"metadata"})
    found = await sample(database, lean, span, catalog, most=rows, budget=budget)
    next_ = Place(found.back_to, 0) if found.back_to is not None else None
    spots: list[Spot] = []
    times: Counter[tuple[str, str | None]] = Counter()
    for row in found.rows:
        if times[actor := (row.actor_type, row.actor_id)] == _TRIES:
            continue
        if len(spots) == limit:
            next_ = Place(row.occurred_at, row.seq + 1)
            break
        times[actor] += 1
        spots.append(Spot(row.occurred_at, row.seq, row.recorded_at))
    async with database.transaction(view.role, view.tenant, member=view.member) as connection:
        read = await records(connection, view, spots)
    read.sort(key=lambda each: (each[0], each[1].seq), reverse=True)
    return Page([record for _, record in read], next_, cut=found.cut)


def _ids(found: Iterable[_Known]) -> list[str]:
    """Those by which they can be left out; of longer ones the index has but the beginning."""
    ids = (each.named.id for each in found if each.is_known)
    return sorted({id_ for id_ in ids if id_ is not None and len(id_) < MAX_WHOLE})


def _actors(event: Event) -> Iterable[Named]:
    actor, who = event.actor, event.actor.impersonator
    yield Named(actor.type, actor.id, actor.name, actor.email)
    if who is not None:
        yield Named("user", who.id, who.name, who.email)


def _fits(text: str, named: Named) -> bool:
    """Whether it is them for whom the event was found: it names others as well."""
    if named.id is not None and named.id.startswith(text):
        return True
    names, words = tokens(f"{named.name or ''} {named.email or ''}"), tokens(text)
    return bool(words) and all(any(name_has(word, name) for name in names) for word in words)
