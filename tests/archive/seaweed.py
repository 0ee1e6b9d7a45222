"""A real S3 server for the tests: SeaweedFS, which does enforce Object Lock."""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from tests.conftest import free_port

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

__all__ = ["Bucket", "Server", "server"]

_SECRET = {"accessKey": "test-access-key", "secretKey": "test-secret-key"}


@dataclass(frozen=True)
class Bucket:
    server: "Server"
    name: str

    @property
    def where(self) -> str:
        return f"s3://{self.name}/checkpoints"


@dataclass(frozen=True)
class Server:
    address: str

    @property
    def environment(self) -> dict[str, str]:
        """By which boto3 finds it."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": _SECRET["accessKey"],
            "AWS_SECRET_ACCESS_KEY": _SECRET["secretKey"],
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self) -> "S3Client":
        import boto3  # type: ignore[import-untyped]

        client: S3Client = boto3.client(
            "s3",
            endpoint_url=self.address,
            aws_access_key_id=_SECRET["accessKey"],
            aws_secret_access_key=_SECRET["secretKey"],
            region_name="us-east-1",
        )
        return client

    def bucket(self, *, lock: bool = True) -> Bucket:
        """A new bucket."""
        name = f"checkpoints-{secrets.token_hex(6)}"
        self.client().create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
        return Bucket(self, name)


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """A running server in a directory of its own, both gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="indelible-test-s3-"))
    identity = {"name": "test", "credentials": [_SECRET], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    (directory / "s3.json").write_text(json.dumps({"identities": [identity]}))
    port = free_port()
    with (directory / "weed.log").open("wb") as log:
        process = subprocess.Popen(
            _command(directory, port), cwd=directory, env=_environment(), stdout=log, stderr=subprocess.STDOUT
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_ready(address, process, directory)
        yield Server(address)
    finally:
        process.kill()  # nothing in it is to survive
        process.wait(30)
        shutil.rmtree(directory)


def _command(directory: Path, port: int) -> list[str]:
    taken = {port}
    arguments = []
    # Its gRPC ports, too, are told to it: by default they are 10,000 above the others, and may be taken.
    for name in ("master", "volume", "filer"):
        for flag in (f"-{name}.port", f"-{name}.port.grpc"):
            while (free := free_port()) in taken:
                pass
            taken.add(free)
            arguments.append(f"{flag}={free}")
    while (grpc := free_port()) in taken:
        pass
    return [
        str(Path(sys.executable).parent / "weed"),
        "server",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-dir={directory}",
        "-filer",
        "-s3",
        f"-s3.port={port}",
        f"-s3.port.grpc={grpc}",
        f"-s3.config={directory / 's3.json'}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-volume.max=200",
        "-volume.preStopSeconds=0",
        "-master.telemetry=false",
        *arguments,
    ]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "INDELIBLE_", "WEED_"))}


def _wait_until_ready(address: str, process: "subprocess.Popen[bytes]", directory: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{address}/healthz").is_success:
                return
        log = directory / "weed.log"
        assert process.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.1)
