"""The sentence of what did not happen: "Sarah Chen tried to delete 3 records, but it failed"."""

from __future__ import annotations

import re
from typing import Literal

from indelible.catalog.english import base_form
from indelible.catalog.language import ENGLISH, Language
from indelible.catalog.spec import ActionSpec
from indelible.catalog.template import pieces

__all__ = ["ENDINGS", "tried"]

ENDINGS = {"failure": "but it failed", "denied": "but was denied"}


def tried(spec: ActionSpec, outcome: Literal["failure", "denied"], language: Language = ENGLISH) -> str:
    """The template for `outcome`, made of the action's sentence, which is of the language.

    A sentence that begins with "{actor} deleted" becomes "{actor} tried to delete …, but it failed", and "{actor} hat …
    gelöscht" becomes "{actor} wollte … löschen – fehlgeschlagen". Any other gets a plain " — failed", and one that
    tells of a failure anyway stays as it is.
    """
    if spec.outcome != "success":
        return spec.sentence
    if language is not ENGLISH:
        return f"{_wanted(spec.sentence, language)} {language.suffixes[outcome]}"
    if (found := re.match(r"\{actor\} ([a-z]+)\b", spec.sentence)) and (verb := base_form(found[1])):
        return f"{{actor}} tried to {verb}{spec.sentence[found.end() :]}, {ENDINGS[outcome]}"
    return f"{spec.sentence} {language.suffixes[outcome]}"


def _wanted(sentence: str, language: Language) -> str:
    found = pieces(sentence)
    said = language.tried([text for text, always in found if always])
    if said is None:
        return sentence
    others = iter(said)
    return "".join(next(others) if always else text for text, always in found)
