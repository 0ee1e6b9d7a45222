"""One migrated database a module and version, quicker than one a test: each test has tenants of its own."""

import asyncio
import secrets
from collections.abc import Callable, Iterator

import pytest

from indelible.catalog import Catalog
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.intake import Intake
from indelible.store.session import Database as Connections
from tests.conftest import Cluster
from tests.postgres import VERSIONS, Database, missing
from tests.store.acting import MINE, OTHER
from tests.store.samples import FULL, as_superuser, send, take
from tests.store.tampering import LAST, Ledger


@pytest.fixture(scope="module", params=list(VERSIONS), ids="postgresql{}".format)
def database(request: pytest.FixtureRequest, clusters: Callable[[int], Cluster]) -> Iterator[Database]:
    if reason := missing(request.param):
        pytest.skip(reason)
    cluster = clusters(request.param)
    clone = cluster.databases.clone(cluster.template)
    yield clone
    cluster.databases.drop(clone)


@pytest.fixture
def tenants() -> list[str]:
    """Three tenants that no other test knows, in the order of their names."""
    return sorted(f"t-{secrets.token_hex(6)}" for _ in range(3))


@pytest.fixture(scope="module")
def filled(database: Database, catalog: Catalog) -> Database:
    """Two tenants with events, and a key."""

    async def fill() -> None:
        intake = Intake(catalog)
        async with Connections.open(database.url) as connections, Appender.open(connections, Rules(catalog)) as to:
            await send(to, *[take(intake, MINE, **FULL) for _ in range(3)])
            await send(to, *[take(intake, OTHER, **{**FULL, "metadata": {"note": "elsewhere"}}) for _ in range(3)])

    asyncio.run(fill())
    as_superuser(
        database,
        "INSERT INTO indelible.keys (name, hash, scopes) VALUES ('one', sha256('one'), '{}')",
        "ANALYZE indelible.events, indelible.event_personal",
    )
    return database


@pytest.fixture
async def ledger(
    database: Database, connections: Connections, appender: Appender, intake: Intake, tenants: list[str]
) -> Ledger:
    """Entry 0 opens it, 1 to 5 have every group of disclosures, 6 has none. Each was recorded at a time of its own."""
    tenant, bystander, _ = tenants
    for number in range(1, LAST):
        await send(appender, take(intake, tenant, **FULL, id=f"0192f0c4-0000-7000-8000-{number:012}"))
    await send(appender, take(intake, tenant, actor={"type": "system"}))
    await send(appender, *[take(intake, bystander, **FULL) for _ in range(2)])
    return Ledger(tenant, bystander, database, connections)
