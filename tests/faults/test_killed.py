"""`kill -9` in the midst of load: what was acknowledged stays, once, and the service comes back by itself."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from zlib import crc32

import pytest

from tests.faults.load import Load, check, event
from tests.faults.running import Dev, alive, descendants, until

KILLS = 20
LANES = 4
"""At least as many as the service has, and a multiple of that."""

RECOVERED_WITHIN = 30
"""Seconds, generously: it takes two or three on a quiet machine."""


def worker(dev: Dev) -> list[int]:
    return [dev.worker().pid]


def postmaster(dev: Dev) -> list[int]:
    pid = dev.postgres.pid
    assert pid is not None
    return [pid]


def server(dev: Dev) -> list[int]:
    """The parent of the server processes; what it started has to end by itself."""
    return [dev.server().pid]


def backend(dev: Dev) -> list[int]:
    """PostgreSQL then throws out everybody, and recovers."""
    return [next(dev.backends()).pid]


def everything(dev: Dev) -> list[int]:
    return [*server(dev), *worker(dev), *postmaster(dev)]


VICTIMS: list[Callable[[Dev], list[int]]] = [worker, postmaster, server, backend, everything]


def one_of_each_lane() -> list[str]:
    """Tenants whose ledgers lie in different lanes: all of them have to be served again."""
    lanes: dict[int, str] = {}
    for number in range(100):
        lanes.setdefault(crc32(b"probe-%d" % number) % LANES, f"probe-{number}")
    assert len(lanes) == LANES
    return list(lanes.values())


def kill(pids: list[int]) -> None:
    """Kills them, and waits until they and what they started are gone."""
    gone = set(pids).union(*map(descendants, pids))
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(gone), "the killed processes, and their children, are gone")


@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost_or_doubled(tmp_path: Path) -> None:
    """Twenty kills of the server, its parent, PostgreSQL, one of its backends, and all at once, durable as shipped."""
    recovered: defaultdict[str, list[float]] = defaultdict(list)
    with Dev(tmp_path).is_started() as dev:
        with Load([dev.address], dev.key, ["hot", "warm", *(f"small-{n}" for n in range(8))]) as load:
            for number, victim in enumerate(islice(cycle(VICTIMS), KILLS)):
                load.tenants.append(f"first-seen-{number}")
                time.sleep(0.3)
                pids = victim(dev)
                began = time.monotonic()
                kill(pids)
                with load.client() as client:
                    load.deliver(client, [event(tenant) for tenant in one_of_each_lane()], within=RECOVERED_WITHIN)
                recovered[victim.__name__].append(time.monotonic() - began)
                until(dev.is_whole, "what was killed is there again", RECOVERED_WITHIN)
        assert load.setbacks, "nobody noticed, so nothing was tested"
        stored = check(load, dev.postgres.logins(), dev.postgres.admin_url())
        for kind, seconds in recovered.items():
            sys.stdout.write(f"\n{kind}: back after {', '.join(f'{s:.1f}' for s in seconds)} s")
        sys.stdout.write(f"\n{stored}; sent again: {dict(load.setbacks)}\n")
        assert stored.ledgers >= KILLS
        assert dev.stop() == 0
