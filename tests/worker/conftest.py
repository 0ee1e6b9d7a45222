from collections.abc import Iterator

import pytest

from indelible.catalog import Catalog
from indelible.store.appender import Appender
from indelible.store.intake import Intake
from indelible.store.session import Database as Connections
from tests.archive.seaweed import Server, server
from tests.postgres import Database
from tests.worker.signing import Bench


@pytest.fixture
def bench(database: Database, connections: Connections, appender: Appender, intake: Intake, catalog: Catalog) -> Bench:
    return Bench(database, connections, appender, intake, catalog)


@pytest.fixture(scope="package")
def s3() -> Iterator[Server]:
    with server() as running, pytest.MonkeyPatch.context() as environment:
        for name, value in running.environment.items():
            environment.setenv(name, value)
        yield running
