"""From arguments to an event: what is understood, what is refused and in which words. No network."""

from __future__ import annotations

import inspect
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from ipaddress import ip_address
from pathlib import PurePosixPath
from typing import Any, Required, get_origin, get_type_hints
from uuid import UUID

import pytest

from indelible import Actor, Change, Context, Event, Impersonator, InvalidEventError, Target, new_event
from indelible.client.events import EventFields, prepare
from indelible.event import MASK, MAX_EVENT_BYTES, dump

BASE: dict[str, Any] = {"tenant": "acme", "actor": "user:usr_7"}
SOME_ID = UUID("0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90")


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Markup(str):
    __slots__ = ()


def test_an_event_gets_a_uuid7_and_the_time_in_milliseconds() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    event = new_event("user.created", **BASE)
    assert event.id is not None
    assert event.occurred_at is not None
    assert (event.id.version, event.id.variant) == (7, "specified in RFC 4122")
    assert event.occurred_at.microsecond % 1000 == 0
    assert before <= event.occurred_at <= datetime.now(UTC)
    made = datetime.fromtimestamp((event.id.int >> 80) / 1000, UTC)
    assert abs(made - event.occurred_at) < timedelta(seconds=1)


def test_ids_do_not_repeat() -> None:
    assert len({new_event("user.created", **BASE).id for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    ("given_", "meant"),
    [
        ("user:usr_7", Actor(type="user", id="usr_7")),
        ("user:a:b", Actor(type="user", id="a:b")),
        ("api_key:k1", Actor(type="api_key", id="k1")),
        ("system", Actor(type="system")),
        ("system:billing", Actor(type="system", id="billing")),
        ({"type": "user", "id": 7, "name": "Sarah"}, Actor(type="user", id="7", name="Sarah")),
        ({"type": "user", "id": SOME_ID, "email": None}, Actor(type="user", id=str(SOME_ID))),
        (
            Actor(type="user", id="7", impersonator=Impersonator(id="sup_3", reason="ticket 4512")),
            Actor(type="user", id="7", impersonator=Impersonator(id="sup_3", reason="ticket 4512")),
        ),
        (
            {"type": "user", "impersonator": {"id": 3}},
            Actor(type="user", impersonator=Impersonator(id="3")),
        ),
    ],
)
def test_actors(given_: Any, meant: Actor) -> None:
    assert new_event("user.created", tenant="acme", actor=given_).actor == meant


@pytest.mark.parametrize(
    ("given_", "meant"),
    [
        ({}, []),
        ({"target": "invoice:inv_42"}, [Target(type="invoice", id="inv_42")]),
        ({"target": {"type": "invoice", "id": 42, "name": "March"}}, [Target(type="invoice", id="42", name="March")]),
        ({"targets": ["a:1", Target(type="b")]}, [Target(type="a", id="1"), Target(type="b")]),
        ({"targets": (t for t in ["a:1"])}, [Target(type="a", id="1")]),
    ],
)
def test_targets(given_: dict[str, Any], meant: list[Target]) -> None:
    assert new_event("user.created", **BASE, **given_).targets == meant


@pytest.mark.parametrize(
    ("given_", "meant"),
    [
        (("member", "admin"), Change(from_="member", to="admin")),
        ((None, None), Change(from_=None, to=None)),
        ({"from": 1, "to": 2}, Change(from_=1, to=2)),
        ({"to": 2}, Change(to=2)),
        (Change(from_=[1, 2]), Change(from_=[1, 2])),
        ((Colour.RED, date(2026, 11, 21)), Change(from_="red", to="2026-11-21")),
    ],
)
def test_changes(given_: Any, meant: Change) -> None:
    assert new_event("user.created", **BASE, changes={"role": given_}).changes == {"role": meant}


@pytest.mark.parametrize(
    ("given_", "meant"),
    [
        (datetime(2026, 11, 21, 9, 30, tzinfo=timezone(timedelta(hours=2))), "2026-11-21T09:30:00+02:00"),
        (datetime(2026, 11, 21, 9, 30), "2026-11-21T09:30:00"),  # noqa: DTZ001 - metadata is kept as it is given
        (date(2026, 11, 21), "2026-11-21"),
        (timedelta(hours=1), "PT3600S"),
        (SOME_ID, str(SOME_ID)),
        (Decimal("10.50"), "10.50"),
        (ip_address("203.0.113.7"), "203.0.113.7"),
        (PurePosixPath("/etc/hosts"), "/etc/hosts"),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Markup("<b>"), "<b>"),
        (True, True),
        (None, None),
        (2.5, 2.5),
        (2**53 - 1, 2**53 - 1),
        (2**53, "9007199254740992"),
        ((1, [2]), [1, [2]]),
        ({"b", "a"}, ["a", "b"]),
        ({1: "x", Colour.RED: "y"}, {"1": "x", "red": "y"}),
    ],
)
def test_metadata_takes_what_applications_have_at_hand(given_: object, meant: object) -> None:
    assert new_event("user.created", **BASE, metadata={"x": given_}).metadata == {"x": meant}


def test_context_may_be_a_mapping() -> None:
    event = new_event("user.created", **BASE, context={"ip_address": ip_address("::1"), "user_agent": None})
    assert event.context == Context(ip_address="::1")


def test_tenants_may_be_numbers_and_uuids() -> None:
    assert [new_event("a", tenant=tenant, actor="system").tenant_id for tenant in (7, SOME_ID)] == ["7", str(SOME_ID)]


