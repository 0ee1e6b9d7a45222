"""Reading through a view, in every way there is: exactly the events that are in it, and the parts that it shows."""

import base64
import json
import secrets
from typing import Any, Literal, get_args
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.catalog import Catalog
from indelible.server.wire import LoggedEvent, SealedEvent
from indelible.store import proofs, read
from indelible.store.appender import Appender
from indelible.store.filter import Condition, Filter, Is, Term
from indelible.store.finding import HiddenPart, find
from indelible.store.intake import Intake
from indelible.store.places import Place
from indelible.store.sealing import Record
from indelible.store.session import Database as Connections
from indelible.store.view import ALL_PARTS, CONTEXT_PARTS, Part, View
from tests.postgres import Database
from tests.store.samples import FULL, as_superuser, examples, looked_for, rows, send, take

pytestmark = pytest.mark.anyio

PEOPLE = ["u1", "u2", "u3"]
PARTS = st.frozensets(st.sampled_from(sorted(ALL_PARTS)))
SUBJECTS = {
    "type": st.sampled_from(["user", "document"]),
    "id": st.sampled_from([*PEOPLE, "d1"]),
}
EVENTS = st.fixed_dictionaries(
    {
        "action": st.sampled_from(["user.joined", "user.role_changed", "file.read"]),
        "actor": st.fixed_dictionaries(
            {"type": st.sampled_from(["user", "api_key", "system"])}, optional={"id": SUBJECTS["id"]}
        ),
        "targets": st.lists(st.fixed_dictionaries({"type": SUBJECTS["type"]}, optional={"id": SUBJECTS["id"]}),
                            max_size=4),
        "outcome": st.sampled_from(["success", "failure"]),
    },
    optional={
        "changes": st.booleans(),
        "metadata": st.booleans(),
        "context": st.frozensets(st.sampled_from(sorted(CONTEXT_PARTS))),
    },
)  # fmt: skip
EQUAL = st.fixed_dictionaries(
    {},
    optional={
        "action": st.lists(st.sampled_from(["user.joined", "file.read", "none"]), max_size=2),
        "outcome": st.lists(st.sampled_from(["success", "failure"]), min_size=1, max_size=2),
        "target_id": st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=2),
    },
)


def marked(fields: dict[str, Any]) -> tuple[dict[str, Any], dict[Part, str]]:
    """The event, with values of its own in the parts that it has, and these values."""
    marks: dict[Part, str] = {}

    def mark(part: Part) -> str:
        return marks.setdefault(part, f"{part.replace('_', '')}{secrets.token_hex(6)}")

    event = dict(fields, id=str(uuid4()))
    if event.pop("changes", False):
        event["changes"] = {"role": {"from": "member", "to": mark("changes")}}
    if event.pop("metadata", False):
        event["metadata"] = {"reason": mark("metadata")}
    if context := event.pop("context", ()):
        event["context"] = {part: mark(part) for part in context}
    return event, marks


def is_of(event: dict[str, Any], member: str) -> bool:
    return {"type": "user", "id": member} in [
        {name: subject.get(name) for name in ("type", "id")} for subject in (event["actor"], *event["targets"])
    ]


def is_in(event: dict[str, Any], equal: dict[str, list[str]]) -> bool:
    """Whether it is in a view of these values: of a target, those of the first."""
    return fulfils(event | {"targets": event["targets"][:1]}, equal)


def fulfils(event: dict[str, Any], asked: dict[str, list[str]]) -> bool:
    said = {
        "action": [event["action"]], "outcome": [event["outcome"]],
        "target_id": [target.get("id") for target in event["targets"]],
    }  # fmt: skip
    return all(set(said[column]).intersection(values) for column, values in asked.items())


def let(database: Database, tenant: str, parts: frozenset[str] = ALL_PARTS) -> None:
    as_superuser(
        database,
        "INSERT INTO indelible.tenant_settings (tenant_id, member_access, member_sees) VALUES (%(t)s, true, %(sees)s) "
        "ON CONFLICT (tenant_id) DO UPDATE SET member_sees = excluded.member_sees",
        t=tenant, sees=sorted(parts),
    )  # fmt: skip


def answer(record: Record, catalog: Catalog) -> str:
    """All that is said of the event over HTTP, and what its disclosures hold."""
    listed = msgspec.json.encode(LoggedEvent.of(record, catalog)).decode()
    sealed = json.loads(msgspec.json.encode(SealedEvent.of(record, catalog)))
    opened = [base64.urlsafe_b64decode(text + "==").decode() for text in sealed["disclosures"]]
    return "\n".join([listed, json.dumps(sealed, ensure_ascii=False), *opened])


