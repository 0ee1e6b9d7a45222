"""Measures what proof costs, and prints the tables of docs/benchmarks.md about it, with one command:

    python bench/proving.py                      5 M entries, about fifteen minutes and 12 GB of disk
    python bench/proving.py --sizes 50000        quicker

One tenant's ledger grows by the ordinary append to each of the sizes; at each, proofs are read from the stored tree and
verified, in turns with reading one entry, the baseline. Then ranges are exported as evidence and verified offline, by
the command and by the single file. What is verified is proven, or there is no report.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple, cast

import msgspec

import payloads
from indelible.catalog import Catalog
from indelible.cli.output import Progress
from indelible.ledger import base64url, entry
from indelible.ledger.proof import fold, verify_consistency, verify_inclusion
from indelible.ledger.signing import SigningKey
from indelible.ledger.tree import Frontier, leaf_hash
from indelible.store import proofs
from indelible.store.append import Rules, append
from indelible.store.embedded import SERVICE_ROLE, EmbeddedPostgres
from indelible.store.intake import Intake
from indelible.store.migrate import migrate
from indelible.store.sealing import Prepared
from indelible.store.session import Database
from indelible.store.tenants import ledgers

INDELIBLE = (sys.executable, "-m", "indelible")
TENANT = "bench-0000"
"""Whose events have all five groups of personal parts."""
LIGHT = "bench-0001"
"""Whose events have three, as most have: actor, context and targets."""
BATCH = 1000
PROOFS = 400
"""Proofs of each kind at each size."""

POSTGRES = {"shared_buffers": "256MB", "max_wal_size": "2GB", "wal_compression": "pglz"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50_000, 500_000, 5_000_000], metavar="N")
    parser.add_argument("--verify", type=int, nargs="+", default=[50_000, 1_000_000], metavar="N")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep the ledger here, and go on with the one that is")
    chosen = parser.parse_args()
    print(machine(), end="\n\n", flush=True)
    _print(sealing())
    with tempfile.TemporaryDirectory(prefix="indelible-bench-", dir="/var/tmp") as scratch:
        folder = chosen.data or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        with EmbeddedPostgres(folder, settings=POSTGRES) as postgres:
            migrate(postgres.admin_url(), service=SERVICE_ROLE)
            asyncio.run(proving(postgres.url(), sorted(chosen.sizes), max(chosen.verify)))
            _print(verifying(postgres.url(), _key(folder), sorted(chosen.verify), Path(scratch)))


def machine() -> str:
    commit = subprocess.run(["git", "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True, check=True)
    return f"Python {platform.python_version()}, {os.cpu_count()} cores, commit {commit.stdout.strip()}."


# What hash, chain and tree cost


def sealing() -> Iterator[str]:
    """Of an event's way into the ledger, what the process does for it, in turns."""
    prepared = list(_prepared(20_000))
    recorded_at = entry.micros(datetime.now(UTC))
    prev = entry.genesis("bench/0")

    def preparing() -> None:
        list(_prepared(len(prepared)))

    def writing() -> None:
        for seq, each in enumerate(prepared):
            entry.seal(each.unsealed, seq, prev, recorded_at)

    def chaining() -> None:
        chained = prev
        for seq, each in enumerate(prepared):
            chained = base64url.encode(leaf_hash(entry.seal(each.unsealed, seq, chained, recorded_at)))

    def growing() -> None:
        chained, frontier = prev, Frontier()
        for seq, each in enumerate(prepared):
            leaf = leaf_hash(entry.seal(each.unsealed, seq, chained, recorded_at))
            frontier.push(leaf)
            chained = base64url.encode(leaf)

    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(5):
        for work in (preparing, writing, chaining, growing):
            times[work.__name__].append(_seconds(work) / len(prepared) * 1e6)
    cost = {name: median(each) for name, each in times.items()}
    yield "| of each event, in the process | µs |"
    yield "|---|---:|"
    yield f"| parse, validate, mask, salt, disclose | {cost['preparing']:.1f} |"
    yield f"| write the entry | {cost['writing']:.1f} |"
    yield f"| leaf hash and chain | {cost['chaining'] - cost['writing']:.1f} |"
    yield f"| tree | {cost['growing'] - cost['chaining']:.1f} |"


def _prepared(count: int, tenant: str = TENANT, seed: int = 1) -> Iterator[Prepared]:
    intake = Intake(Catalog.load())
    now = datetime.now(UTC)
    for raw in payloads.events(count, [tenant], seed=seed):
        event = raw
        if tenant == LIGHT:
            fields = msgspec.json.decode(raw)
            event = msgspec.json.encode({k: v for k, v in fields.items() if k not in ("changes", "metadata")})
        yield intake.take(event, now=now, history=True)


# Proofs from the stored tree


async def proving(url: str, sizes: Sequence[int], light: int) -> None:
    print("\n| read from the stored tree, ms | entries | median | p95 | p99 |\n|---|---:|---:|---:|---:|", flush=True)
    async with Database.open(url, size=2) as database:
        await _grow(database, LIGHT, light)
        for size in sizes:
            await _grow(database, TENANT, size)
            for line in await _latencies(database, size):
                print(line, flush=True)


async def _grow(database: Database, tenant: str, size: int) -> None:
    rules = Rules(Catalog.load())
    found = {ledger.tenant_id: ledger.size for ledger in await ledgers(database)}
    there = found.get(tenant, 0)
    progress = Progress("appending", " entries")
    while there < size:
        count = min(BATCH, size - there - (there == 0))
        batch = list(_prepared(count, tenant, seed=there + 1))
        async with database.transaction("writer") as connection:
            await append(connection, batch, rules)
        there += count + (there == 0)
        progress(there, size)
    progress.close()


