"""What a 201 promises: durable, once, in order, chained."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.catalog import Catalog
from indelible.event import InvalidEvent
from indelible.ledger import base64url
from indelible.store import read
from indelible.store import tenants as listing
from indelible.store.append import Receipt, Rules
from indelible.store.appender import Answer, Appender
from indelible.store.errors import IdConflict, UnknownTenant
from indelible.store.intake import Intake
from indelible.store.sealing import uuid7
from indelible.store.session import Database as Connections
from indelible.store.verify import verify
from indelible.store.view import View
from tests.postgres import Database
from tests.store.samples import FULL, as_superuser, examples, raw, rows, send, take

pytestmark = pytest.mark.anyio

IDS: dict[str, Callable[[], UUID]] = {"v4": uuid4, "v7": lambda: uuid7(datetime.now(UTC))}


@contextlib.asynccontextmanager
async def another_service(database: Database, catalog: Catalog, *, lanes: int = 4) -> AsyncIterator[Appender]:
    """A second process of the service, as far as PostgreSQL can tell."""
    async with (
        Connections.open(database.url) as connections,
        Appender.open(connections, Rules(catalog), lanes=lanes) as appender,
    ):
        yield appender


async def proven(connections: Connections, tenant: str, *, size: int) -> bool:
    report = await verify(connections, tenant)
    return report is not None and report.proven and report.size == size


async def test_a_ledger_opens_with_its_own_entry_and_grows_by_one(
    appender: Appender, connections: Connections, intake: Intake, tenant: str
) -> None:
    receipts = [(await send(appender, take(intake, tenant)))[0] for _ in range(3)]
    assert [(r.seq, r.created) for r in receipts] == [(1, True), (2, True), (3, True)]
    assert await proven(connections, tenant, size=4)


async def test_a_receipt_says_what_was_stored(
    appender: Appender, connections: Connections, database: Database, intake: Intake, tenant: str
) -> None:
    receipts = [r for _ in range(4) for r in await send(appender, *[take(intake, tenant, **FULL) for _ in range(5)])]
    query = "SELECT id, seq, recorded_at, entry FROM indelible.events WHERE tenant_id = %s ORDER BY seq"
    stored = rows(database, query, tenant)
    assert [
        Receipt(id_, seq, recorded_at, sha256(b"\0" + entry).digest(), created=True)
        for id_, seq, recorded_at, entry in stored[1:]
    ] == receipts
    times = [recorded_at for _, _, recorded_at, _ in stored]
    assert times == sorted(times)
    (ledger,) = await listing.ledgers(connections, tenant=tenant)
    assert (ledger.size, ledger.head) == (21, base64url.encode(receipts[-1].leaf_hash))


async def test_a_batch_keeps_its_order_and_holds_several_tenants(
    appender: Appender, connections: Connections, intake: Intake, tenants: list[str]
) -> None:
    order = [tenants[i] for i in (2, 0, 1, 0, 2, 2, 1, 0)]
    receipts = await send(appender, *[take(intake, t, metadata={"n": n}) for n, t in enumerate(order)])
    assert [r.seq for r in receipts] == [1, 1, 1, 2, 2, 3, 2, 3]
    for number, (tenant, receipt) in enumerate(zip(order, receipts, strict=True)):
        record = await read.event(connections, View(tenant), receipt.id)
        assert record is not None
        assert (record.seq, record.event.metadata) == (receipt.seq, {"n": number})
    assert [await proven(connections, t, size=s) for t, s in zip(tenants, (4, 3, 4), strict=True)] == [True] * 3


# --- once


@pytest.mark.parametrize("kind", IDS)
async def test_a_retry_gets_the_first_receipt(
    appender: Appender, connections: Connections, intake: Intake, tenant: str, kind: str
) -> None:
    """Without `occurred_at` as well: the time it then gets is another each time, the content is not."""
    sent = take(intake, tenant, id=IDS[kind](), **FULL)
    (first,) = await send(appender, sent)
    await send(appender, take(intake, tenant))
    assert await send(appender, sent) == [first._replace(created=False)]
    later = intake.take(raw(tenant, id=sent.id, **FULL), now=datetime.now(UTC) + timedelta(seconds=5), history=False)
    assert later.occurred_at != sent.occurred_at
    assert await send(appender, later) == [first._replace(created=False)]
    assert await proven(connections, tenant, size=3)


async def test_the_order_of_keys_does_not_make_another_event(appender: Appender, intake: Intake, tenant: str) -> None:
    id_ = uuid4()
    (first,) = await send(appender, take(intake, tenant, id=id_, metadata={"a": 1, "b": {"c": 2, "d": 3}}))
    again = await send(appender, take(intake, tenant, metadata={"b": {"d": 3, "c": 2}, "a": 1}, id=id_))
    assert again == [first._replace(created=False)]


@pytest.mark.parametrize("kind", IDS)
@pytest.mark.parametrize(
    "other",
    [
        {"metadata": {"note": "another"}},
        {"metadata": {"note": 1.0}},
        {"outcome": "success"},
        {"occurred_at": datetime.now(UTC)},
        {"actor": {"type": "user", "id": "usr_7", "name": "Sarah Chen"}},
    ],
    ids=["another text", "a float", "outcome", "occurred_at", "actor"],
)
async def test_an_id_of_another_event_is_refused_and_nothing_is_stored(
    appender: Appender, connections: Connections, intake: Intake, tenant: str, kind: str, other: dict[str, object]
) -> None:
    fields = {**FULL, "metadata": {"note": 1}, "id": IDS[kind]()}
    await send(appender, take(intake, tenant, **fields))
    refused, taken = await appender.append([take(intake, tenant, **{**fields, **other}), take(intake, tenant)])
    assert isinstance(refused, IdConflict)
    assert isinstance(taken, Receipt)
    assert taken.seq == 2
    assert await proven(connections, tenant, size=3)


async def test_an_id_twice_in_one_batch(
    appender: Appender, connections: Connections, intake: Intake, tenant: str
) -> None:
    id_ = uuid4()
    first, other, again = await appender.append(
        [take(intake, tenant, id=id_), take(intake, tenant, id=id_, source="ui"), take(intake, tenant, id=id_)]
    )
    assert isinstance(first, Receipt)
    assert isinstance(other, IdConflict)
    assert again == first._replace(created=False)
    assert await proven(connections, tenant, size=2)


async def test_tenants_may_use_the_same_ids(
    appender: Appender, connections: Connections, intake: Intake, tenants: list[str]
) -> None:
    id_ = uuid4()
    receipts = await send(appender, *[take(intake, t, id=id_, metadata={"of": t}) for t in tenants])
    assert [(r.id, r.seq, r.created) for r in receipts] == [(id_, 1, True)] * 3
    for tenant in tenants:
        record = await read.event(connections, View(tenant), id_)
        assert record is not None
        assert record.event.metadata == {"of": tenant}


async def test_two_services_that_get_the_same_events_at_once_store_each_once(
    appender: Appender, database: Database, catalog: Catalog, connections: Connections, intake: Intake, tenant: str
) -> None:
    sent = [take(intake, tenant, id=uuid4(), metadata={"n": n}) for n in range(20)]
    async with another_service(database, catalog) as second:
        got = await asyncio.gather(
            *[send((appender, second)[n % 2], sent[n * 7 % 20]) for n in range(200)],
        )
    receipts: defaultdict[UUID, list[Receipt]] = defaultdict(list)
    for (receipt,) in got:
        receipts[receipt.id].append(receipt)
    assert set(receipts) == {prepared.id for prepared in sent}
    for same in receipts.values():
        assert len(same) == 10
        assert sum(r.created for r in same) == 1
        assert len({r._replace(created=True) for r in same}) == 1
    assert await proven(connections, tenant, size=21)


# --- what is refused


async def test_a_ledger_is_not_made_where_tenants_are_not_made_on_first_use(
    connections: Connections, catalog: Catalog, intake: Intake, tenants: list[str]
) -> None:
    known, unknown, _ = tenants
    async with Appender.open(connections, Rules(catalog, auto_tenants=False)) as appender:
        assert await appender.open_ledger(known)
        assert not await appender.open_ledger(known)
        taken, refused = await appender.append([take(intake, known), take(intake, unknown)])
    assert isinstance(taken, Receipt)
    assert isinstance(refused, UnknownTenant)
    assert refused.errors[0].pointer == "/tenant_id"
    assert await proven(connections, known, size=2)
    assert await listing.ledgers(connections, tenant=unknown) == []


@pytest.mark.parametrize(
    "id_",
    ["ffffffff-ffff-7fff-bfff-ffffffffffff", str(uuid7(datetime.now(UTC) + timedelta(days=2)))],
    ids=["the last", "in two days"],
)
def test_an_id_of_the_future_is_refused(intake: Intake, id_: str) -> None:
    """Even of a time that no calendar has."""
    with pytest.raises(InvalidEvent, match="over a day ahead"):
        take(intake, "acme", id=id_)


async def test_ids_of_old_times_are_found_again(appender: Appender, intake: Intake, tenant: str) -> None:
    """Where the search for a retry begins is computed from the ids, the oldest possible ones included."""
    for id_ in (
        UUID(int=7 << 76 | 2 << 62),
        UUID(int=0),
        UUID(int=2**128 - 1),
        uuid7(datetime(2001, 1, 1, tzinfo=UTC)),
    ):
        (first,) = await send(appender, take(intake, tenant, id=id_))
        again = await send(appender, take(intake, tenant, id=id_), take(intake, tenant, id=uuid7(datetime.now(UTC))))
        assert again[0] == first._replace(created=False)


# --- whatever comes together


class Sent(NamedTuple):
    tenant: int
    id: int
    content: int


SENT = st.builds(Sent, st.integers(0, 2), st.integers(0, 5), st.sampled_from([0, 0, 0, 1]))
BATCHES = st.lists(st.lists(SENT, min_size=1, max_size=8), max_size=6)


@pytest.fixture(params=[1, 4], ids="lanes{}".format)
async def services(
    request: pytest.FixtureRequest, database: Database, catalog: Catalog
) -> AsyncIterator[list[Appender]]:
    async with contextlib.AsyncExitStack() as stack:
        opened = [another_service(database, catalog, lanes=request.param) for _ in range(3)]
        yield [await stack.enter_async_context(service) for service in opened]


@examples(20)
@given(work=st.tuples(BATCHES, BATCHES, BATCHES))
async def test_services_at_once_agree_with_a_dictionary(
    services: list[Appender], connections: Connections, intake: Intake, work: tuple[list[list[Sent]], ...]
) -> None:
    """Any batches with any repetitions, sent by three services at once: each id is stored once, everybody who sent
    that content has the same receipt, everybody else a conflict, and every ledger verifies."""
    names = [f"t-{uuid4().hex[:12]}" for _ in range(3)]
    ids = [uuid4() if n % 2 else uuid7(datetime.now(UTC)) for n in range(6)]

    async def run(service: Appender, batch: list[Sent]) -> list[tuple[Sent, Answer]]:
        events = [take(intake, names[s.tenant], id=ids[s.id], metadata={"content": s.content}) for s in batch]
        return list(zip(batch, await service.append(events), strict=True))

    done = await asyncio.gather(
        *[run(service, batch) for service, batches in zip(services, work, strict=True) for batch in batches]
    )
    model: defaultdict[tuple[int, int], list[tuple[int, Answer]]] = defaultdict(list)
    for sent, answer in (pair for batch in done for pair in batch):
        model[sent.tenant, sent.id].append((sent.content, answer))
    for (tenant, id_), answers in model.items():
        (winner,) = [(content, a) for content, a in answers if isinstance(a, Receipt) and a.created]
        for content, answer in answers:
            if content == winner[0]:
                assert isinstance(answer, Receipt)
                assert answer._replace(created=True) == winner[1]
            else:
                assert isinstance(answer, IdConflict)
        record = await read.event(connections, View(names[tenant]), ids[id_])
        assert record is not None
        assert record.event.metadata == {"content": winner[0]}
    for number, name in enumerate(names):
        stored = sum(tenant == number for tenant, _ in model)
        assert not stored or await proven(connections, name, size=1 + stored)


async def test_a_function_that_somebody_planted_is_not_called(
    database: Database, appender: Appender, intake: Intake, tenant: str
) -> None:
    """Whoever may create functions in a schema on the search path could take over the writer's rights by one."""
    planted = ("format(text, text)", "format(text, anyelement)")
    as_superuser(
        database,
        *(
            f"CREATE FUNCTION public.{signature} RETURNS text LANGUAGE plpgsql "
            "AS $$ BEGIN RAISE EXCEPTION 'taken over' USING ERRCODE = '22000'; END $$"
            for signature in planted
        ),
    )
    try:
        with pytest.raises(psycopg.DataError, match="taken over"), psycopg.connect(database.admin_url) as admin:
            admin.execute("SELECT format('%L', 'a'::text)")
        assert len(await send(appender, take(intake, tenant))) == 1
    finally:
        as_superuser(database, *(f"DROP FUNCTION public.{signature}" for signature in planted))
