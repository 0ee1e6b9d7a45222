"""Whether an event in memory fulfils a condition."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from indelible.catalog import Catalog
from indelible.event import Change, Event
from indelible.store.filter import Changed, Condition, Is, Term
from indelible.store.narrowing import action_has, matching, outcomes_of
from indelible.store.sealing import Record
from indelible.store.words import IMPERSONATED, MAX_WHOLE, SEARCHED, fold, name_has, tokens

__all__ = ["fulfils"]

_WORD = re.compile(r"[^\W_]{1,64}")


def fulfils(record: Record, conditions: Iterable[Condition], catalog: Catalog) -> bool:
    """Whether it fulfils all of `conditions`, which are about what the record shows.

    Of an entry that was altered nothing is known, and so it may be what is looked for: it does.
    """
    try:
        return "entry" in record.altered or all(
            _fulfils(record, condition, catalog) is not condition.excluded for condition in conditions
        )
    except (TypeError, AttributeError):
        # Somebody wrote entry, hashes and disclosures anew, with numbers where there are texts.
        return True


def _fulfils(record: Record, condition: Condition, catalog: Catalog) -> bool:
    match condition:
        case Is(field="action"):
            return any(matching(value)(record.event.action) for value in condition.values)
        case Is(field="ip_address") if any(value.endswith("*") for value in condition.values):
            # A star by itself is an address like any other text.
            address = record.event.context.ip_address or ""
            begins = tuple(
                value.removesuffix("*") for value in condition.values if value.endswith("*") and value != "*"
            )
            return bool(address) and (address.startswith(begins) or address in condition.values)
        case Is():
            return not set(filter(None, _values(record, condition.field))).isdisjoint(condition.values)
        case Changed():
            change = record.event.changes.get(condition.name)
            return change is not None and _has_changed(change, condition)
        case Term(phrase=True):
            return any(_has_phrase(record.event, text, condition.of, catalog) for text in condition.texts)
        case Term():
            return any(_has_words(record.event, text, condition, catalog) for text in condition.texts)


def _values(record: Record, field: str) -> Sequence[str | None]:
    event = record.event
    actor, impersonator, context = event.actor, event.actor.impersonator, event.context
    values: Mapping[str, Sequence[str | None]] = {
        "category": [record.category],
        "operation": [record.operation],
        "outcome": [event.outcome],
        "source": [event.source],
        "actor_type": [actor.type],
        "actor_id": [actor.id, impersonator.id if impersonator else None],
        "target_type": [target.type for target in event.targets],
        "target_id": [target.id for target in event.targets],
        "ip_address": [context.ip_address],
        "session_id": [context.session_id],
        "request_id": [context.request_id],
    }
    return values[field]


def _has_changed(change: Change, condition: Changed) -> bool:
    sides = {"from": change.from_, "to": change.to}
    chosen = [value for side, value in sides.items() if condition.side in (None, side) and value is not UNSET]
    if not condition.values:
        return bool(chosen) or condition.side is None
    return any(_as_text(value) in condition.values for value in chosen)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _names(event: Event, of: str) -> list[str]:
    """The names and addresses in it, each a text."""
    actor, who = event.actor, event.actor.impersonator
    found = [] if of == "target" else [actor.name, actor.email]
    if who is not None and of != "target":
        found += [who.name, who.email, who.reason, IMPERSONATED]
    if of != "actor":
        found += [target.name for target in event.targets]
    return [name for name in found if name]


def _wholes(event: Event, of: str) -> list[str]:
    """The ids and addresses in it."""
    actor, who, context = event.actor, event.actor.impersonator, event.context
    found = [] if of == "target" else [actor.id, who.id if who else None]
    if of != "actor":
        found += [target.id for target in event.targets]
    if of == "anything":
        found += [context.ip_address, context.session_id, context.request_id]
    return [whole for whole in found if whole]


def _told(event: Event) -> list[str]:
    """The keys and values of its changes and metadata, each a text."""
    changes: list[Any] = [
        {name: {s: v for s, v in (("from", change.from_), ("to", change.to)) if v is not UNSET}}
        for name, change in event.changes.items()
    ]
    return list(_leaves([*changes, {} if event.action == SEARCHED else event.metadata]))


def _leaves(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from _leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    else:
        yield _as_text(value)


def _has_words(event: Event, text: str, condition: Term, catalog: Catalog) -> bool:
    of = condition.of
    if text and any(whole[:MAX_WHOLE].startswith(text[:MAX_WHOLE]) for whole in _wholes(event, of)):
        return True
    names = tokens(" ".join(_names(event, of)))
    told = tokens(" ".join(_told(event))) if of == "anything" else ()
    words = tokens(text)
    return bool(words) and all(
        any(name_has(word, name) for name in names)
        or any(each.startswith(word) for each in told)
        or (of == "anything" and action_has(word, event.action, catalog, excluded=condition.excluded))
        or (of == "anything" and event.outcome in outcomes_of(word))
        for word in words
    )


def _has_phrase(event: Event, text: str, of: str, catalog: Catalog) -> bool:
    whole = text[:MAX_WHOLE]
    if whole in [each[:MAX_WHOLE] for each in _wholes(event, of)] or (of == "anything" and whole == event.action):
        return True
    texts = _names(event, of)
    if of == "anything":
        texts += _told(event)
        if all(action_has(word, event.action, catalog, whole=True) for word in tokens(text) - tokens(" ".join(texts))):
            texts.append(catalog.sentence(event))
    phrase = _in_order(text)
    return bool(phrase) and any(f" {phrase} " in f" {_in_order(each)} " for each in texts)


def _in_order(text: str) -> str:
    return " ".join(_WORD.findall(fold(text)))
