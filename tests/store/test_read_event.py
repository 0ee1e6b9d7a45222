"""An event is read as it was sent; what was altered since is left out and named, and what was erased is absent."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from indelible.catalog import Catalog
from indelible.event import MASK, Event, InvalidEvent, dump, parse
from indelible.ledger.disclosure import GROUPS
from indelible.store.appender import Appender
from indelible.store.filter import Filter, Is
from indelible.store.finding import find
from indelible.store.intake import Intake
from indelible.store.read import event
from indelible.store.session import Database as Connections
from indelible.store.verify import verify
from indelible.store.view import View
from tests.postgres import Database
from tests.store.samples import FULL, as_superuser, examples, send, take

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC).replace(microsecond=0)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
LABELS = TEXTS.filter(bool)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(2**200), 2**200) | st.floats(allow_nan=False,
    allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
IMPERSONATORS = st.fixed_dictionaries({"id": LABELS}, optional={"name": TEXTS, "email": TEXTS, "reason": TEXTS})
WHOLE = st.fixed_dictionaries(
    {
        "action": LABELS.filter(lambda action: not action.startswith(("ledger.", "audit_log."))),
        "actor": st.fixed_dictionaries(
            {"type": st.sampled_from(["user", "system", "api_key"])},
            optional={"id": LABELS, "name": TEXTS, "email": TEXTS, "impersonator": IMPERSONATORS},
        ),
        "id": st.uuids(version=4).map(str),
        "occurred_at": st.integers(0, 10**9).map(lambda ms: stamp(NOW - timedelta(milliseconds=ms))),
    },
    optional={
        "targets": st.lists(
            st.fixed_dictionaries({"type": LABELS}, optional={"id": LABELS, "name": TEXTS}), min_size=1, max_size=4
        ),
        "changes": st.dictionaries(
            TEXTS, st.fixed_dictionaries({}, optional={"from": JSON, "to": JSON}), min_size=1, max_size=3
        ),
        "outcome": st.sampled_from(["failure", "denied"]),
        "source": st.sampled_from(["ui", "admin_panel", "background"]),
        "context": st.fixed_dictionaries(
            {"ip_address": TEXTS}, optional={"user_agent": TEXTS, "request_id": TEXTS, "session_id": TEXTS}
        ),
        "metadata": st.dictionaries(TEXTS, JSON, min_size=1, max_size=4),
    },
)


DEFAULTS = {"outcome": "success", "source": "api"}


def stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def spelled(value: object) -> str:
    """JSON in which 1, 1.0 and true stay different, whatever the order of keys."""
    return json.dumps(value, sort_keys=True)


def as_read(event_: Event) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(dump(event_))
    if not found.get("context"):
        found.pop("context", None)  # {} and nothing are the same
    return {**DEFAULTS, **found, "occurred_at": stamp(event_.occurred_at or NOW)}


@examples(150)
@given(fields=WHOLE)
@example(fields={"action": "a", "actor": {"type": "user"}, "id": str(uuid4()), "occurred_at": stamp(NOW), "metadata": {
    "": {"": [{}, [], ""]}, "e": 1e16, "z": -0.0, "s": 5e-324, "x": 1.7976931348623157e308, "i": 2**64,
    "n": -(2**63) - 1, "huge": 10**400, "long word": "w" * 4000,
    "u": "\u2028\u2029\ufeff\U0001f600\x7f\x01", "q": "'\"\\/",
    "deep": [[[[[[1]]]]]],
}})  # fmt: skip
async def test_an_event_is_read_as_it_was_sent(
    appender: Appender, connections: Connections, intake: Intake, fields: dict[str, Any]
) -> None:
    tenant = f"t-{uuid4().hex[:12]}"
    sent = msgspec.json.encode({"tenant_id": tenant, **fields})
    try:
        if MASK in dump(parse(sent)).decode():
            return  # a key happened to name a secret
    except InvalidEvent as error:
        raise AssertionError(f"{error} in {sent!r}") from error
    (receipt,) = await send(appender, intake.take(sent, now=datetime.now(UTC), history=False))
    record = await event(connections, View(tenant), receipt.id)
    assert record is not None
    assert record.altered == ()
    assert (record.seq, record.recorded_at, record.leaf_hash) == receipt[1:4]
    assert spelled(as_read(record.event)) == spelled({"tenant_id": tenant, **DEFAULTS, **fields})
    report = await verify(connections, tenant)
    assert report is not None
    assert report.proven


# --- what was altered or erased

ROW = "tenant_id = %(tenant)s AND seq = 1"


def without(fields: dict[str, Any], group: str) -> dict[str, Any]:
    """`fields` without what the group discloses."""
    if group == "actor":
        return {**fields, "actor": {k: v for k, v in fields["actor"].items() if k in ("type", "id")}}
    if group == "targets":
        return {**fields, "targets": [{k: v for k, v in t.items() if k != "name"} for t in fields["targets"]]}
    return {name: value for name, value in fields.items() if name != group}


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("erased", [False, True], ids=["altered", "erased"])
async def test_an_altered_disclosure_is_left_out_and_named_and_an_erased_one_is_absent(
    appender: Appender,
    connections: Connections,
    database: Database,
    intake: Intake,
    catalog: Catalog,
    tenant: str,
    group: str,
    erased: bool,
) -> None:
    (receipt,) = await send(appender, take(intake, tenant, **FULL))
    value = "NULL" if erased else f"replace({group}, 'Sarah', 'Simon')"
    as_superuser(database, f"UPDATE indelible.event_personal SET {group} = {value} WHERE {ROW}", tenant=tenant)
    page = await find(connections, View(tenant), Filter(conditions=[Is("action", [FULL["action"]])]), catalog)
    single = await event(connections, View(tenant), receipt.id)
    assert page.records == [single]
    assert single is not None
    assert single.altered == (() if erased else (group,))
    assert len(single.disclosures) == 4
    shown = {k: v for k, v in as_read(single.event).items() if k not in ("id", "occurred_at", "tenant_id")}
    assert shown == without(FULL, group)


async def test_an_event_whose_disclosures_are_all_erased_is_still_an_event(
    appender: Appender, connections: Connections, database: Database, intake: Intake, tenant: str
) -> None:
    (receipt,) = await send(appender, take(intake, tenant, **FULL))
    as_superuser(database, f"DELETE FROM indelible.event_personal WHERE {ROW}", tenant=tenant)
    record = await event(connections, View(tenant), receipt.id)
    assert record is not None
    assert (record.altered, record.disclosures) == ((), ())
    assert (record.event.action, record.event.actor.id, record.event.actor.name) == (FULL["action"], "usr_7", None)


async def test_an_altered_entry_is_named(
    appender: Appender, connections: Connections, database: Database, intake: Intake, tenant: str
) -> None:
    (receipt,) = await send(appender, take(intake, tenant, **FULL))
    forged = "replace(encode(entry, 'escape'), 'usr_7', 'usr_6')::bytea"
    as_superuser(database, f"UPDATE indelible.events SET entry = {forged} WHERE {ROW}", tenant=tenant)
    record = await event(connections, View(tenant), receipt.id)
    assert record is not None
    assert record.altered == ("entry",)
