"""The description of `/api/audit-log/{event_id}/context`."""

from typing import Any

from indelible.server.neighbours import CONTEXT, EventContext
from indelible.server.openapi_parts import LANGUAGE, in_language, json_answer, parameter, problems, ref
from indelible.server.parameters import EVENT_ID

__all__ = ["MODELS", "paths"]

MODELS: list[Any] = [EventContext]


def paths() -> dict[str, Any]:
    return {"/api/audit-log/{event_id}/context": {"get": _context()}}


def _context() -> dict[str, Any]:
    return {
        "operationId": "context",
        "summary": "What is beside an event: in time, in its session, in its request",
        "description": "Of all events that the caller sees, whatever filter the event was found by. Recorded as a look "
        "at the event.",
        "parameters": [parameter(EVENT_ID, "path"), *(parameter(each) for each in CONTEXT), LANGUAGE],
        "responses": {"200": in_language(json_answer("Its neighbours", ref("EventContext"))), **problems(404, 422)},
    }
