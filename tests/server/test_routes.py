"""The addresses there are: their methods, their spellings, their description, and the service's state of health."""

from __future__ import annotations

import json
import re
import secrets
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from indelible.server.app import Application
from indelible.settings import Settings
from tests.server.conftest import an_event, listed, problem

METHODS = {
    "/api/audit-log": {"GET", "POST"},
    "/api/audit-log/batch": {"POST"},
    "/api/audit-log/0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90": {"GET"},
    "/api/audit-log/0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90/context": {"GET"},
    "/api/audit-log/0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90/proof": {"GET"},
    "/api/audit-log/0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90/evidence": {"GET"},
    "/api/audit-log/about": {"GET"},
    "/api/audit-log/proofs": {"GET"},
    "/api/audit-log/checkpoint": {"GET"},
    "/api/audit-log/consistency": {"GET"},
    "/api/audit-log/facets": {"GET"},
    "/api/audit-log/feed": {"GET"},
    "/api/audit-log/live": {"GET"},
    "/api/audit-log/actors": {"GET"},
    "/api/audit-log/targets": {"GET"},
    "/api/audit-log/actions": {"GET"},
    "/api/audit-log/views": {"GET", "POST"},
    "/api/audit-log/views/0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90": {"DELETE", "PATCH"},
    "/api/audit-log/vkeys": {"GET"},
    "/api/keys": {"GET", "POST"},
    "/api/keys/0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90": {"DELETE", "GET"},
    "/api/keys/0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90/rotate": {"POST"},
    "/api/tenants": {"GET", "POST"},
    "/api/tenants/acme": {"GET", "PATCH"},
    "/api/viewer-tokens": {"POST"},
    "/api/viewer-tokens/revoke": {"POST"},
    "/healthz": {"GET", "HEAD"},
    "/readyz": {"GET"},
    "/metrics": {"GET"},
    "/openapi.json": {"GET"},
    "/docs": {"GET"},
    "/viewer": {"GET"},
    "/viewer/script.json": {"GET"},
    "/viewer/audit-log.js": {"GET"},
}


@pytest.mark.parametrize(
    ("method", "path"),
    [(method, path) for path, known in METHODS.items()
     for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PURGE") if method not in known],
)  # fmt: skip
def test_other_methods_are_405_and_say_which_there_are(api: httpx.Client, method: str, path: str) -> None:
    """Above all no event and no tenant is ever changed or deleted."""
    answer = api.request(method, path, content=b"{}")
    if method == "HEAD":
        assert answer.status_code == 405
    else:
        problem(answer, 405, "method_not_allowed")
    assert set(re.split(", *", answer.headers["allow"])) == METHODS[path] | {"OPTIONS"}


@pytest.mark.parametrize("path", METHODS)
def test_options_tells_the_methods_and_opens_nothing_to_other_origins(api: httpx.Client, path: str) -> None:
    preflight = {"origin": "https://elsewhere.example", "access-control-request-method": "POST"}
    answer = api.options(path, headers=preflight)
    assert answer.status_code == 204
    assert set(re.split(", *", answer.headers["allow"])) == METHODS[path] | {"OPTIONS"}
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/audit-logs", "/API/AUDIT-LOG", "/api/audit-log/x/y", "/api/audit-log/x/proof/y",
             "/api/audit-log/%2e%2e/healthz", "/docs/..%2f..%2fetc/passwd", "/%00",
             "/%FF", "/favicon.ico", "/.env", "/schema", "/" + "x" * 5000],
)  # fmt: skip
def test_elsewhere_there_is_nothing(api: httpx.Client, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        problem(api.request(method, path), 404, "no_such_route")


@pytest.mark.parametrize("path", ["//api/audit-log", "/api//audit-log", "/api/audit-log/", "/api/audit%2dlog"])
def test_another_spelling_of_an_address_asks_for_the_key_too(api: httpx.Client, tenant: str, path: str) -> None:
    """And does what the address does, or nothing: a proxy's rules must not be got round."""
    url = f"{str(api.base_url).rstrip('/')}{path}?tenant_id={tenant}"
    with httpx.Client() as stranger:
        problem(stranger.get(url), 401, "unauthorized")
        refused = stranger.post(url, json=an_event(tenant))
    assert refused.status_code in {401, 404}
    assert api.get(url).json() == {"data": [], "next_cursor": None, "prev_cursor": None}
    answer = api.post(url, json=an_event(tenant))
    assert answer.status_code in {201, 404}
    assert len(listed(api, tenant)) == (answer.status_code == 201)


def test_the_service_says_that_it_lives_and_is_ready(api: httpx.Client) -> None:
    """Without a key, for those who start and stop it."""
    with httpx.Client(base_url=api.base_url) as stranger:
        assert (stranger.get("/healthz").status_code, stranger.get("/healthz").json()) == (200, {"status": "ok"})
        ready = stranger.get("/readyz")
    assert ready.status_code == 200
    checks = ready.json()["checks"]
    assert checks.pop("checkpoints")  # test_metrics.py has what it says when
    assert ready.json()["ready"] is True
    assert checks == {"postgresql": "ok", "roles": "ok", "migrations": "ok", "partitions": "ok"}


def described(api: httpx.Client) -> dict[str, Any]:
    answer = api.get("/openapi.json", headers={"authorization": ""})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    found: dict[str, Any] = answer.json()
    return found


def test_every_route_is_described_and_nothing_else(api: httpx.Client) -> None:
    """But for the description's own two addresses, and the viewer's, which are no API."""
    told = {(path, method.upper()) for path, operations in described(api)["paths"].items() for method in operations}
    routes = {
        (re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path), method)
        for route in Application(Settings(database_url="postgresql://")).litestar.routes
        for method in getattr(route, "methods", ())
        if method != "OPTIONS"
    }
    assert routes - told == {
        (path, "GET")
        for path in (
            "/openapi.json",
            "/docs",
            "/viewer",
            "/viewer/script.json",
            "/viewer/audit-log.js",
            "/viewer/{version}/{name}",
        )
    }
    assert told - routes == set()


