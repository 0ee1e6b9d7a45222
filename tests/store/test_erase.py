"""Erasing: what was asked for goes, wherever it stands; that is recorded; the ledger and its receipts still verify."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from indelible.catalog import Catalog
from indelible.event import Actor, InvalidEvent
from indelible.ledger.disclosure import GROUPS, digest
from indelible.store import erase as erasing
from indelible.store.append import MissingMonth, Receipt, Rules, append
from indelible.store.appender import Appender
from indelible.store.erase import DEFAULT_GROUPS, MAX_DIGESTS, By, Erased, Order, Plan, Selection, erase, plan
from indelible.store.errors import IdConflict, StoreUnavailable
from indelible.store.filter import Is, Term
from indelible.store.intake import Intake
from indelible.store.read import event
from indelible.store.sealing import Record
from indelible.store.session import Database as Connections
from indelible.store.verify import Report, verify
from indelible.store.view import View
from tests.postgres import Database
from tests.store.samples import FULL, as_superuser, looked_for, raw, rows, send, take

pytestmark = pytest.mark.anyio

ORDER = Order("asked for by the person", "DSR-19", "Dana Office", Actor(type="user", id="os:robin", name="robin"))
ADA = {"type": "user", "id": "usr_ada", "name": "Ada", "email": "ada@example.com"}
BOB = {"type": "user", "id": "usr_bob", "name": "Bob"}
PAGE = {"type": "page", "id": "pag_1", "name": "Ada's page"}

ERASURES = Is("action", ["ledger.erasure"])

Eraser = Callable[..., Awaitable[Erased]]


@pytest.fixture
def tenant(tenants: list[str]) -> str:
    return tenants[0]


@pytest.fixture
def eraser(connections: Connections, catalog: Catalog, tenant: str) -> Eraser:
    """Plans and erases at once."""

    async def run(by: By, id_: str, *groups: str, **span: datetime) -> Erased:
        selection = Selection(by, id_, groups or DEFAULT_GROUPS[by], **span)
        planned = await plan(connections, tenant, selection)
        assert planned is not None
        return await erase(connections, tenant, selection, ORDER, Rules(catalog), planned)

    return run


async def proven(connections: Connections, tenant: str) -> Report:
    report = await verify(connections, tenant)
    assert report is not None
    assert report.contradictions == ()
    return report


async def read(connections: Connections, tenant: str, receipt: Receipt) -> Record:
    record = await event(connections, View(tenant), receipt.id)
    assert record is not None
    return record


def left(database: Database, tenant: str) -> dict[int, str]:
    """The groups that are there, of each entry but those of the ledger's own: their first letters, `c` twice."""
    found = rows(
        database,
        f"SELECT p.seq, {', '.join(GROUPS)} FROM indelible.event_personal p JOIN indelible.events e "
        "USING (tenant_id, seq) WHERE tenant_id = %s AND action NOT LIKE 'ledger.%%' ORDER BY seq",
        tenant,
    )
    return {
        seq: " ".join(g for g, text in zip(GROUPS, texts, strict=True) if text is not None) for seq, *texts in found
    }


ALL = " ".join(GROUPS)


# --- what goes


async def test_of_an_actor(
    database: Database, connections: Connections, appender: Appender, intake: Intake, eraser: Eraser, tenant: str
) -> None:
    """Also what they did as somebody else; not what another one did to them."""
    as_bob = {**BOB, "impersonator": {"id": "usr_ada", "name": "Ada", "reason": "ticket 4512"}}
    await send(
        appender,
        take(intake, tenant, **FULL | {"actor": ADA}),
        take(intake, tenant, **FULL | {"actor": as_bob}),
        take(intake, tenant, **FULL | {"actor": BOB, "targets": [ADA_AS_TARGET]}),
        take(intake, tenant, **FULL | {"actor": ADA | {"id": "usr_ada2"}}),
        take(intake, tenant, actor={"type": "user", "id": "usr_ada"}),
    )
    done = await eraser("actor", "usr_ada")
    assert (done.events, dict(done.groups)) == (2, {"actor": 2, "context": 2})
    rest = "changes metadata targets"
    assert left(database, tenant) == {1: rest, 2: rest, 3: ALL, 4: ALL, 5: ""}
    assert (await proven(connections, tenant)).erased == 4


ADA_AS_TARGET = {"type": "user", "id": "usr_ada", "name": "Ada"}


