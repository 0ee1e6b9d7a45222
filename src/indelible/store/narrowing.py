"""Conditions as PostgreSQL takes them: a query of the index of words, and what columns have to hold.

What neither can tell is left to `store.deciding`; what is found is then a superset.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, cast

from psycopg import sql

from indelible.catalog import Catalog
from indelible.catalog.synonyms import ways_to_say
from indelible.store.filter import Changed, Condition, Field, Filter, Is, Term
from indelible.store.session import Connection
from indelible.store.view import Column, Part, View
from indelible.store.words import MAX_WHOLE, MIDDLE, OF_A_PART, Mark, fold, lexeme, tokens, without_escapes

__all__ = ["MAX_OWN", "HiddenPart", "Narrowed", "action_has", "hidden_part_of", "matching", "narrowed", "outcomes_of"]


class HiddenPart(ValueError):
    """A condition is on a part of the events that the view does not show."""

    def __init__(self, part: Part) -> None:
        super().__init__(f"this view does not show {part}")
        self.part = part


@dataclass(slots=True)
class Narrowed:
    words: str | None = None
    """A tsquery that what is looked for fulfils; None where words do not tell."""
    columns: list[sql.Composable] = field(default_factory=list)
    """What the columns of an event hold; the values are `parameters`."""
    parts: list[str] = field(default_factory=list)
    """What is asked for by the single conditions, of those that the index can be asked for."""
    scope: str | None = None
    """Of `parts`, what the view asks for; None where its columns alone tell what it shows."""
    others: str | None = None
    """Those of `words` that the columns do not tell."""
    beyond: list[sql.Composable] = field(default_factory=list)
    """Those of `columns` that the words do not tell."""
    parameters: dict[str, Any] = field(default_factory=dict)
    undecided: list[Condition] = field(default_factory=list)
    nothing: bool = False
    """No event can fulfil it."""


_Query = str | bool
"""A tsquery; or that everything, or nothing, fulfils it."""

_MARKS: dict[Field, tuple[Mark, ...]] = {
    "actor_id": ("u", "b"), "target_id": ("i",), "target_type": ("y",),
    "ip_address": ("x",), "session_id": ("s",), "request_id": ("r",),
}  # fmt: skip
_OF_COLUMN: dict[Column, Mark] = {"action": "=", "actor_id": "u", "target_id": "i", "target_type": "y"}
_WHOLES: tuple[Mark, ...] = ("u", "i", "b", "x", "s", "r")
_WORDS: tuple[Mark, ...] = ("a", "t", "c", "m")
_OF: dict[str, tuple[Mark, ...]] = {"actor": ("a", "u", "b"), "target": ("t", "i")}

MAX_OWN: Final = 10_000_000
"""More than any member has."""

_MANY: Final = 300
"""Words of names that are looked for in place of the middles of them that are given; of more, each event decides."""


async def narrowed(connection: Connection, view: View, where: Filter, catalog: Catalog) -> Narrowed:
    """`connection` is in a transaction of the view's role. Raises `HiddenPart`."""
    if (part := hidden_part_of(where.conditions, view.parts)) is not None:
        raise HiddenPart(part)
    directory = await _directory(connection, view, where, catalog)
    found = Narrowed()
    found.columns += view.conditions(found.parameters)
    found.beyond += found.columns
    queries: list[_Query] = []
    others: list[_Query] = []
    for column, values in view.equal.items():
        # Of any target, where the column is of the first: the words lead there, and the column decides.
        mark = _OF_COLUMN.get(column)
        query = _any(_lexeme(view, mark, value) for value in filter(None, values)) if mark is not None else True
        queries.append(query)
        if isinstance(query, str):
            found.parts.append(query)
            found.scope = query
    for number, condition in enumerate(where.conditions):
        known = len(found.columns)
        query = _query(condition, view, directory, found, f"only_{number}")
        queries.append(query)
        if len(found.columns) == known:
            others.append(query)
        elif not isinstance(query, str):
            found.beyond += found.columns[known:]
        if isinstance(query, str) and not condition.excluded:
            found.parts.append(query)
    joined, left = _all(queries), _all(others)
    found.nothing = joined is False
    found.words = joined if isinstance(joined, str) else None
    found.others = left if isinstance(left, str) else None
    return found


def hidden_part_of(conditions: Iterable[Condition], shown: Collection[Part]) -> Part | None:
    """The first part that a condition is on and that is not `shown`.

    The words of a search box are looked for in what is shown, whatever that is: they are on no part.
    """
    for condition in conditions:
        match condition:
            case Is(field="ip_address" | "session_id" | "request_id" as part) if part not in shown:
                return part
            case Changed() if "changes" not in shown:
                return "changes"
    return None


