"""The sentence of what did not happen: "Sarah Chen tried to delete 3 records, but it failed"."""

from __future__ import annotations

import re
from typing import Literal

from indelible.catalog.english import base_form
from indelible.catalog.spec import ActionSpec

__all__ = ["ENDINGS", "SUFFIXES", "tried"]

ENDINGS = {"failure": "but it failed", "denied": "but was denied"}
SUFFIXES = {"failure": "failed", "denied": "denied"}


def tried(spec: ActionSpec, outcome: Literal["failure", "denied"]) -> str:
    """The template for `outcome`, made of the action's sentence.

    A sentence that begins with "{actor} deleted" becomes "{actor} tried to delete …, but it failed". Any other gets a
    plain " — failed", and one that tells of a failure anyway stays as it is.
    """
    if spec.outcome != "success":
        return spec.sentence
    if (found := re.match(r"\{actor\} ([a-z]+)\b", spec.sentence)) and (verb := base_form(found[1])):
        return f"{{actor}} tried to {verb}{spec.sentence[found.end() :]}, {ENDINGS[outcome]}"
    return f"{spec.sentence} — {SUFFIXES[outcome]}"
