"""`sealed`: lists with what each event's hash is made of, which is what the event alone is answered with."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.conftest import Service
from tests.server.conftest import Reader, an_event, problem
from tests.server.in_process import sse
from tests.server.test_erased import erase_actor
from tests.server.test_event import FIELDS
from tests.server.test_members import PARTS, log

URL = "/api/audit-log"


def alone(client: httpx.Client, tenant: str, listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [client.get(f"{URL}/{event['id']}", params={"tenant_id": tenant}).json() for event in listed]


def test_each_event_is_as_it_is_alone(api: httpx.Client, tenant: str) -> None:
    for _ in range(3):
        assert api.post(URL, json=an_event(tenant, **FIELDS)).status_code == 201
    sealed = api.get(URL, params={"tenant_id": tenant, "sealed": "true"}).json()["data"]
    assert len(sealed) == 4
    assert sealed == alone(api, tenant, sealed)
    for absent in ({}, {"sealed": "false"}):
        plain = api.get(URL, params={"tenant_id": tenant, "since": "1d", "until": "2999-01-01", **absent}).json()
        bare = [{k: v for k, v in event.items() if k not in {"entry", "disclosures"}} for event in sealed]
        assert [event for event in plain["data"] if event["seq"] < 4] == bare


@pytest.mark.parametrize("value", ["", "1", "TRUE", "yes", "true&sealed=true"])
@pytest.mark.parametrize("path", ["", "/live", "/0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90/context"])
def test_it_is_true_or_false(api: httpx.Client, tenant: str, path: str, value: str) -> None:
    body = problem(api.get(f"{URL}{path}?tenant_id={tenant}&sealed={value}"), 422, "invalid_parameter")
    assert [error["parameter"] for error in body["errors"]] == ["sealed"]


def test_it_is_on_record_as_the_list_is(api: httpx.Client, tenant: str) -> None:
    """One look, and no filter: what is asked for is the same events."""
    api.post(URL, json=an_event(tenant)).raise_for_status()
    for query in ({}, {"sealed": "true"}, {"q": "usr_7"}, {"q": "usr_7", "sealed": "true"}):
        assert api.get(URL, params={"tenant_id": tenant, **query}).status_code == 200
    shown = api.get(URL, params={"tenant_id": tenant}).json()["data"]
    looks = [event for event in shown if event["action"].startswith("audit_log.")]
    assert [event["action"] for event in looks] == ["audit_log.searched", "audit_log.viewed"]
    assert "sealed" not in str(looks)


def test_what_is_beside_an_event_and_what_is_logged_can_be_had_so(api: httpx.Client, tenant: str) -> None:
    ids = [api.post(URL, json=an_event(tenant, **FIELDS)).json()["id"] for _ in range(3)]
    query = {"tenant_id": tenant, "sealed": "true"}
    context = api.get(f"{URL}/{ids[1]}/context", params=query).json()
    for name in ("before", "after"):
        assert context[name]["data"]
        assert context[name]["data"] == alone(api, tenant, context[name]["data"])
    stream = api.get(f"{URL}/live", params={**query, "after": 0, "seconds": 0, "action": "user.joined"})
    events = [message.data for message in sse(stream.text) if message.event == "logged"]
    assert [event["id"] for event in events] == ids
    assert events == alone(api, tenant, events)


@pytest.mark.parametrize("sees", [(), ("changes",), ("request_id",), PARTS], ids="+".join)
def test_a_member_gets_no_disclosure_with_what_is_hidden(
    api: httpx.Client, tenant: str, reader: Reader, sees: tuple[str, ...]
) -> None:
    log(api, tenant)
    with reader(sees=sees) as alex:
        sealed = alex.get(URL, params={"sealed": "true", "action": "user.role_changed"}).json()["data"]
        assert sealed
        assert sealed == alone(alex, tenant, sealed)
        # Actor and targets are always shown; the context is, as a whole, where all of it is.
        shown = 2 + len({"changes", "metadata"} & set(sees)) + (sees == PARTS)
        assert [len(event["disclosures"]) for event in sealed] == [shown]


def test_what_was_erased_is_not_there(service: Service, api: httpx.Client, tenant: str) -> None:
    api.post(URL, json=an_event(tenant, **FIELDS)).raise_for_status()
    erase_actor(service, tenant, "usr_7")
    (event,) = api.get(URL, params={"tenant_id": tenant, "sealed": "true", "action": "user.joined"}).json()["data"]
    assert len(event["disclosures"]) == 3
    assert event["erased"].keys() == {"actor", "context"}
