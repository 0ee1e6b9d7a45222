"""`indelible dev`: one command starts everything, what it prints works, and nothing of it stays behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg
import pytest

from indelible.ledger.checkpoint import open_checkpoint
from indelible.ledger.signing import SigningKey
from tests.cli.conftest import indelible
from tests.conftest import Cluster
from tests.faults.running import Dev, Process, alive, children, descendants, until

ENDS = [signal.SIGINT, signal.SIGTERM]


def curls(dev: Dev) -> list[str]:
    """The curl commands that it printed, as somebody copies them."""
    return re.findall(r"^  (curl .*?)\n\n", dev.out, re.MULTILINE | re.DOTALL)


def run(command: str, directory: Path) -> str:
    done = subprocess.run(["bash", "-c", command], cwd=directory, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def proven(dev: Dev) -> str:
    """What `indelible verify` says, as printed; it ends with 0 only where every ledger is proven."""
    (command,) = re.findall(r"^  (.* verify --data-dir .*)$", dev.out, re.MULTILINE)
    return run(command, dev.data_dir)


def size(dev: Dev, tenant: str = "northwind") -> int:
    found = re.search(rf"^{tenant}: proven\. ([0-9,]+) entries", proven(dev), re.MULTILINE)
    assert found is not None
    return int(found[1].replace(",", ""))


def test_the_demo_is_there_and_every_printed_command_works(tmp_path: Path) -> None:
    with Dev(tmp_path, "--demo").is_started() as dev:
        assert dev.address in dev.out
        assert dev.key in dev.out
        write, read = curls(dev)
        receipt = json.loads(run(write, tmp_path))
        assert receipt["tenant_id"] == "northwind"
        (newest, *others) = json.loads(run(read, tmp_path))["data"]
        assert newest["id"] == receipt["id"]
        assert "Sarah Chen" in newest["sentence"]
        assert len(others) == 4
        assert size(dev) > 5000
        assert httpx.get(f"{dev.address}/docs").is_success


def test_a_second_start_is_quick_keeps_the_data_and_prints_no_key(tmp_path: Path) -> None:
    with Dev(tmp_path, "--demo").is_started() as dev:
        before, first_key = size(dev), dev.key
        assert dev.stop() == 0
        began = time.monotonic()
        dev.start().is_welcoming()
        assert time.monotonic() - began < 8
        assert first_key not in dev.out + dev.err
        assert dev.key == first_key
        assert size(dev) == before
        write, _ = curls(dev)
        assert json.loads(run(write, tmp_path))["seq"] == before


def test_a_demo_that_was_interrupted_is_completed(tmp_path: Path) -> None:
    """Its events have ids of their own, so those that made it are not written again."""
    with Dev(tmp_path, "--demo") as dev:
        until((dev.data_dir / "demo.txt").exists, "the demo is being written")
        until(lambda: 0 < entries(dev) < 5000, "some of it is there", 20)
        os.kill(dev.pid, signal.SIGKILL)
        dev.wait()
        assert "done" not in (dev.data_dir / "demo.txt").read_text()
        dev.start().is_welcoming()
        loaded = int(re.findall(r"([0-9,]+) events of 90 days", dev.err)[0].replace(",", ""))
        assert size(dev) == loaded + 1


def entries(dev: Dev) -> int:
    try:
        with psycopg.connect(dev.postgres.admin_url()) as connection:
            (count,) = connection.execute("SELECT count(*) FROM indelible.events").fetchone() or (0,)
    except psycopg.Error:
        return 0
    return int(count)


def signer(dev: Dev) -> Process:
    (found,) = [child for child in children(dev.pid) if " worker " in child.command]
    return found


def checkpoints(dev: Dev) -> list[Path]:
    return sorted((dev.data_dir / "checkpoints").glob("*/*/*.checkpoint"))


def test_ledgers_are_signed_with_a_key_of_its_own(tmp_path: Path) -> None:
    """And a copy lies in a directory, as in production it lies elsewhere."""
    with Dev(tmp_path, INDELIBLE_CHECKPOINT_INTERVAL="0.2").is_started() as dev:
        file = dev.data_dir / "signing.key"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert "Ledgers   signed every 0.2 s" in dev.out
        write, _ = curls(dev)
        run(write, tmp_path)
        until(lambda: checkpoints(dev), "a checkpoint is kept")
        first = checkpoints(dev)[0].read_bytes()
        origin = "/".join(checkpoints(dev)[0].parts[-3:-1])
        key = SigningKey.parse(file.read_text())
        stated, _ = open_checkpoint(first, [key.verifier(origin)])
        assert stated.size == 2
        secret = file.read_text().splitlines()[1]
        assert secret not in dev.out + dev.err
        assert dev.stop() == 0

        dev.start().is_welcoming()
        run(write, tmp_path)
        shown = indelible("checkpoint", "--tenant", "acme", "--data-dir", str(dev.data_dir))
        assert (shown.code, shown.err) == (0, "")
        stated, _ = open_checkpoint(shown.out.encode(), [key.verifier(origin)])
        assert stated.size == 3
        vkeys = indelible("keys", "vkeys", "--tenant", "acme", "--data-dir", str(dev.data_dir))
        assert vkeys.lines == [str(key.verifier(origin))]


def test_a_signer_that_died_is_started_again(tmp_path: Path) -> None:
    with Dev(tmp_path, INDELIBLE_CHECKPOINT_INTERVAL="0.2").is_started() as dev:
        killed = signer(dev).pid
        os.kill(killed, signal.SIGKILL)
        dev.says("The signer of checkpoints is gone; starting it again")
        write, _ = curls(dev)
        run(write, tmp_path)
        until(lambda: checkpoints(dev), "the new one signs")
        assert signer(dev).pid != killed


def test_the_service_does_not_hold_the_key(tmp_path: Path) -> None:
    """Not even here, where the same user could read it: what is tried out is what runs in production."""
    key = SigningKey.generate()
    with Dev(tmp_path, INDELIBLE_SIGNING_KEY=key.pem()).is_started() as dev:
        assert not (dev.data_dir / "signing.key").exists()
        assert b"PRIVATE KEY" in Path(f"/proc/{signer(dev).pid}/environ").read_bytes()
        for process in (dev.server(), dev.worker()):
            assert b"SIGNING_KEY" not in Path(f"/proc/{process.pid}/environ").read_bytes()


def test_a_database_of_somebody_elses_is_not_signed_with_a_key_made_up_here(
    tmp_path: Path, clusters: Callable[[int], Cluster]
) -> None:
    """Whoever signs a ledger first is who signs it: that must not be a laptop."""
    cluster = clusters(18)
    external = cluster.databases.clone(cluster.template)
    with Dev(tmp_path, INDELIBLE_DATABASE_URL=external.url).is_started() as dev:
        assert "Ledgers   not signed: INDELIBLE_SIGNING_KEY is not set" in dev.out
        assert not (dev.data_dir / "signing.key").exists()
        assert [child for child in children(dev.pid) if " worker " in child.command] == []
        assert dev.stop() == 0
    cluster.databases.drop(external)


def test_a_wrong_signing_key_is_named(tmp_path: Path) -> None:
    dev = Dev(tmp_path, INDELIBLE_SIGNING_KEY_FILE=str(tmp_path / "none.key"))
    assert dev.start().wait() == 2
    assert "INDELIBLE_SIGNING_KEY_FILE: " in dev.err
    assert "Traceback" not in dev.err
    assert not dev.postgres.is_running()


@pytest.mark.parametrize("end", ENDS, ids=lambda number: number.name)
def test_it_stops_everything_that_it_started(tmp_path: Path, end: signal.Signals) -> None:
    with Dev(tmp_path).is_started() as dev:
        started = descendants(dev.pid)
        commands = " ".join(process.command for process in alive(started))
        assert " serve " in commands
        assert " worker " in commands
        assert "postgres" in commands
        assert dev.stop(end) == 0
        assert alive(started) == []
        assert not dev.postgres.is_running()
        assert "Stopped." in dev.err


@pytest.mark.parametrize("end", ENDS, ids=lambda number: number.name)
@pytest.mark.parametrize("moment", ["Starting PostgreSQL", "Serving on", "Serving on +0.4 s"])
def test_it_stops_in_the_middle_of_a_start(tmp_path: Path, end: signal.Signals, moment: str) -> None:
    """Somebody who sees the wrong directory there does not wait for the rest."""
    with Dev(tmp_path) as dev:
        dev.says(moment.partition(" +")[0])
        time.sleep(0.4 if "+" in moment else 0)
        began = time.monotonic()
        assert dev.stop(end) == 0
        assert time.monotonic() - began < 10
        assert not dev.postgres.is_running()
        assert [p for p in children(1) if str(tmp_path) in p.command or f":{dev.port}" in p.command] == []


def test_ctrl_c_stops_a_demo_that_is_being_written(tmp_path: Path) -> None:
    with Dev(tmp_path, "--demo") as dev:
        until((dev.data_dir / "demo.txt").exists, "the demo is being written")
        assert dev.stop(signal.SIGINT) == 0
        assert not dev.postgres.is_running()


def test_a_taken_port_is_refused_with_the_setting_to_change(tmp_path: Path) -> None:
    dev = Dev(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", dev.port))
        other.listen()
        assert dev.start().wait() == 2
    assert f"127.0.0.1:{dev.port} (Address already in use); set INDELIBLE_PORT to another" in dev.err
    assert "Traceback" not in dev.err
    assert not dev.data_dir.exists(), "nothing was begun"


def test_the_port_of_another_dev_is_refused(tmp_path: Path) -> None:
    """Server processes share a port among themselves; strangers would get each other's requests."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with Dev(tmp_path / "one").is_started() as first:
        second = Dev(tmp_path / "two", INDELIBLE_PORT=str(first.port))
        assert second.start().wait() == 2
        assert "set INDELIBLE_PORT to another" in second.err
        assert httpx.get(f"{first.address}/readyz").is_success


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("INDELIBLE_PORT", "many", "INDELIBLE_PORT: expected a whole number"),
        ("INDELIBLE_WORKER", "2", "did you mean INDELIBLE_WORKERS?"),
        ("INDELIBLE_HOST", "no-such-host.invalid", "set INDELIBLE_HOST to another"),
        ("INDELIBLE_HOST", "192.0.2.1", "set INDELIBLE_HOST to another"),
    ],
)
def test_a_wrong_setting_is_named_before_anything_starts(tmp_path: Path, setting: str, value: str, said: str) -> None:
    dev = Dev(tmp_path, **{setting: value})
    assert dev.start().wait() == 2
    assert said in dev.err
    assert "Traceback" not in dev.err
    assert not dev.data_dir.exists()


