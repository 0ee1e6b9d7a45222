"""`indelible serve` and `indelible migrate`, against a PostgreSQL that somebody else runs."""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql

from indelible.ledger.signing import SigningKey
from tests.conftest import Cluster, free_port, wait_until_ready
from tests.faults.load import event
from tests.faults.running import Command
from tests.postgres import VERSIONS, Database, missing, server

KEY_SHOWN = re.compile(r"ind_live_[0-9A-Za-z]{46}")


@dataclass
class Serve:
    """`indelible serve`, and where to find it once it runs."""

    command: Command
    address: str

    def start(self) -> None:
        self.command.start()
        wait_until_ready(self.address, self.command.process)

    def post(self, key: str, tenant: str = "acme") -> httpx.Response:
        headers = {"authorization": f"Bearer {key}"}
        return httpx.post(f"{self.address}/api/audit-log", json=event(tenant), headers=headers)


def serving(directory: Path, database: Database, *options: str, **settings: str) -> Serve:
    port = free_port()
    settings = {"INDELIBLE_DATABASE_URL": database.url, "INDELIBLE_PORT": str(port), **settings}
    return Serve(Command(directory, "serve", *options, **settings), f"http://127.0.0.1:{port}")


def migrating(database: Database, *options: str, **settings: str) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("INDELIBLE_")}
    environment |= {"INDELIBLE_DATABASE_URL": database.url, "INDELIBLE_MIGRATION_URL": database.admin_url, **settings}
    command = [sys.executable, "-m", "indelible", "migrate", *options]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def migrated(database: Database, *options: str, **settings: str) -> str:
    process = migrating(database, *options, **settings)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


@pytest.fixture
def cluster(clusters: Callable[[int], Cluster]) -> Cluster:
    """One version is enough here: what differs between them is tried elsewhere."""
    return clusters(18)


@pytest.fixture
def empty(cluster: Cluster) -> Iterator[Database]:
    """A database that nobody has migrated."""
    made = cluster.databases.create(f"empty_{secrets.token_hex(4)}")
    yield made
    cluster.databases.drop(made)


def test_a_database_that_is_not_migrated_is_refused_with_the_command(empty: Database, tmp_path: Path) -> None:
    command = serving(tmp_path, empty).command
    assert command.start().wait() == 2
    assert "run `indelible migrate`" in command.err
    assert "Traceback" not in command.err


def test_it_migrates_first_if_told_so(empty: Database, tmp_path: Path) -> None:
    serve = serving(tmp_path, empty, "--migrate", INDELIBLE_MIGRATION_URL=empty.admin_url)
    with serve.command:
        wait_until_ready(serve.address, serve.command.process)


def test_the_first_key_is_printed_once_and_works(database: Database, tmp_path: Path) -> None:
    serve = serving(tmp_path, database)
    with serve.command:
        wait_until_ready(serve.address, serve.command.process)
        (key,) = KEY_SHOWN.findall(serve.command.out)
        assert serve.post(key).status_code == 201
        assert serve.post(f"ind_live_{secrets.token_urlsafe(32)}").status_code == 401
        assert serve.command.stop() == 0
        serve.start()
        assert "ind_live_" not in serve.command.out + serve.command.err
        assert serve.post(key).status_code == 201


def test_a_signing_key_is_out_of_place_there(database: Database, tmp_path: Path) -> None:
    serve = serving(tmp_path, database, INDELIBLE_SIGNING_KEY=SigningKey.generate().pem())
    with serve.command:
        wait_until_ready(serve.address, serve.command.process)
        assert "A signing key is set here, and not needed" in serve.command.err


def test_a_given_key_replaces_the_first_one(database: Database, tmp_path: Path) -> None:
    given = f"ind_live_{secrets.token_urlsafe(32)}"
    serve = serving(tmp_path, database)
    with serve.command:
        wait_until_ready(serve.address, serve.command.process)
        (made,) = KEY_SHOWN.findall(serve.command.out)
    serve.command.environment["INDELIBLE_ADMIN_KEY"] = given
    with serve.command:
        wait_until_ready(serve.address, serve.command.process)
        assert given not in serve.command.out + serve.command.err
        assert serve.post(given).status_code == 201
        assert serve.post(made).status_code == 401


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_it_ends_well(database: Database, tmp_path: Path, end: signal.Signals) -> None:
    serve = serving(tmp_path, database)
    with serve.command:
        wait_until_ready(serve.address, serve.command.process)
        assert serve.command.stop(end) == 0
        assert "Traceback" not in serve.command.err


def test_it_waits_for_a_database_that_starts_later(database: Database, tmp_path: Path) -> None:
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    name = sql.Identifier(database.name)
    serve = serving(tmp_path, database)
    with psycopg.connect(database.admin_url, dbname="postgres", autocommit=True) as admin:
        admin.execute(allow.format(name, sql.Literal(False)))
        with serve.command:
            serve.command.says("Waiting for the database")
            admin.execute(allow.format(name, sql.Literal(True)))
            wait_until_ready(serve.address, serve.command.process)