def test_the_description_refers_to_nothing_that_is_not_there(api: httpx.Client) -> None:
    document = described(api)
    assert document["openapi"] == "3.1.0"
    for reference in set(re.findall(r'"\$ref": ?"([^"]+)"', json.dumps(document))):
        found: Any = document
        assert reference.startswith("#/")
        for token in reference[2:].split("/"):
            found = found[token.replace("~1", "/").replace("~0", "~")]
    identifiers = [o["operationId"] for operations in document["paths"].values() for o in operations.values()]
    assert len(set(identifiers)) == len(identifiers)


def test_a_client_made_from_it_can_leave_out_the_tenant_that_a_key_is_bound_to(api: httpx.Client) -> None:
    """Only in an address that has it in its path, and in what is sent, is there no doing without."""
    found = [
        (path, given["in"], given["required"])
        for path, operations in described(api)["paths"].items()
        for operation in operations.values()
        for given in operation.get("parameters", ())
        if given["name"] == "tenant_id"
    ]
    assert {where for _, where, _ in found} == {"query", "path"}
    assert [each for each in found if each[2] != (each[1] == "path")] == []
    assert "tenant_id" in described(api)["components"]["schemas"]["Event"]["required"]


def test_its_examples_are_accepted_as_they_stand(api: httpx.Client) -> None:
    """People paste them."""
    assert api.post("/api/audit-log", json=an_event("acme")).status_code == 201
    for path, operations in described(api)["paths"].items():
        for method, operation in operations.items():
            for example in operation.get("requestBody", {}).get("content", {}).values():
                for shown in example["examples"].values():
                    key = api.post("/api/keys", json={"name": "example", "scopes": []}).json()["key_id"]
                    kept = {"name": secrets.token_hex(8), "query": "", "shared": True}
                    view = api.post("/api/audit-log/views", params={"tenant_id": "acme"}, json=kept).json()["view_id"]
                    address = path.format(key_id=key, tenant_id="acme", view_id=view)
                    named = [given["name"] for given in operation.get("parameters", ()) if given["in"] == "query"]
                    whose = {"tenant_id": "acme"} if "tenant_id" in named else {}
                    answer = api.request(method, address, json=shown["value"], params=whose)
                    assert answer.status_code in {200, 201}, (path, answer.text)
                    assert str(answer.status_code) in operation["responses"]


class Page(HTMLParser):
    """Collects every address that a browser would load or offer, and every element's id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.ids: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in {"href", "src", "srcset", "action", "data", "poster"} and value:
                self.addresses.append(value)
            if name == "id" and value:
                self.ids.add(value)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_for_people_loads_nothing_and_tells_everything(api: httpx.Client) -> None:
    """It has to work where there is no internet, and it runs no script at all."""
    answer = api.get("/docs", headers={"authorization": ""})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    page = Page(answer.text)
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    assert [a for a in page.addresses if a != "/openapi.json" and a.removeprefix("#") not in page.ids] == []
    assert "url(" not in answer.text
    assert "@import" not in answer.text
    for path, operations in described(api)["paths"].items():
        assert path in page.text
        assert all(operation["summary"] in page.text for operation in operations.values())
