"""GET /api/audit-log/live: events as they are logged, as server-sent events."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import pytest

from indelible.server import feed as feed_module
from indelible.server import growth as growth_module
from indelible.server import live as live_module
from indelible.server.tokens import ViewerTokens
from indelible.store.errors import StoreUnavailable
from indelible.store.feed import feed as read_feed
from indelible.store.keys import revoke_key
from tests.conftest import Cluster, Service, free_port, wait_until_ready
from tests.server.conftest import problem
from tests.server.in_process import Message, Running, running, sse, until
from tests.server.test_feed import fed, log, token

LIVE = "/api/audit-log/live"

SECRET = "a-secret-of-the-tests-that-is-long-enough"


@contextmanager
def streamed(client: httpx.Client, **query: Any) -> Iterator[Iterator[Message]]:
    """The messages of a stream, as they come; it has begun."""
    with client.stream("GET", LIVE, params=query) as answer:
        assert answer.status_code == 200, answer.read()
        chunks = answer.iter_text()
        text = next(chunks)
        assert text.startswith("retry: 2000\n\n")

        def messages() -> Iterator[Message]:
            nonlocal text
            while True:
                whole, _, text = text.rpartition("\n\n")
                yield from sse(whole)
                try:
                    text += next(chunks)
                except StopIteration:
                    return

        yield messages()


def got(client: httpx.Client, headers: dict[str, str] | None = None, **query: Any) -> list[Message]:
    """All messages of a stream that waits for nothing."""
    answer = client.get(LIVE, params={"seconds": 0, **query}, headers=headers)
    assert answer.status_code == 200, answer.text
    return sse(answer.text)


def test_what_is_logged_comes_at_once_and_in_order(api: httpx.Client, tenant: str) -> None:
    """Each event as the API has it elsewhere, under its number; what was there before does not."""
    log(api, tenant, {}, {})
    with streamed(api, tenant_id=tenant) as messages:
        for _ in range(2):
            began = time.monotonic()
            for seq in log(api, tenant, *[{"metadata": {"n": n, "text": "a\nb\r\n\u2028c"}} for n in range(3)]):
                message = next(messages)
                assert (message.id, message.event) == (seq, "logged")
                (event,) = fed(api, tenant, after=seq - 1, limit=1)["data"]
                assert message.data == event
            assert time.monotonic() - began < 5


def test_it_says_what_it_is(api: httpx.Client, tenant: str) -> None:
    with api.stream("GET", LIVE, params={"tenant_id": tenant, "seconds": 0}) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "content-length" not in answer.headers


def test_who_connects_again_goes_on_where_they_were(api: httpx.Client, tenant: str) -> None:
    """By Last-Event-ID, which browsers send, or by `after`; the one of before the connection broke counts."""
    log(api, tenant, *[{} for _ in range(250)])
    everything = got(api, tenant_id=tenant, after=-1)
    assert [m.id for m in everything[:-1]] == [m.data["seq"] for m in everything[:-1]] == list(range(252))
    assert everything[-1] == Message(251, "end", {"reason": "reconnect", "after": 251})
    for headers, query in (
        ({"last-event-id": "120"}, {}), ({}, {"after": 120}), ({"last-event-id": "120"}, {"after": 3}),
        ({"last-event-id": ""}, {"after": 120}), ({"last-event-id": "120"}, {"after": "latest"}),
    ):  # fmt: skip
        assert got(api, headers, tenant_id=tenant, **query) == everything[121:]
    for latest in ({}, {"after": "latest"}, {"after": 251}):
        assert [m.event for m in got(api, tenant_id=tenant, **latest)] == ["end"]


def test_everybody_sees_their_own_alone(service: Service, api: httpx.Client, tenant: str) -> None:
    """And may choose among that, as in the feed."""
    log(api, tenant, *[{"actor": {"type": "user", "id": f"u{n % 2}"}, "metadata": {"n": n}} for n in range(6)])
    api.patch(f"/api/tenants/{tenant}", json={"settings": {"member_access": True}})
    with token(service, tenant, "u0", "member") as member:
        *found, end = got(member, after=-1)
        assert [m.id for m in found if not m.data["action"].startswith("audit_log.")] == [1, 3, 5]
        assert not any("metadata" in m.data for m in found)
        assert end.data["after"] > 6
        problem(member.get(LIVE, params={"ip": "203.0.113.7"}), 403, "hidden_part")
    assert [m.id for m in got(api, tenant_id=tenant, after=-1, actor_id="u1")[:-1]] == [2, 4, 6]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("after", "-2"), ("after", "x"), ("seconds", "601"), ("seconds", "-1"), ("wait", "1"), ("limit", "5"),
     ("since", "soon"), ("q", "until:soon"), ("Last-Event-ID", "x"), ("Last-Event-ID", "latest"),
     ("Last-Event-ID", "1.0")],
)  # fmt: skip
def test_what_is_wrong_is_said_before_anything_is_streamed(
    api: httpx.Client, tenant: str, parameter: str, value: str
) -> None:
    is_header = parameter == "Last-Event-ID"
    query = {"tenant_id": tenant, "seconds": "0"} | ({} if is_header else {parameter: value})
    answer = api.get(LIVE, params=query, headers={parameter: value} if is_header else {})
    assert [e["parameter"] for e in problem(answer, 422, "invalid_parameter")["errors"]] == [parameter]
    problem(api.get(LIVE, params={"tenant_id": tenant, "after": 1000}), 409, "ahead_of_ledger")


def test_watching_is_one_entry_in_the_log_of_the_log(api: httpx.Client, tenant: str) -> None:
    """Feed or stream."""
    log(api, tenant, {})
    for _ in range(2):
        got(api, tenant_id=tenant)
        fed(api, tenant)
        got(api, tenant_id=tenant, action="user.joined")
    assert [event["action"] for event in fed(api, tenant)["data"]][2:] == ["audit_log.viewed", "audit_log.searched"]


@pytest.mark.parametrize(
    ("query", "hours"),
    [({"since": "90m"}, [1, 0]), ({"q": "since:90m"}, [1, 0]), ({"q": "who joined since 90m?"}, [1, 0]),
     ({"q": "since:5h until:30min"}, [2, 1]), ({"q": "since:150m", "until": "30m"}, [2, 1]),
     ({"q": "until:2026-01"}, []), ({}, [2, 1, 0])],
)  # fmt: skip
def test_what_occurred_within_the_times_that_are_asked_for_comes(
    api: httpx.Client, tenant: str, query: dict[str, Any], hours: list[int]
) -> None:
    """Wherever they are named; also by what is logged late. The numbers go on all the same."""
    now = datetime.now(UTC)
    log(api, tenant, *[
        {"occurred_at": (now - timedelta(hours=back)).isoformat(), "metadata": {"back": back}} for back in (2, 1, 0)
    ])  # fmt: skip
    *found, end = got(api, tenant_id=tenant, after=0, **query)
    assert [m.data["metadata"]["back"] for m in found if m.data["action"] == "user.joined"] == hours
    assert end.data["after"] >= 3


def test_a_search_with_times_is_one_entry_whatever_answers_it(service: Service, api: httpx.Client, tenant: str) -> None:
    """The list, its counts and what is new in it: as it was typed, and each by the same reading of it."""
    log(api, tenant, {"metadata": {"note": "blue"}}, {})
    typed: dict[str, Any] = {"q": "who has blue since 1h?", "since": "1d"}
    with token(service, tenant, "u0") as admin:
        page = admin.get("/api/audit-log", params=typed).json()
        assert [event["seq"] for event in page["data"]] == [1]
        assert page["understood"].pop("since") < page["data"][0]["occurred_at"]
        assert page["understood"] == {"items": ["blue", "since 1h"], "ignored": ["who", "has"]}
        assert admin.get("/api/audit-log/facets", params=typed).json()["total"]["count"] == 1
        assert [m.id for m in got(admin, after=-1, **typed)[:-1]] == [1]
        view = admin.post("/api/audit-log/views", json={"name": "Blue", "query": urlencode(typed)}).json()
        assert admin.get(f"/api/audit-log?{view['query']}").json()["data"] == page["data"]
    (entry,) = fed(api, tenant, action="audit_log.searched", actor_id="u0")["data"]
    assert (entry["metadata"]["query"], entry["metadata"]["filters"]) == (typed["q"], {"since": "1d"})


def test_a_service_that_is_to_stop_ends_its_streams(clusters: Callable[[int], Cluster], tenant: str) -> None:
    """And polls that wait; both say where to go on."""
    cluster = clusters(18)
    database = cluster.databases.clone(cluster.template)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    environment = {
        "PATH": "/usr/bin:/bin", "INDELIBLE_DATABASE_URL": database.url, "INDELIBLE_PORT": str(port),
        "INDELIBLE_ENVIRONMENT": "test", "INDELIBLE_ADMIN_KEY": "ind_test_stop_0123456789",
    }  # fmt: skip
    process = subprocess.Popen([sys.executable, "-m", "indelible", "serve"], env=environment)
    try:
        wait_until_ready(address, process)
        key = {"authorization": "Bearer ind_test_stop_0123456789"}
        with httpx.Client(base_url=address, headers=key, timeout=30) as client, ThreadPoolExecutor(1) as pool:
            log(client, tenant, {})
            with streamed(client, tenant_id=tenant) as messages:
                waiting = pool.submit(fed, client, tenant, after=2, wait=60)
                process.terminate()
                began = time.monotonic()
                assert list(messages) == [Message(2, "end", {"reason": "stopping", "after": 2})]
                with suppress(httpx.TransportError):  # it came too late to be let in
                    assert waiting.result() == {"data": [], "after": 2, "has_more": False}
                assert process.wait(10) == 0
                assert time.monotonic() - began < 5
    finally:
        process.kill()
        process.wait()
        cluster.databases.drop(database)


# --- looked at from inside


@pytest.fixture
async def inside(
    clusters: Callable[[int], Cluster], tenant: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Running]:
    """A tenant's ledger with two entries, and a third one about who looks."""
    monkeypatch.setattr(growth_module, "INTERVAL", 0.01)
    monkeypatch.setattr(live_module, "_RETRY", 0.01)
    cluster = clusters(18)
    database = cluster.databases.clone(cluster.template)
    async with running(database, tenant, INDELIBLE_VIEWER_SECRET=SECRET) as found:
        await found.log(tenant)
        await found.call("/api/audit-log/feed").ends()
        yield found
    cluster.databases.drop(database)


