"""Who the embedded PostgreSQL runs as.

PostgreSQL refuses to run as root, and root is who many containers and build machines are. There it runs
as `postgres` or else `nobody`; both exist already, so no user is created and no directory that is not
ours changes its mode. Where that account cannot reach its files, a checkout in `/root` say, it gets the
one capability to pass closed directories, by `setpriv` (util-linux).
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

__all__ = ["Account", "EmbeddedError", "choose"]

_CANDIDATES = ("postgres", "nobody")

# Bits of CapEff, the weaker one first; containers commonly have the second alone.
_PASSES_DIRECTORIES = {"dac_read_search": 2, "dac_override": 1}


class EmbeddedError(Exception):
    """The embedded PostgreSQL cannot do what was asked; the message says why and what to do."""


@dataclass(frozen=True)
class Account:
    """A user that is not root. `prefix` stands before its commands; without one, `switch` changes to it."""

    uid: int
    gid: int
    switch: bool = False
    prefix: tuple[str, ...] = ()

    def popen(self, argv: list[str], *, output: int) -> subprocess.Popen[bytes]:
        """Start `argv`, both its outputs going to `output`, out of reach of the terminal's signals."""
        # PGPORT, PGDATA and their like would overrule what the arguments say.
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_"))} | {"LC_ALL": "C"}
        try:
            return subprocess.Popen(
                [*self.prefix, *argv],
                user=self.uid if self.switch else None,
                group=self.gid if self.switch else None,
                extra_groups=[] if self.switch else None,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=environ,
                umask=0o077,
                # Ctrl-C goes to the terminal's whole group, and the service must end before its database.
                start_new_session=True,
            )
        except OSError as error:
            raise EmbeddedError(
                f"Cannot run {argv[0]}: {error.strerror}. Install it again: pip install 'indelible[server]'."
            ) from error


def choose(cluster: Path, *files: Path) -> Account:
    """The account for `cluster`, able to reach it and `files`. An existing cluster's owner stays its owner."""
    me = os.geteuid()
    owner = cluster.stat().st_uid if cluster.exists() else None
    if me != 0:
        if owner is not None and owner != me:
            raise EmbeddedError(
                f"{cluster} belongs to {_name(owner)}, and you are {_name(me)}."
                " Start it as its owner, or choose another data directory."
            )
        return Account(me, os.getegid())
    if owner is None:
        owner = _stand_in().pw_uid
    user = _user(owner)
    if user is None or user.pw_uid == 0:
        raise EmbeddedError(
            f"{cluster} belongs to {_name(owner)}, as whom PostgreSQL cannot run."
            f" Give it away: chown -R {_stand_in().pw_name} {cluster}"
        )
    account = Account(user.pw_uid, user.pw_gid, switch=True)
    for file in (cluster, *files):
        if closed := _closed(file, account):
            return replace(account, switch=False, prefix=_prefix(closed, user))
    return account


def _stand_in() -> pwd.struct_passwd:
    for name in _CANDIDATES:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise EmbeddedError(
        "PostgreSQL refuses to run as root, and this system has neither the user postgres nor nobody to run"
        " it as. Run as an ordinary user, or create one: useradd --system postgres"
    )


def _closed(file: Path, account: Account) -> Path | None:
    """The first directory on the way to `file` that `account` may not pass."""
    for directory in reversed(file.parents):
        if not directory.exists():
            continue
        info = directory.stat()
        shift = 6 if info.st_uid == account.uid else 3 if info.st_gid == account.gid else 0
        if not info.st_mode >> shift & 1:
            return directory
    return None


def _prefix(closed: Path, user: pwd.struct_passwd) -> tuple[str, ...]:
    setpriv = shutil.which("setpriv")
    status = Path("/proc/self/status")
    found = re.search(r"CapEff:\s*([0-9a-f]+)", status.read_text()) if status.exists() else None
    effective = int(found[1], 16) if found else 0
    for capability, bit in _PASSES_DIRECTORIES.items():
        if setpriv and effective >> bit & 1:
            return (
                setpriv,
                f"--reuid={user.pw_uid}",
                f"--regid={user.pw_gid}",
                "--clear-groups",
                "--securebits=+no_setuid_fixup",  # else access(2), which initdb asks, ignores capabilities
                f"--inh-caps=+{capability}",
                f"--ambient-caps=+{capability}",
                "--",
            )
    raise EmbeddedError(
        f"PostgreSQL refuses to run as root, and {user.pw_name}, as whom it would run, may not enter {closed}."
        f" Run as an ordinary user, install setpriv (util-linux), or open it: chmod o+x {closed}"
    )


def _user(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None


def _name(uid: int) -> str:
    user = _user(uid)
    return user.pw_name if user else f"user {uid}, who has no name here"
