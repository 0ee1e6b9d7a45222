"""A filter: which entries of a range an evidence file shows. The exporter and the verifier apply the same one."""

from typing import NamedTuple

from indelible.ledger.canonical import Json
from indelible.ledger.entry import Entry, is_millis

__all__ = ["BadFilter", "Filter", "parse"]

_LISTS = (
    "action", "actor_id", "actor_type", "category", "operation", "outcome", "source", "target_id", "target_type",
)  # fmt: skip
_TIMES = ("since", "until")

_WORDS = {
    "action": "the action",
    "actor_id": "the actor's id",
    "actor_type": "the actor's type",
    "category": "the category",
    "operation": "the operation",
    "outcome": "the outcome",
    "source": "the source",
}


class BadFilter(ValueError):
    """The value is no filter."""


class Filter(NamedTuple):
    """What an entry has to be; an empty set, or None, asks for nothing.

    Of a set any value will do. One target has to be of both `target_type` and `target_id`. `since` is inclusive,
    `until` exclusive, both of `occurred_at` and written like it.
    """

    action: frozenset[str] = frozenset()
    actor_id: frozenset[str] = frozenset()
    actor_type: frozenset[str] = frozenset()
    category: frozenset[str] = frozenset()
    operation: frozenset[str] = frozenset()
    outcome: frozenset[str] = frozenset()
    source: frozenset[str] = frozenset()
    target_id: frozenset[str] = frozenset()
    target_type: frozenset[str] = frozenset()
    since: str | None = None
    until: str | None = None

    def matches(self, entry: Entry) -> bool:
        return (
            (not self.action or entry.action in self.action)
            and (not self.actor_id or entry.actor.id in self.actor_id)
            and (not self.actor_type or entry.actor.type in self.actor_type)
            and (not self.category or entry.category in self.category)
            and (not self.operation or entry.operation in self.operation)
            and (not self.outcome or entry.outcome in self.outcome)
            and (not self.source or entry.source in self.source)
            # Times of one form compare as texts.
            and (self.since is None or entry.occurred_at >= self.since)
            and (self.until is None or entry.occurred_at < self.until)
            and (not (self.target_id or self.target_type) or self._matches_target(entry))
        )

    def _matches_target(self, entry: Entry) -> bool:
        return any(
            (not self.target_id or target.id in self.target_id)
            and (not self.target_type or target.type in self.target_type)
            for target in entry.targets
        )

    def __str__(self) -> str:
        """What an entry has to be, in words: every member, and every value."""
        said = [f"{words} is {_any_of(values)}" for name, words in _WORDS.items() if (values := getattr(self, name))]
        if self.target_id and self.target_type:
            said.append(f"one target's id is {_any_of(self.target_id)} and its type {_any_of(self.target_type)}")
        elif self.target_id or self.target_type:
            name, values = ("id", self.target_id) if self.target_id else ("type", self.target_type)
            said.append(f"a target's {name} is {_any_of(values)}")
        if self.since is not None:
            said.append(f"it occurred at {self.since} or later")
        if self.until is not None:
            said.append(f"it occurred before {self.until}")
        return ", and ".join(said)

    def to_json(self) -> dict[str, Json]:
        """What `parse` reads."""
        lists: dict[str, Json] = {name: sorted(values) for name in _LISTS if (values := getattr(self, name))}
        times = {name: time for name in _TIMES if (time := getattr(self, name)) is not None}
        return lists | times


def parse(value: Json) -> Filter:
    """Raises `BadFilter` unless it is an object of at least one of a filter's members, and of no others."""
    if not isinstance(value, dict) or not value:
        raise BadFilter("the filter asks for nothing: it is an object with at least one member")
    members: dict[str, frozenset[str] | str] = {}
    for name, wanted in value.items():
        if name in _LISTS:
            members[name] = _texts(name, wanted)
        elif name in _TIMES:
            if not isinstance(wanted, str) or not is_millis(wanted):
                raise BadFilter(f"the filter's {name} is no time as an entry's occurred_at is written")
            members[name] = wanted
        else:
            raise BadFilter(f"the filter asks for {name!r}, which is not known here")
    return Filter(**members)  # type: ignore[arg-type]  # each name has its kind


def _any_of(values: frozenset[str]) -> str:
    # Quoted and escaped by Python, so that no value can pass for the words around it.
    return " or ".join(map(repr, sorted(values)))


def _texts(name: str, wanted: Json) -> frozenset[str]:
    texts = [text for text in wanted if isinstance(text, str)] if isinstance(wanted, list) else []
    if not texts or not isinstance(wanted, list) or len(set(texts)) != len(wanted):
        raise BadFilter(f"the filter's {name} is not a list of different texts, at least one")
    return frozenset(texts)
