"""Finding: page by page exactly the events that a filter describes, in order, whichever way leads to them."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.catalog import Catalog
from indelible.ledger.disclosure import GROUPS
from indelible.store import finding, narrowing, walking
from indelible.store.appender import Appender
from indelible.store.deciding import fulfils
from indelible.store.errors import TooSlow
from indelible.store.filter import Changed, Condition, Filter, Is, Term
from indelible.store.finding import HiddenPart, Page, Place, find, sample
from indelible.store.intake import Intake
from indelible.store.session import Database as Connections
from indelible.store.view import ALL_PARTS, View
from tests.postgres import Database
from tests.store.looked_for import CONDITIONS, MEMBERS, Seen, history, in_order, seen
from tests.store.meaning import is_in, means
from tests.store.samples import as_superuser, examples, raw, send, take
from tests.store.tampering import ROW, Ledger

pytestmark = pytest.mark.anyio


class Known:
    """All events of the tenant, newest first."""

    def __init__(self, events: list[Seen]) -> None:
        self.events = events

    def place(self, number: int | None) -> Place | None:
        """That of one of the events."""
        return None if number is None else self.events[number % len(self.events)].place

    def moment(self, number: int | None) -> datetime | None:
        place = self.place(number)
        return place.occurred_at if place is not None else None

    def expected(
        self, view: View, where: Filter, catalog: Catalog, *, newer: bool = False, after: Place | None = None
    ) -> list[Seen]:
        return [
            each
            for each in in_order(self.events, newer=newer)
            if is_in(each.record, view)
            and (where.since is None or each.place.occurred_at >= where.since)
            and (where.until is None or each.place.occurred_at < where.until)
            and (after is None or (each.place > after if newer else each.place < after))
            and all(means(each.record, condition, catalog, view) for condition in where.conditions)
        ]


TENANT, OTHER = "finding-acme", "finding-globex"
NOW = datetime.now(UTC).replace(microsecond=0)
FAR = timedelta(minutes=1)


@pytest.fixture(scope="module")
def everything(database: Database, catalog: Catalog) -> Known:
    """All that the tenant has; another one has the like."""

    async def fill() -> list[Seen]:
        await history(database, TENANT, catalog)
        await history(database, OTHER, catalog, events=60, seed=3)
        async with Connections.open(database.url) as connections:
            return await seen(database, connections, TENANT)

    everything = Known(asyncio.run(fill()))
    for tenant in (TENANT, OTHER):
        as_superuser(
            database,
            "INSERT INTO indelible.tenant_settings (tenant_id, member_access, member_sees) "
            "VALUES (%(tenant)s, true, %(sees)s)",
            tenant=tenant, sees=sorted(ALL_PARTS),
        )  # fmt: skip
    as_superuser(database, "ANALYZE indelible.events, indelible.event_personal")
    return everything


@contextmanager
def small(**sizes: int) -> Iterator[None]:
    """Sets the sizes from which on another way is taken."""
    with pytest.MonkeyPatch.context() as patch:
        for name, size in sizes.items():
            module = narrowing if hasattr(narrowing, f"_{name}") else walking
            patch.setattr(module, f"_{name}" if hasattr(module, f"_{name}") else name, size)
        yield


SIZES = st.sampled_from(
    [
        {},
        {"FREQUENT": 0, "LATE": 1, "FIRST_CHUNK": 1, "LARGEST_CHUNK": 4},
        {"FREQUENT": 3, "LATE": 2, "FIRST_CHUNK": 2, "LARGEST_CHUNK": 16, "MANY": 0},
        {"FREQUENT": 8, "LATE": 1, "FIRST_CHUNK": 7, "LARGEST_CHUNK": 7},
        {"FREQUENT": 20, "LATE": 40, "FIRST_CHUNK": 5, "LARGEST_CHUNK": 80, "MANY": 2},
        {"FREQUENT": 60, "LATE": 10, "FIRST_CHUNK": 30, "LARGEST_CHUNK": 30},
    ]
)
PARTS = st.just(ALL_PARTS) | st.frozensets(st.sampled_from(sorted(ALL_PARTS)))
EQUAL = st.fixed_dictionaries(
    {},
    optional={
        "action": st.lists(st.sampled_from(["user.removed", "invoice.Sent", "user.signed_in"]), max_size=2),
        "actor_id": st.lists(st.sampled_from(["usr_1", "k'1\\x"]), min_size=1, max_size=2),
        "target_id": st.just(["usr_10"]),
        "outcome": st.just(["success", "denied"]),
        "category": st.just(["access"]),
    },
)
VIEWS = st.builds(
    View,
    st.just(TENANT),
    st.none() | st.none() | st.sampled_from([*MEMBERS, "nobody"]),
    st.just({}) | EQUAL.map(lambda equal: dict(list(equal.items())[:2])),
    PARTS,
)


def hidden(view: View, where: Filter) -> bool:
    """Whether something is asked for by name that the view does not show."""
    asked = {c.field if isinstance(c, Is) else "changes" for c in where.conditions if not isinstance(c, Term)}
    return bool(asked & (ALL_PARTS - view.parts))


async def walk(search: Callable[[Place | None], Any], after: Place | None = None) -> list[Page]:
    pages: list[Page] = []
    while True:
        page: Page = await search(after)
        pages.append(page)
        if page.next is None:
            return pages
        assert page.next != after, "the walk stands still"
        assert len(pages) < 5000, "the walk does not end"
        after = page.next


AN_EVENT = st.none() | st.none() | st.integers(0, 10_000)
WANTED = {
    "view": VIEWS,
    "conditions": st.lists(CONDITIONS, max_size=3),
    "bounds": st.tuples(AN_EVENT, AN_EVENT),
    "newer": st.booleans(),
    "sizes": SIZES,
    "start": AN_EVENT,
}


@examples(100)
@given(**WANTED, limit=st.sampled_from([2, 3, 7, 20, 50, 500]))
async def test_pages_are_what_filtering_and_sorting_a_list_gives(
    connections: Connections,
    catalog: Catalog,
    everything: Known,
    view: View,
    conditions: list[Condition],
    bounds: tuple[int | None, int | None],
    newer: bool,
    sizes: dict[str, int],
    start: int | None,
    limit: int,
) -> None:
    """Views, filters, sizes of pages and ways to go: all as they come."""
    where = Filter(everything.moment(bounds[0]), everything.moment(bounds[1]), conditions)
    after = everything.place(start)

    async def search(after: Place | None) -> Page:
        return await find(connections, view, where, catalog, limit=limit, after=after, newer=newer)

    with small(**sizes):
        if hidden(view, where):
            with pytest.raises(HiddenPart):
                await search(after)
            return
        pages = await walk(search, after)
    there = everything.expected(view, where, catalog, newer=newer, after=after)
    assert [r.seq for page in pages for r in page.records] == [each.place.seq for each in there], (view, where, sizes)
    assert all(len(page.records) == limit and not page.cut for page in pages[:-1])
    assert pages[-1].records or not there
    for page in pages:
        ends = (
            [e.place for e in there if e.place.seq in (page.records[0].seq, page.records[-1].seq)]
            if page.records
            else []
        )
        assert page.ends == ((ends[0], ends[-1]) if ends else None)


@examples(30)
@given(**WANTED, limit=st.sampled_from([1, 4, 50]))
async def test_pages_for_which_there_is_no_time_lead_through_everything(
    connections: Connections,
    catalog: Catalog,
    everything: Known,
    view: View,
    conditions: list[Condition],
    bounds: tuple[int | None, int | None],
    newer: bool,
    sizes: dict[str, int],
    start: int | None,
    limit: int,
) -> None:
    """Each of them gets on, be it by little, and says that it was cut short."""
    since = everything.moment(bounds[0]) or everything.events[-1].place.occurred_at
    where = Filter(since, everything.moment(bounds[1]), conditions)
    after = everything.place(start)

    async def search(after: Place | None) -> Page:
        return await find(
            connections, view, where, catalog, limit=limit, after=after, newer=newer, budget=timedelta(seconds=-1)
        )

    if hidden(view, where):
        return
    with small(**sizes):
        pages = await walk(search, after)
    there = everything.expected(view, where, catalog, newer=newer, after=after)
    assert [r.seq for page in pages for r in page.records] == [each.place.seq for each in there], (view, where, sizes)
    assert all(len(page.records) <= limit for page in pages)
    assert all(page.cut is (len(page.records) < limit) for page in pages[:-1])
    assert not pages[-1].cut


@examples(30)
@given(
    view=VIEWS,
    conditions=st.lists(CONDITIONS, max_size=2),
    sizes=SIZES,
    most=st.sampled_from([1, 5, 40, 1000]),
    hurried=st.booleans(),
)
async def test_a_sample_is_the_newest_and_says_from_when_on_it_is_complete(
    connections: Connections,
    catalog: Catalog,
    everything: Known,
    view: View,
    conditions: list[Condition],
    sizes: dict[str, int],
    most: int,
    hurried: bool,
) -> None:
    where = Filter(conditions=conditions)
    if hidden(view, where):
        return
    with small(**sizes):
        budget = timedelta(seconds=-1 if hurried else 10)
        found = await sample(connections, view, where, catalog, most=most, budget=budget)
    there = everything.expected(view, where, catalog)
    rows = [(row.occurred_at, row.seq) for row in found.rows]
    assert rows == [(e.place.occurred_at, e.place.seq) for e in there[: len(rows)]]
    if not found.cut:
        assert len(rows) == min(most, len(there))
        assert found.capped == (len(there) > most)
    if found.back_to is None:
        assert rows == [(e.place.occurred_at, e.place.seq) for e in there]
    else:
        complete = [e.place.seq for e in there if e.place.occurred_at >= found.back_to]
        assert complete == [seq for occurred_at, seq in rows if occurred_at >= found.back_to]
    by_seq = {each.place.seq: each.record for each in there}
    for row in found.rows:
        event = by_seq[row.seq].event
        target = event.targets[0] if event.targets else None
        assert (row.action, row.category, row.operation) == (
            event.action,
            by_seq[row.seq].category,
            by_seq[row.seq].operation,
        )
        assert (row.outcome, row.source, row.actor_type, row.actor_id) == (
            event.outcome,
            event.source,
            event.actor.type,
            event.actor.id,
        )
        assert (row.target_type, row.target_id) == ((target.type, target.id) if target else (None, None))
        shown = event.metadata if "metadata" in view.parts and view.member is None else {}
        assert row.country == (shown.get("country") or shown.get("geo", {}).get("country"))


# --- while events come in

MOMENTS = st.integers(0, 5).map(lambda hours: NOW - timedelta(hours=hours))


@examples(25)
@given(
    before=st.lists(MOMENTS, min_size=1, max_size=20),
    during=st.lists(st.lists(MOMENTS, min_size=1, max_size=3), min_size=12, max_size=12),
    limit=st.integers(1, 5),
    sizes=SIZES,
    conditions=st.sampled_from([[], [Is("action", ["user.joined"])], [Term(["join"], excluded=True)]]),
    hurried=st.booleans(),
)
async def test_events_that_come_in_during_a_walk_displace_none(
    appender: Appender,
    connections: Connections,
    intake: Intake,
    catalog: Catalog,
    before: list[datetime],
    during: list[list[datetime]],
    limit: int,
    sizes: dict[str, int],
    conditions: list[Condition],
    hurried: bool,
) -> None:
    """What was there when the walk began is seen once and in order, though others are appended all the time; nothing
    at all is seen twice."""
    tenant = f"t-{uuid4().hex[:12]}"
    there = await send(appender, *[take(intake, tenant, occurred_at=moment) for moment in before])
    where = Filter(NOW - timedelta(days=3), None, conditions)
    wanted = {receipt.seq for receipt in there} if conditions != [Term(["join"], excluded=True)] else set()
    budget = timedelta(seconds=-1 if hurried else 10)

    async def search(after: Place | None) -> Page:
        return await find(connections, View(tenant), where, catalog, limit=limit, after=after, budget=budget)

    async def coming_in() -> None:
        for moments in during:
            await send(appender, *[take(intake, tenant, occurred_at=moment) for moment in moments])

    with small(**sizes):
        coming = asyncio.create_task(coming_in())
        pages = await walk(search)
        await coming
    places = [(r.event.occurred_at, r.seq) for page in pages for r in page.records]
    assert places == sorted(set(places), key=lambda place: (place[0] or NOW, place[1]), reverse=True)
    assert wanted <= {seq for _, seq in places}


async def test_what_comes_later_is_newer(
    appender: Appender, connections: Connections, intake: Intake, catalog: Catalog, tenant: str
) -> None:
    """As somebody sees it who asks again and again for what is newer than the newest that they have."""
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=20)
    await send(appender, take(intake, tenant, occurred_at=start))
    newest = (await find(connections, View(tenant), Filter(), catalog, limit=1)).ends
    assert newest is not None
    place, got = newest[0], []
    for number in range(1, 7):
        came = [take(intake, tenant, occurred_at=start + timedelta(seconds=number)) for _ in range(number)]
        receipts = await send(appender, *came)
        while True:
            where = Filter(conditions=[Is("action", ["user.joined"])] if number % 2 else [])
            page = await find(connections, View(tenant), where, catalog, limit=2, after=place, newer=True)
            got += [record.seq for record in page.records]
            place = page.ends[1] if page.ends else place
            if page.next is None:
                break
            assert page.next == place
        assert got[-number:] == [receipt.seq for receipt in receipts]
    assert got == sorted(set(got))


async def test_a_senders_clock_that_is_ahead_hides_nothing(
    appender: Appender, connections: Connections, intake: Intake, catalog: Catalog, tenant: str
) -> None:
    """The service that took the event had the wrong time as well; it is recorded by PostgreSQL's."""
    ahead = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=4)
    late = intake.take(raw(tenant, occurred_at=ahead + timedelta(minutes=5)), now=ahead, history=False)
    (receipt,) = await send(appender, late)
    for conditions in ([], [Is("action", ["user.joined"])]):
        page = await find(connections, View(tenant), Filter(late.occurred_at, conditions=conditions), catalog)
        assert [r.seq for r in page.records] == [receipt.seq]


