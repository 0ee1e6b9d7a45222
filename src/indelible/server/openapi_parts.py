"""What descriptions of the API are made of: parameters, bodies, answers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from indelible.server.languages import ACCEPT_LANGUAGE
from indelible.server.parameters import MAX_WORD, Parameter
from indelible.server.problems import CONTENT_TYPE

__all__ = [
    "LANGUAGE",
    "body",
    "in_language",
    "json_answer",
    "parameter",
    "parameters",
    "problems",
    "ref",
    "text_answer",
    "unsecured",
]

_PROBLEMS = {
    400: "Not JSON, or not gzip",
    401: "Nothing that is known here, or what has ended",
    403: "What you hold lacks the scope, or is for another tenant",
    404: "There is no such event of this tenant",
    408: "The body was too long in coming",
    409: "The id is that of another event",
    413: "The body is too large",
    414: "The address has more than 16 KiB of parameters",
    415: "Content-Encoding is neither absent nor gzip",
    422: "A field or parameter is wrong; `errors` says where",
    429: "Too much for now; `Retry-After` says when to come back",
    500: "The stored ledger contradicts what was signed of it: no proof is given",
    503: "PostgreSQL cannot be reached; sending the same again is safe",
}

_COMMON = (401, 403, 414, 429, 503)


def unsecured(operation: str, summary: str, responses: dict[int, dict[str, Any]]) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": summary,
        "security": [],
        "responses": {str(status): response for status, response in responses.items()},
    }


def parameters(known: Sequence[Parameter]) -> list[dict[str, Any]]:
    """Those of a query, and those with a minus that go with them."""
    found = []
    for each in known:
        found.append(parameter(each))
        if each.excludable and not each.prefix:
            excluded = replace(each, name=f"-{each.name}", aliases=tuple(f"-{alias}" for alias in each.aliases))
            excluded = replace(excluded, text=f"Only events of which this is not so: {each.text}", example=None)
            found.append(parameter(excluded))
    return found


def parameter(given: Parameter, where: str = "query") -> dict[str, Any]:
    if given.prefix:
        return _prefixed(given, where)
    schema: dict[str, Any] = dict(given.schema)
    described = given.text + (f" Also written {', '.join(given.aliases)}." if given.aliases else "")
    if given.repeatable:
        schema = {"type": "array", "items": schema}
        described += " Given several times, any of them will do."
    found = {
        "name": given.name,
        "in": where,
        "required": given.required,
        "description": described,
        "schema": schema,
    }
    return found | ({"example": given.example} if given.example and not given.repeatable else {})


def _prefixed(given: Parameter, where: str) -> dict[str, Any]:
    """Any number of parameters whose names begin alike: the members of an object, as OpenAPI has it."""
    minus = "-?" if given.excludable else ""
    return {
        "name": given.name,
        "in": where,
        "required": False,
        "description": f"{given.text} Given several times, any of them will do."
        + (" With a minus before the name the others." if minus else ""),
        "style": "form",
        "explode": True,
        "schema": {
            "type": "object",
            "propertyNames": {"pattern": f"^{minus}{given.name}\\.[^\\u0000]+$", "maxLength": MAX_WORD},
            "additionalProperties": {"type": "array", "items": dict(given.schema)},
        },
    }


def body(schema: dict[str, Any], examples: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": examples}}}


def json_answer(description: str, schema: dict[str, Any], media_type: str = "application/json") -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def in_language(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer of a route that takes `LANGUAGE`."""
    schema = {"schema": {"type": "string"}, "description": "The language of its sentences and titles"}
    return {**answer, "headers": {"Content-Language": schema}}


def text_answer(description: str, media_type: str) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": {"type": "string"}}}}


def problems(*statuses: int, told: Mapping[int, str] = {}) -> dict[str, Any]:
    """Of an operation that takes a key or token; what all of these have need not be named."""
    said = {**_PROBLEMS, **told}
    every = sorted({*statuses, *told, *_COMMON})
    return {str(status): json_answer(said[status], ref("ProblemDetails"), CONTENT_TYPE) for status in every}


LANGUAGE = parameter(ACCEPT_LANGUAGE, "header")


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
