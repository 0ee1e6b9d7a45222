"""Options that select events, as the API's parameters do."""

from collections.abc import Sequence
from datetime import UTC, datetime

from indelible.cli.output import fail
from indelible.server.problems import Problem
from indelible.server.query import TimelineQuery

__all__ = ["selected"]


def selected(tenant: str, given: Sequence[tuple[str, str]], *, renamed: dict[str, str] | None = None) -> TimelineQuery:
    """What these parameters select of the tenant's events. Ends the command where one is wrong, and names the option:
    the parameter's name, or the one in `renamed`.
    """
    names = {"tenant_id": "tenant", **(renamed or {})}
    for name, value in given:
        if any("\ud800" <= character <= "\udfff" for character in value):
            fail(f"--{names.get(name, name).replace('_', '-')} is not text in UTF-8")
    try:
        return TimelineQuery.parse([("tenant_id", tenant), *given], now=datetime.now(UTC))
    except Problem as problem:
        wrong = [(each.parameter or "", each.detail) for each in problem.details.errors]
        fail("; ".join(f"--{names.get(name, name).replace('_', '-')} {detail}" for name, detail in wrong))
