"""From the name and the values of a filter, as they were given, to a condition."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final, Literal, cast

from indelible.catalog import Catalog
from indelible.server.parameters import CHANGES, MAX_WORD, Parameter
from indelible.store.filter import Changed, Condition, Field, Is

__all__ = ["condition", "did_you_mean", "fault"]

_FIELDS: Final = {"ip": "ip_address"}
"""Parameters that go by another name than the field they are about."""


def condition(name: str, values: Sequence[str], catalog: Catalog, *, excluded: bool = False) -> Condition:
    """What the parameter `name` asks for with these values, which have no `fault`."""
    if name.startswith(f"{CHANGES.name}."):
        return _changed(name.removeprefix(f"{CHANGES.name}."), values, excluded=excluded)
    if name == "severity":
        # It is the catalog's, and not sealed: an action that gets another severity has it from its first event on.
        values = [action for action, spec in catalog.actions.items() if spec.severity in values]
        name = "action"
    return Is(cast("Field", _FIELDS.get(name, name)), tuple(dict.fromkeys(values)), excluded=excluded)


def _changed(rest: str, values: Sequence[str], *, excluded: bool) -> Changed:
    head, _, tail = rest.rpartition(".")
    name, side = (head, tail) if head and tail in ("from", "to") else (rest, None)
    any_of = () if "*" in values else tuple(dict.fromkeys(values))
    return Changed(name, cast("Literal['from', 'to'] | None", side), any_of, excluded=excluded)


def fault(parameter: Parameter, value: str) -> str | None:
    """What is wrong with the value; None where nothing is."""
    if parameter.allowed and value not in parameter.allowed:
        return f"must be one of {', '.join(parameter.allowed)}{did_you_mean(value, parameter.allowed)}"
    least = parameter.schema.get("minLength", 0)
    if not least <= len(value) <= MAX_WORD or "\0" in value:
        return f"must have {'1 to' if least else 'at most'} {MAX_WORD} characters, none of them NUL"
    return None


def did_you_mean(given: str, known: Sequence[str], sign: str = "") -> str:
    """`; did you mean action?`, where one of `known` is like it, which the answer puts after `sign`."""
    near = get_close_matches(given.lower(), known, 1) if len(given) <= MAX_WORD else []
    return f"; did you mean {sign}{near[0]}?" if near else ""
