"""`indelible dev` and `indelible serve`, run as a person runs them, and the processes that come of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from indelible.store.embedded import EmbeddedPostgres
from tests.conftest import free_port

__all__ = ["Command", "Dev", "Process", "alive", "children", "descendants", "until"]


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    command: str


def processes() -> list[Process]:
    """All that live; a zombie is dead."""
    listed = subprocess.run(["ps", "-axo", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 3) for line in listed.stdout.splitlines()]
    return [Process(int(row[0]), int(row[1]), row[3]) for row in rows if len(row) == 4 and not row[2].startswith("Z")]


def children(pid: int) -> list[Process]:
    return [process for process in processes() if process.parent == pid]


def descendants(pid: int) -> set[int]:
    found, known = {pid}, processes()
    while more := {p.pid for p in known if p.parent in found} - found:
        found |= more
    return found - {pid}


def alive(pids: set[int]) -> list[Process]:
    return [process for process in processes() if process.pid in pids]


def until(condition: Callable[[], object], what: str, within: float = 30) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {within} s"
        time.sleep(0.02)


class Command:
    """`indelible` with `arguments`, and with no other settings than `settings`; what it says goes to files."""

    def __init__(self, directory: Path, *arguments: str, **settings: str) -> None:
        self._out = directory / "out.txt"
        self._err = directory / "err.txt"
        self._arguments = [sys.executable, "-m", "indelible", *arguments]
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("INDELIBLE_")} | settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(self._arguments, env=self.environment, stdout=out, stderr=err)
        return self

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def out(self) -> str:
        """What it said on standard output."""
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def says(self, text: str, within: float = 40) -> None:
        """Waits until it has said `text`."""
        until(
            lambda: text in self.out + self.err or self.has_ended(), f"{text!r}; it said {self.out}{self.err}", within
        )
        assert text in self.out + self.err, f"it ended, and said {self.out}{self.err}"

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, within: float = 45) -> int:
        """Its exit code."""
        return self.process.wait(within)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.send(number)
        return self.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.has_ended():
            self.stop()


class Dev(Command):
    """`indelible dev` on a data directory and a free port. Whatever the test does to it, nothing is left behind."""

    def __init__(self, directory: Path, *arguments: str, **settings: str) -> None:
        self.data_dir = directory / "data"
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        settings = {"INDELIBLE_PORT": str(self.port), **settings}
        super().__init__(directory, "dev", f"--data-dir={self.data_dir}", *arguments, **settings)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(exc_type, exc, trace)
        if (postmaster := self.postgres.pid) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(postmaster, signal.SIGQUIT)

    @property
    def key(self) -> str:
        return (self.data_dir / "admin.key").read_text().strip()

    @property
    def postgres(self) -> EmbeddedPostgres:
        """To look at; this object owns nothing."""
        return EmbeddedPostgres(self.data_dir)

    def is_welcoming(self) -> Self:
        self.says("Ctrl-C stops everything")
        return self

    @contextlib.contextmanager
    def is_started(self) -> Iterator[Self]:
        with self:
            yield self.is_welcoming()

    def is_whole(self) -> bool:
        """Whether everything runs that it is made of."""
        if self.postgres.pid is None or not any(self.backends()):
            return False
        return any(children(child.pid) for child in children(self.pid) if " serve " in child.command)

    def server(self) -> Process:
        """The parent of the server processes."""
        (found,) = [child for child in children(self.pid) if " serve " in child.command]
        return found

    def worker(self) -> Process:
        (found,) = children(self.server().pid)
        return found

    def backends(self) -> Iterator[Process]:
        postmaster = self.postgres.pid
        assert postmaster is not None
        return (child for child in children(postmaster) if "indelible_service" in child.command)
