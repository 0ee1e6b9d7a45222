"""Server processes, under a parent that replaces one that dies."""

import os
import signal
import threading
import time

from granian.constants import Interfaces, Loops
from granian.log import LogLevels
from granian.server import Server

from indelible.settings import Settings

__all__ = ["end_with_parent", "run"]


def run(settings: Settings) -> None:
    """Serves until SIGINT or SIGTERM. The server processes read their settings from the environment."""
    Server(
        "indelible.server.app:create",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        websockets=False,
        workers=settings.workers,
        loop=Loops.uvloop,
        respawn_failed_workers=True,
        workers_kill_timeout=30,
        log_level=LogLevels.warning,
    ).serve()


def end_with_parent() -> None:
    """Ends this process, as SIGTERM does, once its parent is gone: one that was killed could not say goodbye."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="end-with-parent").start()