@pytest.mark.anyio
async def test_of_a_slow_reader_a_hundred_events_are_held_and_nothing_of_the_database(
    inside: Running, tenant: str
) -> None:
    await inside.log(tenant, 350)
    call = inside.call(LIVE, after=-1, seconds=0)
    call.be_busy()
    await until(lambda: call.chunks == 1, "nothing was sent")
    call.read_on()
    await call.ends()
    assert call.logged == list(range(353))
    # The hint how to connect again, four pages, the end.
    assert call.chunks == 6

    slow = inside.call(LIVE, after=-1)
    await until(lambda: slow.chunks == 5, "it is not there yet")
    slow.be_busy()
    await inside.log(tenant, 150)
    await until(lambda: slow.chunks == 6, "nothing more was sent")
    await inside.log(tenant, 150)
    for pool in inside.service.reading.pools.values():
        stats = pool.get_stats()
        assert stats["pool_available"] == stats["pool_size"]
    assert len(slow.logged) <= 353 + 100
    slow.read_on()
    await until(lambda: len(slow.logged) == 653, "the rest does not come")
    assert slow.logged == list(range(653))
    slow.hang_up()
    await slow.ends(1)
    await until(lambda: inside.is_idle, "something is left")


@pytest.mark.anyio
async def test_whoever_takes_nothing_is_let_go(inside: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "_SLOW", 0.05)
    call = inside.call(LIVE, after=-1)
    call.be_busy()
    await call.ends(2)
    await until(lambda: inside.is_idle, "something is left")


