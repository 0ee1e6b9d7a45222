"""A sentence for an action that nobody declared, made of the words of its name.

`repo.add_member` with a repository and a user as its targets is "bob added cat to repository acme/site". The targets
fill the object's place where their type is the object's word, and stand behind it with a preposition where it is not.
It is a guess, made for any name there may be, so every path through it ends in words: where no verb is found, the
actor "triggered" what the name says.
"""

from __future__ import annotations

from collections.abc import Iterable

from indelible.catalog.english import NOUNISH
from indelible.catalog.language import ENGLISH
from indelible.catalog.naming import BEHIND, CONTAINERS, Reading, Words, read_name
from indelible.catalog.outcome import ENDINGS
from indelible.catalog.text import clean, join, pluralise, spell, split_words
from indelible.catalog.who import call_actor, call_target, is_actor, is_person, kind_of, with_article
from indelible.event import Event, Target

__all__ = ["describe"]

_TO = frozenset("added assigned attached delegated granted invited linked sent subscribed transferred".split())
_FROM = frozenset("detached removed revoked unassigned uninstalled unlinked unsubscribed".split())
_SWITCHES = frozenset("activated deactivated disabled enabled enforced enrolled required toggled unenrolled".split())
_STAGES = frozenset("cancelled completed finished paused requested resumed started stopped".split())
_ATTRIBUTES = frozenset("description email id name owner password role status title visibility".split())
_DEFINITE = _ATTRIBUTES | frozenset(
    "allowlist blacklist blocklist config configuration homepage level limit list log method mode policy requirement "
    "setting whitelist".split()
)
_UNCOUNTABLE = frozenset(
    "access audit auth authentication billing branding content data encryption history information membership "
    "metadata ownership privilege protection retention security software storage".split()
)
_COUNTABLE_ING = frozenset("booking building finding listing meeting recording setting string warning".split())
_SETTINGS = frozenset("configuration permissions preferences settings".split())
_SAME = {"repo": "repository", "org": "organization", "organisation": "organization"}
_ANYONE = frozenset("contact employee guest member people person user".split())


def describe(event: Event) -> str:
    """What happened, in one line; never raises, never empty."""
    reading = read_name(event.action)
    actor, said = call_actor(event.actor), _after_verb(reading, event)
    outcome = event.outcome if event.outcome != "success" else reading.told
    if outcome is None:
        return f"{actor} {reading.past}{said}"
    if reading.base is None and reading.told is not None:
        return f"{actor} {reading.past}{said}"
    if reading.base is None:
        return f"{actor} {reading.past}{said} {ENGLISH.suffixes[outcome]}"
    return f"{actor} tried to {reading.base}{said}, {ENDINGS[outcome]}"


def _after_verb(reading: Reading, event: Event) -> str:
    left = [target for target in event.targets if not is_actor(target, event.actor)]
    said = _object(reading, left)
    people, places = [t for t in left if is_person(t)], [t for t in left if not is_person(t)]
    if people:
        to = reading.past in _TO and not reading.tail
        preposition = "to" if to else "from" if reading.past in _FROM else "for"
        said.append(f"{preposition} {_name(people)}")
    context = reading.context
    if context and (place := next((t for t in places if _is_called(t, context[0])), None)):
        # The target is the very place that the name speaks of.
        places = [*(t for t in places if t is not place), place]
        context = context[1:]
    context = _merge_settings(context)
    for at, part in enumerate(reversed(context)):
        noun = spell(part)
        where = noun if _is_product(part) else f"the {noun}"
        said.append(f"{_preposition(reading, part, first=not (people or at), named=False)} {where}")
    if places:
        kind = tuple(split_words(kind_of(places[0]))) or ("object",)
        if context and _is_product(context[0]) and kind[-1] in CONTAINERS:
            said.append(_name(places))  # "in Slack workspace acme"
        else:
            first = not (people or context)
            said.append(f"{_preposition(reading, kind, first=first, named=True)} {_name(places)}")
    return "".join(f" {piece}" for piece in said)


def _object(reading: Reading, left: list[Target]) -> list[str]:
    """The object and what belongs to it; a target that is the object is taken out of `left`."""
    said = []
    if reading.object:
        matches = [t for t in left if _is_called(t, reading.object)]
        left[:] = [t for t in left if t not in matches]
        said.append(_name(matches) if matches else _noun(reading.object, reading.past))
    elif reading.past not in BEHIND:
        said.append(call_target(left.pop(0)) if left else "something")
    if reading.tail in (("incoming",), ("outgoing",)):
        said.append(f"({reading.tail[0]})")
    elif reading.tail:
        said.append(spell(reading.tail))
    return said


def _name(targets: Iterable[Target]) -> str:
    return join(list(dict.fromkeys(call_target(target) for target in targets))) or ""


def _is_called(target: Target, noun: Words) -> bool:
    """Whether the target's type is what the noun, or its last word, says."""
    kind = [_SAME.get(word, word) for word in split_words(clean(kind_of(target), 40))]
    said = [_SAME.get(word, word) for word in noun]
    if kind == said or (len(noun) <= 2 and kind[-1:] == said[-1:]):
        return True
    return noun[-1] in _ANYONE and is_person(target)


def _noun(words: Words, past: str) -> str:
    """The object as a noun phrase, with the article that suits it."""
    if past == "transferred" and words[-1] == "owner":
        words = (*words[:-1], "ownership")
    if len(words) > 1 and words[0] == "bulk":
        return f"{pluralise(spell(words[1:]))} in bulk"
    if len(words) == 1:
        words = (_SAME.get(words[0], words[0]),)
    noun, head = spell(words), words[-1]
    plural = head.endswith("s") and not head.endswith(("ss", "us", "is"))
    uncountable = head in _UNCOUNTABLE or (head.endswith("ing") and head not in _COUNTABLE_ING)
    if plural or uncountable or spell([head]).isupper() or not noun.isascii():
        return noun
    if past in _SWITCHES and (len(words) == 1 or words == ("two", "factor")):
        return noun
    if past not in ("created", "added") and head in _DEFINITE | CONTAINERS:
        return f"the {noun}"
    return with_article(noun)


def _is_product(words: Words) -> bool:
    """Whether it is a name that takes no article, such as Slack."""
    return len(words) == 1 and spell(words)[:1].isupper()


def _merge_settings(context: tuple[Words, ...]) -> tuple[Words, ...]:
    """`workspace.settings` are the workspace settings."""
    if len(context) > 1 and context[-1][-1] in _SETTINGS:
        return (*context[:-2], (*context[-2], *context[-1]))
    return context


def _preposition(reading: Reading, place: Words, *, first: bool, named: bool) -> str:
    """What stands before a place: one that the name speaks of, or, if `named`, a target."""
    if first and reading.past in BEHIND:
        return BEHIND[reading.past]
    if first and reading.object and not _is_product(place):
        if reading.past in _TO:
            return "to"
        if reading.past in _FROM:
            return "from"
        noun = reading.object[-1]
        if (noun in _ATTRIBUTES and place[-1] not in _SETTINGS) or (
            reading.object == (noun,) and noun in NOUNISH and reading.past in _STAGES
        ):
            return "of"
    inside = place[-1] in CONTAINERS | _SETTINGS or place[-1].endswith("s") or (len(place) == 1 and not named)
    return "in" if inside else "on"
