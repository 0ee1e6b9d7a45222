"""JSON bodies of requests that manage something: what is wrong is named, and where, and nothing too large is read."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar, Request, Response, post
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from msgspec import Meta, Struct

from indelible.server.body import MAX_JSON_BYTES, read_body, read_json
from indelible.server.gate import clock
from indelible.server.problems import Problem
from indelible.server.responses import json_response, problem_response
from tests.server.conftest import problem
from tests.store.samples import examples

pytestmark = pytest.mark.anyio


class Inner(Struct, forbid_unknown_fields=True):
    kind: Literal["token", "actor"]


class Body(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=20)]
    scopes: list[Literal["events:read", "events:write"]] = []
    days: Annotated[int, Meta(ge=1, le=365)] = 1
    until: Annotated[datetime, Meta(tz=True)] | None = None
    inner: Inner | None = None
    old: UUID | None = None
    labels: dict[str, str] = {}
    admin: bool = False


async def admitted(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """In place of the gate, which has tests of its own."""
    connection.state.caller, connection.state.admitted_at = None, clock()


@post("/")
async def route(request: Request[Any, Any, Any]) -> Response[bytes]:
    return json_response(await read_json(request, Body))


@pytest.fixture(scope="module")
async def api() -> AsyncIterator[httpx.AsyncClient]:
    app = Litestar(
        [route],
        guards=[admitted],
        exception_handlers={Exception: problem_response},
        openapi_config=None,
        logging_config=None,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:  # type: ignore[arg-type]
        yield client


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
async def test_a_body_is_read_whatever_its_type_is_called(api: httpx.AsyncClient, content_type: str) -> None:
    sent = {"name": "CI", "scopes": ["events:read"], "inner": {"kind": "actor"}, "labels": {"a": "é"}}
    answer = await api.post("/", content=json.dumps(sent), headers={"content-type": content_type})
    assert answer.status_code == 200
    assert answer.json().items() >= sent.items()


@pytest.mark.parametrize(
    ("fields", "pointer", "detail"),
    [
        ({"name": None}, "/name", "must be a text, not null"),
        ({"name": 1}, "/name", "must be a text, not a whole number"),
        ({"name": ""}, "/name", "must have at least 1 character"),
        ({"name": "x" * 21}, "/name", "must have at most 20 characters"),
        ({"name": "a\0b"}, "/name", "must not hold the NUL character"),
        ({"scopes": "events:read"}, "/scopes", "must be a list, not a text"),
        ({"scopes": ["events:read", "all"]}, "/scopes/1", "must be one of events:read, events:write"),
        ({"days": 0}, "/days", "must be at least 1"),
        ({"days": 10**30}, "/days", "must be at most 365"),
        ({"days": 1.5}, "/days", "must be a whole number, not a number"),
        ({"days": True}, "/days", "must be a whole number, not true or false"),
        ({"until": "tomorrow"}, "/until", "must be an RFC 3339 time with an offset, such as 2026-11-21T09:30:00Z"),
        ({"until": "2026-11-21T09:30:00"}, "/until",
         "must be an RFC 3339 time with an offset, such as 2026-11-21T09:30:00Z"),
        ({"old": "7"}, "/old", "must be a UUID, such as 0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90"),
        ({"inner": {"kind": "all"}}, "/inner/kind", "must be one of actor, token"),
        ({"inner": {}}, "/inner/kind", "is required"),
        ({"inner": {"kind": "token", "kin": 1}}, "/inner/kin", "is no field here; did you mean kind?"),
        ({"labels": {"x": 1}}, "/labels", "must be a text, not a whole number"),
        ({"labels": {"x/y": "\0"}}, "/labels/x~1y", "must not hold the NUL character"),
        ({"labels": {"\0": "x"}}, "/labels", "must not hold the NUL character"),
        ({"scope": []}, "/scope", "is no field here; did you mean scopes?"),
        ({"a/b~": 1}, "/a~1b~0",
         "is no field here; there are name, scopes, days, until, inner, old, labels, admin"),
        ({"q - at `$.name`": 1}, "/q - at `$.name`",
         "is no field here; there are name, scopes, days, until, inner, old, labels, admin"),
    ],
)  # fmt: skip
async def test_a_field_that_is_wrong_is_pointed_at(
    api: httpx.AsyncClient, fields: dict[str, Any], pointer: str, detail: str
) -> None:
    found = problem(await api.post("/", json={"name": "CI", **fields}), 422, "invalid_body")
    assert found["errors"] == [{"detail": detail, "pointer": pointer}]
    assert found["detail"] == f"{pointer}: {detail}"


@pytest.mark.parametrize(
    ("content", "detail"),
    [(b"[]", "must be an object, not a list"), (b"null", "must be an object, not null"),
     (b'"x"', "must be an object, not a text")],
)  # fmt: skip
async def test_a_body_of_another_kind_is_said_to_be(api: httpx.AsyncClient, content: bytes, detail: str) -> None:
    found = problem(await api.post("/", content=content), 422, "invalid_body")
    assert found["errors"] == [{"detail": detail, "pointer": ""}]


@pytest.mark.parametrize(
    "content",
    [b"", b" ", b"{", b'{"name":"x"}x', b'{"name":"\xff"}', b'{"name":"\\ud800"}', b'{"name":"a\0"}', b"\xef\xbb\xbf{}",
     b"name=x", b'{"name":"x","days":NaN}', b"{'name':'x'}"],
)  # fmt: skip
async def test_what_is_no_json_is_400(api: httpx.AsyncClient, content: bytes) -> None:
    problem(await api.post("/", content=content), 400, "malformed_json")


@pytest.mark.parametrize("packed", [False, True])
async def test_a_large_body_is_413(api: httpx.AsyncClient, packed: bool) -> None:
    for size, status in ((MAX_JSON_BYTES, 200), (MAX_JSON_BYTES + 1, 413)):
        content = b'{"name":"x"}'.ljust(size)
        headers = {"content-encoding": "gzip"} if packed else {}
        answer = await api.post("/", content=gzip.compress(content) if packed else content, headers=headers)
        assert answer.status_code == status


async def test_a_large_body_in_pieces_is_413_and_not_read_to_its_end(api: httpx.AsyncClient) -> None:
    """It declares no length; and one that declares a small one is no smaller for that."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 1024

    problem(await api.post("/", content=endless()), 413, "body_too_large")
    assert sent <= MAX_JSON_BYTES // 1024 + 2
    oversized = b'{"name":"x"}'.ljust(MAX_JSON_BYTES + 1)
    problem(await api.post("/", content=oversized, headers={"content-length": "5"}), 413, "body_too_large")


