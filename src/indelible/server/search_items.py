"""What is written in the search box, taken apart. The grammar is in search_box.lark."""

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, Final, cast

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError
from lark.tree import Meta

from indelible.server.conditions import did_you_mean
from indelible.server.parameters import MAX_WORD
from indelible.server.qualifiers import NAMES, QUALIFIERS, likely_qualifier

__all__ = ["BadSearch", "Item", "Value", "bare", "items", "unmarked"]

_QUOTES: Final = '"“”„'
_PUNCTUATION: Final = string.punctuation + "“”‘’„«»…–—"
_ADDRESS = re.compile(r"[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*", re.IGNORECASE)
_OF = re.compile("['’]s$", re.IGNORECASE)


class BadSearch(ValueError):
    """The text says nothing that can be looked for; the message begins with where it goes wrong."""

    def __init__(self, position: int, detail: str) -> None:
        """`position` counts characters from 1."""
        super().__init__(f"at character {position}: {detail}")
        self.position = position
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Value:
    text: str
    quoted: bool
    position: int
    """As that of `BadSearch`; here and below."""


@dataclass(frozen=True, slots=True)
class Item:
    """A word or a phrase; or with a `name` a qualifier."""

    values: Sequence[Value]
    position: int
    name: str | None = None
    excluded: bool = False
    written: str = ""
    """All of it, as it stands in the text."""


def items(text: str) -> list[Item]:
    """Raises `BadSearch`."""
    # Spaces around it mean nothing; those in front still count as characters.
    start = len(text) - len(text.lstrip())
    body = text.strip()
    if not body:
        raise BadSearch(1, "there is nothing to look for; write a word")
    try:
        tree = _grammar().parse(body)
        return _Items(body, start).transform(tree)
    except VisitError as error:
        raise error.orig_exc from None
    except UnexpectedInput as error:
        place, detail = _misread(error, body)
        raise BadSearch(start + place, detail) from None


def bare(word: str) -> str:
    """Without the punctuation around it, but for what an IPv6 address begins with; and whose it is, not that it is."""
    return word.rstrip(_PUNCTUATION) if _ADDRESS.match(word) else _OF.sub("", word.strip(_PUNCTUATION))


def unmarked(item: Item) -> str:
    """As it was written; a word without what ends a sentence."""
    return item.written if item.name or item.values[0].quoted else item.written.rstrip("?!.,;")


class _Items(Transformer[Token, list[Item]]):
    """From the parser's tree of `text` to items; `start` characters before it were left out."""

    def __init__(self, text: str, start: int) -> None:
        super().__init__()
        self._text = text
        self._start = start

    def start(self, items: list[Item]) -> list[Item]:
        return items

    @v_args(meta=True)
    def item(self, meta: Meta, parts: list[Any]) -> Item:
        minus, what = parts
        if isinstance(what, Token):
            if what.type == "UNKNOWN":
                raise BadSearch(self._place(what), _unknown(what))
            what = Item([self._value(what)], self._place(what))
        found = cast("Item", what)
        return replace(found, excluded=minus is not None, written=self._text[meta.start_pos : meta.end_pos])

    def qualifier(self, parts: list[Any]) -> Item:
        name, *values = parts
        return Item(values, self._place(name), str(name)[:-1])

    def value(self, parts: list[Token]) -> Value:
        return self._value(parts[0])

    def _value(self, token: Token) -> Value:
        quoted = token.type == "QUOTED"
        return Value(str(token)[1:-1] if quoted else str(token), quoted, self._place(token))

    def _place(self, token: Token) -> int:
        return self._start + _place(token)


def _place(token: Token) -> int:
    return (token.start_pos or 0) + 1


@cache
def _grammar() -> Lark:
    source = resources.files("indelible.server").joinpath("search_box.lark").read_text("utf-8")
    # The longest first, as target would do for target_id.
    names = "|".join(sorted(NAMES, key=len, reverse=True))
    return Lark(source.replace("%NAMES%", names), parser="lalr", lexer="contextual", propagate_positions=True)


def _misread(error: UnexpectedInput, text: str) -> tuple[int, str]:
    """Where in `text`, and what the parser has against it, in words."""
    if isinstance(error, UnexpectedCharacters):
        place = (cast("int | None", error.pos_in_stream) or 0) + 1
        if text[place - 1] in _QUOTES:
            return place, 'found a quote without its other half, expected a second "'
        return place, f"found {text[place - 1]!r}, expected a word"
    assert isinstance(error, UnexpectedToken)
    token = error.token
    at_end = token.type == "$END"
    place = len(text) if at_end else _place(token)
    if "_SPACE" in error.expected:
        return place, f"found {text[place - 1]!r}, expected a space behind the closing quote"
    behind = "the comma" if text[: place - (not at_end)].endswith(",") else "the colon"
    found = "the end" if at_end else "a space" if token.type == "_SPACE" else repr(text[place - 1])
    return place, f"found {found}, expected a value right behind {behind}, in quotes if it has spaces"


def _unknown(token: Token) -> str:
    name = str(token).partition(":")[0]
    meant = likely_qualifier(name)
    hint = f"; did you mean {meant}:?" if meant else did_you_mean(name, NAMES).replace("?", ":?")
    there_are = ", ".join(f"{known}:" for known in (*QUALIFIERS, "changes.FIELD"))
    expected = f"a qualifier that there is{hint}" if hint else f"one of {there_are}."
    as_text = f': "{token}"' if not set(_QUOTES) & set(token) and len(token) <= MAX_WORD else ""
    return f"found {name[:MAX_WORD]}:, expected {expected} To look for it as text, put it in quotes{as_text}"
