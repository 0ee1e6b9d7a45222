"""Rate limits: what is let through and what is not, to whom it is said and how, and that processes count together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import httpx
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.server.fair import FairDatabase
from indelible.server.limits import Kind, Limits
from indelible.server.problems import Problem
from indelible.settings import Settings
from indelible.store.errors import StoreUnavailable
from indelible.store.session import Database as Connections
from tests.conftest import Cluster, running_service
from tests.postgres import Database
from tests.server.conftest import an_event, problem

pytestmark = pytest.mark.anyio

KEY = "key:0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def limits(clock: Callable[[], float], **most: int) -> Limits:
    return Limits(Settings(**{"key_read_limit": 0, "tenant_read_limit": 0, **most}), clock)  # type: ignore[arg-type]


def passed(limits: Limits, kind: Kind = "read", subject: str = KEY, tenant: str | None = "acme") -> bool:
    try:
        limits.admit(kind, subject, tenant)
    except Problem as problem:
        refused: Problem | None = problem
    else:
        refused = None
    assert refused is None or (refused.status, refused.details.code) == (429, "rate_limited")
    assert refused is None or refused.headers["retry-after"].isdigit()
    return refused is None


def refusal(limits: Limits, kind: Kind = "read", subject: str = KEY, tenant: str | None = "acme") -> Problem:
    with pytest.raises(Problem) as caught:
        limits.admit(kind, subject, tenant)
    return caught.value


# --- what is counted


def test_zero_is_no_limit() -> None:
    clock = Clock()
    assert all(passed(limits(clock)) for _ in range(100))
    assert all(passed(limits(clock, key_read_limit=1), "write") for _ in range(100))


def test_each_key_and_each_person_has_the_limit_for_themselves() -> None:
    found = limits(Clock(), key_read_limit=3)
    for subject in (KEY, "viewer:acme:usr_7", "viewer:globex:usr_7"):
        assert [passed(found, subject=subject) for _ in range(4)] == [True, True, True, False]


def test_a_tenant_has_one_limit_for_all_who_ask() -> None:
    found = limits(Clock(), tenant_read_limit=3)
    assert [passed(found, subject=f"key:{n}") for n in range(4)] == [True, True, True, False]
    assert passed(found, tenant="globex")
    assert passed(found, tenant=None)


def test_reading_and_logging_are_counted_apart() -> None:
    found = limits(Clock(), key_read_limit=1, key_write_limit=1)
    assert [passed(found), passed(found, "write"), passed(found), passed(found, "write")] == [True, True, False, False]


def test_what_one_limit_refuses_does_not_count_for_the_other() -> None:
    found = limits(Clock(), key_read_limit=2, tenant_read_limit=1)
    assert [passed(found), passed(found), passed(found)] == [True, False, False]
    assert passed(found, tenant="globex")
    assert not passed(found, tenant="globex")


def test_a_subject_can_not_pose_as_a_tenant() -> None:
    found = limits(Clock(), key_read_limit=1, tenant_read_limit=1)
    assert passed(found, subject="viewer:acme:x", tenant="acme")
    assert passed(found, subject="viewer:globex:x", tenant="viewer:acme:x")


def test_the_refusal_says_which_limit_where_it_is_set_and_when_to_come_back() -> None:
    clock = Clock()
    found = limits(clock, key_read_limit=1200, tenant_write_limit=1)
    for _ in range(1200):
        found.admit("read", KEY, "acme")
    detail = refusal(found).details.detail
    assert detail.startswith("over the limit of 1,200 requests a minute for one key or person")
    assert "INDELIBLE_KEY_READ_LIMIT" in detail
    found.admit("write", KEY, "acme")
    detail = refusal(found, "write").details.detail
    assert detail.startswith("over the limit of 1 events a minute for one tenant (INDELIBLE_TENANT_WRITE_LIMIT)")


def test_looking_whether_more_is_allowed_counts_nothing() -> None:
    found = limits(Clock(), key_write_limit=1)
    for _ in range(5):
        found.check("write", KEY)
    assert passed(found, "write")
    with pytest.raises(Problem):
        found.check("write", KEY)


# --- over time


MOMENTS = st.lists(st.floats(0, 200), min_size=1, max_size=300).map(sorted)


@given(moments=MOMENTS, most=st.integers(1, 30))
def test_no_fifty_seconds_have_more_than_the_limit(moments: list[float], most: int) -> None:
    """So nobody gets it twice at the edge of a minute."""
    clock = Clock()
    found = limits(clock, key_read_limit=most)
    through = []
    for clock.now in moments:
        if passed(found):
            through.append(clock.now)
    for first in through:
        assert sum(first <= moment < first + 50 for moment in through) <= most


@given(most=st.integers(1, 100), start=st.floats(0, 60))
def test_whoever_asks_evenly_at_the_limit_is_never_refused(most: int, start: float) -> None:
    clock = Clock()
    found = limits(clock, key_read_limit=most)
    for number in range(4 * most):
        # A hair less often: at exactly the limit what is rounded decides.
        clock.now = start + number * 60.001 / most
        assert passed(found)


@given(moments=MOMENTS, most=st.integers(1, 30))
def test_who_comes_back_when_told_to_passes_and_no_earlier(moments: list[float], most: int) -> None:
    clock = Clock()
    found = limits(clock, key_read_limit=most)
    for clock.now in moments:
        passed(found)
    if passed(found):
        return
    seconds = int(refusal(found).headers["retry-after"])
    assert 1 <= seconds <= 70
    began = clock.now
    clock.now = began + seconds - 1.01
    assert seconds == 1 or not passed(found)
    clock.now = began + seconds
    assert passed(found)


def test_after_a_minute_of_rest_all_of_it_is_there_again() -> None:
    clock = Clock()
    found = limits(clock, key_read_limit=5)
    for clock.now in (0, 9.9, 71, 141.5):
        assert [passed(found) for _ in range(6)] == [True] * 5 + [False] or clock.now == 9.9
    assert not passed(found)


# --- batches


def each(found: Limits, tenants: list[str]) -> list[bool]:
    return [refused is None for refused in found.admit_each("write", KEY, tenants)]


def test_of_a_batch_the_tenants_that_are_over_their_limit_are_refused_and_no_others() -> None:
    found = limits(Clock(), tenant_write_limit=2)
    assert each(found, ["a", "a", "b", "a", "b", "c"]) == [True, True, True, False, True, True]
    assert each(found, ["a", "b", "c", "c"]) == [False, False, True, False]


def test_a_batch_of_as_many_as_the_limit_passes() -> None:
    clock = Clock()
    found = limits(clock, key_write_limit=10, tenant_write_limit=10)
    assert each(found, ["a"] * 10) == [True] * 10
    clock.now = 71
    assert each(found, ["a"] * 10) == [True] * 10


def test_a_batch_larger_than_the_limit_gets_on_a_limit_at_a_time() -> None:
    """Rather than never."""
    clock = Clock()
    found = limits(clock, key_write_limit=10)
    waiting = ["a"] * 25
    for taken in (10, 10, 5):
        answers = found.admit_each("write", KEY, waiting)
        assert [answer is None for answer in answers] == [True] * taken + [False] * (len(waiting) - taken)
        waiting = waiting[taken:]
        if waiting:
            refused = answers[-1]
            assert refused is not None
            clock.now += int(refused.headers["retry-after"])


def test_the_limit_of_the_key_is_over_all_tenants_of_a_batch() -> None:
    found = limits(Clock(), key_write_limit=3, tenant_write_limit=2)
    answers = found.admit_each("write", KEY, ["a", "a", "a", "b", "b"])
    assert [answer and answer.details.detail.split("(")[1].split(")")[0] for answer in answers] == [
        None, None, "INDELIBLE_TENANT_WRITE_LIMIT", None, "INDELIBLE_KEY_WRITE_LIMIT"
    ]  # fmt: skip
    assert found.admit_each("write", KEY, []) == []


@given(st.lists(st.tuples(st.floats(0, 90), st.lists(st.sampled_from("abc"), max_size=20)), max_size=20))
def test_a_batch_is_counted_as_its_events_one_by_one_would_be(batches: list[tuple[float, list[str]]]) -> None:
    clock = Clock()
    together, apart = (limits(clock, key_write_limit=20, tenant_write_limit=8) for _ in range(2))
    for clock.now, tenants in sorted(batches):
        assert each(together, list(tenants)) == [passed(apart, "write", tenant=tenant) for tenant in tenants]


# --- several processes


async def test_processes_count_together_within_a_second(connections: Connections) -> None:
    subject = f"key:{uuid4()}"
    one, two = (limits(time.monotonic, key_read_limit=10) for _ in range(2))
    assert [passed(one, subject=subject) for _ in range(10)] == [True] * 10
    assert passed(two, subject=subject)  # which has not heard of it yet
    await one.exchange(connections)
    await two.exchange(connections)
    assert not passed(two, subject=subject)
    assert not passed(one, subject=subject)


async def test_what_is_counted_while_counts_are_exchanged_is_not_lost(connections: Connections) -> None:
    subject = f"key:{uuid4()}"
    one, two = (limits(time.monotonic, key_read_limit=10) for _ in range(2))
    for _ in range(3):
        passed(one, subject=subject)
    exchange = asyncio.create_task(one.exchange(connections))
    await asyncio.sleep(0)  # it has taken what there was
    for _ in range(3):
        passed(one, subject=subject)
    await exchange
    assert [passed(one, subject=subject) for _ in range(5)] == [True] * 4 + [False]
    await one.exchange(connections)
    passed(two, subject=subject)
    await two.exchange(connections)
    assert not passed(two, subject=subject)


async def test_processes_whose_clocks_differ_count_alike(connections: Connections) -> None:
    subject = f"key:{uuid4()}"
    one, two = (limits(lambda: time.monotonic() + 1_000, key_read_limit=10), limits(lambda: 0.0, key_read_limit=10))
    for found in (one, two, one, two):
        for _ in range(2):
            passed(found, subject=subject)
        await found.exchange(connections)
    passed(one, subject=subject)
    await one.exchange(connections)
    passed(two, subject=subject)
    await two.exchange(connections)
    assert not passed(two, subject=subject)


async def test_without_postgresql_each_goes_on_counting() -> None:
    found = limits(time.monotonic, key_read_limit=3)
    async with Connections.open("postgresql://nobody@127.0.0.1:1/nothing") as away:
        for number in range(3):
            assert passed(found)
            if number < 2:
                with pytest.raises(StoreUnavailable):
                    await found.exchange(away)
    assert not passed(found)


async def test_what_could_not_be_exchanged_is_made_up_for(connections: Connections) -> None:
    subject = f"key:{uuid4()}"
    one, two = (limits(time.monotonic, key_read_limit=3) for _ in range(2))
    for _ in range(3):
        passed(one, subject=subject)
    async with Connections.open("postgresql://nobody@127.0.0.1:1/nothing") as away:
        with pytest.raises(StoreUnavailable):
            await one.exchange(away)
    await one.exchange(connections)
    passed(two, subject=subject)
    await two.exchange(connections)
    assert not passed(two, subject=subject)


# --- the service


@pytest.fixture(scope="module")
def limited(clusters: Callable[[int], Cluster]) -> Iterator[tuple[str, Database]]:
    """A service of two processes with low limits; its address."""
    cluster = clusters(18)
    database = cluster.databases.clone(cluster.template)
    with running_service(
        database,
        INDELIBLE_ADMIN_KEY=ADMIN,
        INDELIBLE_WORKERS="2",
        INDELIBLE_KEY_READ_LIMIT="40",
        INDELIBLE_TENANT_READ_LIMIT="10",
        INDELIBLE_TENANT_WRITE_LIMIT="4",
    ) as address:
        yield address, database
    cluster.databases.drop(database)


ADMIN = "a-key-for-everything-in-tests"
ONE, BATCH = "/api/audit-log", "/api/audit-log/batch"


@pytest.fixture
def strict(limited: tuple[str, Database]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=limited[0], headers={"authorization": f"Bearer {ADMIN}"}, timeout=30) as client:
        yield client


def test_too_many_reads_are_429_whichever_process_is_asked(strict: httpx.Client, tenant: str) -> None:
    statuses: list[int] = []
    until = time.monotonic() + 20
    while time.monotonic() < until and statuses.count(429) < 3:
        with httpx.Client(base_url=strict.base_url, headers=strict.headers) as fresh:  # perhaps to the other process
            answer = fresh.get(ONE, params={"tenant_id": tenant})
        statuses.append(answer.status_code)
        time.sleep(0.1)
    assert 10 <= statuses.count(200) <= 20  # for each process at most the limit
    found = problem(answer, 429, "rate_limited")
    assert "INDELIBLE_TENANT_READ_LIMIT" in found["detail"]
    assert 1 <= int(answer.headers["retry-after"]) <= 70
    # Nobody else's concern.
    assert strict.get(ONE, params={"tenant_id": f"{tenant}-2"}).status_code == 200
    assert strict.post(ONE, json=an_event(tenant)).status_code == 201


def test_what_is_refused_to_a_key_that_is_known_counts_as_a_read(strict: httpx.Client, tenant: str) -> None:
    """Each of them is looked into, and told of in the ledger."""
    body = {"name": "k", "scopes": ["events:write"], "tenant_id": tenant}
    writer = strict.post("/api/keys", json=body).json()["key"]
    reader = strict.post("/api/keys", json=body | {"scopes": ["events:read"]}).json()["key"]
    asked: list[tuple[str, str, str, object]] = [
        (writer, "GET", ONE, None),
        (reader, "POST", ONE, an_event(tenant)),
        (writer, "POST", ONE, an_event("another")),
        (writer, "POST", BATCH, [an_event("another")]),
    ]
    for key, method, path, sent in asked:
        refused, until = set(), time.monotonic() + 20
        while time.monotonic() < until and 429 not in refused:
            headers = {"authorization": f"Bearer {key}"}
            refused.add(strict.request(method, path, json=sent, headers=headers).status_code)
        assert refused <= {403, 207, 429}
        assert 429 in refused, (method, path)


def test_too_many_events_of_a_tenant_are_429(strict: httpx.Client, tenant: str) -> None:
    answers = [strict.post(ONE, json=an_event(tenant)) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [201] * 4 + [429]
    assert "INDELIBLE_TENANT_WRITE_LIMIT" in problem(answers[-1], 429, "rate_limited")["detail"]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 70


def test_of_a_batch_only_those_over_the_limit_are_refused_and_can_be_sent_again(
    strict: httpx.Client, tenant: str
) -> None:
    with httpx.Client(base_url=strict.base_url, headers=strict.headers) as connection:  # one process
        events = [an_event(f"{tenant}-{name}") for name in "aabaaabab"]
        answer = connection.post(BATCH, json=events)
    body = answer.json()
    assert answer.status_code == 207
    assert [item["status"] for item in body["data"]] == [201, 201, 201, 201, 201, 429, 201, 429, 201]
    assert (body["accepted"], body["refused"]) == (7, 2)
    assert body["data"][5]["error"]["code"] == "rate_limited"
    assert 1 <= int(answer.headers["retry-after"]) <= 70


def test_the_limits_of_a_key_hold_for_what_is_not_logging_only(limited: tuple[str, Database]) -> None:
    """The admin key has used up its forty reads by now, or does here; and logs on."""
    with httpx.Client(base_url=limited[0], headers={"authorization": f"Bearer {ADMIN}"}, timeout=30) as client:
        answers = [client.get(ONE, params={"tenant_id": f"t{number}"}) for number in range(100)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert "INDELIBLE_KEY_READ_LIMIT" in problem(refused[-1], 429, "rate_limited")["detail"]
        assert client.post(ONE, json=an_event(f"t-{uuid4()}")).status_code == 201
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 200


# --- a tenant's share of the connections


async def test_one_tenant_has_half_of_the_connections_at_most(database: Database) -> None:
    async with FairDatabase.open(database.url, size=5) as reading:
        assert reading.share == 2
        async with asyncio.TaskGroup() as slow:
            for _ in range(2):
                slow.create_task(_sleep(reading, "acme", 3.5))
            await asyncio.sleep(0.3)
            began = time.monotonic()
            with pytest.raises(Problem) as caught:
                await _sleep(reading, "acme", 0)
            assert 1.8 < time.monotonic() - began < 3
            refused = caught.value
            assert (refused.status, refused.details.code) == (429, "too_many_reads")
            assert refused.headers["retry-after"] == "1"
            # Others do not notice.
            began = time.monotonic()
            await _sleep(reading, "globex", 0)
            assert time.monotonic() - began < 1
    assert reading._turns == {}


async def test_who_waits_for_a_turn_gets_it_when_one_ends(database: Database) -> None:
    async with FairDatabase.open(database.url, size=2) as reading:
        began = time.monotonic()
        await asyncio.gather(*(_sleep(reading, "acme", 0.4) for _ in range(3)))
        assert 1.1 < time.monotonic() - began < 2.5  # one after the other
    assert reading._turns == {}


async def test_a_turn_is_given_back_whatever_happens(database: Database) -> None:
    async with FairDatabase.open(database.url, size=2) as reading:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with reading.transaction("reader", "acme"):
                    raise ZeroDivisionError
            with pytest.raises(psycopg.Error):
                async with reading.transaction("reader", "acme") as connection:
                    await connection.execute("SELECT no_such_function()")
            waiting = asyncio.create_task(_sleep(reading, "acme", 30))
            await asyncio.sleep(0.05)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        await _sleep(reading, "acme", 0)
    assert reading._turns == {}


@pytest.mark.parametrize(("size", "share"), [(1, 1), (2, 1), (3, 1), (4, 2), (9, 4)])
async def test_the_share_is_half_and_never_nothing(size: int, share: int) -> None:
    async with FairDatabase.open("postgresql://nobody@127.0.0.1:1/nothing", size=size) as reading:
        assert reading.share == share


async def _sleep(reading: FairDatabase, tenant: str, seconds: float) -> None:
    async with reading.transaction("reader", tenant) as connection:
        await connection.execute("SELECT pg_sleep(%s)", (seconds,))