async def _latencies(database: Database, size: int) -> list[str]:
    rng = random.Random(size)
    async with database.transaction("reader", TENANT) as connection:
        frontier = await proofs.left(connection, TENANT, size)
        root = fold(frontier)

    async def inclusion() -> None:
        seq = rng.randrange(size)
        async with database.transaction("reader", TENANT) as connection:
            hashes = await proofs.inclusion(connection, TENANT, seq, size)
            cursor = await connection.execute(
                "SELECT leaf_hash FROM indelible.events WHERE tenant_id = %s AND seq = %s", (TENANT, seq)
            )
            ((leaf,),) = await cursor.fetchall()
        verify_inclusion(cast("bytes", leaf), seq, size, hashes, root)

    async def consistency() -> None:
        old = rng.randrange(1, size)
        async with database.transaction("reader", TENANT) as connection:
            hashes = await proofs.consistency(connection, TENANT, old, size)
            old_root = fold(await proofs.left(connection, TENANT, old))
        verify_consistency(old, old_root, size, root, hashes)

    async def one_row() -> None:
        async with database.transaction("reader", TENANT) as connection:
            await connection.execute(
                "SELECT entry FROM indelible.events WHERE tenant_id = %s AND seq = %s", (TENANT, rng.randrange(size))
            )

    kinds = {
        "one entry by its number (the baseline)": one_row,
        "inclusion proof, read and verified": inclusion,
        "consistency proof and old root, read and verified": consistency,
    }
    taken: dict[str, list[float]] = defaultdict(list)
    for _ in range(PROOFS):
        for name, work in kinds.items():
            started = time.perf_counter()
            await work()
            taken[name].append((time.perf_counter() - started) * 1000)
    return [_latency(name, size, taken[name]) for name in kinds]


def _latency(what: str, size: int, milliseconds: Sequence[float]) -> str:
    cuts = quantiles(milliseconds, n=100)
    return f"| {what} | {size:,} | {median(milliseconds):.1f} | {cuts[94]:.1f} | {cuts[98]:.1f} |"


# Evidence, offline


def _key(folder: Path) -> str:
    """One key for as long as the ledger is kept: a ledger is not signed with another one unannounced."""
    file = folder / "signing.key"
    if not file.exists():
        file.write_text(SigningKey.generate().pem())
    return file.read_text()


def verifying(url: str, pem: str, counts: Sequence[int], scratch: Path) -> Iterator[str]:
    """Exports ranges and verifies them, each in a process of its own, so that its memory is known."""
    environment = os.environ | {"INDELIBLE_DATABASE_URL": url, "INDELIBLE_SIGNING_KEY": pem}
    single = scratch / "verify.py"
    signed = _run([*INDELIBLE, "checkpoint", "--tenant", TENANT], environment)
    entries = int(signed.output.splitlines()[1])
    yield f"\nSigning: {entries:,} entries in {signed.seconds:.1f} s, {signed.megabytes:.0f} MB at most."
    yield "\n| evidence | entries | MB | entries/s | memory, MB |"
    yield "|---|---:|---:|---:|---:|"
    for tenant, parts in ((TENANT, "five personal parts"), (LIGHT, "three")):
        vkey = _run([*INDELIBLE, "keys", "vkeys", "--tenant", tenant], environment).output.split()[-1]
        _run([*INDELIBLE, "checkpoint", "--tenant", tenant], environment)
        for count in counts:
            file = scratch / f"{tenant}-{count}.jsonl"
            command = [*INDELIBLE, "export", "--evidence", "--tenant", tenant, "--to", str(count), "--out", str(file)]
            exported = _run(command, environment)  # writes verify.py beside it
            size = file.stat().st_size / 1e6
            yield _rate(f"{parts}: written by `indelible export`", count, size, exported)
            by_command = _run([*INDELIBLE, "evidence", "verify", str(file), "--key", vkey], environment)
            yield _rate(f"{parts}: verified by `indelible evidence verify`", count, size, by_command)
            alone = _run([sys.executable, "-I", "-S", str(single), str(file), "--key", vkey], {})
            yield _rate(f"{parts}: verified by `verify.py` alone", count, size, alone)
            file.unlink()


class _Ran(NamedTuple):
    seconds: float
    megabytes: float
    """The most memory that it had at once."""
    output: str


def _run(command: Sequence[str], environment: Mapping[str, str]) -> _Ran:
    """Runs a command that has to end with 0; start-up is part of its time."""
    with tempfile.TemporaryFile() as out:
        started = time.perf_counter()
        process = subprocess.Popen(command, env=dict(environment), stdout=out)
        memory = 0.0
        while True:
            # Not getrusage: its peak is also that of this process, which was forked.
            memory = max(memory, _peak(process.pid))
            try:
                process.wait(0.02)
                break
            except subprocess.TimeoutExpired:
                pass
        seconds = time.perf_counter() - started
        if process.returncode:
            sys.exit(f"{' '.join(command)} ended with {process.returncode}")
        out.seek(0)
        return _Ran(seconds, memory, out.read().decode())


def _peak(pid: int) -> float:
    """Megabytes; 0 when the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def _rate(what: str, count: int, megabytes: float, ran: _Ran) -> str:
    return f"| {what} | {count:,} | {megabytes:,.0f} | {count / ran.seconds:,.0f} | {ran.megabytes:.0f} |"


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
