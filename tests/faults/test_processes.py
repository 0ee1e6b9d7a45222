"""Several server processes, and several services, write to the same ledgers at once."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import Cluster, running_service
from tests.faults.load import Load, check, event
from tests.postgres import Database

KEY = "ind_test_key-of-the-fault-tests"
TENANTS = ["hot"] * 50 + [f"small-{n}" for n in range(50)]
SENDERS = 6
ROUNDS = 25


@pytest.fixture
def cluster(clusters: Callable[[int], Cluster]) -> Cluster:
    """One version is enough here: what differs between them is tried elsewhere."""
    return clusters(18)


@pytest.mark.parametrize(("services", "workers"), [(1, 2), (1, 4), (2, 1)])
def test_ledgers_stay_whole(database: Database, services: int, workers: int) -> None:
    """Half of all events go to a hot tenant, and each is sent by three at once, first of all those of new tenants."""
    settings = {"INDELIBLE_ADMIN_KEY": KEY, "INDELIBLE_WORKERS": str(workers)}
    with contextlib.ExitStack() as running:
        addresses = [running.enter_context(running_service(database, **settings)) for _ in range(services)]
        load = Load(addresses, KEY, [], writers=SENDERS)
        together = threading.Barrier(SENDERS, timeout=60)

        def send(number: int) -> None:
            # Three senders have the same chance, so they send the same events, to whichever service is theirs.
            chance, mine = random.Random(number // 3), events[number // 3]
            with load.client(number) as client:
                for batch in mine:
                    together.wait()
                    if chance.random() < 0.5:
                        load.deliver(client, batch)
                    else:
                        for each in batch[:4]:
                            load.deliver(client, [each])

        chance = random.Random(7)
        events = [
            [[event(chance.choice(TENANTS)) for _ in range(chance.randint(2, 40))] for _ in range(ROUNDS)]
            for _ in range(SENDERS // 3)
        ]
        with ThreadPoolExecutor(SENDERS) as senders:
            list(senders.map(send, range(SENDERS)))
        assert {sum(receipts.values()) for receipts in load.acknowledged.values()} == {3}, "each was sent three times"
        stored = check(load, database.url, database.admin_url)
        assert stored.events == len(load.acknowledged)
        assert stored.ledgers > 40
