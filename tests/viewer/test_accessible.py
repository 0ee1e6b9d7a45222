"""For whoever does not look, or does not point: WCAG 2.2 AA in each state, by axe, by keys and by measure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from hatch_build import npm
from tests.viewer.conftest import Visitor
from tests.viewer.hosting import Site
from tests.viewer.states import STATES, State, opened

AXE = Path(__file__).parents[2] / "viewer/node_modules/axe-core/axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDE, PHONE, ZOOMED = (1280, 800), (360, 740), (640, 400)
MAIN = (
    "rows",
    "details",
    "changes",
    "facets",
    "filter",
    "range",
    "views",
    "proof",
    "export",
    "keys",
    "offline",
    "nothing",
)
"""What is tried in small, too."""


def named(*names: str) -> list[Any]:
    return [pytest.param(state, id=state.name) for state in STATES if not names or state.name in names]


@pytest.fixture
def reader(visitor: Visitor) -> Visitor:
    """Whose pages can be asked by axe."""
    if not AXE.exists():
        npm("--version")  # what package-lock.json names is installed with it
    visitor.context.add_init_script(path=AXE)
    return visitor


def violations(page: Page, rules: dict[str, Any]) -> list[str]:
    """What axe has against the element: the rule, and where."""
    asked = {"runOnly": rules, "resultTypes": ["violations"], "elementRef": False}
    found = page.evaluate("(options) => axe.run('audit-log', options)", asked)
    return [
        f"{one['id']}: {node['target'][-1]}: {node['failureSummary']}; {len(one['nodes'])} such"
        for one in found["violations"]
        for node in one["nodes"][:3]
    ]


@pytest.mark.parametrize("state", named())
def test_axe_finds_nothing(reader: Visitor, site: Site, state: State) -> None:
    """In light all rules; in dark those of colours, which alone are others there."""
    reader.expects(*state.wrong)
    log = opened(site, reader.context, state, PHONE if state.is_narrow else WIDE)
    assert violations(log.page, {"type": "tag", "values": TAGS}) == []
    log.root.evaluate("(element) => { element.theme = 'dark'; return element.updateComplete }")
    assert violations(log.page, {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}) == []
