"""Who calls, and what they may do: the same for whoever holds a key and whoever holds a viewer token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from indelible.event import Actor
from indelible.server.problems import ErrorDetail, Problem
from indelible.store.access import OPERATOR
from indelible.store.view import ALL_PARTS, Column, Part, View

__all__ = ["Caller"]

_OPERATORS = frozenset({"keys:manage", "tenants:manage"})
"""Who has one of these, and is bound to no tenant, reads the operator's own ledger: of what they manage it tells."""


@dataclass(frozen=True, slots=True)
class Caller:
    actor: Actor
    """As whom they appear in the log of the log."""
    scopes: frozenset[str]
    tenant: str | None = None
    """The one tenant whose events are open to them. None: any tenant's; only keys of the vendor's own have that."""
    staff: bool = False
    """Of the vendor, and not of the customer."""
    key_id: UUID | None = None
    """Of the key that they hold; None for a viewer token."""
    token_id: str | None = None
    """Of the viewer token that they hold; None for a key."""
    expires_at: datetime | None = None
    """Of the key or the token."""
    issuer: UUID | None = None
    """The key that the viewer token was issued with; None for a key."""
    issuer_expires_at: datetime | None = None
    """When that key ends."""
    member: str | None = None
    """The person whose own events alone they see."""
    equal: Mapping[Column, Sequence[str]] = field(default_factory=dict)
    """What the events have in common that they may see."""
    parts: frozenset[Part] = ALL_PARTS
    """What they are shown of an event besides who did what to whom."""
    reason: str | None = None
    """Why the vendor's staff looks, as the viewer token says."""
    time_zone: str | None = None
    locale: str | None = None
    """How times and numbers are to be shown to them, as the viewer token says."""

    @property
    def subject(self) -> str:
        """One text for each key, and for each person who holds viewer tokens: limits count by it."""
        return f"key:{self.key_id}" if self.key_id else f"viewer:{self.tenant}:{self.actor.id}"

    @property
    def maker(self) -> UUID | None:
        """The key without which they may do nothing: their own, or the one that their viewer token came from."""
        return self.key_id or self.issuer

    @property
    def ends(self) -> datetime | None:
        """When what they hold ends, by itself or with the key that it came from."""
        return min((end for end in (self.expires_at, self.issuer_expires_at) if end is not None), default=None)

    @property
    def sees_all(self) -> bool:
        """Whether they may see every event of a tenant."""
        return self.member is None and not self.equal

    def tenant_for(self, asked: str | None) -> str:
        """The tenant that a request is about. Raises `Problem` 403 and 422.

        The answer for another tenant is one and the same, whether there is such a tenant or not.
        """
        tenant = self._tenant_for(asked)
        if tenant == OPERATOR and (self.tenant is not None or not self.scopes & _OPERATORS):
            detail = (
                f"{OPERATOR} is the operator's own ledger; it takes a key of the vendor's own with keys:manage or "
                "tenants:manage"
            )
            raise Problem(403, "operators_ledger", detail)
        return tenant

    def _tenant_for(self, asked: str | None) -> str:
        if self.tenant is None:
            if asked is None:
                detail = "is required: a query is always one tenant's"
                raise Problem(
                    422, "invalid_parameter", f"tenant_id {detail}", [ErrorDetail(detail, parameter="tenant_id")]
                )
            return asked
        if asked not in (None, self.tenant):
            raise Problem(
                403, "wrong_tenant", f"what you hold is for the tenant {self.tenant!r} alone; leave tenant_id out"
            )
        return self.tenant

    def view(self, asked: str | None) -> View:
        """What they may see of the tenant that they ask for. Raises as `tenant_for` does."""
        return View(self.tenant_for(asked), self.member, self.equal, self.parts)
