"""What one reader may see of one tenant's events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from psycopg import sql

from indelible.store.session import Role

__all__ = ["ALL_PARTS", "CONTEXT_PARTS", "Column", "Part", "View", "conditions"]

Column = Literal[
    "action", "category", "operation", "outcome", "source", "actor_type", "actor_id", "target_type", "target_id"
]
"""What events can be picked by."""

Part = Literal["changes", "ip_address", "metadata", "request_id", "session_id", "user_agent"]
"""What of an event can be kept from members."""

ALL_PARTS: frozenset[Part] = frozenset(get_args(Part))

CONTEXT_PARTS: frozenset[Part] = frozenset({"ip_address", "request_id", "session_id", "user_agent"})
"""Those that share one disclosure, the context."""


@dataclass(frozen=True, slots=True)
class View:
    """The tenant's events, or those of them that the rest of it describes. Every read of events takes one."""

    tenant: str
    member: str | None = None
    """Only events in which this person is the actor or a target. PostgreSQL sees to it, in the role `member`."""
    equal: Mapping[Column, Sequence[str]] = field(default_factory=dict)
    """Only events that have one of these values in each of these columns."""
    parts: frozenset[Part] = ALL_PARTS
    """What is shown of an event besides who did what to whom."""

    @property
    def role(self) -> Role:
        return "reader" if self.member is None else "member"

    def conditions(self, parameters: dict[str, Any]) -> list[sql.Composable]:
        """What an entry of `indelible.events` has to fulfil besides its tenant; adds the values to `parameters`."""
        return conditions(self.equal, "view", parameters)


def conditions(equal: Mapping[Column, Sequence[str]], name: str, parameters: dict[str, Any]) -> list[sql.Composable]:
    """A condition for each column. The values are added to `parameters`, under names that begin with `name`."""
    found: list[sql.Composable] = []
    for column, values in equal.items():
        # One value leaves the index its order; several are merged or sorted. None at all admit nothing.
        single = len(values) == 1
        template = "{} = %({})s" if single else "{} = ANY (%({})s::text[])"
        parameters[f"{name}_{column}"] = values[0] if single else list(values)
        found.append(sql.SQL(template).format(sql.Identifier(column), sql.SQL(f"{name}_{column}")))
    return found
