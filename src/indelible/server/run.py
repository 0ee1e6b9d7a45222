"""Server processes, under a parent that replaces one that dies."""

import errno
import multiprocessing
import os
import signal
import socket
import threading
import time

from granian.constants import Interfaces, Loops
from granian.log import LogLevels
from granian.server import Server

from indelible.settings import Settings

__all__ = ["CannotListen", "end_with_parent", "free_address", "public_address", "run"]


class CannotListen(Exception):
    """The service cannot have its address; the message names the setting to change."""


def run(settings: Settings, address: str) -> None:
    """Serves on `address`, an IP address, until SIGINT or SIGTERM. The server processes read the environment."""
    # A server process has its parent's handlers until it has its own, and a SIGTERM in that time would be lost on it.
    os.register_at_fork(after_in_child=_default_signals)
    Server(
        "indelible.server.app:create",
        factory=True,
        address=address,
        port=settings.port,
        interface=Interfaces.ASGI,
        websockets=False,
        workers=settings.workers,
        loop=Loops.uvloop,
        respawn_failed_workers=True,
        workers_kill_timeout=30,
        log_level=LogLevels.warning,
    ).serve()


def free_address(settings: Settings, *, patience: float) -> str:
    """The IP address of `settings.host`, when `settings.port` is free there.

    Waits `patience` seconds for that: what a killed server leaves behind ends in a moment. Raises `CannotListen`.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return _bind(settings)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            change = "INDELIBLE_PORT" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "INDELIBLE_HOST"
            raise CannotListen(
                f"cannot listen on {settings.host}:{settings.port} ({error.strerror}); set {change} to another"
            ) from error


def public_address(settings: Settings) -> str:
    """Where clients find the service."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def end_with_parent(parent: int | None = None) -> None:
    """Ends this process, as SIGTERM does, once its parent is gone: one that was killed could not say goodbye.

    `parent` is its process id, by default that of who spawned this server process. It may be gone by now.
    """
    if parent is None:
        spawned_by = multiprocessing.parent_process()
        parent = os.getppid() if spawned_by is None or spawned_by.pid is None else spawned_by.pid

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="end-with-parent").start()


def _bind(settings: Settings) -> str:
    family, kind, _, _, where = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as probe:
        # Not SO_REUSEPORT, by which server processes share it: so that another service's are in the way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(where)
    return str(where[0])


def _default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
