"""Whatever an application passes becomes an event that the service takes, or a refusal that it can catch."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from indelible import Actor, Change, InvalidEventError, Target, new_event
from indelible.client.events import prepare
from indelible.event import dump, parse

BASE: dict[str, Any] = {"tenant": "acme", "actor": "user:usr_7"}

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters()),
    st.binary(max_size=4),
    st.uuids(),
    st.decimals(),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.dates(),
    st.timedeltas(),
    st.sampled_from([object(), int, Actor(type="user"), Change(to=1)]),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers() | st.sampled_from(["type", "id", "token", "from"]), inner)
        | st.frozensets(st.text(max_size=3) | st.integers() | st.uuids(), max_size=3)
    ),
    max_leaves=8,
)
likely: dict[str, st.SearchStrategy[Any]] = {
    "tenant": st.sampled_from(["acme", 7]),
    "actor": st.sampled_from(["user:1", {"type": "system"}]),
    "outcome": st.sampled_from(["success", "denied"]),
    "source": st.just("ui"),
    "target": st.just("a:1"),
    "targets": st.lists(st.sampled_from(["a:1", Target(type="b")]), max_size=2),
    "changes": st.dictionaries(st.text(max_size=5), st.tuples(values, values), max_size=2),
    "metadata": st.dictionaries(st.text(max_size=5), values, max_size=3),
    "context": st.just({"request_id": "r"}),
    "occurred_at": st.datetimes(timezones=st.timezones()),
    "id": st.uuids(),
}


@given(
    action=st.just("user.created") | values,
    fields=st.fixed_dictionaries(
        {name: likely[name] | values if name == "actor" else likely[name] for name in ("tenant", "actor")},
        optional={name: strategy | values for name, strategy in likely.items() if name not in ("tenant", "actor")},
    ),
)
def test_any_arguments_make_an_event_that_the_service_takes_or_are_refused(action: Any, fields: Any) -> None:
    try:
        event = new_event(action, **fields)
    except InvalidEventError:
        return
    body = dump(event)
    assert dump(parse(body)) == body
    assert prepare(event).body == body


good = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.uuids()
names = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=5)


@given(
    metadata=st.dictionaries(names, st.lists(good | names, max_size=2) | good, max_size=3),
    changes=st.dictionaries(names, st.tuples(good, names), max_size=3),
)
def test_plain_values_make_an_event(metadata: Any, changes: Any) -> None:
    """Guards the property above, which would also hold if everything were refused."""
    event = new_event("user.created", **BASE, metadata=metadata, changes=changes)
    assert (set(event.metadata), set(event.changes)) == (set(metadata), set(changes))
