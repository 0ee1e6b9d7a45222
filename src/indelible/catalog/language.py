"""What sentences say that stands in no template, in each language: "and", "from … to …", how somebody is called.

English is what the service speaks of itself. Each other language is one file, `languages/TAG.toml`: a table `language`
with what stands here, and the titles and sentences of the built-in actions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct, field

__all__ = ["ENGLISH", "TAGS", "Attempt", "Language"]

TAGS: Final = ("de",)
"""The languages there are besides English (BCP 47)."""


class Attempt(Struct, frozen=True, forbid_unknown_fields=True):
    """How a language of compound tenses tells an attempt by what was done: "hat … gelöscht", "wollte … löschen"."""

    auxiliaries: tuple[str, ...] = ()
    says: str = ""
    verbs: Mapping[str, str] = {}
    """The infinitive of each participle known."""


class Language(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The defaults are English. Where a text has {name}, the name stands there."""

    tag: str = "en"
    on: str = "on"
    off: str = "off"
    opening: str = "“"
    closing: str = "”"
    thousands: str = ","
    decimal: str = "."
    date: str = "{0}-{1}-{2}"
    """Year, month and day."""
    conjunction: str = "and"
    more: str = "more"
    huge: str = "a huge number"
    huge_of: str = "a huge number of"
    units: tuple[tuple[str, str], ...] = (
        ("day", "days"),
        ("hour", "hours"),
        ("minute", "minutes"),
        ("second", "seconds"),
    )
    before: str = "from"
    after: str = "to"
    user: str = "user {name}"
    somebody: str = "someone"
    system: str = "system {name}"
    some_system: tuple[str, str] = ("system", "the system")
    """Where it begins the sentence, and elsewhere."""
    key: str = "API key {name}"
    some_key: str = "an API key"
    agent: str = "support agent {name}"
    some_agent: str = "a support agent"
    acting_as: str = "as"
    thing: str = "object"
    unnamed: str | None = None
    """What is called by its `{kind}` alone; None for English, which has an article for it."""
    capitals: bool = False
    """Whether nouns are written with a capital."""
    altered: str = "Entry {seq} was altered after it was recorded, and what happened is not known from it"
    suffixes: Mapping[str, str] = field(default_factory=lambda: {"failure": "— failed", "denied": "— denied"})
    attempt: Attempt = Attempt()
    words: Mapping[str, str] = {}
    """What types of targets, names of fields and values of the catalog's own are called, by their English words."""

    def number(self, count: int) -> str:
        return f"{count:,}".replace(",", self.thousands)

    def tried(self, texts: list[str]) -> list[str] | None:
        """The texts of a sentence as those of an attempt: "hat" is "wollte", the participle at the end an infinitive.

        `texts` are what stands in it outside of fields and sections. None where it does not end with a known verb.
        """
        said = re.split(r"(\W+)", "\0".join(texts))
        end = next((at for at, word in enumerate(said) if re.search("[:,]", word)), len(said))
        places = [at for at in range(0, end, 2) if said[at]]
        first = next((at for at in places if said[at] in self.attempt.auxiliaries), None)
        if first is None or said[places[-1]] not in self.attempt.verbs:
            return None
        said[first] = self.attempt.says
        verb, *before = reversed(places)
        said[verb] = self.attempt.verbs[said[verb]]
        # "gesperrt und abgemeldet"
        while len(before) > 1 and said[before[0]] == self.conjunction:
            _, verb, *before = before
            if said[verb] not in self.attempt.verbs:
                return None
            said[verb] = self.attempt.verbs[said[verb]]
        return "".join(said).split("\0")


ENGLISH: Final = Language()
