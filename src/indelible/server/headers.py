"""Headers that every answer has, and those that let pages of other origins read (CORS, Fetch standard section 3.2)."""

from collections.abc import Callable, Collection, Iterable
from typing import Final

from litestar.types import HTTPScope, Message, Send

__all__ = ["ALWAYS", "Cors", "hardened"]

_Headers = list[tuple[bytes, bytes]]

ALWAYS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
"""What is answered is for whoever asked alone, and is what its type says; its address, which names a tenant, is told
to no other site."""

_STRICT: Final = (
    b"content-security-policy",
    b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
)
"""For a page that brings no policy of its own."""

_ALLOW_ORIGIN: Final = b"access-control-allow-origin"
_MAX_AGE: Final = b"600"


def hardened(send: Send, more: Callable[[_Headers], _Headers] | None = None) -> Send:
    """Sends answers with those headers that they have not got, and with what `more` gives for theirs."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: _Headers = list(message.get("headers", ()))
            if more is not None:
                headers += more(headers)
            names = {name.lower(): value for name, value in headers}
            headers += [header for header in ALWAYS if header[0] not in names]
            if names.get(b"content-type", b"").startswith(b"text/html") and _STRICT[0] not in names:
                headers.append(_STRICT)
            message["headers"] = headers
        await send(message)

    return sending


class Cors:
    """Lets pages of the `origins` read answers. Each is compared as it is, with nothing left out or put in.

    Nothing of a browser's own, such as a cookie, is ever asked for: a page sends the token that it was given.
    """

    def __init__(self, origins: Iterable[str], post_elsewhere: Collection[str]) -> None:
        """At the addresses `post_elsewhere` a POST is none of ours, so that no page is told that it may."""
        self._origins = frozenset(origin.encode() for origin in origins)
        self._post_elsewhere = post_elsewhere

    def headers(self, scope: HTTPScope) -> Callable[[_Headers], _Headers] | None:
        """What is added to an answer's headers; None where no origin may read."""
        if not self._origins:
            return None
        asked = {name: value for name, value in scope["headers"] if name != b"origin"}
        found = [value for name, value in scope["headers"] if name == b"origin"]
        allowed = found[0] if len(found) == 1 and found[0] in self._origins else None
        is_preflight = scope["method"] == "OPTIONS" and b"access-control-request-method" in asked

        def more(headers: _Headers) -> _Headers:
            if any(name.lower() == _ALLOW_ORIGIN for name, _ in headers):
                return []
            # A cache in between must not hand one origin's answer to another.
            added = [(b"vary", b"Origin")]
            if allowed is None:
                return added
            added.append((_ALLOW_ORIGIN, allowed))
            if is_preflight:
                return [
                    *added,
                    (b"access-control-allow-methods", self._methods(scope["path"], headers)),
                    (b"access-control-allow-headers", b"authorization, content-type, last-event-id"),
                    (b"access-control-max-age", _MAX_AGE),
                ]
            return [*added, (b"access-control-expose-headers", b"retry-after, content-disposition")]

        return more

    def _methods(self, path: str, headers: _Headers) -> bytes:
        told = next((value for name, value in headers if name.lower() == b"allow"), b"")
        methods = {method.strip() for method in told.split(b",")} - {b"OPTIONS", b""}
        if path in self._post_elsewhere:
            methods.discard(b"POST")
        return b", ".join(sorted(methods))
