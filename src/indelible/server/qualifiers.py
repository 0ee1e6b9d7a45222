"""Names and values that people write in a search: those that there are, and what they mean by others."""

import re
from collections.abc import Collection, Mapping
from typing import Final

from indelible.server.parameters import FILTER_PARAMETERS, named

__all__ = ["NAMES", "OPERATORS", "OUTCOMES", "QUALIFIERS", "likely_parameter", "likely_qualifier", "own_name"]

QUALIFIERS: Final = (
    "actor", "target", "action", "category", "operation", "outcome", "source", "severity", "ip", "session", "request",
    "actor_id", "actor_type", "target_id", "type", "changed", "since", "until", "on",
)  # fmt: skip
"""As people write them. Those that the URL has are known by the names of there as well."""

_PARAMETERS: Final = {"session": "session_id", "request": "request_id", "type": "target_type"}
"""The parameter that a qualifier stands for, where it has another name."""

_URL_NAMES: Final = tuple(
    name for p in FILTER_PARAMETERS if p.repeatable and not p.prefix for name in (p.name, *p.aliases)
)

NAMES: Final = tuple(dict.fromkeys((*QUALIFIERS, *_URL_NAMES)))
"""All that a qualifier may be called, but for changes.FIELD."""

_MEANT: Final = {
    "after": "since", "agent": "actor", "before": "until", "by": "actor", "changes": "changes.FIELD", "date": "on",
    "day": "on", "document": "target", "email": "actor", "event": "action", "file": "target",
    "from": "changes.FIELD.from", "impersonator": "actor", "ip_addr": "ip", "level": "severity", "month": "on",
    "object": "target", "plan": "changes.plan", "repo": "target", "resource": "target", "result": "outcome",
    "role": "changes.role", "status": "outcome", "to": "changes.FIELD.to", "user": "actor", "who": "actor",
}  # fmt: skip
"""What other search boxes call it."""

_WHO: Final = "{}actor_id, or q={}actor:NAME"
_WHAT: Final = "{}target_id, or q={}target:NAME"
_WORDS: Final = "q={}WORDS"
_DAY: Final = "since and until"

_ASKED: Final = {
    "actor": _WHO, "actor_email": _WHO, "actor_name": _WHO, "email": _WHO, "user": _WHO, "user_id": _WHO, "who": _WHO,
    "object": _WHAT, "resource": _WHAT, "target": _WHAT, "target_name": _WHAT,
    "country": _WORDS, "country_code": _WORDS, "query": _WORDS, "search": _WORDS, "text": _WORDS,
    "date": _DAY, "day": _DAY, "on": _DAY,
    "after": "since", "before": "until", "end": "until", "from": "since", "start": "since", "to": "until",
    "event": "{}action", "request": "{}request_id", "result": "{}outcome", "session": "{}session_id",
    "status": "{}outcome", "type": "{}target_type",
}  # fmt: skip
"""What other APIs call a parameter: how it goes here, the parameter first; `{}` is where a minus goes, if any."""

OPERATORS: Final = {
    "NOT": "write a minus right before what is not to be there, -word",
    "OR": "words have no alternatives, but qualifiers do: actor:sarah,tom",
}
"""What other search boxes have between words: taken for words, these would find nothing."""

OUTCOMES: Final[Mapping[str, str]] = {"failed": "failure", "ok": "success", "succeeded": "success"}
"""What the box takes for an outcome as well."""


def own_name(written: str) -> str:
    """The parameter that a qualifier stands for, or the qualifier itself."""
    if written.lower().startswith("changes."):
        return "changes." + written[len("changes.") :]
    name = written.lower()
    name = _PARAMETERS.get(name, name)
    parameter = named(name)
    return name if parameter is None else parameter.name


def likely_qualifier(name: str) -> str | None:
    """The one that is meant by `name`, which is none; None where nobody knows."""
    return _MEANT.get(name.lower())


def likely_parameter(name: str, known: Collection[str], sign: str = "") -> str | None:
    """How a query says what somebody means by `name`, which is no parameter, with those `known`; None where nobody
    knows. The `sign` is a minus or nothing.
    """
    meant = _ASKED.get(name.lower(), "")
    needed = re.match(r"(?:\{\})?(\w+)", meant)
    return meant.replace("{}", sign) if needed and needed[1] in known else None
