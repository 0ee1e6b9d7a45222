"""What is asked of the feed: where to go on, which events, and for how long to wait for them."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from indelible.catalog import Catalog
from indelible.server.parameters import FILTER_PARAMETERS, LIMIT, SEALED, SINCE, UNTIL, Given, Parameter
from indelible.server.query import FilterQuery
from indelible.server.query_reader import Reader
from indelible.store.feed import START

__all__ = ["FEED", "LAST_EVENT_ID", "LIVE", "MAX_SECONDS", "FeedQuery", "LiveQuery"]

MAX_WAIT: Final = 60
MAX_SECONDS: Final = 600
_MAX_SEQ: Final = 2**53 - 1

_LATEST: Final = "latest"

_AFTER_SCHEMA: Final = {"anyOf": [{"type": "integer", "minimum": START, "maximum": _MAX_SEQ}, {"const": _LATEST}]}

AFTER = Parameter(
    "after",
    f"The number (seq) of the last entry that you have, as the page before says in `after`; from the first entry on if "
    f"absent, or {START}. latest: only what is not there yet.",
    _AFTER_SCHEMA,
)
WAIT = Parameter(
    "wait",
    "Where nothing comes after it, for how many seconds to wait for something.",
    {"type": "integer", "minimum": 0, "maximum": MAX_WAIT, "default": 0},
)
LIVE_AFTER = Parameter("after", "As for the feed, and the end if absent. Last-Event-ID counts more.", _AFTER_SCHEMA)
SECONDS = Parameter(
    "seconds",
    "After how many seconds the stream ends, to be asked for anew. With 0 it ends once there is no more.",
    {"type": "integer", "minimum": 0, "maximum": MAX_SECONDS, "default": MAX_SECONDS},
)
LAST_EVENT_ID = Parameter(
    "Last-Event-ID",
    "The id of the last event that was received, as a browser sends it when it connects again.",
    {"type": "string", "pattern": f"^({START}|[0-9]{{1,16}})$"},
)

# It goes by number: a span of time would be one of the timeline's, beside whose pages the live tail stands.
FEED: Final = (*(p for p in FILTER_PARAMETERS if p not in (SINCE, UNTIL)), AFTER, LIMIT, WAIT)
LIVE: Final = (*FILTER_PARAMETERS, LIVE_AFTER, SECONDS, SEALED)

_NUMBER = re.compile(rf"{START}|[0-9]{{1,16}}")

After = int | Literal["latest"]


@dataclass(frozen=True, slots=True)
class FeedQuery:
    chosen: FilterQuery
    after: After
    limit: int
    wait: int

    @classmethod
    def parse(cls, given: Given, catalog: Catalog, *, bound: str | None = None) -> "FeedQuery":
        """`bound` is the tenant of whoever is bound to one. Raises `Problem` 422."""
        reader = Reader(given, FEED, bound)
        chosen = FilterQuery.read(reader, now=datetime.now(UTC), catalog=catalog)
        if chosen.where.since is not None or chosen.where.until is not None:
            reader.wrong("q", "must name no time here: the feed goes by number, from after on")
        query = cls(
            chosen, _after(reader, AFTER.name, reader.single(AFTER.name), START), reader.limit(), _seconds(reader, WAIT)
        )
        reader.finish()
        return query


@dataclass(frozen=True, slots=True)
class LiveQuery:
    chosen: FilterQuery
    after: After
    seconds: int
    sealed: bool

    @classmethod
    def parse(
        cls, given: Given, catalog: Catalog, *, last_event_id: str | None = None, bound: str | None = None
    ) -> "LiveQuery":
        """Raises `Problem` 422."""
        reader = Reader(given, LIVE, bound)
        chosen = FilterQuery.read(reader, now=datetime.now(UTC), catalog=catalog)
        after = _after(reader, AFTER.name, reader.single(AFTER.name), _LATEST)
        # Empty is what somebody has who has had nothing yet (HTML section 9.2.3).
        if last_event_id:
            after = _after(reader, LAST_EVENT_ID.name, last_event_id, after)
        query = cls(chosen, after, _seconds(reader, SECONDS), reader.flag(SEALED.name))
        reader.finish()
        return query


def _after(reader: Reader, name: str, value: str | None, default: After) -> After:
    if value is None:
        return default
    if value == _LATEST and name == AFTER.name:
        return _LATEST
    if not _NUMBER.fullmatch(value) or int(value) > _MAX_SEQ:
        or_latest = f", or {_LATEST}" if name == AFTER.name else ""
        reader.wrong(name, f"must be the number of an entry, a whole number from {START} on{or_latest}")
        return default
    return int(value)


def _seconds(reader: Reader, parameter: Parameter) -> int:
    most, default = parameter.schema["maximum"], parameter.schema["default"]
    value = reader.single(parameter.name)
    if value is None:
        return int(default)
    if not re.fullmatch(r"[0-9]{1,3}", value) or int(value) > most:
        reader.wrong(parameter.name, f"must be a whole number of seconds, from 0 to {most}")
        return int(default)
    return int(value)
