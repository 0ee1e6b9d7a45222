"""The API's description (OpenAPI 3.1), from the models and parameters that the service itself uses."""

from typing import Any

import msgspec

from indelible import __version__
from indelible.event import Event
from indelible.server import (
    openapi_facets,
    openapi_feed,
    openapi_keys,
    openapi_neighbours,
    openapi_saved_views,
    openapi_tenants,
    openapi_viewer_tokens,
)
from indelible.server.health import Readiness
from indelible.server.ingest import MAX_BATCH
from indelible.server.metrics import CONTENT_TYPE as METRICS
from indelible.server.openapi_parts import (
    body,
    json_answer,
    parameter,
    parameters,
    problems,
    ref,
    text_answer,
    unsecured,
)
from indelible.server.parameters import CHECKPOINT_SIZE, CONSISTENCY, EVENT_ID, PARAMETERS, TENANT
from indelible.server.problems import ProblemDetails
from indelible.server.proving import TEXT, Consistency
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

_NO_CHECKPOINT = "There is no such ledger, or nothing of it was signed yet"
_NOT_YET_SIGNED = "No checkpoint covers it yet, although one was asked for"


_PARTS = (
    openapi_facets, openapi_feed, openapi_neighbours, openapi_saved_views, openapi_keys, openapi_tenants,
    openapi_viewer_tokens,
)  # fmt: skip


def describe_api() -> dict[str, Any]:
    models = [Event, Accepted, Refused, BatchAnswer, Timeline, SealedEvent, Consistency, ProblemDetails, Readiness]
    for part in _PARTS:
        models += part.MODELS
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
            **{path: operations for part in _PARTS for path, operations in part.paths().items()},
            "/healthz": {
                "get": unsecured(
                    "healthz", "Whether the process lives", {200: json_answer("It does", {"type": "object"})}
                ),
                "head": unsecured("probe", "Whether the process lives", {200: {"description": "It does"}}),
            },
            "/readyz": {
                "get": unsecured(
                    "readyz",
                    "Whether it can do its work",
                    {
                        200: json_answer("It can", ref("Readiness")),
                        503: json_answer("It cannot; `checks` says why", ref("Readiness")),
                    },
                )
            },
            "/metrics": {"get": unsecured("metrics", "What Prometheus scrapes", {200: text_answer("Gauges", METRICS)})},
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, ind_…, or where people look a viewer token",
                }
            },
        },
    }


def _log() -> dict[str, Any]:
    return {
        "operationId": "log",
        "summary": "Log one event",
        "description": "Answered once the event is durable. Give it an `id` (a UUID) and a retry cannot double it.",
        "requestBody": body(ref("Event"), {"role": {"summary": "A role is changed", "value": EXAMPLE}}),
        "responses": {
            "201": json_answer("It is in the ledger", ref("Accepted")),
            "200": json_answer("It was there already, from an earlier attempt", ref("Accepted")),
            **problems(400, 408, 409, 413, 415, 422),
        },
    }


def _batch() -> dict[str, Any]:
    array = {"type": "array", "items": ref("Event"), "maxItems": MAX_BATCH}
    wrapped = {
        "type": "object",
        "properties": {"events": array},
        "required": ["events"],
        "additionalProperties": False,
    }
    answer = ref("BatchAnswer")
    return {
        "operationId": "logBatch",
        "summary": f"Log up to {MAX_BATCH:,} events",
        "description": "Each event gets an answer of its own. The body may be packed (`Content-Encoding: gzip`).",
        "requestBody": body(
            {"anyOf": [array, wrapped]}, {"two": {"value": [EXAMPLE, EXAMPLE | {"tenant_id": "umbra"}]}}
        ),
        "responses": {
            "201": json_answer("All of them are in their ledgers", answer),
            "207": json_answer("Some were refused: see each item's status", answer),
            **problems(400, 408, 413, 415, 422),
        },
    }


def _timeline() -> dict[str, Any]:
    return {
        "operationId": "timeline",
        "summary": "List a tenant's events, newest first",
        "description": "Parameters add up; of one that is given several times any value will do: see docs/search.md. "
        "A page that could not be filled in time says so (`partial`).",
        "parameters": parameters(PARAMETERS),
        "responses": {"200": json_answer("A page of events", ref("Timeline")), **problems(422)},
    }


def _event() -> dict[str, Any]:
    return {
        "operationId": "event",
        "summary": "One event, with its exact entry and disclosures",
        "parameters": [parameter(EVENT_ID, "path"), parameter(TENANT)],
        "responses": {"200": json_answer("The event", ref("SealedEvent")), **problems(404, 422)},
    }


def _proof() -> dict[str, Any]:
    return {
        "operationId": "proof",
        "summary": "The proof that an event is in the ledger, as a file",
        "description": "A tlog-proof (`c2sp.org/tlog-proof@v1`): the entry's number, hashes up to the root, and a "
        "signed checkpoint. What it proves is the SHA-256 of a zero byte and `entry`. Of an event that is newer than "
        "the latest checkpoint a new one is asked for, which takes a moment.",
        "parameters": [parameter(EVENT_ID, "path"), parameter(TENANT)],
        "responses": {
            "200": text_answer("The proof", TEXT),
            **problems(404, 422, 500, told={409: _NOT_YET_SIGNED}),
        },
    }


def _checkpoint() -> dict[str, Any]:
    return {
        "operationId": "checkpoint",
        "summary": "A ledger's latest signed checkpoint",
        "description": "A signed note (C2SP tlog-checkpoint): origin, size and root of the ledger, and who signed it.",
        "parameters": [parameter(TENANT), parameter(CHECKPOINT_SIZE)],
        "responses": {
            "200": text_answer("The note, as it was signed", TEXT),
            **problems(422, 500, told={404: _NO_CHECKPOINT, 409: _NOT_YET_SIGNED}),
        },
    }


def _consistency() -> dict[str, Any]:
    return {
        "operationId": "consistency",
        "summary": "The proof that a ledger only grew between two sizes",
        "description": "A consistency proof (RFC 9162 section 2.1.4). It is verified against the roots of two "
        "checkpoints of these sizes.",
        "parameters": [parameter(p) for p in CONSISTENCY],
        "responses": {
            "200": json_answer("The proof", ref("Consistency")),
            **problems(422, 500, told={404: _NO_CHECKPOINT}),
        },
    }


def _vkeys() -> dict[str, Any]:
    return {
        "operationId": "vkeys",
        "summary": "The public keys that checkpoints were signed with",
        "description": "One verifier key (C2SP signed-note) a line, newest first, under the ledger's origin. Pin "
        "yours once, and elsewhere: a key that comes along with what it is to verify proves nothing.",
        "parameters": [parameter(TENANT)],
        "responses": {
            "200": text_answer("The keys", TEXT),
            **problems(422, told={404: _NO_CHECKPOINT}),
        },
    }
