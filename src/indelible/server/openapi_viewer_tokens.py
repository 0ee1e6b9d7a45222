"""The description of `/api/viewer-tokens`."""

from typing import Any

from indelible.server.openapi_parts import body, json_answer, problems, ref
from indelible.server.viewer_tokens import IssuedToken, Person, RevocationRequest, RevokedTokens, TokenRequest

__all__ = ["MODELS", "paths"]

MODELS: list[Any] = [Person, TokenRequest, IssuedToken, RevocationRequest, RevokedTokens]

_NO_TENANT = "There is no such tenant"

_EXAMPLE = "5f0c1f6e-3a0e-4b57-9d0c-0d6c6c1f7a52"
_ADMIN = {
    "tenant_id": "acme",
    "actor": {"id": "usr_7", "name": "Sarah Chen"},
    "role": "admin",
    "can_export": True,
    "time_zone": "Europe/Berlin",
}
_STAFF = {
    "tenant_id": "acme",
    "actor": {"id": "sup_3", "name": "Ben Okafor"},
    "role": "admin",
    "staff": True,
    "reason": "ticket 4512",
    "filter": {"category": ["auth"]},
}


def paths() -> dict[str, Any]:
    return {"/api/viewer-tokens": {"post": _issue()}, "/api/viewer-tokens/revoke": {"post": _revoke()}}


def _issue() -> dict[str, Any]:
    examples = {
        "admin": {"summary": "For a customer's admin", "value": _ADMIN},
        "staff": {"summary": "For somebody of your support", "value": _STAFF},
    }
    off = {404: _NO_TENANT, 409: "No secret is set here, so that there are no viewer tokens"}
    beyond = {403: "The key lacks what the token would open, or is for another tenant; or members may not read"}
    return {
        "operationId": "issueViewerToken",
        "summary": "Issue a viewer token",
        "description": "A JWT by which one person reads one tenant's audit log, in a browser, for at most 15 minutes. "
        "Ask for it in your backend, for whoever is logged in there. It is on record before it is answered.",
        "requestBody": body(ref("TokenRequest"), examples),
        "responses": {
            "201": json_answer("The token", ref("IssuedToken")),
            **problems(400, 408, 413, 415, 422, told=off | beyond),
        },
    }


def _revoke() -> dict[str, Any]:
    examples = {
        "token": {
            "summary": "One token",
            "value": {"tenant_id": "acme", "token_id": "5f0c1f6e-3a0e-4b57-9d0c-0d6c6c1f7a52"},
        },
        "person": {"summary": "All of one person's", "value": {"tenant_id": "acme", "actor_id": "usr_7"}},
        "tenant": {"summary": "All of a tenant's", "value": {"tenant_id": "acme", "all": True}},
    }
    return {
        "operationId": "revokeViewerTokens",
        "summary": "Revoke viewer tokens",
        "description": "Refused by every process when it is answered. What is issued afterwards is good.",
        "requestBody": body(ref("RevocationRequest"), examples),
        "responses": {
            "200": json_answer("They are refused", ref("RevokedTokens")),
            **problems(400, 408, 413, 415, 422, told={404: _NO_TENANT}),
        },
    }
