"""The ASGI application."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from litestar import Litestar, Response, post, route
from litestar.enums import HttpMethod, ScopeType
from litestar.types import HTTPScope, Receive, Scope, Send

from indelible.catalog import Catalog
from indelible.server.docs import docs, openapi_json
from indelible.server.health import healthz, readyz
from indelible.server.ingest import Ingest
from indelible.server.logs import configure_logs
from indelible.server.metrics import metrics
from indelible.server.problems import Problem
from indelible.server.proving import checkpoint, consistency, event_proof, vkeys
from indelible.server.reading import event, timeline
from indelible.server.responses import problem_response
from indelible.server.run import end_with_parent
from indelible.server.service import Service
from indelible.settings import Settings

__all__ = ["Application", "create"]


@post(["/api/audit-log", "/api/audit-log/batch"])
async def _ingest() -> None:
    """Tells the router, and so the header `Allow`, that there is a POST; `Application` takes it before it gets here."""
    raise Problem(404, "no_such_route", "write the address exactly so: /api/audit-log or /api/audit-log/batch")


@route("/api/audit-log", http_method=HttpMethod.OPTIONS)
async def _options() -> Response[None]:
    """Litestar's own answer knows the methods of one handler, and this address has two."""
    return Response(None, status_code=204, headers={"allow": "GET, OPTIONS, POST"})


class Application:
    """Litestar, with the two routes that carry the load in front of it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._fast: dict[str, Callable[[HTTPScope, Receive, Send], Awaitable[None]]] = {}
        self.litestar = Litestar(
            [
                *(_options, _ingest, timeline, event),
                *(checkpoint, consistency, event_proof, vkeys),
                *(healthz, readyz, metrics, openapi_json, docs),
            ],
            lifespan=[self._lifespan],
            exception_handlers={Exception: problem_response},
            openapi_config=None,
            logging_config=None,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and scope["method"] == "POST" and (fast := self._fast.get(scope["path"])):
            await fast(scope, receive, send)
        else:
            await self.litestar(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, litestar: Litestar) -> AsyncIterator[None]:
        catalog = Catalog.load(self._settings.catalog)
        async with Service.open(self._settings, catalog) as service:
            litestar.state.service = service
            ingest = Ingest(service)
            self._fast = {"/api/audit-log": ingest.one, "/api/audit-log/batch": ingest.batch}
            yield
            self._fast = {}


def create() -> Application:
    """The application, as the environment says: what a server process starts from."""
    settings = Settings.from_env(os.environ)
    configure_logs(settings)
    end_with_parent()
    return Application(settings)
