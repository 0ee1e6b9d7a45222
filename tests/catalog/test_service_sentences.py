"""The log of the log, as a customer's admin reads it: who did what with the log, and with what effect."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from indelible.catalog import Catalog
from indelible.event import Event

CATALOG = Catalog.load()
STAFF = {"vendor_staff": True}
KEY = {"type": "api_key", "id": "key_1", "name": "App"}


def sentence(action: str, **fields: Any) -> str:
    fragment = {"tenant_id": "acme", "action": f"audit_log.{action}", "actor": {"type": "user", "name": "Sarah Chen"}}
    return CATALOG.sentence(msgspec.convert({**fragment, **fields}, Event))


def access(before: bool, after: bool) -> dict[str, Any]:
    return {"member_access": {"from": before, "to": after}}


def sees(before: list[str], after: list[str]) -> dict[str, Any]:
    return {"member_sees": {"from": before, "to": after}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (access(before=False, after=True), "let members read their own events"),
        (access(before=True, after=False), "stopped members from reading their own events"),
        (
            sees(["metadata"], ["changes", "request_id"]),
            "changed what members are shown of their own events to changes and request ID",
        ),
        (sees(["changes"], []), "changed what members are shown of their own events to nothing besides"),
        (
            access(before=False, after=True) | sees([], ["changes", "ip_address", "metadata", "session_id"]),
            "let members read their own events and changed what they are shown of them to "
            "changes, IP address, metadata and session ID",
        ),
        (
            access(before=True, after=False) | sees(["changes"], []),
            "stopped members from reading their own events and changed what they are shown of them to nothing besides",
        ),
        ({}, "changed the audit log settings"),
    ],
)
def test_a_change_of_settings_says_what_holds_now(changes: dict[str, Any], said: str) -> None:
    """Whether members may read or not any longer is the point of the entry."""
    assert sentence("settings_changed", changes=changes) == f"Sarah Chen {said}"


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        (
            {"code": "missing_scope", "detail": "the key 'App' lacks the scope keys:manage"},
            ": the key 'App' lacks the scope keys:manage",
        ),
        (
            {"code": "unauthorized", "detail": "the key 'App' was revoked on 2026-11-22 at 04:38 UTC"},
            ": the key 'App' was revoked on 2026-11-22 at 04:38 UTC",
        ),
        ({"code": "wrong_tenant", "detail": "what you hold is …"}, ": what was asked for is another tenant's"),
        ({"code": "beyond_your_own", "detail": "beyond what you hold"}, ": more was asked for than they hold"),
        ({"code": "members_not_allowed"}, ": members not allowed"),
        ({}, ""),
    ],
)
def test_a_refusal_says_why(metadata: dict[str, Any], said: str) -> None:
    shown = sentence("access_denied", actor=KEY, outcome="denied", metadata=metadata)
    assert shown == f"API key “App” was denied access to the audit log{said}"


def test_a_stranger_is_not_called_a_key() -> None:
    """No key of the customer's is called "unknown"; one that is called so is itself."""
    stranger = {"type": "api_key", "name": "unknown"}
    metadata = {"code": "unauthorized", "detail": "the key is not known here"}
    shown = sentence("access_denied", actor=stranger, outcome="denied", metadata=metadata)
    assert shown == "Somebody without a valid key was denied access to the audit log"
    shown = sentence("access_denied", actor=stranger | {"id": "key_2"}, outcome="denied", metadata=metadata)
    assert shown == "API key “unknown” was denied access to the audit log: the key is not known here"
    shown = sentence("access_denied", actor={"type": "user", "id": "usr_9"}, outcome="denied")
    assert shown == "User usr_9 was denied access to the audit log"


@pytest.mark.parametrize(
    ("scopes", "said"),
    [
        (["events:read"], " with the scope events:read"),
        (["events:read", "export"], " with the scopes events:read and export"),
        ([], " without any scope"),
        (None, ""),
    ],
)
def test_a_new_key_is_told_by_name_and_scopes(scopes: list[str] | None, said: str) -> None:
    """The name is anybody's word, and must not read as one of ours."""
    shown = sentence(
        "key_created",
        targets=[{"type": "api_key", "id": "key_3", "name": "empty"}],
        metadata={} if scopes is None else {"scopes": scopes},
    )
    assert shown == f"Sarah Chen created API key “empty” for the audit log{said}"


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"filters": {"action": ["user.joined"]}}, " (action user.joined)"),
        (
            {"query": "sarah", "filters": {"since": "30d", "action": ["user.joined", "user.left"]}},
            " for “sarah” (since 30d; action user.joined and user.left)",
        ),
        (
            {"filters": dict.fromkeys(("since", "until", "action", "outcome", "source"), "x")},
            " (since x; until x; action x; outcome x and 1 more)",
        ),
        ({"filters": {"actor_id": ["a) but (b"]}}, " (actor ID “a) but (b”)"),
        ({"query": "sarah", "filters": {}}, " for “sarah”"),
        ({"filters": {"action": [["deep"]], "map": {"a": 1}}}, ""),
    ],
)
def test_a_search_names_its_filters(metadata: dict[str, Any], said: str) -> None:
    assert sentence("searched", metadata=metadata) == f"Sarah Chen searched the audit log{said}"


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"targets": [{"type": "user", "id": "usr_9"}]}, "the viewer tokens of user usr_9"),
        ({"metadata": {"token_id": "5f0c"}}, "viewer token 5f0c"),
        ({"metadata": {"all": True}}, "all viewer tokens"),
    ],
)
def test_revoked_tokens_are_told_by_whose_they_are(event: dict[str, Any], said: str) -> None:
    assert sentence("token_revoked", **event) == f"Sarah Chen revoked {said}"


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"metadata": STAFF}, "Sarah Chen (vendor staff)"),
        ({"metadata": STAFF, "actor": KEY}, "API key “App” (vendor key)"),
        ({"source": "admin_panel"}, "Sarah Chen (vendor staff)"),
        ({"source": "ui"}, "Sarah Chen"),
    ],
)
def test_the_vendors_people_are_told_from_the_customers(event: dict[str, Any], said: str) -> None:
    """Also where the reader is shown no metadata: the source is staff's alone."""
    assert sentence("viewed", **event) == f"{said} viewed the audit log"
