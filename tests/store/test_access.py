"""The log of the log: once in ten minutes, whoever records it and whatever was sent, and only where a ledger is."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.catalog import Catalog
from indelible.event import MAX_EVENT_BYTES, Actor, Change, Context, Event, InvalidEvent, Target, dump, parse
from indelible.ledger.entry import MAX_ENTRY_BYTES, size_at_most
from indelible.store import access
from indelible.store.access import OPERATOR, AccessLog
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.errors import StoreUnavailable
from indelible.store.fitting import fitting
from indelible.store.intake import Intake
from indelible.store.sealing import prepare
from indelible.store.session import Database as Connections
from indelible.store.verify import verify
from tests.postgres import Database
from tests.store.samples import as_superuser, examples, rows, send, take

pytestmark = pytest.mark.anyio

SARAH = Actor(type="user", id="usr_7", name="Sarah Chen")
NOON = datetime.now(UTC).replace(minute=30, second=0, microsecond=0) - timedelta(hours=2)
"""Ten minutes of the clock begin then."""


def view(tenant: str, actor: Actor = SARAH, **fields: Any) -> Event:
    return Event(tenant_id=tenant, action="audit_log.viewed", actor=actor, **{"source": "ui", **fields})


@contextlib.asynccontextmanager
async def another_process(
    database: Database, catalog: Catalog, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> AsyncIterator[AccessLog]:
    async with (
        Connections.open(database.url) as connections,
        AccessLog.open(connections, Rules(catalog), clock=clock) as log,
    ):
        yield log


def entries(database: Database, tenant: str, action: str = "audit_log.viewed") -> list[tuple[datetime, str | None]]:
    """When, and of whom."""
    query = "SELECT occurred_at, actor_id FROM indelible.events WHERE tenant_id = %s AND action = %s ORDER BY seq"
    return [(occurred_at, actor) for occurred_at, actor in rows(database, query, tenant, action)]


@pytest.fixture
async def known(appender: Appender, tenant: str) -> str:
    """A tenant who has a ledger."""
    await appender.open_ledger(tenant)
    return tenant


async def test_many_processes_at_once_make_one_entry(
    database: Database, connections: Connections, catalog: Catalog, known: str
) -> None:
    """A page sends several requests, and each may reach another process: one look, one entry."""

    def clock() -> datetime:
        return NOON

    async with (
        another_process(database, catalog, clock) as one,
        another_process(database, catalog, clock) as two,
        another_process(database, catalog, clock) as three,
    ):
        # What differs from request to request must not make it another look.
        looks = (
            log.record_once(view(known, context=Context(request_id=f"{number}")), ["list"])
            for number in range(8)
            for log in (one, two, three)
        )
        await asyncio.gather(*looks)
    assert entries(database, known) == [(NOON, "usr_7")]
    report = await verify(connections, known)
    assert report is not None
    assert (report.proven, report.size) == (True, 2)


@pytest.mark.parametrize("process", ["the same", "another"])
@pytest.mark.parametrize(
    ("first", "then", "made"),
    [
        ("0:00", "9:59", 1),
        ("0:00", "10:00", 2),
        ("9:59", "10:00", 1),  # the next ten minutes of the clock, but not ten minutes later
        ("9:59", "19:58", 1),
        ("9:59", "19:59", 2),
        ("5:00", "4:00", 1),  # a clock that is behind
        ("10:00", "9:30", 1),
        ("0:00", "45:00", 2),
    ],
)
async def test_ten_minutes_are_ten_minutes(
    database: Database, catalog: Catalog, known: str, process: str, first: str, then: str, made: int
) -> None:
    """Whether it is remembered or has to be found, and wherever in the hour it begins."""

    def at(text: str) -> datetime:
        minutes, seconds = map(int, text.split(":"))
        return NOON + timedelta(minutes=minutes, seconds=seconds)

    now = at(first)
    async with (
        another_process(database, catalog, lambda: now) as one,
        another_process(database, catalog, lambda: now) as two,
    ):
        await one.record_once(view(known), ["list"])
        now = at(then)
        await (one if process == "the same" else two).record_once(view(known), ["list"])
    assert [occurred_at for occurred_at, _ in entries(database, known)] == [at(first), at(then)][:made]


async def test_another_person_or_another_thing_is_another_entry(
    database: Database, catalog: Catalog, known: str
) -> None:
    """Nobody's look may hide behind somebody else's, or behind one at something else."""
    looks: list[tuple[Event, list[str]]] = [
        (view(known), ["list"]),
        (view(known), ["list", '{"action":["user.joined"]}']),
        (view(known), ['list{"action"', '["user.joined"]}']),
        (view(known), ["event", "0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90"]),
        (view(known), ["", "list"]),
        (view(known, Actor(type="user", id="usr_8", name="Sarah Chen")), ["list"]),
        (view(known, Actor(type="api_key", id="usr_7")), ["list"]),
        (view(known, Actor(type="api_key", name="unknown")), ["list"]),
        (view(known, source="admin_panel"), ["list"]),
        (view(known, outcome="denied"), ["list"]),
        (view(known, metadata={"vendor_staff": True, "reason": "ticket 4512"}), ["list"]),
        (view(known, metadata={"vendor_staff": True, "reason": "ticket 4513"}), ["list"]),
    ]
    async with another_process(database, catalog) as log, another_process(database, catalog) as other:
        for event, key in looks:
            await log.record_once(event, key)
            await other.record_once(event, key)
    assert len(entries(database, known)) == len(looks)


async def test_a_part_is_on_record_with_the_whole_and_not_the_other_way_round(
    database: Database, catalog: Catalog, known: str
) -> None:
    async with another_process(database, catalog) as log, another_process(database, catalog) as other:
        await log.record_once(view(known), ["page"], within=["list"])
        await other.record_once(view(known), ["page"], within=["list"])
        assert len(entries(database, known)) == 1
        await log.record_once(view(known), ["list"])
        assert len(entries(database, known)) == 2
        await log.record_once(view(known), ["another page"], within=["list"])
        await other.record_once(view(known), ["another page"], within=["list"])
    assert len(entries(database, known)) == 2


async def test_a_ledger_that_is_locked_holds_up_no_other(database: Database, catalog: Catalog, known: str) -> None:
    """Everybody's reads wait for their entries: whoever can lock one ledger must not slow them all."""
    others = [f"{known}-{number}" for number in range(16)]  # more than there are lanes
    patience = timedelta(milliseconds=500)
    async with (
        Connections.open(database.url, size=6, lock_timeout=patience) as connections,
        Appender.open(connections, Rules(catalog)) as appender,
        AccessLog.open(connections, Rules(catalog)) as log,
    ):
        for other in others:
            await appender.open_ledger(other)
        with psycopg.connect(database.admin_url) as holder:
            holder.execute("SELECT FROM indelible.ledgers WHERE tenant_id = %s FOR UPDATE", (known,))
            held = [asyncio.create_task(log.record(view(known))) for _ in range(20)]
            await asyncio.sleep(1)
            clock = asyncio.get_running_loop().time
            began = clock()
            for _ in range(3):
                await asyncio.gather(*(log.record(view(other)) for other in others))
                held.append(asyncio.create_task(log.record(view(known))))
            assert clock() - began < 1.5  # a siding waits 0.5 s for the lock each time
            assert not any(task.done() for task in held)
            holder.rollback()
        assert all(receipt is not None for receipt in await asyncio.gather(*held))
        assert log._appender._sidings == {}
        assert await log.record(view(known)) is not None
    assert len(entries(database, known)) == len(held) + 1
    assert [len(entries(database, other)) for other in others] == [3] * len(others)


