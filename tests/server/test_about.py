"""GET /api/audit-log/about: what a viewer has to know before it shows anything, and nothing of any event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.conftest import Service
from tests.server.conftest import Reader, an_event, problem
from tests.server.test_members import PARTS
from tests.server.test_viewer_tokens import make_key
from tests.signed import origin_of

URL = "/api/audit-log"


@pytest.fixture
def acme(api: httpx.Client, tenant: str) -> str:
    """A tenant that has a ledger."""
    api.post(URL, json=an_event(tenant)).raise_for_status()
    return tenant


def about(client: httpx.Client, **parameters: str) -> dict[str, Any]:
    answer = client.get(f"{URL}/about", params=parameters)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_an_admin_learns_what_their_token_says(service: Service, api: httpx.Client, acme: str, reader: Reader) -> None:
    who = {"id": "usr_1", "name": "Dana", "email": "dana@acme.example"}
    said = {"can_export": True, "can_manage_streams": True, "time_zone": "Europe/Berlin", "locale": "de-DE"}
    with reader("admin", actor=who, expires_in=600, **said) as dana:
        found = about(dana)
        now = datetime.now(UTC)
        assert abs(datetime.fromisoformat(found.pop("time")) - now) < timedelta(seconds=5)
        assert timedelta(minutes=9) < datetime.fromisoformat(found.pop("expires_at")) - now < timedelta(minutes=10)
        size = found.pop("size")
        assert found == {
            "tenant_id": acme,
            "role": "admin",
            "actor": {"type": "user", **who},
            "can": {"export": True, "manage_keys": False, "manage_streams": True, "share_views": True},
            "sees": sorted(PARTS),
            "filter": None,
            "time_zone": "Europe/Berlin",
            "locale": "de-DE",
            "origin": origin_of(service.database, acme),
        }
        # It grows with the next event, and not with having been asked for.
        assert about(dana)["size"] == size
        api.post(URL, json=an_event(acme)).raise_for_status()
        assert about(dana)["size"] == size + 1


def test_a_filter_is_told_and_keeps_from_sharing(reader: Reader, acme: str) -> None:
    chosen = {"category": ["auth"], "actor_type": ["user", "api_key"]}
    with reader("admin", "usr_1", filter=chosen) as filtered:
        found = about(filtered, tenant_id=acme)
    assert found["filter"] == chosen
    assert found["can"]["share_views"] is False
    assert (found["time_zone"], found["locale"]) == (None, None)


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("sees", [(), ("changes", "ip_address"), PARTS], ids="+".join)
def test_a_member_learns_what_they_are_shown(reader: Reader, sees: tuple[str, ...]) -> None:
    with reader(sees=sees) as alex:
        found = about(alex)
    assert (found["role"], found["sees"]) == ("member", sorted(sees))
    assert set(found["can"].values()) == {False}


def test_a_key_is_a_key(service: Service, api: httpx.Client, tenant: str) -> None:
    api.post(URL, json=an_event(tenant)).raise_for_status()
    found = about(api, tenant_id=tenant)
    assert (found["role"], found["actor"]["type"], found["expires_at"]) == ("key", "api_key", None)
    assert set(found["can"].values()) == {True}
    key = make_key(service, "events:read", tenant=tenant, expires_in=300)
    with httpx.Client(base_url=service.address, headers={"authorization": f"Bearer {key}"}) as reporting:
        found = about(reporting)
    assert found["tenant_id"] == tenant
    assert found["expires_at"] is not None
    assert set(found["can"].values()) == {False}


def test_where_there_is_no_ledger_yet_it_is_empty(api: httpx.Client, tenant: str) -> None:
    found = about(api, tenant_id=tenant)
    assert (found["origin"], found["size"]) == (None, 0)
    problem(api.get(f"{URL}/about"), 422, "invalid_parameter")
    problem(api.get(f"{URL}/about", params={"tenant_id": tenant, "q": "x"}), 422, "invalid_parameter")


def test_nobody_learns_of_another_tenant(reader: Reader, acme: str) -> None:
    with reader("admin", "usr_1") as dana:
        for other in (f"{acme}-2", "indelible:operator"):
            problem(dana.get(f"{URL}/about", params={"tenant_id": other}), 403, "wrong_tenant")
