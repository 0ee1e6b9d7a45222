"""Sentences of any event: who is named how, hostile values, outcomes, and actions that nobody declared."""

from __future__ import annotations

import json
import re
import timeit
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indelible.catalog import Catalog
from indelible.catalog.markdown import example_event
from indelible.event import Actor, Change, Context, Event, Impersonator, Outcome, Target, parse

CATALOG = Catalog.load()
SARAH = Actor(type="user", id="usr_7", name="Sarah Chen", email="sarah@acme.example")
REAL_EVENTS = Path("/work/shared/data/saas_events.ndjson")


def sentence(
    action: str,
    *targets: Target,
    actor: Actor = SARAH,
    outcome: Outcome = "success",
    metadata: dict[str, Any] | None = None,
    changes: dict[str, Change] | None = None,
) -> str:
    return CATALOG.sentence(
        Event(
            tenant_id="acme",
            action=action,
            actor=actor,
            targets=list(targets),
            outcome=outcome,
            metadata=metadata or {},
            changes=changes or {},
        )
    )


def user(name: str | None = None, id_: str | None = "usr_9") -> Target:
    return Target(type="user", id=id_, name=name)


@pytest.mark.parametrize(
    ("actor", "called"),
    [
        (SARAH, "Sarah Chen"),
        (Actor(type="user", id="usr_7", email="sarah@acme.example"), "sarah@acme.example"),
        (Actor(type="user", id="usr_7"), "User usr_7"),
        (Actor(type="user"), "Someone"),
        (Actor(type="user", name=" \u202e\n"), "Someone"),
        (Actor(type="system"), "System"),
        (Actor(type="system", name="Nightly sync"), "System “Nightly sync”"),
        (Actor(type="api_key", id="key_12", name="CI deploy"), "API key “CI deploy”"),
        (Actor(type="api_key", id="key_12"), "API key key_12"),
        (Actor(type="api_key"), "An API key"),
        (
            Actor(type="user", name="Sarah Chen", impersonator=Impersonator(name="Ana")),
            "Support agent Ana (as Sarah Chen)",
        ),
        (Actor(type="user", impersonator=Impersonator()), "A support agent (as someone)"),
        (
            Actor(type="user", id="usr_7", impersonator=Impersonator(id="sup_3")),
            "Support agent sup_3 (as user usr_7)",
        ),
    ],
)
def test_actors_are_called_by_the_best_name_there_is(actor: Actor, called: str) -> None:
    """Whoever acted is named, and support staff are never shown as the customer's user."""
    assert sentence("group.created", actor=actor) == f"{called} created a group"
    assert sentence("widget.created", actor=actor) == f"{called} created a widget"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Alex\u202eRoman", "AlexRoman"),
        ("Alex\nSarah Chen made Bob an admin", "“Alex Sarah Chen made Bob an admin”"),
        ("Alex\u2028Roman\x00\x1b[31m", "Alex Roman [31m"),
        ("Ana (as Bob)", "“Ana (as Bob)”"),
        ("Alex” and everyone", "“Alex' and everyone”"),
        ("Alex, but it failed", "“Alex, but it failed”"),
        ("{actor} [x] {metadata.reason}", "“{actor} [x] {metadata.reason}”"),
        ("\ud800Alex", "Alex"),
        ("Al\u200bex \u3164 Roman", "Alex Roman"),
        ("\u2066Alex\u2069", "Alex"),
        ("Zoë O’Neill-Łuczak", "Zoë O’Neill-Łuczak"),
        ("प्रिया शर्मा", "प्रिया शर्मा"),
        ("سارة", "\u2068سارة\u2069"),
        ("\u200d\u0301", "user usr_9"),
    ],
)
def test_a_name_can_not_forge_a_sentence(name: str, shown: str) -> None:
    """A user who chooses their own name must not be able to write, reorder or break the lines of the log."""
    assert sentence("user.removed", user(name)) == f"Sarah Chen removed {shown}"


def test_a_cut_name_keeps_its_quotation_marks() -> None:
    """A name whose closing mark were cut off would go over into our own words."""
    document = Target(type="document", name="Sarah Chen shared " * 20)
    for action in ("document.viewed", "record.deleted", "widget.deleted"):
        shown = sentence(action, document)
        assert shown.count("“") == shown.count("”") == 1


def test_long_values_are_cut() -> None:
    """One value can't push the rest of a sentence out of sight."""
    shown = sentence("user.suspended", user("A" * 1024), metadata={"reason": "b" * 5000})
    assert shown == f"Sarah Chen suspended “{'A' * 59}…”: {'b' * 79}…"


