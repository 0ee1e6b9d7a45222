import pytest

from indelible.catalog import Catalog
from indelible.store.appender import Appender
from indelible.store.intake import Intake
from indelible.store.session import Database as Connections
from tests.archive.conftest import s3
from tests.postgres import Database
from tests.worker.signing import Bench

__all__ = ["bench", "s3"]


@pytest.fixture
def bench(database: Database, connections: Connections, appender: Appender, intake: Intake, catalog: Catalog) -> Bench:
    return Bench(database, connections, appender, intake, catalog)
