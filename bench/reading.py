"""Measures how long reads take beside ingest, and prints the tables of docs/benchmarks.md about it, with one command:

    python bench/reading.py                    50 k, 500 k and 5 M events: about twenty-five minutes and 16 GB of disk
    python bench/reading.py --sizes 50000 --requests 50        quicker
    python bench/reading.py --filled postgresql://postgres@… postgresql://indelible_service@…    what is there already

Each class of queries is asked of the tenant that has a fifth of the events, with parameters drawn anew each time, over
two connections, in turns with the same in plain SQL: first by themselves, then while ingest runs at half its limit.
Where an answer is refused, or lacks the event that its parameters were taken from, there is no report.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
from psycopg import sql

import payloads
import space
from fill import fill
from indelible.store.embedded import SERVICE_ROLE, EmbeddedPostgres
from indelible.store.migrate import migrate
from load import post, requests, run
from population import BIG
from proving import machine
from questions import CLASSES, PAGE, Class, Facts, Question, Way, page_after
from service import ADMIN_KEY, serve

SIZES = (50_000, 500_000, 5_000_000)
WORKERS = 2
CONNECTIONS = 2
INGEST = 6000
"""Events a second: half of what the service takes in batches on this machine."""
INGEST_CONNECTIONS = 8
GOAL_MS, GOAL_GROWTH = 20.0, 1.5
NO_LIMITS = {"INDELIBLE_KEY_READ_LIMIT": "0", "INDELIBLE_TENANT_READ_LIMIT": "0"}
ROUND, ROUNDS = 5.0, 3
"""Seconds that ingest is measured without and with reads, and how often."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N", help="events of all tenants")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep what was filled here; measure copies of it")
    parser.add_argument(
        "--filled", nargs=2, action="append", metavar=("SUPERUSER_URL", "SERVICE_URL"),
        help="instead, a database that bench/fill.py filled; measured as it is, and written to. Repeatable",
    )  # fmt: skip
    parser.add_argument("--requests", type=int, default=200, metavar="N", help="of each class; a tenth of heavy ones")
    parser.add_argument("--only", nargs="+", metavar="CLASS", help="those whose name begins so")
    parser.add_argument("--ingest", type=int, default=INGEST, metavar="N", help=f"events a second (default {INGEST})")
    parser.add_argument("--batch", type=int, default=500, metavar="N", help="events a batch (default 500)")
    parser.add_argument("--no-ingest", action="store_true", help="leave out what is measured beside ingest")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    chosen = parser.parse_args()
    classes = [c for c in CLASSES if not chosen.only or c.name.startswith(tuple(chosen.only))]
    if not classes:
        parser.error(f"--only: there are {', '.join(c.name for c in CLASSES)}")
    if (
        chosen.requests < 10
        or not 1 <= chosen.batch <= 1000
        or chosen.ingest < chosen.batch
        or min(chosen.sizes) < 5000
    ):
        parser.error("--requests is at least 10, --batch 1 to 1000, --ingest at least --batch, --sizes at least 5000")
    bench = Bench(classes, chosen.requests, 0 if chosen.no_ingest else chosen.ingest, chosen.batch, chosen.seed)
    with tempfile.TemporaryDirectory(prefix="indelible-bench-", dir="/var/tmp") as scratch:
        bench.log = Path(scratch) / "serve.log"
        if chosen.filled:
            for admin_url, url in chosen.filled:
                bench.measure(admin_url, url)
            bench.beside_reads(*chosen.filled[-1])
        else:
            bench.fill_and_measure(sorted(chosen.sizes), chosen.data, Path(scratch))
    print("", machine(), *bench.report(), sep="\n")


# One database after the other


