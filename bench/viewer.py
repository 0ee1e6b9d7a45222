"""How soon `<audit-log>` shows something, and how evenly it scrolls: in Chromium, over HTTP, on a large ledger.

    python bench/viewer.py             # a million events of one tenant, filled first: some six minutes
    python bench/viewer.py --quick     # 50,000, and few of all else: to see that it works

Each opening is a browser profile of its own, somebody else's token, and a page of another origin than the service's, as
in a vendor's product: nothing is cached, the browser asks for permission first (CORS), and the look is recorded.
Browser, service, signer and PostgreSQL share the machine.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psycopg
from playwright.sync_api import Browser, Page, Route, sync_playwright
from psycopg.sql import SQL, Identifier

from fill import fill
from indelible.ledger.signing import SigningKey
from indelible.store.embedded import SERVICE_ROLE, EmbeddedPostgres
from indelible.store.migrate import migrate
from population import BIG
from proving import machine
from service import ADMIN_KEY, serve

HOST = "http://localhost"
"""The vendor's page. Nobody serves it: the browser is given it; and it is trusted as if it came over HTTPS."""
CHROMIUM = "/usr/bin/chromium"
OPTIONS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
    " --disable-features=LocalNetworkAccessChecks"  # what the browser is given counts as of the wide network
)
WHEEL = 480
"""Pixels of a turn of the wheel, of which there are as many as the browser takes in."""
GOAL_ROWS_MS, GOAL_FRAME_MS = 300.0, 50.0
PAGE = "<!doctype html><html lang=en><title>Host</title><style>body { margin: 0 }</style><body>"

OPEN = """async ({api, token, vkey, script}) => {
  const loaded = performance.now();
  await import(script);
  await customElements.whenDefined('audit-log');
  const log = Object.assign(document.createElement('audit-log'), {api, token, vkey});
  const until = (done) => new Promise((resolve, reject) => {
    const deadline = performance.now() + 30_000;
    const look = (now) => {
      if (done()) resolve(performance.now());
      else if (now > deadline) reject(new Error(`this did not come: ${done}`));
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  // After the frame in which they are there has been painted.
  const painted = async (done) => {
    await until(done);
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    return performance.now();
  };
  const start = performance.now();
  document.body.append(log);
  const rows = () => [...(log.shadowRoot?.querySelectorAll('.row') ?? [])];
  const shown = await painted(() => rows().length > 0);
  const count = () => log.shadowRoot.querySelector('.histogram-svg');
  const counted = await painted(count);
  const frame = log.shadowRoot.querySelector('.list-scroller').getBoundingClientRect();
  const inSight = () => rows().filter((row) => {
    const {top, bottom} = row.getBoundingClientRect();
    return bottom > frame.top + 1 && top < frame.bottom - 1;
  });
  const isTold = (row) => row.querySelector('.lock:is(.proven, .waiting)');
  const proven = await until(() => inSight().every(isTold) && log.shadowRoot.querySelector('.lock.proven'));
  const [page] = performance.getEntriesByType('resource').filter(({name}) => /audit-log[?]/.test(name));
  return {
    'script, from the network until it ran': start - loaded,
    'token set, until the first rows are painted': shown - start,
    '… until the service is asked': page.startTime - start,
    '… its answer, with the permission to ask (CORS)': page.duration,
    '… from the answer until it is painted': shown - page.responseEnd,
    'token set, until the counts are painted': counted - start,
    'token set, until all in sight are proven, or newer than the last signature': proven - start,
  };
}"""

