"""Who and what a view's events name, so that a person can choose from it instead of remembering ids."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final, cast

from indelible.catalog import Catalog
from indelible.event import Event
from indelible.store.filter import Condition, Filter, Is, Term
from indelible.store.finding import BUDGET, Place, find, sample
from indelible.store.narrowing import action_has
from indelible.store.session import Database
from indelible.store.view import View
from indelible.store.words import fold, is_listed, tokens

__all__ = ["MOST", "Actions", "Named", "Seen", "actions", "actors", "ledger_size", "targets"]

MOST: Final = 2000
"""Events that are looked through."""

_MOST_ACTIONS: Final = 5000
"""Of those that a tenant has."""

_FIRST, _STEP = 100, 500

_MIDDLE: Final = 3
"""Characters, from which on the middle of a word counts."""


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


async def ledger_size(database: Database, tenant: str) -> int | None:
    """How many entries there are; None where there is no such ledger. Raises as `Database.transaction` does."""
    async with database.transaction("reader", tenant) as connection:
        cursor = await connection.execute("SELECT size FROM indelible.ledgers WHERE tenant_id = %s", (tenant,))
        row = await cursor.fetchone()
    return None if row is None else cast("int", row[0])


async def actors(
    database: Database,
    view: View,
    text: str | None,
    catalog: Catalog,
    *,
    limit: int,
    most: int = MOST,
    budget: timedelta = BUDGET,
) -> Seen:
    """Whoever has `text` in their name, e-mail address or id as a `Term` has it; everybody without.

    Impersonators are among them, as users. Raises as `find` does.
    """
    conditions = [Term((text,), of="actor")] if text else []
    return await _seen(database, view, conditions, catalog, _actors, text, limit=limit, most=most, budget=budget)


async def targets(
    database: Database,
    view: View,
    text: str | None,
    catalog: Catalog,
    *,
    type_: str | None = None,
    limit: int,
    most: int = MOST,
    budget: timedelta = BUDGET,
) -> Seen:
    """As `actors`, of all targets of an event or those of one type."""
    conditions: list[Condition] = [Term((text,), of="target")] if text else []
    if type_ is not None:
        conditions.append(Is("target_type", (type_,)))

    def of_type(event: Event) -> Iterable[Named]:
        named = (Named(target.type, target.id, target.name) for target in event.targets)
        return [each for each in named if type_ in (None, each.type)]

    return await _seen(database, view, conditions, catalog, of_type, text, limit=limit, most=most, budget=budget)


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


async def _seen(
    database: Database,
    view: View,
    conditions: Sequence[Condition],
    catalog: Catalog,
    named_in: Callable[[Event], Iterable[Named]],
    text: str | None,
    *,
    limit: int,
    most: int,
    budget: timedelta,
) -> Seen:
    deadline = time.monotonic() + budget.total_seconds()
    where = Filter(conditions=tuple(conditions))
    found: dict[tuple[str, str | None, str | None], Named] = {}
    looked, step = 0, _FIRST
    after: Place | None = None
    while True:
        left = timedelta(seconds=max(deadline - time.monotonic(), 0))
        page = await find(database, view, where, catalog, limit=min(step, most - looked), after=after, budget=left)
        for record in page.records:
            if "entry" in record.altered:
                continue  # nothing is known of it
            for named in named_in(record.event):
                if (named.id or named.name) and (not text or _fits(text, named)):
                    # Whoever has no id goes by their name.
                    key = (named.type, named.id, None if named.id is not None else named.name)
                    found[key] = _with(found.get(key), named)
        looked, step, after = looked + len(page.records), _STEP, page.next
        full = len(found) > limit
        if full or after is None or page.cut or looked >= most:
            return Seen(list(found.values())[:limit], partial=full or after is not None, cut=page.cut)


def _with(newer: Named | None, older: Named) -> Named:
    """What the newer event does not show, the older one may."""
    if newer is None:
        return older
    return replace(newer, name=newer.name or older.name, email=newer.email or older.email)


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
    return bool(words) and all(
        any(name.startswith(word) or (len(word) >= _MIDDLE and word in name and is_listed(name)) for name in names)
        for word in words
    )