async def test_other_encodings_are_415_and_damaged_ones_400(api: httpx.AsyncClient) -> None:
    problem(await api.post("/", content=b"{}", headers={"content-encoding": "br"}), 415, "unsupported_encoding")
    problem(await api.post("/", content=b"{}", headers={"content-encoding": "gzip"}), 400, "malformed_gzip")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    content=st.binary()
    | JSON.map(json.dumps).map(str.encode)
    | st.dictionaries(st.sampled_from(Body.__struct_fields__), JSON).map(json.dumps).map(str.encode)
)
@examples(150)
async def test_whatever_is_sent_is_taken_or_the_senders_error(api: httpx.AsyncClient, content: bytes) -> None:
    answer = await api.post("/", content=content)
    assert answer.status_code in {200, 400, 422}
    if answer.status_code == 422:
        assert answer.json()["errors"][0].keys() == {"detail", "pointer"}


async def test_a_body_has_to_be_there_in_time() -> None:
    """However it dawdles: in one piece that never comes, or in many that always do."""

    async def never() -> Any:
        await asyncio.sleep(60)

    async def drop_by_drop() -> Any:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def at_once() -> Any:
        return {"type": "http.request", "body": b"x", "more_body": False}

    for receive in (never, drop_by_drop):
        with pytest.raises(Problem) as refused:
            await read_body({}, receive, limit=10_000, patience=0.1)
        assert (refused.value.status, refused.value.details.code) == (408, "body_too_slow")
        assert refused.value.headers == {"connection": "close"}
    assert await read_body({}, at_once, limit=10_000, patience=0.1) == b"x"