def matching(pattern: str) -> Callable[[str], bool]:
    """Whether an action is the one meant; `*` stands for any characters, and then case does not matter."""
    if "*" not in pattern:
        return pattern.__eq__
    first, *middle, last = map(re.escape, pattern.split("*"))
    # Each part where it first occurs, for good (an atomic group): to try others takes time without end, and in vain.
    found = "".join(f"(?>.*?{part})" for part in middle if part)
    compiled = re.compile(f"{first}{found}.*{last}", re.DOTALL | re.IGNORECASE)
    return lambda action: compiled.fullmatch(action) is not None


def action_has(word: str, action: str, catalog: Catalog, *, whole: bool = False, excluded: bool = False) -> bool:
    """Whether a word that somebody looks for, or wants `excluded`, stands for the action; as a `whole` word, or as the
    beginning of one.
    """
    of_it = _words_of(action, catalog)
    if whole:
        return word in of_it
    ways = tuple(ways_to_say(word, excluded=excluded))
    return any(each.startswith(ways) for each in of_it) or (len(word) >= MIDDLE and word in fold(action))


@lru_cache(maxsize=10_000)
def _words_of(action: str, catalog: Catalog) -> frozenset[str]:
    return frozenset(tokens(action) | tokens(catalog.words(action)))


def outcomes_of(word: str) -> set[str]:
    """The outcomes that a word, or its beginning, stands for."""
    said = {"failed": "failure", "failure": "failure", "denied": "denied"}
    return {outcome for text, outcome in said.items() if len(word) >= MIDDLE and text.startswith(word)}


@dataclass(frozen=True, slots=True)
class _Directory:
    """What of the tenant's directory the conditions ask for."""

    actions: Sequence[str]
    names: dict[str, list[str]]
    """The words of names that have a word in their middle."""
    many: frozenset[str]
    """The words of which that is not known, as there are too many."""
    catalog: Catalog


async def _directory(connection: Connection, view: View, where: Filter, catalog: Catalog) -> _Directory:
    terms = [c for c in where.conditions if isinstance(c, Term)]
    patterns = [c for c in where.conditions if isinstance(c, Is) and c.field == "action" and "*" in "".join(c.values)]
    if not terms and not patterns:
        return _Directory((), {}, frozenset(), catalog)
    if view.member is not None:
        # Members see no directory: whether others' events have a name or an action is not theirs to know.
        return _Directory(await _own_actions(connection, view), {}, frozenset(), catalog)
    words = {w for term in terms for text in term.texts for w in tokens(text) if len(w) >= MIDDLE and not term.phrase}
    cursor = await connection.execute(
        "SELECT kind, value FROM indelible.directory WHERE tenant_id = %(tenant)s AND kind = 'action' UNION ALL"
        " (SELECT kind, value FROM indelible.directory WHERE tenant_id = %(tenant)s AND kind = 'name'"
        " AND value LIKE ANY (%(words)s::text[]) LIMIT %(most)s)",
        # Letters and digits: nothing in them that LIKE knows.
        {"tenant": view.tenant, "words": [f"_%{word}%" for word in words], "most": _MANY + 1},
    )
    rows = cast("list[tuple[str, str]]", await cursor.fetchall())
    actions = [value for kind, value in rows if kind == "action"]
    listed = [value for kind, value in rows if kind == "name"]
    if len(listed) > _MANY:
        return _Directory(actions, {}, frozenset(words), catalog)
    names = {word: [value for value in listed if word in value[1:]] for word in words}
    return _Directory(actions, names, frozenset(), catalog)


async def _own_actions(connection: Connection, view: View) -> list[str]:
    cursor = await connection.execute(
        """
        SELECT DISTINCT e.action FROM indelible.search_own(NULL, '-infinity', 'infinity', %(most)s) own
        CROSS JOIN LATERAL (
            SELECT e.action FROM indelible.events e
            WHERE e.tenant_id = %(tenant)s AND e.seq = own.seq AND e.recorded_at = own.recorded_at LIMIT 1
        ) e
        """,
        {"tenant": view.tenant, "most": MAX_OWN},
    )
    return [action for (action,) in cast("list[tuple[str]]", await cursor.fetchall())]


def _query(condition: Condition, view: View, directory: _Directory, found: Narrowed, name: str) -> _Query:
    """What the words have to be; adds what columns have to hold, and what is left to decide, to `found`."""
    match condition:
        case Is(field="action"):
            values = [a for value in condition.values for a in _actions(value, directory)]
            return _column(condition, "action", values, view, found, name)
        case Is(field="outcome" | "category" | "operation" | "source" | "actor_type"):
            return _column(condition, condition.field, condition.values, view, found, name)
        case Is():
            return _id(condition, view, found)
        case Changed():
            return _changed(condition, view, found)
        case Term():
            return _term(condition, view, directory, found)


