"""The viewer as it is handed out: its script, which pages pin by its hash, and the page of our own."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from indelible.server import viewer
from indelible.server.problems import Problem
from tests.conftest import Cluster, Service, running_service
from tests.server.conftest import problem

HOST = "https://app.example"
BACK = "https://app.example/log?a=1&b='\"><script>"


@pytest.fixture(scope="module")
def embedding(clusters: Callable[[int], Cluster]) -> Iterator[str]:
    """The address of a service that a page of `HOST` may read."""
    cluster = clusters(18)
    database = cluster.databases.clone(cluster.template)
    with running_service(database, INDELIBLE_CORS_ORIGINS=HOST, INDELIBLE_VIEWER_LINK=BACK) as address:
        yield address
    cluster.databases.drop(database)


@pytest.fixture
def stranger(service: Service) -> Iterator[httpx.Client]:
    """Scripts and pages are loaded before anybody has a token."""
    with httpx.Client(base_url=service.address) as client:
        yield client


def integrity(content: bytes, algorithm: str = "sha384") -> str:
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


def test_the_script_is_what_its_hash_says(stranger: httpx.Client) -> None:
    source = stranger.get("/viewer/script.json").json()
    script = stranger.get(source["src"])
    assert integrity(script.content) == source["integrity"]
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert script.headers["content-encoding"] == "gzip"
    for unpacked in ("identity", "gzip;q=0", "br, gzip ; q=0.0, x"):
        answer = stranger.get(source["src"], headers={"accept-encoding": unpacked})
        assert "content-encoding" not in answer.headers
        assert answer.content == script.content


@pytest.mark.parametrize("name", ["more.js", "de.js"])
def test_what_it_loads_later_it_pins_itself(stranger: httpx.Client, name: str) -> None:
    """So that a page which pins the first file runs no other code than was built with it."""
    source = stranger.get("/viewer/script.json").json()["src"]
    later = stranger.get(source.replace("audit-log.js", name))
    assert f'"{name}":"{integrity(later.content)}"' in stranger.get(source).text


def test_files_are_kept_for_good_and_the_newest_is_asked_for_again(stranger: httpx.Client) -> None:
    """Whoever keeps the newest would show an old viewer after an update; by its version a file never changes."""
    source = stranger.get("/viewer/script.json").json()["src"]
    newest = stranger.get("/viewer/audit-log.js")
    assert stranger.get(source).headers.get_list("cache-control") == ["public, max-age=31536000, immutable"]
    assert newest.headers.get_list("cache-control") == ["no-cache"]
    assert newest.text == f'export * from ".{source.removeprefix("/viewer")}";\n'


@pytest.mark.parametrize(
    "name", ["0123456789abcdef/audit-log.js", "audit-log", "x/..%2f..%2fviewer.py", "viewer.html", "static/more.js"]
)
def test_there_is_no_other_file(stranger: httpx.Client, name: str) -> None:
    answer = stranger.get(f"/viewer/{name}")
    assert answer.status_code == 404
    assert answer.json()["code"] in {"no_such_script", "no_such_route"}
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("origin", [HOST, "https://elsewhere.example", None])
@pytest.mark.parametrize("path", ["/viewer/script.json", "/viewer/audit-log.js"])
def test_any_page_may_load_the_script(embedding: str, path: str, origin: str | None) -> None:
    """Once: browsers refuse two values, also where the page's origin is one that may read besides."""
    answer = httpx.get(embedding + path, headers={"origin": origin} if origin else {})
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]


def test_the_page_runs_its_own_script_and_no_other(stranger: httpx.Client) -> None:
    page = stranger.get("/viewer")
    (policy,) = page.headers.get_list("content-security-policy")
    allowed = dict(part.split(" ", 1) for part in policy.split("; "))
    script = stranger.get("/viewer/script.json").json()
    (inline,) = [text for text in re.findall(r"<script[^>]*>(.*?)</script>", page.text, re.DOTALL) if text]
    (style,) = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    assert allowed["default-src"] == "'none'"
    assert allowed["script-src"] == f"'self' '{integrity(inline.encode(), 'sha256')}'"
    assert allowed["style-src"] == f"'{integrity(style.encode(), 'sha256')}'"
    assert allowed["connect-src"] == "'self'"
    assert allowed["frame-ancestors"] == "'none'"
    assert f'src="{script["src"]}" integrity="{script["integrity"]}"' in page.text
    assert "unsafe" not in policy
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"


def test_the_page_leads_back_where_its_operator_says_and_may_be_framed_there(embedding: str) -> None:
    page = httpx.get(f"{embedding}/viewer")
    assert page.headers["content-security-policy"].endswith(f"frame-ancestors {HOST}")
    assert 'data-back="https://app.example/log?a=1&amp;b=&#x27;&quot;&gt;&lt;script&gt;"' in page.text


def test_an_installation_without_the_script_says_how_to_build_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(viewer, "files", lambda _: tmp_path)
    with pytest.raises(Problem, match="hatch_build"):
        viewer._built.__wrapped__()


def test_only_reading_is_done_at_these_addresses(stranger: httpx.Client) -> None:
    for path in ("/viewer", "/viewer/script.json", "/viewer/audit-log.js"):
        problem(stranger.post(path, json={}), 405, "method_not_allowed")
