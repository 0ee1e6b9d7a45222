"""Shared by the tests of the commands, which run as a person runs them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import structlog

from indelible.cli import run as command_line
from tests.conftest import Cluster
from tests.postgres import Database


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


Command = Callable[..., Done]


def environment(**settings: str) -> dict[str, str]:
    """This one's, without settings of ours but for those given, and without the width of a terminal."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(("INDELIBLE_", "COLUMNS"))}
    return others | {"TZ": "UTC", **settings}


def indelible(
    *arguments: str, stdin: bytes = b"", cwd: Path | None = None, settings: Mapping[str, str] | None = None
) -> Done:
    """Runs the command in this process, which is a second quicker. An exception that it lets out fails the test."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with (
        mock.patch.object(sys, "argv", ["indelible", *arguments]),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")),
        mock.patch.dict(os.environ, environment(**(settings or {})), clear=True),
        contextlib.chdir(cwd or Path.cwd()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code: object = 0
        try:
            command_line()
        except SystemExit as end:
            code = end.code or 0
        finally:
            structlog.reset_defaults()
    assert isinstance(code, int)
    return Done(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))


@pytest.fixture
def external(clusters: Callable[[int], Cluster]) -> Iterator[Database]:
    """A database of the test's own, of one version: that the SQL runs on all of them is the store's to prove."""
    cluster = clusters(18)
    clone = cluster.databases.clone(cluster.template)
    yield clone
    cluster.databases.drop(clone)


@pytest.fixture
def run(external: Database, tmp_path: Path) -> Command:
    """`indelible …` on the test's own database."""

    def command(*arguments: str, stdin: bytes = b"", **settings: str) -> Done:
        given = {"INDELIBLE_DATABASE_URL": external.url, **settings}
        return indelible(*arguments, stdin=stdin, cwd=tmp_path, settings=given)

    return command
