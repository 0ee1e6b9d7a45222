"""From the name and the values of a filter, as they were given, to a condition."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final, Literal, cast

from indelible.catalog import Catalog
from indelible.server.parameters import CHANGES, MAX_WORD, Parameter
from indelible.store.filter import Changed, Condition, Field, Is

__all__ = ["condition", "did_you_mean", "fault"]

_FIELDS: Final = {"ip": "ip_address"}
"""Parameters that go by another name than the field they are about."""

_LIKELY: Final = {
    "blocked": "denied", "error": "failure", "fail": "failure", "failed": "failure", "forbidden": "denied",
    "ok": "success", "refused": "denied", "rejected": "denied", "succeeded": "success", "unauthorized": "denied",
}  # fmt: skip
"""Outcomes as others call them."""

_NETWORK = re.compile(r"([0-9a-f.:]*)/([0-9]{1,3})", re.IGNORECASE)


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
        likely = _LIKELY.get(value.lower()) if parameter.name == "outcome" else None
        hint = f"; did you mean {likely}?" if likely else did_you_mean(value, parameter.allowed)
        return f"must be one of {', '.join(parameter.allowed)}{hint}"
    least = parameter.schema.get("minLength", 0)
    if not least <= len(value) <= MAX_WORD or "\0" in value:
        return f"must have {'1 to' if least else 'at most'} {MAX_WORD} characters, none of them NUL"
    return _fault_of_address(value) if parameter.name == "ip" else None


def _fault_of_address(value: str) -> str | None:
    if network := _NETWORK.fullmatch(value):
        return f"takes no network; write the beginning and a star: {_beginning(network[1], int(network[2]))}"
    if "*" in value[:-1]:
        return "may have a * at the end only: write the beginning and a star, 192.0.2.*"
    return None


def _beginning(address: str, bits: int) -> str:
    """Of the addresses of a network, where it ends between two of their parts; else one for example."""
    head, colons, _ = address.partition("::")
    if colons and bits == 16 * len(head.split(":")):
        return f"{head}:*"
    parts = address.split(".")
    return ".".join([*parts[: bits // 8], "*"]) if len(parts) == 4 and bits in (8, 16, 24) else "192.0.2.*"


def did_you_mean(given: str, known: Sequence[str], sign: str = "") -> str:
    """`; did you mean action?`, where one of `known` is like it, which the answer puts after `sign`."""
    near = get_close_matches(given.lower(), known, 1) if len(given) <= MAX_WORD else []
    return f"; did you mean {sign}{near[0]}?" if near else ""
