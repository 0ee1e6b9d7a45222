"""The service with a login for each role."""

import secrets
from collections.abc import Callable

import httpx
import pytest

from indelible.cli.database import as_environment
from indelible.store.migrate import migrate
from tests.conftest import Cluster, running_service
from tests.postgres import VERSIONS, missing
from tests.store.samples import rows
from tests.store.separate import separate_logins


@pytest.mark.parametrize("version", VERSIONS)
def test_it_serves(version: int, clusters: Callable[[int], Cluster]) -> None:
    """Posting, reading and keys, each by the login that may; that of INDELIBLE_DATABASE_URL may nothing."""
    if reason := missing(version):
        pytest.skip(reason)
    key = secrets.token_urlsafe(32)
    event = {"tenant_id": "acme", "action": "user.joined", "actor": {"type": "user", "id": "usr_7", "name": "Sarah"}}
    with separate_logins(clusters(version)) as separate:
        migrate(separate.database.admin_url, service=separate.names["service"], own=separate.own)
        settings = {**as_environment(separate.logins), "INDELIBLE_ADMIN_KEY": key}
        with (
            running_service(separate.database, **settings) as address,
            httpx.Client(base_url=address, headers={"authorization": f"Bearer {key}"}, timeout=30) as api,
        ):
            assert api.get("/readyz").status_code == 200
            posted = api.post("/api/audit-log", json=event)
            assert posted.status_code == 201, posted.text
            found = api.get("/api/audit-log", params={"tenant_id": "acme", "q": "sarah"})
            assert [each["id"] for each in found.json()["data"]] == [posted.json()["id"]]
            assert api.get(f"/api/audit-log/{posted.json()['id']}", params={"tenant_id": "acme"}).status_code == 200
            assert api.get("/metrics").status_code == 200
            users = "SELECT DISTINCT usename::text FROM pg_stat_activity WHERE application_name = 'indelible'"
            used = {name for (name,) in rows(separate.database, f"{users} AND datname = current_database()")}
        assert used == {separate.names[role] for role in ("writer", "reader", "control")}