async def test_a_ledger_that_stays_locked_is_given_up(database: Database, catalog: Catalog, known: str) -> None:
    """And when the service ends meanwhile, it does end."""
    async with (
        Connections.open(database.url, lock_timeout=timedelta(milliseconds=50)) as connections,
        AccessLog.open(connections, Rules(catalog), patience=timedelta(seconds=1)) as log,
    ):
        with psycopg.connect(database.admin_url) as holder:
            holder.execute("SELECT FROM indelible.ledgers WHERE tenant_id = %s FOR UPDATE", (known,))
            looks = [log.record(view(known)) for _ in range(5)]
            answers = await asyncio.gather(*looks, return_exceptions=True)
            holder.rollback()
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 5


async def test_a_ledger_that_there_is_not_is_not_opened(database: Database, catalog: Catalog, tenant: str) -> None:
    """Else asking for tenants would make them, and tell by their ledgers who asked for what."""
    async with another_process(database, catalog) as log:
        assert await log.record(view(tenant)) is None
        await log.record_once(view(tenant), ["list"])
    assert rows(database, "SELECT FROM indelible.ledgers WHERE tenant_id = %s", tenant) == []


async def test_a_look_right_before_the_ledger_was_opened_hides_no_later_one(
    database: Database, catalog: Catalog, appender: Appender, tenant: str
) -> None:
    """A list that was empty because nothing had been logged yet is no look at what is logged a second later."""
    async with another_process(database, catalog) as log:
        await log.record_once(view(tenant), ["list"])
        await appender.open_ledger(tenant)
        await log.record_once(view(tenant), ["list"])
    assert len(entries(database, tenant)) == 1