def test_a_taken_port_is_refused_with_the_setting_to_change(database: Database, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        command = serving(tmp_path, database, INDELIBLE_PORT=port).command
        assert command.start().wait() == 2
    assert f"127.0.0.1:{port} (Address already in use); set INDELIBLE_PORT to another" in command.err
    assert "Traceback" not in command.err


def test_a_database_of_a_later_version_is_refused(database: Database, tmp_path: Path) -> None:
    with psycopg.connect(database.admin_url) as admin:
        admin.execute("INSERT INTO indelible.migrations (version, name, sha256) VALUES (9999, '9999_later', 'x')")
    command = serving(tmp_path, database).command
    assert command.start().wait() == 2
    assert "the database has migration 9999, which this version of Indelible does not know" in command.err
    process = migrating(database)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "migration 9999" in err
    assert "Traceback" not in command.err + err


def test_migrating_twice_changes_nothing(empty: Database) -> None:
    assert "Applied: 0001" in migrated(empty)
    assert migrated(empty) == "The database is up to date.\n"


def test_processes_that_migrate_at_once_agree(empty: Database, tmp_path: Path) -> None:
    """As when four replicas start at once: one migrates, the others find it done."""
    processes = [migrating(empty) for _ in range(4)]
    said = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, said
    assert sorted("Applied" in out for out, _ in said) == [False, False, False, True]
    serve = serving(tmp_path, empty)
    with serve.command:
        wait_until_ready(serve.address, serve.command.process)


@pytest.fixture(params=list(VERSIONS), ids="postgresql{}".format)
def managed(request: pytest.FixtureRequest) -> Iterator[Database]:
    """On a server where nobody is superuser, as the vendors of managed PostgreSQL sell it.

    A server of its own, because roles belong to the whole of it. `admin_url` logs in as who may make roles.
    """
    if reason := missing(request.param):
        pytest.skip(reason)
    with server(request.param) as postgres:
        with psycopg.connect(postgres.admin_url("postgres"), autocommit=True) as admin:
            for statement in (
                "CREATE ROLE migrator LOGIN CREATEROLE",
                "CREATE ROLE app LOGIN",
                "CREATE DATABASE vendor",
                "REVOKE ALL ON DATABASE vendor FROM PUBLIC",
                "GRANT CONNECT, CREATE ON DATABASE vendor TO migrator",
                "GRANT CONNECT ON DATABASE vendor TO app",
            ):
                admin.execute(statement.encode())
        yield Database("vendor", postgres.url("app", "vendor"), postgres.url("migrator", "vendor"))


def test_no_superuser_is_needed(managed: Database, tmp_path: Path) -> None:
    """Neither to migrate nor to serve; and who serves may not do what is the migrator's."""
    assert "Applied: 0001" in migrated(managed)
    assert migrated(managed) == "The database is up to date.\n"
    serve = serving(tmp_path, managed)
    with serve.command:
        wait_until_ready(serve.address, serve.command.process)
        (key,) = KEY_SHOWN.findall(serve.command.out)
        assert serve.post(key).status_code == 201
        headers = {"authorization": f"Bearer {key}"}
        listed = httpx.get(f"{serve.address}/api/audit-log?tenant_id=acme&action=user.role_changed", headers=headers)
        assert [found["actor"]["name"] for found in listed.json()["data"]] == ["Sarah Chen"]
    with psycopg.connect(managed.url) as app, pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("SET ROLE indelible_owner")
    with psycopg.connect(managed.url) as app:
        app.execute("SET ROLE indelible_reader")
        assert app.execute("SELECT FROM indelible.events").fetchall() == [], "no tenant is set"
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("DELETE FROM indelible.events")


def test_the_service_may_be_named_on_the_command_line(managed: Database, tmp_path: Path) -> None:
    """Where migrations run elsewhere, without the service's password."""
    environment = {"INDELIBLE_DATABASE_URL": managed.admin_url}
    assert "Applied: 0001" in migrated(managed, "--service=app", **environment)
    serve = serving(tmp_path, managed)
    with serve.command:
        wait_until_ready(serve.address, serve.command.process)


def test_a_role_that_may_not_migrate_is_told_what_it_lacks(managed: Database) -> None:
    process = migrating(managed, INDELIBLE_MIGRATION_URL=managed.url)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "It needs CREATEROLE and CREATE on the database" in err
    assert "Traceback" not in err


def test_a_service_without_its_roles_is_told_the_command(managed: Database, tmp_path: Path) -> None:
    migrated(managed, "--service=migrator")
    command = serving(tmp_path, managed).command
    assert command.start().wait() == 2
    assert "`indelible migrate --service ROLE` grants it" in command.err
    assert "Traceback" not in command.err
