"""An embedded PostgreSQL, for development, the demo and the tests."""

from indelible.store.embedded.account import EmbeddedError
from indelible.store.embedded.postgres import DATABASE, LOGINS, SERVICE_ROLE, EmbeddedPostgres

__all__ = ["DATABASE", "LOGINS", "SERVICE_ROLE", "EmbeddedError", "EmbeddedPostgres"]
