"""A tenant's events of half a year, few enough to be known by heart, and what may be looked for among them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from hypothesis import strategies as st

from indelible.catalog import Catalog
from indelible.store.filter import Changed, Condition, Field, Is, Term
from indelible.store.places import Place
from indelible.store.read import Spot, records
from indelible.store.sealing import Record
from indelible.store.session import Database as Connections
from indelible.store.view import View
from tests.postgres import Database
from tests.store.history import Moment, append_history, month
from tests.store.meaning import words_in
from tests.store.samples import rows

__all__ = ["CONDITIONS", "MEMBERS", "Seen", "any_event", "history", "in_order", "seen"]

MONTHS = 6
MEMBERS = ["usr_1", "usr_10", "k'1\\x"]
_LONG = "s" * 255

ACTORS: list[dict[str, Any]] = [
    {"type": "user", "id": "usr_1", "name": "José Müller", "email": "jose@acme.example"},
    {"type": "user", "id": "usr_10", "name": "Sarah Chen", "email": "sarah.chen@Example.com"},
    {"type": "user", "id": "usr_10", "name": "Sarah Chen-O'Neil"},
    {"type": "api_key", "id": "k'1\\x"},
    {"type": "user", "id": "k'1\\x", "name": "ΣΊΣΥΦΟΣ Σοφός"},
    {"type": "system"},
    {"type": "user", "id": "ü" * 256, "name": "Ångström ﬃ " + "w" * 70},
    {"type": "user", "id": "12345678", "name": "山田 太郎", "email": "taro@例え.jp"},
    {"type": "user", "id": "usr_1", "name": "José Müller",
     "impersonator": {"id": "sup_3", "name": "Grace (support)", "email": "grace@vendor.example",
                      "reason": "ticket 4512: can't sign in"}},
    {"type": "user", "id": "USR_1", "name": "Straße 7", "impersonator": {"id": "usr_10"}},
]  # fmt: skip
TARGETS: list[dict[str, Any]] = [
    {"type": "document", "id": "doc-1", "name": "Q3 Report (final)"},
    {"type": "document", "id": "doc-10", "name": "Größe.pdf"},
    {"type": "document", "name": "nameless report"},
    {"type": "user", "id": "usr_10", "name": "Sarah Chen"},
    {"type": "user", "id": "usr_1"},
    {"type": "group", "id": "usr_10", "name": "Finance"},
    {"type": "api key", "id": "k'1\\x"},
]
ACTIONS = [
    "user.role_changed", "user.removed", "document.viewed", "user.signed_in", "user.sign_in_failed",
    "invoice.Sent", "invoice.voided", "billing plan updated", "Größe.geändert", "100%_sure", "it's\\done",
]  # fmt: skip
CHANGES: list[dict[str, Any]] = [
    {"role": {"from": "member", "to": "admin"}},
    {"role": {"from": "admin", "to": "member"}, "name": {"to": "José"}},
    {"plan": {"from": None, "to": 'Pro "plus"\nyearly'}},
    {"limit": {"from": 1, "to": 1e16}, "ratio": {"from": 0.5}},
    {"tags": {"from": [], "to": ["a\nb", "é\\n", {"deep": True}]}},
    {"on": {"from": True, "to": False}, "touched": {}},
    {"Größe (cm)": {"from": "20", "to": 20}},
    {'odd "name"\n': {"from": "x", "to": "to"}},
]
METADATA: list[dict[str, Any]] = [
    {"ticket": "4512", "note": "naïve café \\ back"},
    {"country": "DE", "count": 12345678901234567890},
    {"geo": {"country": "fr"}, "list": [1, "two words", None, [2.5e-7, True]]},
    {"role": "member"},
    {"note": "member admin"},
    {"": "w" * 130},
]
CONTEXTS: list[dict[str, Any]] = [
    {"ip_address": "203.0.113.7", "user_agent": "Mozilla"},
    {"ip_address": "203.0.113.70", "session_id": "ses_1", "request_id": "req_1"},
    {"session_id": _LONG + "1" + "x", "request_id": "203.0.113.7"},
    {"session_id": _LONG + "1" + "y"},
    {"session_id": _LONG + "1", "ip_address": ""},
]


def _event(chance: random.Random, recorded_at: datetime) -> Moment:
    late = chance.choice([0] * 12 + [3, 20, 60, 120])
    # Some moments come again and again; senders' clocks are ahead by a little.
    occurred_at = recorded_at - timedelta(days=late) + timedelta(minutes=chance.choice([0, 0, -7, 4]))
    if chance.random() < 0.4:
        occurred_at = occurred_at.replace(hour=0, minute=0, second=0, microsecond=0)
    fields: dict[str, Any] = {
        "occurred_at": occurred_at,
        "actor": chance.choice(ACTORS),
        "action": chance.choice(ACTIONS),
        "outcome": chance.choice(["success"] * 5 + ["failure", "denied"]),
        "source": chance.choice(["ui", "api", "background", "admin_panel"]),
        "targets": chance.sample(TARGETS, chance.choice([0, 1, 1, 1, 2, 3])),
    }
    for name, values, share in (("changes", CHANGES, 0.4), ("metadata", METADATA, 0.4), ("context", CONTEXTS, 0.5)):
        if chance.random() < share:
            fields[name] = chance.choice(values)
    return recorded_at, fields


def any_event() -> st.SearchStrategy[dict[str, Any]]:
    """The fields of one."""
    return st.integers(0, 2**32).map(lambda seed: _event(random.Random(seed), datetime(2026, 5, 6, tzinfo=UTC))[1])


async def history(database: Database, tenant: str, catalog: Catalog, *, events: int = 240, seed: int = 1) -> None:
    """The first month has few of the events and the second none, as has many a tenant."""
    chance = random.Random(seed)
    now = datetime.now(UTC)
    first, last = month(now, 1 - MONTHS), now - timedelta(minutes=10)
    span = (last - first).total_seconds()
    times = sorted(first + timedelta(seconds=chance.uniform(0, span)) for _ in range(events))
    second, third = month(first, 1), month(first, 2)
    moments = [_event(chance, at) for at in times if not second <= at < third]
    await append_history(database, tenant, moments, catalog)


@dataclass(frozen=True)
class Seen:
    """An event as its tenant sees it."""

    place: Place
    record: Record


async def seen(database: Database, connections: Connections, tenant: str) -> list[Seen]:
    """All events of the tenant, newest first."""
    query = "SELECT least(greatest(occurred_at, '0001-01-02Z'), '9999-12-30Z'), seq, recorded_at FROM indelible.events"
    spots = [Spot(*row) for row in rows(database, f"{query} WHERE tenant_id = %s", tenant)]
    view = View(tenant)
    async with connections.transaction("reader", tenant) as connection:
        found = [Seen(place, record) for place, record in await records(connection, view, spots)]
    return in_order(found, newer=False)


def in_order(found: Sequence[Seen], *, newer: bool) -> list[Seen]:
    return sorted(found, key=lambda each: each.place, reverse=not newer)


# --- what is looked for

_ODD = ["", " ", "x", "*", "%", "_", "'", "\\", ":*", "' | 'a", "&", "!", "no such thing", "İ", "ß", "w" * 64, "Σ"]
_VALUES: dict[Field, list[str]] = {
    "action": [*ACTIONS, "user.*", "*.removed", "*", "USER.*", "*in*e*", "invoice.sent", "INVOICE.*", "no.*", "1*_*"],
    "category": ["access", "data", "auth", "billing"],
    "operation": ["created", "updated", "accessed", "deleted"],
    "outcome": ["success", "failure", "denied"],
    "source": ["ui", "api", "background"],
    "actor_type": ["user", "system", "api_key"],
    "actor_id": ["usr_1", "usr_10", "k'1\\x", "sup_3", "ü" * 256, "usr", "12345678"],
    "target_type": ["user", "document", "group", "api key"],
    "target_id": ["doc-1", "doc-10", "usr_10", "k'1\\x", "doc"],
    "ip_address": ["203.0.113.7", "203.0.113.70", "203.0.113", "203.0.113.7*", "10.*", "*", ""],
    "session_id": ["ses_1", _LONG + "1x", _LONG + "1y", _LONG + "1", _LONG + "1z", _LONG],
    "request_id": ["req_1", "203.0.113.7"],
}  # fmt: skip
assert set(_VALUES) == set(get_args(Field))

_VALUES_CHANGED = [
    "member", "admin", 'Pro "plus"\nyearly', "1", "1e16", "1e+16", "10000000000000000", "0.5",
    '["a\\nb","é\\\\n",{"deep":true}]',
    "[]", "null", "true", "false", "20", "José", "jose", "x", "to", "",
]  # fmt: skip
_NAMES_CHANGED = [
    "role",
    "plan",
    "limit",
    "ratio",
    "tags",
    "on",
    "touched",
    "Größe (cm)",
    'odd "name"\n',
    "from",
    "",
    "Role",
]

_SENTENCES = [
    "José Müller removed Sarah Chen", "removed Sarah", "Chen-O'Neil changed", "tried to remove", "signed in",
    "Q3 Report (final)", "role from member to admin", "changed Sarah Chen's role", "role changed", "two words",
    "words None", "login", "demoted", "removing", "support agent", "impersonated",
    "naïve café back", "ticket 4512 can't", "usr_10 removed", "the system", "System removed", "Straße 7",
    "from a", "a b",
]  # fmt: skip


def _texts() -> list[str]:
    """Of what is in the events: all of it, and pieces that begin, end and stand in the middle of it."""
    chance = random.Random(2)
    found = {
        *_ODD,
        *_SENTENCES,
        *ACTIONS,
        "failed",
        "fail",
        "fa",
        "denied",
        "den",
        "failure",
        "true",
        "null",
        "1e16",
        "acme",
    }
    said = [str(value) for each in (*ACTORS, *TARGETS, *METADATA) for value in each.values()]
    said += [str(value) for actor in ACTORS if "impersonator" in actor for value in actor["impersonator"].values()]
    said += [str(value) for each in CONTEXTS for value in each.values()]
    said += [key for each in (*CHANGES, *METADATA) for key in each]
    for text in said:
        begin, end = sorted(chance.sample(range(len(text) + 1), 2)) if text else (0, 0)
        words = words_in(text) or [""]
        word = chance.choice(words)
        found |= {text, text[:end], text[begin:end], text.upper(), word, word[1:-1], " ".join(words[:2])}
    return sorted(found)


_FIELDS = st.sampled_from(list(_VALUES)).flatmap(
    lambda field: st.builds(
        Is,
        st.just(field),
        st.lists(st.sampled_from([*_VALUES[field], "no such thing"]), max_size=3),
        excluded=st.booleans(),
    )
)
_TERMS = st.builds(
    Term,
    st.lists(st.sampled_from(_texts()), min_size=1, max_size=2),
    phrase=st.booleans(),
    of=st.sampled_from(["anything", "anything", "actor", "target"]),
    excluded=st.sampled_from([False, False, True]),
)
_CHANGED = st.builds(
    Changed,
    st.sampled_from(_NAMES_CHANGED),
    st.none() | st.sampled_from(["from", "to"]),
    st.lists(st.sampled_from(_VALUES_CHANGED), max_size=2),
    excluded=st.booleans(),
)
CONDITIONS: st.SearchStrategy[Condition] = st.one_of(_FIELDS, _TERMS, _CHANGED)
