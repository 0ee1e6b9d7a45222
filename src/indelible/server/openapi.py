"""The API's description (OpenAPI 3.1), from the models and parameters that the service itself uses."""

from typing import Any

import msgspec

from indelible import __version__
from indelible.event import Event
from indelible.server import (
    openapi_about,
    openapi_facets,
    openapi_feed,
    openapi_keys,
    openapi_neighbours,
    openapi_proofs,
    openapi_saved_views,
    openapi_tenants,
    openapi_viewer_tokens,
)
from indelible.server.health import Readiness
from indelible.server.ingest import MAX_BATCH
from indelible.server.metrics import CONTENT_TYPE as METRICS
from indelible.server.openapi_parts import (
    LANGUAGE,
    body,
    in_language,
    json_answer,
    parameter,
    parameters,
    problems,
    ref,
    text_answer,
    unsecured,
)
from indelible.server.parameters import EVENT_ID, PARAMETERS, TENANT
from indelible.server.problems import ProblemDetails
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

_PARTS = (
    openapi_proofs, openapi_facets, openapi_feed, openapi_neighbours, openapi_saved_views, openapi_keys,
    openapi_tenants, openapi_viewer_tokens, openapi_about,
)  # fmt: skip


def describe_api() -> dict[str, Any]:
    models = [Event, Accepted, Refused, BatchAnswer, Timeline, SealedEvent, ProblemDetails, Readiness]
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
        "parameters": [*parameters(PARAMETERS), LANGUAGE],
        "responses": {"200": in_language(json_answer("A page of events", ref("Timeline"))), **problems(422)},
    }


def _event() -> dict[str, Any]:
    return {
        "operationId": "event",
        "summary": "One event, with its exact entry and disclosures",
        "parameters": [parameter(EVENT_ID, "path"), parameter(TENANT), LANGUAGE],
        "responses": {"200": in_language(json_answer("The event", ref("SealedEvent"))), **problems(404, 422)},
    }