async def walk(connections: Connections, view: View, where: Filter, catalog: Catalog) -> list[Record]:
    found: list[Record] = []
    after: Place | None = None
    while True:
        page = await find(connections, view, where, catalog, limit=3, after=after)
        found += page.records
        if (after := page.next) is None:
            return found
        assert len(page.records) == 3


def conditions(asked: dict[Any, list[str]]) -> list[Condition]:
    return [Is(field, values) for field, values in asked.items()]


@examples(40)
@given(
    drawn=st.lists(EVENTS, max_size=14),
    member=st.none() | st.sampled_from(PEOPLE),
    equal=EQUAL,
    asked=EQUAL,
    shown=PARTS,
    let_see=PARTS,
)
async def test_what_is_read_is_the_filter_over_a_list_without_what_is_hidden(
    database: Database,
    appender: Appender,
    connections: Connections,
    intake: Intake,
    catalog: Catalog,
    drawn: list[dict[str, Any]],
    member: str | None,
    equal: dict[Any, list[str]],
    asked: dict[Any, list[str]],
    shown: frozenset[Part],
    let_see: frozenset[Part],
) -> None:
    """A member is shown what both the view, which the service makes, and the settings in the database allow."""
    tenant = f"t-{uuid4().hex[:12]}"
    events = [marked(fields) for fields in drawn]
    receipts = await send(appender, take(intake, tenant), *[take(intake, tenant, **event) for event, _ in events])
    let(database, tenant, let_see)
    view = View(tenant, member, equal, shown)
    # Which parts of a context members see the service alone tells apart; the database, whether they see any.
    visible = shown & let_see if member else shown
    visible |= shown & CONTEXT_PARTS if let_see & CONTEXT_PARTS else set()

    in_view = [event["id"] for event, _ in events if is_in(event, equal) and (member is None or is_of(event, member))]
    wanted = [event["id"] for event, _ in events if event["id"] in in_view and fulfils(event, asked)]
    found = await walk(connections, view, Filter(conditions=conditions(asked)), catalog)
    sent = {event["id"]: marks for event, marks in events}
    assert sorted(str(r.event.id) for r in found if str(r.event.id) in sent) == sorted(wanted)
    if member:
        assert {str(r.event.id) for r in found} <= set(sent)

    single = {r.id: await read.event(connections, view, r.id) for r in receipts[1:]}
    placed = {r.id: await proofs.find(connections, view, r.id) for r in receipts[1:]}
    assert {str(id_) for id_, record in single.items() if record} == set(in_view)
    assert {str(id_) for id_, place in placed.items() if place} == set(in_view)

    for record in [*found, *filter(None, single.values())]:
        said = answer(record, catalog)
        assert set(record.withheld) == ALL_PARTS - shown
        assert json.loads(said.splitlines()[0]).get("withheld", []) == sorted(ALL_PARTS - shown)
        for part, mark in sent.get(str(record.event.id), {}).items():
            assert (mark in said) == (part in visible), part
    for event, marks in events:
        for part, mark in marks.items():
            hit = event["id"] in in_view and part in shown and part != "user_agent"
            if member and not shown <= let_see:
                # The service never shows a member what the settings do not; the database gives nothing for its words.
                hit = hit and part in let_see
                by_words = await looked_for_or_nothing(connections, view, mark)
                assert by_words in ([], [event["id"]] if hit else [])
            else:
                assert await looked_for_or_nothing(connections, view, mark) == ([event["id"]] if hit else []), part


async def looked_for_or_nothing(connections: Connections, view: View, word: str) -> list[str]:
    return [str(record.event.id) for record in await looked_for(connections, view, Term([word]))]


@pytest.fixture
def tenant(database: Database) -> str:
    name = f"t-{secrets.token_hex(6)}"
    let(database, name)
    return name


