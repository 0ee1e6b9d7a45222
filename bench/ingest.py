"""Measures ingest and prints the tables of docs/benchmarks.md, with one command:

    python bench/ingest.py            three rounds, about ten minutes
    python bench/ingest.py --quick    one short round, to see that it works

An embedded PostgreSQL, the service and the load share this machine. What is compared is measured in turns, in the
same run, each on a fresh database, and the median of the rounds is shown: machines are noisy. After each
measurement the events in the database are counted; if one is missing there is no report.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psycopg

import baseline
import payloads
from indelible.store.embedded import EmbeddedPostgres
from load import Result, post, requests, run
from service import ADMIN_KEY, count_events, fresh_database, serve

CONNECTIONS = 64
BATCH, BATCH_CONNECTIONS = 1000, 4
WARM_UP = 2000
"""Events sent before the clock starts; with 1,000 tenants they make the ledgers."""

TABLES = ("events", "event_personal")
SETTINGS = ("fsync", "synchronous_commit", "shared_buffers", "max_wal_size", "wal_compression")


@dataclass
class Line:
    """One line of a table: the same measurement in each round."""

    rates: list[float] = field(default_factory=list)
    percentiles: list[tuple[float, float, float]] = field(default_factory=list)

    def add(self, rate: float, result: Result | None = None) -> None:
        self.rates.append(rate)
        if result:
            self.percentiles.append((result.percentile(50), result.percentile(95), result.percentile(99)))

    def row(self, name: str) -> str:
        """A row of Markdown: the name, the median and the range of the rounds, and p50, p95 and p99 in ms."""
        measured = [f"{median(p):.1f}" for p in zip(*self.percentiles, strict=True)]
        p50, p95, p99 = measured or ("—", "—", "—")
        spread = f"{min(self.rates):,.0f}–{max(self.rates):,.0f}"
        return f"| {name} | {median(self.rates):,.0f} | {spread} | {p50} | {p95} | {p99} |"


@dataclass
class Bench:
    """Measurements against one PostgreSQL; `scale` shortens them all."""

    postgres: EmbeddedPostgres
    log: Path
    workers: int
    scale: float
    lines: defaultdict[str, Line] = field(default_factory=lambda: defaultdict(Line))
    databases: int = 0

    def against_baselines(self, round_: int) -> None:
        """Batches and the COPY of what they stored; one INSERT each and one POST each."""
        self.batches("batch", "COPY", workers=self.workers, tenants=1, seed=10 * round_)
        self.inserts("INSERT", seed=10 * round_ + 1)
        self.singles("single", workers=self.workers, tenants=1, seed=10 * round_ + 2)

    def tenants_and_processes(self, round_: int) -> None:
        """One hot tenant and 1,000 tenants, for 1, 2 and 4 processes."""
        for workers in (1, 2, 4):
            for tenants in (1, 1000):
                name = f"{_tenants(tenants)}, {workers} process{'es' * (workers > 1)}"
                seed = 1000 + 10 * round_
                self.batches(f"batch, {name}", None, workers=workers, tenants=tenants, seed=seed)
                self.singles(f"single, {name}", workers=workers, tenants=tenants, seed=seed + 1)

    def batches(self, name: str, copy_name: str | None, *, workers: int, tenants: int, seed: int) -> None:
        """Measures batches, and where it has a `copy_name` the COPY of the same rows, in events a second."""
        events = self._events(60_000, tenants, seed)
        with self._database() as database:
            result = self._post(database, events, BATCH, workers, tenants)
            self._tell(name, result.rate * BATCH)
            self.lines[name].add(result.rate * BATCH, result)
            if copy_name:
                with psycopg.connect(self.postgres.admin_url(database)) as connection:
                    copied = baseline.CopyBaseline(connection, "indelible", TABLES).measure(BATCH)
                self._tell(copy_name, copied)
                self.lines[copy_name].add(copied)

    def singles(self, name: str, *, workers: int, tenants: int, seed: int) -> None:
        """Measures one event a request, in requests a second."""
        with self._database() as database:
            result = self._post(database, self._events(30_000, tenants, seed), 0, workers, tenants)
        self._tell(name, result.rate)
        self.lines[name].add(result.rate, result)

    def inserts(self, name: str, *, seed: int) -> None:
        """Measures one INSERT and commit an event into a plain table."""
        with self._database() as database:
            url = self.postgres.admin_url(database)
            result = run(baseline.insert_each(url, self._events(30_000, 1, seed), CONNECTIONS))
        self._tell(name, result.rate)
        self.lines[name].add(result.rate, result)

    def _post(self, database: str, events: list[bytes], batch: int, workers: int, tenants: int) -> Result:
        """Sends the events to a service of its own, after some others; raises where not each one was stored."""
        warm_up = list(payloads.events(WARM_UP, payloads.tenants(tenants), seed=-1))
        with serve(self.postgres.url(dbname=database), workers, self.log) as url:
            single, many = f"{url}/api/audit-log", f"{url}/api/audit-log/batch"
            run(post(single, requests(single, ADMIN_KEY, warm_up), CONNECTIONS))
            to, connections = (many, BATCH_CONNECTIONS) if batch else (single, CONNECTIONS)
            result = run(post(to, requests(to, ADMIN_KEY, payloads.bodies(events, batch)), connections))
        if result.errors:
            raise SystemExit(f"The service did not take every request: {result}")
        with psycopg.connect(self.postgres.admin_url(database)) as connection:
            stored = count_events(connection)
        if stored != len(events) + WARM_UP:
            raise SystemExit(f"{len(events) + WARM_UP:,} events were acknowledged, {stored:,} are in the database.")
        return result

    def _events(self, count: int, tenants: int, seed: int) -> list[bytes]:
        count = max(BATCH, round(count * self.scale / BATCH) * BATCH)
        return list(payloads.events(count, payloads.tenants(tenants), seed=seed))

    def _database(self) -> AbstractContextManager[str]:
        self.databases += 1
        return fresh_database(self.postgres, f"bench_{self.databases}")

    def _tell(self, name: str, rate: float) -> None:
        print(f"  {name}: {rate:,.0f}/s", flush=True)


def ratio(ours: Line, theirs: Line) -> float:
    """The median of what each round's own two measurements were to each other."""
    return median(a / b for a, b in zip(ours.rates, theirs.rates, strict=True))


