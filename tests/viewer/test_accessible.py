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
COLOURS = ["color-contrast", "link-in-text-block"]
WIDE, PHONE, ZOOMED = (1280, 800), (360, 740), (640, 400)
"""ZOOMED is WIDE at 200 %."""
SMALL = "rows details changes facets chips filter range views proof export keys nothing offline".split()
"""States that are tried in small, too."""

OUTSIDE = """(log) => {
  const scrolls = (element) => element && (/auto|scroll/.test(getComputedStyle(element).overflowX)
    || scrolls(element.parentElement));
  const selector = 'button, input, select, textarea, a, summary, .popup, [role=option]';
  const controls = [...log.shadowRoot.querySelectorAll(selector)];
  const cut = controls.filter((one) => one.checkVisibility() && !scrolls(one.parentElement)).filter((one) => {
    const {left, right, width} = one.getBoundingClientRect();
    return width > 0 && (left < -1 || right > innerWidth + 1);
  });
  const wide = document.documentElement.scrollWidth > innerWidth ? ['the page scrolls sideways'] : [];
  return [...wide, ...cut.map((one) => `${one.className}: ${one.textContent.trim().slice(0, 40)}`)];
}"""
TINY = """(log) => [...log.shadowRoot.querySelectorAll('button, summary, select, [role=option], [role=slider]')]
  .filter((one) => !one.matches(':is(p, .search-wrong) button'))  // within a sentence: lines are as high as they are
  .filter((one) => one.checkVisibility()).map((one) => [one, one.getBoundingClientRect()])
  .filter(([, {width, height}]) => width < 24 || height < 24)
  .map(([one, {width, height}]) => `${one.className}: ${Math.round(width)} x ${Math.round(height)}`)"""
FOCUS = """(log) => {
  const focused = log.shadowRoot.activeElement;
  const isSeen = (element) => {
    const {outlineStyle, outlineWidth} = getComputedStyle(element);
    return outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
  };
  // A row's line has the outline of its button.
  const around = focused?.closest('.row-line') ?? focused;
  const name = focused.ariaLabel || focused.textContent.trim().replace(/\\s+/g, ' ');
  return [name, isSeen(focused) || isSeen(around)];
}"""


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


def named(name: str) -> State:
    return next(one for one in STATES if one.name == name)


@pytest.mark.parametrize("state", [pytest.param(one, id=one.name) for one in STATES])
def test_axe_finds_nothing(reader: Visitor, site: Site, state: State) -> None:
    """In light all rules; in dark those of colours, which alone are others there. No target is too small to hit."""
    reader.expects(*state.wrong)
    log = opened(site, reader.context, state, PHONE if state.is_narrow else WIDE)
    assert violations(log.page, {"type": "tag", "values": TAGS}) == []
    assert log.root.evaluate(TINY) == []
    log.root.evaluate("(element) => { element.theme = 'dark'; return element.updateComplete }")
    assert violations(log.page, {"type": "rule", "values": COLOURS}) == []
    for width, height in (ZOOMED, PHONE) if state.name in SMALL else ():
        log.page.set_viewport_size({"width": width, "height": height})
        log.page.wait_for_timeout(100)  # two frames: what is laid out by script follows
        assert log.root.evaluate(OUTSIDE) == [], f"at {width} pixels"
    if state.name in SMALL:
        # What a popup covers in part is whole again when it is closed.
        small = [tag for tag in TAGS if tag != "wcag22aa"]
        assert violations(log.page, {"type": "tag", "values": small}) == []


def test_tab_leads_through_everything_in_order_and_is_seen(visitor: Visitor, site: Site) -> None:
    """From the search to the proof of the whole log; of the rows one alone is a stop, as arrows lead through them."""
    log = opened(site, visitor.context, named("rows"), WIDE)
    log.page.locator("body").focus()
    stops: list[str] = []
    while not stops or not stops[-1].startswith("Proven up to"):
        log.page.keyboard.press("Tab")
        name, is_seen = log.root.evaluate(FOCUS)
        assert is_seen, f"no outline on {name!r}"
        stops.append(name)
        assert len(stops) < 80, stops
    controls = "Search the audit log,What can I type?,Add filter,Time range: Any time,Saved views,More,Overview".split(
        ","
    )
    order = [*controls, "Events over time", "Category", "Data, "]
    places = [next(n for n, stop in enumerate(stops) if stop.startswith(name)) for name in order]
    assert places == sorted(places), stops
    first = log.rows().first.locator(".row-open").inner_text()
    assert stops.count(first) == 1
    assert stops.index(first) > stops.index("Category")
    assert stops[stops.index(first) + 1].startswith("Proven")


def test_nothing_moves_for_whom_it_should_not(visitor: Visitor, site: Site) -> None:
    log = opened(site, visitor.context, named("skeleton"), WIDE)
    moving = "(log) => log.shadowRoot.getAnimations().length"
    assert log.root.evaluate(moving) == 0
    log.page.emulate_media(reduced_motion="no-preference")
    assert log.root.evaluate(moving) > 0
