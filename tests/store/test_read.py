"""The timeline: what was asked for, newest first, page by page, while events come in."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from indelible.ledger import base64url
from indelible.store.appender import Appender
from indelible.store.intake import Intake
from indelible.store.read import BadCursor, Cursor, Filter, event, timeline
from indelible.store.sealing import Record
from indelible.store.session import Database as Connections
from indelible.store.view import Column, View
from tests.store.samples import examples, raw, send, take

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC).replace(microsecond=0)


# --- the timeline

# Few values, so that filters hit and times collide.
MOMENTS = st.integers(0, 5).map(lambda hours: NOW - timedelta(hours=hours))
EVENTS = st.fixed_dictionaries(
    {
        "occurred_at": MOMENTS,
        "action": st.sampled_from(["user.joined", "user.role_changed", "file.read"]),
        "actor": st.fixed_dictionaries(
            {"type": st.sampled_from(["user", "system"])}, optional={"id": st.sampled_from(["u1", "u2"])}
        ),
        "targets": st.lists(
            st.fixed_dictionaries({"type": st.sampled_from("fg")}, optional={"id": st.sampled_from("12")}), max_size=2
        ),
        "outcome": st.sampled_from(["success", "failure"]),
        "source": st.sampled_from(["ui", "api"]),
    }
)
VALUES: dict[Column, list[str]] = {
    "action": ["user.joined", "user.role_changed", "file.read", "none"],
    "category": ["access", "data"],
    "operation": ["created", "updated"],
    "outcome": ["success", "failure"],
    "source": ["ui", "api"],
    "actor_type": ["user", "system"],
    "actor_id": ["u1", "u2", "u3"],
    "target_type": ["f", "g"],
    "target_id": ["1", "2"],
}
EQUAL = st.fixed_dictionaries(
    {}, optional={c: st.lists(st.sampled_from(v), min_size=1, max_size=2) for c, v in VALUES.items()}
)
FILTERS = st.builds(
    Filter,
    since=st.none() | MOMENTS,
    until=st.none() | MOMENTS,
    equal=st.just({}) | EQUAL.map(lambda equal: dict(list(equal.items())[:2])),
)


def value_of(record: Record, column: Column) -> str | None:
    if column in ("category", "operation"):
        return record.category if column == "category" else record.operation
    owner, _, name = column.partition("_")
    if owner == "target":
        return getattr(record.event.targets[0], name) if record.event.targets else None
    return str(v) if (v := getattr(getattr(record.event, owner), name) if name else getattr(record.event, owner)) else v


def is_shown(record: Record, where: Filter) -> bool:
    occurred_at = record.event.occurred_at
    assert occurred_at is not None
    return (
        (where.since is None or occurred_at >= where.since)
        and (where.until is None or occurred_at < where.until)
        and all(value_of(record, column) in values for column, values in where.equal.items())
    )


def newest_first(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda r: (r.event.occurred_at or NOW, r.seq), reverse=True)


async def walk(connections: Connections, tenant: str, where: Filter, limit: int) -> list[list[Record]]:
    pages, cursor = [], None
    while True:
        page = await timeline(connections, View(tenant), where, limit=limit, after=cursor)
        pages.append(page.records)
        if page.next_cursor is None:
            return pages
        assert page.next_cursor != cursor, "the walk stands still"
        cursor = Cursor.parse(str(page.next_cursor))


def test_every_column_is_tried() -> None:
    assert set(VALUES) == set(get_args(Column))


@examples(40)
@given(events=st.lists(EVENTS, max_size=30), wanted=st.lists(st.tuples(FILTERS, st.integers(1, 9)), max_size=12))
async def test_pages_are_what_filtering_and_sorting_a_list_gives(
    appender: Appender,
    connections: Connections,
    intake: Intake,
    events: list[dict[str, Any]],
    wanted: list[tuple[Filter, int]],
) -> None:
    tenant = f"t-{uuid4().hex[:12]}"
    receipts = await send(appender, take(intake, tenant), *[take(intake, tenant, **fields) for fields in events])
    single = [await event(connections, View(tenant), receipt.id) for receipt in receipts]
    records = [record for record in single if record is not None]
    assert [r.seq for r in records] == [r.seq for r in receipts]
    (opening,) = [r for r in (await walk(connections, tenant, Filter(), 1000))[0] if r.seq == 0]
    for where, limit in [(Filter(), 4), *wanted]:
        expected = newest_first([r for r in [opening, *records] if is_shown(r, where)])
        pages = await walk(connections, tenant, where, limit)
        assert [r for page in pages for r in page] == expected
        assert all(len(page) == limit for page in pages[:-1])
        assert pages[-1] or not expected


@examples(25)
@given(
    before=st.lists(MOMENTS, min_size=1, max_size=20),
    during=st.lists(st.lists(MOMENTS, max_size=3), max_size=12),
    limit=st.integers(1, 5),
)
async def test_events_that_come_in_during_a_walk_displace_none(
    appender: Appender,
    connections: Connections,
    intake: Intake,
    before: list[datetime],
    during: list[list[datetime]],
    limit: int,
) -> None:
    """What was there when the walk began is seen once and in order; nothing at all is seen twice."""
    tenant = f"t-{uuid4().hex[:12]}"
    there = await send(appender, *[take(intake, tenant, occurred_at=moment) for moment in before])
    arriving = iter(during)
    seen: list[Record] = []
    cursor = None
    while True:
        page = await timeline(connections, View(tenant), Filter(), limit=limit, after=cursor)
        seen += page.records
        if page.next_cursor is None:
            break
        assert page.next_cursor != cursor, "the walk stands still"
        cursor = page.next_cursor
        await appender.append([take(intake, tenant, occurred_at=moment) for moment in next(arriving, [])])
    assert seen == newest_first(seen)
    assert len({r.seq for r in seen}) == len(seen)
    assert {r.seq for r in there} | {0} <= {r.seq for r in seen}


async def test_a_senders_clock_that_is_ahead_hides_nothing(
    appender: Appender, connections: Connections, intake: Intake, tenant: str
) -> None:
    """The service that took the event had the wrong time as well; it is recorded by PostgreSQL's."""
    ahead = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=4)
    late = intake.take(raw(tenant, occurred_at=ahead + timedelta(minutes=5)), now=ahead, history=False)
    (receipt,) = await send(appender, late)
    page = await timeline(connections, View(tenant), Filter(since=late.occurred_at))
    assert [r.seq for r in page.records] == [receipt.seq]


