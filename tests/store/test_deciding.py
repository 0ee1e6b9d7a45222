"""Deciding in memory: what the conditions mean, whether PostgreSQL was asked before or not."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.catalog import Catalog
from indelible.event import Event, parse
from indelible.ledger import entry
from indelible.ledger.tree import leaf_hash
from indelible.store.deciding import fulfils
from indelible.store.filter import Changed, Condition, Is, Term
from indelible.store.sealing import Record, prepare, read
from indelible.store.view import View
from tests.store.looked_for import CONDITIONS, any_event
from tests.store.meaning import means
from tests.store.samples import FULL, examples, raw


def sealed(catalog: Catalog, fields: dict[str, Any]) -> Record:
    """The event as it is read again."""
    now = datetime(2026, 5, 6, tzinfo=UTC)
    prepared = prepare(parse(raw("acme", **fields)), catalog, now=now)
    data = entry.seal(prepared.unsealed, 1, "A" * 43, entry.micros(now))
    return read("acme", data, leaf_hash(data), prepared.disclosures.values())


@examples(500)
@given(fields=any_event(), conditions=st.lists(CONDITIONS, min_size=1, max_size=4))
def test_it_means_what_is_said_of_it(catalog: Catalog, fields: dict[str, Any], conditions: list[Condition]) -> None:
    record = sealed(catalog, fields)
    assert fulfils(record, conditions, catalog) is all(means(record, c, catalog, View("acme")) for c in conditions)


IS_SO: list[Condition] = [
    Is("action", ["user.role_changed"]), Is("action", ["nothing", "user.*"]), Is("action", ["*ROLE*"]),
    Is("category", ["access"]), Is("operation", ["updated"]), Is("outcome", ["denied"]), Is("source", ["ui"]),
    Is("actor_type", ["user"]), Is("actor_id", ["usr_7"]), Is("actor_id", ["sup_3"]),
    Is("target_id", ["usr_9"]), Is("target_id", ["doc_1"]), Is("target_type", ["document"]),
    Is("ip_address", ["203.0.113.7"]),
    Changed("role"), Changed("role", "to"), Changed("role", "from", ["member"]), Changed("role", None, ["member"]),
    Changed("limit", "to", ["1e16"]), Changed("limit", "from", ["null"]), Changed("tags", "to", ['["a\\nb"]']),
    Changed("noted"),
    Term(["sarah"]), Term(["SARAH chen"]), Term(["chen sar"]), Term(["example.com"]), Term(["arah"]), Term(["usr_"]),
    Term(["203.0"]), Term(["changed"]), Term(["role_chan"]), Term(["ticket"]), Term(["den"]), Term(["no", "roman"]),
    Term(["grace"], of="actor"), Term(["sup"], of="actor"), Term(["roman"], of="target"), Term(["doc_"], of="target"),
    Term(["Sarah Chen"], phrase=True), Term(["Sarah Roman from Member"], phrase=True),
    Term(["asked for it"], phrase=True), Term(["usr_7"], phrase=True), Term(["user.role_changed"], phrase=True),
    Term(["Sarah Roman"], phrase=True, of="target"),
]  # fmt: skip
IS_NOT: list[Condition] = [
    Is("action", ["user.role"]), Is("action", ["USER.ROLE_CHANGED"]), Is("action", ["*.removed"]), Is("action", []),
    Is("outcome", ["success"]), Is("actor_id", ["usr_"]), Is("actor_id", ["usr_9"]), Is("target_id", ["usr_7"]),
    Is("target_type", ["doc"]), Is("ip_address", ["203.0.113.70"]), Is("session_id", [""]),
    Changed("Role"), Changed("note"), Changed("role", "to", ["member"]), Changed("noted", "to"),
    Changed("noted", None, ["null"]),
    Changed("limit", "to", ["10000000000000000"]),
    Term(["arah chng"]), Term(["hen"], of="target"), Term(["de"]), Term(["fail"]), Term(["113"]), Term(["icket"]),
    Term(["roman"], of="actor"), Term(["changed"], of="actor"), Term(["usr_9"], of="actor"), Term(["browser"]),
    Term([""]),
    Term(["Sarah Che"], phrase=True), Term(["Chen Sarah"], phrase=True), Term(["Chen sarah@example.com"], phrase=True),
    Term(["role from"], phrase=True, of="actor"), Term(["usr_"], phrase=True), Term([" "], phrase=True),
]  # fmt: skip
ONE = {
    **FULL,
    "actor": {**FULL["actor"], "impersonator": {"id": "sup_3", "name": "Grace"}},
    "targets": [*FULL["targets"], {"type": "document", "id": "doc_1"}],
    "changes": {**FULL["changes"], "limit": {"from": None, "to": 1e16}, "tags": {"to": ["a\nb"]}, "noted": {}},
    "metadata": {**FULL["metadata"], "ticket": 4512},
}


@pytest.mark.parametrize("condition", IS_SO, ids=str)
def test_conditions_that_an_event_fulfils(catalog: Catalog, condition: Condition) -> None:
    record = sealed(catalog, ONE)
    assert fulfils(record, [condition], catalog)
    assert not fulfils(record, [replace(condition, excluded=True)], catalog)


@pytest.mark.parametrize("condition", IS_NOT, ids=str)
def test_conditions_that_it_does_not_fulfil(catalog: Catalog, condition: Condition) -> None:
    record = sealed(catalog, ONE)
    assert not fulfils(record, [condition], catalog)
    assert fulfils(record, [replace(condition, excluded=True)], catalog)


def test_what_was_altered_may_be_what_is_looked_for(catalog: Catalog) -> None:
    record = sealed(catalog, ONE)
    assert all(fulfils(replace(record, altered=("entry",)), [condition], catalog) for condition in IS_NOT)
    assert not any(fulfils(replace(record, altered=("metadata",)), [condition], catalog) for condition in IS_NOT)


def test_somebody_who_writes_numbers_for_texts_hides_nothing(catalog: Catalog) -> None:
    """With the hashes computed anew they fit, and only the checkpoints tell."""
    record = sealed(catalog, ONE)
    event: Event = record.event
    event.actor.name = 7  # type: ignore[assignment]
    assert fulfils(record, [Term(["no such thing"], phrase=True)], catalog)
