"""What the conditions of `store.filter` mean, said once more, and as plainly as can be."""

import json
import unicodedata
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UNSET

from indelible.catalog import Catalog
from indelible.catalog.synonyms import ways_to_say
from indelible.event import Change, Event
from indelible.store.filter import Changed, Condition, Is, Term
from indelible.store.sealing import Record
from indelible.store.view import ALL_PARTS, Part, View
from indelible.store.words import SEARCHED

__all__ = ["is_in", "means", "words_in"]


def is_in(record: Record, view: View) -> bool:
    """Whether the view has the event of the record, as the tenant sees it."""
    event = record.event
    first = event.targets[0] if event.targets else None
    columns = {
        "action": event.action, "category": record.category, "operation": record.operation, "outcome": event.outcome,
        "source": event.source, "actor_type": event.actor.type, "actor_id": event.actor.id,
        "target_type": first and first.type, "target_id": first and first.id,
    }  # fmt: skip
    people = [(event.actor.type, event.actor.id), *((target.type, target.id) for target in event.targets)]
    return all(columns[column] in values for column, values in view.equal.items()) and (
        view.member is None or ("user", view.member) in people
    )


def means(record: Record, condition: Condition, catalog: Catalog, view: View) -> bool:
    """Whether the event fulfils the condition for who looks through the view, which shows all that a condition on a
    field asks for.
    """
    event = _shown(record.event, view.parts)
    match condition:
        case Is():
            found = any(_is(record, event, condition.field, value) for value in condition.values if value)
        case Changed():
            found = condition.name in event.changes and _changed(event.changes[condition.name], condition)
        case Term():
            found = any(
                _phrase(event, text, condition.of, catalog)
                if condition.phrase
                else _words(event, text, condition, catalog, view)
                for text in condition.texts
            )
    return found is not condition.excluded


def words_in(text: str) -> list[str]:
    """In their order, folded."""
    words = "".join(c if c.isalnum() else " " for c in _plain(text)).split()
    return [word[at : at + 64] for word in words for at in range(0, len(word), 64)]


def _plain(text: str) -> str:
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c)[0] != "M")
    return plain.casefold().lower()


def _shown(event: Event, parts: frozenset[Part]) -> Event:
    hidden = ALL_PARTS - parts
    context = {f: None if f in hidden else getattr(event.context, f) for f in event.context.__struct_fields__}
    return msgspec.structs.replace(
        event,
        changes={} if "changes" in hidden else event.changes,
        metadata={} if "metadata" in hidden else event.metadata,
        context=msgspec.structs.replace(event.context, **context),
    )


def _is(record: Record, event: Event, field: str, value: str) -> bool:
    actor = event.actor
    if field == "action" and "*" in value:
        return _like(event.action.lower(), value.lower())
    if field == "ip_address" and value.endswith("*") and value != "*":
        return bool(event.context.ip_address) and str(event.context.ip_address).startswith(value[:-1])
    if field == "actor_id":
        return value in (actor.id, actor.impersonator.id if actor.impersonator else None)
    if field.startswith("target_"):
        return any(value == getattr(target, field.removeprefix("target_")) for target in event.targets)
    values = {"category": record.category, "operation": record.operation, "actor_type": actor.type}
    owner = event.context if hasattr(event.context, field) else event
    return value == (values[field] if field in values else getattr(owner, field))


def _like(text: str, pattern: str) -> bool:
    """Case apart, which is that of ASCII here."""
    first, star, rest = pattern.partition("*")
    if not star:
        return text == first
    return text.startswith(first) and any(_like(text[at:], rest) for at in range(len(first), len(text) + 1))