async def test_the_operators_own_ledger_is_opened_by_its_first_entry(database: Database, catalog: Catalog) -> None:
    """What is no tenant's has to be recorded from the beginning; but a stranger opens nothing."""
    async with another_process(database, catalog) as log:
        assert await log.record(view(OPERATOR), opens=False) is None
        assert rows(database, "SELECT FROM indelible.ledgers WHERE tenant_id = %s", OPERATOR) == []
        receipt = await log.record(view(OPERATOR))
        assert receipt is not None
        assert receipt.seq == 1
        assert await log.record(view(OPERATOR), opens=False) is not None


def test_applications_cannot_log_into_the_operators_ledger(intake: Intake) -> None:
    """They could forge what was done with the vendor's own keys."""
    with pytest.raises(InvalidEvent, match="the service's own ledger") as refused:
        take(intake, OPERATOR)
    assert (refused.value.code, refused.value.errors[0].pointer) == ("reserved_tenant", "/tenant_id")
    assert take(intake, f"{OPERATOR}s").event.tenant_id == f"{OPERATOR}s"


async def test_an_id_that_somebody_took_hides_nothing(
    database: Database, catalog: Catalog, appender: Appender, intake: Intake, known: str
) -> None:
    """Even who knows the installation's secret, from a copy of the database, and may log, does not look unseen."""
    now = datetime.now(UTC)
    async with another_process(database, catalog, lambda: now) as log:
        next_id = await log._id(access._name(view(known), ["list"]), now)
        await send(appender, take(intake, known, id=str(next_id)))
        await log.record_once(view(known), ["list"])
    assert len(entries(database, known)) == 1


async def test_ids_cannot_be_told_in_advance(database: Database, catalog: Catalog, known: str) -> None:
    """Who could would log something of theirs under the id, and then look unseen."""
    name = access._name(view(known), ["list"])
    async with another_process(database, catalog) as log, another_process(database, catalog) as other:
        assert await log._id(name, NOON) == await other._id(name, NOON) != await log._id(name, NOON + access.WINDOW)
        as_superuser(database, "UPDATE indelible.installation SET secret = sha256('another')")
        async with another_process(database, catalog) as elsewhere:
            theirs, ours = await elsewhere._id(name, NOON), await log._id(name, NOON)
    # The time is no secret; the rest has nothing in common.
    assert theirs.int >> 80 == ours.int >> 80 == int(NOON.timestamp() * 1000)
    assert (theirs.int ^ ours.int).bit_count() > 15
    assert isinstance(ours, UUID)
    assert ours.version == 7


async def test_what_cannot_be_recorded_is_said_and_tried_again(
    database: Database, catalog: Catalog, known: str
) -> None:
    """An answer must not be given because an attempt to record it was made."""
    async with (
        Connections.open(database.url) as connections,
        AccessLog.open(connections, Rules(catalog), patience=timedelta(seconds=0.3)) as log,
    ):
        with psycopg.connect(database.admin_url) as holder:
            holder.execute("SELECT FROM indelible.ledgers WHERE tenant_id = %s FOR UPDATE", (known,))
            with pytest.raises(StoreUnavailable):
                await log.record_once(view(known), ["list"])
            with pytest.raises(StoreUnavailable):
                await log.record(view(known))
            holder.rollback()
        await log.record_once(view(known), ["list"])
    assert len(entries(database, known)) == 1