WATCH = """() => {
  const seen = globalThis.seen = {frames: [], tasks: [], stop: false};
  new PerformanceObserver((list) => seen.tasks.push(...list.getEntries().map((task) => task.duration)))
    .observe({entryTypes: ['longtask']});
  let last = performance.now();
  const frame = (now) => {
    seen.frames.push(now - last);
    last = now;
    if (!seen.stop) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""
AT = """() => {
  const rows = document.querySelector('audit-log').shadowRoot.querySelectorAll('.row');
  return Number(rows[rows.length - 1]?.getAttribute('aria-posinset'));
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000, metavar="N", help="of the tenant")
    parser.add_argument("--openings", type=int, default=60, metavar="N", help="of pages")
    parser.add_argument("--rows", type=int, default=10_000, metavar="N", help="to scroll to, of --events")
    parser.add_argument("--scrolls", type=int, default=3, metavar="N")
    parser.add_argument("--quick", action="store_true", help="50,000 events, 5 openings, one scroll to row 2,000")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep the ledger here, and go on with the one that is")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.events, chosen.openings, chosen.rows, chosen.scrolls = 50_000, 5, 2_000, 1
    if not 100 <= chosen.rows <= chosen.events or min(chosen.openings, chosen.scrolls) < 1:
        parser.error("--rows is 100 to --events; --openings and --scrolls at least 1")
    with tempfile.TemporaryDirectory(prefix="indelible-bench-", dir="/var/tmp") as scratch:
        folder = chosen.data or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        with (
            EmbeddedPostgres(folder) as postgres,
            served(postgres, chosen.events, folder) as service,
            sync_playwright() as playwright,
            playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS.split()) as browser,
        ):
            bench = Bench(service, browser)
            for number in range(chosen.openings + 3):
                bench.open(number, warm=number < 3)
            for number in range(chosen.scrolls):
                bench.scroll(number, chosen.rows)
            version = browser.version
    print(f"\n{machine()} Chromium {version}, headless, without a GPU; {chosen.events:,} events.", end="\n\n")
    for line in bench.report(chosen.rows):
        print(line)


# What is measured upon


@dataclass(frozen=True)
class Service:
    address: str
    vkey: str
    script: str

    @classmethod
    def at(cls, address: str, events: int) -> Service:
        source = json.loads(_ask(f"{address}/viewer/script.json"))["src"]
        return cls(address, _signed(address, events), f"{address}{source}")

    def token(self, reader: str) -> str:
        wanted = {"tenant_id": BIG, "actor": {"id": reader, "name": "Reader"}, "role": "admin"}
        token: str = json.loads(_ask(f"{self.address}/api/viewer-tokens", wanted))["token"]
        return token


@contextmanager
def served(postgres: EmbeddedPostgres, events: int, folder: Path) -> Iterator[Service]:
    """The service and the signer, on a ledger of so many events, which is filled where it is not there."""
    name = f"viewer_{events}"
    with psycopg.connect(postgres.admin_url("postgres"), autocommit=True) as connection:
        if not connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchall():
            unfinished = Identifier(f"{name}_unfinished")
            connection.execute(SQL("DROP DATABASE IF EXISTS {}").format(unfinished))
            connection.execute(SQL("CREATE DATABASE {}").format(unfinished))
            admin_url = postgres.admin_url(f"{name}_unfinished")
            migrate(admin_url, service=SERVICE_ROLE)
            fill(admin_url, events=events, big=events, months=24, tenants=1)
            connection.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(unfinished, Identifier(name)))
    migrate(postgres.admin_url(name), service=SERVICE_ROLE)
    key = folder / "signing.key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_text(SigningKey.generate().pem())
    settings = {
        "INDELIBLE_VIEWER_SECRET": "bench-viewer-secret-0123456789abcdef0123456789",
        "INDELIBLE_CORS_ORIGINS": HOST,
        "INDELIBLE_KEY_READ_LIMIT": "0",
        "INDELIBLE_TENANT_READ_LIMIT": "0",
    }
    with ExitStack() as running:
        url, log = postgres.url(dbname=name), folder / "serve.log"
        running.enter_context(signing(url, key, log))
        yield Service.at(running.enter_context(serve(url, 2, log, settings)), events)


@contextmanager
def signing(url: str, key: Path, log: Path) -> Iterator[None]:
    settings = {"INDELIBLE_DATABASE_URL": url, "INDELIBLE_SIGNING_KEY_FILE": str(key)}
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "indelible", "worker"], env={**os.environ, **settings}, stdout=out, stderr=out
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(40)


def _signed(address: str, events: int) -> str:
    """The ledger's vkey, once all that was filled is signed."""
    deadline = time.monotonic() + 120
    while True:
        try:
            _ask(f"{address}/api/audit-log/checkpoint?tenant_id={BIG}&size={events}")
            return _ask(f"{address}/api/audit-log/vkeys?tenant_id={BIG}").strip()
        except HTTPError as error:
            if time.monotonic() > deadline:
                sys.exit(f"nothing was signed in two minutes: {error.read().decode()}")
            time.sleep(0.5)


def _ask(url: str, body: Mapping[str, object] | None = None) -> str:
    headers = {"authorization": f"Bearer {ADMIN_KEY}", "content-type": "application/json"}
    with urlopen(Request(url, json.dumps(body).encode() if body else None, headers)) as answer:
        text: str = answer.read().decode()
        return text


