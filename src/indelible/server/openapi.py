"""The API's description (OpenAPI 3.1), from the models and parameters that the service itself uses."""

from typing import Any

import msgspec

from indelible import __version__
from indelible.event import Event
from indelible.server.health import Readiness
from indelible.server.ingest import MAX_BATCH
from indelible.server.problems import CONTENT_TYPE, ProblemDetails
from indelible.server.query import EVENT_ID, PARAMETERS, TENANT, Parameter
from indelible.server.wire import Accepted, BatchAnswer, Refused, SealedEvent, Timeline

__all__ = ["describe_api"]

EXAMPLE: dict[str, Any] = {
    "tenant_id": "acme",
    "action": "user.role_changed",
    "actor": {"type": "user", "id": "usr_7", "name": "Sarah Chen", "email": "sarah@acme.example"},
    "targets": [{"type": "user", "id": "usr_9", "name": "Alex Roman"}],
    "changes": {"role": {"from": "member", "to": "admin"}},
    "source": "ui",
    "context": {"ip_address": "203.0.113.7", "request_id": "req_81"},
    "metadata": {"ticket": "4512"},
}

_PROBLEMS = {
    400: "Not JSON, or not gzip",
    401: "No key, or one that is not known",
    403: "The key lacks the scope",
    404: "There is no such event of this tenant",
    409: "The id is that of another event",
    413: "The body is too large",
    415: "Content-Encoding is neither absent nor gzip",
    422: "A field or parameter is wrong; `errors` points at each",
    503: "PostgreSQL cannot be reached; sending the same again is safe",
}


def describe_api() -> dict[str, Any]:
    models = (Event, Accepted, Refused, BatchAnswer, Timeline, SealedEvent, ProblemDetails, Readiness)
    _, schemas = msgspec.json.schema_components(models, ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Indelible",
            "version": __version__,
            "description": "An append-only, hash-chained audit log. Errors are RFC 9457 problem details.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": {
            "/api/audit-log": {"post": _log(), "get": _timeline()},
            "/api/audit-log/batch": {"post": _batch()},
            "/api/audit-log/{event_id}": {"get": _event()},
            "/healthz": {
                "get": _open("healthz", "Whether the process lives", {200: _json("It does", {"type": "object"})}),
                "head": _open("probe", "Whether the process lives", {200: {"description": "It does"}}),
            },
            "/readyz": {
                "get": _open(
                    "readyz",
                    "Whether it can do its work",
                    {
                        200: _json("It can", _ref("Readiness")),
                        503: _json("It cannot; `checks` says why", _ref("Readiness")),
                    },
                )
            },
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key, ind_…"}},
        },
    }


def _log() -> dict[str, Any]:
    return {
        "operationId": "log",
        "summary": "Log one event",
        "description": "Answered once the event is durable. Give it an `id` (a UUID) and a retry cannot double it.",
        "requestBody": _body(_ref("Event"), {"role": {"summary": "A role is changed", "value": EXAMPLE}}),
        "responses": {
            "201": _json("It is in the ledger", _ref("Accepted")),
            "200": _json("It was there already, from an earlier attempt", _ref("Accepted")),
            **_problems(400, 401, 403, 409, 413, 415, 422, 503),
        },
    }


def _batch() -> dict[str, Any]:
    array = {"type": "array", "items": _ref("Event"), "maxItems": MAX_BATCH}
    wrapped = {
        "type": "object",
        "properties": {"events": array},
        "required": ["events"],
        "additionalProperties": False,
    }
    answer = _ref("BatchAnswer")
    return {
        "operationId": "logBatch",
        "summary": f"Log up to {MAX_BATCH:,} events",
        "description": "Each event gets an answer of its own. The body may be packed (`Content-Encoding: gzip`).",
        "requestBody": _body(
            {"anyOf": [array, wrapped]}, {"two": {"value": [EXAMPLE, EXAMPLE | {"tenant_id": "umbra"}]}}
        ),
        "responses": {
            "201": _json("All of them are in their ledgers", answer),
            "207": _json("Some were refused: see each item's status", answer),
            **_problems(400, 401, 403, 413, 415, 422, 503),
        },
    }


def _timeline() -> dict[str, Any]:
    return {
        "operationId": "timeline",
        "summary": "List a tenant's events, newest first",
        "parameters": [_parameter(p) for p in PARAMETERS],
        "responses": {"200": _json("A page of events", _ref("Timeline")), **_problems(401, 403, 422, 503)},
    }


def _event() -> dict[str, Any]:
    return {
        "operationId": "event",
        "summary": "One event, with its exact entry and disclosures",
        "parameters": [_parameter(EVENT_ID, "path"), _parameter(TENANT)],
        "responses": {"200": _json("The event", _ref("SealedEvent")), **_problems(401, 403, 404, 422, 503)},
    }


def _open(operation: str, summary: str, responses: dict[int, dict[str, Any]]) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": summary,
        "security": [],
        "responses": {str(status): response for status, response in responses.items()},
    }


def _parameter(parameter: Parameter, where: str = "query") -> dict[str, Any]:
    schema: dict[str, Any] = dict(parameter.schema)
    described = parameter.text + (f" Also written {', '.join(parameter.aliases)}." if parameter.aliases else "")
    if parameter.repeatable:
        schema = {"type": "array", "items": schema}
        described += " Given several times, any of them will do."
    found = {
        "name": parameter.name,
        "in": where,
        "required": parameter.required,
        "description": described,
        "schema": schema,
    }
    return found | ({"example": parameter.example} if parameter.example and not parameter.repeatable else {})


def _body(schema: dict[str, Any], examples: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": examples}}}


def _json(description: str, schema: dict[str, Any], media_type: str = "application/json") -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _problems(*statuses: int) -> dict[str, Any]:
    return {str(s): _json(_PROBLEMS[s], _ref("ProblemDetails"), CONTENT_TYPE) for s in statuses}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
