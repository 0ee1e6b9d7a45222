"""GET /api/audit-log/feed: pulling a ledger, page by page or as it grows."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from indelible.server import growth as growth_module
from indelible.store.keys import revoke_key
from tests.conftest import Cluster, Service
from tests.server.conftest import an_event, problem
from tests.server.in_process import Running, running, until

FEED = "/api/audit-log/feed"

FEED_PAGE = Path(__file__).parents[2] / "docs" / "feed.md"


def fed(api: httpx.Client, tenant: str, **query: Any) -> dict[str, Any]:
    answer = api.get(FEED, params={"tenant_id": tenant, **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found.keys() == {"data", "after", "has_more"}
    return found


def log(api: httpx.Client, tenant: str, *events: dict[str, Any]) -> list[int]:
    answer = api.post("/api/audit-log/batch", json=[an_event(tenant, **event) for event in events])
    assert answer.status_code == 201, answer.text
    return [item["seq"] for item in answer.json()["data"]]


def pulled(api: httpx.Client, tenant: str, **query: Any) -> tuple[list[dict[str, Any]], int]:
    """All there is, page by page, but for what the service says itself; and where that ends."""
    found: list[dict[str, Any]] = []
    after: dict[str, int] = {}
    while True:
        page = fed(api, tenant, **query, **after)
        found += page["data"]
        after = {"after": page["after"]}
        if not page["has_more"]:
            return [e for e in found if not e["action"].startswith(("ledger.", "audit_log."))], page["after"]


def token(service: Service, tenant: str, actor: str, role: str = "admin", **more: object) -> httpx.Client:
    with service.client() as vendor:
        body = {"tenant_id": tenant, "actor": {"id": actor}, "role": role, **more}
        answer = vendor.post("/api/viewer-tokens", json=body)
    assert answer.status_code == 201, answer.text
    return httpx.Client(
        base_url=service.address, headers={"authorization": f"Bearer {answer.json()['token']}"}, timeout=30
    )


def test_the_feed_is_the_ledger_in_its_own_order(api: httpx.Client, tenant: str) -> None:
    """From the entry that opened it on; each event as the timeline has it, whenever it says it occurred."""
    times = ["2026-11-21T09:30:00.123Z", None, "2026-11-20T09:30:00.123Z"]
    for occurred_at in times:
        log(api, tenant, {"occurred_at": occurred_at} if occurred_at else {})
    first = fed(api, tenant, limit=2)
    assert [event["seq"] for event in first["data"]] == [0, 1]
    assert (first["after"], first["has_more"]) == (1, True)
    assert first["data"][0]["action"] == "ledger.created"
    rest = fed(api, tenant, after=first["after"])
    assert [event["seq"] for event in rest["data"]] == [2, 3, 4]
    assert rest["data"][-1]["action"] == "audit_log.viewed"  # by the first page
    assert (rest["after"], rest["has_more"]) == (4, False)
    assert fed(api, tenant, after=4) == {"data": [], "after": 4, "has_more": False}
    assert fed(api, tenant, after=-1, limit=2) == first
    listed = api.get("/api/audit-log", params={"tenant_id": tenant}).json()["data"]
    both = [*first["data"], *rest["data"]]
    assert sorted(listed, key=lambda event: event["seq"])[:5] == both


def test_whoever_wants_the_latest_alone_begins_at_the_end(api: httpx.Client, tenant: str) -> None:
    log(api, tenant, {}, {})
    begun = fed(api, tenant, after="latest")
    assert begun == {"data": [], "after": 3, "has_more": False}
    (seq,) = log(api, tenant, {})
    assert [event["seq"] for event in fed(api, tenant, after=begun["after"])["data"]] == [seq]


def test_of_what_there_is_not_yet_there_is_nothing(api: httpx.Client, tenant: str) -> None:
    for query in ({}, {"after": -1}, {"after": "latest"}):
        assert fed(api, tenant, **query) == {"data": [], "after": -1, "has_more": False}


def test_filters_are_those_of_the_timeline(api: httpx.Client, tenant: str) -> None:
    """And `after` goes on behind what does not fulfil them."""
    log(api, tenant, *[{"action": a} for a in ("user.joined", "user.signed_in", "user.joined", "own.thing")])
    log(api, tenant, {"actor": {"type": "user", "name": "José Ruiz"}, "changes": {"role": {"from": "a", "to": "b"}}})
    for query, wanted in (
        ({"action": "user.joined"}, [1, 3, 5]), ({"-action": "user.*"}, [4]), ({"q": "jose"}, [5]),
        ({"changes.role.to": "b"}, [5]), ({"category": "auth"}, [2]), ({"action": "file.read"}, []),
    ):  # fmt: skip
        found, after = pulled(api, tenant, limit=1, **query)
        assert [event["seq"] for event in found] == wanted
        assert after >= 5
    searches = [e for e in fed(api, tenant)["data"] if e["action"] == "audit_log.searched"]
    assert [e["metadata"].get("filters") for e in searches][:2] == [
        {"action": ["user.joined"]}, {"-action": ["user.*"]},
    ]  # fmt: skip


def test_many_filters_are_on_record_as_how_many_they_were(api: httpx.Client, tenant: str) -> None:
    """An entry has not the room that an address has: it is one entry all the same."""
    log(api, tenant, {})
    many = {"actor_id": [f"{n:03}" + "x" * 250 for n in range(40)]}
    for query in (many, {"actor_id": many["actor_id"][::-1]}):
        assert fed(api, tenant, **query)["data"] == []
    (search,) = [e for e in fed(api, tenant)["data"] if e["action"] == "audit_log.searched"]
    assert search["metadata"]["filters"] == {"actor_id": "40 values"}


def test_everybody_sees_their_own_alone(service: Service, api: httpx.Client, tenant: str) -> None:
    log(api, tenant, *[{"actor": {"type": "user", "id": f"u{n % 2}"}, "metadata": {"n": n}} for n in range(6)])
    api.patch(f"/api/tenants/{tenant}", json={"settings": {"member_access": True}})
    with token(service, tenant, "u0", "member") as member:
        found, after = pulled(member, tenant, limit=2)
        assert [event["seq"] for event in found] == [1, 3, 5]
        assert not any("metadata" in event for event in found)
        assert after > 6
        problem(member.get(FEED, params={"ip": "203.0.113.7"}), 403, "hidden_part")
    with token(service, tenant, "usr_admin", filter={"actor_id": ["u1"]}) as admin:
        found, after = pulled(admin, tenant, limit=2)
        assert [event["seq"] for event in found] == [2, 4, 6]
        assert after > 6
        problem(admin.get(FEED, params={"tenant_id": f"{tenant}-other"}), 403, "wrong_tenant")


@pytest.mark.parametrize(
    ("parameter", "value"),
    [*[("after", value) for value in ("-2", "1.5", "x", "", " 1", "1_0", "１", str(2**53), "9" * 40, "Latest")],
     ("limit", "0"), ("limit", "1001"), ("wait", "61"), ("wait", "-1"), ("wait", "0.5"), ("wait", ""),
     ("since", "7d"), ("until", "2026-11"), ("cursor", "x"), ("seconds", "1"), ("q", "since:7d"), ("q", '"'),
     ("action", ""), ("category", "auto"), ("tenant_id", "")],
)  # fmt: skip
def test_what_is_wrong_is_named(api: httpx.Client, tenant: str, parameter: str, value: str) -> None:
    query = {"tenant_id": tenant} | {parameter: value}
    body = problem(api.get(FEED, params=query), 422, "invalid_parameter")
    assert [error["parameter"] for error in body["errors"]] == [parameter]


def test_the_same_place_twice_is_refused(api: httpx.Client, tenant: str) -> None:
    body = problem(api.get(f"{FEED}?tenant_id={tenant}&after=1&after=2"), 422, "invalid_parameter")
    assert [error["parameter"] for error in body["errors"]] == ["after"]


def test_who_has_had_more_than_there_is_is_told(api: httpx.Client, tenant: str) -> None:
    """As after a backup was restored: to wait for numbers that are given out anew would be to miss what had them."""
    log(api, tenant, {})
    end = fed(api, tenant)["after"]
    body = problem(api.get(FEED, params={"tenant_id": tenant, "after": end + 1}), 409, "ahead_of_ledger")
    assert f"only {end + 1} entries" in body["detail"]
    problem(api.get(FEED, params={"tenant_id": f"{tenant}-none", "after": 0}), 409, "ahead_of_ledger")


def test_a_poll_that_waits_is_answered_when_something_is_logged(api: httpx.Client, tenant: str) -> None:
    """And not by the entry that tells of itself."""
    log(api, tenant, {})
    after = fed(api, tenant, after="latest")["after"]
    with ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        waiting = pool.submit(fed, api, tenant, after=after, wait=30)
        (seq,) = log(api, tenant, {})
        assert [event["seq"] for event in waiting.result()["data"]] == [seq]
        assert time.monotonic() - began < 5
    began = time.monotonic()
    assert fed(api, tenant, after=seq, wait=1) == {"data": [], "after": seq, "has_more": False}
    assert time.monotonic() - began > 0.9


def test_following_is_one_entry_in_the_log_of_the_log(api: httpx.Client, tenant: str) -> None:
    log(api, tenant, {})
    for _ in range(3):
        fed(api, tenant, limit=1)
        fed(api, tenant, action="user.joined", limit=1)
    actions = [event["action"] for event in fed(api, tenant)["data"]]
    assert actions[2:] == ["audit_log.viewed", "audit_log.searched"]


# --- the page about it


def example(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", FEED_PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return str(found)


def started(tmp_path: Path, service: Service, key: str, *command: str) -> subprocess.Popen[bytes]:
    environment = {"PATH": os.environ["PATH"], "INDELIBLE_URL": service.address, "INDELIBLE_KEY": key}
    return subprocess.Popen([*command], cwd=tmp_path, env=environment, stdout=subprocess.PIPE)


def test_the_program_of_the_page_gets_everything_though_it_is_killed(
    service: Service, api: httpx.Client, tenant: str, tmp_path: Path
) -> None:
    program = example("python").replace("northwind", tenant)
    file, place = tmp_path / f"{tenant}.jsonl", tmp_path / f"{tenant}.after"

    def came_to(seq: int) -> bool:
        return place.exists() and place.read_text() == str(seq)

    for _ in range(2):
        log(api, tenant, *[{} for _ in range(5)])
        with started(tmp_path, service, service.key, sys.executable, "-c", program) as process:
            try:
                wait_for(lambda: file.exists() and len(file.read_text().splitlines()) > 6, process)
                (seq,) = log(api, tenant, {})
                wait_for(partial(came_to, seq), process)
            finally:
                process.kill()
    found = [json.loads(line)["seq"] for line in file.read_text().splitlines()]
    assert found == list(range(found[-1] + 1))
    assert len(found) > 12


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes], within: float = 20) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert process.poll() is None, "it ended"
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")
def test_the_script_of_the_page_shows_what_is_logged(
    service: Service, api: httpx.Client, tenant: str, tmp_path: Path
) -> None:
    log(api, tenant, {})
    script = (
        example("js").replace('after = "latest"', 'after = "0"')
        + f"""
        for await (const event of follow(process.env.INDELIBLE_URL, "{tenant}", process.env.INDELIBLE_KEY))
          console.log(event.seq, event.metadata?.text ?? "");
    """
    )
    (tmp_path / "follow.mjs").write_text(script)
    with started(tmp_path, service, service.key, "node", "follow.mjs") as process:
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, b"")
            assert [next(lines), next(lines)] == [b"1 \n", b"2 \n"]  # the second says who looks
            log(api, tenant, {"metadata": {"text": "id: 5\nüñ: "}})
            assert [next(lines), next(lines)] == [b"3 id: 5\n", "üñ: \n".encode()]
        finally:
            process.kill()


# --- waiting, looked at from inside


@pytest.fixture
async def inside(
    clusters: Callable[[int], Cluster], tenant: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Running]:
    monkeypatch.setattr(growth_module, "INTERVAL", 0.01)
    cluster = clusters(18)
    database = cluster.databases.clone(cluster.template)
    async with running(database, tenant) as found:
        await found.log(tenant)
        await found.call(FEED, after="latest").ends()
        yield found
    cluster.databases.drop(database)


@pytest.mark.anyio
async def test_while_a_poll_waits_nothing_of_the_database_is_held(inside: Running, tenant: str) -> None:
    calls = [inside.call(FEED, after=2, wait=60) for _ in range(12)]
    watching = inside.service.growth
    await until(lambda: watching.watching == 12 and watching.is_asking, "they do not wait")
    pools = inside.service.reading.pools.values()
    every = [pool.get_stats for pool in pools]
    await until(lambda: all(s["pool_available"] == s["pool_size"] for s in (get() for get in every)), "some are held")
    (seq,) = await inside.log(tenant)
    for call in calls:
        assert [event["seq"] for event in (await call.ends()).json["data"]] == [seq]
    await until(lambda: inside.is_idle, "something is left")


@pytest.mark.anyio
async def test_what_is_hidden_wakes_nobody_and_is_passed_over(inside: Running, tenant: str) -> None:
    call = inside.call(FEED, after=2, wait=60, action="file.read")
    await until(lambda: inside.service.growth.watching, "it does not wait")
    await inside.log(tenant, 3, action="user.joined")
    (seq,) = await inside.log(tenant, action="file.read")
    page = (await call.ends()).json
    assert [event["seq"] for event in page["data"]] == [seq]
    assert page["after"] == seq


@pytest.mark.anyio
async def test_a_client_that_hangs_up_is_not_waited_for(inside: Running) -> None:
    call = inside.call(FEED, after=2, wait=60)
    await until(lambda: inside.service.growth.watching, "it does not wait")
    call.hang_up()
    await call.ends(1)
    await until(lambda: inside.is_idle, "something is left")


@pytest.mark.anyio
async def test_whose_key_ends_while_they_wait_gets_nothing(inside: Running, tenant: str) -> None:
    call = inside.call(FEED, after=2, wait=60)
    await until(lambda: inside.service.growth.watching, "it does not wait")
    await revoke_key(inside.service.control, inside.key_id)
    await inside.log(tenant, metadata={"marker": secrets.token_hex(4)})
    await call.ends()
    assert (call.status, call.json["code"]) == (401, "unauthorized")


@pytest.mark.anyio
async def test_more_polls_than_may_wait_are_sent_away(inside: Running) -> None:
    calls = [inside.call(FEED, after=2, wait=60) for _ in range(20)]
    await until(lambda: inside.service.growth.watching == 20, "they do not wait")
    refused = await inside.call(FEED, after=2, wait=60).ends()
    assert (refused.status, refused.json["code"]) == (429, "too_many_waiting")
    assert (await inside.call(FEED, after=2).ends()).status == 200
    inside.service.growth.stop()  # as when the process is told to stop: all are answered at once
    for call in calls:
        assert (await call.ends(1)).json == {"data": [], "after": 2, "has_more": False}
