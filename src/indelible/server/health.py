"""Whether the process lives, and whether it can do its work."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from litestar import HttpMethod, Request, Response, get, route
from litestar.datastructures import State
from msgspec import Struct

from indelible.server.responses import json_response
from indelible.store.errors import StoreError
from indelible.store.migrate import unapplied
from indelible.store.months import months_missing
from indelible.store.session import Database

__all__ = ["Readiness", "healthz", "readyz"]

_KEEP = 1.0
"""Seconds that an answer is good for."""


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
    found = await _readiness(request.app.state)
    return json_response(found, 200 if found.ready else 503)


async def _readiness(state: State) -> Readiness:
    """Of a second ago at most, and found out once for all who ask: strangers must not keep PostgreSQL busy by it."""
    kept: tuple[float, asyncio.Task[Readiness]] | None = state.get("readiness")
    now = asyncio.get_running_loop().time()
    if kept is None or (kept[0] + _KEEP < now and kept[1].done()):
        kept = now, asyncio.create_task(_check(state.service.control))
        state["readiness"] = kept
    return await asyncio.shield(kept[1])


async def _check(database: Database) -> Readiness:
    checks = {"postgresql": "ok", "migrations": "unknown", "partitions": "unknown"}
    try:
        missing = await unapplied(database)
        checks["migrations"] = f"run `indelible migrate`: {', '.join(missing)}" if missing else "ok"
        if not missing:
            months = await months_missing(database, datetime.now(UTC))
            late = f"none yet for {', '.join(months)}; the first event of the month will make them"
            checks["partitions"] = late if months else "ok"
        if await database.is_read_only():
            checks["postgresql"] = "takes no writes: a standby, or default_transaction_read_only is set"
    except StoreError as error:
        checks["postgresql"] = str(error)
    return Readiness(checks["postgresql"] == checks["migrations"] == "ok", checks)
