"""Whether the process lives, and whether it can do its work."""

from datetime import UTC, datetime
from typing import Any

from litestar import Request, Response, get
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


@get("/healthz")
async def healthz() -> Response[bytes]:
    return json_response({"status": "ok"})


@get("/readyz")
async def readyz(request: Request[Any, Any, State]) -> Response[bytes]:
    service: Service = request.app.state.service
    checks = {"postgresql": "ok", "migrations": "ok", "partitions": "ok"}
    try:
        if missing := await unapplied(service.reading):
            checks["migrations"] = f"run `indelible migrate`: {', '.join(missing)}"
        elif months := await months_missing(service.reading, datetime.now(UTC)):
            checks["partitions"] = f"none yet for {', '.join(months)}; the first event of the month will make them"
    except StoreError as error:
        checks["postgresql"] = str(error)
    ready = checks["postgresql"] == "ok" and checks["migrations"] == "ok"
    return json_response(Readiness(ready, checks), 200 if ready else 503)
