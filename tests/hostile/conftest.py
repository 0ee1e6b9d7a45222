"""One migrated database a module and version of PostgreSQL; each test has a vendor with two customers of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from indelible.catalog import Catalog
from tests.hostile.attacker import Attacker
from tests.hostile.vendor import Vendor, opened_vendor
from tests.postgres import Database
from tests.store.conftest import database

__all__ = ["attacker", "database", "vendor"]


@pytest.fixture
def vendor(database: Database, catalog: Catalog, tmp_path: Path) -> Iterator[Vendor]:
    with opened_vendor(database, catalog, tmp_path) as vendor:
        yield vendor


@pytest.fixture
def attacker(database: Database) -> Attacker:
    return Attacker(database)
