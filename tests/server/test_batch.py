"""POST /api/audit-log/batch: an answer for each event, in the order they were sent."""

from __future__ import annotations

import gzip
import json
from uuid import uuid4

import httpx
import pytest

from tests.server.conftest import an_event, listed, problem, receipt

BATCH = "/api/audit-log/batch"


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_events_are_answered_in_order(api: httpx.Client, tenant: str, wrapped: bool, packed: bool) -> None:
    events = [an_event(tenant, metadata={"n": n}) for n in range(20)]
    content = json.dumps({"events": events} if wrapped else events).encode()
    answer = api.post(
        BATCH,
        content=gzip.compress(content) if packed else content,
        headers={"content-encoding": "gzip"} if packed else {},
    )
    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/json")
    body = answer.json()
    assert (body["accepted"], body["refused"]) == (20, 0)
    assert [item["seq"] for item in body["data"]] == list(range(1, 21))
    assert {item["status"] for item in body["data"]} == {201}
    numbers = {event["id"]: event["metadata"]["n"] for event in listed(api, tenant)}
    assert [numbers[item["id"]] for item in body["data"]] == list(range(20))


@pytest.mark.parametrize("content", [b"[]", b'{"events":[]}'])
def test_no_events_are_no_error(api: httpx.Client, content: bytes) -> None:
    answer = api.post(BATCH, content=content)
    assert (answer.status_code, answer.json()) == (201, {"data": [], "accepted": 0, "refused": 0})


def test_a_thousand_events_go_in_at_once_and_one_more_does_not(api: httpx.Client, tenant: str) -> None:
    events = [an_event(tenant) for _ in range(1001)]
    body = problem(api.post(BATCH, json=events), 422, "batch_too_large")
    assert "1,001" in body["detail"]
    assert listed(api, tenant) == []
    answer = api.post(BATCH, json=events[:1000])
    assert (answer.status_code, answer.json()["accepted"]) == (201, 1000)
    assert len(listed(api, tenant, limit=1000)) == 1000


def test_bad_events_do_not_hold_up_the_good_ones(api: httpx.Client, tenant: str) -> None:
    """207, and each refusal is the problem that the event alone would have got."""
    event_id = str(uuid4())
    good = an_event(tenant, id=event_id)
    events = [
        good, {"tenant_id": tenant}, 7, None, an_event(tenant, id=event_id, action="user.left"), good,
        an_event(tenant, metadata={"a": "x" * 33_000}), an_event(tenant, action="ledger.erased"), an_event(tenant),
    ]  # fmt: skip
    answer = api.post(BATCH, json=events)
    assert (answer.status_code, answer.headers["content-type"]) == (207, "application/json")
    body = answer.json()
    assert [item["status"] for item in body["data"]] == [201, 422, 422, 422, 409, 200, 422, 422, 201]
    assert (body["accepted"], body["refused"]) == (3, 6)
    codes = [item["error"]["code"] if "error" in item else None for item in body["data"]]
    assert codes == [None, "invalid_event", "invalid_event", "invalid_event", "id_conflict", None, "event_too_large",
                     "reserved_action", None]  # fmt: skip
    assert all(item["error"]["status"] == item["status"] for item in body["data"] if "error" in item)
    assert body["data"][1]["error"]["errors"][0]["pointer"] == "/action"
    assert receipt(body["data"][0]) == receipt(body["data"][5])
    assert len(listed(api, tenant)) == 2


@pytest.mark.parametrize("bad", ['"\\ud800"', "NaN", "[1e999]", '{"\\udc00":1}'])
@pytest.mark.parametrize("wrapped", ["%s", '{"events":%s}'])
def test_a_text_cut_in_the_middle_of_an_emoji_spoils_one_event(
    api: httpx.Client, tenant: str, bad: str, wrapped: str
) -> None:
    """JSON.stringify writes such a thing; the batch's other events must not wait until somebody finds it."""
    good = json.dumps(an_event(tenant, metadata={"n": 0, "é": [1.5, "😀"]}), ensure_ascii=False)
    spoilt = good.replace('"n": 0', f'"n": {bad}')
    answer = api.post(BATCH, content=(wrapped % f"[{good},{spoilt},{good}]").encode())
    assert answer.status_code == 207
    assert [item["status"] for item in answer.json()["data"]] in ([201, 400, 201], [201, 422, 201])
    assert [event["metadata"] for event in listed(api, tenant)] == [{"n": 0, "é": [1.5, "😀"]}] * 2


def test_a_batch_may_be_sent_again(api: httpx.Client, tenant: str) -> None:
    """After an answer that was lost: what went in is told again, the rest goes in now."""
    events = [an_event(tenant, id=str(uuid4())) for _ in range(10)]
    first = api.post(BATCH, json=events[:6]).json()["data"]
    again = api.post(BATCH, json=events)
    assert again.status_code == 201
    assert [item["status"] for item in again.json()["data"]] == [200] * 6 + [201] * 4
    assert list(map(receipt, again.json()["data"][:6])) == list(map(receipt, first))
    assert len(listed(api, tenant)) == 10


def test_a_batch_is_of_any_number_of_tenants(api: httpx.Client, tenant: str) -> None:
    names = [f"{tenant}-{n % 7}" for n in range(50)]
    answer = api.post(BATCH, json=[an_event(name) for name in names])
    assert [item["tenant_id"] for item in answer.json()["data"]] == names
    assert sum(len(listed(api, name)) for name in set(names)) == 50


@pytest.mark.parametrize(
    "content", [b"7", b'"x"', b"{}", b'{"events":7}', b'{"events":[],"more":1}', b"null", b'{"data":[]}']
)
def test_what_is_no_batch_is_422(api: httpx.Client, content: bytes) -> None:
    assert "JSON array of events" in problem(api.post(BATCH, content=content), 422, "malformed_batch")["detail"]


@pytest.mark.parametrize("content", [b"", b"[", b"[{]", b"\xff", b"[" * 10_000, b"[01]", b'[{"a":1},]'])
def test_what_is_no_json_is_400(api: httpx.Client, content: bytes) -> None:
    problem(api.post(BATCH, content=content), 400, "malformed_batch")
