"""Shared by all tests: PostgreSQL servers started once, a migrated template cloned for each test, a live service."""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import cache

import httpx
import pytest

from indelible.catalog import Catalog
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.embedded import SERVICE_ROLE
from indelible.store.intake import Intake
from indelible.store.migrate import migrate
from indelible.store.session import Database as Connections
from tests.postgres import VERSIONS, Database, TemplateDatabases, missing, server


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL of one version, with a migrated template."""

    version: int
    databases: TemplateDatabases
    template: Database


@pytest.fixture(scope="session")
def clusters() -> Iterator[Callable[[int], Cluster]]:
    """Starts a version's server when the first test asks for it; all are stopped at the end."""
    with contextlib.ExitStack() as running:

        @cache
        def cluster(version: int) -> Cluster:
            databases = TemplateDatabases(running.enter_context(server(version)))
            template = databases.create("template_indelible")
            migrate(template.admin_url, service=SERVICE_ROLE)
            return Cluster(version, databases, template)

        yield cluster


@pytest.fixture(params=list(VERSIONS), ids="postgresql{}".format)
def cluster(request: pytest.FixtureRequest, clusters: Callable[[int], Cluster]) -> Cluster:
    """Each version in turn."""
    if reason := missing(request.param):
        pytest.skip(reason)
    return clusters(request.param)


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    """A migrated database of the test's own."""
    clone = cluster.databases.clone(cluster.template)
    yield clone
    cluster.databases.drop(clone)


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return Catalog.load()


@pytest.fixture
def intake(catalog: Catalog) -> Intake:
    return Intake(catalog)


@pytest.fixture
async def connections(database: Database) -> AsyncIterator[Connections]:
    """The test's database, as the service connects to it."""
    async with Connections.open(database.url, size=6) as opened:
        yield opened


@pytest.fixture
async def appender(connections: Connections, catalog: Catalog) -> AsyncIterator[Appender]:
    async with Appender.open(connections, Rules(catalog)) as opened:
        yield opened


@dataclass(frozen=True)
class Service:
    """`indelible serve`, running."""

    address: str
    key: str
    database: Database
    viewer_secret: str

    def client(self, **headers: str) -> httpx.Client:
        return httpx.Client(
            base_url=self.address, headers={"authorization": f"Bearer {self.key}", **headers}, timeout=30
        )


@pytest.fixture(scope="session")
def service(clusters: Callable[[int], Cluster]) -> Iterator[Service]:
    """One service for all tests of the API. Give each test a tenant of its own: see `tenant`."""
    cluster = clusters(18)
    database = cluster.databases.clone(cluster.template)
    key = f"ind_test_{secrets.token_urlsafe(32)}"
    secret = secrets.token_urlsafe(32)
    # Tests ask more of it in a minute than people do.
    with running_service(
        database,
        INDELIBLE_ADMIN_KEY=key,
        INDELIBLE_VIEWER_SECRET=secret,
        INDELIBLE_KEY_READ_LIMIT="0",
        INDELIBLE_TENANT_READ_LIMIT="0",
    ) as address:
        yield Service(address, key, database, secret)
    cluster.databases.drop(database)


@pytest.fixture
def tenant() -> str:
    return f"t-{secrets.token_hex(6)}"


@contextlib.contextmanager
def running_service(database: Database, **settings: str) -> Iterator[str]:
    """`indelible serve` on a free port, as a process of its own; its address, once it is ready."""
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("INDELIBLE_")}
    environment |= {"INDELIBLE_DATABASE_URL": database.url, "INDELIBLE_PORT": str(port)}
    environment |= {"INDELIBLE_ENVIRONMENT": "test", **settings}
    process = subprocess.Popen([sys.executable, "-m", "indelible", "serve"], env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(address, process)
        yield address
    finally:
        process.terminate()
        process.wait(40)


def wait_until_ready(address: str, process: subprocess.Popen[bytes], path: str = "/readyz") -> None:
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{address}{path}").is_success:
                return
        assert process.poll() is None, "the service ended before it was ready"
        assert time.monotonic() < deadline, "the service was not ready in time"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
