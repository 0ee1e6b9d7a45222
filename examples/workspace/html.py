"""HTML from the templates in `pages.html`, in which every value is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from pathlib import Path
from string import Formatter

__all__ = ["Html", "html"]

_FILE = Path(__file__).parent / "pages.html"
_TEMPLATES = dict(re.findall(r'<template id="([\w-]+)">\n(.*?)</template>', _FILE.read_text(), re.DOTALL))


class Html(str):
    """Text that is HTML already. Only `html` makes it."""

    __slots__ = ()


class _Escaping(Formatter):
    def format_field(self, value: object, format_spec: str) -> str:
        match value:
            case Html():
                return value
            case str() | int():
                return escape(format(value, format_spec))
            case Iterable():
                return "".join(self.format_field(each, format_spec) for each in value)
            case _:
                raise TypeError(f"a page cannot show a {type(value).__name__}")


def html(template: str, **values: object) -> Html:
    """A template with its `{names}` filled in: text and numbers escaped, `Html` as it is, lists one after another."""
    return Html(_Escaping().vformat(_TEMPLATES[template], (), values))
