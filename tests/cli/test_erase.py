"""`indelible erase`: says what would go; with --yes it goes. 0: done, or nothing left to do; 2: could not be done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from indelible.cli.recording import operator
from tests.cli.conftest import Command, environment
from tests.postgres import Database
from tests.store.samples import FULL, rows

REASON = ("--reason", "asked for by the person")
SARAH = ("erase", "--tenant", "acme", "--actor", "usr_7", *REASON)


@pytest.fixture
def logged(run: Command, tmp_path: Path) -> None:
    events = [{"tenant_id": "acme", **FULL} for _ in range(3)]
    events.append({"tenant_id": "acme", "action": "user.left", "actor": {"type": "user", "id": "usr_8"}})
    file = tmp_path / "events.ndjson"
    file.write_text("\n".join(map(json.dumps, events)))
    assert run("import", str(file)).code == 0


ME = operator().name


def erased(database: Database) -> int:
    ((count,),) = rows(database, "SELECT count(*) FROM indelible.event_personal WHERE erased IS NOT NULL")
    return int(count)


@pytest.mark.usefixtures("logged")
def test_nothing_is_erased_before_it_is_confirmed(run: Command, external: Database) -> None:
    done = run(*SARAH)
    assert (done.code, done.lines) == (0, [
        "Would erase from 3 events of acme: actor 3, context 3.",
        "Of these events stay: changes 3, metadata 3, targets 3; and the ids of actors and targets, in the entries.",
    ])  # fmt: skip
    assert done.err == "Nothing was erased: give --yes to erase it.\n"
    assert erased(external) == 0
    (asked,) = run(*SARAH, "--json").objects
    assert asked == {
        "tenant_id": "acme", "request": None, "done": False, "events": 3, "to_erase": {"actor": 3, "context": 3},
        "stays": {"changes": 3, "metadata": 3, "targets": 3}, "erased_earlier": {}, "records": [],
    }  # fmt: skip


@pytest.mark.usefixtures("logged")
def test_what_is_confirmed_goes_and_is_recorded(run: Command, external: Database) -> None:
    done = run(*SARAH, "--request", "DSR-19", "--by", "Dana Fox", "--yes")
    assert done.code == 0
    assert done.lines[0] == "Erased from 3 events of acme: actor 3, context 3. Recorded as #5."
    assert "docs/erasure.md" in done.err
    assert erased(external) == 3

    listed = run("list", "--tenant", "acme").lines
    assert f"{ME} erased personal data (actor and context) of user usr_7 from 3 entries (request DSR-19)" in listed[0]
    assert sum(line.endswith("  [erased on request (#5): actor, context]") for line in listed) == 3
    assert not any("Sarah Chen" in line for line in listed)
    assert run("list", "--tenant", "acme", "--q", "chen").lines == []
    shown = [event for event in run("list", "--tenant", "acme", "--json").objects if "erased" in event]
    assert [event["erased"] for event in shown] == [{"actor": 5, "context": 5}] * 3
    assert [event["actor"] for event in shown] == [{"type": "user", "id": "usr_7"}] * 3

    (record,) = run("list", "--tenant", "acme", "--json", "--action", "ledger.erasure").objects
    assert record["actor"] == {"type": "user", "id": f"os:{ME}", "name": ME}
    assert (record["source"], record["metadata"]["vendor_staff"]) == ("admin_panel", True)
    assert record["metadata"]["ordered_by"] == "Dana Fox"

    verified = run("verify", "--tenant", "acme")
    assert (verified.code, "; 6 personal parts erased, as recorded" in verified.out) == (0, True)


@pytest.mark.usefixtures("logged")
def test_again_there_is_nothing_left_to_do(run: Command, external: Database) -> None:
    assert run(*SARAH, "--yes").code == 0
    again = run(*SARAH, "--yes")
    assert (again.code, again.lines[0]) == (0, "Nothing is left to erase: acme has no actor or context of actor usr_7.")
    (told,) = run(*SARAH, "--yes", "--json").objects
    assert (told["done"], told["events"], told["records"]) == (True, 0, [])
    assert told["erased_earlier"] == {"actor": 3, "context": 3}
    assert rows(external, "SELECT size FROM indelible.ledgers") == [(6,)]


@pytest.mark.usefixtures("logged")
def test_other_groups_a_target_and_one_event(run: Command) -> None:
    assert run("erase", "--tenant", "acme", "--target", "usr_9", *REASON).lines[0] == (
        "Would erase from 3 events of acme: changes 3, targets 3."
    )
    some = run("erase", "--tenant", "acme", "--target", "usr_9", *REASON, "--groups", "metadata, targets", "--yes")
    assert some.lines[0].startswith("Erased from 3 events of acme: metadata 3, targets 3.")
    id_ = run("list", "--tenant", "acme", "--json", "--target-id", "usr_9").objects[-1]["id"]
    one = run("erase", "--tenant", "acme", "--event", id_, *REASON, "--yes")
    # 6 records that the events were listed.
    assert one.lines == ["Erased from 1 event of acme: actor 1, changes 1, context 1. Recorded as #7."]
    assert run("verify").code == 0


@pytest.mark.usefixtures("logged")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--tenant", "nobody", "--actor", "usr_7"], "there is no tenant 'nobody'"),
        (
            ["--tenant", "acme", "--actor", "usr_77"],
            "no event of acme was done by 'usr_77': nothing to erase; is the id",
        ),
        (["--tenant", "acme", "--target", "usr_7"], "no event of acme has the target 'usr_7'"),
        (["--tenant", "acme", "--actor", "usr_7", "--until", "300d"], "'usr_7' in this span of time"),
        (
            ["--tenant", "acme", "--actor", "usr_7", "--since", "soon"],
            "--since must be a date in UTC (2026-11-21, 2026-11, today, yesterday), RFC 3339",
        ),
        (["--tenant", "acme", "--event", "0192f0c4-0000-7000-8000-000000000001"], "acme has no event 0192f0c4"),
        (["--tenant", "acme", "--event", "7"], "--event '7': an event's id is a UUID"),
        (["--tenant", "acme"], "give one of --actor, --target and --event"),
        (["--tenant", "acme", "--actor", "a", "--target", "b"], "give one of --actor, --target and --event"),
        (["--tenant", "acme", "--actor", ""], "--actor: give the id"),
        (
            ["--tenant", "acme", "--actor", "usr_7", "--groups", "actor,names"],
            "there is no group 'names'; there are actor",
        ),
        (["--tenant", "acme", "--actor", "usr_7", "--groups", ""], "there is no group ''"),
        (["--tenant", "acme", "--actor", "usr_7", "--reason", " "], "--reason is empty"),
        (["--tenant", "acme", "--actor", "usr_7", "--request", ""], "--request is empty"),
        (["--tenant", "acme", "--actor", "usr_7", "--by", "x" * 1001], "--by: at most 1,000 characters"),
    ],
)
def test_what_cannot_be_done_is_explained(run: Command, external: Database, options: list[str], said: str) -> None:
    """A mistyped id must not look like a request that was met."""
    for confirmed in ([], ["--yes"]):
        done = run("erase", *REASON, *options, *confirmed)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
    assert erased(external) == 0


@pytest.mark.usefixtures("logged")
def test_the_ledgers_own_entries_stay(run: Command) -> None:
    first = run("list", "--tenant", "acme", "--json", "--action", "ledger.created").objects[0]["id"]
    done = run("erase", "--tenant", "acme", "--event", first, *REASON, "--yes")
    assert (done.code, "an entry of the ledger's own" in done.err) == (2, True)


def test_a_reason_is_required(run: Command) -> None:
    done = run("erase", "--tenant", "acme", "--actor", "usr_7")
    assert (done.code, "Missing option '--reason'" in done.err) == (2, True)


def test_killed_in_the_middle_it_goes_on_where_it_was(run: Command, external: Database, tmp_path: Path) -> None:
    """Whatever is gone is recorded, and whatever is recorded is gone, at every moment."""
    total = 4000
    file = tmp_path / "events.ndjson"
    file.write_text("\n".join(json.dumps({"tenant_id": "acme", **FULL}) for _ in range(total)))
    assert run("import", str(file)).code == 0
    command = [sys.executable, "-m", "indelible", *SARAH, "--groups", "actor,changes,context,metadata,targets", "--yes"]
    for enough in (1, 1000, 2000):
        process = subprocess.Popen(command, env=environment(INDELIBLE_DATABASE_URL=external.url), cwd=tmp_path,
                                   stderr=subprocess.DEVNULL)  # fmt: skip
        deadline = time.monotonic() + 60
        while erased(external) < enough and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        done = erased(external)
        assert enough <= done < total
        verified = run("verify", "--tenant", "acme")
        assert (verified.code, f"{5 * done:,} personal parts erased, as recorded" in verified.out) == (0, True)
    rest = run(*SARAH, "--groups", "actor,changes,context,metadata,targets", "--yes", "--json").objects[0]
    assert (rest["done"], rest["events"] + done, erased(external)) == (True, total, total)
    assert run("verify").code == 0
    ((left,),) = rows(external, "SELECT count(*) FROM indelible.event_personal WHERE search @@ 'chen'::tsquery")
    assert left == 0