async def test_of_a_target_wherever_it_stands(
    database: Database, connections: Connections, appender: Appender, intake: Intake, eraser: Eraser, tenant: str
) -> None:
    """The columns hold the primary target alone; the entry has all of them."""
    await send(
        appender,
        take(intake, tenant, **FULL | {"targets": [ADA_AS_TARGET]}),
        take(intake, tenant, **FULL | {"targets": [PAGE, BOB, ADA_AS_TARGET]}),
        take(intake, tenant, **FULL | {"targets": [PAGE]}),
        take(intake, tenant, **FULL | {"actor": ADA, "targets": [PAGE]}),
        take(intake, tenant, **FULL | {"targets": [{"type": "user", "id": "usr_ad"}], "metadata": {"id": "usr_ada"}}),
    )
    done = await eraser("target", "usr_ada")
    assert (done.events, dict(done.groups)) == (2, {"changes": 2, "targets": 2})
    rest = "actor context metadata"
    assert left(database, tenant) == {1: rest, 2: rest, 3: ALL, 4: ALL, 5: "actor changes context metadata"}
    await proven(connections, tenant)


@pytest.mark.parametrize("id_", ['a"b', "a\\b", "ключ", "a\u2028b", "\U0001f600", "a\nb", "a%b", "</script>", "\x7f"])
async def test_whatever_the_id_is_written_with(
    database: Database, appender: Appender, intake: Intake, eraser: Eraser, tenant: str, id_: str
) -> None:
    await send(appender, take(intake, tenant, **FULL | {"targets": [PAGE, {"type": "user", "id": id_, "name": "Ada"}]}))
    await send(appender, take(intake, tenant, **FULL | {"actor": {"type": "user", "id": id_, "name": "Ada"}}))
    await send(appender, take(intake, tenant, **FULL | {"actor": {"type": "user", "impersonator": {"id": id_}}}))
    await eraser("target", id_, "targets")
    await eraser("actor", id_, "actor")
    assert left(database, tenant) == {
        1: "actor changes context metadata",
        2: "changes context metadata targets",
        3: "changes context metadata targets",
    }