async def test_other_tenants_are_not_shown(
    appender: Appender, connections: Connections, intake: Intake, catalog: Catalog, tenants: list[str]
) -> None:
    mine, other, nobody = tenants
    for tenant in (mine, other):
        await send(appender, take(intake, tenant))
    for conditions in ([], [Is("action", ["user.joined"])], [Term(["joined"])], [Term(["nothing"], excluded=True)]):
        where = Filter(conditions=conditions)
        found = (await find(connections, View(mine), where, catalog)).records
        assert {(r.event.tenant_id, r.seq) for r in found} >= {(mine, 1)}
        assert {r.event.tenant_id for r in found} == {mine}
        assert (await find(connections, View(nobody), where, catalog)).records == []


# --- what takes long

PHRASE = Filter(conditions=[Term(["nobody said this"], phrase=True, excluded=True)])
ROLES = Filter(conditions=[Changed("role", "to", ["admin"], excluded=True)])


@pytest.mark.parametrize("where", [PHRASE, ROLES], ids=str)
async def test_others_get_their_turn_while_events_are_decided_on(
    connections: Connections, catalog: Catalog, everything: Known, monkeypatch: pytest.MonkeyPatch, where: Filter
) -> None:
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

    monkeypatch.setattr(finding, "fulfils", counting)
    view = View(TENANT)
    busy = asyncio.create_task(others())
    budget = timedelta(minutes=1)
    page = await find(connections, view, where, catalog, limit=1000, budget=budget)
    rows = (await sample(connections, view, where, catalog, most=1000, budget=budget)).rows
    busy.cancel()
    there = everything.expected(view, where, catalog)
    assert [record.seq for record in page.records] == [row.seq for row in rows] == [each.place.seq for each in there]
    assert len(decided) >= 2 * len(there) > 200
    assert max(Counter(decided).values()) <= 50
    hurried = await sample(connections, view, where, catalog, most=1000, budget=timedelta(seconds=-1))
    assert hurried.cut
    assert len(hurried.rows) <= 50


