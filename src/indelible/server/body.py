"""Request bodies: read to a limit, unpacked to one, and as the JSON that they have to be."""

import asyncio
import re
import zlib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any, Final, TypeVar

import msgspec
from litestar import Request
from litestar.types import Receive
from msgspec import inspect

from indelible.server.gate import admit_again
from indelible.server.problems import ErrorDetail, Problem
from indelible.store.epoch import EPOCH_AGE

__all__ = ["MAX_JSON_BYTES", "PATIENCE", "invalid_body", "read_body", "read_json"]

MAX_JSON_BYTES = 64 * 1024
"""The largest body of a request that manages something."""

_T = TypeVar("_T", bound=msgspec.Struct)

PATIENCE: Final = 30.0
"""Seconds that a body may take to arrive. Whoever sends it is known by what was good when its headers came."""

_LONGEST_NAME = 100

_SAYS = {"/tenant_id": "must be 1 to 128 letters, digits or . _ : @ ~ + -, the first a letter or digit"}

_MESSAGE = re.compile(r"(.*?)(?: - at `\$((?:\.[\w-]+|\[(?:\d+|\.\.\.)\])*)`)?", re.DOTALL)
"""Of msgspec: what is wrong, and perhaps where. `[...]` is some key of a mapping."""


async def read_json(
    request: Request[Any, Any, Any],
    model: type[_T],
    *,
    says: Mapping[str, str] | None = None,
    may_be_empty: bool = False,
) -> _T:
    """The body as `model`, a Struct that forbids fields it does not know.

    `says` has, by pointer, what a field must be, where its type does not say it to people. Nothing is as good as {}
    where it `may_be_empty`. Where it was long in coming the caller is admitted again: take them from the request's
    state afterwards. Raises `Problem` 400 `malformed_json` where it is no JSON, 422 `invalid_body` with a pointer to
    the field that is wrong, and what `read_body` and `admit_again` do.
    """
    raw = await read_body(dict(request.scope["headers"]), request.receive, limit=MAX_JSON_BYTES)
    await admit_again(request, after=EPOCH_AGE)
    if may_be_empty and not raw.strip():
        raw = b"{}"
    try:
        found: _T = _decoder(model).decode(raw)
    except msgspec.ValidationError as error:
        raise invalid_body(_explain(str(error), model, {**_SAYS, **(says or {})})) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        detail = f"it is no JSON: {error}" if raw else "it is empty"
        raise Problem(400, "malformed_json", f"the body must be a JSON object; {detail}") from None
    # PostgreSQL's text has no NUL.
    if b"\\u0000" in raw and (pointer := next(_with_nul(msgspec.json.decode(raw), ""), None)) is not None:
        raise invalid_body(ErrorDetail("must not hold the NUL character", pointer=pointer))
    return found


def invalid_body(*errors: ErrorDetail) -> Problem:
    """What is wrong with fields of a body, all of it in one answer."""
    detail = "; ".join(f"{error.pointer or 'the body'}: {error.detail}" for error in errors)
    return Problem(422, "invalid_body", detail, errors)


async def read_body(
    headers: Mapping[bytes, bytes], receive: Receive, *, limit: int, patience: float = PATIENCE
) -> bytes:
    """The body, of at most `limit` bytes, packed (gzip) or not, all of which has to be there in `patience` seconds.

    Raises `Problem` 400, 408, 413 or 415.
    """
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in {b"identity", b"gzip"}:
        raise Problem(415, "unsupported_encoding", "Content-Encoding must be gzip, or absent")
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(patience):
            body = await _whole(receive, limit)
    except TimeoutError:
        detail = f"the body was not all there after {patience:g} seconds; send it again, at once"
        # RFC 9110 section 15.5.9: what is still to come is not waited for.
        raise Problem(408, "body_too_slow", detail, headers={"connection": "close"}) from None
    return _unpack(body, limit) if encoding == b"gzip" else body


async def _whole(receive: Receive, limit: int) -> bytes:
    parts = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "incomplete_body", "the connection ended before the body did")
        if message["type"] == "http.request":
            parts.append(message["body"])
            size += len(message["body"])
            if size > limit:
                raise _too_large(limit)
            if not message["more_body"]:
                return b"".join(parts)


