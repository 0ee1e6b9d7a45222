"""The log of the log over HTTP: whoever reads is recorded before they are answered, and whoever is refused after it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast
from uuid import uuid4

import httpx
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.types import HTTPScope

from indelible.catalog import Catalog
from indelible.event import Actor, Event, Target
from indelible.server import denials
from indelible.server.caller import Caller
from indelible.server.trail import Trail
from indelible.settings import Settings
from indelible.store.access import OPERATOR, AccessLog
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.errors import StoreUnavailable
from indelible.store.filter import Filter
from indelible.store.finding import find
from indelible.store.fitting import fitting
from indelible.store.sealing import Record
from indelible.store.session import Database as Connections
from indelible.store.verify import verify
from indelible.store.view import View
from tests.conftest import Cluster, Service, running_service
from tests.postgres import Database
from tests.server.conftest import Reader, an_event, problem
from tests.store.samples import examples, rows

URL = "/api/audit-log"
SETTINGS = Settings(database_url="postgresql://", trusted_proxies=(ipaddress.ip_network("10.0.0.0/8"),))
BROWSER = (b"user-agent", b"Mozilla/5.0")

VENDOR_KEY = Caller(Actor(type="api_key", id=str(uuid4()), name="Backend"), frozenset(), staff=True, key_id=uuid4())


def customer_key(tenant: str) -> Caller:
    return Caller(Actor(type="api_key", id="key_1", name="Reports"), frozenset(), tenant, key_id=uuid4())


def person(tenant: str, *, staff: bool = False, id_: str = "usr_7", reason: str | None = None) -> Caller:
    actor = Actor(type="user", id=id_, name="Sarah Chen", email="sarah@acme.example")
    return Caller(actor, frozenset(), tenant, staff=staff, token_id="tok_1", reason=reason)


def asking(
    *headers: tuple[bytes, bytes], path: str = URL, client: tuple[str, int] | None = ("203.0.113.7", 4711), **more: Any
) -> HTTPScope:
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"q=secret", "headers": headers}
    return cast("HTTPScope", {**scope, "client": client, **more})


@pytest.fixture
def database(clusters: Callable[[int], Cluster]) -> Iterator[Database]:
    """Of one version: that the SQL runs on all of them is the store's to prove."""
    cluster = clusters(18)
    clone = cluster.databases.clone(cluster.template)
    yield clone
    cluster.databases.drop(clone)


@contextlib.asynccontextmanager
async def recording(connections: Connections, catalog: Catalog) -> AsyncIterator[Trail]:
    async with AccessLog.open(connections, Rules(catalog)) as log:
        trail = Trail(log, SETTINGS)
        yield trail
        await trail.close()


@pytest.fixture
async def acme(appender: Appender) -> str:
    await appender.open_ledger("acme")
    return "acme"


async def entries(connections: Connections, tenant: str) -> list[Record]:
    """Of the log of the log, the oldest first."""
    page = await find(connections, View(tenant), Filter(), Catalog.load(), limit=1000)
    found = [record for record in page.records if record.event.action.startswith("audit_log.")]
    return sorted(found, key=lambda record: record.seq)


def ledgers(database: Database) -> set[str]:
    return {tenant for (tenant,) in rows(database, "SELECT tenant_id FROM indelible.ledgers")}


# --- who, from where, what


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("caller", "source", "metadata", "sentence"),
    [
        (person("acme"), "ui", {}, "Sarah Chen viewed the audit log"),
        (
            person("acme", staff=True, reason="ticket 4512"),
            "admin_panel",
            {"vendor_staff": True, "reason": "ticket 4512"},
            "Sarah Chen (vendor staff) viewed the audit log: “ticket 4512”",
        ),
        (customer_key("acme"), "api", {}, "API key “Reports” viewed the audit log"),
        (VENDOR_KEY, "api", {"vendor_staff": True}, "API key “Backend” (vendor key) viewed the audit log"),
    ],
    ids=["the customer's admin", "vendor staff", "the customer's key", "the vendor's key"],
)
async def test_a_customer_can_tell_who_looked(
    connections: Connections, catalog: Catalog, acme: str, caller: Caller, source: str, metadata: object, sentence: str
) -> None:
    """That it was the vendor has to be in the sentence, which is all that many will read."""
    request = asking(BROWSER, (b"x-request-id", b"req-1"))
    async with recording(connections, catalog) as trail:
        # What is told about the act must not pass for one of the customer's own people.
        told = {"vendor_staff": False} if caller.staff else None
        await trail.record(request, caller, acme, "audit_log.viewed", metadata=told)
    (record,) = await entries(connections, acme)
    event = record.event
    assert (event.actor, event.source, event.metadata) == (caller.actor, source, metadata)
    assert event.context.ip_address == "203.0.113.7"
    assert (event.context.user_agent, event.context.request_id) == ("Mozilla/5.0", "req-1")
    assert event.context.session_id == caller.token_id
    assert catalog.sentence(event) == sentence


