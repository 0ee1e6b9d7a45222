"""`indelible log`: one event from the command line."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Command

WHOLE = {"tenant_id": "acme", "action": "user.role_changed", "actor": {"type": "user", "id": "usr_7", "name": "Sarah"},
         "targets": [{"type": "user", "id": "usr_9", "name": "Alex Roman"}],
         "changes": {"role": {"from": "member", "to": "admin"}}}  # fmt: skip


def test_what_is_logged_is_told_as_a_sentence_and_listed(run: Command) -> None:
    """The example of the command's own help."""
    done = run("log", "user.role_changed", "--tenant", "acme", "--actor", "user:usr_7", "--actor-name", "Sarah Chen",
               "--target", "user:usr_9:Alex Roman", "--change", "role=member:admin", "--metadata", "ticket=4512=x",
               "--outcome", "denied", "--source", "ui")  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("#1  ")
    assert "Sarah Chen" in done.out
    (event,) = run("list", "--tenant", "acme", "--json", "--action", "user.role_changed").objects
    assert event["actor"] == {"type": "user", "id": "usr_7", "name": "Sarah Chen"}
    assert event["targets"] == [{"type": "user", "id": "usr_9", "name": "Alex Roman"}]
    assert event["changes"] == {"role": {"from": "member", "to": "admin"}}
    assert event["metadata"] == {"ticket": "4512=x"}
    assert (event["outcome"], event["source"]) == ("denied", "ui")


@pytest.mark.parametrize("from_stdin", [False, True])
def test_a_whole_event_as_json(run: Command, from_stdin: bool) -> None:
    text = json.dumps(WHOLE)
    done = run("log", "--event", "-" if from_stdin else text, "--json", stdin=text.encode())
    assert done.code == 0
    (receipt,) = done.objects
    assert (receipt["seq"], receipt["tenant_id"], receipt["registered"]) == (1, "acme", True)
    (event,) = run("list", "--tenant", "acme", "--json", "--action", "user.role_changed").objects
    assert {name: event[name] for name in WHOLE} == WHOLE
    assert event["leaf_hash"] == receipt["leaf_hash"]


def test_history_may_be_logged(run: Command) -> None:
    """Whoever has the database may import anyway."""
    done = run("log", "--event", json.dumps({**WHOLE, "occurred_at": "1999-12-31T23:59:59Z"}))
    assert done.code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give an ACTION and --tenant, or the whole event with --event"),
        (["user.joined"], "give an ACTION and --tenant"),
        (["user.joined", "--tenant", "a b"], "/tenant_id: must be 1 to 128 letters"),
        (["user.joined", "--tenant", "acme", "--actor", "robot"], "/actor/type: must be one of user, system, api_key"),
        (["user.joined", "--tenant", "acme", "--change", "role"], "--change 'role': write NAME=VALUE"),
        (["user.joined", "--tenant", "acme", "--change", "role=admin"], "--change 'role=admin': write FIELD=FROM:TO"),
        (["user.joined", "--tenant", "acme", "--metadata", "=x"], "--metadata '=x': write NAME=VALUE"),
        (["user.joined", "--tenant", "acme", "--outcome", "ok"], "/outcome: must be one of"),
        (["user.joined", "--tenant", "acme", "--source", "web"], "/source: must be one of"),
        (["ledger.created", "--tenant", "acme"], "/action: ledger.* and audit_log.* are recorded by the service"),
        (["--event", "{"], "event: is not valid JSON"),
        (["--event", "{}"], "/tenant_id: is required"),
        (["--event", json.dumps({**WHOLE, "metadata": {"x": "y" * 33_000}})], "the event has"),
        (["user.joined", "--tenant", "acme", "--wrong"], "No such option: --wrong"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_and_nothing_is_logged(run: Command, arguments: list[str], said: str) -> None:
    done = run("log", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert run("list", "--tenant", "acme").out == ""


def test_bytes_that_are_no_text_are_an_error_of_the_senders(run: Command) -> None:
    done = run("log", "--event", "-", stdin=b"\xff\xfe{}")
    assert done.code == 2
    assert "event: is not valid JSON" in done.err


def test_an_unknown_tenant_is_an_error_where_tenants_are_made_by_hand(run: Command) -> None:
    by_hand = {"INDELIBLE_AUTO_TENANTS": "false"}
    done = run("log", "user.joined", "--tenant", "acme", **by_hand)
    assert (done.code, done.out) == (2, "")
    assert "there is no tenant 'acme'" in done.err
    assert run("tenants", "create", "acme", **by_hand).code == 0
    assert run("log", "user.joined", "--tenant", "acme", **by_hand).out.startswith("#1  ")
