"""What is read by a command is recorded first, under the name of whoever is logged in on the host."""

from __future__ import annotations

import json
import os
import pwd
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import pytest

from indelible.cli import events, recording, signing
from indelible.ledger import evidence
from indelible.ledger.signing import SigningKey
from indelible.store import finding
from tests.cli.conftest import Command
from tests.postgres import Database
from tests.store.samples import rows

KEY = SigningKey.generate()
SIGNS = {"INDELIBLE_SIGNING_KEY": KEY.pem()}
ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def acme(run: Command) -> str:
    """Two entries: the opening, and that somebody joined."""
    assert run("log", "user.joined", "--tenant", "acme", "--actor", "user:usr_7", "--actor-name", "Sarah").code == 0
    return "acme"


def recorded(run: Command, tenant: str = "acme") -> list[dict[str, Any]]:
    """The log of the log, the oldest first; this look, which is one more, is recorded after the rows were read."""
    shown = run("list", "--tenant", tenant, "--limit", "500", "--json", "--until", "2999-01-01T00:00:00Z")
    assert shown.code == 0, shown.err
    return [each for each in reversed(shown.objects) if each["action"].startswith("audit_log.")]


def test_listing_is_recorded_once(run: Command, acme: str) -> None:
    for _ in range(3):
        done = run("list", "--tenant", acme)
        assert done.code == 0
        # The list shows what was there before.
        assert "Sarah joined" in done.out
    (entry,) = recorded(run)
    assert entry["sentence"] == f"{ME} (vendor staff) viewed the audit log"
    assert entry["actor"] == {"type": "user", "id": f"os:{ME}", "name": ME}
    assert (entry["source"], entry["metadata"]) == ("admin_panel", {"vendor_staff": True})


def test_searching_is_recorded_with_what_was_looked_for(run: Command, acme: str) -> None:
    """Another search is another entry, the same one is not, in whatever order it is given."""
    assert run("list", "--tenant", acme, "--q", "sarah", "--action", "user.joined").code == 0
    assert run("list", "--tenant", acme, "--action", "user.joined", "--q", "sarah").code == 0
    assert run("list", "--tenant", acme, "--q", "nobody").code == 0
    one, other = recorded(run)
    assert one["sentence"] == f"{ME} (vendor staff) searched the audit log for “sarah” (action user.joined)"
    assert one["metadata"] == {
        "query": "sarah", "filters": {"action": ["user.joined"]}, "results": 1, "vendor_staff": True,
    }  # fmt: skip
    assert (other["metadata"]["query"], other["metadata"]["results"]) == ("nobody", 0)


@pytest.mark.parametrize(
    "words", ["“x” ) deleted the audit log", "\x1b[2Jx", "x" * 256, "'; DROP TABLE", "\u202ex", "a\nb"]
)
def test_hostile_words_do_not_keep_it_from_being_recorded(run: Command, acme: str, words: str) -> None:
    """Nor do they break the sentence that tells of them."""
    assert run("list", "--tenant", acme, "--q", words).code == 0
    (entry,) = recorded(run)
    begun, quoted = entry["sentence"].split(" for ")
    assert begun == f"{ME} (vendor staff) searched the audit log"
    assert (quoted[0], quoted[-1], quoted.count("”")) == ("“", "”", 1)
    assert quoted.isprintable()


def test_an_argument_that_is_no_text_is_named(run: Command, external: Database, acme: str) -> None:
    """Half of a surrogate pair is how Python hands over bytes that are no UTF-8."""
    done = run("list", "--tenant", acme, "--q", "\udcff")
    assert (done.code, done.out, done.err) == (2, "", "indelible: --q is not text in UTF-8\n")
    assert rows(external, "SELECT FROM indelible.events WHERE action LIKE 'audit_log.%%'") == []


def test_what_cannot_be_recorded_is_not_shown(run: Command, external: Database, acme: str, tmp_path: Path) -> None:
    """Neither on the terminal nor in a file."""
    with psycopg.connect(external.admin_url) as holder:
        holder.execute("SELECT FROM indelible.ledgers WHERE tenant_id = %s FOR UPDATE", (acme,))
        for arguments in (["list"], ["list", "--q", "sarah"], ["export", "--evidence", "--out", "acme.jsonl"]):
            done = run(*arguments, "--tenant", acme, INDELIBLE_APPEND_TIMEOUT="1", **SIGNS)
            assert (done.code, done.out) == (2, "")
            assert "Traceback" not in done.err
        holder.rollback()
    assert not list(tmp_path.iterdir())
    assert recorded(run) == []


