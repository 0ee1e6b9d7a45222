"""One migrated database a module and version, quicker than one a test: each test has tenants of its own."""

import secrets
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import Cluster
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
def tenants() -> list[str]:
    """Three tenants that no other test knows, in the order of their names."""
    return sorted(f"t-{secrets.token_hex(6)}" for _ in range(3))