@pytest.mark.anyio
async def test_behind_a_proxy_it_is_the_address_of_who_asks(
    connections: Connections, catalog: Catalog, acme: str
) -> None:
    """And of nobody whom a stranger names: a proxy that is not trusted is a stranger."""
    forwarded = (b"x-forwarded-for", b"198.51.100.9")
    async with recording(connections, catalog) as trail:
        await trail.record(asking(forwarded, client=("10.0.0.1", 1)), person(acme), acme, "audit_log.viewed")
        await trail.record(asking(forwarded, client=("192.0.2.1", 1)), person(acme), acme, "audit_log.viewed")
        await trail.record(asking(client=None), person(acme), acme, "audit_log.viewed")
    addresses = [record.event.context.ip_address for record in await entries(connections, acme)]
    assert addresses == ["198.51.100.9", "192.0.2.1", None]


@pytest.mark.anyio
async def test_once_is_once_for_each_of_them(connections: Connections, catalog: Catalog, acme: str) -> None:
    looks: list[tuple[Caller, Sequence[str] | None]] = [
        (person(acme), ["list"]),
        (person(acme), ["list"]),
        (person(acme), ["list", "other filter"]),
        (person(acme, id_="usr_8"), ["list"]),
        (person(acme, staff=True), ["list"]),
        (person(acme), None),
        (person(acme), None),
    ]
    async with recording(connections, catalog) as trail:
        for caller, once in looks:
            await trail.record(asking(), caller, acme, "audit_log.viewed", once=once)
    assert len(await entries(connections, acme)) == 6


@pytest.mark.anyio
async def test_the_vendors_own_matters_are_in_the_operators_ledger(
    database: Database, connections: Connections, catalog: Catalog
) -> None:
    """From the first one on; and a tenant that there is not is not made for having been asked for."""
    target = Target(type="api_key", id="key_9", name="Ingest")
    async with recording(connections, catalog) as trail:
        await trail.record(asking(), VENDOR_KEY, OPERATOR, "audit_log.key_created", targets=[target])
        await trail.record(asking(), VENDOR_KEY, "nobody", "audit_log.viewed", once=["list"])
    (record,) = await entries(connections, OPERATOR)
    assert catalog.sentence(record.event) == "API key “Backend” (vendor key) created API key “Ingest” for the audit log"
    assert ledgers(database) == {OPERATOR}