def _changed(change: Change, condition: Changed) -> bool:
    sides = {"from": change.from_, "to": change.to}
    if condition.side is None and not condition.values:
        return True
    asked = [sides[condition.side]] if condition.side else list(sides.values())
    there = [value for value in asked if value is not UNSET]
    return any(not condition.values or _text(value) in condition.values for value in there)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _names(event: Event, of: str) -> list[str]:
    actor, by = event.actor, event.actor.impersonator
    found = (
        []
        if of == "target"
        else [actor.name, actor.email, *((by.name, by.email, by.reason, "impersonated support agent") if by else ())]
    )
    found += [] if of == "actor" else [target.name for target in event.targets]
    return [name for name in found if name]


def _wholes(event: Event, of: str) -> list[str]:
    actor, by, context = event.actor, event.actor.impersonator, event.context
    found = [] if of == "target" else [actor.id, by.id if by else None]
    found += [] if of == "actor" else [target.id for target in event.targets]
    found += [context.ip_address, context.session_id, context.request_id] if of == "anything" else []
    return [whole for whole in found if whole]


def _told(event: Event) -> list[str]:
    """Keys and values of the changes and the metadata."""
    changes = json.loads(msgspec.json.encode(event.changes), parse_float=_Spelled, parse_int=_Spelled)
    metadata = {} if event.action == SEARCHED else event.metadata
    metadata = json.loads(msgspec.json.encode(metadata), parse_float=_Spelled, parse_int=_Spelled)
    # The names of the parts themselves, `changes` and `metadata`, are of no event in particular.
    return [*_leaves(changes), *(_leaves(metadata) if event.action != "audit_log.searched" else ())]


class _Spelled(str):
    """A number as it is written."""

    __slots__ = ()


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from _leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    else:
        yield value if isinstance(value, str) else {None: "null", True: "true", False: "false"}[value]  # type: ignore[index]


def _action_words(event: Event, catalog: Catalog) -> list[str]:
    return words_in(event.action) + words_in(catalog.words(event.action))


def _is_listed(word: str) -> bool:
    digits = sum(c in "0123456789" for c in word)
    return (3 <= len(word) <= 15 and digits < len(word)) or (16 <= len(word) <= 40 and digits == 0)


def _words(event: Event, text: str, condition: Term, catalog: Catalog, view: View) -> bool:
    of = condition.of
    if text and any(whole[:256].startswith(text[:256]) for whole in _wholes(event, of)):
        return True
    names = [word for name in _names(event, of) for word in words_in(name)]
    begun, said, inside, outcomes = list(names), [], "", []
    if of == "anything":
        begun += [word for told in _told(event) for word in words_in(told)]
        said = _action_words(event, catalog)
        inside = _plain(event.action)
        outcomes = {"failure": ["failed", "failure"], "denied": ["denied"], "success": []}[event.outcome]

    def has(word: str) -> bool:
        if any(each.startswith(word) for each in begun):
            return True
        if any(each.startswith(way) for each in said for way in ways_to_say(word, excluded=condition.excluded)):
            return True
        if len(word) < 3:
            return False
        # Members have no directory.
        listed = [name for name in names if _is_listed(name)] if view.member is None else []
        return any(each.startswith(word) for each in outcomes) or any(word in each for each in [*listed, inside])

    return bool(words_in(text)) and all(map(has, words_in(text)))


def _phrase(event: Event, text: str, of: str, catalog: Catalog) -> bool:
    wholes = _wholes(event, of) + ([event.action] if of == "anything" else [])
    if text[:256] in [whole[:256] for whole in wholes]:
        return True
    phrase, names, told = words_in(text), _names(event, of), _told(event) if of == "anything" else []
    if any(_follow(phrase, words_in(each)) for each in [*names, *told]):
        return True
    known = {word for each in [*names, *told] for word in words_in(each)} | set(_action_words(event, catalog))
    return of == "anything" and known.issuperset(phrase) and _follow(phrase, words_in(catalog.sentence(event)))


def _follow(phrase: list[str], words: list[str]) -> bool:
    return bool(phrase) and any(words[at : at + len(phrase)] == phrase for at in range(len(words)))