def report(bench: Bench) -> Iterator[str]:
    """The Markdown for docs/benchmarks.md."""
    lines = bench.lines
    batch, copy, single, insert = (lines[name] for name in ("batch", "COPY", "single", "INSERT"))
    head = ("| what | per second, median | range | p50 ms | p95 ms | p99 ms |", "|---|---:|---:|---:|---:|---:|")
    yield from facts(bench)
    yield f"\n### Beside the same work without us ({bench.workers} server processes, one tenant)\n"
    yield from head
    yield batch.row(f"events in batches of {BATCH} over {BATCH_CONNECTIONS} connections, HTTP")
    yield copy.row(f"bare COPY of the same rows, {BATCH} a commit, one connection, no HTTP")
    yield single.row(f"one event a POST over {CONNECTIONS} connections, durable before its 201")
    yield insert.row(f"one INSERT and commit each over {CONNECTIONS} connections (psycopg), four indexes, no HTTP")
    yield "\n| goal | measured | |\n|---|---:|---|"
    p99 = median(p[2] for p in single.percentiles)
    for goal, value, shown, reached in (
        ("batch / COPY ≥ 0.6", ratio(batch, copy), ".2f", ratio(batch, copy) >= 0.6),
        ("batch ≥ 8,000 events/s", median(batch.rates), ",.0f", median(batch.rates) >= 8000),
        ("single / INSERT ≥ 0.75", ratio(single, insert), ".2f", ratio(single, insert) >= 0.75),
        ("single ≥ 3,000 requests/s", median(single.rates), ",.0f", median(single.rates) >= 3000),
        ("single p99 < 100 ms", p99, ".1f", p99 < 100),
    ):
        yield f"| {goal} | {value:{shown}} | {'reached' if reached else '**missed**'} |"
    if spread := [line.row(name) for name, line in lines.items() if "," in name]:
        yield "\n### One hot tenant and 1,000 tenants\n"
        yield from head
        yield from spread


def facts(bench: Bench) -> Iterator[str]:
    """What was measured, and where."""
    with psycopg.connect(bench.postgres.admin_url()) as connection:
        shown = [(name, connection.execute(f"SHOW {name}").fetchone()) for name in SETTINGS]
        (version,) = connection.execute("SHOW server_version").fetchone() or ("?",)
    git = ("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=10")
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "not committed"
    sample = next(payloads.events(1, payloads.tenants(1)))
    yield (
        f"{os.cpu_count()} cores ({_processor()}), {platform.system()} {platform.release()}, Python "
        f"{platform.python_version()}, PostgreSQL {version} ("
        + ", ".join(f"{name} {value[0]}" for name, value in shown if value)
        + f"). Load, service and PostgreSQL share them. Events of {len(sample)} bytes; "
        f"{len(bench.lines['batch'].rates)} round(s); commit {commit}."
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _tenants(count: int) -> str:
    return "one tenant" if count == 1 else f"{count:,} tenants"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure ingest; prints Markdown for docs/benchmarks.md.")
    parser.add_argument("--quick", action="store_true", help="one round, a fifth of the events")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default 3)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="server processes (default: cores)")
    parser.add_argument("--only-baselines", action="store_true", help="leave the runs over 1,000 tenants out")
    options = parser.parse_args()
    rounds = 1 if options.quick else options.rounds

    with (
        tempfile.TemporaryDirectory(prefix="indelible-bench-") as folder,
        EmbeddedPostgres(Path(folder) / "data") as postgres,
    ):
        scale = 0.2 if options.quick else 1.0
        bench = Bench(postgres, Path(folder) / "serve.log", options.workers, scale)
        for round_ in range(rounds):
            print(f"round {round_ + 1} of {rounds}", flush=True)
            bench.against_baselines(round_)
            if not options.only_baselines:
                bench.tenants_and_processes(round_)
        print("", *report(bench), sep="\n")


if __name__ == "__main__":
    main()