itself: dict[str, Any] = {}
itself["again"] = itself


@pytest.mark.parametrize(
    ("fields", "pointer", "words"),
    [
        ({"tenant": ""}, "/tenant_id", "1 to 128"),
        ({"tenant": None}, "/tenant_id", "required"),
        ({"actor": None}, "/actor", "required"),
        ({"actor": "usr_7"}, "/actor", "user:ID"),
        ({"actor": "user:"}, "/actor", "user:ID"),
        ({"actor": {"type": "robot"}}, "/actor/type", "user, system, api_key"),
        ({"actor": {"id": "7"}}, "/actor/type", "required"),
        ({"actor": {"type": "user", "phone": "1"}}, "/actor/phone", "metadata"),
        ({"actor": object()}, "/actor", "type object"),
        ({"target": "inv_42"}, "/targets/0", "type:id"),
        ({"target": {"id": "x"}}, "/targets/0/type", "required"),
        ({"target": "a:1", "targets": ["b:2"]}, "/targets", "one of them"),
        ({"targets": "a:1"}, "/targets", "list"),
        ({"targets": 7}, "/targets", "list"),
        ({"changes": {"role": ["member", "admin"]}}, "/changes/role", "(before, after)"),
        ({"changes": {"a/b": ("x",)}}, "/changes/a~1b", "(before, after)"),
        ({"changes": {"role": {"old": 1}}}, "/changes/role/old", "metadata"),
        ({"changes": {"role": (1, b"x")}}, "/changes/role/to", "bytes"),
        ({"changes": [1]}, "/changes", "object"),
        ({"outcome": "ok"}, "/outcome", "success, failure, denied"),
        ({"source": "cron"}, "/source", "background"),
        ({"context": {"ip": "::1"}}, "/context/ip", "metadata"),
        ({"metadata": {"a": {"b": [object()]}}}, "/metadata/a/b/0", "name the fields"),
        ({"metadata": {"a": float("nan")}}, "/metadata/a", "nan"),
        ({"metadata": {"a": 10**5000}}, "/metadata/a", "thousands of digits"),
        ({"metadata": {"a": "\ud800"}}, "/metadata/a", "surrogate"),
        ({"metadata": {"\ud800": 1}}, "/metadata", "surrogate"),
        ({"metadata": {"a": "\0"}}, "/metadata/a", "NUL"),
        ({"metadata": {(1, 2): 1}}, "/metadata", "keys must be text"),
        ({"metadata": {1: 1, "1": 2}}, "/metadata", "two keys"),
        ({"metadata": itself}, "/metadata" + "/again" * 65, "contains itself"),
        ({"metadata": {"a": "x" * MAX_EVENT_BYTES}}, "", "32,768"),
        ({"metadata": [1]}, "/metadata", "object"),
        ({"occurred_at": datetime(2026, 1, 1)}, "/occurred_at", "datetime.now(UTC)"),  # noqa: DTZ001 - that is the point
        ({"occurred_at": datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))}, "/occurred_at", "years"),
        ({"occurred_at": "yesterday"}, "/occurred_at", "RFC 3339"),
        ({"occurred_at": 1763715000}, "/occurred_at", "RFC 3339"),
        ({"id": "not-a-uuid"}, "/id", "UUID"),
    ],
)
def test_a_refusal_points_at_the_field_and_says_what_to_do(fields: dict[str, Any], pointer: str, words: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        new_event("user.created", **{**BASE, **fields})
    [error] = caught.value.errors
    assert error.pointer == pointer
    assert words in error.detail
    assert str(caught.value) == f"{pointer or 'event'}: {error.detail}"


def test_masks_do_not_push_an_event_over_the_limit_unseen() -> None:
    """A mask is longer than the empty secret that it stands for, and the service counts what it is sent."""
    with pytest.raises(InvalidEventError) as caught:
        new_event("user.created", **BASE, metadata={"list": [{"pin": ""}] * 2900})
    assert caught.value.code == "event_too_large"


def test_secrets_do_not_leave_the_process() -> None:
    event = new_event("user.created", **BASE, metadata={"password": "hunter2"}, changes={"token": ("a", "b")})
    assert b"hunter2" not in dump(event)
    assert event.metadata == {"password": MASK}


def test_a_hand_made_event_is_checked_and_left_alone() -> None:
    mine = Event(tenant_id="acme", action="x", actor=Actor(type="user"), metadata={"at": date(2026, 1, 2)})
    made = prepare(mine).event
    assert (mine.id, mine.occurred_at, mine.metadata) == (None, None, {"at": date(2026, 1, 2)})
    assert made.metadata == {"at": "2026-01-02"}
    assert made.id is not None
    with pytest.raises(InvalidEventError):
        prepare(Event(tenant_id="acme", action="", actor=Actor(type="user")))


def test_unpacked_fields_are_those_of_new_event() -> None:
    """`log(**fields)` is typed by `EventFields`; nothing may be in one and not in the other."""
    signature = inspect.signature(new_event)
    taken = {name: p for name, p in signature.parameters.items() if name != "action"}
    fields = get_type_hints(EventFields, include_extras=True)
    assert set(taken) == set(fields)
    assert {name for name, p in taken.items() if p.default is p.empty} == {
        name for name, hint in fields.items() if get_origin(hint) is Required
    }
