"""Request bodies: read to a limit, and unpacked to one."""

import zlib
from collections.abc import Mapping

from litestar.types import Receive

from indelible.server.problems import Problem

__all__ = ["read_body"]


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, *, limit: int) -> bytes:
    """The body, of at most `limit` bytes, packed (gzip) or not. Raises `Problem` 400, 413 or 415."""
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in {b"identity", b"gzip"}:
        raise Problem(415, "unsupported_encoding", "Content-Encoding must be gzip, or absent")
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
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
                break
    body = b"".join(parts)
    return _unpack(body, limit) if encoding == b"gzip" else body


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
