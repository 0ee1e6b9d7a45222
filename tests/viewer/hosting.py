"""A vendor's product around the viewer: pages on an origin of their own, and tokens for whoever is logged in there."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from indelible.ledger.checkpoint import Checkpoint
from indelible.ledger.signing import SigningKey
from tests.postgres import Database
from tests.signed import origin_of, sign

__all__ = ["MARCUS", "TOMAS", "Host", "Site", "hosting"]

MARCUS = {"id": "usr_02", "name": "Marcus Adeyemi", "email": "marcus.adeyemi@northwind.example"}
TOMAS = {"id": "usr_03", "name": "Tomas Varga"}


@dataclass(frozen=True)
class Host:
    """The product's own server. A page is there as soon as it is put into `pages`, by its path."""

    address: str
    pages: dict[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)
    tokens: list[dict[str, str]] = field(default_factory=list)
    """What `/token` was asked for."""


@contextlib.contextmanager
def hosting(issue: Callable[[Mapping[str, str]], str]) -> Iterator[Host]:
    """Serves on a free port. `issue` makes the token that `/token?role=…&seconds=…` answers with."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            body, headers = host.pages.get(asked.path, ("", {}))
            if asked.path == "/token":
                wanted = dict(parse_qsl(asked.query))
                host.tokens.append(wanted)
                body = issue(wanted)
            self.send_response(200 if body else 404)
            for name, value in {
                "content-type": "text/html; charset=utf-8",
                "cache-control": "no-store",
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_request(self, code: object = "-", size: object = "-") -> None:
            """Nothing: it is no part of the tests' output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host = Host(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class Site:
    """The service, the key that signs its ledgers, and the product in which it is embedded."""

    address: str
    database: Database
    host: Host
    api: httpx.Client
    key: SigningKey = field(default_factory=SigningKey.generate)

    @cached_property
    def script(self) -> str:
        """The tag that loads the viewer, pinned by its hash."""
        source = httpx.get(f"{self.address}/viewer/script.json").raise_for_status().json()
        return (
            f'<script type="module" src="{self.address}{source["src"]}" integrity="{source["integrity"]}" '
            'crossorigin="anonymous"></script>'
        )

    def token(self, tenant: str, **asked: object) -> str:
        """Of an admin who may export, unless told otherwise."""
        wanted = {
            "tenant_id": tenant,
            "actor": MARCUS,
            "role": "admin",
            "can_export": True,
            "time_zone": "UTC",
            **asked,
        }
        answer = self.api.post("/api/viewer-tokens", json=wanted)
        assert answer.status_code == 201, answer.text
        token: str = answer.json()["token"]
        return token

    def element(self, tenant: str, *, asks: Mapping[str, object] | None = None, **attributes: str | None) -> str:
        """`<audit-log>` for `tenant`, with a token for which `asks`; `time_zone="…"` is the attribute `time-zone`."""
        given = {"api": self.address, **attributes}
        if "token" not in given:
            given["token"] = self.token(tenant, **(asks or {}))
        written = (f'{name.replace("_", "-")}="{escape(value)}"' for name, value in given.items() if value is not None)
        return f"<audit-log {' '.join(written)}></audit-log>"

    def page(self, body: str, *, head: str = "", path: str = "/", **headers: str) -> str:
        """Puts a page with the viewer's script at `path`; its address."""
        shell = (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Host</title>{head}{self.script}</head>'
        )
        answered = {name.replace("_", "-"): value for name, value in headers.items()}
        self.host.pages[path] = (f"{shell}<body>{body}</body></html>", answered)
        return self.host.address + path

    def log(self, tenant: str, **fields: Any) -> str:
        """Logs one event through the API; its id."""
        event = {"action": "document.shared", "actor": {"type": "user", **TOMAS}, **fields}
        answer = self.api.post("/api/audit-log", json={"tenant_id": tenant, **event})
        assert answer.status_code == 201, answer.text
        id_: str = answer.json()["id"]
        return id_

    def find(self, tenant: str, **parameters: Any) -> list[dict[str, Any]]:
        """What the API says to the same question, newest first, all pages of it."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            asked = {"tenant_id": tenant, "limit": 1000, **parameters, **cursor}
            page = self.api.get("/api/audit-log", params=asked).raise_for_status().json()
            found += page["data"]
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}

    def sign(self, tenant: str) -> Checkpoint:
        """What the worker does every second."""
        return sign(self.database, tenant, self.key)

    def vkey(self, tenant: str, key: SigningKey | None = None) -> str:
        """As the vendor gives it to its customers."""
        return str((key or self.key).verifier(origin_of(self.database, tenant)))


def as_json(value: object) -> str:
    """For a script within a page."""
    return json.dumps(value).replace("<", "\\u003c")