@pytest.mark.parametrize("host", ["localhost", "::1"])
def test_it_listens_where_it_is_told(tmp_path: Path, host: str) -> None:
    with Dev(tmp_path, INDELIBLE_HOST=host).is_started() as dev:
        write, _ = curls(dev)
        assert json.loads(run(write, tmp_path))["seq"] == 1


def test_killed_it_leaves_no_service_and_the_next_start_recovers(tmp_path: Path) -> None:
    """PostgreSQL stays, with the data; the next start takes it over, and stops it in the end."""
    with Dev(tmp_path).is_started() as dev:
        write, _ = curls(dev)
        assert json.loads(run(write, tmp_path))["seq"] == 1
        servers = {dev.server().pid, dev.worker().pid, signer(dev).pid}
        os.kill(dev.pid, signal.SIGKILL)
        dev.wait()
        dev.start().is_welcoming()
        assert alive(servers) == []
        assert json.loads(run(write, tmp_path))["seq"] == 2
        assert dev.stop() == 0
        assert not dev.postgres.is_running()


def test_killed_it_takes_the_service_and_the_signer_with_it(tmp_path: Path) -> None:
    with Dev(tmp_path).is_started() as dev:
        servers = {dev.server().pid, dev.worker().pid, signer(dev).pid}
        os.kill(dev.pid, signal.SIGKILL)
        dev.wait()
        until(lambda: not alive(servers), "they have ended", 10)
