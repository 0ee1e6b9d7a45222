"""`indelible dev`: everything on one machine, and somebody who keeps it running."""

import asyncio
import contextlib
import os
import secrets
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import Annotated, Self

import httpx
import typer

from indelible.catalog import Catalog
from indelible.cli.database import DataDir, Found, as_environment, database
from indelible.cli.demo import TENANT, load_demo
from indelible.cli.keys import DEV_KEY, create_key, signing_keys
from indelible.cli.output import fail, note, say
from indelible.cli.serve import bootstrap_key, check_admin_key, listening_address
from indelible.cli.worker import DEV_ARCHIVE
from indelible.server.run import end_with_parent, public_address
from indelible.server.tokens import viewer_secrets
from indelible.settings import Settings
from indelible.store.embedded import EmbeddedError
from indelible.store.key_text import make_key_text
from indelible.store.keys import KeyHasEnded
from indelible.store.session import Database, Logins

__all__ = ["dev"]

_KEY_FILE = "admin.key"
_VIEWER_FILE = "viewer.secret"
_KEYS = {f"INDELIBLE_{name}SIGNING_KEY{file}" for name in ("", "OLD_") for file in ("", "_FILE")}
"""Settings that the signer alone gets."""
_SECRETS = {f"INDELIBLE_{name}VIEWER_SECRET{file}" for name in ("", "OLD_") for file in ("", "_FILE")}
"""And those that the service alone gets."""
_STARTING = 30.0
"""Seconds that the service may take to answer."""
_WAIT_FOR_PORT = 2.0
"""Seconds, in which the service of a `dev` that was killed ends."""


def dev(
    demo: Annotated[
        bool, typer.Option("--demo", help="Put a generated 90-day history of a workspace in, with an incident to find.")
    ] = False,
    data_dir: DataDir = Path(".indelible"),
    parent: Annotated[int | None, typer.Option("--end-with-parent", hidden=True)] = None,
) -> None:
    """Run everything here: PostgreSQL, migrations, the service and the signer of checkpoints.

    Ctrl-C stops all of it; the data stays.

    What dies is started again. Not for production, where PostgreSQL is yours and `indelible serve` runs beside it.
    """
    # It is no place for keys of production, unless somebody says that it is.
    os.environ["INDELIBLE_ENVIRONMENT"] = os.environ.get("INDELIBLE_ENVIRONMENT") or "test"
    settings = Settings.from_env(os.environ)
    catalog = Catalog.load(settings.catalog)
    viewer_secrets(settings, note)
    listening_address(settings, patience=_WAIT_FOR_PORT)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _n, _f: stop.set())
    if parent is not None:
        end_with_parent(parent)
    note("Starting PostgreSQL…")
    with database(settings, data_dir, create=True) as found:
        data_dir.mkdir(parents=True, exist_ok=True)
        key, first = _key(settings, data_dir)
        signing = _signing(settings, data_dir)
        viewers = _viewers(settings, data_dir)
        asyncio.run(_set_up(found.logins, settings, data_dir, key))
        environment = {name: value for name, value in os.environ.items() if name not in _KEYS | _SECRETS}
        environment |= as_environment(found.logins)
        with contextlib.ExitStack() as running:
            server = running.enter_context(_Process("service", "serve", environment | viewers))
            processes = [server]
            if signing is not None:
                worker = _Process("signer of checkpoints", "worker", environment | signing)
                processes.append(running.enter_context(worker))
            _wait_until_ready(server, settings, stop)
            if demo and not stop.is_set():
                asyncio.run(load_demo(found.logins, settings, catalog, data_dir))
            if not stop.is_set():
                _welcome(settings, key if first else None, data_dir, demo=demo, signs=signing is not None)
            _watch(found, processes, stop)
            note("Stopping…")
    note("Stopped.")


