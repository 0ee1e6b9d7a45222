"""The name of an action taken apart: `repo.add_member` is the verb "added", the object "member", the context "repo"."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

from indelible.catalog.english import BASE, NOUNISH, PAST, past_form
from indelible.catalog.text import clean, quoted, split_words

__all__ = ["BEHIND", "CONTAINERS", "Reading", "Words", "read_name"]

Words = tuple[str, ...]

CONTAINERS = frozenset(
    "account business company enterprise folder group org organisation organization project repo repository space team "
    "teamspace tenant workspace".split()
)
"""What other things are in."""

BEHIND = {"logged in": "to", "signed in": "to", "signed up": "for", "logged out": "of", "signed out": "of",
          "authenticated": "with", "pushed": "to"}  # fmt: skip
"""Verbs that take no object but a place, and the preposition before it."""

_SILENT = frozenset("action app application audit event events git log system user users".split())
"""As the first of several parts these say nothing that the rest does not."""

PREPOSITIONS = frozenset("to from by in on for with of as into".split())
_PARTICLES = frozenset("incoming outgoing in out off on up down".split())
_SPELLED_OUT = {"pref": "preferences", "prefs": "preferences", "config": "configuration",
                "org": "organization", "repo": "repository"}  # fmt: skip

_PHRASES = {
    "login": ("logged in", "log in"), "logon": ("logged in", "log in"), "signin": ("signed in", "sign in"),
    "logout": ("logged out", "log out"), "logoff": ("logged out", "log out"), "signout": ("signed out", "sign out"),
    "signup": ("signed up", "sign up"), "log in": ("logged in", "log in"), "sign in": ("signed in", "sign in"),
    "log out": ("logged out", "log out"), "sign out": ("signed out", "sign out"), "sign up": ("signed up", "sign up"),
    "logged in": ("logged in", "log in"), "signed in": ("signed in", "sign in"), "signed up": ("signed up", "sign up"),
    "logged out": ("logged out", "log out"), "signed out": ("signed out", "sign out"),
    "authentication": ("authenticated", "authenticate"),
}  # fmt: skip
"""Verbs of two words, and the nouns that stand for them."""

_ENDED_WELL = frozenset("success succeeded successful successfully ok".split())
_ENDED_BADLY: dict[str, Literal["failure", "denied"]] = {
    "failed": "failure", "failure": "failure", "unsuccessful": "failure",
    "denied": "denied", "rejected": "denied", "refused": "denied",
}  # fmt: skip


class Reading(NamedTuple):
    """What the name says: the verb in the past, and its base form where it is known; what it was done to; words that
    follow the object; where, from the outside in; and the outcome, if the name itself tells one."""

    past: str
    base: str | None
    object: Words
    tail: Words
    context: tuple[Words, ...]
    told: Literal["failure", "denied"] | None


class _Verb(NamedTuple):
    start: int
    end: int
    past: str
    base: str | None


@lru_cache(maxsize=4096)
def read_name(action: str) -> Reading:
    """The best guess for any text; never raises."""
    if not action.isascii():
        # English can't be made of it.
        shown = clean(action, 128)
        return Reading("triggered", "trigger", (quoted(shown) if shown else "event",), (), (), None)
    shown = clean(action, 128).replace("/", ".").replace(":", ".")
    parts = [tuple(words) for part in shown.split(".") if (words := split_words(part))]
    parts, told = _outcome(parts)
    for at in range(len(parts) - 1, -1, -1):
        if verb := _find_verb(parts[at]):
            return _arrange(parts, at, verb, told)
    return _without_verb(parts, told)


def _outcome(parts: list[Words]) -> tuple[list[Words], Literal["failure", "denied"] | None]:
    """The parts without a last word that tells how it ended, where another word tells what was done."""
    if not parts:
        return parts, None
    last = parts[-1][-1]
    rest = [part for part in (*parts[:-1], parts[-1][:-1]) if part]
    if last in _ENDED_WELL and rest:
        return rest, None
    if last in _ENDED_BADLY and any(_find_verb(part) for part in rest):
        return rest, _ENDED_BADLY[last]
    return parts, None


def _find_verb(words: Words) -> _Verb | None:
    for width in (2, 1):
        for start in range(len(words) - width + 1):
            if phrase := _PHRASES.get(" ".join(words[start : start + width])):
                return _Verb(start, start + width, *phrase)
    at = _verb_at(words)
    if at is None:
        return None
    word = words[at]
    past = past_form(word)
    if past is None:
        return _Verb(at, at + 1, word, None)
    return _Verb(at, at + 1, past, BASE.get(past, word))


def _verb_at(words: Words) -> int | None:
    last = len(words) - 1
    # A past tense that is no other form ("added", not "set") is the verb wherever it stands.
    if past := [i for i, word in enumerate(words) if word in BASE and word not in PAST]:
        return past[-1]
    if len(words[last]) > 5 and words[last].endswith("ed") and words[last] not in PAST:
        return last
    # `role_change_to_admin`, `session_reset_by_admin`
    if before := [i for i in range(last) if words[i] in PAST and words[i + 1] in PREPOSITIONS]:
        return before[0]
    if words[0] in PAST and (words[0] not in NOUNISH or words[last] not in PAST):
        return 0
    return next((i for i in range(last, -1, -1) if words[i] in PAST), None)


def _arrange(parts: list[Words], at: int, verb: _Verb, told: Literal["failure", "denied"] | None) -> Reading:
    before, after = parts[at][: verb.start], parts[at][verb.end :]
    outer = parts[:at]
    if len(outer) > 1 and len(outer[0]) == 1 and outer[0][0] in _SILENT:
        outer = outer[1:]
    tail: Words = ()
    if after and after[0] in PREPOSITIONS and (len(after) > 1 or after[0] not in _PARTICLES):
        # "by admin" repeats the actor.
        tail, after = (() if after[0] == "by" or len(after) == 1 else after), ()
    later = tuple(word for part in parts[at + 1 :] for word in part)
    if not (before or after or verb.past in BEHIND):
        after = later
    elif later:
        tail = (*tail, "with" if verb.past == "authenticated" else "of", *later)
    if verb.past in BEHIND:
        # Nothing is logged in; `user.login` and `git.push` say by their first part what goes without saying.
        outer = [*outer, *([before] if before else [])]
        return Reading(verb.past, verb.base, (), tail, _context([p for p in outer if p[-1] not in _SILENT], ()), told)
    if before == ("bulk",) and outer:
        thing, tail, outer = outer[-1], ("in", "bulk"), outer[:-1]
    elif before:
        thing, tail = before, (*after, *tail)
    elif after and not set(after) <= _PARTICLES:
        thing = after
    else:
        # `org.service_account.create`: the parts before the verb are its object, a container its place.
        tail = (*after, *tail)
        split = 1 if len(outer) > 1 and outer[0][-1] in CONTAINERS else 0
        thing, outer = tuple(word for part in outer[split:] for word in part), outer[:split]
        thing = () if thing == ("git",) else thing
    if len(outer) == 1 and len(outer[0]) == 1 and outer[0][0] in _SILENT:
        outer = []
    if verb.past == "failed" and thing:
        return Reading("had", None, thing, ("fail", *tail), _context(outer, thing), "failure")
    return Reading(verb.past, verb.base, thing, tail, _context(outer, thing), told)


def _context(outer: list[Words], thing: Words) -> tuple[Words, ...]:
    """The outer parts, without what the object says already."""
    said = {word.rstrip("s") for word in thing}
    kept = [tuple(_SPELLED_OUT.get(word, word) for word in part) for part in outer if part[-1].rstrip("s") not in said]
    # `settings.login_method` are the login method settings.
    for i in range(len(kept) - 1):
        if kept[i] in (("settings",), ("permissions",), ("preferences",), ("configuration",)):
            kept[i], kept[i + 1] = kept[i + 1], kept[i]
    return tuple(kept)


def _without_verb(parts: list[Words], told: Literal["failure", "denied"] | None) -> Reading:
    if len(parts) > 1 and len(parts[0]) == 1 and parts[0][0] in _SILENT:
        parts = parts[1:]
    thing = parts[-1] if parts else ("event",)
    outer = parts[:-1]
    # `rate_limit.warning` is one noun; a container or the vendor's product is where it happened.
    while len(outer) > 1 and outer[-1][-1] not in CONTAINERS:
        thing, outer = (*outer[-1], *thing), outer[:-1]
    return Reading("triggered", "trigger", thing, (), _context(outer, thing), told)
