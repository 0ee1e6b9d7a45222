"""The feed: each event once and in order, whatever is written meanwhile, and read by an index alone."""

import asyncio
import itertools
import random
import re
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from indelible.catalog import Catalog
from indelible.store import feed as feeding
from indelible.store.append import Receipt, Repeated, Rules, append
from indelible.store.appender import Appender
from indelible.store.deciding import fulfils
from indelible.store.errors import StoreUnavailable
from indelible.store.feed import SCAN, START, Page, feed
from indelible.store.filter import Changed, Condition, Is, Term
from indelible.store.intake import Intake
from indelible.store.narrowing import HiddenPart
from indelible.store.session import Connection, Role
from indelible.store.session import Database as Connections
from indelible.store.tenants import size_of
from indelible.store.view import ALL_PARTS, View
from tests.postgres import Database
from tests.store.samples import FULL, as_superuser, send, take

pytestmark = pytest.mark.anyio


class GivenUp(Exception):
    """Somebody thinks better of it before they commit."""


async def walk(
    connections: Connections, view: View, catalog: Catalog, *conditions: Condition, limit: int = 3, scan: int = SCAN
) -> list[Page]:
    """From the first entry to the last."""
    pages = [await feed(connections, view, conditions, catalog, after=START, limit=limit, scan=scan)]
    while pages[-1].has_more:
        after = pages[-1].after
        pages.append(await feed(connections, view, conditions, catalog, after=after, limit=limit, scan=scan))
        assert pages[-1].after > after
    return pages


def numbers(pages: list[Page]) -> list[int]:
    return [event.seq for page in pages for event in page.events]


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_poller_gets_each_event_once_and_in_order_whoever_writes(
    database: Database, catalog: Catalog, intake: Intake, tenants: list[str], seed: int
) -> None:
    """Writers take their time, change their minds or are killed before they commit, each on their own connection."""
    tenant, chance = tenants[0], random.Random(seed)
    committed: list[int] = []
    ends = {"committed": 0, "rolled back": 0, "killed": 0}

    async def writer(connections: Connections, admin: psycopg.AsyncConnection[Any]) -> None:
        for _ in range(8):
            batch = [take(intake, tenant) for _ in range(chance.choice([1, 1, 3, 20]))]
            fate = chance.choice(["committed", "committed", "rolled back", "killed"])
            with suppress(GivenUp, StoreUnavailable, Repeated):
                async with connections.transaction("writer") as connection:
                    answers = await append(connection, batch, Rules(catalog))
                    await asyncio.sleep(chance.choice([0, 0, 0.005, 0.02]))
                    if fate == "rolled back":
                        ends[fate] += 1
                        raise GivenUp
                    if fate == "killed":
                        await admin.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
                        ends[fate] += 1
                        await connection.execute("SELECT 1")
                committed.extend(answer.seq for answer in answers if isinstance(answer, Receipt))
                ends["committed"] += 1

    async def poller(connections: Connections, writing: asyncio.Task[Any], limit: int) -> list[int]:
        found: list[int] = []
        after = START
        while True:
            is_last = writing.done()
            page = await feed(connections, View(tenant), (), catalog, after=after, limit=limit)
            found += [event.seq for event in page.events]
            assert all(event.record.seq == event.seq for event in page.events)
            after = page.after
            if is_last and not page.has_more:
                return found
            await asyncio.sleep(0)

    async with (
        Connections.open(database.url, size=8) as writing,
        Connections.open(database.url, size=2) as reading,
        Appender.open(writing, Rules(catalog)) as appender,
        await psycopg.AsyncConnection.connect(database.admin_url, autocommit=True) as admin,
    ):
        await send(appender, take(intake, tenant))  # opens the ledger, and makes the month
        writers = asyncio.gather(*(writer(writing, admin) for _ in range(8)))
        task = asyncio.ensure_future(writers)
        pollers = [asyncio.create_task(poller(reading, task, limit)) for limit in (1, 1000)]  # type: ignore[arg-type]
        await task
        for found in await asyncio.gather(*pollers):
            assert found == list(range(len(found)))
            assert found[2:] == sorted(committed)
    assert min(ends.values()) > 3


