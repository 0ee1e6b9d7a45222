"""`indelible import`: a file of events goes in once, whatever is wrong with it and however often it is tried."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from indelible.store.embedded import EmbeddedPostgres
from tests.cli.conftest import Command, environment, indelible
from tests.postgres import Database

SAMPLE = Path(__file__).parents[3] / "shared" / "data" / "saas_events.ndjson"


def line(number: int, tenant: str = "acme", **fields: object) -> str:
    event = {"tenant_id": tenant, "action": "user.joined", "actor": {"type": "user", "id": f"usr_{number}"}}
    return json.dumps({**event, "metadata": {"n": number}, **fields})


def count(database: Database) -> int:
    """Events there are, but for those that open the ledgers."""
    with psycopg.connect(database.admin_url) as connection:
        row = connection.execute("SELECT count(*) FROM indelible.events WHERE seq > 0").fetchone()
    return int(row[0]) if row else 0


@pytest.mark.skipif(not SAMPLE.exists(), reason="the sample of other products' events is not there")
def test_the_events_of_other_products_go_in(run: Command) -> None:
    """Years old, of many tenants, with actions that no catalog knows."""
    lines = len(SAMPLE.read_text().splitlines())
    done = run("import", str(SAMPLE))
    ledgers = len(run("tenants", "list").lines)
    assert (done.code, done.err) == (0, "")
    assert done.out == f"Added: {lines}. There already: 0. Refused: 0. Ledgers: {ledgers}.\n"
    assert run("verify").code == 0
    again = run("import", str(SAMPLE))
    assert again.out == f"Added: 0. There already: {lines}. Refused: 0. Ledgers: {ledgers}.\n"


BAD = {
    2: ("{", "event: is not valid JSON"),
    4: (line(4, tenant_id="a b"), "/tenant_id: must be 1 to 128 letters"),
    5: ("[]", "event: must be an object, not a list"),
    7: (line(7, occurred_at="2099-01-01T00:00:00Z"), "/occurred_at: lies more than 5 minutes in the future"),
    8: (line(8, metadata={"x": "y" * 40_000}), "event: the event has"),
    9: (line(9, metadata={"x": "\0"}), "/metadata/x: holds the NUL character"),
    11: (line(11, action="ledger.created"), "/action: ledger.* and audit_log.* are recorded by the service"),
    12: (line(12, id="0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90"), "is the id of another event"),
}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Twelve lines, some of which are bad; line 3 has the id that line 12 wants."""
    taken = line(3, id="0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90")
    file = tmp_path / "mixed.ndjson"
    file.write_text("\n".join(BAD[n][0] if n in BAD else taken if n == 3 else line(n) for n in range(1, 13)))
    return file


def test_bad_lines_are_reported_by_number_and_the_others_go_in(run: Command, external: Database, mixed: Path) -> None:
    done = run("import", str(mixed))
    assert (done.code, done.err) == (1, "")
    first, *refusals = done.lines
    assert first == "Added: 4. There already: 0. Refused: 8. Ledgers: 1."
    assert {int(r.split(":")[0].removeprefix("  line ")) for r in refusals} == set(BAD)
    for number, (_, reason) in BAD.items():
        assert any(r.startswith(f"  line {number}: ") and reason in r for r in refusals)
    assert count(external) == 4


def test_the_result_as_json(run: Command, mixed: Path) -> None:
    done = run("import", "--json", str(mixed))
    assert done.code == 1
    (result,) = done.objects
    assert {name: result[name] for name in ("added", "already_there", "refused")} == {
        "added": 4, "already_there": 0, "refused": 8,
    }  # fmt: skip
    assert {refusal["line"] for refusal in result["refusals"]} == set(BAD)
    assert all(BAD[refusal["line"]][1] in refusal["reason"] for refusal in result["refusals"])


def test_importing_twice_adds_nothing(run: Command, external: Database, mixed: Path) -> None:
    """Also lines without an id; and two lines of one text are two events."""
    run("import", str(mixed))
    again = run("import", str(mixed))
    assert "Added: 0. There already: 4. Refused: 8. Ledgers: 1." in again.out
    assert count(external) == 4
    same = "\n".join([line(1, tenant="umbra")] * 3).encode()
    assert "Added: 3. There already: 0." in run("import", "-", stdin=same).out
    assert "Added: 0. There already: 3." in run("import", "-", stdin=same).out


