"""The description of `/api/keys`."""

from typing import Any

from indelible.server.keys import KEY_ID, KEY_LIST, KeyInfo, KeyList, KeyRequest, MadeKey, RotationRequest
from indelible.server.openapi_parts import body, json_answer, parameter, problems, ref

__all__ = ["MODELS", "paths"]

MODELS: list[Any] = [KeyRequest, RotationRequest, KeyInfo, MadeKey, KeyList]

_BEYOND = "Needs `keys:manage`; and nobody makes a key that opens more than what they hold themselves"
_NO_KEY = "There is no such key; one of another tenant is as if it were not there"


def paths() -> dict[str, Any]:
    return {
        "/api/keys": {"get": _list(), "post": _create()},
        "/api/keys/{key_id}": {"get": _one(), "delete": _revoke()},
        "/api/keys/{key_id}/rotate": {"post": _rotate()},
    }


def _create() -> dict[str, Any]:
    siem = {"name": "Acme SIEM", "scopes": ["events:read"], "tenant_id": "acme", "expires_in": "90d"}
    application = {"name": "Application", "scopes": ["events:write"]}
    return {
        "operationId": "createKey",
        "summary": "Make an API key",
        "description": "The answer has the key itself, this once. It grants at most what its maker holds: their "
        "scopes, their tenant, and no longer than theirs lasts. Whoever has a viewer token may pass on `events:read`, "
        "and `export` where they hold it. Left out, `tenant_id` and the end are as the maker's own.",
        "requestBody": body(
            ref("KeyRequest"),
            {
                "siem": {"summary": "For one customer's SIEM", "value": siem},
                "application": {"summary": "For an application that logs", "value": application},
            },
        ),
        "responses": {
            "201": json_answer("The key, shown only here", ref("MadeKey")),
            **problems(400, 408, 413, 415, 422, told={403: _BEYOND}),
        },
    }


def _list() -> dict[str, Any]:
    return {
        "operationId": "listKeys",
        "summary": "List API keys, newest first",
        "description": "Whoever is bound to a tenant sees the keys of that tenant.",
        "parameters": [parameter(each) for each in KEY_LIST],
        "responses": {"200": json_answer("A page of keys", ref("KeyList")), **problems(422)},
    }


def _one() -> dict[str, Any]:
    return {
        "operationId": "getKey",
        "summary": "One API key",
        "parameters": [parameter(KEY_ID, "path")],
        "responses": {"200": json_answer("The key", ref("KeyInfo")), **problems(422, told={404: _NO_KEY})},
    }


def _revoke() -> dict[str, Any]:
    return {
        "operationId": "revokeKey",
        "summary": "End an API key",
        "description": "When this is answered, the key opens nothing any more, on any process. One that was revoked "
        "before stays as it was.",
        "parameters": [parameter(KEY_ID, "path")],
        "responses": {
            "200": json_answer("The key, which has ended", ref("KeyInfo")),
            **problems(422, told={403: _BEYOND, 404: _NO_KEY}),
        },
    }


def _rotate() -> dict[str, Any]:
    return {
        "operationId": "rotateKey",
        "summary": "Replace an API key",
        "description": "Makes a key of the same name, scopes and tenant. The old one goes on working for the time of "
        "`overlap`. Without an end of its own the new key lasts as long as the old one was made for.",
        "parameters": [parameter(KEY_ID, "path")],
        "requestBody": body(ref("RotationRequest"), {"day": {"summary": "In a day", "value": {"overlap": "24h"}}}),
        "responses": {
            "201": json_answer("The new key, shown only here", ref("MadeKey")),
            **problems(
                400,
                408,
                413,
                415,
                422,
                told={403: _BEYOND, 404: _NO_KEY, 409: "The key has ended, or another one replaces it already"},
            ),
        },
    }