async def test_who_goes_away_while_it_is_recorded_is_recorded(database: Database, catalog: Catalog, known: str) -> None:
    """Closing the connection before the answer must be no way to look unseen, nor to have others not recorded."""
    async with another_process(database, catalog) as log:
        first, second = (asyncio.create_task(log.record_once(view(known), ["list"])) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await second
        gone = asyncio.create_task(log.record_once(view(known), ["another list"]))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(first, gone, return_exceptions=True)
    assert len(entries(database, known)) == 2


async def test_what_is_remembered_is_bounded(
    database: Database, catalog: Catalog, known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many different things are looked at; and what was forgotten is found in the ledger."""
    monkeypatch.setattr(access, "_MAX_KEPT", 3)
    async with another_process(database, catalog) as log:
        for _ in range(2):
            for number in range(7):
                await log.record_once(view(known), [str(number)])
        assert len(log._kept) == 3
    assert len(entries(database, known)) == 7


# --- what others sent


ANYTHING = st.text(st.characters(), max_size=50) | st.text(
    st.sampled_from(["\0", "\ud800", "\udfff", "\x1b", '"', "\\", "\u202e", "𝄞", "a", "\n"]), max_size=50
)
LONG = st.builds(lambda text, times: text * times, ANYTHING, st.sampled_from([1, 1, 1, 40, 5000]))
VALUES = st.recursive(
    LONG | st.none() | st.booleans() | st.integers() | st.floats() | st.datetimes(timezones=st.just(UTC)) | st.uuids(),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(LONG, inner, max_size=8) | st.sets(st.text(max_size=3)),
    max_leaves=60,
)
OPTIONAL = st.none() | LONG
EVENTS = st.builds(
    Event,
    tenant_id=st.just("acme"),
    action=st.just("audit_log.searched"),
    actor=st.builds(Actor, type=st.sampled_from(["user", "api_key"]), id=OPTIONAL, name=OPTIONAL, email=OPTIONAL),
    targets=st.lists(st.builds(Target, type=LONG, id=OPTIONAL, name=OPTIONAL), max_size=12),
    changes=st.dictionaries(LONG, st.builds(Change, from_=VALUES, to=VALUES), max_size=4),
    context=st.builds(Context, OPTIONAL, OPTIONAL, OPTIONAL, OPTIONAL),
    metadata=st.dictionaries(LONG, VALUES, max_size=10),
)


@examples(150)
@given(event=EVENTS)
def test_whatever_was_sent_becomes_an_event_that_a_vendor_could_have_sent(event: Event) -> None:
    """Else a header or a filter would keep the reader's own entry from being made."""
    made = fitting(event)
    sent = dump(made)
    assert parse(sent) == made
    assert len(sent) <= MAX_EVENT_BYTES
    assert (made.tenant_id, made.action, made.actor.type) == (event.tenant_id, event.action, event.actor.type)
    prepared = prepare(made, Catalog.load(), now=NOON)
    assert size_at_most(prepared.unsealed) <= MAX_ENTRY_BYTES
    assert not any("\0" in disclosure.decode() for disclosure in prepared.disclosures.values())


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        ("Sarah Chen", "Sarah Chen"),
        (["user.joined"], ["user.joined"]),
        ("a\0b\ud800c\nd", "a\ufffdb\ufffdc\ufffdd"),
        ("x" * 513, "x" * 511 + "…"),
        (["x"] * 42, [*["x"] * 40, "… and 2 more"]),
        (frozenset({"b", "a"}), ["a", "b"]),
        (2**53 - 1, 2**53 - 1),
        (2**53, "9007199254740992"),
        (math.nan, "nan"),
        (True, True),
        (datetime(2026, 11, 21, tzinfo=UTC), "2026-11-21T00:00:00+00:00"),
        ({"password": "hunter2", "in": {"api_key": ["k"]}}, {"password": "[masked]", "in": {"api_key": "[masked]"}}),
    ],
)
def test_what_fits_stays_and_what_does_not_is_cut(given_: object, shown: object) -> None:
    """An auditor must be able to read what was looked for."""
    assert fitting(view("acme", metadata={"value": given_})).metadata["value"] == shown


def test_the_more_there_is_the_less_is_kept_of_each() -> None:
    """Nine filters with many long values each: what was looked for is still there to see."""
    filters = {f"filter_{number}": ["𝄞" * 300] * 200 for number in range(9)}
    kept = fitting(view("acme", metadata={"filters": filters, "query": "who"})).metadata
    assert kept["query"] == "who"
    assert kept["filters"].keys() == filters.keys()
    assert all(values[-1].startswith("… and ") and len(values) > 3 for values in kept["filters"].values())


@pytest.mark.parametrize("tenant", ["", "a b", "x" * 129, "\0", "\ud800"])
def test_a_tenant_that_there_cannot_be_is_refused(tenant: str) -> None:
    """Cut to fit it would be another tenant."""
    with pytest.raises(InvalidEvent):
        fitting(view(tenant))


async def test_hostile_text_is_stored_and_the_ledger_verifies(
    database: Database, connections: Connections, catalog: Catalog, known: str
) -> None:
    """PostgreSQL takes less than JSON does: no NUL, no half pairs, no word of more than 2 KB in an index."""
    nasty = [
        "\0",
        "\ud800",
        "\udfff\ud800",
        "x" * 100_000,
        "\u202e" * 3000,
        "' & !",
        "\\u0000",
        "𝄞" * 5000,
        "\x7f\x1b[2J",
    ]
    async with another_process(database, catalog) as log:
        for number, text in enumerate(nasty):
            actor = Actor(type="user", id=text, name=text)
            event = view(
                known, actor, context=Context(text, text, text, text), metadata={"query": text, text: [text] * 50},
                targets=[Target(text, text, text)], changes={text: Change(text, text)},
            )  # fmt: skip
            assert await log.record(event) is not None
            await log.record_once(event, [text])
            await log.record_once(event, [text, str(number)])
    assert len(entries(database, known)) == 3 * len(nasty)
    report = await verify(connections, known)
    assert report is not None
    assert report.proven