# Measuring


@dataclass
class Bench:
    service: Service
    browser: Browser
    openings: list[Mapping[str, float]] = field(default_factory=list)
    frames: list[float] = field(default_factory=list)
    tasks: list[float] = field(default_factory=list)
    scrolled: list[tuple[int, float]] = field(default_factory=list)
    """To which row, in how many seconds."""

    @contextmanager
    def page(self, reader: str) -> Iterator[tuple[Page, Mapping[str, float]]]:
        """Somebody's first look: the page, and what it took, in milliseconds."""
        context = self.browser.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.route(f"{HOST}/", _host)
        page.goto(f"{HOST}/")
        given = {"api": self.service.address, "vkey": self.service.vkey, "script": self.service.script}
        yield page, page.evaluate(OPEN, {**given, "token": self.service.token(reader)})
        context.close()

    def open(self, number: int, *, warm: bool) -> None:
        with self.page(f"usr_open_{number}") as (_, took):
            if not warm:
                self.openings.append(took)

    def scroll(self, number: int, rows: int) -> None:
        """With the wheel, as fast as the browser takes it in, while older pages come."""
        with self.page(f"usr_scroll_{number}") as (page, _):
            page.mouse.move(900, 500)
            page.evaluate(WATCH)
            start = time.monotonic()
            while (at := page.evaluate(AT)) < rows:
                for _ in range(10):
                    page.mouse.wheel(0, WHEEL)
                if time.monotonic() - start > 600:
                    sys.exit(f"scrolling came to row {at} in ten minutes")
            self.scrolled.append((at, time.monotonic() - start))
            seen: Any = page.evaluate("() => { seen.stop = true; return seen }")
            self.frames += seen["frames"][2:]
            self.tasks += seen["tasks"]

    def report(self, rows: int) -> Iterator[str]:
        """The Markdown for docs/benchmarks.md."""
        yield f"| opening, {len(self.openings)} times, ms | p50 | p95 | slowest |\n|---|---:|---:|---:|"
        for what in self.openings[0]:
            yield f"| {what} | {_row([one[what] for one in self.openings])} |"
        yield f"\n| scrolling to row {rows:,}, {len(self.scrolled)} times | p50 | p95 | slowest |\n|---|---:|---:|---:|"
        yield f"| a frame, of {len(self.frames):,}, ms | {_row(self.frames)} |"
        late = sum(frame > GOAL_FRAME_MS for frame in self.frames)
        yield f"| frames that took longer than {GOAL_FRAME_MS:g} ms | {late} | | |"
        # As the browser tells it: what the page itself did at a stretch, layout and painting included.
        yield f"| work of the page that did | {len(self.tasks)} | | {max(self.tasks, default=0):.0f} |"
        yield f"| rows a second | {min(r / s for r, s in self.scrolled):,.0f} | | |"
        yield "\n| file | kB, gzip |\n|---|---:|"
        for name, size in _files():
            yield f"| {name} | {size / 1000:.1f} |"
        first = [one["token set, until the first rows are painted"] for one in self.openings]
        yield "\n| goal | measured | |\n|---|---:|---|"
        for goal, measured, most in (
            (f"first rows, p95 < {GOAL_ROWS_MS:g} ms", _percentile(first, 95), GOAL_ROWS_MS),
            (f"no frame longer than {GOAL_FRAME_MS:g} ms", max(self.frames), GOAL_FRAME_MS),
        ):
            yield f"| {goal} | {measured:.0f} ms | {'reached' if measured < most else '**missed**'} |"


def _host(route: Route) -> None:
    route.fulfill(body=PAGE, content_type="text/html")


def _files() -> Iterator[tuple[str, int]]:
    """What a page loads at once, and what it may load later."""
    static = Path(__file__).parents[1] / "src/indelible/server/static"
    for file in sorted(static.glob("*.js"), key=lambda file: -file.stat().st_size):
        yield file.name, len(gzip.compress(file.read_bytes(), mtime=0))


def _row(taken: Sequence[float]) -> str:
    return " | ".join(f"{_percentile(taken, percent):.0f}" for percent in (50, 95, 100))


def _percentile(taken: Sequence[float], percent: int) -> float:
    ordered = sorted(taken)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


if __name__ == "__main__":
    main()
