"""PgBouncer in front of a test's PostgreSQL, in transaction mode: who connects gets another server connection for each
transaction, and there are fewer of them than clients.
"""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from indelible.store.embedded import LOGINS, SERVICE_ROLE
from tests.postgres import Database

__all__ = ["Pooler", "missing", "pooler"]

_FOUND = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

_SETTINGS = """
[databases]
* = host={host} port={port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = trust
auth_file = {directory}/users
admin_users = postgres
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 500
logfile = {directory}/log
"""


def missing() -> str | None:
    """Why tests with PgBouncer are skipped, None when they are not."""
    return None if _FOUND else "PgBouncer is not installed (Debian's package is pgbouncer)"


@dataclass(frozen=True)
class Pooler:
    database: Database
    port: int
    size: int
    """How many server connections each user of a database has."""

    def url(self, user: str = SERVICE_ROLE) -> str:
        return f"postgresql://{quote(user)}@127.0.0.1:{self.port}/{quote(self.database.name)}"

    def shown(self, what: str) -> list[dict[str, object]]:
        """What its console says to `SHOW what`."""
        url = f"postgresql://postgres@127.0.0.1:{self.port}/pgbouncer"
        # The console knows neither transactions nor the extended protocol.
        with (
            psycopg.connect(url, autocommit=True) as connection,
            psycopg.ClientCursor(connection, row_factory=dict_row) as cursor,
        ):
            return cursor.execute(f"SHOW {what}".encode()).fetchall()


@contextlib.contextmanager
def pooler(database: Database, *, size: int = 3) -> Iterator[Pooler]:
    """A running one in front of `database`'s server, which it reaches by its socket as the server's own user does."""
    assert _FOUND is not None
    given = conninfo_to_dict(database.url)
    host = str(given["host"])
    owner = pwd.getpwuid(os.stat(host).st_uid)
    directory = Path(tempfile.mkdtemp(prefix="indelible-test-pgbouncer-"))
    process = None
    try:
        os.chown(directory, owner.pw_uid, owner.pw_gid)
        directory.chmod(0o755)
        users = (SERVICE_ROLE, "postgres", *LOGINS.values())
        (directory / "users").write_text("".join(f'"{user}" ""\n' for user in users))
        listen = _free_port()
        settings = directory / "ini"
        settings.write_text(
            _SETTINGS.format(host=host, port=given.get("port", 5432), listen=listen, directory=directory, size=size)
        )
        as_owner = ["-u", owner.pw_name] if os.geteuid() == 0 else []
        process = subprocess.Popen([_FOUND, "-q", *as_owner, str(settings)])
        found = Pooler(database, listen, size)
        _wait(found, process)
        yield found
    finally:
        if process is not None:
            process.terminate()
            process.wait(10)
        shutil.rmtree(directory)


def _wait(found: Pooler, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while True:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(found.url()):
            return
        assert process.poll() is None, "PgBouncer ended before it was ready"
        assert time.monotonic() < deadline, "PgBouncer was not ready in time"
        time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
