"""What somebody looks for: conditions that an event fulfils, all of them.

What each means is said here once. `store.narrowing` puts them to PostgreSQL; `store.deciding` applies them to an event
in memory, where PostgreSQL can only tell which events come into question.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

__all__ = ["Changed", "Condition", "Field", "Filter", "Is", "Term"]

Field = Literal[
    "action", "category", "operation", "outcome", "source", "actor_type", "actor_id", "target_type", "target_id",
    "ip_address", "session_id", "request_id",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Is:
    """The field has one of `values`, exactly. What is empty is as if it were not there.

    An `action` may have `*`, which stands for any characters; then case does not matter. An `ip_address` may end with
    `*`. `actor_id` is also an impersonator's; `target_id` and `target_type` are those of any target, not of the first
    alone.
    """

    field: Field
    values: Sequence[str]
    excluded: bool = False
    """The events that do not fulfil it are meant, here and below."""


@dataclass(frozen=True, slots=True)
class Changed:
    """The field `name` was changed, on the `side` to or from one of `values`; from or to anything without a side.

    A value is compared as text: a string as it is, anything else as its JSON.
    """

    name: str
    side: Literal["from", "to"] | None = None
    values: Sequence[str] = ()
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """One of `texts` occurs in the event; an empty one does in none. Case and accents do not matter, except in ids and
    addresses.

    Taken apart into its words (`store.words.tokens`), each word of a text is the beginning of a word in the names and
    e-mail addresses of the actor, an impersonator or the targets (or in the impersonator's reason, or in
    `store.words.IMPERSONATED` where there is one), in the changes or in the metadata, but for those of a search; or,
    itself or said otherwise (`catalog.synonyms`, less of which is `excluded`), of a word of the action, or in the
    action's sentence; or, from three characters on, any part of the action, or of a word of a name that the directory
    lists (`store.words.is_listed`; not for members, who have no directory); or the beginning, again from three on, of
    `failed`, `failure` or `denied`, where the outcome is that. Or the text as a whole is the beginning of an id, an IP
    address, a session's or a request's id.

    The words of a `phrase` are whole ones, and stand one after the other in a name, an e-mail address, a key or value
    of changes or metadata, or the sentence; or the phrase is the whole of an id, an address or the action. (Of the
    sentence only names, values and the words count that its action always has.)

    `of` an actor or a target, only its names, addresses and ids count.
    """

    texts: Sequence[str]
    phrase: bool = False
    of: Literal["anything", "actor", "target"] = "anything"
    excluded: bool = False


Condition = Is | Changed | Term


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions, all of which are fulfilled, in a span of time by `occurred_at`."""

    since: datetime | None = None
    """Inclusive."""
    until: datetime | None = None
    """Exclusive."""
    conditions: Sequence[Condition] = field(default=())
