"""From TOML to `ActionSpec`s: every problem is found and named, not the first one only."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import msgspec
from msgspec import structs

from indelible.catalog.language import TAGS, Language
from indelible.catalog.spec import ActionSpec, FieldSpec, Wording

__all__ = ["SERVICE", "RawAction", "build", "merge", "read_language", "read_toml"]

SERVICE = ("ledger.", "audit_log.")
"""How the names of the service's own actions begin; a vendor's catalog leaves them alone."""

_NAME = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+", re.ASCII)
_TYPES: dict[str, Any] = {f.name: f.type for f in structs.fields(ActionSpec) if f.name != "name"}
_KEYS = (*_TYPES, *TAGS)
_REQUIRED = [f.name for f in structs.fields(ActionSpec) if f.required and f.name != "name"]
_FIELD_KEYS = [f.name for f in structs.fields(FieldSpec)]
_WORDING: dict[str, Any] = {f.name: f.type for f in structs.fields(Wording)}

RawAction = dict[str, Any]
"""An action as TOML gives it."""


def read_toml(
    text: str, file: str, problems: list[str], *, over: Collection[str] | None = None
) -> dict[str, RawAction]:
    """The actions in a catalog file, by name. What is wrong is added to `problems`.

    `over` holds the names of the built-in actions if the file is a vendor's: its `category` is for new actions only.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problems.append(f"{file}: is not TOML: {error}")
        return {}
    category = document.pop("category", None)
    actions: dict[str, RawAction] = {}
    for name, raw in document.items():
        if not isinstance(raw, dict):
            problems.append(f"{file}: {name}: is no table; the one key allowed outside of an action is category")
        elif "." not in name and (nested := [k for k, v in raw.items() if isinstance(v, dict) and k not in _KEYS]):
            problems.append(f'{file}: {name}: put the action\'s name in quotes: ["{name}.{nested[0]}"]')
        elif not _NAME.fullmatch(name) or len(name) > 128:
            problems.append(
                f"{file}: {name}: is no name of an action; write dotted lower-case words in the past tense, such as "
                f'["invoice.approved"]'
            )
        elif over is not None and name.startswith(SERVICE):
            problems.append(
                f"{file}: {name}: ledger.* and audit_log.* are the service's own actions; choose another name"
            )
        else:
            inherits = category is not None and name not in (over or ())
            actions[name] = {"category": category, **raw} if inherits else raw
    return actions


def read_language(text: str) -> tuple[Language, dict[str, dict[str, str]]]:
    """A language of our own, and the texts of the built-in actions in it, by the action's name."""
    document = tomllib.loads(text)
    return msgspec.convert(document.pop("language"), Language), document


def merge(base: RawAction, over: RawAction) -> RawAction:
    """`base` with the keys of `over`; metadata, changes and languages are merged key by key.

    What `over` says anew in English alone is said so in every language: a translation of something else is worth less.
    """
    merged = base | over
    for group in ("metadata", "changes"):
        ours, theirs = base.get(group), over.get(group)
        if isinstance(ours, dict) and isinstance(theirs, dict):
            merged[group] = ours | {
                name: ours[name] | field if isinstance(field, dict) and name in ours else field
                for name, field in theirs.items()
            }
    for tag in TAGS:
        ours, theirs = base.get(tag, {}), over.get(tag, {})
        if isinstance(theirs, dict):
            dropped = {"title"} & over.keys()
            if "sentence" in theirs or _SENTENCES & over.keys():
                dropped |= _SENTENCES
            merged[tag] = {key: text for key, text in ours.items() if key not in dropped} | theirs
    return merged


_SENTENCES = {"sentence", "failed", "denied"}


def build(name: str, raw: RawAction, where: str, problems: list[str]) -> ActionSpec | None:
    """The action `name`; None, and each problem under "{where}: {name}", where `raw` is wrong."""
    found = list(_problems(raw))
    problems.extend(f"{where}: {name}: {problem}" for problem in found)
    if found:
        return None
    fields = {key: value for key, value in raw.items() if key not in TAGS}
    return msgspec.convert({**fields, "name": name}, ActionSpec)


