"""The description of `/api/tenants`."""

from dataclasses import replace
from typing import Any

from indelible.server.openapi_parts import body, json_answer, parameter, problems, ref
from indelible.server.parameters import TENANT
from indelible.server.tenants import TENANT_LIST, TenantChange, TenantInfo, TenantList, TenantRequest

__all__ = ["MODELS", "paths"]

MODELS: list[Any] = [TenantRequest, TenantChange, TenantInfo, TenantList]

_NO_TENANT = "There is no such tenant"
_IN_PATH = replace(TENANT, text="The tenant.", aliases=(), required=True)


def paths() -> dict[str, Any]:
    return {
        "/api/tenants": {"get": _list(), "post": _open()},
        "/api/tenants/{tenant_id}": {"get": _one(), "patch": _change()},
    }


def _list() -> dict[str, Any]:
    return {
        "operationId": "listTenants",
        "summary": "List tenants, by their ids",
        "description": "Whoever is bound to a tenant sees that one.",
        "parameters": [parameter(each) for each in TENANT_LIST],
        "responses": {"200": json_answer("A page of tenants", ref("TenantList")), **problems(422)},
    }


def _open() -> dict[str, Any]:
    new = {"tenant_id": "umbra", "settings": {"member_access": True}}
    return {
        "operationId": "openTenant",
        "summary": "Open a tenant's ledger",
        "description": "Where it is open already, nothing happens but that `settings`, if given, are changed.",
        "requestBody": body(ref("TenantRequest"), {"new": {"summary": "A new customer", "value": new}}),
        "responses": {
            "201": json_answer("It is open", ref("TenantInfo")),
            "200": json_answer("It was open already", ref("TenantInfo")),
            **problems(400, 408, 413, 415, 422),
        },
    }


def _one() -> dict[str, Any]:
    return {
        "operationId": "getTenant",
        "summary": "One tenant",
        "parameters": [parameter(_IN_PATH, "path")],
        "responses": {"200": json_answer("The tenant", ref("TenantInfo")), **problems(422, told={404: _NO_TENANT})},
    }


def _change() -> dict[str, Any]:
    change = {"settings": {"member_access": True, "member_sees": ["changes"]}}
    return {
        "operationId": "changeTenant",
        "summary": "Change what a tenant's members may see",
        "description": "What is left out stays as it is. In force on every process when it is answered, and recorded "
        "in the tenant's ledger.",
        "parameters": [parameter(_IN_PATH, "path")],
        "requestBody": body(ref("TenantChange"), {"members": {"summary": "Members may look", "value": change}}),
        "responses": {
            "200": json_answer("The tenant, as it is now", ref("TenantInfo")),
            **problems(400, 408, 413, 415, 422, told={404: _NO_TENANT}),
        },
    }
