"""`make demo`: both are there, a person sees the log, and nothing stays behind however it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import free_port
from tests.examples.conftest import ROOT
from tests.faults.running import alive, descendants, until


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its data: the history is made once."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture
def ports() -> tuple[int, int]:
    return free_port(), free_port()


@pytest.fixture
def demo(directory: Path, ports: tuple[int, int]) -> Iterator[subprocess.Popen[bytes]]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("INDELIBLE_")}
    environment |= {"PYTHONPATH": str(ROOT), "BROWSER": "none"}
    environment |= {"INDELIBLE_PORT": str(ports[0]), "WORKSPACE_PORT": str(ports[1])}
    with (directory / "out").open("wb") as out, (directory / "err").open("wb") as err:
        started = subprocess.Popen(
            [sys.executable, "-m", "examples.demo"], cwd=directory, env=environment, stdout=out, stderr=err
        )
    yield started
    if started.poll() is None:
        started.terminate()
    started.wait(60)


def said(directory: Path) -> str:
    return (directory / "out").read_text()


def is_up(demo: subprocess.Popen[bytes], directory: Path) -> None:
    until(lambda: demo.poll() is not None or "Ctrl-C" in said(directory), "it welcomes", 90)
    assert demo.poll() is None, (directory / "err").read_text()


def test_what_it_prints_is_there(demo: subprocess.Popen[bytes], directory: Path, ports: tuple[int, int]) -> None:
    is_up(demo, directory)
    first, second, *_ = re.findall(r"http://127\.0\.0\.1:\S+", said(directory))
    assert first == f"http://127.0.0.1:{ports[1]}/workspace/admin/audit-log"
    assert second == f"http://127.0.0.1:{ports[0]}"
    origin = f"http://127.0.0.1:{ports[1]}"
    with httpx.Client(base_url=origin, headers={"origin": origin}) as browser:
        assert browser.get("/workspace/admin/audit-log").is_success
        token = browser.post("/workspace/admin/audit-log/token").raise_for_status().json()["token"]
    seen = httpx.get(
        f"{second}/api/audit-log", headers={"authorization": f"Bearer {token}", "origin": origin}
    ).raise_for_status()
    assert seen.headers["access-control-allow-origin"] == origin
    assert "Marcus Adeyemi signed in via SSO" in [event["sentence"] for event in seen.json()["data"]]
    assert (directory / ".indelible" / "quayside.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_behind(demo: subprocess.Popen[bytes], directory: Path, number: signal.Signals) -> None:
    is_up(demo, directory)
    started = descendants(demo.pid)
    assert started
    os.kill(demo.pid, number)
    demo.wait(60)
    until(lambda: not alive(started), "all of it ends", 60)
    if number is not signal.SIGKILL:
        assert demo.returncode == 0


def test_it_ends_with_the_service(demo: subprocess.Popen[bytes], directory: Path) -> None:
    is_up(demo, directory)
    (service,) = {p.pid for p in alive(descendants(demo.pid)) if " dev " in p.command}
    os.kill(service, signal.SIGTERM)
    assert demo.wait(60) == 0


def test_it_is_stopped_while_it_starts(demo: subprocess.Popen[bytes]) -> None:
    until(lambda: descendants(demo.pid), "the service begins")
    time.sleep(1)
    started = descendants(demo.pid)
    demo.send_signal(signal.SIGINT)
    demo.wait(60)
    until(lambda: not alive(started), "all of it ends", 60)


def test_a_port_that_is_taken_is_named(directory: Path, ports: tuple[int, int]) -> None:

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports[1]))
        taken.listen()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "WORKSPACE_PORT": str(ports[1])}
        done = subprocess.run(
            [sys.executable, "-m", "examples.demo"],
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "set WORKSPACE_PORT to another" in done.stderr
