"""Settings of logins that are wrong or missing: told by name, before the service starts and while it runs."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from indelible.cli.database import as_environment
from indelible.store.migrate import migrate
from tests.conftest import Cluster, free_port, running_service
from tests.faults.running import Command
from tests.server.conftest import problem
from tests.store.separate import Separate, separate_logins

EVENT = {"tenant_id": "acme", "action": "user.joined", "actor": {"type": "user", "id": "usr_7", "name": "Sarah"}}


@pytest.fixture
def separate(clusters: Callable[[int], Cluster]) -> Iterator[Separate]:
    with separate_logins(clusters(18)) as found:
        migrate(found.database.admin_url, service=found.names["service"], own=found.own)
        yield found


def ended(directory: Path, command: str, **settings: str) -> str:
    """What the command said before it ended by itself."""
    running = Command(directory, command, **settings)
    assert running.start().wait(40) == 2
    assert "Traceback" not in running.err
    return running.err


@pytest.mark.parametrize("role", ["writer", "reader", "control"])
def test_it_does_not_start_without_a_url_that_it_needs(separate: Separate, tmp_path: Path, role: str) -> None:
    settings = as_environment(separate.logins)
    del settings[f"INDELIBLE_{role.upper()}_URL"]
    said = ended(tmp_path, "serve", INDELIBLE_PORT=str(free_port()), **settings)
    assert f"the login of INDELIBLE_DATABASE_URL may not act as indelible_{role}" in said
    assert f"set INDELIBLE_{role.upper()}_URL here" in said


def test_it_does_not_start_with_the_login_of_another_role(separate: Separate, tmp_path: Path) -> None:
    settings = as_environment(separate.logins) | {"INDELIBLE_READER_URL": separate.url("signer")}
    said = ended(tmp_path, "serve", INDELIBLE_PORT=str(free_port()), **settings)
    assert "the login of INDELIBLE_READER_URL may not act as indelible_reader" in said


def test_a_login_that_is_refused_is_told_with_what_postgresql_said(separate: Separate, tmp_path: Path) -> None:
    nobody = separate.url("reader").replace(separate.names["reader"], "nobody_of_this_name")
    settings = as_environment(separate.logins) | {"INDELIBLE_READER_URL": nobody}
    said = ended(tmp_path, "serve", INDELIBLE_PORT=str(free_port()), **settings)
    assert "no connection by INDELIBLE_READER_URL" in said
    assert 'role "nobody_of_this_name" does not exist' in said


def test_urls_of_two_databases_are_refused(
    separate: Separate, clusters: Callable[[int], Cluster], tmp_path: Path
) -> None:
    """A host that wrote into one and read from the other would look as if it lost everything."""
    cluster = clusters(18)
    other = cluster.databases.clone(cluster.template)
    elsewhere = separate.url("reader").replace(separate.database.name, other.name)
    assert elsewhere != separate.url("reader")
    settings = as_environment(separate.logins) | {"INDELIBLE_READER_URL": elsewhere}
    said = ended(tmp_path, "serve", INDELIBLE_PORT=str(free_port()), **settings)
    assert "INDELIBLE_READER_URL and INDELIBLE_CONTROL_URL lead to different databases" in said
    cluster.databases.drop(other)


def test_a_role_that_is_taken_away_later_is_503_at_once_and_not_ready(separate: Separate) -> None:
    key = secrets.token_urlsafe(32)
    settings = {**as_environment(separate.logins), "INDELIBLE_ADMIN_KEY": key}
    with (
        running_service(separate.database, **settings) as address,
        httpx.Client(base_url=address, headers={"authorization": f"Bearer {key}"}, timeout=30) as api,
    ):
        assert api.post("/api/audit-log", json=EVENT).status_code == 201
        with psycopg.connect(separate.database.admin_url, autocommit=True) as admin:
            for role in ("reader", "writer"):
                admin.execute(f"REVOKE indelible_{role} FROM {separate.names[role]}".encode())
        began = time.monotonic()
        answers = [api.post("/api/audit-log", json=EVENT), api.get("/api/audit-log", params={"tenant_id": "acme"})]
        assert time.monotonic() - began < 4, "nothing is tried for INDELIBLE_APPEND_TIMEOUT"
        for answer in answers:
            problem(answer, 503, "unavailable")
            assert "permission denied" not in answer.text
        time.sleep(1.1)
        deadline = time.monotonic() + 10
        while (ready := api.get("/readyz")).is_success and time.monotonic() < deadline:
            time.sleep(0.2)
        assert ready.status_code == 503
        assert "the login of INDELIBLE_WRITER_URL may not act as indelible_writer" in ready.json()["checks"]["roles"]
        migrate(separate.database.admin_url, service=separate.names["service"], own=separate.own)
        assert api.post("/api/audit-log", json=EVENT).status_code == 201