class _Process:
    """One of ours, as a process of its own, which ends with this one in any case."""

    def __init__(self, name: str, command: str, environment: Mapping[str, str]) -> None:
        self.name = name
        self._environment = environment
        self._command = [sys.executable, "-m", "indelible", command, f"--end-with-parent={os.getpid()}"]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(35)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def start(self) -> None:
        # A session of its own: Ctrl-C reaches this process alone, which then stops things in order.
        self._process = subprocess.Popen(
            self._command, env=self._environment, start_new_session=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None


def _wait_until_ready(server: _Process, settings: Settings, stop: threading.Event) -> None:
    deadline = time.monotonic() + _STARTING
    while not stop.is_set():
        try:
            httpx.get(f"{public_address(settings)}/readyz", timeout=2).raise_for_status()
            return
        except httpx.HTTPError:
            if server.has_ended() or time.monotonic() > deadline:
                fail("the service did not start; what it said is above")
            stop.wait(0.1)


def _watch(found: Found, processes: Sequence[_Process], stop: threading.Event) -> None:
    while not stop.wait(0.3):
        if found.embedded is not None and not found.embedded.is_running():
            note("PostgreSQL is gone; starting it again")
            try:
                found.embedded.start()
            except EmbeddedError as error:
                note(f"that failed, and is tried again: {error}")
                stop.wait(2)
        for process in processes:
            if process.has_ended():
                note(f"The {process.name} is gone; starting it again")
                process.start()
                stop.wait(1)


def _signing(settings: Settings, data_dir: Path) -> dict[str, str] | None:
    """What the signer of checkpoints needs in its environment; None where it has no key.

    A key is made for the embedded database alone: whoever signs another one's ledgers first is who signs them.
    Raises `SettingsError`.
    """
    own = data_dir / DEV_KEY
    is_set = settings.signing_key is not None or settings.signing_key_file is not None
    if settings.database_url is None and not is_set and not own.exists():
        create_key(own)
    if not signing_keys(settings, data_dir, note):
        return None
    found = {name: value for name, value in os.environ.items() if name in _KEYS}
    if not is_set:
        found["INDELIBLE_SIGNING_KEY_FILE"] = str(own)
    if settings.database_url is None and settings.checkpoint_archive is None:
        checkpoints = data_dir / DEV_ARCHIVE
        checkpoints.mkdir(exist_ok=True)
        found["INDELIBLE_CHECKPOINT_ARCHIVE"] = str(checkpoints)
    return found


def _viewers(settings: Settings, data_dir: Path) -> dict[str, str]:
    """What the service needs in its environment for viewer tokens; with the embedded database a secret is made."""
    found = {name: value for name, value in os.environ.items() if name in _SECRETS}
    if settings.database_url is None and settings.viewer_secret is None and settings.viewer_secret_file is None:
        file = data_dir / _VIEWER_FILE
        if not file.exists():
            _write_secret(file, secrets.token_urlsafe(32))
        found["INDELIBLE_VIEWER_SECRET_FILE"] = str(file)
    return found


def _key(settings: Settings, data_dir: Path) -> tuple[str, bool]:
    """The bootstrap key, and whether it is new. It is kept beside the data that it opens."""
    if settings.admin_key is not None:
        check_admin_key(settings.admin_key, settings.environment, "INDELIBLE_ADMIN_KEY")
        return settings.admin_key, False
    file = data_dir / _KEY_FILE
    if file.exists():
        kept = file.read_text().strip()
        check_admin_key(kept, settings.environment, str(file))
        return kept, False
    key = make_key_text(settings.environment)
    _write_secret(file, key)
    return key, True


def _write_secret(file: Path, text: str) -> None:
    """Into a new file, that its owner alone may read."""
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text + "\n")


async def _set_up(logins: Logins, settings: Settings, data_dir: Path, key: str) -> None:
    async with Database.open(logins, size=1) as opened:
        try:
            await bootstrap_key(opened, replace(settings, admin_key=key))
        except KeyHasEnded as error:
            file = data_dir / _KEY_FILE
            what = "INDELIBLE_ADMIN_KEY" if settings.admin_key else str(file)
            mend = "choose another one" if settings.admin_key else f"remove {file}, and a new one is made"
            fail(f"{what}: {error}; {mend}")


def _welcome(settings: Settings, new_key: str | None, data_dir: Path, *, demo: bool, signs: bool) -> None:
    address = public_address(settings)
    file = data_dir / _KEY_FILE
    tenant = TENANT if demo else "acme"
    if settings.admin_key is not None:
        shown, use = "the one in INDELIBLE_ADMIN_KEY", "$INDELIBLE_ADMIN_KEY"
    else:
        shown = f"{new_key} (also in {file})" if new_key else f"in {file}, as printed at the first start"
        use = f"$(cat {shlex.quote(str(file))})"
    as_module = Path(sys.argv[0]).name == "__main__.py"
    itself = shlex.join([sys.executable, "-m", "indelible"] if as_module else [sys.argv[0]])
    command = "indelible" if which("indelible") else itself
    signed = (
        f"signed every {settings.checkpoint_interval:g} s" if signs else "not signed: INDELIBLE_SIGNING_KEY is not set"
    )
    say(f"""
Indelible is running.

  Service   {address}     API: {address}/docs
  API key   {shown}
  Ledgers   {signed}

Log an event, and read it back:

  curl -s {address}/api/audit-log -H "Authorization: Bearer {use}" -d '{{
    "tenant_id": "{tenant}", "action": "user.role_changed",
    "actor": {{"type": "user", "id": "usr_7", "name": "Sarah Chen"}},
    "targets": [{{"type": "user", "id": "usr_9", "name": "Alex Roman"}}],
    "changes": {{"role": {{"from": "member", "to": "admin"}}}}}}'

  curl -s "{address}/api/audit-log?tenant_id={tenant}&limit=5" -H "Authorization: Bearer {use}"

Prove that nothing was altered (in another terminal):

  {command} verify --data-dir {shlex.quote(str(data_dir))}

Ctrl-C stops everything; the data stays in {data_dir}.
""")
