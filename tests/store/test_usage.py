"""Counts that all processes add up: nothing is lost when they do so at once, and nothing old is kept."""

from __future__ import annotations

import asyncio
import secrets
import time

import pytest

from indelible.store.session import Database as Connections
from indelible.store.usage import add_up, forget
from tests.postgres import Database
from tests.store.samples import rows

pytestmark = pytest.mark.anyio

PERIOD = 1_700_000_000


@pytest.fixture
def subjects() -> list[str]:
    return [f"read:key:{secrets.token_hex(8)}" for _ in range(3)]


async def test_what_several_add_is_added_up(connections: Connections, subjects: list[str]) -> None:
    one, two, three = subjects
    first = await add_up(connections, {(one, PERIOD): 3, (two, PERIOD): 1}, [one, two], since=PERIOD)
    assert first.used == {(one, PERIOD): 3, (two, PERIOD): 1}
    second = await add_up(connections, {(one, PERIOD): 4, (one, PERIOD + 10): 2}, [one, three], since=PERIOD)
    assert second.used == {(one, PERIOD): 7, (one, PERIOD + 10): 2}


async def test_older_periods_and_other_subjects_are_not_read(connections: Connections, subjects: list[str]) -> None:
    one, two, _ = subjects
    await add_up(connections, {(one, PERIOD): 1, (one, PERIOD + 10): 2, (two, PERIOD + 10): 3}, [], since=PERIOD)
    found = await add_up(connections, {}, [one], since=PERIOD + 1)
    assert found.used == {(one, PERIOD + 10): 2}
    assert (await add_up(connections, {}, [], since=0)).used == {}


async def test_the_clock_is_that_of_postgresql(connections: Connections, subjects: list[str]) -> None:
    found = await add_up(connections, {(subjects[0], PERIOD): 1}, subjects, since=PERIOD)
    assert found.clock == pytest.approx(time.time(), abs=5)
    assert (await add_up(connections, {}, [], since=0)).clock is None


async def test_adding_at_once_loses_nothing_and_waits_for_nobody_for_long(
    connections: Connections, subjects: list[str]
) -> None:
    """Each process has the subjects in an order of its own."""
    orders = [subjects, subjects[::-1], subjects[1:] + subjects[:1]] * 4
    await asyncio.gather(
        *(add_up(connections, {(name, PERIOD): 1 for name in order}, order, since=PERIOD) for order in orders)
    )
    found = await add_up(connections, {}, subjects, since=PERIOD)
    assert found.used == {(name, PERIOD): len(orders) for name in subjects}


async def test_a_subject_of_any_length_that_there_can_be_is_stored(connections: Connections) -> None:
    """A person's id may have 256 characters, of four bytes each."""
    name = f"read:viewer:{'t' * 128}:" + "".join(chr(0x1F600 + secrets.randbelow(80)) for _ in range(256))
    assert (await add_up(connections, {(name, PERIOD): 1}, [name], since=PERIOD)).used == {(name, PERIOD): 1}


async def test_what_is_old_is_deleted(database: Database, connections: Connections, subjects: list[str]) -> None:
    one, two, _ = subjects
    await add_up(connections, {(one, PERIOD): 1, (two, PERIOD + 10): 1}, [], since=PERIOD)
    assert await forget(connections, before=PERIOD + 10) >= 1
    left = rows(database, "SELECT subject FROM indelible.usage WHERE subject = ANY(%s)", [one, two])
    assert left == [(two,)]


async def test_nothing_of_it_is_written_to_the_log_of_postgresql(database: Database) -> None:
    """Once a second, from every process: it must cost no fsync. In PostgreSQL that is an UNLOGGED table."""
    assert rows(database, "SELECT relpersistence FROM pg_class WHERE oid = 'indelible.usage'::regclass") == [("u",)]