@pytest.mark.anyio
async def test_writers_and_watchers_at_once(inside: Running, tenant: str) -> None:
    """Every watcher gets every event once and in order, wherever they begin."""
    calls = [inside.call(LIVE, after=after) for after in (-1, 1, 2)]
    await asyncio.gather(*(inside.log(tenant, number) for number in (1, 7, 1, 30, 2) * 4))
    for call, after in zip(calls, (-1, 1, 2), strict=True):
        await until(lambda call=call: call.logged[-1:] == [166], "the last one does not come")  # type: ignore[misc]
        assert call.logged == list(range(after + 1, 167))
        call.hang_up()
        await call.ends(1)
    await until(lambda: inside.is_idle, "something is left")


@pytest.mark.anyio
async def test_whose_key_is_revoked_gets_nothing_more(inside: Running, tenant: str) -> None:
    call = inside.call(LIVE, after=2)
    await until(lambda: inside.service.growth.watching, "it does not wait")
    await revoke_key(inside.service.control, inside.key_id)
    await inside.log(tenant)
    await call.ends()
    assert (call.status, call.logged, call.reason) == (200, [], "unauthorized")


@pytest.mark.anyio
async def test_where_nothing_is_logged_it_is_asked_again_whether_they_may(
    inside: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "_CHECK", 0.02)
    call = inside.call(LIVE, after=2)
    await until(lambda: inside.service.growth.watching, "it does not wait")
    await revoke_key(inside.service.control, inside.key_id)
    await call.ends(2)
    assert call.reason == "unauthorized"


