"""An event of which something was erased is shown with what is left, and says which entry recorded it."""

from __future__ import annotations

import asyncio

import httpx

from indelible.catalog import Catalog
from indelible.store.append import Rules
from indelible.store.erase import Order, Selection, erase, plan
from indelible.store.session import Database as Connections
from tests.conftest import Service
from tests.server.conftest import an_event
from tests.server.test_event import FIELDS


def erase_actor(service: Service, tenant: str, id_: str) -> None:
    async def run() -> None:
        selection = Selection("actor", id_, ("actor", "context"))
        async with Connections.open(service.database.url, size=2) as connections:
            planned = await plan(connections, tenant, selection)
            assert planned is not None
            await erase(connections, tenant, selection, Order("asked for"), Rules(Catalog.load()), planned)

    asyncio.run(run())


def test_what_was_erased_is_named_and_the_rest_is_shown(service: Service, api: httpx.Client, tenant: str) -> None:
    logged = api.post("/api/audit-log", json=an_event(tenant, **FIELDS)).json()
    before = api.get(f"/api/audit-log/{logged['id']}", params={"tenant_id": tenant}).json()
    assert "erased" not in before
    erase_actor(service, tenant, "usr_7")
    after = api.get(f"/api/audit-log/{logged['id']}", params={"tenant_id": tenant}).json()
    assert after["erased"] == {"actor": 3, "context": 3}  # 2 is that it was looked at
    assert after["actor"] == {"type": "user", "id": "usr_7"}
    assert "Sarah" not in after["sentence"]
    assert after["sentence"].startswith("User usr_7 ")
    assert (after["entry"], after["leaf_hash"]) == (before["entry"], before["leaf_hash"])
    assert len(after["disclosures"]) == len(before["disclosures"]) - 2
    assert (after["context"], "altered" in after) == ({}, False)
    shown = api.get("/api/audit-log", params={"tenant_id": tenant}).json()["data"]
    by_number = {each["seq"]: each for each in shown}
    assert (by_number[3]["action"], by_number[1]["erased"]) == ("ledger.erasure", after["erased"])
    found = api.get("/api/audit-log", params={"tenant_id": tenant, "q": "chen"}).json()
    assert found["data"] == []


def test_a_retry_of_an_erased_event_gets_its_receipt(service: Service, api: httpx.Client, tenant: str) -> None:
    event = an_event(tenant, **FIELDS, id="0192f0c4-0000-7000-8000-000000000001")
    first = api.post("/api/audit-log", json=event)
    erase_actor(service, tenant, "usr_7")
    again = api.post("/api/audit-log", json=event)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["leaf_hash"] == first.json()["leaf_hash"]
