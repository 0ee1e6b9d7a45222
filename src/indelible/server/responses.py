"""Answers as Litestar sends them, and as they are sent without it."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import Send

from indelible.server.problems import CONTENT_TYPE, Problem, describe

__all__ = ["json_response", "problem_response", "respond"]


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    return Response(
        msgspec.json.encode(content), status_code=status, media_type="application/json", headers=dict(headers or {})
    )


def problem_response(_request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Litestar's exception handler, for its own exceptions and for ours."""
    problem = _of_framework(error) if isinstance(error, HTTPException) else describe(error)
    return Response(problem.body(), status_code=problem.status, headers=problem.headers, media_type=CONTENT_TYPE)


async def respond(
    send: Send,
    status: int,
    body: bytes,
    content_type: str = "application/json",
    extra: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """Answers over bare ASGI."""
    length = b"%d" % len(body)
    headers = [(b"content-type", content_type.encode()), (b"content-length", length), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _of_framework(error: HTTPException) -> Problem:
    headers = {k.lower(): str(v) for k, v in (error.headers or {}).items()}
    match error.status_code:
        case 404:
            return Problem(404, "no_such_route", "there is nothing at this address; see /docs", headers=headers)
        case 405:
            return Problem(405, "method_not_allowed", "this address has other methods; see /docs", headers=headers)
        case status if status >= 500:
            return describe(error)
        case status:
            return Problem(status, "bad_request", error.detail, headers=headers)
