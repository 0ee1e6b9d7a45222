"""The ASGI application."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from litestar import Litestar, Response, post, route
from litestar.enums import HttpMethod, ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.types import HTTPScope, Receive, Scope, Send

from indelible.catalog import Catalog
from indelible.server.about import about
from indelible.server.directories import actions, actors, targets
from indelible.server.docs import docs, openapi_json
from indelible.server.evidence import event_evidence
from indelible.server.facets import facets
from indelible.server.feed import feed_page
from indelible.server.gate import OPEN, admit, check_routes
from indelible.server.headers import Cors, hardened
from indelible.server.health import healthz, readyz
from indelible.server.ingest import Ingest
from indelible.server.keys import create_key, key, list_keys, revoke_key, rotate_key
from indelible.server.live import live
from indelible.server.logs import configure_logs
from indelible.server.metrics import metrics
from indelible.server.neighbours import context
from indelible.server.page_proofs import page_proofs
from indelible.server.parameters import MAX_PARAMETERS
from indelible.server.problems import CONTENT_TYPE, Problem
from indelible.server.proving import checkpoint, consistency, event_proof, vkeys
from indelible.server.reading import event, timeline
from indelible.server.responses import problem_response, respond
from indelible.server.run import end_with_parent
from indelible.server.saved_views import change_view, create_view, delete_view, list_views
from indelible.server.service import Service
from indelible.server.stopping import when_stopping
from indelible.server.tenants import change_tenant, list_tenants, open_tenant, tenant
from indelible.server.viewer import viewer_file, viewer_latest, viewer_page, viewer_source
from indelible.server.viewer_tokens import issue_token, revoke_tokens
from indelible.settings import Settings

__all__ = ["Application", "create"]


_LOGGING: Final = ("/api/audit-log", "/api/audit-log/batch")
"""Where applications log. Browsers never do."""

_MAX_QUERY_BYTES: Final = 16 * 1024


@post([*_LOGGING], needs="events:write")
async def _ingest() -> None:
    """Tells the router, and so the header `Allow`, that there is a POST; `Application` takes it before it gets here."""
    raise Problem(404, "no_such_route", "write the address exactly so: /api/audit-log or /api/audit-log/batch")


def _options(path: str, *methods: str) -> HTTPRouteHandler:
    """Litestar's own answer knows the methods of one handler, and these addresses have several."""

    @route(path, http_method=HttpMethod.OPTIONS, needs=OPEN)
    async def options() -> Response[None]:
        return Response(None, status_code=204, headers={"allow": ", ".join(sorted(("OPTIONS", *methods)))})

    return options


class Application:
    """Litestar, with the two routes that carry the load in front of it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._fast: dict[str, Callable[[HTTPScope, Receive, Send], Awaitable[None]]] = {}
        self.litestar = Litestar(
            [
                *(_options("/api/audit-log", "GET", "POST"), _ingest, timeline, event),
                *(checkpoint, consistency, event_evidence, event_proof, page_proofs, vkeys, about),
                *(feed_page, live),
                *(facets, actors, targets, actions),
                *(_options("/api/audit-log/views", "GET", "POST"), list_views, create_view, context),
                *(_options("/api/audit-log/views/{view_id:str}", "DELETE", "PATCH"), change_view, delete_view),
                *(_options("/api/keys", "GET", "POST"), create_key, list_keys, rotate_key),
                *(_options("/api/keys/{key_id:str}", "DELETE", "GET"), key, revoke_key),
                *(_options("/api/tenants", "GET", "POST"), list_tenants, open_tenant),
                *(_options("/api/tenants/{tenant_id:str}", "GET", "PATCH"), tenant, change_tenant),
                *(issue_token, revoke_tokens),
                *(healthz, readyz, metrics, openapi_json, docs),
                *(viewer_page, viewer_source, viewer_latest, viewer_file),
            ],
            lifespan=[self._lifespan],
            exception_handlers={Exception: problem_response},
            guards=[admit],
            openapi_config=None,
            logging_config=None,
        )

        check_routes(self.litestar.routes)
        self._cors = Cors(settings.cors_origins, _LOGGING)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self.litestar(scope, receive, send)
        elif scope["method"] == "POST" and (fast := self._fast.get(scope["path"])):
            await fast(scope, receive, send)
        elif (problem := _too_long(scope)) is not None:
            await respond(hardened(send, self._cors.headers(scope)), problem.status, problem.body(), CONTENT_TYPE)
        else:
            await self.litestar(scope, receive, hardened(send, self._cors.headers(scope)))

    @asynccontextmanager
    async def _lifespan(self, litestar: Litestar) -> AsyncIterator[None]:
        catalog = Catalog.load(self._settings.catalog)
        async with Service.open(self._settings, catalog) as service:
            litestar.state.service = service
            ingest = Ingest(service)
            self._fast = dict(zip(_LOGGING, (ingest.one, ingest.batch), strict=True))
            with when_stopping(service.growth.stop):
                yield
            self._fast = {}


def _too_long(scope: HTTPScope) -> Problem | None:
    """What is said against an address whose parameters would keep the service busy with reading them."""
    query = scope["query_string"]
    if len(query) > _MAX_QUERY_BYTES:
        detail = f"the address has {len(query):,} bytes of parameters; at most {_MAX_QUERY_BYTES:,} are read"
        return Problem(414, "uri_too_long", detail)
    if (count := query.count(b"&") + 1) > MAX_PARAMETERS:
        detail = f"the address has {count:,} parameters; at most {MAX_PARAMETERS} are read"
        return Problem(422, "too_many_parameters", detail)
    return None


def create() -> Application:
    """The application, as the environment says: what a server process starts from."""
    settings = Settings.from_env(os.environ)
    configure_logs(settings)
    end_with_parent()
    return Application(settings)
