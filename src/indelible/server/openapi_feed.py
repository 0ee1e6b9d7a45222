"""The description of the feed and the live tail."""

from typing import Any

from indelible.server.feed import FeedPage
from indelible.server.feed_query import FEED, LAST_EVENT_ID, LIVE
from indelible.server.live import CONTENT_TYPE
from indelible.server.openapi_parts import LANGUAGE, in_language, json_answer, parameter, parameters, problems, ref

__all__ = ["MODELS", "paths"]

MODELS: list[Any] = [FeedPage]

_AHEAD = "The ledger has no entry of this number: it is another one, or was restored from a backup"

# OpenAPI before 3.2 has no way to describe a stream: by convention this is one event of it.
_EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^(-1|[0-9]+)$"},
        "event": {"enum": ["logged", "end"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["id", "event", "data"],
}


def paths() -> dict[str, Any]:
    return {"/api/audit-log/feed": {"get": _feed()}, "/api/audit-log/live": {"get": _live()}}


def _feed() -> dict[str, Any]:
    return {
        "operationId": "feed",
        "summary": "A tenant's events in the order of the ledger, for programs that must not miss any",
        "description": "Ask again with `after` as it was answered: each event comes once, whatever is logged "
        "meanwhile. With `wait` the answer is there when something is logged.",
        "parameters": [*parameters(FEED), LANGUAGE],
        "responses": {
            "200": in_language(json_answer("A page of events", ref("FeedPage"))),
            **problems(422, told={409: _AHEAD}),
        },
    }


def _live() -> dict[str, Any]:
    return {
        "operationId": "live",
        "summary": "Events as they are logged, as server-sent events",
        "description": "Each has its number as `id`, `logged` as `event`, and a `LoggedEvent` as `data`. The last one "
        "is `end`; its `data` has the `reason`, and `after` to go on with. A connection that broke goes on by "
        "`Last-Event-ID`, or `after`.",
        "parameters": [*parameters(LIVE), parameter(LAST_EVENT_ID, "header"), LANGUAGE],
        "responses": {
            "200": in_language(json_answer("The stream: what each event of it is", _EVENT, CONTENT_TYPE)),
            **problems(422, told={409: _AHEAD}),
        },
    }
