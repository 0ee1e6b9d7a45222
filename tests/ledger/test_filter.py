"""Filters: what is written is read, what matches is what the words say, and nothing else passes for a filter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.ledger import canonical
from indelible.ledger import filter as filters
from indelible.ledger.canonical import Json
from indelible.ledger.entry import Entry, Subject
from indelible.ledger.filter import BadFilter, Filter

ENTRY = Entry(
    (), "user.role_changed", Subject("user", "usr_7"), "access", "0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90",
    "2026-11-21T09:30:00.000Z", "updated", "success", "C" * 43, "2026-11-21T09:30:00.000000Z", 7, "ui",
    (Subject("user", "usr_9"), Subject("team", "t_1"), Subject("file", None)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "other"),
    [
        ({"action": ["user.joined", "user.role_changed"]}, {"action": ["user.joined", "user.role"]}),
        ({"actor_id": ["usr_7"]}, {"actor_id": ["usr_9"]}),
        ({"actor_type": ["user"]}, {"actor_type": ["system"]}),
        ({"category": ["access"]}, {"category": ["auth"]}),
        ({"operation": ["updated"]}, {"operation": ["created"]}),
        ({"outcome": ["success", "denied"]}, {"outcome": ["denied"]}),
        ({"source": ["ui"]}, {"source": ["api"]}),
        ({"target_id": ["t_1"]}, {"target_id": ["usr_7"]}),
        ({"target_type": ["file"]}, {"target_type": ["folder"]}),
        # of one target
        ({"target_id": ["t_1"], "target_type": ["team"]}, {"target_id": ["t_1"], "target_type": ["user"]}),
        ({"target_id": ["usr_9", "t_1"], "target_type": ["user"]}, {"target_id": ["usr_9"], "target_type": ["file"]}),
        # inclusive, exclusive
        ({"since": "2026-11-21T09:30:00.000Z"}, {"since": "2026-11-21T09:30:00.001Z"}),
        ({"until": "2026-11-21T09:30:00.001Z"}, {"until": "2026-11-21T09:30:00.000Z"}),
        # all of them
        ({"action": ["user.role_changed"], "source": ["ui"]}, {"action": ["user.role_changed"], "source": ["api"]}),
    ],
)
def test_an_entry_matches_what_it_is_and_nothing_else(wanted: Json, other: Json) -> None:
    assert filters.parse(wanted).matches(ENTRY)
    assert not filters.parse(other).matches(ENTRY)


def test_what_an_entry_does_not_say_matches_no_value() -> None:
    silent = ENTRY._replace(actor=Subject("system", None), category=None, operation=None, targets=())
    for name in ("actor_id", "category", "operation", "target_id", "target_type"):
        assert not filters.parse({name: ["", "null", "None"]}).matches(silent)


TEXTS = st.frozensets(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), min_size=1, max_size=3)


@given(TEXTS, st.just(frozenset()) | TEXTS, st.sampled_from([None, "2026-11-21T09:30:00.000Z"]))
def test_what_is_written_is_read(actions: frozenset[str], targets: frozenset[str], since: str | None) -> None:
    wanted = Filter(action=actions, target_id=targets, since=since)
    assert filters.parse(canonical.parse(canonical.encode(wanted.to_json()))) == wanted


@pytest.mark.parametrize(
    "value",
    [
        None, [], "action", 1, {}, {"action": None}, {"action": []}, {"action": "user.joined"}, {"action": [1]},
        {"action": ["a", None]}, {"action": ["a", "a"]}, {"action": {"a": 1}}, {"q": ["word"]},
        {"action": ["a"], "actor": ["b"]}, {"since": None}, {"since": ["2026-11-21T09:30:00.000Z"]},
        {"since": "2026-11-21"}, {"since": "2026-11-21T09:30:00Z"}, {"since": "2026-11-21T09:30:00.000+00:00"},
        {"until": "2026-02-29T09:30:00.000Z"}, {"until": "2026-11-21T09:30:00.000Z\n"}, {"until": ""},
    ],
)  # fmt: skip
def test_nothing_else_is_a_filter(value: Json) -> None:
    """A member that is not understood would widen what is shown, or narrow it."""
    with pytest.raises(BadFilter):
        filters.parse(value)
