"""The description of `/api/audit-log/views`."""

from typing import Any

from indelible.server.openapi_parts import body, json_answer, parameter, problems, ref
from indelible.server.parameters import TENANT
from indelible.server.saved_views import VIEW_ID, ViewChange, ViewInfo, ViewList, ViewRequest

__all__ = ["MODELS", "paths"]

MODELS: list[Any] = [ViewRequest, ViewChange, ViewInfo, ViewList]

_MEMBERS = "The scope is lacking, it is another tenant's, or what is shared is not theirs to change"
_CONFLICT = "There is a view of this name, or there are as many as there may be"
_NO_VIEW = "There is no such view; somebody else's own is as if it were not there"


def paths() -> dict[str, Any]:
    return {
        "/api/audit-log/views": {"get": _list(), "post": _create()},
        "/api/audit-log/views/{view_id}": {"patch": _change(), "delete": _delete()},
    }


def _list() -> dict[str, Any]:
    return {
        "operationId": "listViews",
        "summary": "List saved views: the shared ones, and one's own",
        "description": "A key sees those that are shared. Members see no shared one that filters by a part of events "
        "that they are not shown.",
        "parameters": [parameter(TENANT)],
        "responses": {"200": json_answer("The views", ref("ViewList")), **problems(422)},
    }


def _create() -> dict[str, Any]:
    failed = {"name": "Failed sign-ins", "query": "action=user.sign_in_failed&since=7d", "shared": True}
    return {
        "operationId": "createView",
        "summary": "Save a view",
        "description": "A filter of the timeline under a name: a person's own, or with `shared` for all who read the "
        "tenant's events. Members, and viewers whose token has a filter, save views of their own alone; keys shared "
        "ones alone, with `tenants:manage`.",
        "parameters": [parameter(TENANT)],
        "requestBody": body(ref("ViewRequest"), {"failed": {"summary": "For everybody", "value": failed}}),
        "responses": {
            "201": json_answer("It is saved", ref("ViewInfo")),
            **problems(
                400, 408, 413, 415, 422, told={403: _MEMBERS, 404: "There is no such tenant", 409: _CONFLICT}
            ),
        },
    }  # fmt: skip


def _change() -> dict[str, Any]:
    return {
        "operationId": "changeView",
        "summary": "Change a saved view",
        "description": "What is left out stays as it is. A view of one's own is not turned into a shared one; save "
        "it anew.",
        "parameters": [parameter(VIEW_ID, "path"), parameter(TENANT)],
        "requestBody": body(
            ref("ViewChange"), {"month": {"summary": "A month of it", "value": {"query": "since=30d"}}}
        ),
        "responses": {
            "200": json_answer("The view, as it is now", ref("ViewInfo")),
            **problems(400, 408, 413, 415, 422, told={403: _MEMBERS, 404: _NO_VIEW, 409: _CONFLICT}),
        },
    }


def _delete() -> dict[str, Any]:
    return {
        "operationId": "deleteView",
        "summary": "Delete a saved view",
        "parameters": [parameter(VIEW_ID, "path"), parameter(TENANT)],
        "responses": {"204": {"description": "It is gone"}, **problems(422, told={403: _MEMBERS, 404: _NO_VIEW})},
    }
