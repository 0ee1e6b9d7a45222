"""How applications call the client, for mypy alone: `test_client_types.py` runs it over this file.

An ignore that is not needed is an error too, so each of them states that the call is refused.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_type
from uuid import UUID

from indelible import Actor, AsyncAuditLog, AuditLog, BatchResult, Change, Context, Event, Receipt, Target, new_event


def calls(audit: AuditLog, moment: datetime, user_id: UUID) -> None:
    event = new_event("user.created", tenant="acme", actor="user:usr_7")
    assert_type(event, Event)
    assert_type(audit.log(event), Receipt)
    assert_type(audit.log("user.created", tenant=7, actor={"type": "user", "id": user_id}), Receipt)
    audit.log(
        "user.role_changed",
        tenant="acme",
        actor=Actor(type="user", id="usr_7"),
        target=Target(type="user", id="usr_9"),
        changes={"role": ("member", "admin"), "quota": {"from": 1, "to": 2}, "plan": Change(to="pro")},
        outcome="denied",
        source="ui",
        context=Context(ip_address="203.0.113.7"),
        metadata={"ticket": 4512},
        occurred_at=moment,
        id=user_id,
    )
    assert_type(audit.log_many(new_event("a", tenant="t", actor="system") for _ in range(3)), BatchResult)
    for position, refused, error in audit.log_many([event]).refused:
        assert_type((position, refused, error.code), tuple[int, Event, str])


def mistakes(audit: AuditLog, event: Event) -> None:
    audit.log("user.created", actor="system")  # type: ignore[call-overload]
    audit.log("user.created", tenant="acme")  # type: ignore[call-overload]
    audit.log("user.created", tenant="acme", actor="system", outcome="ok")  # type: ignore[call-overload]
    audit.log("user.created", tenant="acme", actor="system", tagret="a:1")  # type: ignore[call-overload]
    audit.log("user.created", tenant="acme", actor="system", changes={"role": "admin"})  # type: ignore[dict-item]
    audit.log(event, tenant="acme")  # type: ignore[call-overload]
    audit.log_many([{"action": "user.created"}])  # type: ignore[list-item]
    AuditLog("http://h", "ind_key")  # type: ignore[call-arg]
    Actor(type="robot")  # type: ignore[arg-type]


async def awaited(audit: AsyncAuditLog, event: Event) -> None:
    assert_type(await audit.log(event), Receipt)
    assert_type(await audit.log("user.created", tenant="acme", actor="system"), Receipt)
    assert_type(await audit.log_many([event]), BatchResult)
    async with audit as same:
        assert_type(same, AsyncAuditLog)