async def test_of_one_event_in_a_span_of_time_and_of_some_groups(
    database: Database, connections: Connections, appender: Appender, intake: Intake, eraser: Eraser, tenant: str
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    receipts = await send(
        appender,
        *[take(intake, tenant, **FULL, occurred_at=(now - timedelta(hours=h)).isoformat()) for h in (4, 3, 2, 1)],
    )
    await eraser("event", str(receipts[0].id))
    await eraser("actor", "usr_7", "metadata", since=now - timedelta(hours=2), until=now - timedelta(hours=1))
    assert left(database, tenant) == {1: "", 2: ALL, 3: "actor changes context targets", 4: ALL}
    await proven(connections, tenant)


async def test_not_of_another_tenant(
    database: Database, connections: Connections, appender: Appender, intake: Intake, eraser: Eraser, tenants: list[str]
) -> None:
    tenant, other, _ = tenants
    await send(appender, take(intake, tenant, **FULL), take(intake, other, **FULL))
    await eraser("actor", "usr_7", *GROUPS)
    assert left(database, tenant) == {1: ""}
    assert left(database, other) == {1: ALL}
    assert (await proven(connections, other)).size == 2


async def test_not_of_the_ledgers_own_entries(
    connections: Connections, appender: Appender, intake: Intake, eraser: Eraser, catalog: Catalog, tenant: str
) -> None:
    """A record that could be erased would be none."""
    await send(appender, take(intake, tenant, **FULL))
    await eraser("actor", "usr_7")
    for seq in (0, 2):
        (record,) = [r for r in await looked_for(connections, tenant) if r.seq == seq]
        selection = Selection("event", str(record.event.id), GROUPS)
        planned = await plan(connections, tenant, selection)
        assert planned is not None
        assert (planned.own, planned.events, list(planned.seqs)) == (True, 0, [])
        forced = Plan(seqs=planned.seqs[:0] + type(planned.seqs)("q", [seq]))
        assert (await erase(connections, tenant, selection, ORDER, Rules(catalog), forced)).records == []
    assert (await proven(connections, tenant)).size == 3


async def test_of_an_entry_that_somebody_altered(
    database: Database, appender: Appender, intake: Intake, eraser: Eraser, tenant: str
) -> None:
    """It does not say any more who did it; the column that it is found by does, and their name is still there."""
    await send(appender, take(intake, tenant, **FULL))
    as_superuser(database, "UPDATE indelible.events SET entry = '{}' WHERE tenant_id = %(t)s AND seq = 1", t=tenant)
    await eraser("actor", "usr_7")
    assert left(database, tenant) == {1: "changes metadata targets"}


# --- what is recorded, and what is read


async def test_the_record(
    database: Database, connections: Connections, appender: Appender, intake: Intake, eraser: Eraser, catalog: Catalog,
    tenant: str,
) -> None:  # fmt: skip
    await send(appender, *[take(intake, tenant, **FULL) for _ in range(3)])
    query = "SELECT actor, context FROM indelible.event_personal WHERE tenant_id = %s AND seq > 0 ORDER BY seq"
    digests = [digest(text.encode()) for texts in rows(database, query, tenant) for text in texts]
    done = await eraser("actor", "usr_7")
    assert done.records == [4]
    (record,) = await looked_for(connections, tenant, ERASURES)
    assert record.event.metadata == {
        "digests": digests, "entries": 3, "groups": ["actor", "context"], "reason": ORDER.reason, "request": "DSR-19",
        "ordered_by": "Dana Office", "vendor_staff": True,
    }  # fmt: skip
    assert (record.event.actor.id, record.event.source) == ("os:robin", "admin_panel")
    assert [(t.type, t.id) for t in record.event.targets] == [("user", "usr_7")]
    assert catalog.sentence(record.event) == (
        "robin erased personal data (actor and context) of user usr_7 from 3 entries (request DSR-19)"
        ", ordered by Dana Office"
    )


async def test_an_erased_event_still_lists_and_is_found_by_no_word(
    connections: Connections, appender: Appender, intake: Intake, eraser: Eraser, catalog: Catalog, tenant: str
) -> None:
    (receipt, _) = await send(
        appender,
        take(intake, tenant, **FULL | {"metadata": {}, "changes": {}, "targets": []}),
        take(intake, tenant, **FULL),
    )
    sarah = Term(["sarah"])
    assert len(await looked_for(connections, tenant, sarah)) == 2
    done = await eraser("event", str(receipt.id))
    assert [r.seq for r in await looked_for(connections, tenant, sarah)] == [2]
    assert [r.seq for r in await looked_for(connections, tenant, Is("actor_id", ["usr_7"]))] == [2, 1]
    record = await read(connections, tenant, receipt)
    assert (record.erased, record.altered) == ({"actor": 3, "context": 3}, ())
    assert done.records == [3]
    assert (record.leaf_hash, record.seq) == (receipt.leaf_hash, receipt.seq)
    assert (record.event.actor.name, record.event.actor.email, record.event.context.ip_address) == (None, None, None)
    assert catalog.sentence(record.event).startswith("User usr_7 ")


@pytest.mark.parametrize("value", ["[]", "7", '"x"', '{"actor": "x"}', '{"who": 7}', '{"actor": true}', "{}"])
async def test_whatever_somebody_writes_into_the_column_the_event_is_shown(
    database: Database, connections: Connections, appender: Appender, intake: Intake, tenant: str, value: str
) -> None:
    (receipt,) = await send(appender, take(intake, tenant, **FULL))
    as_superuser(
        database,
        "UPDATE indelible.event_personal SET erased = %(value)s::jsonb WHERE tenant_id = %(t)s AND seq = 1",
        t=tenant, value=value,
    )  # fmt: skip
    record = await read(connections, tenant, receipt)
    assert (record.erased, record.event.actor.name) == ({}, "Sarah Chen")
    report = await verify(connections, tenant)
    assert report is not None
    assert [(c.seq, c.step) for c in report.contradictions] == [(1, 12)]


async def test_a_retry_is_still_recognised(
    connections: Connections, appender: Appender, intake: Intake, eraser: Eraser, tenant: str
) -> None:
    """Of what was sent nothing is kept any more, so whatever comes under the id is taken for it."""
    id_ = "0192f0c4-0000-7000-8000-000000000001"
    (receipt,) = await send(appender, take(intake, tenant, **FULL, id=id_))
    await eraser("actor", "usr_7", "context")
    for sent in (FULL, FULL | {"action": "user.left"}):
        (again,) = await send(appender, take(intake, tenant, **sent, id=id_))
        assert again == receipt._replace(created=False)
    (conflict,) = await appender.append([intake.take(raw(tenant, id=str((await other(appender, intake, tenant)).id)),
                                                     now=datetime.now(UTC), history=False)])  # fmt: skip
    assert isinstance(conflict, IdConflict)
    await proven(connections, tenant)


async def other(appender: Appender, intake: Intake, tenant: str) -> Receipt:
    """An event of which nothing was erased."""
    (receipt,) = await send(appender, take(intake, tenant, **FULL, id="0192f0c4-0000-7000-8000-000000000002"))
    return receipt


# --- many, more than once, and at once


async def test_more_than_one_record_holds(
    database: Database, connections: Connections, appender: Appender, intake: Intake, eraser: Eraser, tenant: str
) -> None:
    """Of each event at most five: no record lists more than it may, and none is listed twice."""
    await send(appender, *[take(intake, tenant, **FULL if n % 3 else {"actor": BOB}) for n in range(500)])
    before = left(database, tenant)
    done = await eraser("target", "usr_9", *GROUPS)
    going = sum(len(groups.split()) for groups in before.values() if groups != "actor")
    assert (done.events, sum(done.groups.values())) == (333, going)
    records = await looked_for(connections, tenant, ERASURES)
    listed = [len(r.event.metadata["digests"]) for r in records]
    assert (sum(listed), max(listed), len(listed)) == (going, MAX_DIGESTS, -(-going // MAX_DIGESTS))
    assert set(left(database, tenant).values()) == {"", "actor"}
    assert (await proven(connections, tenant)).erased == going


async def test_again_goes_on_with_what_is_left(
    database: Database, connections: Connections, appender: Appender, intake: Intake, eraser: Eraser, catalog: Catalog,
    tenant: str, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """An erasure that ends in the middle leaves whole batches behind, each with its record."""
    monkeypatch.setattr(erasing, "MAX_DIGESTS", 4)
    await send(appender, *[take(intake, tenant, **FULL) for _ in range(5)])

    class Killed(Exception):
        pass

    def die(done: int, _total: int) -> None:
        if done == 4:
            raise Killed

    selection = Selection("actor", "usr_7", DEFAULT_GROUPS["actor"])
    planned = await plan(connections, tenant, selection)
    assert planned is not None
    with pytest.raises(Killed):
        await erase(connections, tenant, selection, ORDER, Rules(catalog), planned, progress=die)
    assert (await proven(connections, tenant)).erased == 8
    done = await eraser("actor", "usr_7")
    assert (done.events, dict(done.groups)) == (1, {"actor": 1, "context": 1})
    assert (await eraser("actor", "usr_7")).records == []
    assert set(left(database, tenant).values()) == {"changes metadata targets"}
    assert (await proven(connections, tenant)).erased == 10
    (event_,) = rows(database, "SELECT erased FROM indelible.event_personal WHERE tenant_id = %s AND seq = 5", tenant)
    assert event_ == ({"actor": 8, "context": 8},)


async def test_groups_erased_one_after_the_other(
    database: Database, connections: Connections, appender: Appender, intake: Intake, eraser: Eraser, tenant: str
) -> None:
    await send(appender, take(intake, tenant, **FULL))
    for group in GROUPS:
        await eraser("actor", "usr_7", group)
    (noted,) = rows(database, "SELECT erased FROM indelible.event_personal WHERE tenant_id = %s AND seq = 1", tenant)
    assert noted == ({group: seq for seq, group in enumerate(GROUPS, 2)},)
    assert (await proven(connections, tenant)).erased == 5


async def test_two_at_once_and_events_meanwhile(
    database: Database, connections: Connections, appender: Appender, intake: Intake, eraser: Eraser, tenant: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Each disclosure is recorded once, whoever was quicker."""
    monkeypatch.setattr(erasing, "MAX_DIGESTS", 10)
    await send(appender, *[take(intake, tenant, **FULL) for _ in range(60)])

    async def events() -> None:
        for _ in range(10):
            await send(appender, take(intake, tenant, **FULL | {"actor": BOB}))

    done = await asyncio.gather(
        eraser("actor", "usr_7"), eraser("target", "usr_9", "context", "targets"), eraser("actor", "usr_7"), events()
    )
    listed = await recorded_digests(connections, tenant)
    assert len(listed) == len(set(listed)) == sum(sum(d.groups.values()) for d in done if d)
    of_sarah = [groups for seq, groups in left(database, tenant).items() if seq <= 60]
    assert set(of_sarah) == {"changes metadata"}
    assert (await proven(connections, tenant)).erased == len(listed)


async def recorded_digests(connections: Connections, tenant: str) -> list[str]:
    records = await looked_for(connections, tenant, ERASURES)
    return [text for record in records for text in record.event.metadata["digests"]]


async def test_a_batch_that_was_overtaken_is_read_again(
    connections: Connections, appender: Appender, intake: Intake, catalog: Catalog, tenant: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Somebody erases between the reading and the lock: the record must not name what it did not erase."""
    await send(appender, *[take(intake, tenant, **FULL) for _ in range(2)])
    selection = Selection("actor", "usr_7", DEFAULT_GROUPS["actor"])
    planned = await plan(connections, tenant, selection)
    assert planned is not None
    real = erasing._read
    overtaken: list[bool] = []

    async def slow(*arguments: Any) -> Sequence[tuple[Any, ...]]:
        found = await real(*arguments)
        if not overtaken:
            overtaken.append(True)
            other_ = Selection("actor", "usr_7", ("context",))
            theirs = await plan(connections, tenant, other_)
            assert theirs is not None
            await erase(connections, tenant, other_, ORDER, Rules(catalog), theirs)
        return found

    monkeypatch.setattr(erasing, "_read", slow)
    done = await erase(connections, tenant, selection, ORDER, Rules(catalog), planned)
    assert dict(done.groups) == {"actor": 2}
    assert len(await recorded_digests(connections, tenant)) == 4
    report = await proven(connections, tenant)
    assert (report.erased, report.size) == (4, 5)


async def test_a_ledger_that_somebody_holds_is_waited_for_and_not_for_ever(
    database: Database, connections: Connections, appender: Appender, intake: Intake, eraser: Eraser, tenant: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    await send(appender, take(intake, tenant, **FULL))
    async with await psycopg.AsyncConnection.connect(database.admin_url) as holder:
        await holder.execute("SELECT FROM indelible.ledgers WHERE tenant_id = %s FOR UPDATE", (tenant,))
        monkeypatch.setattr(erasing, "_PATIENCE", timedelta(seconds=0.1))
        with pytest.raises(StoreUnavailable, match=r"lock timeout.*the same command goes on with the rest"):
            await eraser("actor", "usr_7")
        assert left(database, tenant) == {1: ALL}
        monkeypatch.setattr(erasing, "_PATIENCE", timedelta(seconds=30))
        waiting = asyncio.ensure_future(eraser("actor", "usr_7"))
        await asyncio.sleep(0.8)
        await holder.rollback()
    assert (await waiting).events == 1
    await proven(connections, tenant)


async def test_a_month_that_is_missing_is_made(
    database: Database, connections: Connections, appender: Appender, intake: Intake, eraser: Eraser, tenant: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    await send(appender, take(intake, tenant, **FULL))
    days: list[date] = []

    async def missing(*arguments: Any) -> list[Receipt | InvalidEvent]:
        if not days:
            days.append(date(2041, 5, 1))
            raise MissingMonth(days[0])
        return await append(*arguments)

    monkeypatch.setattr(erasing, "append", missing)
    assert (await eraser("actor", "usr_7")).events == 1
    assert rows(database, "SELECT to_regclass('indelible.events_2041_05') IS NOT NULL") == [(True,)]
    await proven(connections, tenant)


async def test_nobody_of_that_name(connections: Connections, appender: Appender, intake: Intake, tenant: str) -> None:
    """There is no such tenant; there is no such person; there is one of whom everything is gone."""
    selection = Selection("actor", "usr_nobody", DEFAULT_GROUPS["actor"])
    assert await plan(connections, tenant, selection) is None
    await send(appender, take(intake, tenant, **FULL))
    planned = await plan(connections, tenant, selection)
    assert planned is not None
    assert (planned.events, planned.recorded) == (0, False)


async def test_what_was_planned_is_what_is_told(
    connections: Connections, appender: Appender, intake: Intake, eraser: Eraser, tenant: str
) -> None:
    await send(appender, *[take(intake, tenant, **FULL) for _ in range(3)])
    await eraser("actor", "usr_7", "context", "metadata")
    planned = await plan(connections, tenant, Selection("actor", "usr_7", ("actor", "context")))
    assert planned is not None
    assert (planned.events, list(planned.seqs), planned.recorded) == (3, [1, 2, 3], True)
    assert dict(planned.going) == {"actor": 3}
    assert dict(planned.staying) == {"changes": 3, "targets": 3}
    assert dict(planned.gone) == {"context": 3}
    assert dict(planned.types) == {"user": 3}
