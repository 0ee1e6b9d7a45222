"""Logins of a test's own, one for each role, on a migrated database."""

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

import psycopg

from indelible.store.embedded import SERVICE_ROLE
from indelible.store.session import LoginRole, Logins
from tests.conftest import Cluster
from tests.postgres import Database
from tests.store.acting import RUNTIME, refusal

__all__ = ["TAKES", "Separate", "separate_logins"]

TAKES = {
    "writer": {"writer"},
    "reader": {"reader", "member"},
    "control": {"control"},
    "signer": {"signer"},
    "keeper": {"keeper", "reader", "writer"},
    "service": set(),
}
"""The roles that each login may take. The service's own is left with none."""


@dataclass(frozen=True)
class Separate:
    """A database, and logins of this test alone."""

    database: Database
    names: Mapping[str, str]
    """Of the logins, by what they are for."""

    def url(self, login: str) -> str:
        return self.database.url.replace(f"//{SERVICE_ROLE}@", f"//{self.names[login]}@")

    @property
    def own(self) -> dict[LoginRole, str]:
        return {role: self.names[role] for role in get_args(LoginRole)}

    @property
    def logins(self) -> Logins:
        return Logins(self.url("service"), {role: self.url(role) for role in self.own})

    def taken(self) -> dict[str, set[str]]:
        """Which roles each login can take, tried."""
        return {login: {role for role in ROLES if self.takes(login, role)} for login in self.names}

    def takes(self, login: str, role: str) -> bool:
        with psycopg.connect(self.url(login)) as connection:
            said = refusal(connection, f"SET LOCAL ROLE {role}")
            assert said in ("", f'permission denied to set role "{role}"')
            return not said


ROLES = (*RUNTIME, "indelible_owner", "indelible_searcher", SERVICE_ROLE, "postgres")


@contextlib.contextmanager
def separate_logins(cluster: Cluster) -> Iterator[Separate]:
    """They are members of nothing yet. Logins are the server's: they go at the end."""
    database = cluster.databases.clone(cluster.template)
    suffix = secrets.token_hex(4)
    names = {login: f"login_{login}_{suffix}" for login in TAKES}
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        for name in names.values():
            connection.execute(f"CREATE ROLE {name} LOGIN NOINHERIT".encode())
    yield Separate(database, names)
    cluster.databases.drop(database)
    with psycopg.connect(cluster.template.admin_url, autocommit=True) as connection:
        for name in names.values():
            connection.execute(f"DROP ROLE {name}".encode())