@pytest.fixture
async def mixed(database: Database, appender: Appender, intake: Intake, tenants: list[str]) -> list[dict[str, Any]]:
    """Thirty events, in the order in which they are in the ledger of the first of `tenants`, from number 1 on."""
    chance = random.Random(7)
    events = [
        {
            **(FULL if chance.random() < 0.3 else {}),
            "action": chance.choice(["user.joined", "user.signed_in", "file.read", "own.thing"]),
            "actor": {"type": "user", "id": chance.choice(["u1", "u2"]), "name": chance.choice(["Ana", "José Ruiz"])},
            "outcome": chance.choice(["success", "failure"]),
        }
        for _ in range(30)
    ]
    await send(appender, *[take(intake, tenants[0], **event) for event in events])
    await send(appender, *[take(intake, tenants[1], **FULL) for _ in range(5)])
    as_superuser(
        database, "INSERT INTO indelible.tenant_settings (tenant_id, member_access, member_sees) "
        "VALUES (%(t)s, true, '{changes}')", t=tenants[0],
    )  # fmt: skip
    return events


@pytest.mark.parametrize("scan", [2, 7, SCAN])
async def test_a_view_leaves_others_out_and_goes_on_behind_them(
    connections: Connections, catalog: Catalog, tenants: list[str], mixed: list[dict[str, Any]], scan: int
) -> None:
    """However few entries are looked at for one page, there is a next one, up to the end."""
    tenant = tenants[0]
    views: dict[str, tuple[View, Callable[[dict[str, Any]], bool]]] = {
        "equal": (View(tenant, equal={"action": ["file.read"]}), lambda e: e["action"] == "file.read"),
        "member": (View(tenant, "u1", parts=frozenset()), lambda e: e["actor"]["id"] == "u1"),
        "nobody": (View(tenant, "u9"), lambda _: False),
        "none": (View(tenant, equal={"category": []}), lambda _: False),
    }
    for view, is_shown in views.values():
        pages = await walk(connections, view, catalog, scan=scan)
        assert numbers(pages) == [seq for seq, event in enumerate(mixed, 1) if is_shown(event)]
        assert (pages[-1].after, pages[-1].size) == (30, 31)
        shown = [event.record for page in pages for event in page.events]
        assert all(record.withheld == tuple(sorted(ALL_PARTS - view.parts)) for record in shown)
    everything = await walk(connections, View(tenant), catalog, scan=scan)
    assert numbers(everything) == list(range(31))


CONDITIONS: list[tuple[Condition, ...]] = [
    (Is("action", ["file.read"]),),
    (Is("action", ["user.*"]),),
    (Is("action", ["own.*"], excluded=True),),
    (Is("outcome", ["failure"]), Is("actor_id", ["u1", "u9"])),
    (Is("target_id", ["usr_9"]),),
    (Term(["jose"]),),
    (Term(["jos"]), Is("actor_id", ["u2"], excluded=True)),
    (Term(["José Ruiz"], phrase=True),),
    (Term(["sarah"], excluded=True),),
    (Changed("role", "to", ["Sarah's admin"]),),
    (Changed("role", "to", ["admin"]),),
]


@pytest.mark.parametrize("conditions", CONDITIONS, ids=str)
@pytest.mark.parametrize("member", [None, "u1"])
async def test_conditions_mean_what_they_mean_for_each_event_by_itself(
    connections: Connections, catalog: Catalog, tenants: list[str], mixed: list[dict[str, Any]],
    conditions: tuple[Condition, ...], member: str | None,
) -> None:  # fmt: skip
    del mixed
    view = View(tenants[0], member, parts=ALL_PARTS if member is None else frozenset({"changes"}))
    every = [event for page in await walk(connections, view, catalog) for event in page.events]
    wanted = [event.seq for event in every if fulfils(event.record, conditions, catalog)]
    if member is not None and conditions == (Is("action", ["user.*"]),):
        wanted = [e.seq for e in every if e.record.event.action in ("user.joined", "user.signed_in")]
    for scan in (4, SCAN):
        assert numbers(await walk(connections, view, catalog, *conditions, limit=2, scan=scan)) == wanted


