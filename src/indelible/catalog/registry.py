"""The catalog: every action that is declared, and the sentence of any event."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Self

import msgspec
from msgspec import structs

from indelible.catalog.check import check_event, closest
from indelible.catalog.fallback import describe
from indelible.catalog.language import ENGLISH, TAGS, Language
from indelible.catalog.outcome import tried
from indelible.catalog.reader import RawAction, build, merge, read_language, read_toml
from indelible.catalog.spec import ActionSpec, CatalogError, Wording
from indelible.catalog.template import Template, TemplateError, compile_template, fixed
from indelible.event import Actor, Event, FieldError

__all__ = ["Catalog"]


_SHORT = 3
"""Letters of words that titles of many actions have, such as articles."""

_SOMEBODY = Actor(type="user", name="Somebody")


class _Sentences(NamedTuple):
    """The templates of an action, by outcome."""

    success: Template
    failure: Template
    denied: Template


class _Wording(NamedTuple):
    """An action in another language than English."""

    spec: ActionSpec
    """With its title."""
    sentences: _Sentences | None


class Catalog:
    """The declared actions, as one language has them. Immutable; make one with `load` when the process starts and
    share it: it is in English, and `others` are the same in the other languages.
    """

    def __init__(
        self,
        actions: Mapping[str, ActionSpec],
        sentences: Mapping[str, _Sentences],
        language: Language = ENGLISH,
        others: Collection[Catalog] = (),
    ) -> None:
        self._actions = dict(actions)
        self._sentences = dict(sentences)
        self.language = language
        self.others = tuple(others)

    @classmethod
    def load(cls, extra: Path | None = None) -> Self:
        """The built-in catalog, with the vendor's file `extra` over it.

        Raises `CatalogError`, whose message lists every problem as "FILE: ACTION: KEY: what is wrong and the fix".
        """
        problems: list[str] = []
        raw = _built_in(problems)
        languages = []
        for tag in TAGS:
            language, texts = read_language(_read("languages", tag))
            languages.append(language)
            for name, wording in texts.items():
                raw[name][tag] = wording
        files = dict.fromkeys(raw, "built-in catalog")
        if extra is not None:
            for name, action in _vendors(extra, frozenset(raw), problems).items():
                raw[name] = merge(raw[name], action) if name in raw else action
                files[name] = str(extra)
        actions: dict[str, ActionSpec] = {}
        sentences: dict[str, _Sentences] = {}
        wordings: dict[str, list[_Wording]] = {}
        for name, action in raw.items():
            spec = build(name, action, files[name], problems)
            if spec is None:
                continue
            found: list[str] = []
            actions[name], compiled = spec, _compile(spec, ENGLISH, found)
            wordings[name] = [_wording(spec, action.get(language.tag, {}), language, found) for language in languages]
            found.extend(_example_problems(spec))
            problems.extend(f"{files[name]}: {name}: {problem}" for problem in found)
            if compiled is not None:
                sentences[name] = compiled
        if problems:
            raise CatalogError(problems)
        others = []
        for at, language in enumerate(languages):
            titled = {name: worded[at].spec for name, worded in wordings.items()}
            own = {name: compiled for name, worded in wordings.items() if (compiled := worded[at].sentences)}
            others.append(cls(titled, sentences | own, language))
        return cls(actions, sentences, others=others)

    @property
    def actions(self) -> Mapping[str, ActionSpec]:
        """Every action by name, a category after the other, the vendor's own last."""
        return MappingProxyType(self._actions)

    def get(self, action: str) -> ActionSpec | None:
        """The action called `action`, or None where it is not registered."""
        return self._actions.get(action)

    def sentence(self, event: Event) -> str:
        """What happened, in one line. Never raises, never empty, never with a hole in it.

        In English where the language has no words for the action, and for what is not registered.
        """
        sentences = self._sentences.get(event.action)
        if sentences is None:
            return describe(event)
        if event.outcome == "success":
            return sentences.success(event)
        return (sentences.failure if event.outcome == "failure" else sentences.denied)(event)

    def words(self, action: str) -> str:
        """What the sentence of an action says, whoever did it to whatever: what a search for it goes by.

        And the long words of its titles in other languages; their short ones are in most of them.
        """
        spec = self._actions.get(action)
        if spec is not None:
            titles = " ".join(other.actions[action].title for other in self.others)
            return " ".join((fixed(spec.sentence), *(word for word in titles.split() if len(word) > _SHORT)))
        return describe(Event(tenant_id="0", action=action, actor=_SOMEBODY)).removeprefix(_SOMEBODY.name or "")

    def check(self, event: Event) -> list[FieldError]:
        """What strict mode has against the event: an unknown action, or fields of other types than declared."""
        spec = self._actions.get(event.action)
        if spec is None:
            return [
                FieldError("/action", f"{event.action!r} is not in the catalog{closest(event.action, self._actions)}")
            ]
        return check_event(spec, event)


def _built_in(problems: list[str]) -> dict[str, RawAction]:
    actions: dict[str, RawAction] = {}
    for category in ("auth", "access", "data", "config", "security", "service"):
        actions |= read_toml(_read("actions", category), f"{category}.toml", problems)
    return actions


def _read(folder: str, name: str) -> str:
    return (resources.files("indelible.catalog") / folder / f"{name}.toml").read_text("utf-8")


def _vendors(path: Path, built_in: Collection[str], problems: list[str]) -> dict[str, RawAction]:
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        problems.append(f"{path}: can't be read: {reason}; INDELIBLE_CATALOG must name a TOML file")
        return {}
    except UnicodeDecodeError:
        problems.append(f"{path}: is not UTF-8; save it as UTF-8")
        return {}
    return read_toml(text, str(path), problems, over=built_in)


def _wording(spec: ActionSpec, texts: RawAction, language: Language, problems: list[str]) -> _Wording:
    """What the language has of the action; English where it has nothing."""
    wording = msgspec.convert(texts, Wording)
    titled = structs.replace(spec, title=wording.title or spec.title)
    if wording.sentence is None:
        return _Wording(titled, None)
    said = structs.replace(titled, sentence=wording.sentence, failed=wording.failed, denied=wording.denied)
    return _Wording(titled, _compile(said, language, problems))


def _compile(spec: ActionSpec, language: Language, problems: list[str]) -> _Sentences | None:
    prefix = "" if language is ENGLISH else f"{language.tag}."

    def compiled(key: str, source: str) -> Template | None:
        try:
            return compile_template(source, spec.metadata, spec.changes, language)
        except TemplateError as error:
            problems.append(f"{prefix}{key}: {error}")
            return None

    success = compiled("sentence", spec.sentence)
    failed = compiled("failed", spec.failed or tried(spec, "failure", language)) if success else None
    denied = compiled("denied", spec.denied or tried(spec, "denied", language)) if success else None
    return _Sentences(success, failed, denied) if success and failed and denied else None


def _example_problems(spec: ActionSpec) -> list[str]:
    """Where the example is no event, or breaks the action's own fields."""
    fragment = {
        "tenant_id": "acme",
        "action": spec.name,
        "actor": {"type": "user", "name": "Sarah Chen"},
        **spec.example,
    }
    try:
        event = msgspec.convert(fragment, Event)
    except msgspec.ValidationError as error:
        return [f"example: is no part of an event: {error}"]
    return [f"example{e.pointer.replace('/', '.')}: {e.detail}" for e in check_event(spec, event)]