@pytest.mark.parametrize(
    ("metadata", "shown"),
    [
        ({"records": 1}, "exported 1 record"),
        ({"records": 0}, "exported 0 records"),
        ({"records": "3"}, "exported 3 records"),
        ({"records": 12480}, "exported 12,480 records"),
        ({"records": 10**5000}, "exported a huge number of records"),
        ({"records": -1}, "exported data"),
        ({"records": True}, "exported data"),
        ({"records": {"__class__": 1}}, "exported data"),
        ({"records": None, "resource_type": "audit_reports"}, "exported audit reports"),
        ({"format": "csv"}, "exported data as CSV"),
        ({"format": ["csv", "json"]}, "exported data as CSV and JSON"),
        ({"format": "", "destination": "\u200b"}, "exported data"),
    ],
)
def test_values_of_the_wrong_kind_vanish(metadata: dict[str, Any], shown: str) -> None:
    """What can't be shown leaves no trace of itself: no "None", no gap, no Python."""
    assert sentence("data.exported", metadata=metadata) == f"Sarah Chen {shown}"


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (Change("member", "super_admin"), "Alex from Member to Super admin"),
        (Change(to="Owner"), "Alex to Owner"),
        (Change(from_="owner", to=None), "Alex from Owner"),
        (Change("[masked]", "[masked]"), "Alex from [masked] to [masked]"),
        (Change(), "the role of Alex"),
        (Change({"a": 1}, {"b": 2}), "the role of Alex"),
    ],
)
def test_a_change_shows_the_sides_it_has(change: Change, shown: str) -> None:
    """A side that was not sent is not made up."""
    assert sentence("user.role_changed", user("Alex"), changes={"role": change}) == f"Sarah Chen changed {shown}"


@pytest.mark.parametrize(
    ("action", "outcome", "shown"),
    [
        ("record.deleted", "failure", "Sarah Chen tried to delete a record, but it failed"),
        ("record.deleted", "denied", "Sarah Chen tried to delete a record, but was denied"),
        ("session.expired", "failure", "The session of Sarah Chen expired — failed"),
        ("user.sign_in_failed", "failure", "Sarah Chen failed to sign in"),
        ("user.sign_in_failed", "success", "Sarah Chen failed to sign in"),
        ("security.permission_denied", "denied", "Sarah Chen was denied permission"),
        ("widget.painted", "failure", "Sarah Chen painted a widget — failed"),
        ("widget.deleted", "denied", "Sarah Chen tried to delete a widget, but was denied"),
        ("login.failed", "success", "Sarah Chen tried to log in, but it failed"),
        ("login.failed", "failure", "Sarah Chen tried to log in, but it failed"),
    ],
)
def test_what_did_not_happen_is_told_plainly(action: str, outcome: Outcome, shown: str) -> None:
    """Nobody may read a refused deletion as one that took place, nor "failed" twice."""
    assert sentence(action, outcome=outcome) == shown


REPOSITORY = Target(type="repository", id="my-org/my-repo", name="my-org/my-repo")


@pytest.mark.parametrize(
    ("action", "targets", "shown"),
    [
        ("repo.create", [REPOSITORY], "created repository my-org/my-repo"),
        ("repo.add_member", [REPOSITORY, user("cat")], "added cat to repository my-org/my-repo"),
        ("git.push", [REPOSITORY], "pushed to repository my-org/my-repo"),
        ("invite_member", [REPOSITORY], "invited a member to repository my-org/my-repo"),
        ("org.saml_disabled", [Target(type="organization", name="my-org")], "disabled SAML in organization my-org"),
        ("slack.user_logout", [user("Sarah Chen", "usr_7")], "logged out of Slack"),
        ("slack.role_change_to_admin", [user("Alex")], "changed the role to admin for Alex in Slack"),
        ("slack.bulk_session_reset_by_admin", [user("Alex")], "reset sessions in bulk for Alex in Slack"),
        ("slack.anomaly", [], "triggered an anomaly in Slack"),
        ("workspace.settings.public_homepage_added", [], "added a public homepage to the workspace settings"),
        (
            "workspace.settings.allow_guests_setting_updated",
            [],
            "updated the allow guests setting in the workspace",
        ),
        ("system.mfa.factor.deactivate", [], "deactivated an MFA factor"),
        ("login.succeeded", [], "logged in"),
        ("payment.failed", [], "had a payment fail"),
        ("userLoggedIn", [], "logged in"),
        ("USER_DELETED", [user("Alex")], "deleted Alex"),
        ("invoices.bulk_approved", [], "approved invoices in bulk"),
        ("contract.put_on_hold", [], "put a contract on hold"),
        ("created", [], "created something"),
        ("用户.登录", [], "triggered “用户.登录”"),
        ("\u202e…", [], "triggered “…”"),
        ("{}", [], "triggered an event"),
    ],
)
def test_an_unknown_action_reads_naturally(action: str, targets: list[Target], shown: str) -> None:
    """A vendor who has declared nothing yet sees sentences all the same."""
    assert sentence(action, *targets) == f"Sarah Chen {shown}"


