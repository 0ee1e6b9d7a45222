"""SIGTERM to the service while it is at work: what it acknowledged is stored, and it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Cluster, free_port, wait_until_ready
from tests.faults.load import Load, check
from tests.faults.running import Command, alive, descendants, until
from tests.postgres import Database

KEY = "ind_test_key-of-the-fault-tests"


@pytest.fixture
def cluster(clusters: Callable[[int], Cluster]) -> Cluster:
    """One version is enough here: what differs between them is tried elsewhere."""
    return clusters(18)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_shutdown_under_load_loses_nothing(database: Database, tmp_path: Path, workers: int) -> None:
    """Events on their way are stored or answered with 503, or see a closed connection; later ones find nobody.

    The same senders then meet the next service, and deliver what they were not answered.
    """
    address = f"http://127.0.0.1:{(port := free_port())}"
    settings = {
        "INDELIBLE_DATABASE_URL": database.url,
        "INDELIBLE_PORT": str(port),
        "INDELIBLE_ADMIN_KEY": KEY,
        "INDELIBLE_WORKERS": str(workers),
    }
    service = Command(tmp_path, "serve", **settings).start()
    until(lambda: "Serving" in service.err, "it serves")
    wait_until_ready(address, service.process)
    with Load([address], KEY, ["hot", *(f"small-{n}" for n in range(8))]) as load:
        for _ in range(3):
            time.sleep(0.5)
            assert load.acknowledged, "nothing was under way"
            pids = descendants(service.pid)
            assert len(pids) >= workers
            began = time.monotonic()
            assert service.stop() == 0
            assert time.monotonic() - began < 15
            assert not alive(pids)
            service.start()
            wait_until_ready(address, service.process)
    check(load, database.url, database.admin_url)
    assert service.stop() == 0


def test_idle_connections_do_not_hold_up_a_shutdown(database: Database, tmp_path: Path) -> None:
    """Clients keep connections open for their next event; nobody waits for that."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    settings = {"INDELIBLE_DATABASE_URL": database.url, "INDELIBLE_PORT": str(port), "INDELIBLE_ADMIN_KEY": KEY}
    service = Command(tmp_path, "serve", **settings).start()
    wait_until_ready(address, service.process)
    with Load([address], KEY, []).client() as client:
        assert client.get("/healthz").is_success
        killer = threading.Timer(0.2, service.stop)
        killer.start()
        began = time.monotonic()
        assert service.wait(20) == 0
        assert time.monotonic() - began < 5
        killer.join()
