"""`indelible verify`: 0 proven, 1 contradicted, 2 could not be checked."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from indelible.ledger.signing import SigningKey
from tests.cli.conftest import Command, indelible
from tests.postgres import Database


@pytest.fixture
def ledgers(run: Command) -> None:
    for tenant in ("acme", "acme", "umbra"):
        assert run("log", "user.joined", "--tenant", tenant, "--actor", "user:usr_7", "--actor-name", "Ada").code == 0


def tamper(database: Database, statement: str) -> None:
    """As somebody does who owns the machine: no trigger stops a superuser who turns them off."""
    with psycopg.connect(database.admin_url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(statement.encode())


@pytest.mark.usefixtures("ledgers")
def test_a_ledger_that_nobody_touched_is_proven(run: Command) -> None:
    done = run("verify")
    assert (done.code, done.err) == (0, "")
    assert [line.split(".")[0] for line in done.lines] == ["acme: proven", "umbra: proven"]
    (report,) = run("verify", "--tenant", "acme", "--json").objects
    assert (report["proven"], report["size"], report["contradictions"]) == (True, 3, [])
    assert f"3 entries, head {report['head']}, root {report['root']}" in done.lines[0]


@pytest.mark.usefixtures("ledgers")
@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("UPDATE indelible.events SET entry ="
         " convert_to(replace(convert_from(entry, 'UTF8'), 'usr_7', 'usr_8'), 'UTF8')"
         " WHERE tenant_id = 'acme' AND seq = 1", "entry 1: the entry was altered"),
        ("UPDATE indelible.events SET actor_id = 'usr_8' WHERE tenant_id = 'acme' AND seq = 1",
         "entry 1: the column actor_id says 'usr_8', the entry 'usr_7'"),
        ("DELETE FROM indelible.events WHERE tenant_id = 'acme' AND seq = 1", "entry 1: entry 1 is missing"),
        ("DELETE FROM indelible.events WHERE tenant_id = 'acme' AND seq = 2", "the last 1 are missing"),
        ("UPDATE indelible.event_personal SET actor = '[\"AAAAAAAAAAAAAAAAAAAAAA\",\"actor\",{}]'"
         " WHERE tenant_id = 'acme' AND seq = 1", "entry 1: its personal part 'actor' was altered"),
        ("UPDATE indelible.ledgers SET size = 2, frontier = substr(frontier, 1, 32) WHERE tenant_id = 'acme'",
         "ledger: the ledger has 2 entries by its head, but there are 3"),
    ],
)  # fmt: skip
def test_an_alteration_is_shown_where_it_is(run: Command, external: Database, statement: str, shown: str) -> None:
    """And the other tenant's ledger is proven all the same."""
    tamper(external, statement)
    done = run("verify")
    assert done.code == 1
    assert done.lines[0].startswith("acme: CONTRADICTED")
    assert shown in done.out
    assert "umbra: proven" in done.lines[-1]
    (report,) = run("verify", "--tenant", "acme", "--json").objects
    assert (report["proven"], bool(report["contradictions"])) == (False, True)


@pytest.mark.usefixtures("ledgers")
def test_what_was_noted_earlier_has_to_be_there_still(run: Command, external: Database) -> None:
    """Deleting the newest entries and setting the head back leaves a ledger that is whole in itself."""
    (early,) = run("verify", "--tenant", "acme", "--json").objects
    noted = ["--size", str(early["size"]), "--head", early["head"]]
    run("log", "user.left", "--tenant", "acme")
    assert run("verify", "--tenant", "acme", *noted).code == 0
    assert run("verify", "--tenant", "acme", "--size", "4").code == 0

    wrong = run("verify", "--tenant", "acme", "--size", "3", "--head", "A" * 43)
    assert (wrong.code, "history was rewritten" in wrong.out) == (1, True)
    shorter = run("verify", "--tenant", "acme", "--size", "9")
    assert (shorter.code, "the ledger had 9 entries and has 4: the newest were deleted" in shorter.out) == (1, True)

    tamper(external, "DELETE FROM indelible.events WHERE tenant_id = 'acme' AND seq >= 2")
    tamper(external, "DELETE FROM indelible.event_personal WHERE tenant_id = 'acme' AND seq >= 2")
    tamper(external, "UPDATE indelible.ledgers SET size = 2, head = (SELECT leaf_hash FROM indelible.events WHERE"
           " tenant_id = 'acme' AND seq = 1), frontier = (SELECT sha256('\\x01' || a.leaf_hash || b.leaf_hash) FROM"
           " indelible.events a, indelible.events b WHERE a.tenant_id = 'acme' AND b.tenant_id = 'acme' AND a.seq = 0"
           " AND b.seq = 1), recorded_at = (SELECT recorded_at FROM indelible.events WHERE tenant_id = 'acme'"
           " AND seq = 1) WHERE tenant_id = 'acme'")  # fmt: skip
    assert run("verify", "--tenant", "acme").code == 0
    assert run("verify", "--tenant", "acme", *noted).code == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "there is no ledger yet: nothing was checked"),
        (["--tenant", "nobody"], "nobody: could not be checked: there is no such ledger"),
        (["--size", "3"], "--size and --head belong to one ledger: give --tenant as well"),
        (["--tenant", "acme", "--head", "x"], "--head is the head at a size: give --size as well"),
        (["--tenant", "acme", "--size", "0"], "--size"),
    ],
)
def test_what_cannot_be_checked_is_not_proven(run: Command, options: list[str], said: str) -> None:
    """2, never 0: a script that looks at the code alone must not be reassured."""
    done = run("verify", *options)
    assert done.code == 2
    assert said in done.err


def test_a_database_that_is_not_there_proves_nothing(tmp_path: Path) -> None:
    url = f"postgresql://nobody@localhost/none?host={tmp_path}"
    for command in (["verify"], ["log", "user.joined", "--tenant", "acme"]):
        done = indelible(*command, settings={"INDELIBLE_DATABASE_URL": url, "INDELIBLE_APPEND_TIMEOUT": "1"})
        assert (done.code, done.out) == (2, "")
        assert "PostgreSQL does not answer" in done.err


@pytest.mark.usefixtures("ledgers")
def test_with_a_key_it_is_proven_only_if_the_key_signed_something(run: Command, external: Database) -> None:
    """Whoever rewrites a ledger can remove its checkpoints as well."""
    key = SigningKey.generate()
    assert run("checkpoint", "--tenant", "acme", INDELIBLE_SIGNING_KEY=key.pem()).code == 0
    vkey = run("keys", "vkeys", "--tenant", "acme", INDELIBLE_SIGNING_KEY=key.pem()).out.strip()
    done = run("verify", "--tenant", "acme", "--key", vkey)
    assert (done.code, done.lines[0].partition(".")[0]) == (0, "acme: proven")
    tamper(external, "DELETE FROM indelible.checkpoints")
    done = run("verify", "--tenant", "acme", "--key", vkey)
    assert done.code == 2
    assert "acme: NOT PROVEN" in done.out
    (report,) = run("verify", "--tenant", "acme", "--key", vkey, "--json").objects
    assert report["proven"] is False
    assert run("verify", "--tenant", "acme").code == 0, "without a key nothing is said of signatures"
