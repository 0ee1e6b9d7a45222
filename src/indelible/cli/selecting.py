"""Options that select events, as the API's parameters do."""

from collections.abc import Sequence
from datetime import UTC, datetime

from indelible.catalog import Catalog
from indelible.cli.output import fail
from indelible.server.problems import Problem
from indelible.server.query import FilterQuery

__all__ = ["selected"]


def selected(
    tenant: str,
    given: Sequence[tuple[str, str]],
    catalog: Catalog | None = None,
    *,
    renamed: dict[str, str] | None = None,
) -> FilterQuery:
    """What these parameters select of the tenant's events. Ends the command where one is wrong, and names the option:
    the parameter's name, or the one in `renamed`, where arguments are in capitals. The catalog says how grave actions
    are, where that is asked for.
    """

    def option(name: str) -> str:
        own = {"tenant_id": "tenant", **(renamed or {})}.get(name, name)
        return own if own.isupper() else f"--{own.replace('_', '-')}"

    for name, value in given:
        if any("\ud800" <= character <= "\udfff" for character in value):
            fail(f"{option(name)} is not text in UTF-8")
    try:
        return FilterQuery.parse(
            [("tenant_id", tenant), *given], now=datetime.now(UTC), catalog=catalog or Catalog({}, {})
        )
    except Problem as problem:
        wrong = [(each.parameter or "", each.detail) for each in problem.details.errors]
        fail("; ".join(f"{option(name)} {detail}" for name, detail in wrong))
