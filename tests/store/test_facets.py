"""Counting events, and naming whom they name: what a view shows, all of it, or what it says is missing."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.catalog import Catalog
from indelible.store import directory, finding, walking
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.erase import Order, Selection, erase, plan
from indelible.store.facets import Facets, count
from indelible.store.filter import Filter, Is, Term
from indelible.store.finding import find
from indelible.store.intake import Intake
from indelible.store.sealing import Record
from indelible.store.session import Database as Connections
from indelible.store.view import View
from tests.postgres import Database
from tests.store.samples import as_superuser, examples, raw, send, take

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)

EVERYTHING = Filter()

Count = Callable[..., Any]


@pytest.fixture
def tenant(tenants: list[str]) -> str:
    return tenants[0]


@pytest.fixture
def counted(connections: Connections, catalog: Catalog) -> Count:
    async def run(view: View | str, where: Filter = EVERYTHING, **options: Any) -> Facets:
        view = View(view) if isinstance(view, str) else view
        return await count(connections, view, where, catalog, **{"now": NOW, "top": 100, **options})

    return run


def user(id_: str, name: str | None = None) -> dict[str, str]:
    return {"type": "user", "id": id_} | ({"name": name} if name else {})


def values(found: Facets, facet: str) -> dict[str, int]:
    return {each.value: each.count for each in found.values[facet]}  # type: ignore[index]


# --- facets

EVENTS = st.fixed_dictionaries(
    {
        "occurred_at": st.integers(0, 50).map(lambda hours: NOW - timedelta(hours=hours)),
        "action": st.sampled_from(["user.joined", "user.role_changed", "user.sign_in_failed", "file.read"]),
        "actor": st.sampled_from([user("u1", "Ada"), user("u2"), {"type": "system"}, {"type": "api_key", "id": "u1"}]),
        "targets": st.lists(st.sampled_from([user("u1"), user("u3"), {"type": "doc", "id": "d"}]), max_size=2),
        "outcome": st.sampled_from(["success", "failure"]),
        "source": st.sampled_from(["ui", "api"]),
    }
)
CONDITIONS: Sequence[tuple[Is, Callable[[Record], bool]]] = [
    (Is("action", ("user.joined", "file.read")), lambda r: r.event.action in ("user.joined", "file.read")),
    (Is("outcome", ("failure",)), lambda r: r.event.outcome == "failure"),
    (Is("source", ("ui",), excluded=True), lambda r: r.event.source != "ui"),
    (Is("actor_type", ("user",)), lambda r: r.event.actor.type == "user"),
    (Is("actor_id", ("u1",)), lambda r: r.event.actor.id == "u1"),
    (Is("target_id", ("d",)), lambda r: any(t.id == "d" for t in r.event.targets)),
]


def is_of_u1(record: Record) -> bool:
    event = record.event
    return ("user", "u1") in [(event.actor.type, event.actor.id), *((t.type, t.id) for t in event.targets)]


VIEWS: Sequence[tuple[dict[str, Any], Callable[[Record], bool]]] = [
    ({}, lambda _: True),
    ({"equal": {"action": ["user.joined"]}}, lambda r: r.event.action == "user.joined"),
    ({"member": "u1", "parts": frozenset()},
     is_of_u1),
]  # fmt: skip


@examples(12)
@given(
    events=st.lists(EVENTS, max_size=40),
    asked=st.lists(
        st.tuples(
            st.sampled_from(VIEWS), st.lists(st.sampled_from(CONDITIONS), max_size=2), st.none() | st.integers(1, 40)
        ),
        min_size=1,
        max_size=4,
    ),
)
async def test_the_counts_are_those_of_a_list(
    database: Database, connections: Connections, appender: Appender, intake: Intake, catalog: Catalog, counted: Count,
    events: list[dict[str, Any]], asked: list[Any],
) -> None:  # fmt: skip
    tenant = f"t-{uuid4().hex[:12]}"
    await send(appender, take(intake, tenant), *[take(intake, tenant, **fields) for fields in events])
    let_members_look(database, tenant)
    everything = (await find(connections, View(tenant), Filter(), catalog, limit=1000)).records
    assert len(everything) == len(events) + 2
    for (view, is_seen), conditions, hours in [(VIEWS[0], [], None), *asked]:
        since = NOW - timedelta(hours=hours) if hours is not None else None
        records = [
            record
            for record in everything
            if is_seen(record)
            and all(holds(record) for _, holds in conditions)
            and (since is None or record.event.occurred_at >= since)  # type: ignore[operator]
        ]
        found = await counted(View(tenant, **view), Filter(since, None, tuple(c for c, _ in conditions)))
        assert (found.count, found.capped, found.complete_since) == (len(records), False, None)
        for facet in ("action", "outcome", "source"):
            assert values(found, facet) == Counter(getattr(record.event, facet) for record in records)
        for facet in ("category", "operation"):
            assert values(found, facet) == Counter(filter(None, (getattr(record, facet) for record in records)))
        first = (record.event.targets[0].type for record in records if record.event.targets)
        assert values(found, "target_type") == Counter(first)
        specs = (catalog.get(record.event.action) for record in records)
        assert values(found, "severity") == Counter(spec.severity for spec in specs if spec)
        assert {(a.type, a.id): a.count for a in found.actors} == Counter(
            (record.event.actor.type, record.event.actor.id) for record in records
        )
        assert all((a.name == "Ada") == ((a.type, a.id) == ("user", "u1")) for a in found.actors)
        assert (sum(found.histogram.counts), found.histogram.complete_since) == (len(records), None)


async def test_the_most_frequent_come_first_and_no_more_than_asked_for(
    appender: Appender, intake: Intake, counted: Count, tenant: str
) -> None:
    actions = ["b.b"] * 2 + ["a.a"] * 2 + ["c.c"] * 3 + ["d.d"]
    await send(appender, *[take(intake, tenant, action=action, actor=user(action)) for action in actions])
    found = await counted(tenant, Filter(conditions=(Is("actor_type", ("user",)),)), top=3)
    assert [(v.value, v.count) for v in found.values["action"]] == [("c.c", 3), ("a.a", 2), ("b.b", 2)]
    assert [(a.id, a.count) for a in found.actors] == [("c.c", 3), ("a.a", 2), ("b.b", 2)]
    assert found.count == 8
    assert "country" not in found.values


async def test_what_was_not_counted_is_said_to_be_missing(
    appender: Appender, intake: Intake, counted: Count, tenant: str
) -> None:
    """Of values the newest are counted; of times further back, where nothing is asked but when."""
    moments = [NOW - timedelta(minutes=30 * n) for n in range(40)]
    await send(appender, *[take(intake, tenant, occurred_at=moment, outcome="failure") for moment in moments])
    opening = 1

    found = await counted(tenant, most=10)
    assert (found.count, found.capped, found.histogram.complete_since) == (10, True, None)
    assert sum(1 for moment in moments if moment >= found.complete_since) + opening == 10
    assert sum(found.histogram.counts) == 40 + opening
    assert found.histogram.buckets.since == moments[-1]

    bounded = await counted(tenant, Filter(since=moments[30] - timedelta(days=1)), most=10, most_by_time=20)
    assert sum(bounded.histogram.counts) == 20
    assert bounded.histogram.buckets.since == moments[30] - timedelta(days=1)
    complete = sum(1 for moment in moments if moment >= bounded.histogram.complete_since)
    assert complete + opening == 20

    for view, where in (
        (View(tenant), Filter(conditions=(Is("outcome", ("failure",)),))),
        (View(tenant, equal={"outcome": ["failure"]}), Filter()),
    ):
        narrowed = await counted(view, where, most=10)
        assert (narrowed.count, sum(narrowed.histogram.counts)) == (10, 10)
        assert narrowed.histogram.complete_since == narrowed.complete_since == moments[10] + timedelta(milliseconds=1)

    exactly = await counted(tenant, most=41)
    assert (exactly.count, exactly.capped, exactly.complete_since) == (41, False, None)


async def test_no_time_to_count_is_said_as_well(
    appender: Appender, intake: Intake, counted: Count, tenant: str
) -> None:
    """Old events lie behind a span without any, which has to be gone through first."""
    days = [100, 200, 300]
    old = [raw(tenant, occurred_at=NOW - timedelta(days=n)) for n in days]
    await send(appender, *[intake.take(each, now=NOW, history=True) for each in old])
    where = Filter(conditions=(Is("actor_type", ("user",)),))
    found = await counted(tenant, where, budget=timedelta())
    assert (found.cut, found.capped, found.histogram.complete_since) == (True, True, found.complete_since)
    assert found.count == sum(NOW - timedelta(days=n) >= found.complete_since for n in days) < 3
    assert (await counted(tenant, where)).count == 3


async def test_what_was_counted_before_a_statement_took_too_long_is_told(
    database: Database, appender: Appender, intake: Intake, catalog: Catalog, tenant: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Countries as well, which are asked for afterwards."""
    where = Filter(conditions=(Is("outcome", ("success",), excluded=True),))
    await send(appender, *[
        take(intake, tenant, outcome="failure" if n % 2 else "success", metadata={"country": "PT"},
             occurred_at=NOW - timedelta(minutes=n + 1))
        for n in range(20)
    ])  # fmt: skip

    class Slow(walking.Walk):
        _asked = 0

        async def _rows(self, query: Any, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
            self._asked += 1
            if self._asked == 2:
                await self._connection.execute("SELECT pg_sleep(60)")
            return await super()._rows(query, parameters)

    monkeypatch.setattr(finding, "Walk", Slow)
    monkeypatch.setattr(walking, "_FIRST_CHUNK", 4)
    async with Connections.open(database.url, statement_timeout=timedelta(milliseconds=200)) as hasty:
        found = await count(hasty, View(tenant), where, catalog, now=NOW, most=9)
    assert 0 < found.count < 9
    assert (found.cut, found.capped, found.histogram.complete_since) == (True, True, found.complete_since)
    assert values(found, "country") == {"PT": found.count}


async def test_an_empty_log_is_counted_too(counted: Count, tenant: str) -> None:
    found = await counted(tenant)
    assert (found.count, found.capped, found.actors, found.histogram.counts) == (0, False, [], [])
    since = await counted(tenant, Filter(since=NOW - timedelta(days=2)))
    assert (since.histogram.buckets.size, set(since.histogram.counts)) == ("1h", {0})


async def test_the_name_is_the_latest_that_is_still_shown(
    database: Database, connections: Connections, appender: Appender, intake: Intake, catalog: Catalog, counted: Count,
    tenant: str,
) -> None:  # fmt: skip
    old, new, bare = (
        take(intake, tenant, actor=user("u1", name), occurred_at=NOW - timedelta(hours=hours))
        for name, hours in (("Ada Byron", 3), ("Ada King", 2), (None, 1))
    )
    *_, altered = await send(appender, old, new, bare, take(intake, tenant, actor=user("u2", "Bob")))

    async def names() -> dict[str | None, str | None]:
        return {actor.id: actor.name for actor in (await counted(tenant)).actors if actor.type == "user"}

    assert await names() == {"u1": "Ada King", "u2": "Bob"}
    as_superuser(
        database,
        "UPDATE indelible.event_personal SET actor = replace(actor, 'Bob', 'Eve') "
        "WHERE tenant_id = %(tenant)s AND seq = %(seq)s",
        tenant=tenant,
        seq=altered.seq,
    )
    assert await names() == {"u1": "Ada King", "u2": None}
    await erase_all_of(connections, catalog, tenant, "u1")
    assert await names() == {"u1": None, "u2": None}
    assert (await directory.actors(connections, View(tenant), "ada", catalog, limit=9)).named == []
    assert {n.name for n in (await directory.actors(connections, View(tenant), None, catalog, limit=9)).named} == {None}


async def erase_all_of(connections: Connections, catalog: Catalog, tenant: str, id_: str) -> None:
    selection = Selection("actor", id_, ("actor",))
    planned = await plan(connections, tenant, selection)
    assert planned is not None
    await erase(connections, tenant, selection, Order("asked for"), Rules(catalog), planned)


def let_members_look(database: Database, tenant: str) -> None:
    as_superuser(
        database,
        "INSERT INTO indelible.tenant_settings (tenant_id, member_access, member_sees) VALUES (%(tenant)s, true, '{}')",
        tenant=tenant,
    )


async def test_only_what_a_view_shows_is_told(
    database: Database, connections: Connections, appender: Appender, intake: Intake, catalog: Catalog, counted: Count,
    tenants: list[str],
) -> None:  # fmt: skip
    """Other tenants, other people's events, and what a viewer token leaves out: no value, no name, no number."""
    mine, other, _ = tenants
    sarah = [
        take(intake, mine, action="own.done", actor=user("u1", "Sarah"), targets=[{"type": "own", "name": "Own"}]),
        take(intake, mine, action="own.done", actor=user("u9", "Ownboss"), targets=[user("u1", "Sarah")]),
    ]
    hidden = [
        take(intake, tenant, action="secret.done", actor=user("u2", "Secret Sarah"), outcome="denied",
             targets=[{"type": "secret", "id": "secret", "name": "Secret Sarah"}])
        for tenant in (mine, other)
    ]  # fmt: skip
    await send(appender, *hidden, *sarah, *[take(intake, other, action="secret.done") for _ in range(3)])
    let_members_look(database, mine)
    member = View(mine, "u1", parts=frozenset())
    views = [member, View(mine, equal={"action": ["own.done"]})]
    for view in views:
        found = await counted(view)
        told = repr(found)
        assert found.count == 2
        for text in (None, "sarah", "secret", "se", "s", "own"):
            told += repr(await directory.actors(connections, view, text, catalog, limit=50))
            told += repr(await directory.targets(connections, view, text, catalog, limit=50))
            told += repr(await directory.actions(connections, view, text, catalog, limit=50))
        for text in ("secret", "denied", "Secret Sarah"):
            told += repr(await counted(view, Filter(conditions=(Term((text,)),))))
        assert "ecret" not in told
        assert "Ownboss" in told
    assert (await directory.actions(connections, member, None, catalog, limit=9)).names == ["own.done"]
    vendor = await directory.actions(connections, View(mine), None, catalog, limit=9)
    assert vendor.names == ["ledger.created", "own.done", "secret.done"]


# --- directories


async def test_actors_are_found_by_name_address_and_id(
    connections: Connections, appender: Appender, intake: Intake, catalog: Catalog, tenant: str
) -> None:
    """Whoever was seen last first, once, and as they were called last; with nobody else of the same event."""
    helped = {**user("u1", "Sarah Chen"), "impersonator": {"id": "sup_3", "name": "Ana Ruiz"}}
    events: list[dict[str, Any]] = [
        {"actor": {**user("u1", "Sara Chen"), "email": "sarah@acme.example"}},
        {"actor": user("u2", "Müller, Max"), "targets": [user("u8", "Sarah Target")]},
        {"actor": {"type": "system", "name": "Nightly sync"}},
        {"actor": {"type": "system", "name": "Nightly backup"}},
        {"actor": helped},
        {"actor": user("u1")},
    ]
    for number, fields in enumerate(events):
        await send(appender, take(intake, tenant, **fields, occurred_at=NOW - timedelta(minutes=20 - number)))

    async def found(text: str | None) -> list[tuple[str | None, str | None, str | None]]:
        seen = await directory.actors(connections, View(tenant), text, catalog, limit=9)
        assert seen.partial is False
        return [(actor.id, actor.name, actor.email) for actor in seen.named]

    chen = ("u1", "Sarah Chen", "sarah@acme.example")
    assert await found("sarah") == [chen]
    assert await found("CHE sa") == [chen]
    assert await found("acme.exam") == [("u1", "Sara Chen", "sarah@acme.example")]
    assert await found("u1") == [chen]
    assert await found("ruiz") == [("sup_3", "Ana Ruiz", None)]
    assert await found("mull") == await found("üller") == [("u2", "Müller, Max", None)]
    assert await found("nightly") == [(None, "Nightly backup", None), (None, "Nightly sync", None)]
    assert await found("nobody") == await found("!") == []
    assert [each[:2] for each in await found(None)] == [
        ("u1", "Sarah Chen"), ("sup_3", "Ana Ruiz"), (None, "Nightly backup"), (None, "Nightly sync"),
        ("u2", "Müller, Max"),
    ]  # fmt: skip


async def test_targets_are_found_wherever_they_stand(
    connections: Connections, appender: Appender, intake: Intake, catalog: Catalog, tenant: str
) -> None:
    doc, plan_ = {"type": "document", "id": "doc_1", "name": "Plans"}, {"type": "plan", "id": "pro", "name": "Pro plan"}
    await send(appender, take(intake, tenant, actor=user("u1", "Planner"), targets=[doc, plan_]))

    async def found(text: str | None, type_: str | None = None) -> list[str]:
        seen = await directory.targets(connections, View(tenant), text, catalog, type_=type_, limit=9)
        return sorted(target.id or "" for target in seen.named)

    assert await found("plan") == ["doc_1", "pro"]
    assert await found("plan", "document") == await found("doc") == await found(None, "document") == ["doc_1"]
    assert await found("doc", "plan") == await found("planner") == []


async def test_more_than_was_looked_at_is_said_to_be_there(
    connections: Connections, appender: Appender, intake: Intake, catalog: Catalog, tenant: str
) -> None:
    ids = ["u1", "u2", "u3", "u1", "u1"]
    await send(appender, *[
        take(intake, tenant, actor=user(id_, "Kim"), occurred_at=NOW - timedelta(minutes=n))
        for n, id_ in enumerate(ids)
    ])  # fmt: skip
    view = View(tenant)
    for limit, most, expected in ((9, 9, (3, False)), (2, 9, (2, True)), (9, 2, (2, True)), (3, 5, (3, False))):
        seen = await directory.actors(connections, view, "kim", catalog, limit=limit, most=most)
        assert (len(seen.named), seen.partial) == expected
    actions = await directory.actions(connections, view, None, catalog, limit=1)
    assert (actions.names, actions.partial) == (["ledger.created"], True)
    member = await directory.actions(connections, View(tenant, equal={"actor_type": ["user"]}), None, catalog,
                                     limit=9, most=2)  # fmt: skip
    assert (member.names, member.partial) == (["user.joined"], True)


# Each with one name, which its events show or not.
PEOPLE: Sequence[dict[str, str]] = [
    user("u1", "Kim Lee"), user("u2", "Kim"), user("u4", "Bo Kim"), user("u9", "Ada"), user("u3"),
    {"type": "api_key", "id": "k1", "name": "Kim key"}, {"type": "system", "name": "Kim sync"},
    {"type": "system", "name": "Kim backup"},
]  # fmt: skip
FREQUENT = [user("u1", "Kim Lee")] * 20
DONE = st.builds(
    lambda actor, by, targets: {
        "actor": actor if by is None else {**actor, "impersonator": {"id": by["id"], "name": by["name"]}},
        "targets": targets,
    },
    st.sampled_from([*FREQUENT, *PEOPLE]),
    st.sampled_from([None] * 20 + [user("s1", "Kim Support")]),
    st.lists(st.sampled_from([*FREQUENT[:9], *PEOPLE]), max_size=2),
)


@examples(20)
@given(events=st.lists(DONE, min_size=25, max_size=40), limit=st.sampled_from([1, 3, 20]))
async def test_whoever_did_much_hides_nobody(
    connections: Connections, appender: Appender, intake: Intake, catalog: Catalog,
    events: list[dict[str, Any]], limit: int,
) -> None:  # fmt: skip
    """Whoever is missing, or not where they belong, is named beside others, and the answer is said to be a part."""
    tenant = f"t-{uuid4().hex[:12]}"
    taken = [take(intake, tenant, occurred_at=NOW - timedelta(seconds=n), **each) for n, each in enumerate(events)]
    await send(appender, *taken)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(directory, "_PAGE", 4)
        patch.setattr(directory, "_ROWS", 5)
        for ask, text in ((directory.actors, "kim"), (directory.actors, "u"), (directory.targets, "kim")):
            seen: dict[Any, None] = {}
            alone, beside = set[Any](), set[Any]()
            for each in events:
                actor = each["actor"]
                people = each["targets"] if ask is directory.targets else [actor]
                if ask is directory.actors and "impersonator" in actor:
                    people = [actor, {"type": "user", **actor["impersonator"]}]
                for who in people:
                    name = who.get("name")
                    if (who.get("id") or "").startswith(text) or text in (name or "").lower().split():
                        key = (who["type"], who.get("id"), name)
                        seen.setdefault(key)
                        (alone if len(people) == 1 and who.get("id") else beside).add(key)
            found = await ask(connections, View(tenant), text, catalog, limit=limit, budget=timedelta(minutes=1))
            told = [(each.type, each.id, each.name) for each in found.named]
            assert len(set(told)) == len(told)
            assert set(told) <= seen.keys()
            exact = alone - beside
            assert [who for who in seen if who in told and who in exact] == [who for who in told if who in exact]
            if not found.partial:
                assert told == list(seen)
            elif len(told) < limit:
                assert alone <= set(told)
            assert len(told) >= min(limit, 1, len(seen))


async def test_events_that_name_somebody_else_are_not_read_for_ever(
    connections: Connections, appender: Appender, intake: Intake, catalog: Catalog, tenant: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """An event has the words, and nobody in it has all of them: none of its actors can be left out."""
    both = {**user("u1", "Kim Lee"), "impersonator": {"id": "s1", "name": "Ada Ruiz"}}
    await send(appender, *[take(intake, tenant, actor=both) for _ in range(30)])
    monkeypatch.setattr(directory, "_PAGE", 3)
    monkeypatch.setattr(directory, "_ROWS", 3)
    seen = await directory.actors(connections, View(tenant), "kim ruiz", catalog, limit=9, most=12)
    assert (seen.named, seen.partial, seen.cut) == ([], True, False)
    late = await directory.actors(connections, View(tenant), "kim", catalog, limit=9, budget=timedelta())
    assert ([each.id for each in late.named], late.partial, late.cut) == (["u1"], True, True)


async def test_actions_are_found_by_the_words_of_their_sentence(
    connections: Connections, appender: Appender, intake: Intake, catalog: Catalog, tenant: str
) -> None:
    done = ["user.role_changed", "user.joined", "widget.spun"]
    await send(appender, *[take(intake, tenant, action=action) for action in done])

    async def found(text: str) -> Sequence[str]:
        return (await directory.actions(connections, View(tenant), text, catalog, limit=9)).names

    assert await found("role") == ["user.role_changed"]
    assert await found("user") == ["user.joined", "user.role_changed"]
    assert await found("user.j") == ["user.joined"]
    assert await found("pun") == await found("spun widg") == ["widget.spun"]
    assert await found("team.created") == await found("%") == []
