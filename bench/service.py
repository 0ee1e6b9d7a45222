"""The service under measurement: `indelible serve` as users start it, on a database of its own each time."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from urllib.error import URLError
from urllib.request import urlopen

import psycopg
from psycopg.sql import SQL, Identifier

from indelible.store.embedded import SERVICE_ROLE, EmbeddedPostgres
from indelible.store.migrate import migrate

__all__ = ["ADMIN_KEY", "count_events", "fresh_database", "serve"]

ADMIN_KEY = "bench-admin-key-0123456789abcdef0123456789abcdef"
READY_WITHIN = 60.0
"""Seconds that the service gets to answer /readyz."""


@contextmanager
def fresh_database(postgres: EmbeddedPostgres, name: str) -> Iterator[str]:
    """The name of a database as `indelible migrate` leaves it, empty; dropped afterwards."""
    with psycopg.connect(postgres.admin_url("postgres"), autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        try:
            migrate(postgres.admin_url(name), service=SERVICE_ROLE)
            connection.execute("CHECKPOINT")  # what came before is written; it does not run into the measurement
            yield name
        finally:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@contextmanager
def serve(database_url: str, workers: int, log: Path, more: Mapping[str, str] = MappingProxyType({})) -> Iterator[str]:
    """The URL of `indelible serve` with `workers` processes on `database_url`; what it says goes to `log`.

    `more` are further settings, by the names of their variables.
    """
    port = _free_port()
    settings = {
        **more,
        "INDELIBLE_DATABASE_URL": database_url,
        "INDELIBLE_ADMIN_KEY": ADMIN_KEY,
        "INDELIBLE_PORT": str(port),
        "INDELIBLE_WORKERS": str(workers),
    }
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "indelible", "serve"],
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url, process, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def count_events(connection: psycopg.Connection) -> int:
    """How many events are stored that were sent, without the ledgers' own; each ledger's size is checked by it."""
    (sent, stored, promised) = connection.execute(
        r"""SELECT count(*) FILTER (WHERE action !~ '^(ledger|audit_log)\.'), count(*),
                   (SELECT sum(size) FROM indelible.ledgers)
            FROM indelible.events"""
    ).fetchone() or (0, 0, 0)
    assert stored == promised, f"the ledgers say they hold {promised} entries, and {stored} are there"
    return int(sent)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{url}/readyz", timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    said = log.read_text(errors="replace")[-2000:]
    raise SystemExit(f"`indelible serve` is not ready at {url} after {READY_WITHIN:.0f} s. It said:\n{said}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
