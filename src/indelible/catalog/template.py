"""The language sentences are written in.

    {actor} changed {target|default:a user}[ {changes.role}][ (ticket {metadata.ticket})]

`{path}` is a field of the event, `|filter` shapes it. What stands in `[…]` vanishes when a field in it is missing;
`[a|b]` shows the first of its alternatives that is complete. `{{`, `}}`, `{[}`, `{]}` and `{|}` are the characters
themselves. A field outside of brackets must always have words: it is `{actor}`, or it has a `|default:`. So no
sentence has a hole.

There is no code in a template and no way from it into Python: `compile_template` looks each path up in a fixed table
and in the fields that the action declares, and refuses any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

from indelible.catalog.filters import Filter, make_filter
from indelible.catalog.language import ENGLISH, Language
from indelible.catalog.spec import FieldSpec
from indelible.catalog.text import person, plain
from indelible.catalog.who import (
    call_actor,
    call_change,
    call_changes,
    call_only_change,
    call_target,
    call_targets,
    name_target,
    other_target,
)
from indelible.event import Event

__all__ = ["Template", "TemplateError", "compile_template", "fixed", "pieces"]

Template = Callable[[Event], str]
"""Makes the sentence of an event: one line, never empty, never raises."""

Part = Callable[[Event], str | None]
Getter = Callable[[Event], object]


class TemplateError(ValueError):
    """The template can't be used; `position` is the 1-based character where."""

    def __init__(self, position: int, problem: str) -> None:
        super().__init__(f"at character {position}: {problem}")
        self.position = position


def compile_template(
    source: str, metadata: Mapping[str, FieldSpec], changes: Collection[str], language: Language = ENGLISH
) -> Template:
    """The template in `source`, which may name the fields declared. Raises `TemplateError`."""
    parser = _Parser(source, metadata, changes, language)
    parts = parser.sequence(depth=0, first=True)
    if not parser.solid:
        raise TemplateError(1, "nothing is left of it when its sections vanish; write words outside of [ ]")
    render = _concatenate(parts)

    def sentence(event: Event) -> str:
        shown = " ".join((render(event) or "").split())
        return shown.replace(" ,", ",") if " ," in shown else shown

    return sentence


def fixed(source: str) -> str:
    """The words of a template that stand outside of its sections and fields: each of its sentences has them."""
    return "".join(_CHARACTERS.get(text, text) if always else " " for text, always in pieces(source))


def pieces(source: str) -> list[tuple[str, bool]]:
    """The template's text in pieces, and of each whether it stands outside of its sections and fields."""
    found, depth, field = [], 0, False
    for token in _TOKEN.findall(source):
        if token in ("{", "}"):
            field = token == "{"  # noqa: S105
        elif token in ("[", "]"):
            depth += 1 if token == "[" else -1  # noqa: S105
        found.append((token, not field and not depth and token not in _MARKS))
    return found


def _concatenate(parts: list[str | Part]) -> Part:
    """The parts after each other; None as soon as one is missing."""

    def render(event: Event) -> str | None:
        shown = []
        for part in parts:
            piece = part if isinstance(part, str) else part(event)
            if piece is None:
                return None
            shown.append(piece)
        return "".join(shown)

    return render


def _section(alternatives: list[Part]) -> Part:
    def render(event: Event) -> str:
        for alternative in alternatives:
            if (shown := alternative(event)) is not None:
                return shown
        return ""

    return render


_TOKEN = re.compile(r"\{\{|\}\}|\{[\[\]|]\}|[{}\[\]|]|[^{}\[\]|]+")
_MARKS = frozenset("{}[]")
_CHARACTERS = {"{{": "{", "}}": "}", "{[}": "[", "{]}": "]", "{|}": "|"}


