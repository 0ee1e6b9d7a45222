"""Query parameters: declared once, here, for reading them and for the API's description."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from indelible.catalog.spec import Category, Operation, Severity
from indelible.event import ActorType, Outcome, Source
from indelible.ledger.checkpoint import MAX_SIZE

__all__ = [
    "CHANGES",
    "CHECKPOINT_SIZE",
    "CONSISTENCY",
    "CURSOR",
    "DEFAULT_LIMIT",
    "ENTRIES",
    "EVENT_ID",
    "FILTER_PARAMETERS",
    "LIMIT",
    "MAX_LIMIT",
    "MAX_PARAMETERS",
    "MAX_PROOFS",
    "MAX_QUERY",
    "MAX_VALUES",
    "MAX_WORD",
    "PARAMETERS",
    "PROOFS",
    "SEALED",
    "SINCE",
    "TENANT",
    "UNTIL",
    "Given",
    "Parameter",
    "named",
]

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 1000

MAX_PARAMETERS: Final = 256
"""Of one address: for `MAX_PROOFS` and what goes with them."""

MAX_PROOFS: Final = 200
"""Of one answer."""

MAX_VALUES: Final = 50
"""Of all filters of one query together, those of the search box among them."""

MAX_WORD: Final = 256
"""Characters of a value."""

MAX_QUERY: Final = 1024
"""Characters of `q`."""

Given = Sequence[tuple[str, str]]
"""Query parameters as they came, in order, decoded."""


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    text: str
    schema: Mapping[str, Any]
    aliases: tuple[str, ...] = ()
    repeatable: bool = False
    """Any of the values will do."""
    excludable: bool = False
    """With a minus before the name it is the events without these values that are meant."""
    prefix: bool = False
    """The name begins so, a dot and the rest of it follow."""
    required: bool = False
    example: str | None = None

    @property
    def allowed(self) -> Sequence[str]:
        """The values that there are; none where it may be any text."""
        allowed: Sequence[str] = self.schema.get("enum", ())
        return allowed


_WORD: Final = {"type": "string", "minLength": 1, "maxLength": MAX_WORD, "pattern": "^[^\\u0000]+$"}
_MOMENT: Final = {"type": "string", "minLength": 2, "maxLength": 40}


def _filter(
    name: str, text: str, allowed: Sequence[str] = (), aliases: tuple[str, ...] = (), example: str | None = None
) -> Parameter:
    schema = {"type": "string", "enum": list(allowed)} if allowed else _WORD
    return Parameter(name, text, schema, aliases, repeatable=True, excludable=True, example=example)


TENANT = Parameter(
    "tenant_id",
    "Whose events. A key that is bound to no tenant has to say it; whoever is bound to one may leave it out.",
    {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:@~+-]{0,127}$"},
    aliases=("workspace_id",),
    example="acme",
)
EVENT_ID = Parameter("event_id", "The event's id.", {"type": "string", "format": "uuid"}, required=True)

_SIZE: Final = {"type": "integer", "minimum": 1, "maximum": MAX_SIZE}

CHECKPOINT_SIZE = Parameter("size", "The earliest checkpoint of at least so many entries; the latest if absent.", _SIZE)

CONSISTENCY = (
    TENANT,
    Parameter("from", "The earlier size, in entries.", _SIZE, required=True, example="1"),
    Parameter("to", "The later size; that of the latest checkpoint if absent.", _SIZE),
)

ENTRIES = Parameter(
    "entries",
    "true: each proof also has the `entry` that it is of. For those who may see every event of the tenant.",
    {"type": "boolean", "default": False},
)

PROOFS = (
    TENANT,
    Parameter(
        "seq",
        "The number of an entry; of several, each by itself.",
        {
            "type": "array",
            "items": {"type": "integer", "minimum": 0, "maximum": MAX_SIZE},
            "minItems": 1,
            "maxItems": MAX_PROOFS,
        },
        required=True,
    ),
    CHECKPOINT_SIZE,
    ENTRIES,
)

SINCE = Parameter(
    "since",
    "The earliest occurred_at, inclusive: a day or a month in UTC (2026-11-21, 2026-11, today, yesterday), RFC 3339, "
    "or a span back from now (30m, 24h, 7d, 2w).",
    _MOMENT,
    example="7d",
)
UNTIL = Parameter("until", "The latest occurred_at, exclusive, and later than since; written as since.", _MOMENT)

CHANGES = Parameter(
    "changes",
    "changes.FIELD: the field was changed, from or to this value, or at all where it is *. changes.FIELD.from and "
    "changes.FIELD.to: from it, or to it.",
    {"type": "string", "maxLength": MAX_WORD, "pattern": "^[^\\u0000]*$"},
    repeatable=True,
    excludable=True,
    prefix=True,
)

FILTER_PARAMETERS = (
    TENANT,
    SINCE,
    UNTIL,
    _filter("action", "The action; * stands for any characters.", (), ("event_type",), "user.role_changed"),
    _filter("category", "The category.", get_args(Category)),
    _filter("operation", "The operation.", get_args(Operation)),
    _filter("outcome", "The outcome.", get_args(Outcome)),
    _filter("source", "The source.", get_args(Source)),
    _filter("severity", "How grave today's catalog says the action is.", get_args(Severity)),
    _filter("actor_id", "The actor's id, or an impersonator's."),
    _filter("actor_type", "The actor's type.", get_args(ActorType)),
    _filter("target_id", "The id of a target.", (), ("resource_id",)),
    _filter("target_type", "The type of a target.", (), ("resource_type",)),
    _filter("ip", "The IP address, as it was logged; with a * at its end those that begin so.", (), ("ip_address",)),
    _filter("session_id", "The session's id."),
    _filter("request_id", "The request's id."),
    CHANGES,
    Parameter(
        "q", "What a person writes into a search box: words, \"phrases\" and qualifiers such as actor:sarah; "
        "see docs/search.md.",
        {"type": "string", "minLength": 1, "maxLength": MAX_QUERY}, example="sarah",
    ),
)  # fmt: skip
"""Those that choose events."""

LIMIT = Parameter(
    "limit",
    f"Events a page, {DEFAULT_LIMIT} if absent.",
    {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
)
CURSOR = Parameter(
    "cursor",
    "next_cursor of a page, for the next, older one; or prev_cursor, for what is newer than it.",
    {"type": "string", "minLength": 1},
)

SEALED = Parameter(
    "sealed",
    "true: each event also has its `entry` and its `disclosures`, as when it is asked for alone (`SealedEvent`).",
    {"type": "boolean", "default": False},
)

PARAMETERS = (*FILTER_PARAMETERS, LIMIT, CURSOR, SEALED)
"""Those of the timeline."""


def named(name: str, known: Sequence[Parameter] = FILTER_PARAMETERS) -> Parameter | None:
    """The parameter of this name, or with this alias."""
    for parameter in known:
        if name == parameter.name or name in parameter.aliases:
            return parameter if not parameter.prefix else None
        if parameter.prefix and name.startswith(f"{parameter.name}.") and name != f"{parameter.name}.":
            return parameter
    return None
