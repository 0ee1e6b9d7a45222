"""`indelible doctor`: what it prints and writes, and how it ends. What it finds is the store's to prove."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from indelible import __version__
from indelible.cli.database import database
from indelible.settings import Settings
from indelible.store.embedded import DATABASE, LOGINS, SERVICE_ROLE
from indelible.store.migrate import migrate
from tests.cli.conftest import Done, indelible
from tests.postgres import Database, server


@pytest.fixture(scope="module")
def own() -> Iterator[Database]:
    """On a server of its own: roles belong to the server, and other tests make some."""
    with server(18) as postgres:
        made = Database(DATABASE, postgres.url(), postgres.admin_url())
        migrate(made.admin_url, service=SERVICE_ROLE)
        yield made


@pytest.fixture
def holed(own: Database) -> Iterator[Database]:
    def execute(statement: str) -> None:
        with psycopg.connect(own.admin_url, autocommit=True) as connection:
            connection.execute(statement.encode())

    execute("GRANT DELETE ON indelible.events TO indelible_writer")
    yield own
    execute("REVOKE DELETE ON indelible.events FROM indelible_writer")


def doctor(own: Database, *arguments: str, cwd: Path | None = None, **settings: str) -> Done:
    return indelible("doctor", *arguments, cwd=cwd, settings={"INDELIBLE_DATABASE_URL": own.url, **settings})


def test_what_it_prints(own: Database) -> None:
    done = doctor(own)
    assert (done.code, done.err) == (0, "")
    assert done.lines[0].startswith(f"Indelible {__version__}, PostgreSQL 18")
    assert done.lines[1] == f"Login {SERVICE_ROLE}: takes writer, reader, member, control, signer, keeper"
    assert f"  refused   42501 permission denied for schema indelible   ({SERVICE_ROLE} as itself)" in done.lines
    at = done.lines.index("  refused   42501 permission denied for table events   (every role)")
    assert done.lines[at + 1].strip() == "UPDATE events · DELETE FROM events · TRUNCATE events"
    assert re.fullmatch(
        r"No hole, \d+ warnings\. Of \d+ attempts PostgreSQL refused \d+, and \d+ came to nothing\.", done.lines[-1]
    )
    assert "password" not in done.out.replace("passwords of PostgreSQL", "").replace("who has its password", "")
    assert own.url not in done.out


def test_the_example_in_the_page_is_real(own: Database) -> None:
    """But for numbers, and for what this test's server does not keep on disk."""

    def lines(text: str) -> list[str]:
        text = re.sub(r"\d[\d_.:-]*", "#", text).replace("# warnings", "# warning")
        return [line for line in text.splitlines() if line and line != "…"]

    page = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text()
    (shown,) = re.findall(r"^```text\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    real = lines(doctor(own).out)
    assert len(lines(shown)) > 30
    assert [line for line in lines(shown) if line not in real] == []


def test_a_hole_ends_it_with_1_and_is_named_last(holed: Database) -> None:
    done = doctor(holed)
    assert done.code == 1
    assert "→ REVOKE DELETE ON indelible.events FROM indelible_writer;" in done.out
    last = [line for line in done.lines if line.startswith("HOLE")]
    assert last == [
        "HOLE  indelible_writer has DELETE ON indelible.events.",
        "HOLE  writer: DELETE FROM events: not refused: no rows",
        "HOLE  writer: lock a table: not refused: no rows",
        "HOLE  writer: grant a privilege: not refused: done: 1 row",
    ]
    assert done.lines[-1].startswith("4 holes, ")


def test_as_json(holed: Database) -> None:
    done = doctor(holed, "--json")
    found = json.loads(done.out)
    assert (done.code, found["version"], found["database"], found["holes"]) == (1, __version__, DATABASE, 4)
    assert {"area", "grade", "said", "fix"} == found["checks"][0].keys()
    (hole,) = [check for check in found["checks"] if check["grade"] == "hole"]
    assert hole["fix"] == "REVOKE DELETE ON indelible.events FROM indelible_writer;"
    tried = [a for a in found["attempts"] if a["name"] == "DELETE FROM events" and a["role"] == "reader"]
    assert tried == [
        {
            "area": "Changing what was recorded", "name": "DELETE FROM events", "login": SERVICE_ROLE, "role": "reader",
            "statements": ["SET LOCAL indelible.tenant_id = <tenant>",
                           "DELETE FROM indelible.events WHERE tenant_id = <tenant>"],
            "outcome": "refused", "sqlstate": "42501", "answer": "permission denied for table events",
            "there_was_something": None,
        }
    ]  # fmt: skip


def test_reports(own: Database, tmp_path: Path) -> None:
    """The suffix says which; both hold all that was tried."""
    done = doctor(own, "--report", "answers.md", cwd=tmp_path)
    assert (done.code, done.err) == (0, "The report is in answers.md.\n")
    assert doctor(own, "--json", "--report", "answers.JSON", cwd=tmp_path).code == 0
    found = json.loads((tmp_path / "answers.JSON").read_text())
    written = (tmp_path / "answers.md").read_text()
    assert f"- Login {SERVICE_ROLE}: takes writer," in written
    rows = [line for line in written.splitlines() if line.startswith("| `")]
    # Cells do not fall apart over what is in them.
    assert {len(re.split(r"(?<!\\)\|", row)) for row in rows} == {6}
    for attempt in found["attempts"]:
        assert f"| `{'; '.join(attempt['statements'])}` |".replace("||", r"\|\|") in written
    assert own.url not in written


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("answers.pdf", "--report answers.pdf: the name ends in .md or .json"),
        ("answers", "--report answers: the name ends in .md or .json"),
        ("nowhere/answers.md", "--report nowhere/answers.md: there is no directory"),
    ],
)
def test_a_report_that_cannot_be_written_is_told_before_anything_is_done(tmp_path: Path, name: str, said: str) -> None:
    done = indelible("doctor", "--report", name, cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_a_report_onto_a_directory(own: Database, tmp_path: Path) -> None:
    (tmp_path / "answers.md").mkdir()
    done = doctor(own, "--report", "answers.md", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert done.err == "indelible: --report answers.md: Is a directory\n"


def test_the_settings_of_this_place(own: Database) -> None:
    done = doctor(
        own, INDELIBLE_ADMIN_KEY="ind_live_" + "x" * 40, INDELIBLE_MIGRATION_URL=own.admin_url,
        INDELIBLE_HOST="0.0.0.0", INDELIBLE_VIEWER_SECRET="s" * 40, INDELIBLE_OLD_VIEWER_SECRET="t" * 40, COLUMNS="500",
    )  # fmt: skip
    assert done.code == 0
    said = done.out.partition("\nSettings\n")[2].partition("\n\n")[0]
    for expected in (
        "note     INDELIBLE_ADMIN_KEY is set here", "warning  INDELIBLE_MIGRATION_URL is set here",
        "note     INDELIBLE_HOST is 0.0.0.0", "warning  INDELIBLE_OLD_VIEWER_SECRET is set",
        "note     INDELIBLE_CHECKPOINT_ARCHIVE is not set here",
    ):  # fmt: skip
        assert expected in said
    assert "INDELIBLE_VIEWER_SECRET is not set" not in said
    for secret in ("x" * 20, "s" * 20, "t" * 20):
        assert secret not in done.out + done.err


def test_an_embedded_database(tmp_path: Path) -> None:
    """With a login for each role, of which none may take another."""
    missing = indelible("doctor", cwd=tmp_path)
    assert (missing.code, missing.out) == (2, "")
    assert "there is no database" in missing.err
    with database(Settings.from_env({}), tmp_path / "data", create=True):
        done = indelible("doctor", "--data-dir", "data", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert [line.split(":")[0] for line in done.lines[1:7]] == [
        f"Login {name}" for name in (SERVICE_ROLE, *LOGINS.values())
    ]
    assert done.lines[-1].startswith("No hole, 0 warnings.")


def test_no_postgresql(own: Database) -> None:
    done = indelible("doctor", settings={"INDELIBLE_DATABASE_URL": own.url.replace(f"/{DATABASE}?", "/nowhere?")})
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("indelible: PostgreSQL does not answer:")
