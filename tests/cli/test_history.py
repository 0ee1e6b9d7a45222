"""The demo's history: what makes it loadable twice, believable, and worth an investigation."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from indelible.catalog import Catalog
from indelible.cli.history import history
from indelible.event import Event, dump, parse

NOW = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
DOCUMENTATION = [ip_network(n) for n in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")]
STRANGER = "192.0.2.66"


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return list(history(NOW))


def days_of(events: list[Event]) -> list[datetime]:
    moments = [e.occurred_at for e in events if e.occurred_at]
    assert len(moments) == len(events), "every event has its time"
    return moments


def test_every_event_is_one_that_the_catalog_declares(events: list[Event]) -> None:
    """The demo shows the catalog at its best: no unregistered action, no field it doesn't know."""
    catalog = Catalog.load()
    unknown = {e.action for e in events if catalog.get(e.action) is None}
    assert not unknown
    assert {(e.action, str(problem)) for e in events for problem in catalog.check(e)} == set()


def test_every_event_is_accepted_as_it_is_written(events: list[Event]) -> None:
    """What goes over the wire comes back the same: nothing masked, nothing rounded."""
    assert all(parse(dump(event)) == event for event in events)


def test_loading_it_again_on_the_same_day_adds_nothing(events: list[Event]) -> None:
    """Ids are the idempotency keys: the same on each run of a day, and none used twice."""
    again = list(history(NOW.replace(hour=23)))
    assert [dump(e) for e in again] == [dump(e) for e in events]
    assert len({e.id for e in events}) == len(events)
    assert [e.id for e in history(NOW, seed=8)] != [e.id for e in events]


@pytest.mark.parametrize("offset", range(7))
def test_it_is_in_order_and_ends_before_today_on_every_weekday(offset: int) -> None:
    """The ledger gets it in the order it happened in, and no event is of the future."""
    now = NOW + timedelta(days=offset)
    moments = days_of(list(history(now)))
    assert moments == sorted(moments)
    midnight = now.replace(hour=0, minute=0)
    assert midnight - timedelta(days=90) <= moments[0]
    assert moments[-1] < midnight


def test_ids_are_uuid7_of_the_moment(events: list[Event]) -> None:
    """Sorting by id is sorting by time, as with ids that the client makes."""
    for event, moment in zip(events, days_of(events), strict=True):
        assert event.id is not None
        assert event.id.version == 7
        assert event.id.int >> 80 == round(moment.timestamp() * 1000)


def test_nobody_in_it_exists(events: list[Event]) -> None:
    """Only addresses and domains kept for documentation, so that the demo accuses no one."""
    for event in events:
        if event.context.ip_address:
            assert any(ip_address(event.context.ip_address) in network for network in DOCUMENTATION)
        assert event.actor.email is None or event.actor.email.endswith(".example")


def test_it_is_a_working_week_of_a_small_company(events: list[Event]) -> None:
    """Some 5,000 events of some 14 people, next to none on weekends."""
    assert 4000 <= len(events) <= 6500
    people = {e.actor.id for e in events if e.actor.type == "user"}
    assert 13 <= len(people) <= 15
    weekend = sum(moment.weekday() >= 5 for moment in days_of(events))
    assert weekend < len(events) * 0.01


def test_a_session_is_opened_once_and_has_one_address(events: list[Event]) -> None:
    """Following a session id tells one person's story from one place."""
    opened = Counter(e.context.session_id for e in events if e.action == "user.signed_in")
    assert set(opened.values()) == {1}
    at_the_keyboard = {
        (e.context.session_id, (e.actor.impersonator or e.actor).id, e.context.ip_address)
        for e in events
        if e.context.session_id
    }
    assert len(at_the_keyboard) == len({session for session, _, _ in at_the_keyboard})