def _actions(value: str, directory: _Directory) -> Iterable[str]:
    return filter(matching(value), directory.actions) if "*" in value else [value]


def _column(condition: Is, column: str, values: Sequence[str], view: View, found: Narrowed, name: str) -> _Query:
    template = "({} = ANY (%({})s::text[])) IS NOT TRUE" if condition.excluded else "{} = ANY (%({})s::text[])"
    found.columns.append(sql.SQL(template).format(sql.Identifier(column), sql.SQL(name)))
    found.parameters[name] = list(values)
    if condition.excluded:
        return True
    if column == "action":
        return _any(_lexeme(view, "=", value) for value in filter(None, values))
    if column == "outcome" and "success" not in values:
        return _any(_lexeme(view, "o", value) for value in filter(None, values))
    return bool(values)


def _id(condition: Is, view: View, found: Narrowed) -> _Query:
    marks = _MARKS[condition.field]
    if any(len(value) >= MAX_WHOLE for value in condition.values):
        # There may be a longer one that begins so.
        found.undecided.append(condition)
        if condition.excluded:
            return True
    begins = condition.field == "ip_address"
    query = _any(
        _lexeme(view, mark, value.removesuffix("*")[:MAX_WHOLE], begins=True)
        if begins and value.endswith("*") and value != "*"
        else _lexeme(view, mark, value[:MAX_WHOLE])
        for value in filter(None, condition.values)
        for mark in marks
    )
    return _not(query) if condition.excluded else query


def _changed(condition: Changed, view: View, found: Narrowed) -> _Query:
    found.undecided.append(condition)
    if condition.excluded:
        return True
    named = [_lexeme(view, "c", word) for word in sorted(tokens(condition.name))]
    # A value is a string, or the JSON of something else, of which words are taken without its escapes.
    values = {text for value in condition.values for text in (value, without_escapes(value))}
    valued = [_all([_lexeme(view, "c", word) for word in sorted(tokens(value))]) for value in sorted(values)]
    return _all([*named, _any(valued) if valued else True])


def _term(condition: Term, view: View, directory: _Directory, found: Narrowed) -> _Query:
    words = {word for text in condition.texts for word in tokens(text)}
    if condition.phrase or not directory.many.isdisjoint(words):
        found.undecided.append(condition)
        if condition.excluded:
            return True
    query = _any(_text(text, condition, view, directory) for text in condition.texts)
    return _not(query) if condition.excluded else query


def _text(text: str, condition: Term, view: View, directory: _Directory) -> _Query:
    marks = [m for m in (*_WORDS, *_WHOLES) if _is_shown(m, view) and m in _OF.get(condition.of, (*_WORDS, *_WHOLES))]
    begins = not condition.phrase
    if not text:
        return False
    whole = text[:MAX_WHOLE]
    wholes = [_lexeme(view, mark, whole, begins=begins) for mark in marks if mark in _WHOLES]
    if condition.phrase and condition.of == "anything":
        wholes.append(_lexeme(view, "=", whole))
    each: list[_Query] = []
    for word in sorted(tokens(text)):
        ways: list[_Query] = [_lexeme(view, mark, word, begins=begins) for mark in marks if mark in _WORDS]
        if not condition.phrase:
            named = [mark for mark in marks if mark in ("a", "t")]
            ways += [_lexeme(view, mark, name) for name in directory.names.get(word, ()) for mark in named]
        if condition.of == "anything":
            ways += [
                _lexeme(view, "=", action)
                for action in directory.actions
                if action_has(word, action, directory.catalog, whole=condition.phrase, excluded=condition.excluded)
            ]
            if not condition.phrase:
                ways += [_lexeme(view, "o", outcome) for outcome in sorted(outcomes_of(word))]
        each.append(_any(ways) if condition.phrase or word not in directory.many else True)
    return _any([*wholes, _all(each) if each else False])


def _is_shown(mark: Mark, view: View) -> bool:
    return mark not in OF_A_PART or OF_A_PART[mark] in view.parts


def _lexeme(view: View, mark: Mark, word: str, *, begins: bool = False) -> str:
    quoted = lexeme(view.tenant, mark, word).replace("\\", "\\\\").replace("'", "''")
    return f"'{quoted}'{':*' if begins else ''}"


def _any(queries: Iterable[_Query]) -> _Query:
    texts = list(dict.fromkeys(queries))
    if True in texts:
        return True
    texts = [text for text in texts if text is not False]
    return f"({' | '.join(cast('list[str]', texts))})" if texts else False


def _all(queries: Iterable[_Query]) -> _Query:
    texts = list(dict.fromkeys(queries))
    if False in texts:
        return False
    texts = [text for text in texts if text is not True]
    return f"({' & '.join(cast('list[str]', texts))})" if texts else True


def _not(query: _Query) -> _Query:
    return f"!{query}" if isinstance(query, str) else not query