@dataclass
class _Parser:
    source: str
    metadata: Mapping[str, FieldSpec]
    changes: Collection[str]
    language: Language
    at: int = 0
    solid: bool = False
    """Whether something is sure to be shown."""

    def sequence(self, depth: int, *, first: bool) -> list[str | Part]:
        """Parts up to the end of the template, or of the alternative when `depth` is above 0.

        `first` where nothing stands before them.
        """
        parts: list[str | Part] = []
        while match := _TOKEN.match(self.source, self.at):
            token, start = match[0], self.at
            if depth and token in ("]", "|"):
                break
            self.at = match.end()
            if token == "{":  # noqa: S105
                parts.append(self._field(start, depth, first=first and not parts))
            elif token == "[":  # noqa: S105
                parts.append(self._alternatives(start, depth, first=first and not parts))
            elif opening := {"}": "{", "]": "["}.get(token):
                literal = "}}" if opening == "{" else "{]}"
                raise TemplateError(start + 1, f"this {token} closes nothing; write {opening} before it, or {literal}")
            else:
                parts.append(_CHARACTERS.get(token, token))
                self.solid = self.solid or (not depth and bool(token.strip(" .,:;()'-")))
        return parts

    def _alternatives(self, start: int, depth: int, *, first: bool) -> Part:
        if depth == 4:
            raise TemplateError(start + 1, "sections are nested too deeply; four levels are allowed")
        found = []
        while True:
            found.append(_concatenate(self.sequence(depth + 1, first=first)))
            if self.at >= len(self.source):
                raise TemplateError(start + 1, "this [ is never closed; write ] after the section, or {[}")
            self.at += 1
            if self.source[self.at - 1] == "]":
                return _section(found)

    def _field(self, start: int, depth: int, *, first: bool) -> Part:
        end = self.source.find("}", self.at)
        inside = self.source[self.at : end]
        if end < 0 or "{" in inside:
            raise TemplateError(start + 1, "this { is never closed; write } after the field, or {{")
        self.at = end + 1
        path, *pipeline = inside.split("|")
        calls = [call.split(":") for call in pipeline]
        try:
            filters = [make_filter(name, arguments, self.language) for name, *arguments in calls]
            get, text = self._path(path, first=first)
            _check_order([name for name, *_ in calls], path, text=text)
        except ValueError as error:
            raise TemplateError(start + 2, str(error)) from None
        fallback = calls[-1][1] if calls and calls[-1][0] == "default" else None
        if not depth:
            if path != "actor" and fallback is None:
                raise TemplateError(
                    start + 2,
                    f"{{{path}}} may be missing: give it |default:some words, or put it in [ ] so that it can vanish",
                )
            self.solid = True
        shaping = filters if fallback is None else filters[:-1]
        if not text and not shaping:
            shaping = [plain if self.language is ENGLISH else partial(plain, language=self.language)]
        return _shaped(get, shaping, fallback)

    def _path(self, path: str, *, first: bool) -> tuple[Getter, bool]:
        """How to get the value at `path`, and whether it is in words already. Raises `ValueError`."""
        language = self.language
        if path == "actor":
            return (lambda event: call_actor(event.actor, language, first=first)), True
        phrases = _phrases(language)
        if path in phrases:
            return phrases[path], True
        if path in _FIELDS:
            return _FIELDS[path], False
        root, _, rest = path.partition(".")
        if root == "targets" and rest:
            return _target_of_type(rest, language)
        if root == "metadata" and rest:
            return _member(rest, self.metadata), False
        if root == "changes" and rest:
            return _change(rest, self.changes, language)
        raise ValueError(f"an event has no field {path!r}; there are {', '.join([*phrases, *_FIELDS])}, {_MORE}")


def _check_order(names: list[str], path: str, *, text: bool) -> None:
    """Raises `ValueError` for a filter that would cut what the one before it has made."""
    if "default" in names[:-1]:
        raise ValueError("the filter default comes last")
    shaping = names[:-1] if names[-1:] == ["default"] else names
    if text and shaping:
        raise ValueError(f"{{{path}}} is in words already; only the filter default can follow it")
    # What is cut after it was quoted has lost its closing mark, and could pass for our own words.
    if "quote" in shaping[:-1]:
        raise ValueError("the filter quote comes last; only default can follow it")


