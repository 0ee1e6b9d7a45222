"""docs/python-client.md is true: its examples run, and its tables name what there is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import indelible
from indelible import AuditLog, IndelibleError, new_event

if TYPE_CHECKING:
    from tests.client.conftest import Service

PAGE = (Path(__file__).parents[2] / "docs" / "python-client.md").read_text()


def test_the_examples_run_one_after_the_other(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INDELIBLE_URL", service.url)
    monkeypatch.setenv("INDELIBLE_KEY", "ind_test_0123456789abcdef")
    names: dict[str, Any] = {}
    for example in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(example, "python-client.md", "exec"), names)
    names["audit"].close()
    # The task that is delivered twice made one event, and the robot none.
    assert len(service.ledger) == 1 + 1 + 1 + 2500 + 1
    said = re.findall(r"print\(error\)  # (.*)", PAGE)
    assert said == capsys.readouterr().out.splitlines()[-1:]


def _rows(first_column: str) -> set[str]:
    table = re.search(rf"^\| {first_column} \|.*?\n\n", PAGE, re.MULTILINE | re.DOTALL)
    assert table
    return set(re.findall(r"^\| `(\w+)`", table[0], re.MULTILINE))


def test_the_tables_are_complete() -> None:
    assert _rows("option") == set(inspect.signature(AuditLog).parameters)
    arguments = set(inspect.signature(new_event).parameters) - {"action", "targets"}
    assert _rows("argument") == arguments
    public = [getattr(indelible, name) for name in indelible.__all__]
    errors = {each.__name__ for each in public if isinstance(each, type) and issubclass(each, IndelibleError)}
    assert _rows("error") == errors - {"IndelibleError"}