def test_it_is_recorded_before_a_word_is_shown(
    run: Command, external: Database, acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever interrupts the command after the first line has looked."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("indelible.cli.events.say", interrupt)
    assert run("list", "--tenant", acme).code != 0
    assert len(rows(external, "SELECT FROM indelible.events WHERE action = 'audit_log.viewed'")) == 1


def test_an_export_holds_its_own_record(run: Command, acme: str, tmp_path: Path) -> None:
    """Recorded before it is begun, and so the last entry: whoever verifies the file sees who made it."""
    assert run("export", "--evidence", "--tenant", acme, "--out", "a.jsonl", "--since", "7d", **SIGNS).code == 0
    options = ["--action", "user.joined", "--from", "1", "--to", "3", "--withhold", "context"]
    assert run("export", "--evidence", "--tenant", acme, "--out", "b.jsonl", *options, **SIGNS).code == 0
    lines = (tmp_path / "a.jsonl").read_bytes().splitlines(keepends=True)
    entries = [json.loads(evidence.cut_entry(line)[0]) for line in lines if line.startswith(evidence.ENTRY)]
    assert [entry["action"] for entry in entries] == ["ledger.created", "user.joined", "audit_log.exported"]
    assert entries[-1]["actor"] == {"id": f"os:{ME}", "type": "user"}
    first, second = recorded(run)
    assert first["sentence"] == f"{ME} (vendor staff) exported the audit log as evidence"
    assert first["metadata"] == {"format": "evidence", "filters": {"since": "7d"}, "vendor_staff": True}
    assert second["metadata"] == {
        "format": "evidence", "filters": {"action": ["user.joined"]}, "range": "1 to 3", "withheld": ["context"],
        "vendor_staff": True,
    }  # fmt: skip


def test_an_export_that_fails_is_recorded(
    run: Command, acme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have shown something before it failed."""
    monkeypatch.setattr(signing, "_PATIENCE", timedelta(seconds=0.3))
    assert run("export", "--evidence", "--tenant", acme, "--out", "a.jsonl").code == 2
    assert [each["action"] for each in recorded(run)] == ["audit_log.exported"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments", [["list"], ["export", "--evidence", "--out", "a.jsonl"]], ids=lambda each: each[0]
)
def test_a_tenant_that_there_is_not_gets_no_ledger(run: Command, external: Database, arguments: list[str]) -> None:
    run(*arguments, "--tenant", "nobody", **SIGNS)
    assert rows(external, "SELECT FROM indelible.ledgers") == []


def test_what_is_listed_is_read_before_it_is_recorded(run: Command, acme: str) -> None:
    """The list does not show the look at itself, on no page of it."""
    with mock.patch.object(events, "find", wraps=finding.find) as find:
        done = run("list", "--tenant", acme, "--limit", "600", "--json")
    assert find.call_count >= 1
    assert [each["action"] for each in done.objects] == ["user.joined", "ledger.created"]


# --- who it was


@pytest.mark.parametrize(
    ("uid", "sudo_user", "name"),
    [
        (0, None, "root"),
        (0, "dana", "dana"),
        (0, "", "root"),
        # Only sudo, which makes them root, is believed.
        (65_534, "dana", pwd.getpwuid(65_534).pw_name),
        (4_000_000_001, None, "4000000001"),
    ],
)
def test_the_operator_is_the_login_on_the_host(
    monkeypatch: pytest.MonkeyPatch, uid: int, sudo_user: str | None, name: str
) -> None:
    """What the environment says of it is for whoever calls the command to write."""
    monkeypatch.setattr(os, "getuid", lambda: uid)
    monkeypatch.setenv("USER", "somebody")
    monkeypatch.setenv("LOGNAME", "somebody")
    monkeypatch.delenv("SUDO_USER", raising=False)
    if sudo_user is not None:
        monkeypatch.setenv("SUDO_USER", sudo_user)
    actor = recording.operator()
    # No user of the customer's has this id, however they are called.
    assert (actor.type, actor.id, actor.name) == ("user", f"os:{name}", name)