def _shaped(get: Getter, filters: list[Filter], fallback: str | None) -> Part:
    def shape(event: Event) -> str | None:
        value = get(event)
        for apply in filters:
            value = apply(value)
        shown = value if isinstance(value, str) else None
        return fallback if shown is None else shown

    return shape


# --- paths ---------------------------------------------------------------------------------------------------------

_MORE = "targets.TYPE, changes.NAME, changes.NAME.from, changes.NAME.to and metadata.NAME"


def _phrases(language: Language) -> dict[str, Callable[[Event], str | None]]:
    def other(event: Event) -> str | None:
        target = other_target(event)
        return None if target is None else call_target(target, language)

    def impersonator(event: Event) -> str | None:
        return person(event.actor.impersonator.name, language) if event.actor.impersonator else None

    return {
        "target": lambda event: call_target(event.targets[0], language) if event.targets else None,
        "other": other,
        "targets": lambda event: call_targets(event.targets, language),
        "change": lambda event: call_only_change(event.changes, language),
        "changes": lambda event: call_changes(event.changes, language),
        "actor.name": lambda event: person(event.actor.name, language),
        "actor.email": lambda event: person(event.actor.email, language),
        "actor.impersonator.name": impersonator,
        "target.name": lambda event: name_target(event.targets[0], language) if event.targets else None,
    }


_FIELDS: dict[str, Getter] = {
    "actor.type": lambda event: event.actor.type,
    "actor.id": lambda event: event.actor.id,
    "actor.impersonator.reason": lambda event: event.actor.impersonator and event.actor.impersonator.reason,
    "target.type": lambda event: event.targets[0].type if event.targets else None,
    "target.id": lambda event: event.targets[0].id if event.targets else None,
    "context.ip_address": lambda event: event.context.ip_address,
    "context.user_agent": lambda event: event.context.user_agent,
    "source": lambda event: event.source,
    "outcome": lambda event: event.outcome,
    "tenant_id": lambda event: event.tenant_id,
}


def _target_of_type(rest: str, language: Language) -> tuple[Getter, bool]:
    if not re.fullmatch("[a-z][a-z0-9_]*", rest):
        raise ValueError(f"write the type of a target after 'targets.', as in {{targets.group}}, not {rest!r}")

    def get(event: Event) -> object:
        return next((call_target(t, language) for t in event.targets if t.type == rest), None)

    return get, True


def _member(rest: str, declared: Mapping[str, FieldSpec]) -> Getter:
    name, *inner = rest.split(".")
    if name not in declared:
        known = f"; it declares {', '.join(declared)}" if declared else ""
        raise ValueError(f"the action declares no metadata.{name}{known}: declare it with its type and description")
    if inner and declared[name].type != "map":
        raise ValueError(f"metadata.{name} is a {declared[name].type} and has nothing inside; only a map has")
    if not inner:
        return lambda event: event.metadata.get(name)

    def get(event: Event) -> object:
        value: object = event.metadata.get(name)
        for key in inner:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    return get


def _change(rest: str, declared: Collection[str], language: Language) -> tuple[Getter, bool]:
    name, _, side = rest.partition(".")
    if name not in declared:
        known = f"; it declares {', '.join(declared)}" if declared else ""
        raise ValueError(f"the action declares no changes.{name}{known}: declare it with its type and description")

    if side not in ("", "from", "to"):
        raise ValueError(f"a change has the sides from and to, no {side!r}")

    def get(event: Event) -> object:
        change = event.changes.get(name)
        if change is None:
            return None
        if not side:
            return call_change(change, language)
        value = change.to if side == "to" else change.from_
        # A side that was not sent is msgspec's UNSET, which no filter may take for a value.
        return value if isinstance(value, str | int | float | list | dict) else None

    return get, not side
