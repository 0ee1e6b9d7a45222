"""The service against its own description, by schemathesis: examples, edges, chance, and calls that follow on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Service

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def run(service: Service, directory: Path, *arguments: str) -> str:
    """What `schemathesis run` says. As a process of its own: it brings warnings and a pytest plugin along."""
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run",
         f"{service.address}/openapi.json", "--header", f"Authorization: Bearer {service.key}",
         "--checks", "all", "--continue-on-failure", "--warnings", "off", "--no-color", *arguments],
        cwd=directory, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_service_does_what_its_description_says(service: Service, tmp_path: Path) -> None:
    """No 5xx, no status, content type or shape that is not described; what does not fit the schema is refused."""
    said = run(service, tmp_path, "--phases", "examples,coverage,fuzzing,stateful", "--max-examples=25",
               "--max-time=50", "--seed=1")  # fmt: skip
    assert "No issues found" in said


@pytest.mark.slow
def test_the_service_does_so_for_longer(service: Service, tmp_path: Path) -> None:
    assert "No issues found" in run(service, tmp_path, "--max-examples=400", "--max-time=240")
