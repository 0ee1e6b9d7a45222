"""Who may make which keys, and end them: a key grants at most what its maker holds."""

from collections.abc import Set as AbstractSet
from datetime import datetime

from indelible.server.caller import Caller
from indelible.server.problems import ErrorDetail, Problem
from indelible.store.keys import Key
from indelible.store.view import ALL_PARTS

__all__ = ["check_ending", "check_making", "latest_end"]

_FOR_CUSTOMERS = frozenset({"events:read", "export"})
"""What somebody with a viewer token may pass on, of what they hold: a key for their SIEM, and no more."""


def check_making(caller: Caller, scopes: AbstractSet[str], tenant: str | None, expires_at: datetime | None) -> None:
    """Raises `Problem` 403 that names all by which such a key would exceed what the caller holds."""
    errors = []
    if caller.member is not None or caller.equal or caller.parts != ALL_PARTS:
        errors.append(ErrorDetail("you see a part of the events, and a key would show all of them"))
    if beyond := sorted(scopes - _grantable(caller)):
        errors.append(ErrorDetail(f"{', '.join(beyond)}: not yours to grant", pointer="/scopes"))
    if caller.tenant is not None and tenant != caller.tenant:
        errors.append(ErrorDetail(f"what you hold is for the tenant {caller.tenant!r} alone", pointer="/tenant_id"))
    end = latest_end(caller)
    if end is not None and (expires_at is None or expires_at > end):
        errors.append(
            ErrorDetail(f"must not lie after {end:%Y-%m-%dT%H:%M:%SZ}, when yours does", pointer="/expires_at")
        )
    if errors:
        raise _beyond(errors)


def check_ending(caller: Caller, key: Key) -> None:
    """Whoever is bound to a tenant ends no key that does more than they could grant: else the customer's admin could
    keep the vendor's application from logging what they are about to do. A key of the vendor's own ends any: in an
    emergency nobody shall have to look for a greater one. Raises `Problem` 403.
    """
    if caller.tenant is not None and (beyond := sorted(key.scopes - _grantable(caller))):
        raise _beyond([ErrorDetail(f"the key has scopes that are not yours to grant: {', '.join(beyond)}")])


def latest_end(caller: Caller) -> datetime | None:
    """When a key that they make has to end: with the key that they hold, or that their viewer token was issued with.
    The token's own end is none: it lasts for minutes by its nature, and was issued so that its holder may make keys
    that outlast it.
    """
    return caller.expires_at if caller.key_id is not None else caller.issuer_expires_at


def _grantable(caller: Caller) -> frozenset[str]:
    return caller.scopes & _FOR_CUSTOMERS if caller.token_id is not None else caller.scopes


def _beyond(errors: list[ErrorDetail]) -> Problem:
    return Problem(403, "beyond_your_own", "beyond what you hold: " + "; ".join(e.detail for e in errors), errors)
