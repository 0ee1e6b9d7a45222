"""A command with TEXT as in a search box: how what the shell took apart is put together again."""

import shlex
from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand, TyperOption

from indelible.cli.output import fail

__all__ = ["TextCommand"]


class TextCommand(TyperCommand):
    """It takes TEXT, or --q, and no options of one letter."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Ends the command where TEXT is several arguments, or looks like an option."""
        loose = self._loose(args)
        if loose and len(loose) > 1:
            fail(f"found {len(loose)} arguments, expected one TEXT; put it in one pair of quotes: {_quoted(loose)}")
        if loose and loose[0].startswith("-"):
            said = "a TEXT that begins with a minus goes with --q, in quotes"
            fail(f"there is no option {loose[0]}; {said}: {_quoted(loose)}")
        return super().parse_args(ctx, args)

    def _loose(self, args: Sequence[str]) -> list[str] | None:
        """The arguments that belong to no option; None where that is not for us to tell."""
        options = [option for option in self.params if isinstance(option, TyperOption)]
        with_value = {name for option in options if not option.is_flag for name in option.opts}
        alone = {name for option in options if option.is_flag for name in option.opts}
        loose = []
        rest = iter(args)
        for each in rest:
            if each in with_value:
                next(rest, None)
            elif not each.startswith("--"):
                loose.append(each)
            elif each not in alone and each.partition("=")[0] not in with_value:
                return None
        return loose


def _quoted(words: Sequence[str]) -> str:
    """As it is typed. Quotes that somebody wrote are gone by now, and stand around what has spaces again."""
    text = " ".join(f'"{word}"' if " " in word and '"' not in word else word for word in words)
    quoted = shlex.quote(text)
    return "--q " + (quoted if quoted != text else f"'{text}'")
