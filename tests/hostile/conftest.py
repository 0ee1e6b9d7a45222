"""One migrated database a module and version of PostgreSQL; each test has a vendor with two customers of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from indelible.catalog import Catalog
from tests.conftest import Cluster
from tests.hostile.attacker import Attacker
from tests.hostile.vendor import Vendor, opened_vendor
from tests.postgres import VERSIONS, Database, missing


@pytest.fixture(scope="module", params=list(VERSIONS), ids="postgresql{}".format)
def database(request: pytest.FixtureRequest, clusters: Callable[[int], Cluster]) -> Iterator[Database]:
    if reason := missing(request.param):
        pytest.skip(reason)
    cluster = clusters(request.param)
    clone = cluster.databases.clone(cluster.template)
    yield clone
    cluster.databases.drop(clone)


@pytest.fixture
def vendor(database: Database, catalog: Catalog, tmp_path: Path) -> Iterator[Vendor]:
    with opened_vendor(database, catalog, tmp_path) as vendor:
        yield vendor


@pytest.fixture
def attacker(database: Database) -> Attacker:
    return Attacker(database)
