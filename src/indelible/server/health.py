"""Whether the process lives, and whether it can do its work."""

from datetime import UTC, datetime
from typing import Any

from litestar import HttpMethod, Request, Response, get, route
from litestar.datastructures import State
from msgspec import Struct

from indelible.server.responses import json_response
from indelible.server.service import Service
from indelible.store.errors import StoreError
from indelible.store.migrate import unapplied
from indelible.store.months import months_missing

__all__ = ["Readiness", "healthz", "readyz"]


class Readiness(Struct):
    """`checks` has "ok" for each thing that is, and what is wrong for each that is not."""

    ready: bool
    checks: dict[str, str]


@route("/healthz", http_method=[HttpMethod.GET, HttpMethod.HEAD])
async def healthz() -> Response[bytes]:
    """Also by HEAD, for load balancers that ask without wanting the answer."""
    return json_response({"status": "ok"})


@get("/readyz")
async def readyz(request: Request[Any, Any, State]) -> Response[bytes]:
    service: Service = request.app.state.service
    checks = {"postgresql": "ok", "migrations": "unknown", "partitions": "unknown"}
    try:
        missing = await unapplied(service.reading)
        checks["migrations"] = f"run `indelible migrate`: {', '.join(missing)}" if missing else "ok"
        if not missing:
            months = await months_missing(service.reading, datetime.now(UTC))
            late = f"none yet for {', '.join(months)}; the first event of the month will make them"
            checks["partitions"] = late if months else "ok"
    except StoreError as error:
        checks["postgresql"] = str(error)
    ready = checks["postgresql"] == "ok" and checks["migrations"] == "ok"
    return json_response(Readiness(ready, checks), 200 if ready else 503)