async def test_nothing_that_is_asked_for_widens_a_view(
    appender: Appender, connections: Connections, intake: Intake, catalog: Catalog, tenant: str
) -> None:
    auth, data = await send(
        appender,
        take(intake, tenant, action="user.signed_in", actor={"type": "user", "id": "u1", "name": "Sarah"}),
        take(intake, tenant, action="file.read", actor={"type": "user", "id": "u1", "name": "Sarah"}),
    )
    view = View(tenant, equal={"category": ["auth"]})
    wider: list[list[Condition]] = [
        [], [Term(["sarah"])], [Term(["sar"])], [Term(["ara"])], [Is("actor_id", ["u1"])], [Is("action", ["*"])],
        [Is("category", ["auth", "data"])], [Is("action", ["file.read", "user.signed_in"])],
        [Is("category", ["none"], excluded=True)], [Term(["nowhere"], excluded=True)],
    ]  # fmt: skip
    for some in wider:
        for after in (None, Place(data.recorded_at, data.seq + 1)):
            page = await find(connections, view, Filter(conditions=some), catalog, after=after)
            assert {r.event.id for r in page.records} == {auth.id}, some
    for none in (Is("category", ["data"]), Is("action", ["file.read"]), Is("category", ["auth"], excluded=True)):
        assert await looked_for(connections, view, none) == []
    assert await read.event(connections, view, data.id) is None
    assert await proofs.find(connections, view, data.id) is None
    none_at_all = View(tenant, equal={"category": []})
    assert await looked_for(connections, none_at_all) == []
    assert await read.event(connections, none_at_all, auth.id) is None


@pytest.mark.parametrize("member", [None, "usr_9"])
async def test_words_are_looked_for_in_what_is_shown(
    appender: Appender, connections: Connections, intake: Intake, tenant: str, member: str | None
) -> None:
    await send(appender, take(intake, tenant, **{**FULL, "context": {"ip_address": "203.0.113.7"}}))
    words: dict[str, frozenset[Part]] = {
        "chen": frozenset(), "roman": frozenset(), "admin": frozenset({"changes"}), "asked": frozenset({"metadata"}),
        "203.0.113.7": frozenset({"ip_address"}),
    }  # fmt: skip
    for word, needed in words.items():
        for parts in (needed, ALL_PARTS - {"user_agent"}, *(ALL_PARTS - {part} for part in ALL_PARTS)):
            found = await looked_for(connections, View(tenant, member, parts=parts), Term([word]))
            assert len(found) == (needed <= parts), (word, parts)
    of_context: list[Literal["ip_address", "session_id", "request_id"]] = ["ip_address", "session_id", "request_id"]
    for part in of_context:
        view = View(tenant, member, parts=ALL_PARTS - {part})
        with pytest.raises(HiddenPart, match=part):
            await looked_for(connections, view, Is(part, ["203.0.113.7"]))


async def test_pages_end_where_the_view_does(
    appender: Appender, connections: Connections, intake: Intake, catalog: Catalog, tenant: str
) -> None:
    """Whether there is more is told of what the member sees, not of what others did in between."""
    for actor in ("u1", "u2", "u2", "u1", "u2"):
        await send(appender, take(intake, tenant, actor={"type": "user", "id": actor}))
    view = View(tenant, "u1")
    first = await find(connections, view, Filter(), catalog, limit=1)
    assert [r.seq for r in first.records] == [4]
    assert first.next is not None
    assert first.next.seq == 4
    last = await find(connections, view, Filter(), catalog, limit=1, after=first.next)
    assert ([r.seq for r in last.records], last.next) == ([1], None)
    exact = await find(connections, view, Filter(), catalog, limit=2)
    assert ([r.seq for r in exact.records], exact.next) == ([4, 1], None)
    # The place of somebody else's event is only a place.
    theirs = (await find(connections, View(tenant), Filter(), catalog, limit=3)).next
    assert theirs is not None
    assert theirs.seq == 3
    page = await find(connections, view, Filter(), catalog, after=theirs)
    assert [r.seq for r in page.records] == [1]


async def test_a_context_is_disclosed_where_all_that_is_in_it_is_shown(
    appender: Appender, connections: Connections, intake: Intake, catalog: Catalog, tenant: str
) -> None:
    some, all_ = await send(
        appender,
        take(intake, tenant, actor={"type": "user", "id": "u1"}, context={"request_id": "req-1"}),
        take(intake, tenant, actor={"type": "user", "id": "u1"}, context={"request_id": "req-2", "user_agent": "curl"}),
    )
    view = View(tenant, "u1", parts=frozenset({"request_id", "session_id"}))
    for receipt, disclosed in ((some, ["context"]), (all_, [])):
        record = await read.event(connections, view, receipt.id)
        assert record is not None
        assert record.event.context.request_id in ("req-1", "req-2")
        assert record.event.context.user_agent is None
        assert [json.loads(d)[1] for d in record.disclosures] == disclosed
        assert "curl" not in answer(record, catalog)