async def test_what_a_view_does_not_show_cannot_be_asked_for(
    connections: Connections, catalog: Catalog, tenants: list[str], mixed: list[dict[str, Any]]
) -> None:
    """Also where there is nothing new: whether there is must not tell."""
    del mixed
    view = View(tenants[0], "u1", parts=frozenset({"changes"}))
    for after in (START, 30):
        with pytest.raises(HiddenPart):
            await feed(connections, view, [Is("ip_address", ["203.0.113.7"])], catalog, after=after, limit=5)


async def test_an_altered_entry_is_shown_as_such_and_hides_nothing(
    database: Database, connections: Connections, catalog: Catalog, tenants: list[str], mixed: list[dict[str, Any]]
) -> None:
    """Not even one that says another entry's number."""
    del mixed
    tenant = tenants[0]
    as_superuser(
        database,
        "UPDATE indelible.events SET entry = '{}' WHERE tenant_id = %(t)s AND seq = 4",
        "UPDATE indelible.events SET entry = (SELECT entry FROM indelible.events WHERE tenant_id = %(t)s AND seq = 20)"
        " WHERE tenant_id = %(t)s AND seq = 6",
        t=tenant,
    )
    pages = await walk(connections, View(tenant), catalog)
    assert numbers(pages) == list(range(31))
    altered = {event.seq for page in pages for event in page.events if "entry" in event.record.altered}
    assert altered == {4, 6}