@contextmanager
def slow_from(statement: int) -> Iterator[None]:
    """Of the statements by which a walk looks at entries, that one and those after it."""
    count = 0

    class Slow(walking.Walk):
        async def _rows(self, query: Any, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
            nonlocal count
            count += 1
            if count >= statement:
                await self._connection.execute("SELECT pg_sleep(60)")
            return await super()._rows(query, parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finding, "Walk", Slow)
        yield


async def test_a_statement_that_takes_too_long_costs_nothing_that_was_found(
    database: Database, catalog: Catalog, everything: Known
) -> None:
    """Not where to go on, either. Only where there is nothing to tell it is an error."""
    view, where = View(TENANT), Filter(conditions=[Is("outcome", ["success"], excluded=True)])
    there = [each.place for each in everything.expected(view, where, catalog)]
    async with Connections.open(database.url, statement_timeout=timedelta(milliseconds=200)) as hasty:
        with small(FIRST_CHUNK=20, LARGEST_CHUNK=20):
            with slow_from(1):
                for ask in (find(hasty, view, where, catalog), sample(hasty, view, where, catalog, most=1000)):
                    with pytest.raises(TooSlow, match=r"longer than 0\.2 s"):
                        await ask
            with slow_from(3):
                page = await find(hasty, view, where, catalog, limit=1000)
            with slow_from(3):
                rows = await sample(hasty, view, where, catalog, most=1000)
            rest = await find(hasty, view, where, catalog, limit=1000, after=page.next)
    assert page.cut
    assert page.next is not None
    seqs = [record.seq for record in page.records]
    assert seqs == [row.seq for row in rows.rows] == [place.seq for place in there if place >= page.next]
    assert [record.seq for record in rest.records] == [place.seq for place in there if place < page.next]
    assert (rows.cut, rows.capped) == (True, False)
    assert rows.back_to is not None
    assert rows.back_to >= page.next.occurred_at
    # However long a statement may take elsewhere: here there is a time to look for a page.
    async with Connections.open(database.url) as patient:
        with slow_from(1), pytest.raises(TooSlow, match="longer than 1 s"):
            await find(patient, view, where, catalog, budget=timedelta())


# --- what somebody altered

WAYS: list[list[Condition]] = [
    [],
    [Is("action", ["user.role_changed"])],
    [Is("outcome", ["denied", "failure"])],
    [Term(["sarah"])],
    [Term(["Sarah Chen"], phrase=True)],
    [Changed("role", "from", ["member"])],
    [Changed("nothing", excluded=True), Is("source", ["ui"])],
]
TIMES = ["'-infinity'", "'infinity'", "'4000-01-01Z BC'", "'20000-01-01Z'", "'9999-12-30Z'"]


@pytest.mark.parametrize("table", ["events", "event_personal", "both"])
@pytest.mark.parametrize("time", TIMES)
async def test_a_time_that_no_clock_tells_neither_loops_nor_hides(
    ledger: Ledger, catalog: Catalog, table: str, time: str
) -> None:
    """However many have it: every page leads on, and past all that were not altered."""
    tables = ["events", "event_personal"] if table == "both" else [table]
    ledger.tamper(
        *(
            f"UPDATE indelible.{t} SET occurred_at = {time} WHERE tenant_id = %(tenant)s AND seq IN (2, 3, 4)"
            for t in tables
        )
    )
    for conditions in WAYS:
        where = Filter(conditions=conditions)
        for newer in (False, True):
            for limit in (1, 2, 50):

                async def search(
                    after: Place | None, where: Filter = where, limit: int = limit, newer: bool = newer
                ) -> Page:
                    view = View(ledger.tenant)
                    return await find(ledger.connections, view, where, catalog, limit=limit, after=after, newer=newer)

                pages = await walk(search)
                seqs = [r.seq for page in pages for r in page.records]
                assert {1, 5} <= set(seqs) <= set(range(7))
                if table == "both":
                    assert len(seqs) == len(set(seqs))
                    assert {2, 3, 4} <= set(seqs)


@pytest.mark.parametrize("conditions", WAYS, ids=str)
async def test_an_altered_entry_is_listed_all_the_same(
    ledger: Ledger, catalog: Catalog, conditions: list[Condition]
) -> None:
    """Whatever became of it, and whatever number it says that it has."""
    where = Filter(conditions=conditions)
    for forged in (
        "replace(encode(entry, 'escape'), '\"seq\":3', '\"seq\":999')::bytea",
        "replace(encode(entry, 'escape'), '\"seq\":3', '\"seq\":0')::bytea",
        "'{}'::bytea",
        "'\\xffff'::bytea",
    ):
        ledger.tamper(f"UPDATE indelible.events SET entry = {forged} WHERE {ROW}")
        for limit in (1, 50):
            for newer in (False, True):

                async def search(after: Place | None, limit: int = limit, newer: bool = newer) -> Page:
                    view = View(ledger.tenant)
                    return await find(ledger.connections, view, where, catalog, limit=limit, after=after, newer=newer)

                records = [r for page in await walk(search) for r in page.records]
                altered = [r for r in records if "entry" in r.altered]
                assert len(altered) == 1
                assert {1, 2, 4, 5} <= {r.seq for r in records if not r.altered}
        rows = (await sample(ledger.connections, View(ledger.tenant), where, catalog, most=100)).rows
        assert {1, 2, 3, 4, 5} <= {row.seq for row in rows}


@pytest.mark.parametrize(
    "broken", ["'[]'", "'x'", "'{\"country\": 1}'", "'[1,2,\"country\"]'", "repeat('[', 60000) || 'country'"]
)
async def test_a_broken_disclosure_fails_no_page(ledger: Ledger, catalog: Catalog, broken: str) -> None:
    groups = ", ".join(f"{group} = {broken}" for group in GROUPS)
    ledger.tamper(f"UPDATE indelible.event_personal SET {groups} WHERE {ROW}")
    for conditions in WAYS:
        where = Filter(conditions=conditions)
        seqs = [r.seq for r in (await find(ledger.connections, View(ledger.tenant), where, catalog)).records]
        decided = any(
            (isinstance(c, Changed) and not c.excluded) or (isinstance(c, Term) and c.phrase) for c in conditions
        )
        assert {1, 2, 4, 5} | (set() if decided else {3}) <= set(seqs)
        found = await sample(ledger.connections, View(ledger.tenant), where, catalog, most=100)
        assert [row.seq for row in found.rows] == seqs
