"""The filters of the template language: `{metadata.records|plural:record}`.

A filter takes the raw value of a field, or the text that the filter before it made, and gives text, or None where
it can make nothing of the value: the field then counts as missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from indelible.catalog import text
from indelible.catalog.language import ENGLISH, Language

__all__ = ["FILTERS", "Filter", "make_filter"]

Filter = Callable[[object], str | None]


def make_filter(name: str, arguments: list[str], language: Language = ENGLISH) -> Filter:
    """The filter called `name`, in the language. Raises `ValueError`, whose message tells the fix."""
    try:
        make, least, most, usage = FILTERS[name]
    except KeyError:
        raise ValueError(f"there is no filter {name!r}; there are {', '.join(FILTERS)}") from None
    if not least <= len(arguments) <= most or not all(a.strip() for a in arguments):
        raise ValueError(f"the filter {name} is written {usage}")
    return make(language, *arguments)


def _default(language: Language, fallback: str) -> Filter:
    # The compiler shows the fallback itself, so that what was shaped is not shaped twice.
    return lambda value: fallback if value is None else text.plain(value, language)


def _plural(language: Language, one: str, many: str | None = None) -> Filter:
    if many is None and language is not ENGLISH:
        raise ValueError(f"only English has a regular plural: write {{metadata.records|plural:{one}:…}}")
    several = many or text.pluralise(one)

    def count(value: object) -> str | None:
        number = _integer(value)
        return None if number is None else text.plural(number, one, several, language)

    return count


def _list(language: Language, most: str = "3") -> Filter:
    limit = _most("list", most)

    def listed(value: object) -> str | None:
        return text.enumerate_(value if isinstance(value, list | tuple) else [value], limit, language)

    return listed


def _pairs(language: Language, most: str = "3") -> Filter:
    limit = _most("pairs", most)
    return lambda value: text.pairs(value, limit, language) if isinstance(value, dict) else None


def _worded(name: str, change: Callable[[str, Language], str]) -> Callable[..., Filter]:
    def make(language: Language, most: str = "3") -> Filter:
        limit = _most(name, most)

        def apply(value: object) -> str | None:
            if isinstance(value, list | tuple):
                items = [change(v, language) if isinstance(v, str) else v for v in value]
                return text.enumerate_(items, limit, language)
            return change(value, language) or None if isinstance(value, str) else text.plain(value, language)

        return apply

    return make


def _most(name: str, given: str) -> int:
    if not re.fullmatch("[1-9]", given):
        raise ValueError(f"the filter {name} takes a number from 1 to 9: {{metadata.scopes|{name}:5}}")
    return int(given)


def _quote(language: Language) -> Filter:
    def quote(value: object) -> str | None:
        shown = text.plain(value, language)
        return shown and text.quoted(shown, language)

    return quote


def _duration(language: Language) -> Filter:
    def spell(value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return text.duration(value, language)

    return spell


_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ][0-9:.]+(?:Z|[+-]\d\d:\d\d)?)?", re.ASCII)


def _date(language: Language) -> Filter:
    def day(value: object) -> str | None:
        shown = text.plain(value)
        found = _DATE.fullmatch(shown) if shown else None
        return language.date.format(*found.groups()) if found else shown

    return day


def _when(_: Language, expected: str, shown: str) -> Filter:
    def decide(value: object) -> str | None:
        plain = str(value).lower() if isinstance(value, bool) else text.plain(value)
        return shown if plain == expected else None

    return decide


def _absent(_: Language, shown: str = "") -> Filter:
    return lambda value: None if text.plain(value) or (isinstance(value, dict) and value) else shown


def _integer(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if value >= 0 else None
    if isinstance(value, float) and value.is_integer() and 0 <= value < 2**53:
        return int(value)
    if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value):
        return int(value)
    return len(value) if isinstance(value, list | tuple) else None


FILTERS: dict[str, tuple[Callable[..., Filter], int, int, str]] = {
    "default": (_default, 1, 1, "{metadata.name|default:a document}"),
    "plural": (_plural, 1, 2, "{metadata.records|plural:record} or {metadata.people|plural:person:people}"),
    "list": (_list, 0, 1, "{metadata.scopes|list} or {metadata.scopes|list:5}"),
    "pairs": (_pairs, 0, 1, "{metadata.filters|pairs} or {metadata.filters|pairs:5}"),
    "label": (_worded("label", text.label), 0, 1, "{metadata.role|label} or {metadata.roles|label:5}"),
    "words": (_worded("words", text.words), 0, 1, "{metadata.method|words} or {metadata.methods|words:5}"),
    "quote": (_quote, 0, 0, "{metadata.query|quote}"),
    "duration": (_duration, 0, 0, "{metadata.duration_seconds|duration}"),
    "date": (_date, 0, 0, "{metadata.expires_at|date}"),
    "when": (_when, 2, 2, "{metadata.mfa_used|when:true:with MFA}"),
    "absent": (_absent, 0, 1, "{metadata.expires_at|absent:for good} or {metadata.expires_at|absent}"),
}
"""Each filter's maker, the fewest and the most arguments it takes, and how it is written."""