async def test_other_tenants_are_not_shown(
    appender: Appender, connections: Connections, intake: Intake, tenants: list[str]
) -> None:
    mine, other, nobody = tenants
    (receipt,) = await send(appender, take(intake, mine, id=uuid4()))
    await send(appender, take(intake, other))
    assert {r.event.tenant_id for r in (await timeline(connections, View(mine), Filter())).records} == {mine}
    assert await event(connections, View(other), receipt.id) is None
    assert (await timeline(connections, View(nobody), Filter())).records == []


# --- cursors


@given(
    st.builds(
        Cursor,
        st.datetimes(timezones=st.just(UTC)),
        st.integers(0, 2**63 - 1),
    )
)
def test_a_cursor_survives_being_written_down(cursor: Cursor) -> None:
    text = str(cursor)
    assert Cursor.parse(text) == cursor
    assert text.isascii()
    assert text.replace("-", "").replace("_", "").isalnum()


@given(st.text() | st.binary(max_size=20).map(base64url.encode) | st.text("AQgw_-=+/ 8", min_size=20, max_size=24))
@example("")
@example("A" * 22 + "==")
@example("f" * 22)
@example("AAAAAAAAAAAAAAAAAAAAAB")
@example("AAAA AAAAAAAAAAAAAAAAAA")
@example("é" * 22)
async def test_a_text_is_the_cursor_it_came_from_or_is_refused(text: str) -> None:
    try:
        cursor = Cursor.parse(text)
    except BadCursor:
        return
    assert str(cursor) == text


@examples(20)
@given(st.binary(min_size=16, max_size=16).map(base64url.encode))
@example(base64url.encode(b"\x80" + bytes(7) + b"\x80" + bytes(7)))
async def test_a_forged_cursor_is_only_another_place(connections: Connections, text: str) -> None:
    try:
        cursor = Cursor.parse(text)
    except BadCursor:
        return
    page = await timeline(connections, View("nobody"), Filter(), after=cursor)
    assert page.records == []
