"""A real browser on a real service; one of each for all tests of a file, and a browser profile for each test."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from hatch_build import build_viewer
from indelible.catalog import Catalog
from indelible.cli.demo import TENANT, load_demo
from indelible.settings import Settings
from indelible.store.session import Logins
from tests.conftest import Cluster, running_service
from tests.viewer.hosting import Site, hosting
from tests.viewer.log import Log

CHROMIUM = Path("/usr/bin/chromium")
OPTIONS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
    " --disable-default-apps --no-first-run"
)


# Not for the whole run: a synchronous Playwright keeps an event loop running in this thread, and tests of other
# directories run loops of their own.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        # What a busy machine takes; nothing is waited for longer than until it is there.
        expect.set_options(timeout=20_000)
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS.split())
        yield launched
        launched.close()


@pytest.fixture(scope="package")
def site(clusters: Callable[[int], Cluster], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The demo's history is the tenant northwind's; tests that log anything have tenants of their own."""
    build_viewer()
    cluster = clusters(18)
    database = cluster.databases.clone(cluster.template)
    key = f"ind_test_{secrets.token_urlsafe(32)}"

    def demo() -> None:
        settings = Settings(database_url=database.url)
        asyncio.run(load_demo(Logins(database.url), settings, Catalog.load(), tmp_path_factory.mktemp("demo")))

    def issue(asked: Mapping[str, str]) -> str:
        wanted: dict[str, Any] = {"role": asked.get("role", "admin"), "expires_in": int(asked.get("seconds", "900"))}
        return made.token(asked.get("tenant", TENANT), **wanted)

    with contextlib.ExitStack() as running:
        loading = running.enter_context(ThreadPoolExecutor()).submit(demo)
        host = running.enter_context(hosting(issue))
        address = running.enter_context(
            running_service(
                database,
                INDELIBLE_ADMIN_KEY=key,
                INDELIBLE_VIEWER_SECRET=secrets.token_urlsafe(32),
                INDELIBLE_CORS_ORIGINS=host.address,
                INDELIBLE_VIEWER_LINK=f"{host.address}/again",
                INDELIBLE_KEY_READ_LIMIT="0",
                INDELIBLE_TENANT_READ_LIMIT="0",
            )
        )
        api = running.enter_context(
            httpx.Client(base_url=address, headers={"authorization": f"Bearer {key}"}, timeout=30)
        )
        loading.result()
        made = Site(address, database, host, api)
        made.sign(TENANT)
        yield made
    cluster.databases.drop(database)


@pytest.fixture
def tenant() -> str:
    return f"t-{secrets.token_hex(6)}"


@dataclass
class Visitor:
    """Somebody with a browser of their own. Whatever goes wrong in it fails the test, but for what it `expects`."""

    context: BrowserContext
    wrong: list[str] = field(default_factory=list)
    # A search with times of its own has no live stream: the service refuses it one.
    expected: list[str] = field(default_factory=lambda: [r"status of 422 .*/api/audit-log/live\?"])
    asked: list[str] = field(default_factory=list)
    """The addresses that the browser asked for."""

    def expects(self, *patterns: str) -> None:
        """Such errors of the console are meant, as browsers report every answer that is not 2xx."""
        self.expected += patterns

    def open(self, address: str, *, clock: bool = False) -> Log:
        """A page of its own, at `address`; with a `clock` that the test may let go faster."""
        page = self.context.new_page()
        if clock:
            page.clock.install()
        page.goto(address)
        return Log(page)

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.wrong.append(f"error in the page: {error}"))
        page.on("console", self._said)
        page.on("dialog", lambda dialog: self.wrong.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: self.asked.append(request.url))

    def _said(self, message: ConsoleMessage) -> None:
        # Browsers ask for an icon of each page, and complain where there is none.
        if message.type in {"error", "assert"} and not message.location["url"].endswith("/favicon.ico"):
            self.wrong.append(f"{message.text} {message.location['url']}")

    def unexpected(self) -> list[str]:
        return [text for text in self.wrong if not any(re.search(pattern, text) for pattern in self.expected)]


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    context = browser.new_context(
        locale="en-GB", timezone_id="UTC", viewport={"width": 1280, "height": 860}, reduced_motion="reduce"
    )
    context.set_default_timeout(20_000)
    context.add_init_script(
        "document.addEventListener('securitypolicyviolation', (e) =>"
        " console.error(`refused by the policy: ${e.violatedDirective} ${e.blockedURI} ${e.sample}`))"
    )
    someone = Visitor(context)
    context.on("page", someone.watch)
    yield someone
    # What a test holds back may still be on its way.
    context.unroute_all(behavior="ignoreErrors")
    for page in context.pages:
        page.unroute_all(behavior="ignoreErrors")
    context.close()
    assert someone.unexpected() == []
