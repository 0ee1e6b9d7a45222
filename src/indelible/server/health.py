"""Whether the process lives, whether it can do its work, and how the ledgers stand."""

import asyncio
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg
import structlog
from litestar import HttpMethod, Request, Response, get, route
from litestar.datastructures import State
from msgspec import Struct

from indelible.server.gate import OPEN
from indelible.server.responses import json_response
from indelible.store.errors import StoreError
from indelible.store.migrate import unapplied
from indelible.store.months import months_missing
from indelible.store.session import Database, Role, first_line
from indelible.store.standing import Standing, standing

__all__ = ["ROLES", "Health", "Readiness", "health", "healthz", "readyz"]

_log = structlog.get_logger()

ROLES: tuple[Role, ...] = ("writer", "reader", "member", "control")
"""What the service acts as."""

_KEEP = 1.0
"""Seconds that an answer is good for."""

_SHARE = 10
"""And this many times as long as it took to find out."""


class Readiness(Struct):
    """`checks` has "ok" for each thing that is, and what is wrong for each that is not."""

    ready: bool
    checks: dict[str, str]


class Health(NamedTuple):
    readiness: Readiness
    standing: Standing | None
    """None where it is not known."""


@route("/healthz", http_method=[HttpMethod.GET, HttpMethod.HEAD], needs=OPEN)
async def healthz() -> Response[bytes]:
    """Also by HEAD, for load balancers that ask without wanting the answer."""
    return json_response({"status": "ok"})


@get("/readyz", needs=OPEN)
async def readyz(request: Request[Any, Any, State]) -> Response[bytes]:
    found, _ = await health(request.app.state)
    return json_response(found, 200 if found.ready else 503)


async def health(state: State) -> Health:
    """Of a moment ago, and found out once for all who ask: strangers must not keep PostgreSQL busy by it."""
    kept: asyncio.Task[Health] | None = state.get("health")
    if kept is None or (kept.done() and state.get("health_good_until", 0.0) < _clock()):
        kept = asyncio.create_task(_find_out(state))
        state["health"] = kept
    return await asyncio.shield(kept)


async def _find_out(state: State) -> Health:
    begun = _clock()
    found = await _check(state.service.control)
    took = _clock() - begun
    # What is wrong may be mended at any moment.
    state["health_good_until"] = begun + (max(_KEEP, _SHARE * took) if found.readiness.ready else _KEEP)
    return found


async def _check(database: Database) -> Health:
    waiting = dict.fromkeys(("roles", "migrations", "partitions", "checkpoints"), "unknown")
    checks = {"postgresql": "ok", **waiting}
    try:
        missing = await unapplied(database)
        checks["migrations"] = f"run `indelible migrate`: {', '.join(missing)}" if missing else "ok"
        if not missing:
            months = await months_missing(database, datetime.now(UTC))
            late = f"none yet for {', '.join(months)}; the first event of the month will make them"
            checks["partitions"] = late if months else "ok"
        if await database.is_read_only():
            checks["postgresql"] = "takes no writes: a standby, or default_transaction_read_only is set"
    except (StoreError, psycopg.Error) as error:
        checks["postgresql"] = _said(error)
    if checks["postgresql"] == checks["migrations"] == "ok":
        checks["roles"] = await _of_roles(database)
    ready = checks["postgresql"] == checks["migrations"] == checks["roles"] == "ok"
    found = None
    if ready:
        try:
            found = await standing(database)
            checks["checkpoints"] = _of_checkpoints(found)
        except (StoreError, psycopg.Error) as error:
            checks["checkpoints"] = f"unknown: {_said(error)}"
    return Health(Readiness(ready, checks), found)


async def _of_roles(database: Database) -> str:
    """Whether each login leads to this database and may do what it is for. On connections beside those that readers
    and writers use, which may all be busy."""
    try:
        await database.check(ROLES)
    except (StoreError, psycopg.Error) as error:
        return _said(error)
    return "ok"


def _said(error: StoreError | psycopg.Error) -> str:
    """What strangers may know of it; the log has the rest."""
    if isinstance(error, StoreError):
        return str(error)
    _log.error("PostgreSQL refuses to say how it stands", error=first_line(error), sqlstate=error.sqlstate)
    return f"PostgreSQL refuses to say how it stands ({error.sqlstate or type(error).__name__}); the log says more"


def _clock() -> float:
    return asyncio.get_running_loop().time()


def _of_checkpoints(found: Standing) -> str:
    """What keeps ledgers from being signed. By their origins, which name no customer: strangers read this too."""
    said = []
    if found.refused:
        shown = [f"{ledger.origin}: {ledger.reason}" for ledger in found.refusals]
        more = [f"and {found.refused - len(shown)} more"] if found.refused > len(shown) else []
        said.append(f"{_ledgers(found.refused)} been refused a signature: {'; '.join([*shown, *more])}")
    if not found.is_signed:
        said.append("none: no signer has run yet")
    elif found.waiting:
        said.append(
            f"{_ledgers(found.waiting)} been waiting for a signature for more than a minute: "
            "is `indelible worker` running?"
        )
    return "; ".join(said) or "ok"


def _ledgers(count: int) -> str:
    return "1 ledger has" if count == 1 else f"{count} ledgers have"
