"""The API's description (OpenAPI 3.1), from the models and parameters that the service itself uses."""

from collections.abc import Mapping
from typing import Any

import msgspec

from indelible import __version__
from indelible.event import Event
from indelible.server.health import Readiness
from indelible.server.ingest import MAX_BATCH
from indelible.server.metrics import CONTENT_TYPE as METRICS
from indelible.server.problems import CONTENT_TYPE, ProblemDetails
from indelible.server.proving import TEXT, Consistency
from indelible.server.query import CHECKPOINT_SIZE, CONSISTENCY, EVENT_ID, PARAMETERS, TENANT, Parameter
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
    500: "The stored ledger contradicts what was signed of it: no proof is given",
    503: "PostgreSQL cannot be reached; sending the same again is safe",
}

_NO_CHECKPOINT = "There is no such ledger, or nothing of it was signed yet"
_NOT_YET_SIGNED = "No checkpoint covers it yet, although one was asked for"


def describe_api() -> dict[str, Any]:
    models = (Event, Accepted, Refused, BatchAnswer, Timeline, SealedEvent, Consistency, ProblemDetails, Readiness)
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
            "/api/audit-log/{event_id}/proof": {"get": _proof()},
            "/api/audit-log/checkpoint": {"get": _checkpoint()},
            "/api/audit-log/consistency": {"get": _consistency()},
            "/api/audit-log/vkeys": {"get": _vkeys()},
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
            "/metrics": {"get": _open("metrics", "What Prometheus scrapes", {200: _text("Gauges", METRICS)})},
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


def _proof() -> dict[str, Any]:
    return {
        "operationId": "proof",
        "summary": "The proof that an event is in the ledger, as a file",
        "description": "A tlog-proof (`c2sp.org/tlog-proof@v1`): the entry's number, hashes up to the root, and a "
        "signed checkpoint. What it proves is the SHA-256 of a zero byte and `entry`. Of an event that is newer than "
        "the latest checkpoint a new one is asked for, which takes a moment.",
        "parameters": [_parameter(EVENT_ID, "path"), _parameter(TENANT)],
        "responses": {
            "200": _text("The proof", TEXT),
            **_problems(401, 403, 404, 409, 422, 500, 503, told={409: _NOT_YET_SIGNED}),
        },
    }


def _checkpoint() -> dict[str, Any]:
    return {
        "operationId": "checkpoint",
        "summary": "A ledger's latest signed checkpoint",
        "description": "A signed note (C2SP tlog-checkpoint): origin, size and root of the ledger, and who signed it.",
        "parameters": [_parameter(TENANT), _parameter(CHECKPOINT_SIZE)],
        "responses": {
            "200": _text("The note, as it was signed", TEXT),
            **_problems(401, 403, 404, 409, 422, 500, 503, told={404: _NO_CHECKPOINT, 409: _NOT_YET_SIGNED}),
        },
    }


def _consistency() -> dict[str, Any]:
    return {
        "operationId": "consistency",
        "summary": "The proof that a ledger only grew between two sizes",
        "description": "A consistency proof (RFC 9162 section 2.1.4). It is verified against the roots of two "
        "checkpoints of these sizes.",
        "parameters": [_parameter(p) for p in CONSISTENCY],
        "responses": {
            "200": _json("The proof", _ref("Consistency")),
            **_problems(401, 403, 404, 422, 500, 503, told={404: _NO_CHECKPOINT}),
        },
    }


def _vkeys() -> dict[str, Any]:
    return {
        "operationId": "vkeys",
        "summary": "The public keys that checkpoints were signed with",
        "description": "One verifier key (C2SP signed-note) a line, newest first, under the ledger's origin. Pin "
        "yours once, and elsewhere: a key that comes along with what it is to verify proves nothing.",
        "parameters": [_parameter(TENANT)],
        "responses": {
            "200": _text("The keys", TEXT),
            **_problems(401, 403, 404, 422, 503, told={404: _NO_CHECKPOINT}),
        },
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


def _text(description: str, media_type: str) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": {"type": "string"}}}}


def _problems(*statuses: int, told: Mapping[int, str] = {}) -> dict[str, Any]:
    said = {**_PROBLEMS, **told}
    return {str(s): _json(said[s], _ref("ProblemDetails"), CONTENT_TYPE) for s in statuses}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