@dataclass
class Bench:
    classes: Sequence[Class]
    requests: int
    ingest: int
    """Events a second; 0 to leave it out."""
    batch: int
    seed: int
    log: Path = Path()
    measured: list[Measured] = field(default_factory=list)
    slowed: dict[str, list[float]] = field(default_factory=dict)
    """Events a second that ingest takes, by what runs beside it."""

    def fill_and_measure(self, sizes: Sequence[int], data: Path | None, scratch: Path) -> None:
        folder = data or scratch
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        with EmbeddedPostgres(folder) as postgres:
            for size in sizes:
                with _filled(postgres, size, keep=data is not None) as name:
                    urls = postgres.admin_url(name), postgres.url(dbname=name)
                    self.measure(*urls)
                    if size == sizes[-1]:
                        self.beside_reads(*urls)

    def measure(self, admin_url: str, url: str) -> None:
        rng = random.Random(f"{self.seed}")
        with psycopg.connect(admin_url, autocommit=True) as connection:
            ((size,),) = connection.execute("SELECT sum(size)::bigint FROM indelible.ledgers").fetchall()
            facts = Facts.read(connection, rng)
            measured = Measured(size, facts.size, [*space.report(connection)])
            tenants = _tenants(connection)
        self.measured.append(measured)
        print(f"{size:,} entries, {facts.size:,} of them {BIG}'s", flush=True)
        with serve(url, WORKERS, self.log, NO_LIMITS) as service:
            measured.alone = run(_asking(service, admin_url, self.classes, facts, self.requests, rng, again=True))
            if self.ingest:
                with _ingesting(service, tenants, self.ingest, self.batch) as stream:
                    time.sleep(2)
                    beside = _asking(service, admin_url, self.classes, facts, self.requests, rng, again=False)
                    measured.beside = run(beside)
                measured.ingest = stream

    def beside_reads(self, admin_url: str, url: str) -> None:
        """Ingest as fast as it goes, without and with four who look for common words and count facets, in turns."""
        if not self.ingest:
            return
        with psycopg.connect(admin_url, autocommit=True) as connection:
            facts, tenants = Facts.read(connection, random.Random(0), 100), _tenants(connection)
        heavy = [c for c in CLASSES if c.name in ("q: common word", "facets: 30 days")]
        rng = random.Random(f"{self.seed}/beside")
        asked = [c.draw(facts, rng).path for _ in range(1000) for c in heavy]
        self.slowed = {"nothing": [], "reads": []}
        with serve(url, WORKERS, self.log, NO_LIMITS) as service:
            for turn in range(2 * ROUNDS + 1):
                events = [*Fresh(tenants, turn).events(round(16_000 * ROUND))]
                to = f"{service}/api/audit-log/batch"
                raw = requests(to, ADMIN_KEY, payloads.bodies(events, 1000))
                if turn % 2:
                    with _reading(service, asked):
                        result = run(post(to, raw, 4, ROUND))
                else:
                    result = run(post(to, raw, 4, ROUND))
                if result.errors:
                    sys.exit(f"the service did not take every batch: {result}")
                if turn:  # the first is the warm-up
                    self.slowed["reads" if turn % 2 else "nothing"].append(result.rate * 1000)
                    print(
                        f"  batches beside {'reads' if turn % 2 else 'nothing'}: {result.rate * 1000:,.0f}/s",
                        flush=True,
                    )

    def report(self) -> Iterator[str]:
        """The Markdown for docs/benchmarks.md."""
        yield (
            f"\nThe time until an answer was there, at the client, on loopback, in ms; {self.requests} queries a class"
            f" ({_count(self.requests, True)} of heavy ones), {WORKERS} server processes, all on the same cores."
            " *found*: events on a page (median). *again*: once more, with no entry in the log of the log. *SQL*: "
            "other such questions, in turns with ours, by the index that suits each, as found out before; prepared, and"
            " as a superuser: without row security, JSON, sentences and the log of the log; of `q` only the words of"
            " names, changes and metadata, of phrases only their words, of facets one statement without names."
        )
        for measured in self.measured:
            yield from measured.table()
        yield from self.goals()
        if self.slowed:
            yield "\n| ingest in batches of 1000 over 4 connections | events/s, median | range |\n|---|---:|---:|"
            names = {"nothing": "alone", "reads": "beside 4 connections of common-word searches and facets"}
            for name, rates in self.slowed.items():
                yield f"| {names[name]} | {median(rates):,.0f} | {min(rates):,.0f}–{max(rates):,.0f} |"
        for measured in self.measured:
            yield ""
            yield from measured.space

    def goals(self) -> Iterator[str]:
        """Those of the design. Growth is that without ingest, which at the smallest size adds more than there is."""
        small, large = self.measured[0], self.measured[-1]
        yield f"\n| at {large.size:,} entries | p95 < {GOAL_MS:g} ms | | ≤ {GOAL_GROWTH} × that of {small.size:,} | |"
        yield "|---|---:|---|---:|---|"
        for name in (c.name for c in self.classes if c.goal):
            p95 = (large.beside or large.alone)[name].ours.p(95)
            line = f"| {name} | {p95:.1f} | {_reached(p95 < GOAL_MS)} |"
            if small is large:
                yield f"{line} — | |"
                continue
            growth = large.alone[name].ours.p(95) / small.alone[name].ours.p(95)
            yield f"{line} {growth:.2f} | {_reached(growth <= GOAL_GROWTH)} |"


