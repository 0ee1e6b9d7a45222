"""In which language what happened is told: `Accept-Language` on every route with sentences or titles."""

from __future__ import annotations

from itertools import product
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indelible.catalog import Catalog
from indelible.server.languages import preferred
from tests.server.conftest import Reader, an_event
from tests.server.in_process import sse

CATALOG = Catalog.load()

CHANGED = {
    "action": "user.role_changed",
    "actor": {"type": "user", "id": "usr_7", "name": "Sarah Chen"},
    "targets": [{"type": "user", "id": "usr_9", "name": "Alex Roman"}],
    "changes": {"role": {"from": "member", "to": "admin"}},
}
ENGLISH = "Sarah Chen changed Alex Roman from Member to Admin"
GERMAN = "Sarah Chen hat die Rolle von Alex Roman von Mitglied auf Admin geändert"


@pytest.mark.parametrize(
    ("accepted", "tag"),
    [
        ("de", "de"),
        ("DE-ch", "de"),
        ("de-Latn-CH-1996", "de"),
        ("en", "en"),
        ("fr", "en"),
        ("", "en"),
        ("*", "en"),
        ("fr, de;q=0.2", "de"),
        ("en;q=0.5, de;q=0.9", "de"),
        ("de;q=0.9, en", "en"),
        ("de, en", "de"),
        ("en, de", "en"),
        ("de;q=0", "en"),
        ("en;q=0, *", "de"),
        ("en;q=0", "en"),
        ("en;q=0.1, *;q=0.5", "de"),
        (" de ; q=1.000 ", "de"),
        ("de;q=1.001", "en"),
        ("de;q=x, en;q=0.1", "en"),
        ("deutsch-ist-schön", "en"),
        ("de;q=0.5;q=0.9", "en"),
        (",,;=;q, de", "de"),
        ("x" * 100_000 + ", de", "en"),
    ],
)
def test_the_language_that_is_preferred(accepted: str, tag: str) -> None:
    """By its weight, then by what is named first; English where nothing of ours is wanted, or nothing can be read."""
    assert preferred(CATALOG, accepted).language.tag == tag


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=200), st.text(alphabet="deDEn-*;,=q01. ", max_size=200)))
def test_nothing_that_is_sent_is_an_error(accepted: str) -> None:
    assert preferred(CATALOG, accepted).language.tag in ("en", "de")


def told(answer: httpx.Response) -> list[dict[str, Any]]:
    """The events that an answer holds, wherever in it."""
    if answer.headers["content-type"] == "text/event-stream":
        return [message.data for message in sse(answer.text) if message.event == "logged"]
    body = answer.json()
    if "same_session" in body:
        return [*body["before"]["data"], *body["after"]["data"]]
    found: list[dict[str, Any]] = body.get("data", [body])
    return found


@pytest.mark.parametrize("path", ["", "/{}", "/{}/context", "/feed", "/live?seconds=0&after=-1"])
def test_every_route_with_sentences_tells_them_in_the_language(
    api: httpx.Client, tenant: str, reader: Reader, path: str
) -> None:
    """To keys and to people alike; whoever asks for none is answered as ever."""
    ids = [api.post("/api/audit-log", json=an_event(tenant, **CHANGED)).json()["id"] for _ in range(2)]
    address = "/api/audit-log" + path.format(ids[0])
    with reader(role="admin") as people:
        callers: list[tuple[httpx.Client, dict[str, str]]] = [(api, {"tenant_id": tenant}), (people, {})]
        languages = ((None, "en", ENGLISH), ("fr", "en", ENGLISH), ("de-AT, en;q=0.8", "de", GERMAN))
        for (client, query), (accepted, tag, said) in product(callers, languages):
            url = httpx.URL(address).copy_merge_params(query)
            answer = client.get(url, headers={} if accepted is None else {"accept-language": accepted})
            assert answer.status_code == 200, answer.text
            assert (answer.headers["content-language"], answer.headers["vary"]) == (tag, "Accept-Language")
            sentences = {event["sentence"] for event in told(answer) if event["action"] == "user.role_changed"}
            assert sentences == {said}


def test_titles_are_told_in_the_language(api: httpx.Client, tenant: str) -> None:
    """One after the other: an answer that is kept for one language is none for the other."""
    api.post("/api/audit-log", json=an_event(tenant, **CHANGED))

    def titles(accepted: str, **query: str) -> list[str]:
        answer = api.get(
            "/api/audit-log/actions", params={"tenant_id": tenant, **query}, headers={"accept-language": accepted}
        )
        assert answer.headers["content-language"] == accepted
        return [each["title"] for each in answer.json()["data"] if each["action"] == "user.role_changed"]

    for _ in range(2):
        assert (titles("en"), titles("de")) == (["Role changed"], ["Rolle geändert"])
    assert titles("de", q="geändert") == ["Rolle geändert"]
    assert titles("en", q="geänd") == ["Role changed"]


@pytest.mark.parametrize("word", ["Rolle", "geändert", "GEÄND", "role", '"changed alex roman"'])
@pytest.mark.parametrize("accepted", ["en", "de"])
def test_what_is_found_does_not_depend_on_the_language(
    api: httpx.Client, tenant: str, word: str, accepted: str
) -> None:
    """Words of the German titles find actions as the English ones do; what is stored knows no language."""
    api.post("/api/audit-log", json=an_event(tenant, **CHANGED))
    api.post("/api/audit-log", json=an_event(tenant, action="user.signed_out"))
    query = {"tenant_id": tenant, "q": word}
    found = api.get("/api/audit-log", params=query, headers={"accept-language": accepted}).json()["data"]
    assert [event["action"] for event in found] == ["user.role_changed"]


def test_several_headers_are_one(api: httpx.Client, tenant: str) -> None:
    headers = [("accept-language", "fr"), ("accept-language", "de;q=0.3")]
    answer = api.get("/api/audit-log", params={"tenant_id": tenant}, headers=headers)
    assert answer.headers["content-language"] == "de"


def test_what_is_sealed_is_the_same(api: httpx.Client, tenant: str) -> None:
    """The sentence is made when it is read, and nothing else differs by it."""
    id_ = api.post("/api/audit-log", json=an_event(tenant, **CHANGED)).json()["id"]
    english, german = (
        api.get(f"/api/audit-log/{id_}", params={"tenant_id": tenant}, headers={"accept-language": tag}).json()
        for tag in ("en", "de")
    )
    assert english.pop("sentence") != german.pop("sentence")
    assert english == german
