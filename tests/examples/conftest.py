"""Quayside on a free port, as a process of its own, with the service that all tests share."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Service, free_port, wait_until_ready

ROOT = Path(__file__).parent.parent.parent
TENANT = "northwind"
VKEY = "indelible.local/01KC4V5N3V2RD9HVX9E6Y0Y9YM+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
AGENT = "Quayside's tests"


@dataclass(frozen=True)
class Quayside:
    address: str

    def browser(self) -> httpx.Client:
        """One that says where it comes from, as browsers do; nobody is signed in."""
        headers = {"origin": self.address, "user-agent": AGENT, "accept": "text/html"}
        return httpx.Client(base_url=f"{self.address}/workspace", headers=headers, timeout=30)

    @contextlib.contextmanager
    def visited(self, person: str) -> Iterator[httpx.Client]:
        with self.browser() as browser:
            assert browser.post("/sign-in-as", data={"person": person}).is_redirect
            yield browser


@contextlib.contextmanager
def running(directory: Path, url: str, key: str) -> Iterator[Quayside]:
    """The key of the ledger is there beforehand, as in production."""
    port = free_port()
    (directory / "northwind.vkey").write_text(f"{VKEY}\n")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("INDELIBLE_")}
    environment |= {"PYTHONPATH": str(ROOT), "INDELIBLE_URL": url, "INDELIBLE_KEY": key, "WORKSPACE_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-m", "examples.workspace"], env=environment, cwd=directory)
    quayside = Quayside(f"http://127.0.0.1:{port}")
    try:
        wait_until_ready(quayside.address, process, "/workspace/sign-in")
        yield quayside
    finally:
        process.terminate()
        assert process.wait(30) == 0


@pytest.fixture(scope="module")
def quayside(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quayside]:
    with service.client() as operator:
        operator.post("/api/tenants", json={"tenant_id": TENANT}).raise_for_status()
        operator.patch(f"/api/tenants/{TENANT}", json={"settings": {"member_access": True}}).raise_for_status()
    with running(tmp_path_factory.mktemp("quayside"), service.address, service.key) as started:
        yield started


@pytest.fixture
def marcus(quayside: Quayside) -> Iterator[httpx.Client]:
    with quayside.visited("usr_02") as browser:
        yield browser


@pytest.fixture
def newest(service: Service) -> Callable[[int], list[dict[str, Any]]]:
    """The last events that Quayside logged, oldest first."""

    def ask(count: int) -> list[dict[str, Any]]:
        with service.client() as client:
            answer = client.get("/api/audit-log", params={"tenant_id": TENANT, "limit": 100}).raise_for_status()
        events = sorted(answer.json()["data"], key=lambda event: event["seq"])
        return [event for event in events if not event["action"].startswith(("audit_log.", "ledger."))][-count:]

    return ask