class Captured(AccessLog):
    """Keeps what it would record."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def record(self, event: Event, *, opens: bool = True) -> None:  # noqa: ARG002
        self.events.append(fitting(event))

    async def record_once(
        self,
        event: Event,
        key: Sequence[str],  # noqa: ARG002
        *,
        within: Sequence[str] | None = None,  # noqa: ARG002
        opens: bool = True,  # noqa: ARG002
    ) -> None:
        self.events.append(fitting(event))


HEADER = st.tuples(
    st.sampled_from([b"user-agent", b"x-request-id", b"x-forwarded-for", b"authorization", b"cookie"]),
    st.binary(max_size=40) | st.builds(lambda part: part * 3000, st.binary(min_size=1, max_size=3)),
)


@examples(200)
@given(
    headers=st.lists(HEADER, max_size=6),
    path=st.text(max_size=400),
    client=st.none() | st.tuples(st.text(max_size=20), st.just(1)) | st.just(("10.1.1.1", 1)),
    query=st.text(max_size=300),
)
def test_no_header_and_no_filter_keeps_an_entry_from_being_made(
    headers: list[tuple[bytes, bytes]], path: str, client: tuple[str, int] | None, query: str
) -> None:
    """Else whoever sends it could look unseen, or be refused by an error of ours."""
    log = Captured()
    trail = Trail(log, SETTINGS)
    request = asking(*headers, path=path, client=client)

    async def ask() -> None:
        await trail.record(
            request,
            person("acme"),
            "acme",
            "audit_log.searched",
            metadata={"query": query, "filters": {query: [query]}},
        )
        trail.refused(request, None, "acme", "unauthorized", query)
        trail.refused(request, person("acme"), None, "wrong_tenant", query)
        await trail.close()

    asyncio.run(ask())
    searched, *denied = log.events
    assert searched.actor.name == "Sarah Chen"
    assert {event.actor.name for event in denied} == {"Sarah Chen", "unknown"}
    for event in log.events:
        assert event.tenant_id == "acme"
        assert len(event.context.user_agent or "") <= 512
        assert (event.context.request_id or "!").isprintable()


# --- refused


@pytest.mark.anyio
async def test_a_stranger_makes_one_entry_for_each_tenant_and_reason(
    database: Database, connections: Connections, catalog: Catalog, acme: str
) -> None:
    """Who holds nothing must not be able to grow a ledger, to open one, or to fill the log with what they like."""
    async with recording(connections, catalog) as trail:
        for number in range(300):
            request = asking((b"user-agent", f"{number}".encode()), path=f"{URL}/{number}")
            trail.refused(request, None, acme, "unauthorized", "the key is not known here")
            trail.refused(request, None, f"nobody-{number % 30}", "unauthorized", "the key is not known here")
            trail.refused(request, None, OPERATOR, "unauthorized", "the key is not known here")
            trail.refused(request, None, "no tenant, but a sentence", "unauthorized", "")
            trail.refused(request, None, None, "unauthorized", "")
        trail.refused(asking(), None, acme, "expired", "the key ended")
    async with recording(connections, catalog) as another_process:
        another_process.refused(asking(), None, acme, "unauthorized", "the key is not known here")
    assert ledgers(database) == {acme}
    first, second = await entries(connections, acme)
    event = first.event
    assert (event.actor, event.outcome, event.source) == (Actor(type="api_key", name="unknown"), "denied", "api")
    assert event.metadata == {
        "code": "unauthorized", "detail": "the key is not known here", "method": "GET", "path": f"{URL}/0",
    }  # fmt: skip
    assert catalog.sentence(event) == "Somebody without a valid key was denied access to the audit log"
    assert second.event.metadata["code"] == "expired"
    report = await verify(connections, acme)
    assert report is not None
    assert (report.proven, report.size) == (True, 3)


@pytest.mark.anyio
async def test_a_caller_is_recorded_where_they_belong(
    database: Database, connections: Connections, catalog: Catalog, acme: str, appender: Appender
) -> None:
    """In another tenant's log they would tell that tenant who else there is."""
    await appender.open_ledger("umbra")
    async with recording(connections, catalog) as trail:
        trail.refused(asking(), person(acme), "umbra", "wrong_tenant", "what you hold is for the tenant 'acme' alone")
        trail.refused(asking(), VENDOR_KEY, "umbra", "missing_scope", "the key lacks the scope")
        trail.refused(asking(), VENDOR_KEY, "umbra", "missing_scope", "the key lacks the scope")
        trail.refused(asking(), VENDOR_KEY, None, "missing_scope", "the key lacks the scope")
    (own,) = await entries(connections, acme)
    said = "Sarah Chen was denied access to the audit log: what was asked for is another tenant's"
    assert catalog.sentence(own.event) == said
    assert "umbra" not in str(own.event)
    (asked,) = await entries(connections, "umbra")
    assert asked.event.metadata["scope"] == "events:write"
    assert catalog.sentence(asked.event).startswith("API key “Backend” (vendor key) was denied access")
    assert len(await entries(connections, OPERATOR)) == 1
    assert ledgers(database) == {acme, "umbra", OPERATOR}