def readable(shown: str) -> None:
    """What holds for the sentence of any event."""
    assert shown
    assert shown == " ".join(shown.split())
    assert shown.isprintable() or all(unicodedata.category(c) in ("Cf", "Cn", "Co") or c.isprintable() for c in shown)
    assert not re.search("[\u202a-\u202e\u2066\u2067\u200e\u200f]", shown)
    assert shown.count("\u2068") == shown.count("\u2069")
    shown.encode()


@pytest.mark.skipif(not REAL_EVENTS.exists(), reason="needs the sample of real vendors' events")
def test_real_events_of_other_vendors_read() -> None:
    """No event of the sample shows a machine's word where a person would write a space."""
    for line in REAL_EVENTS.read_bytes().splitlines():
        event = parse(line)
        shown = CATALOG.sentence(event)
        readable(shown)
        assert event.action not in shown
        assert "None" not in shown
        assert "something" not in shown


hostile = st.one_of(
    st.text(max_size=60),
    st.text(
        alphabet=st.sampled_from('\u202e\u2066\u2069\u200d\u200b\u3164\n\r\t\x00\x1b{}[]|“”" a\ud800ש'), max_size=20
    ),
)
label = st.one_of(hostile, st.sampled_from(["user", "repository", "document", "org", "api_key"]))
optional = st.none() | hostile
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | hostile,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(hostile, inner, max_size=3),
    max_leaves=8,
)
declared = sorted({key for spec in CATALOG.actions.values() for key in (*spec.metadata, *spec.changes)})
keys = hostile | st.sampled_from(declared)
events = st.builds(
    Event,
    tenant_id=st.just("acme"),
    action=st.one_of(hostile, st.sampled_from(list(CATALOG.actions)), st.from_regex(r"[a-z_.]{1,30}", fullmatch=True)),
    actor=st.builds(
        Actor,
        type=st.sampled_from(["user", "system", "api_key"]),
        id=optional,
        name=optional,
        email=optional,
        impersonator=st.none() | st.builds(Impersonator, id=optional, name=optional, email=optional),
    ),
    targets=st.lists(st.builds(Target, type=label, id=optional, name=optional), max_size=5),
    changes=st.dictionaries(keys, st.builds(Change, from_=values, to=values) | st.just(Change()), max_size=3),
    outcome=st.sampled_from(["success", "failure", "denied"]),
    context=st.builds(Context, ip_address=optional),
    metadata=st.dictionaries(keys, values, max_size=5),
)


@settings(max_examples=400, deadline=None)
@given(events)
def test_any_event_has_a_sentence(event: Event) -> None:
    """The log never fails to show an event, whatever is in it."""
    readable(CATALOG.sentence(event))
    CATALOG.check(event)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_every_template_stands_hostile_values(data: st.DataObject) -> None:
    """Each action with every field that it declares filled at will."""
    for spec in CATALOG.actions.values():
        event = example_event(spec)
        event.metadata = {key: data.draw(values) for key in spec.metadata}
        event.changes = {key: Change(data.draw(values), data.draw(values)) for key in spec.changes}
        readable(CATALOG.sentence(event))


def test_sentences_are_quick() -> None:
    """They are made for each event of a page and of an export. The bound is ten times what a slow machine needs."""
    event = parse(
        json.dumps(
            {
                "tenant_id": "acme",
                "action": "user.role_changed",
                "actor": {"type": "user", "name": "Sarah Chen"},
                "targets": [{"type": "user", "name": "Alex Roman"}],
                "changes": {"role": {"from": "member", "to": "admin"}},
            }
        ).encode()
    )
    assert min(timeit.repeat(lambda: CATALOG.sentence(event), number=200, repeat=5)) / 200 < 150e-6
