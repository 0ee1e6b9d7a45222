"""How an event's actor, targets and changes are called in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import UNSET

from indelible.catalog.text import clean, join, label, person, plain, quoted, spell, split_words, thing, words
from indelible.event import Actor, Change, Event, Impersonator, Target

__all__ = [
    "call_actor",
    "call_changes",
    "call_only_change",
    "call_target",
    "call_targets",
    "is_person",
    "name_target",
    "other_target",
    "with_article",
]

PEOPLE = frozenset("user member person people account_user app_user employee contact admin owner guest agent".split())


def call_actor(actor: Actor, *, first: bool = True) -> str:
    """Who did it, never empty; `first` where it begins the sentence and so takes a capital.

    "Sarah Chen" · "User usr_7" · "Someone" · "System" · "API key “CI deploy”" ·
    "Support agent Ana (as Sarah Chen)"
    """
    match actor.type:
        case "user":
            # The name is as its owner writes it, so only our own words take the capital.
            called = person(actor.name) or person(actor.email)
            if called is None:
                name = thing(actor.id)
                called = _capital(f"user {name}" if name else "someone", first and not actor.impersonator)
        case "system":
            name = thing(actor.name) or thing(actor.id)
            called = _capital(f"system {name}" if name else "system" if first else "the system", first)
        case "api_key":
            name = _in_quotes(actor.name) or person(actor.email) or thing(actor.id)
            called = f"API key {name}" if name else _capital("an API key", first)
    if actor.impersonator is not None:
        return f"{_capital(_call_agent(actor.impersonator), first)} (as {called})"
    return called


def _call_agent(agent: Impersonator) -> str:
    name = person(agent.name) or person(agent.email) or thing(agent.id)
    return f"support agent {name}" if name else "a support agent"


def _capital(phrase: str, wanted: bool) -> str:
    return phrase[0].upper() + phrase[1:] if wanted else phrase


def call_target(target: Target) -> str:
    """A person by name, anything else by type and name: "Alex Roman", "user usr_9", "repository acme/site"."""
    if is_person(target) and (called := person(target.name)):
        return called
    kind = kind_of(target)
    name = name_target(target) or thing(target.id)
    return f"{kind} {name}" if name else with_article(kind)


def name_target(target: Target) -> str | None:
    """The target's name alone."""
    if target.type == "api_key":
        return _in_quotes(target.name)
    return person(target.name) if is_person(target) else thing(target.name)


def _in_quotes(name: str | None) -> str | None:
    """The name of a key: people call them by any word, such as “empty” or “of”."""
    shown = clean(name) if name else ""
    return quoted(shown) if shown else None


def call_targets(targets: Iterable[Target]) -> str | None:
    """All of them, the first three by name; things of one type share the word for it."""
    return join([call_target(target) for target in targets])


def other_target(event: Event) -> Target | None:
    """The primary target, unless it is the actor."""
    if not event.targets or is_actor(event.targets[0], event.actor):
        return None
    return event.targets[0]


def is_actor(target: Target, actor: Actor) -> bool:
    """Whether a person is a target of what they did themselves."""
    if actor.type != "user" or not is_person(target):
        return False
    if target.id and actor.id:
        return target.id == actor.id
    return target.name is not None and target.name in (actor.name, actor.email)


def is_person(target: Target) -> bool:
    """Whether the target's type is a word for people."""
    return target.type.lower() in PEOPLE


def kind_of(target: Target) -> str:
    """The target's type in words: `page_id` is "page"."""
    names = split_words(clean(target.type, 40))
    if len(names) > 1 and names[-1] in ("id", "uuid"):
        del names[-1]
    return spell(names) or "object"


def with_article(noun: str) -> str:
    """ "a page", "an API key"."""
    vowel = noun[:1].lower() in "aeiou" and not noun.lower().startswith(("user", "url", "uni", "use", "usb", "one"))
    spelled = noun.split(" ", 1)[0]
    if spelled.isupper() and spelled[:1] in "FHLMNRSX" and spelled not in ("SAML", "SCIM", "SIEM", "HIPAA"):
        vowel = True  # "an MFA factor", "an SSO setting"
    return f"{'an' if vowel else 'a'} {noun}"


def call_change(change: Change) -> str | None:
    """ "from Member to Admin", or the one side that was sent."""
    before, after = (_side(value) for value in (change.from_, change.to))
    return " ".join([*([f"from {before}"] if before else []), *([f"to {after}"] if after else [])]) or None


def _side(value: object) -> str | None:
    if value is UNSET or value is None:
        return None
    return label(value) or None if isinstance(value, str) else plain(value)


def call_only_change(changes: Mapping[str, Change]) -> str | None:
    """Where one field changed alone, its name and values: "MFA required from on to off"."""
    if len(changes) != 1:
        return None
    ((key, change),) = changes.items()
    named, values = words(key), call_change(change)
    return f"{named} {values}" if named and values else None


def call_changes(changes: Mapping[str, Change]) -> str | None:
    """The names of the fields that changed: "name, owner and 2 more"."""
    return join([named for key in changes if (named := words(key))])