def _unpack(packed: bytes, limit: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        body = unpacker.decompress(packed, limit + 1)
    except zlib.error as error:
        raise Problem(400, "malformed_gzip", f"the body is not gzip: {error}") from None
    if len(body) > limit:
        raise _too_large(limit)
    if not unpacker.eof or unpacker.unused_data:
        raise Problem(400, "malformed_gzip", "the body is not one whole gzip member")
    return body


def _too_large(limit: int) -> Problem:
    return Problem(413, "body_too_large", f"the body has more than {limit:,} bytes; send several smaller ones")


@cache
def _decoder(model: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    assert model.__struct_config__.forbid_unknown_fields, model
    return msgspec.json.Decoder(model)


def _explain(message: str, model: type[msgspec.Struct], says: Mapping[str, str]) -> ErrorDetail:
    """msgspec's message, which is of the first thing wrong, as a pointer and what to do about it."""
    found = _MESSAGE.fullmatch(message)
    assert found is not None
    text, path = found[1], found[2] or ""
    tokens = [name or index for name, index in re.findall(r"\.([\w-]+)|\[(\d+)\]", path.partition("[...]")[0])]
    shape = _shape(inspect.type_info(model), tokens)
    if match := re.fullmatch(r"Object (missing required|contains unknown) field `(.*)`", text, re.DOTALL):
        name = match[2][:_LONGEST_NAME]
        known = [each.encode_name for each in shape.fields] if isinstance(shape, inspect.StructType) else []
        near = get_close_matches(name, known, 1)
        unknown = "is no field here" + (f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}")
        return ErrorDetail("is required" if match[1] == "missing required" else unknown, _pointer([*tokens, name]))
    pointer = _pointer(tokens)
    return ErrorDetail(f"must be {says[pointer]}" if pointer in says else _in_words(text, shape), pointer)


def _shape(shape: inspect.Type, tokens: list[str]) -> inspect.Type:
    """What has to stand at the place that `tokens` lead to, leaving out null."""
    while isinstance(shape, inspect.Metadata):
        shape = shape.type
    if isinstance(shape, inspect.UnionType):
        shape = next((each for each in shape.types if not isinstance(each, inspect.NoneType)), shape)
        return _shape(shape, tokens)
    if not tokens:
        return shape
    if isinstance(shape, inspect.StructType):
        inner = [each.type for each in shape.fields if each.encode_name == tokens[0]]
        return _shape(inner[0], tokens[1:]) if inner else shape
    if isinstance(shape, inspect.CollectionType):
        return _shape(shape.item_type, tokens[1:])
    return shape


_KINDS = {
    "object": "an object", "array": "a list", "str": "a text", "int": "a whole number", "float": "a number",
    "bool": "true or false", "null": "null",
}  # fmt: skip


def _in_words(text: str, shape: inspect.Type) -> str:
    """What was expected, without the names that Python has for it."""
    if isinstance(shape, inspect.LiteralType):
        return f"must be one of {', '.join(map(str, shape.values))}"
    if match := re.fullmatch(r"Expected `(\w+)(?: \| null)?`, got `(\w+)`", text):
        return f"must be {_KINDS.get(match[1], match[1])}, not {_KINDS.get(match[2], match[2])}"
    if match := re.fullmatch(r"Expected `(\w+)(?: \| null)?` of length ([<>])= (\d+)", text):
        unit = "item" if match[1] == "array" else "character"
        return f"must have at {'least' if match[2] == '>' else 'most'} {match[3]} {unit}{'s' * (match[3] != '1')}"
    if match := re.fullmatch(r"Expected `(?:int|float)(?: \| null)?` ([<>])= (\S+)", text):
        return f"must be at {'least' if match[1] == '>' else 'most'} {match[2]}"
    if match := re.fullmatch(r"Expected `str(?: \| null)?` matching regex (.*)", text, re.DOTALL):
        return f"must match {match[1]}"
    if text.startswith("Invalid RFC3339") or "timezone" in text:
        return "must be an RFC 3339 time with an offset, such as 2026-11-21T09:30:00Z"
    if text == "Invalid UUID":
        return "must be a UUID, such as 0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90"
    return text[:1].lower() + text[1:]


def _pointer(tokens: list[str]) -> str:
    """RFC 6901."""
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in tokens)


def _with_nul(value: object, pointer: str) -> Iterator[str]:
    if isinstance(value, str) and "\0" in value:
        yield pointer
    elif isinstance(value, dict):
        for key, item in value.items():
            if "\0" in key:
                yield pointer
            yield from _with_nul(item, pointer + _pointer([key]))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _with_nul(item, f"{pointer}/{index}")
