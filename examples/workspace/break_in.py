"""Somebody has a colleague's password. What they do within a minute, to see how it looks in the log."""

from __future__ import annotations

from msgspec.structs import replace

from examples.workspace.visitors import Session, Visitor
from indelible import Actor, Context

__all__ = ["break_in"]

STRANGER = Context(
    "192.0.2.66",
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
)


def break_in(who: Visitor) -> None:
    """Into the workspace of `who` presses the button; by then they are Tomas, at another desk."""
    workspace = who.workspace
    tomas = workspace.members.get("usr_03", who.session.person)
    theirs = Session(who.session.tenant, tomas)
    stranger = replace(STRANGER, session_id=theirs.id)
    they = Visitor(theirs, workspace, who.audit, STRANGER)
    for attempt in range(1, 5):
        wrong = {"method": "password", "reason": "wrong_password", "attempts": attempt}
        they.log("user.sign_in_failed", outcome="failure", metadata=wrong)
    they.context = stranger
    they.log("user.signed_in", metadata={"method": "password", "mfa": "not_enrolled"})
    key = workspace.create_key("backup-sync", ("admin:all", "data:all"), tomas.name)
    they.log("api_key.created", target=key.target, metadata={"scopes": key.scopes})
    taken = {"records": 48212, "resource_type": "customers", "destination": "s3://nw-mirror.collector.example"}
    they.log("data.exported", actor=Actor("api_key", key.id, key.name), source="api", metadata=taken)
    before, workspace.is_mfa_required = workspace.is_mfa_required, False
    they.log("workspace.settings_changed", changes={"mfa_required": (before, False)})
    who.session.toast = theirs.toast