async def test_a_sentence_quotes_nothing_that_is_hidden(
    appender: Appender, connections: Connections, intake: Intake, catalog: Catalog, tenant: str
) -> None:
    (receipt,) = await send(appender, take(intake, tenant, **FULL))
    said = {}
    for parts in (ALL_PARTS, frozenset[Part]()):
        record = await read.event(connections, View(tenant, "usr_9", parts=parts), receipt.id)
        assert record is not None
        said[parts] = LoggedEvent.of(record, catalog).sentence
    assert "admin" in said[ALL_PARTS]
    assert "admin" not in said[frozenset()]
    assert "Sarah Chen" in said[frozenset()]
    assert "Sarah Roman" in said[frozenset()]


async def test_a_disclosure_that_was_moved_is_hidden_by_what_it_is(
    database: Database, appender: Appender, connections: Connections, intake: Intake, catalog: Catalog, tenant: str
) -> None:
    """Whoever may write to the database must not use names, which are always shown, to show the rest."""
    event = {"actor": {"type": "user", "id": "u1"}, "metadata": {"a": "hidden-value"}}
    (receipt,) = await send(appender, take(intake, tenant, **event))
    as_superuser(
        database,
        "UPDATE indelible.event_personal SET actor = metadata, metadata = NULL WHERE tenant_id = %(t)s AND seq = 1",
        t=tenant,
    )
    for view in (View(tenant, "u1", parts=frozenset()), View(tenant, parts=frozenset({"changes"}))):
        record = await read.event(connections, view, receipt.id)
        assert record is not None
        assert "hidden-value" not in answer(record, catalog)


async def test_that_something_hidden_was_erased_is_not_told(
    database: Database, appender: Appender, connections: Connections, intake: Intake, tenant: str
) -> None:
    (receipt,) = await send(appender, take(intake, tenant, **FULL))
    as_superuser(
        database,
        "UPDATE indelible.event_personal SET actor = NULL, metadata = NULL, context = NULL, "
        """erased = '{"actor": 2, "metadata": 2, "context": 2}' WHERE tenant_id = %(t)s AND seq = 1""",
        t=tenant,
    )
    expected: list[tuple[frozenset[Part], set[str]]] = [
        (ALL_PARTS, {"actor", "metadata", "context"}), (frozenset({"request_id"}), {"actor", "context"}),
        (frozenset({"metadata"}), {"actor", "metadata"}), (frozenset(), {"actor"}),
    ]  # fmt: skip
    for parts, told in expected:
        record = await read.event(connections, View(tenant, "usr_9", parts=parts), receipt.id)
        assert record is not None
        assert set(record.erased) == told


async def test_an_entry_that_cannot_be_read_is_shown_to_a_member_as_far_as_its_columns_tell(
    database: Database, appender: Appender, connections: Connections, intake: Intake, tenant: str
) -> None:
    (receipt,) = await send(appender, take(intake, tenant, **FULL))
    as_superuser(database, "UPDATE indelible.events SET entry = 'xx' WHERE tenant_id = %(t)s AND seq = 1", t=tenant)
    record = await read.event(connections, View(tenant, "usr_9"), receipt.id)
    assert record is not None
    assert (record.altered, record.event.actor.name, record.disclosures) == (("entry",), None, ())
    assert await read.event(connections, View(tenant, "usr_8"), receipt.id) is None


async def test_nobody_is_a_member_without_an_id(
    appender: Appender, connections: Connections, intake: Intake, tenant: str
) -> None:
    """An empty id must not be taken for none, which is the view of all."""
    (receipt,) = await send(appender, take(intake, tenant, actor={"type": "user"}))
    view = View(tenant, "")
    assert view.role == "member"
    assert await looked_for(connections, view) == []
    assert await read.event(connections, view, receipt.id) is None
    assert await proofs.find(connections, view, UUID(int=0)) is None


async def test_every_part_that_can_be_hidden_is_known_to_the_database(database: Database) -> None:
    """What the service may hide is what the tenant's settings may name."""
    (constraint,) = [
        text
        for (text,) in rows(
            database,
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE conrelid = 'indelible.tenant_settings'::regclass AND contype = 'c'",
        )
        if "member_sees" in text
    ]
    assert all(part in constraint for part in get_args(Part))