async def test_others_get_their_turn_while_events_are_decided_on(
    connections: Connections, appender: Appender, intake: Intake, catalog: Catalog, tenants: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """And when the time is up, the page goes no further than what was decided on."""
    tenant, conditions = tenants[0], [Changed("role", "to", ["admin"], excluded=True)]
    await send(appender, *[take(intake, tenant) for _ in range(220)])
    decided: list[int] = []
    turns = 0

    def counting(*given: Any) -> bool:
        decided.append(turns)
        return fulfils(*given)

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(feeding, "fulfils", counting)
    busy = asyncio.create_task(others())
    page = await feed(connections, View(tenant), conditions, catalog, after=START, limit=1000)
    busy.cancel()
    assert numbers([page]) == list(range(221))
    assert len(decided) == 221
    assert max(Counter(decided).values()) <= 50
    monkeypatch.setattr(feeding, "_BUDGET", timedelta())
    pages = await walk(connections, View(tenant), catalog, *conditions, limit=1000)
    assert numbers(pages) == list(range(221))
    assert max(len(page.events) for page in pages) <= 50


async def test_where_there_is_no_ledger_there_is_nothing(connections: Connections, catalog: Catalog) -> None:
    nobody = f"t-{secrets.token_hex(6)}"
    assert await size_of(connections, nobody) == 0
    for after in (START, 7):
        page = await feed(connections, View(nobody), (), catalog, after=after, limit=5)
        assert (page.events, page.after, page.size, page.has_more) == ([], after, 0, False)


MONTHS = 24
EACH = 800


@pytest.fixture
def years(database: Database, tenants: list[str]) -> None:
    """Two years of entries of two tenants; as they cannot be read any more, they are shown by their columns."""
    as_superuser(database, f"SELECT indelible.ensure_month((now() - interval '1 month' * m)::date) "
                           f"FROM generate_series(0, {MONTHS - 1}) m")  # fmt: skip
    for tenant in tenants[:2]:
        as_superuser(
            database,
            "INSERT INTO indelible.ledgers (tenant_id, origin) VALUES (%(t)s, 'elsewhere/' || %(t)s)",
            "INSERT INTO indelible.events (tenant_id, seq, recorded_at, occurred_at, id, action, outcome, source,"
            "    actor_type, actor_id, leaf_hash, entry)"
            " SELECT %(t)s, n, at, at, gen_random_uuid(), 'a', 'success', 'api', 'user', 'u' || n %% 50, sha256(''),"
            "    convert_to(repeat('{', 300), 'UTF8')"
            f" FROM (SELECT n, date_trunc('month', now() - interval '1 month' * ({MONTHS - 1} - n / {EACH}), 'UTC')"
            f"        + interval '1 second' * (n %% {EACH}) AS at FROM generate_series(0, {MONTHS * EACH - 1}) n) _",
            "INSERT INTO indelible.event_personal (tenant_id, seq, recorded_at, occurred_at, search)"
            " SELECT tenant_id, seq, recorded_at, occurred_at, '' FROM indelible.events WHERE tenant_id = %(t)s",
            f"UPDATE indelible.ledgers SET size = {MONTHS * EACH}, head = sha256(''), frontier ="
            f" decode(repeat('00', 32 * bit_count(({MONTHS * EACH})::bigint::bit(64))::int), 'hex')"
            " WHERE tenant_id = %(t)s",
            t=tenant,
        )
    as_superuser(database, "INSERT INTO indelible.tenant_settings (tenant_id, member_access) VALUES (%(t)s, true)",
                 t=tenants[0])  # fmt: skip
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute("ANALYZE indelible.events, indelible.event_personal")


class Explaining:
    """A connection that notes the plan of each statement before it runs it."""

    def __init__(self, connection: Connection, plans: list[str]) -> None:
        self._connection = connection
        self._plans = plans

    async def execute(self, query: Any, parameters: Any = None) -> Any:
        text = query.as_bytes(None) if isinstance(query, sql.Composable) else query.encode()
        explained = await self._connection.execute(b"EXPLAIN " + text, parameters)
        self._plans.append("\n".join(str(line) for (line,) in await explained.fetchall()))
        return await self._connection.execute(query, parameters)


class ExplainedDatabase(Connections):
    @asynccontextmanager
    async def transaction(
        self, role: Role, tenant: str | None = None, *, member: str | None = None, snapshot: bool = False
    ) -> AsyncIterator[Connection]:
        async with Connections.transaction(self, role, tenant, member=member, snapshot=snapshot) as connection:
            yield Explaining(connection, PLANS)  # type: ignore[misc]


PLANS: list[str] = []


@pytest.mark.usefixtures("years")
async def test_a_page_is_read_by_an_index_alone_and_of_no_earlier_month(
    database: Database, catalog: Catalog, tenants: list[str]
) -> None:
    last = MONTHS * EACH - 1
    async with ExplainedDatabase.open(database.url) as connections:
        for member, month in itertools.product((None, "u7"), (0, 12, MONTHS - 1)):
            PLANS.clear()
            after = month * EACH + 5
            page = await feed(connections, View(tenants[0], member), (), catalog, after=after, limit=10)
            wanted = [n for n in range(after + 1, last + 1) if member is None or n % 50 == 7]
            assert [event.seq for event in page.events] == wanted[:10]
            _, spots, read = PLANS
            if member is not None:
                # Their few entries may be sorted, and the months ahead, which are empty, read whole.
                continue
            assert not re.search(r"Seq Scan|-> +(Incremental )?Sort\b", spots), spots
            assert not re.search("Seq Scan on event", read), read
            # Some months are made ahead.
            assert MONTHS - month <= spots.count("Index Scan") <= MONTHS - month + 4, spots
        PLANS.clear()
        end = await feed(connections, View(tenants[0]), (), catalog, after=last, limit=10)
        assert (end.events, end.has_more, len(PLANS)) == ([], False, 1)
