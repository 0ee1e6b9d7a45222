"""How an event's actor, targets and changes are called in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import UNSET

from indelible.catalog.language import ENGLISH, Language
from indelible.catalog.text import clean, join, label, person, plain, quoted, split_words, spoken, thing, words
from indelible.event import Actor, Change, Event, Target

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


def call_actor(actor: Actor, language: Language = ENGLISH, *, first: bool = True) -> str:
    """Who did it, never empty; `first` where it begins the sentence and so takes a capital.

    "Sarah Chen" · "User usr_7" · "Someone" · "System" · "API key “CI deploy”" ·
    "Support agent Ana (as Sarah Chen)"
    """
    match actor.type:
        case "user":
            # The name is as its owner writes it, so only our own words take the capital.
            called = person(actor.name, language) or person(actor.email, language)
            if called is None:
                called = _filled(
                    language.user, thing(actor.id, language), language.somebody, first and not actor.impersonator
                )
        case "system":
            name = thing(actor.name, language) or thing(actor.id, language)
            called = _filled(language.system, name, language.some_system[not first], first)
        case "api_key":
            name = _in_quotes(actor.name, language) or person(actor.email, language) or thing(actor.id, language)
            called = _filled(language.key, name, language.some_key, first)
    if (agent := actor.impersonator) is not None:
        name = person(agent.name, language) or person(agent.email, language) or thing(agent.id, language)
        who = _filled(language.agent, name, language.some_agent, first)
        return f"{who} ({language.acting_as} {called})"
    return called


def _filled(phrase: str, name: str | None, nameless: str, capital: bool) -> str:
    """The phrase with the name in it; its first word, not the name, takes the capital."""
    said = phrase if name else nameless
    if capital:
        said = said[0].upper() + said[1:]
    return said.replace("{name}", name) if name else said


def call_target(target: Target, language: Language = ENGLISH) -> str:
    """A person by name, anything else by type and name: "Alex Roman", "user usr_9", "repository acme/site"."""
    if is_person(target) and (called := person(target.name, language)):
        return called
    kind = kind_of(target, language)
    name = name_target(target, language) or thing(target.id, language)
    if name:
        return f"{kind} {name}"
    return with_article(kind) if language.unnamed is None else language.unnamed.replace("{kind}", kind)


def name_target(target: Target, language: Language = ENGLISH) -> str | None:
    """The target's name alone."""
    if target.type == "api_key":
        return _in_quotes(target.name, language)
    return person(target.name, language) if is_person(target) else thing(target.name, language)


def _in_quotes(name: str | None, language: Language) -> str | None:
    """The name of a key: people call them by any word, such as “empty” or “of”."""
    shown = clean(name) if name else ""
    return quoted(shown, language) if shown else None


def call_targets(targets: Iterable[Target], language: Language = ENGLISH) -> str | None:
    """All of them, the first three by name; things of one type share the word for it."""
    return join([call_target(target, language) for target in targets], language=language)


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


def kind_of(target: Target, language: Language = ENGLISH) -> str:
    """The target's type in words: `page_id` is "page"."""
    names = split_words(clean(target.type, 40))
    if len(names) > 1 and names[-1] in ("id", "uuid"):
        del names[-1]
    kind = spoken(names, language) or language.thing
    return kind[0].upper() + kind[1:] if language.capitals else kind


def with_article(noun: str) -> str:
    """ "a page", "an API key"."""
    vowel = noun[:1].lower() in "aeiou" and not noun.lower().startswith(("user", "url", "uni", "use", "usb", "one"))
    spelled = noun.split(" ", 1)[0]
    if spelled.isupper() and spelled[:1] in "FHLMNRSX" and spelled not in ("SAML", "SCIM", "SIEM", "HIPAA"):
        vowel = True  # "an MFA factor", "an SSO setting"
    return f"{'an' if vowel else 'a'} {noun}"


def call_change(change: Change, language: Language = ENGLISH) -> str | None:
    """ "from Member to Admin", or the one side that was sent."""
    before, after = _side(change.from_, language), _side(change.to, language)
    sides = [*([f"{language.before} {before}"] if before else []), *([f"{language.after} {after}"] if after else [])]
    return " ".join(sides) or None


def _side(value: object, language: Language) -> str | None:
    if value is UNSET or value is None:
        return None
    return label(value, language) or None if isinstance(value, str) else plain(value, language)


def call_only_change(changes: Mapping[str, Change], language: Language = ENGLISH) -> str | None:
    """Where one field changed alone, its name and values: "MFA required from on to off"."""
    if len(changes) != 1:
        return None
    ((key, change),) = changes.items()
    named, values = words(key, language), call_change(change, language)
    return f"{named} {values}" if named and values else None


def call_changes(changes: Mapping[str, Change], language: Language = ENGLISH) -> str | None:
    """The names of the fields that changed: "name, owner and 2 more"."""
    return join([named for key in changes if (named := words(key, language))], language=language)
