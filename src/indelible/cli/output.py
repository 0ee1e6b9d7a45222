"""What a command prints: results on standard output, all else on standard error."""

import sys
import time
from typing import NoReturn

import typer

__all__ = ["Progress", "fail", "note", "say"]


def say(line: str = "") -> None:
    typer.echo(line)


def note(line: str) -> None:
    typer.echo(line, err=True)


def fail(reason: str) -> NoReturn:
    """Ends the command: it could not be done."""
    note(f"indelible: {reason}")
    raise typer.Exit(2)


class Progress:
    """A bar on a terminal, a line every few seconds elsewhere; nothing for what is done at once."""

    def __init__(self, label: str, unit: str = "") -> None:
        self._label = label
        self._unit = unit
        self._started = self._shown = time.monotonic()
        self._bar = sys.stderr.isatty()
        self._open = False

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._shown < (0.1 if self._bar else 5):
            return
        self._shown = now
        rate = done / (now - self._started)
        share = min(1.0, done / total) if total else 0.0
        known = f" {share:4.0%}  {done:,} of {total:,}" if total else f"  {done:,}"  # a pipe has no size
        text = f"{self._label}{known}{self._unit}  {rate:,.0f}/s"
        if self._bar:
            filled = round(share * 24)
            sys.stderr.write(f"\r\x1b[K{'█' * filled}{'░' * (24 - filled)}  {text}")
            sys.stderr.flush()
            self._open = True
        else:
            note(text)

    def close(self) -> None:
        if self._open:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
