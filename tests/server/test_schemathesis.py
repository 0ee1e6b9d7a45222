"""The service against its own description, by schemathesis: examples, edges, chance, and calls that follow on."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from indelible.store.key_text import make_key_text
from tests.conftest import Cluster, Service, running_service

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def run(service: Service, directory: Path, *arguments: str) -> str:
    """What `schemathesis run` says. As a process of its own: it brings warnings and a pytest plugin along."""
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run",
         f"{service.address}/openapi.json", "--header", f"Authorization: Bearer {service.key}",
         # `all` overrules what the configuration switches off. A key that was ended stays on record to be read.
         "--checks", "all", "--exclude-checks", "use_after_free",
         "--continue-on-failure", "--warnings", "off", "--no-color", *arguments],
        cwd=directory, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def own(clusters: Callable[[int], Cluster]) -> Iterator[Service]:
    """A service of this test's own, whose keys are made, replaced and ended by chance."""
    cluster = clusters(18)
    database = cluster.databases.clone(cluster.template)
    key, secret = make_key_text("test"), secrets.token_urlsafe(32)
    limits = {f"INDELIBLE_{who}_READ_LIMIT": "0" for who in ("KEY", "TENANT")}
    with running_service(database, INDELIBLE_ADMIN_KEY=key, INDELIBLE_VIEWER_SECRET=secret, **limits) as address:
        yield Service(address, key, database, secret)
    cluster.databases.drop(database)


def test_the_service_does_what_its_description_says(own: Service, tmp_path: Path) -> None:
    """No 5xx, no status, content type or shape that is not described; what does not fit the schema is refused."""
    said = run(own, tmp_path, "--phases", "examples,coverage,fuzzing,stateful", "--max-examples=25",
               "--max-time=50", "--seed=1")  # fmt: skip
    assert "No issues found" in said


@pytest.mark.slow
def test_the_service_does_so_for_longer(own: Service, tmp_path: Path) -> None:
    assert "No issues found" in run(own, tmp_path, "--max-examples=400", "--max-time=240")
