"""The description of `/api/audit-log/about`."""

from typing import Any

from indelible.server.about import About
from indelible.server.openapi_parts import json_answer, parameter, problems, ref
from indelible.server.parameters import TENANT

__all__ = ["MODELS", "paths"]

MODELS: list[Any] = [About]


def paths() -> dict[str, Any]:
    return {"/api/audit-log/about": {"get": _about()}}


def _about() -> dict[str, Any]:
    return {
        "operationId": "about",
        "summary": "Who looks, what they may see and do, and how large the ledger is",
        "description": "For viewers. Asking tells of no event, and is not recorded.",
        "parameters": [parameter(TENANT)],
        "responses": {"200": json_answer("What a viewer has to know", ref("About")), **problems(422)},
    }
