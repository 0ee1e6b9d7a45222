"""The catalog that is shipped: it holds what customers ask for, and each of its sentences reads."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from indelible.catalog import Catalog
from indelible.catalog.__main__ import main
from indelible.catalog.markdown import example_event, render
from indelible.event import Actor, Event, Target, dump, parse

CATALOG = Catalog.load()
ROOT = Path(__file__).parents[2]

REQUIRED = """
user.signed_in user.signed_out user.sign_in_failed user.password_changed user.password_reset_requested
user.password_reset user.mfa_enrolled user.mfa_enabled user.mfa_disabled user.mfa_reset session.expired session.revoked
user.invited user.joined user.added user.removed user.suspended user.reactivated user.role_changed user.admin_granted
user.admin_revoked group.created group.changed group.membership_changed workspace.settings_changed api_key.created
api_key.rotated api_key.revoked integration.installed integration.removed integration.permissions_changed
oauth_app.authorized oauth_app.revoked scim.user_created scim.user_updated scim.user_deprovisioned scim.token_rotated
impersonation.started impersonation.ended access.requested access.approved access.denied
document.viewed document.shared_externally link.created data.exported record.deleted record.bulk_deleted record.changed
record.restored privacy.export_requested privacy.erasure_requested
sso.configured sso.enforced sso.disabled domain.added domain.verified domain.removed plan.upgraded plan.downgraded
billing.payment_method_changed billing.invoice_address_changed webhook.created webhook.changed webhook.deleted
retention.changed stream.created stream.changed stream.disabled feature.toggled ip_allowlist.changed
security.suspicious_activity_detected account.locked account.unlocked security.mfa_bypass_attempted
security.permission_denied security.ip_blocked security.token_leaked security.token_revoked security.dlp_rule_triggered
ledger.created ledger.erasure ledger.incident ledger.key_rotated
audit_log.viewed audit_log.searched audit_log.exported audit_log.stream_created
audit_log.stream_changed audit_log.stream_disabled audit_log.key_created audit_log.key_revoked
audit_log.retention_changed
""".split()

FIELDS = {
    "user.signed_in": {"method", "mfa"},
    "user.sign_in_failed": {"reason", "attempts", "lockout"},
    "user.mfa_reset": {"approver", "ticket"},
    "session.revoked": {"reason", "revoked_by"},
    "api_key.created": {"scopes", "expires_at", "creator"},
    "impersonation.started": {"agent", "ticket", "duration_seconds"},
    "data.exported": {"records", "format", "destination", "resource_type"},
    "record.bulk_deleted": {"count"},
}

EXAMPLES = {
    "user.signed_in": "Sarah Chen signed in via SSO with MFA",
    "user.sign_in_failed": "Sarah Chen failed to sign in via password: wrong password (attempt 5, account locked)",
    "user.password_reset": "Sarah Chen reset the password of Alex Roman",
    "user.mfa_enrolled": "Sarah Chen enrolled TOTP as a second factor",
    "user.mfa_reset": "Sarah Chen reset MFA for Alex Roman, approved by Dana Fox (ticket 4512)",
    "session.expired": "The session of Sarah Chen expired after 1 hour without activity",
    "session.revoked": "Sarah Chen revoked 3 sessions of Alex Roman: suspicious",
    "user.invited": "Sarah Chen invited alex@acme.example as Member",
    "user.role_changed": "Sarah Chen changed Alex Roman from Member to Admin",
    "user.admin_granted": "Sarah Chen made Alex Roman an administrator",
    "group.membership_changed": "Sarah Chen changed the members of group Engineering (2 added, 1 removed)",
    "workspace.settings_changed": "Sarah Chen changed the workspace settings: default role and guest invites",
    "api_key.created": ("Sarah Chen created API key “CI deploy” with the scope events:write, valid until 2027-11-21"),
    "integration.permissions_changed": (
        "Sarah Chen changed the permissions of integration Slack from chat:write to chat:write and files:read"
    ),
    "scim.user_created": "System Okta provisioned Alex Roman through SCIM as Member",
    "impersonation.started": "Ana Lima started impersonating Sarah Chen for up to 1 hour (ticket 4512)",
    "impersonation.ended": "Ana Lima stopped impersonating Sarah Chen after 21 minutes (ticket 4512)",
    "access.denied": "Sarah Chen denied access to project Apollo for Alex Roman: not on the project",
    "document.viewed": "Sarah Chen viewed document “Payroll 2026” (confidential)",
    "data.exported": "Sarah Chen exported 12,480 records (contacts) as CSV to s3://acme-exports",
    "record.deleted": "Sarah Chen deleted invoice inv_1042 and invoice inv_1043",
    "record.bulk_deleted": "Sarah Chen deleted 5,200 records (contacts) in bulk",
    "record.changed": "Sarah Chen changed the amount and owner of deal “Acme renewal”",
    "sso.configured": ("Sarah Chen changed the SSO configuration: certificate fingerprint and default role (Okta)"),
    "webhook.changed": (
        "Sarah Chen changed the destination of webhook Billing from hooks.acme.example to hooks.other.example"
    ),
    "retention.changed": "Sarah Chen changed the retention from 365 days to 30 days",
    "feature.toggled": "Sarah Chen switched feature “AI assistant” on",
    "ip_allowlist.changed": "Sarah Chen changed the IP allowlist: added 203.0.113.0/24, removed 198.51.100.7",
    "security.permission_denied": "Sarah Chen was denied the permission “billing:write” on project Apollo",
    "security.token_leaked": (
        "System “Secret scanning” found API key “CI deploy” leaked on a public repository and revoked it"
    ),
    "ledger.created": "System created this audit log",
    "ledger.erasure": (
        "Sarah Chen erased personal data (actor and context) of user usr_9 from 214 entries (request DSR-19)"
    ),
    "ledger.key_rotated": "System rotated the key that signs checkpoints from 530d903a to 8e6c1f04",
    "ledger.incident": (
        "The audit log's signer refused to sign 5,577 entries: the entries are not those of the last checkpoint"
    ),
    "audit_log.exported": "Sarah Chen exported 12,480 events of the audit log as CSV",
}

CONTROL = re.compile(
    r"SOC 2 (?:CC[1-9]\.\d|C1\.[12]|P\d\.\d)|HIPAA 164\.3(?:08|12)\([a-z]\)(?:\(\d\))?(?:\(i{1,3}\))?(?:\([A-D]\))?"
    r"|PCI DSS 10\.[2-5]\.\d(?:\.[1-7])?|ISO 27001 A\.(?:5\.\d{1,2}|8\.\d{1,2})|GDPR Art\. \d{2}"
)


def test_every_action_customers_ask_for_is_there() -> None:
    """An action that is renamed or lost breaks the filters, alerts and reports that customers built on its name."""
    assert [name for name in REQUIRED if CATALOG.get(name) is None] == []


@pytest.mark.parametrize("name", FIELDS)
def test_the_details_of_an_action_are_typed_fields(name: str) -> None:
    """Strict mode can hold vendors to these details only if they are declared."""
    assert FIELDS[name] <= CATALOG.actions[name].metadata.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_reads_as_written(name: str) -> None:
    """Sentences are what admins see; a change of wording must be meant."""
    assert CATALOG.sentence(example_event(CATALOG.actions[name])) == EXAMPLES[name]


@pytest.mark.parametrize("name", CATALOG.actions)
@pytest.mark.parametrize("actor", ["user", "system", "api_key"])
@pytest.mark.parametrize("outcome", ["success", "failure", "denied"])
def test_a_sentence_of_nothing_has_no_hole(name: str, actor: str, outcome: str) -> None:
    """The least that an event may hold still reads: no gap, no placeholder, no machine word."""
    fragment = {"tenant_id": "acme", "action": name, "actor": {"type": actor}, "outcome": outcome}
    sentence = CATALOG.sentence(msgspec.convert(fragment, Event))
    assert re.fullmatch(r"[A-Z][^{}\[\]|]*[A-Za-z]", sentence)
    assert not re.search(r"  | [,:;.)]|\( |None|UNSET|null|[a-z]_[a-z]", sentence)
    if outcome != "success" and CATALOG.actions[name].outcome == "success":
        assert re.search("failed$" if outcome == "failure" else "denied$", sentence)


@pytest.mark.parametrize("name", CATALOG.actions)
def test_every_action_is_documented_and_survives_the_wire(name: str) -> None:
    """Its example is a valid event in which nothing is masked as a secret, and its controls exist."""
    spec = CATALOG.actions[name]
    event = example_event(spec)
    assert parse(dump(event)) == event
    assert CATALOG.check(event) == []
    assert spec.controls
    assert [c for c in spec.controls if not CONTROL.fullmatch(c)] == []
    fields = dict.fromkeys(spec.metadata, 1)
    probe = {"tenant_id": "acme", "action": name, "actor": {"type": "system"}, "metadata": fields}
    assert "[masked]" not in dump(parse(json.dumps(probe).encode())).decode()


def test_the_categories_of_the_service_cannot_be_mistaken() -> None:
    """What the service writes of itself is told from what the vendor logs by its name alone."""
    own = [name for name in CATALOG.actions if name.startswith(("ledger.", "audit_log."))]
    assert {CATALOG.actions[name].category for name in own} == {"security"}
    assert len(own) >= 12


def test_the_page_is_what_the_generator_gives(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/catalog.md can't fall behind the TOML files; write it anew with `python -m indelible.catalog`."""
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert printed == render(CATALOG)
    assert (ROOT / "docs" / "catalog.md").read_text("utf-8") == printed


def test_a_person_without_a_name_still_reads() -> None:
    """After an erasure only types and ids are left."""
    event = Event(
        tenant_id="acme",
        action="user.role_changed",
        actor=Actor(type="user", id="usr_7"),
        targets=[Target(type="user", id="usr_9")],
    )
    assert CATALOG.sentence(event) == "User usr_7 changed the role of user usr_9"