def _problems(raw: RawAction) -> Iterator[str]:
    for key in _REQUIRED:
        if key not in raw:
            yield f"{key}: is missing; {_HINTS[key]}"
    for key, value in raw.items():
        if key in TAGS:
            yield from _wording_problems(key, value)
        elif key not in _TYPES:
            yield f"{key}: is no key of an action{did_you_mean(key, _KEYS)}; the keys are {', '.join(_KEYS)}"
        elif key in ("metadata", "changes"):
            yield from _field_problems(key, value)
        else:
            try:
                msgspec.convert(value, _TYPES[key])
            except msgspec.ValidationError as error:
                yield f"{key}: {_explain(error, value)}; {_HINTS[key]}"


def _wording_problems(tag: str, texts: object) -> Iterator[str]:
    if not isinstance(texts, dict):
        yield f'{tag}: must be a table of texts; write {{title = "…", sentence = "…"}}'
        return
    for key, text in texts.items():
        if key not in _WORDING:
            known = ", ".join(_WORDING)
            yield f"{tag}.{key}: is no key of a language{did_you_mean(key, _WORDING)}; the keys are {known}"
            continue
        try:
            msgspec.convert(text, _TYPES[key])
        except msgspec.ValidationError as error:
            yield f"{tag}.{key}: {_explain(error, text)}; {_HINTS[key]}"
    if "sentence" not in texts and (given := [key for key in ("failed", "denied") if key in texts]):
        yield f"{tag}.{given[0]}: takes {tag}.sentence beside it"


def _field_problems(group: str, fields: object) -> Iterator[str]:
    if not isinstance(fields, dict):
        yield f"{group}: must be a table of fields; {_FIELD_HINT}"
        return
    for name, field in fields.items():
        key = f"{group}.{name}"
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
            yield f"{key}: is no name of a field; write letters, digits and _"
        elif isinstance(field, dict) and (unknown := [k for k in field if k not in _FIELD_KEYS]):
            yield f"{key}.{unknown[0]}: is no key of a field{did_you_mean(unknown[0], _FIELD_KEYS)}; {_FIELD_HINT}"
        else:
            try:
                spec = msgspec.convert(field, FieldSpec)
            except msgspec.ValidationError as error:
                yield f"{key}: {_explain(error, field)}; {_FIELD_HINT}"
                continue
            if spec.values and spec.type not in ("string", "list"):
                yield f"{key}.values: only a string or a list has values; this is a {spec.type}"


_FIELD_HINT = (
    'write {type = "string", description = "…", required = false, values = ["a", "b"]}, where type is one of '
    "string, integer, number, boolean, timestamp, list, map"
)
_HINTS: Mapping[str, str] = {
    "title": 'write a short name in the past tense, such as "Invoice approved"',
    "sentence": 'write a template, such as "{actor} approved {target|default:an invoice}"',
    "operation": "write one of created, updated, deleted, accessed",
    "category": "write one of auth, access, data, config, security",
    "severity": "write one of info, notice, warning, critical",
    "description": "write at most 1,000 characters",
    "failed": "write a template for when it failed",
    "denied": "write a template for when it was denied",
    "outcome": "write the outcome that the sentence tells: success, failure or denied",
    "example": 'write a fragment of an event: {targets = [{type = "invoice", id = "inv_1"}]}',
    "controls": 'write a list of texts, such as ["SOC 2 CC6.1"]',
    "default": "write true or false",
}


def _explain(error: msgspec.ValidationError, value: object) -> str:
    message, _, path = str(error).partition(" - at `$")
    if message.startswith("Invalid enum value"):
        return f"{value!r} is not allowed" if not path else f"{path.rstrip('`').lstrip('.')} is not allowed"
    inside = f" ({path.rstrip('`').lstrip('.')})" if path else ""
    return message[:1].lower() + message[1:] + inside


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ ", did you mean 'severity'?", or nothing where nothing is close."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""
