"""`indelible list`: a tenant's events as sentences."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import Command

HOURS = (5, 1, 3, 2, 4)


@pytest.fixture
def logged(run: Command, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    events = [
        {"tenant_id": "acme", "action": "user.joined" if hours % 2 else "widget.spun",
         "occurred_at": (now - timedelta(hours=hours)).isoformat(),
         "actor": {"type": "user", "id": f"usr_{hours}", "name": f"Person {hours}"},
         "targets": [{"type": "team", "id": f"t{hours}"}], "metadata": {"hours": hours}}
        for hours in HOURS
    ]  # fmt: skip
    file = tmp_path / "events.ndjson"
    file.write_text("\n".join(map(json.dumps, events)))
    assert run("import", str(file)).code == 0


@pytest.mark.usefixtures("logged")
def test_sentences_newest_first(run: Command) -> None:
    done = run("list", "--tenant", "acme")
    assert (done.code, done.err) == (0, "")
    times = [line[:19] for line in done.lines]
    assert times == sorted(times, reverse=True)
    assert len(times) == 6
    told = [line for line in done.lines if "Person" in line]
    assert [f"Person {n}" in line for n, line in enumerate(told, 1)] == [True] * 5


@pytest.mark.usefixtures("logged")
@pytest.mark.parametrize(
    ("options", "hours"),
    [
        (["--limit", "2", "--until", "90m"], [2, 3]),
        (["--since", "150m", "--action", "user.joined"], [1]),
        (["--action", "user.joined", "--action", "widget.spun"], [1, 2, 3, 4, 5]),
        (["--actor-id", "usr_4"], [4]),
        (["--target-type", "team", "--target-id", "t2", "--target-id", "t3"], [2, 3]),
        (["--target-id", "none"], []),
        (["person"], [1, 2, 3, 4, 5]),
        (["person action:spun -actor_id:usr_4"], [2]),
        (['"Person 3"', "--since", "1d"], [3]),
        (["actor:usr_5", "--action", "widget.spun"], []),
        (["--q", "-spun actor:person", "--limit=2"], [1, 3]),
        (["--", "-spun actor:person"], [1, 3, 5]),
        (["--q", "-action:user.joined target:t2,t4"], [2, 4]),
        (["--action", "wid*", "--limit", "1"], [2]),
    ],
)
def test_filters_and_json(run: Command, options: list[str], hours: list[int]) -> None:
    done = run("list", "--tenant", "acme", "--json", *options)
    assert [event["metadata"]["hours"] for event in done.objects] == hours


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "Missing option '--tenant'"),
        (["--tenant", "a b"], "indelible: --tenant must be 1 to 128 letters"),
        (["--tenant", "acme", "--since", "monday"], "indelible: --since must be "),
        (["--tenant", "acme", "sarah outcom:denied"], "indelible: TEXT at character 7: found outcom:, expected"),
        (["--tenant", "acme", "--q", "sarah outcom:denied"], "indelible: --q at character 7: found outcom:, expected"),
        (["--tenant", "acme", 'sarah "'], "indelible: TEXT at character 7: found a quote without its other half"),
        (
            ["--tenant", "acme", "outcome:sucess"],
            "TEXT at character 9: outcome: must be one of success, failure",
        ),
        (["--tenant", "acme", ""], "TEXT at character 1: there is nothing to look for"),
        (["--tenant", "acme", "a", "--q", "b"], "give TEXT or --q, not both"),
        (["--tenant", "acme", "-viewed"], "no option -viewed; a TEXT that begins with a minus goes with --q"),
        (["--tenant", "acme", "-viewed"], "in quotes: --q '-viewed'"),
        (["a", "--tenant", "acme", "-b"], "expected one TEXT; put it in one pair of quotes: --q 'a -b'"),
        (["--tenant", "acme", "sarah chen", "role"], "2 arguments, expected one TEXT; put it in one pair of quotes"),
        (["--tenant", "acme", "sarah chen", "role"], "--q '\"sarah chen\" role'"),
        (["--tenant", "acme", "--sinc", "7d", "a"], "No such option: --sinc"),
        (["--tenant", "acme", "--since", "1d", "--until", "2d"], "indelible: --since must be before until, and "),
        (["--tenant", "acme", "\udcff"], "indelible: TEXT is not text in UTF-8"),
        (["--tenant", "acme", "--limit", "0"], "--limit"),
        (["--tenant", "acme", "--limit", "many"], "--limit"),
    ],
)
def test_what_is_wrong_is_said(run: Command, options: list[str], said: str) -> None:
    done = run("list", *options)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_a_tenant_without_events_has_an_empty_list(run: Command) -> None:
    assert run("list", "--tenant", "acme").out == ""
