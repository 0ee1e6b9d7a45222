"""Quayside as one application: its routes, what they are given, and the headers of every answer."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from litestar import Litestar, Response, Router
from litestar.config.allowed_hosts import AllowedHostsConfig
from litestar.di import Provide
from litestar.exceptions import NotAuthorizedException
from litestar.logging import LoggingConfig
from litestar.static_files import create_static_files_router

from examples.workspace.actions import ACTIONS
from examples.workspace.audit import Audit
from examples.workspace.pages import PAGES, avatar, home, sign_in_page
from examples.workspace.visitors import (
    HOME,
    AnyRequest,
    NotAllowed,
    Product,
    same_origin,
    signed_in,
    signed_in_or_marcus,
)
from examples.workspace.workspace import northwind

__all__ = ["Config", "create"]


@dataclass(frozen=True)
class Config:
    """Where Indelible is and the key to it, the port on 127.0.0.1, and where the ledger's public key is kept."""

    url: str
    key: str
    port: int
    vkey_file: Path

    @classmethod
    def from_env(cls) -> Self:
        """The client's own two variables and two more. Raises `KeyError`."""
        return cls(
            os.environ["INDELIBLE_URL"],
            os.environ["INDELIBLE_KEY"],
            int(os.environ.get("WORKSPACE_PORT", "8751")),
            Path(os.environ.get("WORKSPACE_VKEY_FILE", "northwind.vkey")),
        )

    @property
    def origins(self) -> tuple[str, ...]:
        """By which browsers reach it: what INDELIBLE_CORS_ORIGINS has to have."""
        return f"http://127.0.0.1:{self.port}", f"http://localhost:{self.port}"


def content_security_policy(indelible: str) -> str:
    """The viewer takes Indelible's origin in `script-src` and in `connect-src`, and nothing else: no inline style or
    script, no `data:`, no `eval`.
    """
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' {indelible}",
            f"connect-src 'self' {indelible}",
            "style-src 'self'",
            "img-src 'self'",
            "frame-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'self'",
            "base-uri 'none'",
        ]
    )


def create(config: Config) -> Litestar:
    product = Product(northwind(), Audit(config.url, config.key, config.vkey_file))
    headers = {
        "content-security-policy": content_security_policy(config.url),
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
    }
    shared = {"product": Provide(lambda: product, sync_to_thread=False)}
    # Both speak to Indelible, which takes a moment: not in the event loop.
    entered = Provide(signed_in_or_marcus, sync_to_thread=True)
    known = Provide(signed_in, sync_to_thread=False)
    return Litestar(
        [
            home,
            Router(HOME, route_handlers=[sign_in_page, avatar]),
            Router(HOME, route_handlers=PAGES, dependencies={"who": entered}),
            Router(HOME, route_handlers=ACTIONS, dependencies={"who": known}, guards=[same_origin]),
            create_static_files_router(f"{HOME}/static", [Path(__file__).parent / "static"]),
        ],
        dependencies=shared,
        response_headers=headers,
        allowed_hosts=AllowedHostsConfig([origin.removeprefix("http://") for origin in config.origins]),
        exception_handlers={NotAllowed: go_back, NotAuthorizedException: to_the_door},
        openapi_config=None,
        logging_config=LoggingConfig(
            root={"level": "WARNING", "handlers": ["queue_listener"]}, log_exceptions="always"
        ),
    )


def go_back(_: AnyRequest, error: NotAllowed) -> Response[None]:
    return Response(None, status_code=302, headers={"location": error.came_from})


def to_the_door(request: AnyRequest, error: NotAuthorizedException) -> Response[dict[str, str]]:
    """A person goes to sign in; a script is told that nobody is."""
    if "text/html" in request.headers.get("accept", ""):
        return Response({}, status_code=302, headers={"location": f"{HOME}/sign-in"})
    return Response({"detail": error.detail}, status_code=401)