@pytest.mark.anyio
async def test_strangers_do_not_crowd_out_callers(
    connections: Connections, catalog: Catalog, acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are: they are lost, and not the ones who hold a key."""
    monkeypatch.setattr(denials, "_MAX_WAITING", 10)
    monkeypatch.setattr(denials, "_MAX_REMEMBERED", 5)
    async with recording(connections, catalog) as trail:
        for number in range(1000):
            trail.refused(asking(), None, f"nobody-{number}", "unauthorized", "")
        trail.refused(asking(), person(acme), None, "missing_scope", "")
        assert trail._strangers._waiting.qsize() <= 10
        assert len(trail._strangers._seen) <= 5
    assert len(await entries(connections, acme)) == 1


@pytest.mark.anyio
async def test_a_refusal_takes_no_longer_for_a_tenant_that_there_is() -> None:
    """It is put aside and nothing is asked: how long the answer takes must not tell who is a customer."""
    log = Captured()
    trail = Trail(log, SETTINGS)
    trail.refused(asking(), None, "acme", "unauthorized", "")
    assert log.events == []
    await trail.close()
    assert [event.tenant_id for event in log.events] == ["acme"]


@pytest.mark.anyio
async def test_a_refusal_that_could_not_be_recorded_is_recorded_when_it_comes_again(
    connections: Connections, catalog: Catalog, acme: str
) -> None:
    async with AccessLog.open(connections, Rules(catalog)) as log:
        real, failing = log.record_once, True

        async def record_once(
            event: Event, key: Sequence[str], *, within: Sequence[str] | None = None, opens: bool = True
        ) -> None:
            if failing:
                raise StoreUnavailable("away")
            await real(event, key, within=within, opens=opens)

        log.record_once = record_once  # type: ignore[method-assign]
        trail = Trail(log, SETTINGS)
        trail.refused(asking(), person(acme), None, "missing_scope", "")
        await trail._callers._waiting.join()
        failing = False
        trail.refused(asking(), person(acme), None, "missing_scope", "")
        await trail.close()
    assert len(await entries(connections, acme)) == 1


# --- the service


def shown(api: httpx.Client, tenant: str, **parameters: str) -> list[dict[str, Any]]:
    """Of the log of the log, the oldest first. It is a look itself, which is recorded after it was read."""
    page = api.get(URL, params={"tenant_id": tenant, "limit": "1000", **parameters}).json()["data"]
    return sorted((each for each in page if each["action"].startswith("audit_log.")), key=lambda each: each["seq"])


def test_reading_leaves_an_entry_and_reading_on_leaves_no_more(api: httpx.Client, tenant: str) -> None:
    event_id = api.post(URL, json=an_event(tenant)).json()["id"]
    for _ in range(3):
        assert api.get(URL, params={"tenant_id": tenant}).status_code == 200
        assert api.get(f"{URL}/{event_id}", params={"tenant_id": tenant}).status_code == 200
        assert api.get(URL, params={"tenant_id": tenant, "q": "sarah", "actor_id": "usr_7"}).status_code == 200
    listed, one, searched = shown(api, tenant)
    assert listed["sentence"] == "API key “bootstrap” (vendor key) viewed the audit log"
    assert (one["action"], one["targets"]) == ("audit_log.viewed", [])  # of single events, whichever they were
    said = "API key “bootstrap” (vendor key) searched the audit log for “sarah” (actor ID usr_7)"
    assert searched["sentence"] == said
    assert searched["metadata"]["filters"] == {"actor_id": ["usr_7"]}
    assert searched["context"]["ip_address"] == "127.0.0.1"
    assert searched["context"]["user_agent"].startswith("python-httpx")


@pytest.mark.parametrize("query", [{}, {"category": "access", "q": "usr"}])
def test_what_a_viewer_asks_for_to_show_one_list_is_one_look(
    api: httpx.Client, reader: Reader, tenant: str, query: dict[str, str]
) -> None:
    """Events, counts, the live tail, names: else a log that is looked at would soon tell of nothing but looking."""
    api.post(URL, json=an_event(tenant))
    with reader("admin") as person:
        for path, more in (("", {"sealed": "true"}), ("/facets", {}), ("/live", {"seconds": "0"})):
            assert person.get(URL + path, params={**query, **more}).status_code == 200
        if not query:
            assert person.get(f"{URL}/actors").status_code == 200
        assert person.get(f"{URL}/about").status_code == 200
    looked = [event for event in shown(api, tenant) if event["actor"].get("id") == "usr_9"]
    assert len(looked) == 1


def test_of_a_tenant_that_there_is_not_nothing_is_recorded(service: Service, api: httpx.Client, tenant: str) -> None:
    assert api.get(URL, params={"tenant_id": tenant}).json()["data"] == []
    assert rows(service.database, "SELECT FROM indelible.ledgers WHERE tenant_id = %s", tenant) == []


def test_the_operators_ledger_is_read_like_any_and_logged_into_by_nobody(api: httpx.Client) -> None:
    made = api.post("/api/keys", json={"name": "Ingest", "scopes": ["events:write"]})
    assert made.status_code == 201, made.text
    recorded = shown(api, OPERATOR, action="audit_log.key_created")
    assert made.json()["key_id"] in [each["targets"][0]["id"] for each in recorded]
    body = problem(api.post(URL, json=an_event(OPERATOR)), 422, "reserved_tenant")
    assert [error["pointer"] for error in body["errors"]] == ["/tenant_id"]


def test_who_is_refused_is_recorded(service: Service, api: httpx.Client, tenant: str) -> None:
    """Behind the answer, so it is looked for until it is there."""
    api.post(URL, json=an_event(tenant))
    for _ in range(5):
        headers = {"authorization": f"Bearer {secrets.token_urlsafe(32)}"}
        problem(
            httpx.get(f"{service.address}{URL}", params={"tenant_id": tenant}, headers=headers), 401, "unauthorized"
        )
    deadline = time.monotonic() + 10
    while not (denied := shown(api, tenant, outcome="denied")):
        assert time.monotonic() < deadline, "the refusal was not recorded"
        time.sleep(0.05)
    assert [each["actor"] for each in denied] == [{"type": "api_key", "name": "unknown"}]
    assert denied[0]["metadata"]["path"] == URL


def test_two_processes_record_one_look(database: Database) -> None:
    """Whichever of them the requests of a page reach."""
    key = f"admin-{secrets.token_urlsafe(32)}"
    with (
        running_service(database, INDELIBLE_ADMIN_KEY=key, INDELIBLE_WORKERS="2") as address,
        ThreadPoolExecutor(16) as threads,
    ):

        def ask(_: object) -> int:
            # A connection of its own, which either process may get.
            with httpx.Client(headers={"authorization": f"Bearer {key}"}, timeout=30) as api:
                return api.get(f"{address}{URL}", params={"tenant_id": "acme"}).status_code

        with httpx.Client(headers={"authorization": f"Bearer {key}"}, timeout=30) as api:
            assert api.post(f"{address}{URL}", json=an_event("acme")).status_code == 201
        assert set(threads.map(ask, range(64))) == {200}
    viewed = rows(database, "SELECT FROM indelible.events WHERE action = 'audit_log.viewed'")
    assert len(viewed) == 1


def test_without_a_record_there_is_no_answer(database: Database) -> None:
    """PostgreSQL takes no writes: what could be read must not be shown, as nobody would know."""
    key = f"admin-{secrets.token_urlsafe(32)}"
    settings = {"INDELIBLE_ADMIN_KEY": key, "INDELIBLE_APPEND_TIMEOUT": "1"}
    with (
        running_service(database, **settings) as address,
        httpx.Client(base_url=address, headers={"authorization": f"Bearer {key}"}, timeout=30) as api,
    ):
        logged = api.post(URL, json=an_event("acme", metadata={"note": "confidential"})).json()
        with psycopg.connect(database.admin_url) as holder:
            # As it is for an append where PostgreSQL takes no writes; reading needs no such lock.
            holder.execute("SELECT FROM indelible.ledgers WHERE tenant_id = 'acme' FOR UPDATE")
            for path in (URL, f"{URL}/{logged['id']}", f"{URL}?q=confidential"):
                answer = api.get(path, params=httpx.QueryParams(tenant_id="acme").merge(httpx.URL(path).params))
                problem(answer, 503, "unavailable")
                assert "confidential" not in answer.text
            holder.rollback()
        assert api.get(URL, params={"tenant_id": "acme"}).status_code == 200
