"""What viewer tokens are made with: made up for the embedded database alone, and wrong ones are named at the start."""

from __future__ import annotations

import stat
from pathlib import Path

import httpx
import pytest

from tests.conftest import free_port
from tests.faults.running import Command, Dev, children

EVENT = {"tenant_id": "acme", "action": "user.joined", "actor": {"type": "user", "id": "usr_7"}}
WANTED = {"tenant_id": "acme", "actor": {"id": "usr_7"}, "role": "admin"}


def issued(dev: Dev) -> str:
    with httpx.Client(base_url=dev.address, headers={"authorization": f"Bearer {dev.key}"}) as client:
        assert client.post("/api/audit-log", json=EVENT).is_success
        answer = client.post("/api/viewer-tokens", json=WANTED)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])


def read_with(dev: Dev, token: str) -> int:
    return httpx.get(f"{dev.address}/api/audit-log", headers={"authorization": f"Bearer {token}"}).status_code


def environment_of_signer(dev: Dev) -> bytes:
    (signer,) = [child for child in children(dev.pid) if " worker " in child.command]
    return Path(f"/proc/{signer.pid}/environ").read_bytes()


def test_dev_has_a_secret_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    with Dev(tmp_path).is_started() as dev:
        file = dev.data_dir / "viewer.secret"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        secret = file.read_text().strip()
        assert len(secret) >= 32
        assert secret not in dev.out + dev.err
        token = issued(dev)
        assert read_with(dev, token) == 200
        assert b"VIEWER_SECRET" not in environment_of_signer(dev)
        assert dev.stop() == 0
    with Dev(tmp_path).is_started() as again:
        assert file.read_text().strip() == secret
        assert read_with(again, token) == 200


def test_one_that_is_set_is_used(tmp_path: Path) -> None:
    with Dev(tmp_path, INDELIBLE_VIEWER_SECRET="s" * 40).is_started() as dev:
        assert not (dev.data_dir / "viewer.secret").exists()
        assert read_with(dev, issued(dev)) == 200
        assert b"VIEWER_SECRET" not in environment_of_signer(dev)


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read"), ("short", "at least 32 characters")])
def test_a_wrong_one_is_named_before_anything_starts(tmp_path: Path, content: str | None, said: str) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_text(content)
    for command in ("serve", "dev"):
        started = Command(
            tmp_path, command, "--data-dir", str(tmp_path / "data"), INDELIBLE_VIEWER_SECRET_FILE=str(file),
            INDELIBLE_PORT=str(free_port()),
        )  # fmt: skip
        assert started.start().wait() == 2
        assert "INDELIBLE_VIEWER_SECRET_FILE: " in started.err
        assert said in started.err
        assert "Traceback" not in started.err
        assert not (tmp_path / "data").exists()
