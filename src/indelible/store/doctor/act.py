"""One thing that must not be possible."""

from dataclasses import dataclass, field
from typing import Literal

from indelible.store.doctor.expected import FUNCTIONS, RUNTIME
from indelible.store.session import Role

__all__ = ["CALLS", "MINE", "OTHER", "SAVE", "SPRUNG", "VIEW", "Act", "callers"]

SPRUNG = "IDTRP"
"""The SQLSTATE by which something that was planted says that it was used."""

Ends = Literal["refused", "no rows", "no effect", "no trap"]


@dataclass(frozen=True, slots=True)
class Act:
    area: str
    name: str
    statements: tuple[str, ...]
    """The last one is what is tried."""
    ends: Ends = "refused"
    """How it has to end. "no rows", "no effect" (the last statement says whether there was one) and "no trap" (what was
    planted was not used) may be refused as well."""
    but: frozenset[Role] = frozenset()
    """Roles that may do this."""
    only: frozenset[Role] | None = None
    """Roles that try it; None: all, and the login as itself."""
    vain: str = ""
    """Of an act that may come to nothing: what is said then."""
    control: tuple[str, ...] = field(default=())
    """The same where it is allowed, to show that there is something to be found."""


MINE = "SET LOCAL indelible.tenant_id = {mine}"
OTHER = "SET LOCAL indelible.tenant_id = {other}"

VIEW = "(tenant_id, name, query, created_by) VALUES ({other}, 'indelible:doctor', '', '{{}}')"
SAVE = f"INSERT INTO indelible.saved_views {VIEW}"

CALLS = {
    "ensure_month": "SELECT indelible.ensure_month(now()::date)",
    "search": "SELECT count(*) FROM indelible.search('doctor'::tsquery, '-infinity', 'infinity', 1)",
    "search_own": "SELECT count(*) FROM indelible.search_own('doctor'::tsquery, '-infinity', 'infinity', 1)",
    "own_personal": "SELECT count(*) FROM indelible.own_personal(0, now())",
    "tenants_with_entries": "SELECT 1 FROM indelible.tenants_with_entries() LIMIT 1",
    "erase_disclosures": "SELECT indelible.erase_disclosures(0, '{{0}}', '{{actor}}')",
}
"""A call of each function that runs as its owner, without effect."""


def callers(function: str) -> frozenset[Role]:
    """The runtime roles that may call it."""
    return frozenset(RUNTIME).intersection(FUNCTIONS[function].callers)
