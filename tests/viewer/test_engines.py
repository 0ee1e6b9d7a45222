"""The engines of Firefox and Safari, from the first row to a file: docs/viewer.md "Browsers"."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg import IntegrityError

from indelible.cli.demo import TENANT
from tests.viewer.hosting import Site
from tests.viewer.webdriver import FIREFOX, WEBKIT, Driver, firefox, webkit

HEAD = """<script>wrong = [];
for (const name of ['error', 'unhandledrejection', 'securitypolicyviolation'])
  addEventListener(name, (event) => wrong.push(`${name} ${event.message ?? event.reason ?? event.blockedURI}`));
</script>"""

Start = Callable[[Path], contextlib.AbstractContextManager[Driver]]


@pytest.fixture(
    scope="module",
    params=[pytest.param((FIREFOX, firefox), id="firefox"), pytest.param((WEBKIT, webkit), id="webkit")],
)
def window(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    programs: tuple[Path, ...]
    start: Start
    programs, start = request.param
    missing = [program for program in programs if not program.exists()]
    if missing:
        pytest.skip(f"not installed: {', '.join(map(str, missing))}")
    with start(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def driver(window: Driver, site: Site) -> Iterator[Driver]:
    """A page of its own with the demo's log, loaded."""
    with contextlib.suppress(IntegrityError):  # nothing was logged since
        site.sign(TENANT)
    window.open(site.page(site.element(TENANT, vkey=site.vkey(TENANT)), head=HEAD))
    window.find("article")
    yield window
    assert window.run("return wrong") == []


def test_rows_are_proven(driver: Driver) -> None:
    """Ed25519 is there, and all that stands before it comes to the same as in Chromium."""
    driver.wait("return root.querySelectorAll('.lock.proven').length > 5")
    assert driver.run("return root.querySelectorAll('.lock.altered').length") == 0
    driver.click(".lock.proven")
    driver.find(".proof-verdict.proven", "This is what was recorded")
    driver.press("Escape")
    driver.wait("return root.activeElement.matches('.lock') && !root.querySelector('.panel').open")


def test_what_cannot_be_read_is_marked_and_stands_alone(driver: Driver) -> None:
    driver.click(".search-field")
    driver.press("actor:(tomas OR", "Enter")
    driver.find(".search-place mark", "OR")
    line = "const style = getComputedStyle(root.querySelector('.search-place mark'));"
    assert driver.run(f"{line} return [style.textDecorationLine, style.textDecorationStyle]") == ["underline", "wavy"]
    driver.wait("return root.querySelector('audit-log-facets').getClientRects().length === 0")
    driver.click(".state-actions .button", "Clear the search")
    driver.find("article")
    driver.find(".facets-label")


def test_what_opens_closes_and_gives_the_focus_back(driver: Driver) -> None:
    for _ in range(2):
        driver.click(".menu-button")
        driver.find("[role=menuitem]")
        driver.click(".menu-button")
        driver.wait("return !root.querySelector('[role=menuitem]')")
    driver.click(".menu-button")
    driver.press("ArrowDown", "Escape")
    driver.wait("return root.activeElement.matches('.menu-button')")
    driver.click(".range-button")
    driver.click(".range-preset", "Last 30 days")
    driver.find(".range-button", "Time range: Last 30 days")
    driver.wait("return !root.querySelector('.range-popup') && root.activeElement.matches('.range-button')")


def test_a_suggestion_a_value_and_bars_are_chosen(driver: Driver) -> None:
    driver.click(".search-field")
    driver.press("actor:mar")
    driver.find(".search-item", "Actor Marcus Adeyemi")
    driver.press("ArrowDown", "Enter")
    driver.wait("return root.querySelector('.chips').textContent.includes('Marcus Adeyemi')")
    driver.click(".facets-label")
    driver.wait("return root.querySelectorAll('.chips-group').length === 2")
    driver.wait("return !root.querySelector('.histogram-stale')")
    place = "const { x, y, width, height } = root.querySelector('.histogram-bars').getBoundingClientRect();"
    start, end = (
        driver.run(f"{place} return [x + width * {share}, y + height / 2].map(Math.floor)") for share in (0.1, 0.9)
    )
    driver.drag(start, end)
    driver.wait("return !root.querySelector('.range-label').textContent.includes('Any time')")


def test_a_row_opens_and_a_file_is_saved(driver: Driver) -> None:
    driver.click(".row-open")
    driver.find(".details .fields-row", "Action")
    driver.press("Escape")
    driver.wait("return !root.querySelector('.details')")
    driver.click(".menu-button")
    driver.click("[role=menuitem]", "Export")
    driver.wait("return /[0-9]/.test(root.querySelector('.exporting-total')?.textContent)")
    driver.click(".exporting .primary", "Export")
    said = driver.wait("return root.querySelector('.exporting [role=status]')?.textContent.match(/saved as (.+)/)?.[1]")
    day = driver.run("return new Date().toISOString().slice(0, 10)")
    assert said == f"audit-log-{TENANT}-{day}.csv"
