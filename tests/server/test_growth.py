"""Who tells that ledgers grew: asks for all at once, while somebody waits, and holds nothing for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack

import pytest

from indelible.server import growth as module
from indelible.server.growth import Growth
from indelible.server.problems import Problem
from indelible.store.appender import Appender
from indelible.store.errors import StoreUnavailable
from indelible.store.intake import Intake
from indelible.store.session import Database as Connections
from tests.conftest import Cluster
from tests.server.in_process import until
from tests.store.samples import send, take

pytestmark = pytest.mark.anyio


@pytest.fixture
def cluster(clusters: Callable[[int], Cluster]) -> Cluster:
    return clusters(18)


@pytest.fixture
async def growth(connections: Connections, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Growth]:
    monkeypatch.setattr(module, "INTERVAL", 0.01)
    made = Growth(connections, of_one=2, in_all=3)
    yield made
    await made.close()


async def test_those_are_told_whose_ledger_grew_and_nobody_else(
    growth: Growth, appender: Appender, intake: Intake, tenant: str
) -> None:
    """One question for all; and once nobody waits there are no more."""
    other = f"{tenant}-other"
    await send(appender, take(intake, tenant), take(intake, other))
    with growth.watch(tenant, "a") as mine, growth.watch(tenant, "b") as more, growth.watch(other, "a") as elsewhere:
        assert await mine.beyond(1, 5)  # it has two by now
        told = asyncio.create_task(mine.beyond(2, 5))
        later = asyncio.create_task(more.beyond(3, 5))
        never = asyncio.create_task(elsewhere.beyond(2, 0.2))
        await send(appender, take(intake, tenant))
        assert await told
        assert not later.done()
        await send(appender, take(intake, tenant))
        assert await later
        assert not await never
        assert not await mine.beyond(4, 0)
    await until(lambda: not growth.is_asking, "it asks on for nobody")
    assert growth.watching == 0


async def test_a_ledger_that_is_not_there_yet_is_waited_for(
    growth: Growth, appender: Appender, intake: Intake, tenant: str
) -> None:
    with growth.watch(tenant, "a") as watcher:
        told = asyncio.create_task(watcher.beyond(0, 5))
        await until(lambda: growth.is_asking, "nobody asks")
        await send(appender, take(intake, tenant))
        assert await told


async def test_postgresql_that_does_not_answer_is_waited_for(
    growth: Growth, appender: Appender, intake: Intake, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With longer and longer pauses."""
    monkeypatch.setattr(module, "_SLOWEST", 0.05)
    failed = 0
    real = module._sizes

    async def sizes(*arguments: object) -> object:
        nonlocal failed
        failed += 1
        if failed < 4:
            raise StoreUnavailable("away")
        return await real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_sizes", sizes)
    await send(appender, take(intake, tenant))
    with growth.watch(tenant, "a") as watcher:
        assert await watcher.beyond(1, 5)
    assert failed == 4


async def test_so_many_may_wait_and_no_more(growth: Growth, tenant: str) -> None:
    """Of one caller, whatever the tenant; and of all."""
    with ExitStack() as open_:
        for subject in ("a", "a", "b"):
            open_.enter_context(growth.watch(tenant, subject))
        for subject, said in (("a", "2 requests of this key"), ("c", "3 requests wait")):
            with pytest.raises(Problem, match=said) as refused, growth.watch("elsewhere", subject):
                pass
            assert (refused.value.status, refused.value.details.code) == (429, "too_many_waiting")
            assert int(refused.value.headers["retry-after"]) > 0
    assert growth.watching == 0
    with growth.watch(tenant, "a"):
        pass


async def test_one_tenant_leaves_room_for_others(connections: Connections, tenant: str) -> None:
    """However many keys and people it has."""
    growth = Growth(connections, of_tenant=2)
    with ExitStack() as open_:
        for subject in ("a", "b"):
            open_.enter_context(growth.watch(tenant, subject))
        with pytest.raises(Problem, match="2 requests wait for new events of this tenant") as refused:
            open_.enter_context(growth.watch(tenant, "c"))
        assert (refused.value.status, refused.value.details.code) == (429, "too_many_waiting")
        with growth.watch(f"{tenant}-other", "a"), growth.watch(f"{tenant}-other", "c"):
            assert growth.watching == 4
    assert growth.watching == 0
    with growth.watch(tenant, "c"), growth.watch(tenant, "d"):
        pass


async def test_at_the_end_nobody_waits_any_more(growth: Growth, tenant: str) -> None:
    with growth.watch(tenant, "a") as watcher:
        waiting = asyncio.create_task(watcher.beyond(0, 60))
        await until(lambda: growth.is_asking, "nobody asks")
        growth.stop()
        assert not await asyncio.wait_for(waiting, 1)
        assert not await asyncio.wait_for(watcher.beyond(0, 60), 1)
        assert growth.is_stopped


async def test_who_goes_away_leaves_nothing_behind(growth: Growth, tenant: str) -> None:
    with growth.watch(tenant, "a") as watcher:
        waiting = asyncio.create_task(watcher.beyond(0, 60))
        await until(lambda: growth.is_asking, "nobody asks")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await until(lambda: not growth.is_asking, "it asks on for nobody")