def _reached(is_reached: bool) -> str:
    return "reached" if is_reached else "**missed**"


def _count(requests: int, heavy: bool) -> int:
    return max(10, requests // 10) if heavy else requests


@contextmanager
def _filled(postgres: EmbeddedPostgres, size: int, *, keep: bool) -> Iterator[str]:
    """The name of a database with so many events. One that is kept is filled once, and it is a copy that is given."""
    kept = f"read_{size}"
    with psycopg.connect(postgres.admin_url("postgres"), autocommit=True) as connection:

        def drop(name: str) -> None:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

        def create(name: str, template: str) -> None:
            # STRATEGY: not through the WAL.
            command = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
            connection.execute(command.format(sql.Identifier(name), sql.Identifier(template)))

        if not _has(connection, postgres, kept, size):
            drop(kept)
            create(kept, "template0")
            migrate(postgres.admin_url(kept), service=SERVICE_ROLE)
            fill(postgres.admin_url(kept), events=size, big=size // 5, months=24)
        if not keep:
            yield kept
            drop(kept)
            return
        drop("measured")
        create("measured", kept)
        yield "measured"
        drop("measured")


def _has(connection: psycopg.Connection, postgres: EmbeddedPostgres, name: str, size: int) -> bool:
    if not connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchall():
        return False
    with psycopg.connect(postgres.admin_url(name)) as there:
        row = there.execute(
            "SELECT coalesce(sum(size), 0) FROM indelible.ledgers WHERE to_regclass('indelible.directory') IS NOT NULL"
        ).fetchone()
    return row is not None and size <= row[0] <= 1.1 * size  # a ledger has an entry of its own


def _tenants(connection: psycopg.Connection) -> list[str]:
    """Who logs meanwhile: the five that have most, in turn."""
    rows = connection.execute("SELECT tenant_id FROM indelible.ledgers ORDER BY size DESC LIMIT 5")
    return [name for (name,) in rows.fetchall()]


# Asking


@dataclass
class Times:
    """Milliseconds."""

    taken: list[float] = field(default_factory=list)

    def p(self, percent: float) -> float:
        ordered = sorted(self.taken)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

    def __str__(self) -> str:
        return " | ".join(f"{self.p(percent):.1f}" for percent in (50, 95, 99))


@dataclass
class Line:
    """What was measured of one class."""

    ours: Times = field(default_factory=Times)
    again: Times = field(default_factory=Times)
    bare: Times = field(default_factory=Times)
    ways: Counter[Way] = field(default_factory=Counter)
    """How often the SQL went by which index."""
    found: list[int] = field(default_factory=list)
    partial: int = 0
    """Answers that say that they were cut short."""

    @property
    def by(self) -> str:
        return ", ".join(way for way, _ in self.ways.most_common())


@dataclass
class Measured:
    """What was measured of one database."""

    size: int
    big: int
    space: Sequence[str]
    alone: dict[str, Line] = field(default_factory=dict)
    beside: dict[str, Line] = field(default_factory=dict)
    ingest: Stream | None = None

    def table(self) -> Iterator[str]:
        yield f"\n### {self.size:,} entries, {self.big:,} of the tenant that is asked\n"
        if self.ingest is not None:
            yield f"{self.ingest}\n"
        beside = " beside ingest: p50 | p95 | p99 |" if self.beside else ""
        sql_ = f"SQL{' beside it' * bool(beside)}: p50 | p95 | by"
        yield f"| | found | alone: p50 | p95 | p99 | again: p50 |{beside} {sql_} |"
        yield "|---|" + "---:|" * (5 + 3 * bool(beside) + 2) + "---|"
        for name, line in self.alone.items():
            last = self.beside.get(name, line)
            found = f"{median(line.found):,.0f}" if line.found else "—"
            partial = f" ({n} cut short)" if (n := line.partial + (last.partial if last is not line else 0)) else ""
            middle = f" {last.ours} |" if self.beside else ""
            yield (
                f"| {name}{partial} | {found} | {line.ours} | {line.again.p(50):.1f} |{middle}"
                f" {last.bare.p(50):.1f} | {last.bare.p(95):.1f} | {last.by} |"
            )


async def _asking(
    url: str, admin_url: str, classes: Sequence[Class], facts: Facts, requests: int, rng: random.Random, *, again: bool
) -> dict[str, Line]:
    """Each class, over two connections of each kind."""
    https = [await Http.open(url) for _ in range(CONNECTIONS)]
    bares = [await Bare.open(admin_url) for _ in range(CONNECTIONS)]
    lines: dict[str, Line] = {}
    for each in classes:
        count = _count(requests, each.heavy)
        warm = max(4, count // 20)
        asked = iter([question async for question in _questions(https[0], each, facts, 2 * (count + warm), rng)])
        line = lines[each.name] = Line()
        start = time.perf_counter()
        for part, times in ((warm, Line()), (count, line)):
            pairs = zip(https, bares, strict=True)
            work = [_ask(http, bare, asked, part // CONNECTIONS, facts.size, times, again) for http, bare in pairs]
            answers = [answer for answered in await asyncio.gather(*work) for answer in answered]
        for question, body in answers:
            _check(each, question, body, line)
        print(
            f"  {each.name}: {line.ours.p(50):.1f}, {line.ours.p(95):.1f}, {line.ours.p(99):.1f} ms"
            + (f"; again {line.again.p(50):.1f}, {line.again.p(95):.1f}" if again else "")
            + f"; SQL by {line.by} {line.bare.p(50):.1f}, {line.bare.p(95):.1f} ({time.perf_counter() - start:.0f} s)",
            flush=True,
        )
    for http, bare in zip(https, bares, strict=True):
        await http.close()
        await bare.close()
    return lines


async def _questions(http: Http, each: Class, facts: Facts, count: int, rng: random.Random) -> Any:
    if each.name != "timeline: pages 45 to 55":
        for _ in range(count):
            yield each.draw(facts, rng)
        return
    pages, question = [], each.draw(facts, rng)
    for number in range(1, 55):
        body = json.loads((await http.get(question.path))[1])
        last = body["data"][-1]
        question = page_after(body["next_cursor"], last["occurred_at"], last["seq"])
        if number >= 44:
            pages.append(question)
    for _ in range(count):
        yield rng.choice(pages)


async def _ask(
    http: Http, bare: Bare, asked: Iterator[Question], count: int, size: int, line: Line, again: bool
) -> list[tuple[Question, bytes]]:
    """In turns, over the API and in SQL, not the same: what the one read would be at hand for the other."""
    answers = []
    for _ in range(count):
        question, other = next(asked), next(asked)
        status, body, taken = await http.get(question.path)
        if status != 200:
            sys.exit(f"{question.path} was answered {status}: {body[:500]!r}")
        answers.append((question, body))
        line.ours.taken.append(1000 * taken)
        if again:
            line.again.taken.append(1000 * (await http.get(question.path))[2])
        way = await bare.way(other, size)
        line.ways[way] += 1
        line.bare.taken.append(1000 * await bare.read(other, way))
    return answers


def _check(each: Class, question: Question, body: bytes, line: Line) -> None:
    """Ends the run where something is missing."""
    answer = json.loads(body)
    data = answer.get("data")
    partial = bool(answer.get("partial")) and not each.name.startswith("actors")
    line.partial += partial
    if data is None:
        return
    line.found.append(len(data))
    whole = "next_cursor" in answer and answer["next_cursor"] is None and not partial
    if question.nothing and data:
        sys.exit(f"{each.name}: {question.path} found something, and nothing is there")
    if whole and question.finds and question.finds not in {event["id"] for event in data}:
        sys.exit(f"{each.name}: {question.path} did not find {question.finds}")
    if question.path.startswith("/api/audit-log/feed") and len(data) != PAGE:
        sys.exit(f"{each.name}: {question.path} has {len(data)} events, and {PAGE} are there")


class Http:
    """A kept connection: a client that costs little, as it shares the cores with what it measures."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader, self._writer = reader, writer
        self._rest = f" HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {ADMIN_KEY}\r\n".encode()

    @classmethod
    async def open(cls, url: str) -> Http:
        to = urlsplit(url)
        return cls(*await asyncio.open_connection(to.hostname, to.port, limit=1 << 24), to.netloc)

    async def get(self, path: str) -> tuple[int, bytes, float]:
        """The status, the body, and the seconds until all of it was there."""
        return await self._exchange(b"GET " + path.encode() + self._rest + b"\r\n")

    async def post(self, path: str, body: bytes) -> tuple[int, bytes, float]:
        head = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        return await self._exchange(b"POST " + path.encode() + self._rest + head + body)

    async def _exchange(self, request: bytes) -> tuple[int, bytes, float]:
        start = time.perf_counter()
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        (length,) = (int(h[15:]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:"))
        body = await self._reader.readexactly(length)
        return int(head[9:12]), body, time.perf_counter() - start

    async def close(self) -> None:
        self._writer.close()


class Bare:
    """The same from PostgreSQL itself: prepared, planned once for all values, over one connection."""

    def __init__(self, connection: psycopg.AsyncConnection) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, url: str) -> Bare:
        # The indexes are the way, and that of time in its order, whatever the statistics of all tenants say.
        options = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_sort=off -c jit=off"
        return cls(await psycopg.AsyncConnection.connect(url, autocommit=True, options=options))

    async def way(self, question: Question, size: int) -> Way:
        """The index that suits the question, in a ledger of `size`: that of time where the events are frequent.

        Either one leads to about as many rows where the square root of page times size have the words.
        """
        if question.counted is None:
            return question.ways[0]
        statement, values = question.counted
        most = int((PAGE * size) ** 0.5)
        cursor = await self._connection.execute(statement.encode(), {**values, "most": most}, prepare=True)
        return "words" if (await cursor.fetchall())[0][0] < most else "time"

    async def read(self, question: Question, way: Way) -> float:
        """Seconds."""
        statement, values = question.bare(way)
        start = time.perf_counter()
        cursor = self._connection.cursor(binary=True)
        await cursor.execute(statement.encode(), values, prepare=True)
        await cursor.fetchall()
        return time.perf_counter() - start

    async def close(self) -> None:
        await self._connection.close()


# Ingest meanwhile


class Fresh:
    """Events that nobody has sent, made quickly: of some thousand the id and the time are made anew."""

    def __init__(self, tenants: Sequence[str], seed: int) -> None:
        self._rng = random.Random(f"{os.getpid()}/{time.time()}/{seed}")
        self._pool = [_cut(event) for event in payloads.events(5000, [*tenants], seed=seed)]

    def events(self, count: int) -> Iterator[bytes]:
        bits, pool = self._rng.getrandbits, self._pool
        now = time.time_ns() // 1_000_000
        at = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now / 1000))}.{now % 1000:03}Z".encode()
        start = bits(20)
        for number in range(count):
            between, rest = pool[(start + number) % len(pool)]
            value = now << 80 | 7 << 76 | bits(12) << 64 | 2 << 62 | bits(62)
            yield b'{"id":"%b%b%b%b' % (str(UUID(int=value)).encode(), between, at, rest)


def _cut(event: bytes) -> tuple[bytes, bytes]:
    """What is between its id and its time, and what comes after that."""
    at = event.index(b'"occurred_at":"') + 15
    return event[len('{"id":"') + 36 : at], event[at + len("2027-01-01T00:00:00.000Z") :]


@dataclass
class Stream:
    """Batches, sent whenever they are due, whether the ones before are answered or not."""

    wanted: int
    batch: int
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    taken: Times = field(default_factory=Times)
    """From when a batch was due until its answer."""

    @property
    def rate(self) -> float:
        return self.batch * self.statuses[201] / self.seconds

    def __str__(self) -> str:
        return (
            f"Ingest meanwhile: {self.rate:,.0f} events/s of the {self.wanted:,} that were due, in batches of"
            f" {self.batch} of five tenants; from when a batch was due until its answer p50 {self.taken.p(50):.0f} ms,"
            f" p95 {self.taken.p(95):.0f} ms, p99 {self.taken.p(99):.0f} ms."
        )


@contextmanager
def _ingesting(url: str, tenants: Sequence[str], rate: int, batch: int) -> Iterator[Stream]:
    """In a process of its own, until the block ends; what became of it is known then."""
    stream = Stream(rate, batch)
    with _apart(_ingest, url, [*tenants], rate, batch) as here:
        yield stream
        here.send(None)
        stream.seconds, stream.statuses, stream.taken = here.recv()
    if refused := {status: n for status, n in stream.statuses.items() if status != 201}:
        sys.exit(f"the service did not take every batch that was sent meanwhile: {refused}")
    print(f"  {stream}", flush=True)


def _ingest(pipe: Pipe, url: str, tenants: Sequence[str], rate: int, batch: int) -> None:
    pipe.send(run(_stream(pipe, url, Fresh(tenants, 1), rate, batch)))


async def _stream(pipe: Pipe, url: str, fresh: Fresh, rate: int, batch: int) -> tuple[float, Counter[int], Times]:
    statuses: Counter[int] = Counter()
    taken = Times()
    start = time.perf_counter()
    due = (start + number * batch / rate for number in range(1 << 30))

    async def sending() -> None:
        http = await Http.open(url)
        for moment in due:
            if (wait := moment - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            if pipe.poll():
                break
            (body,) = payloads.bodies([*fresh.events(batch)], batch)
            status, _, _ = await http.post("/api/audit-log/batch", body)
            statuses[status] += 1
            taken.taken.append(1000 * (time.perf_counter() - moment))
        await http.close()

    await asyncio.gather(*(sending() for _ in range(INGEST_CONNECTIONS)))
    return time.perf_counter() - start, statuses, taken


@contextmanager
def _reading(url: str, paths: Sequence[str]) -> Iterator[None]:
    """Four who read one after the other, in a process of their own, until the block ends."""
    with _apart(_read, url, [*paths]) as here:
        here.recv()
        yield
        here.send(None)
        if (statuses := here.recv()).keys() != {200}:
            sys.exit(f"reads beside ingest were answered {dict(statuses)}")


def _read(pipe: Pipe, url: str, paths: Sequence[str]) -> None:
    async def reading() -> Counter[int]:
        statuses: Counter[int] = Counter()
        supply = cycle(paths)

        async def one() -> None:
            http = await Http.open(url)
            while not pipe.poll():
                statuses[(await http.get(next(supply)))[0]] += 1
            await http.close()

        pipe.send(None)
        await asyncio.gather(*(one() for _ in range(4)))
        return statuses

    pipe.send(run(reading()))


@contextmanager
def _apart(work: Any, *arguments: object) -> Iterator[Pipe]:
    """Runs `work` in a process of its own; the pipe leads to it."""
    spawning = multiprocessing.get_context("spawn")
    here, there = spawning.Pipe()
    process = spawning.Process(target=work, args=(there, *arguments), daemon=True)
    process.start()
    there.close()
    try:
        yield here
        process.join(30)
    finally:
        process.kill()
        process.join()


if __name__ == "__main__":
    main()
