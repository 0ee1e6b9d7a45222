"""Which pages may read in a browser: those of the listed origins, as they are written, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.conftest import Cluster, Service, running_service
from tests.server.conftest import an_event

APP, LOCAL = "https://app.example.com", "http://localhost:3000"
KEY = "a-key-for-everything-in-tests"
PREFLIGHT = {"access-control-request-method": "GET", "access-control-request-headers": "authorization"}
READ = "/api/audit-log?tenant_id=acme"


@pytest.fixture(scope="module")
def allowing(clusters: Callable[[int], Cluster]) -> Iterator[httpx.Client]:
    cluster = clusters(18)
    database = cluster.databases.clone(cluster.template)
    settings = {"INDELIBLE_ADMIN_KEY": KEY, "INDELIBLE_CORS_ORIGINS": f"{APP},{LOCAL}", "INDELIBLE_KEY_READ_LIMIT": "0"}
    with (
        running_service(database, **settings) as address,
        httpx.Client(base_url=address, headers={"authorization": f"Bearer {KEY}"}, timeout=30) as client,
    ):
        yield client
    cluster.databases.drop(database)


def cors(answer: httpx.Response) -> dict[str, str]:
    return {
        name.removeprefix("access-control-"): value
        for name, value in answer.headers.items()
        if name.startswith("access-control-")
    }


@pytest.mark.parametrize("origin", [APP, LOCAL])
def test_a_page_of_a_listed_origin_may_read(allowing: httpx.Client, origin: str) -> None:
    answer = allowing.get(READ, headers={"origin": origin})
    assert answer.status_code == 200
    assert cors(answer) == {"allow-origin": origin, "expose-headers": "retry-after, content-disposition"}
    assert answer.headers["vary"] == "Accept-Language, Origin"


@pytest.mark.parametrize("origin", [APP, LOCAL])
def test_its_preflight_says_what_it_may_send(allowing: httpx.Client, origin: str) -> None:
    answer = allowing.options(READ, headers={"origin": origin, "authorization": "", **PREFLIGHT})
    assert (answer.status_code, answer.headers["vary"]) == (204, "Origin")
    assert cors(answer) == {
        "allow-origin": origin,
        "allow-methods": "GET",
        "allow-headers": "authorization, content-type, last-event-id",
        "max-age": "600",
    }


@pytest.mark.parametrize(
    "origin",
    [
        "https://elsewhere.example",
        "null",
        "*",
        "",
        APP.upper(),
        "https://App.example.com",
        f"{APP}/",
        f"{APP}:443",
        f"{APP}:8443",
        f"{APP}.evil.example",
        f"{APP}.",
        "https://evil-app.example.com",
        "https://x.app.example.com",
        "https://appxexample.com",
        "http://app.example.com",
        "https://app.example.com@evil.example",
        f"{APP} {LOCAL}",
        f"{APP}, {LOCAL}",
        "http://localhost",
        "http://localhost:30000",
        "http://127.0.0.1:3000",
        "chrome-extension://app.example.com",
        "app.example.com",
    ],
)
def test_a_page_of_another_origin_may_not(allowing: httpx.Client, origin: str) -> None:
    read = allowing.get(READ, headers={"origin": origin})
    preflight = allowing.options(READ, headers={"origin": origin, **PREFLIGHT})
    assert (read.status_code, preflight.status_code) == (200, 204)
    assert cors(read) == cors(preflight) == {}
    # Or a cache hands them to pages that may.
    assert (read.headers["vary"], preflight.headers["vary"]) == ("Accept-Language, Origin", "Origin")


def test_of_several_origins_none_is_believed(allowing: httpx.Client) -> None:
    for origins in ([APP, APP], [APP, "https://elsewhere.example"], ["https://elsewhere.example", APP]):
        headers = [("origin", origin) for origin in origins]
        answer = allowing.build_request("GET", READ, headers=[*headers, ("authorization", f"Bearer {KEY}")])
        assert cors(allowing.send(answer)) == {}


def test_whoever_names_no_origin_gets_an_answer_that_no_cache_confuses(allowing: httpx.Client) -> None:
    answer = allowing.get(READ)
    assert (answer.status_code, answer.headers["vary"], cors(answer)) == (200, "Accept-Language, Origin", {})


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [(READ, "wrong", 401), ("/api/audit-log?tenant_id=acme&limit=0", KEY, 422), ("/nowhere", KEY, 404),
     ("/api/audit-log?q=" + "x" * 20_000, KEY, 414)],
)  # fmt: skip
def test_an_error_can_be_read_too(allowing: httpx.Client, path: str, key: str, status: int) -> None:
    answer = allowing.get(path, headers={"origin": APP, "authorization": f"Bearer {key}"})
    assert (answer.status_code, cors(answer)["allow-origin"]) == (status, APP)


@pytest.mark.parametrize("path", ["/api/audit-log", "/api/audit-log/batch"])
def test_no_page_may_log(allowing: httpx.Client, path: str) -> None:
    """Events come from the vendor's servers; a browser has no business with a key that may log."""
    preflight = allowing.options(path, headers={"origin": APP, **PREFLIGHT, "access-control-request-method": "POST"})
    assert "POST" not in cors(preflight)["allow-methods"]
    event = an_event("acme")
    answer = allowing.post(path, json=event if path.endswith("log") else [event], headers={"origin": APP})
    assert (answer.status_code, cors(answer)) == (201, {})


def test_credentials_of_the_browser_are_never_asked_for(allowing: httpx.Client) -> None:
    for method in ("GET", "OPTIONS", "POST", "HEAD"):
        answer = allowing.request(method, READ, headers={"origin": APP, "cookie": "a=b", **PREFLIGHT})
        assert "allow-credentials" not in cors(answer)
        assert "set-cookie" not in answer.headers


def test_without_a_list_no_page_may_do_anything(service: Service) -> None:
    with service.client(origin=APP) as client:
        for answer in (client.get(READ), client.options(READ, headers=PREFLIGHT), client.get("/nowhere")):
            assert cors(answer) == {}
            assert "Origin" not in answer.headers.get("vary", "")