@pytest.mark.parametrize("offset", range(7))
def test_those_who_left_or_have_not_come_yet_do_nothing(offset: int) -> None:
    """A leaver who works on, or a newcomer before the invitation, would be an incident that nobody meant."""
    events = list(history(NOW + timedelta(days=offset)))
    at = {(e.action, e.targets[0].id): n for n, e in enumerate(events) if e.targets}
    by_noah = [n for n, e in enumerate(events) if e.actor.id == "usr_12"]
    by_yusuf = [n for n, e in enumerate(events) if e.actor.id == "usr_14"]
    assert max(by_noah) < at["scim.user_deprovisioned", "usr_12"]
    assert min(by_yusuf) > at["scim.user_created", "usr_14"]
    assert min(n for n, e in enumerate(events) if e.actor.id == "usr_13") > at["user.invited", "usr_13"]


@pytest.mark.parametrize("offset", range(7))
def test_the_incident_is_there_whole_and_nowhere_else(offset: int) -> None:
    """The guide follows it step by step, whatever day the demo is started on."""
    events = list(history(NOW + timedelta(days=offset)))
    strange = [e for e in events if e.context.ip_address == STRANGER]
    steps = [e.action for e in strange]
    assert steps[:6] == ["user.sign_in_failed"] * 6
    assert steps[6:10] == ["user.signed_in", "api_key.created", "user.invited", "user.admin_granted"]
    assert steps[-4:] == ["webhook.deleted", "api_key.revoked", "user.removed", "user.signed_out"]
    assert {e.actor.id for e in strange} == {"usr_03"}
    nights = {moment.date() for moment in days_of(strange)}
    assert len(nights) == 1
    assert 11 <= (NOW.date() + timedelta(days=offset) - nights.pop()).days <= 18

    helped = [e for e in events if e.actor.impersonator]
    assert [e.action for e in helped] == ["user.mfa_reset"]
    found_out = [e for e in events if e.action == "user.suspended"]
    assert [e.actor.id for e in found_out] == ["usr_02"]
    assert found_out[0].id is not None
    assert strange[-1].id is not None
    assert found_out[0].id > strange[-1].id


GUIDE = (Path(__file__).parents[2] / "docs" / "guide-demo.md").read_text(encoding="utf-8")
QUESTIONS = re.findall(r"^ask ([^\n]+)\n```\n\n```text\n(.+?)```", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("offset", range(7))
@pytest.mark.parametrize(("question", "answer"), QUESTIONS)
def test_the_guide_shows_what_the_history_answers(question: str, answer: str, offset: int) -> None:
    """Asked of the events themselves, each question of the guide has exactly the answer that is printed there."""
    now = NOW + timedelta(days=offset)
    events = list(history(now))
    days = {e.action: e.occurred_at for e in events if e.occurred_at}
    night, morning = days["user.mfa_reset"], days["user.suspended"]
    asked: dict[str, list[str]] = {}
    for name, value in re.findall(r"-d (\w+)=(\S+)", question):
        dated = value.replace("${NIGHT}", f"{night:%Y-%m-%d}").replace("${MORNING}", f"{morning:%Y-%m-%d}")
        asked.setdefault(name, []).append(dated)
    since, until = asked.pop("since")[0], asked.pop("until", [now.isoformat()])[0]
    earliest = now - timedelta(days=int(since[:-1])) if since.endswith("d") else datetime.fromisoformat(since)
    sentence = Catalog.load().sentence
    told = [
        f"{e.occurred_at:%H:%M}  {sentence(e)}\n"
        for e in events
        if e.occurred_at
        and earliest <= e.occurred_at < datetime.fromisoformat(until)
        and e.action in asked.get("action", [e.action])
        and e.actor.id in asked.get("actor_id", [e.actor.id])
        and (e.targets[0].id if e.targets else None) in asked.get("target_id", [e.targets[0].id if e.targets else None])
    ]
    assert "".join(reversed(told)) == answer


def test_the_guide_asks_questions() -> None:
    """The pattern above finds them all: an answer that it overlooked would be checked by nobody."""
    assert len(QUESTIONS) == GUIDE.count("\nask -d") == 6