@pytest.mark.parametrize(
    ("content", "added"),
    [
        (b"", 0),
        (b"\n\n \n\t\r\n", 0),
        (b"\xef\xbb\xbf" + line(1).encode() + b"\r\n\r\n" + line(2).encode() + b"\r\n", 2),
        (b"\n\n" + line(1).encode() + b"\n   \n  " + line(2).encode() + b"  ", 2),
        (line(1, metadata={"x": "\u2028\u0085"}).encode() + b"\n" + line(2).encode(), 2),
        (line(1).replace("usr_1", "u\u2028r\u0085").encode() + b"\n" + line(2).encode(), 2),
    ],
)
def test_line_ends_blanks_and_byte_order_marks(run: Command, external: Database, content: bytes, added: int) -> None:
    """A line ends at LF alone: other characters that Python splits at may stand in a text."""
    done = run("import", "-", stdin=content)
    assert (done.code, count(external)) == (0, added)
    assert done.out.startswith(f"Added: {added}.")


def test_an_overlong_line_is_one_refusal(run: Command, external: Database) -> None:
    """However long: it is never held in memory, and never taken for several lines."""
    content = b"\n".join([line(1).encode(), b'{"a":"' + b"x" * 5_000_000 + b'"}', line(3).encode(), b"y" * 40_000])
    done = run("import", "-", stdin=content)
    assert done.code == 1
    assert "Added: 2. There already: 0. Refused: 2. Ledgers: 1." in done.out
    assert [text.split(":")[0] for text in done.lines[1:]] == ["  line 2", "  line 4"]
    assert count(external) == 2


@pytest.mark.parametrize("path", ["nowhere.ndjson", ".", "/dev/null/x", "x" * 300])
def test_what_is_no_file_is_said(run: Command, path: str) -> None:
    done = run("import", path)
    assert (done.code, done.out) == (2, "")
    assert f"FILE {path!r}: " in done.err


def test_a_file_that_is_no_text_is_refused_line_by_line(run: Command) -> None:
    done = run("import", "-", stdin=bytes(range(256)) * 3)
    assert done.code == 1
    assert "Added: 0." in done.out


def test_an_import_that_was_killed_is_completed_by_the_next(run: Command, external: Database, tmp_path: Path) -> None:
    """Every event once, though nobody knows how far the first one came."""
    total = 6000
    file = tmp_path / "large.ndjson"
    file.write_text("\n".join(line(n, tenant=f"t{n % 5}") for n in range(total)))
    killed = subprocess.Popen(
        [sys.executable, "-m", "indelible", "import", str(file)],
        env=environment(INDELIBLE_DATABASE_URL=external.url), stdout=subprocess.DEVNULL,
    )  # fmt: skip
    while count(external) == 0:
        assert killed.poll() is None, "it ended before anything was in"
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    before = count(external)
    assert 0 < before < total, "it has to be killed midway"

    done = run("import", str(file), "--json")
    assert done.code == 0
    (result,) = done.objects
    assert result["added"] + result["already_there"] == total
    assert result["already_there"] >= before
    assert count(external) == total
    with psycopg.connect(external.admin_url) as connection:
        actors = connection.execute("SELECT count(DISTINCT actor_id) FROM indelible.events WHERE seq > 0").fetchone()
    assert actors == (total,)
    assert run("verify").code == 0


def test_an_embedded_database_is_used_whether_or_not_it_runs(tmp_path: Path) -> None:
    """The commands start and stop it where nobody else does, and share it where somebody does."""
    data = tmp_path / "data"
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)  # as root, PostgreSQL runs as another user, who has to pass
    at = f"--data-dir={data}"
    assert indelible("migrate", at).code == 0
    assert indelible("import", "-", at, stdin=line(1).encode()).out.startswith("Added: 1.")
    assert not EmbeddedPostgres(data).is_running()

    with EmbeddedPostgres(data) as postgres:
        assert indelible("import", "-", at, stdin=line(2).encode()).out.startswith("Added: 1.")
        assert indelible("log", "user.left", "--tenant", "acme", at).code == 0
        assert postgres.is_running(), "it is not stopped by those who found it running"
    done = indelible("verify", at)
    assert done.code == 0
    assert "acme: proven. 4 entries" in done.out
    assert len(indelible("list", "--tenant", "acme", at).lines) == 4