@pytest.mark.anyio
async def test_with_the_token_the_stream_ends(inside: Running, tenant: str) -> None:
    text, claims = ViewerTokens([SECRET], inside.service.settings.ledger_host).make(
        token_id=str(uuid4()), key_id=inside.key_id, now=datetime.now(UTC), seconds=2, sub="usr_7", tenant=tenant,
        role="admin",
    )  # fmt: skip
    call = inside.call(LIVE, {"authorization": f"Bearer {text}"})
    await call.ends()
    assert call.reason == "expired"
    assert 0 <= (datetime.now(UTC) - claims.expires_at).total_seconds() < 1
    # It is no refusal, of which the log of the log would have to tell.
    page = (await inside.call("/api/audit-log/feed").ends()).json
    assert "audit_log.access_denied" not in [event["action"] for event in page["data"]]


@pytest.mark.anyio
async def test_in_silence_it_says_that_it_is_there_and_how_far_it_came(
    inside: Running, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "_KEEP_ALIVE", 0.03)
    call = inside.call(LIVE, after=2, action="file.read")
    await until(lambda: inside.service.growth.watching, "it does not wait")
    (*_, last) = await inside.log(tenant, 5, action="user.joined")
    await until(lambda: f": keep-alive\nid: {last}\n\n".encode() in call.body, "nothing is said")
    assert call.messages == []
    call.hang_up()
    await call.ends(1)


@pytest.mark.anyio
async def test_a_stream_lives_so_long_and_is_asked_for_anew(inside: Running) -> None:
    call = await inside.call(LIVE, after=2, seconds=1).ends()
    assert call.messages == [Message(2, "end", {"reason": "reconnect", "after": 2})]


@pytest.mark.anyio
async def test_while_postgresql_is_away_a_stream_waits_for_it(
    inside: Running, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For some time; and goes on where it was."""
    real, fails = read_feed, 3

    async def feed(*arguments: Any, **more: Any) -> Any:
        nonlocal fails
        if fails > 0:
            fails -= 1
            raise StoreUnavailable("away")
        return await real(*arguments, **more)

    call = inside.call(LIVE, after=2)
    await until(lambda: inside.service.growth.watching, "it does not wait")
    monkeypatch.setattr(feed_module, "feed", feed)
    (seq,) = await inside.log(tenant)
    await until(lambda: call.logged == [seq], "it does not come")
    monkeypatch.setattr(live_module, "_AWAY", 0.02)
    fails = 1000
    await inside.log(tenant)
    await call.ends()
    assert call.reason == "unavailable"
    await until(lambda: inside.is_idle, "something is left")
