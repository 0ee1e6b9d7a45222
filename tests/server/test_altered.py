"""Somebody who altered one entry must not hide the others with it, nor pass what it now says off as what happened."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import httpx
import psycopg
import pytest

from tests.conftest import Service
from tests.server.conftest import an_event, listed

ALTERATIONS: dict[str, Callable[[bytes], bytes]] = {
    "one letter": lambda entry: entry.replace(b"user.joined", b"user.jailed"),
    "no entry": lambda _: b"{}",
    "not UTF-8": lambda _: b"\xff\xfe",
    "another version": lambda entry: entry.replace(b'"v":1', b'"v":2'),
    "no id": lambda entry: entry.replace(b'"access","id":"', b'"access","id":"zz'),
    "no outcome": lambda entry: entry.replace(b'"success"', b'"sux"'),
    "no time": lambda entry: entry.replace(b'"occurred_at":"2', b'"occurred_at":"z'),
}


def alter(service: Service, event_id: str, statement: str, *values: object) -> None:
    with psycopg.connect(service.database.admin_url) as superuser:
        superuser.execute("SET session_replication_role = replica")
        changed = superuser.execute(statement.encode(), (*values, event_id)).rowcount
    assert changed == 1


@pytest.mark.parametrize("rehashed", [False, True], ids=["", "with its hash"])
@pytest.mark.parametrize("change", ALTERATIONS)
def test_an_altered_entry_is_shown_as_such_and_the_others_as_ever(
    service: Service, api: httpx.Client, tenant: str, change: str, *, rehashed: bool
) -> None:
    logged = [api.post("/api/audit-log", json=an_event(tenant)) for _ in range(3)]
    assert [each.status_code for each in logged] == [201] * 3, logged[0].text
    ids = [each.json()["id"] for each in logged]
    entry = api.get(f"/api/audit-log/{ids[1]}", params={"tenant_id": tenant}).json()["entry"].encode()
    altered = ALTERATIONS[change](entry)
    assert altered != entry
    alter(service, ids[1], "UPDATE indelible.events SET entry = %s WHERE id = %s", altered)
    if rehashed:
        leaf = sha256(b"\0" + altered).digest()
        alter(service, ids[1], "UPDATE indelible.events SET leaf_hash = %s WHERE id = %s", leaf)

    shown = {event["seq"]: event for event in listed(api, tenant)}
    assert shown.keys() == {1, 2, 3}
    assert all("altered" not in shown[seq] for seq in (1, 3))
    one: dict[str, Any] = api.get(f"/api/audit-log/{ids[1]}", params={"tenant_id": tenant}).json()
    for event in (shown[2], one):
        if rehashed and change == "one letter":
            assert event["action"] == "user.jailed"  # only the chain tells: `indelible verify`
        else:
            assert event["altered"] == ["entry"]
            assert event["sentence"].startswith("Entry 2 was altered")


@pytest.mark.parametrize("value", ['["salt","actor",[]]', '["salt","actor",{"impersonator":7}]', "[]", '["a"]', "7"])
def test_an_altered_disclosure_is_left_out(service: Service, api: httpx.Client, tenant: str, value: str) -> None:
    logged = api.post("/api/audit-log", json=an_event(tenant, metadata={"ticket": "4512"})).json()
    statement = """
        UPDATE indelible.event_personal SET metadata = %s
        WHERE (tenant_id, seq) = (SELECT tenant_id, seq FROM indelible.events WHERE id = %s)
    """
    alter(service, logged["id"], statement, value)
    (event,) = [e for e in listed(api, tenant) if e["seq"] == 1]
    assert "metadata" not in event
    assert len(event["altered"]) == 1


@pytest.mark.parametrize("time", ["infinity", "-infinity", "4000-01-01 00:00:00 BC", "20000-01-01"])
def test_a_time_that_there_is_not_hides_nothing(service: Service, api: httpx.Client, tenant: str, time: str) -> None:
    ids = [api.post("/api/audit-log", json=an_event(tenant)).json()["id"] for _ in range(2)]
    alter(service, ids[0], "UPDATE indelible.events SET occurred_at = %s WHERE id = %s", time)
    assert {event["id"] for event in listed(api, tenant)} == set(ids)
    assert api.get(f"/api/audit-log/{ids[0]}", params={"tenant_id": tenant}).status_code == 200
