"""The viewer: its script, for pages that embed it, and `/viewer`, a page of our own for vendors who link to it.

Neither holds anything of a tenant: what is shown the script asks for, with the token that its page was given.
"""

import base64
import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any, Final

from litestar import Request, Response, get
from litestar.datastructures import State

from indelible.server.gate import OPEN
from indelible.server.problems import Problem
from indelible.server.responses import json_response
from indelible.server.service import Service

__all__ = ["viewer_page", "viewer_script", "viewer_source"]

_LATEST: Final = "audit-log.js"
_ANYWHERE: Final = {
    # The script is public, and pages that pin it by its hash load it so (Subresource Integrity, section 3.4).
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
    "vary": "Accept-Encoding",
}
_INLINE: Final = re.compile(r"<(style|script)[^>]*>(.*?)</\1>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Script:
    """The built viewer. Its name changes with its content, so that it can be kept for good."""

    plain: bytes
    packed: bytes
    name: str
    integrity: str

    @property
    def address(self) -> str:
        return f"/viewer/{self.name}"


@cache
def _script() -> _Script:
    built = files("indelible.server").joinpath("static", _LATEST)
    try:
        plain = built.read_bytes()
    except FileNotFoundError:
        detail = "this installation was made without the viewer; in a checkout, `python hatch_build.py` builds it"
        raise Problem(404, "no_viewer", detail) from None
    name = f"audit-log.{hashlib.sha256(plain).hexdigest()[:16]}.js"
    integrity = f"sha384-{base64.b64encode(hashlib.sha384(plain).digest()).decode()}"
    return _Script(plain, gzip.compress(plain, mtime=0), name, integrity)


@get("/viewer/script.json", needs=OPEN)
async def viewer_source() -> Response[bytes]:
    """Where the script is, and the hash to pin it by."""
    script = _script()
    answer = json_response({"src": script.address, "integrity": script.integrity})
    answer.headers |= {"access-control-allow-origin": "*"}
    return answer


@get("/viewer/{name:str}", needs=OPEN)
async def viewer_script(request: Request[Any, Any, State]) -> Response[bytes]:
    """The script: under its own name for good, as `audit-log.js` the newest."""
    script = _script()
    name = request.path_params["name"]
    if name not in (script.name, _LATEST):
        detail = f"there is no {name} here; /viewer/script.json says which script there is"
        raise Problem(404, "no_such_script", detail)
    kept = "public, max-age=31536000, immutable" if name == script.name else "no-cache"
    headers = {"cache-control": kept, "etag": f'"{script.integrity}"', **_ANYWHERE}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(b"", status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        return Response(script.packed, headers=headers, media_type="text/javascript")
    return Response(script.plain, headers=headers, media_type="text/javascript")


@get("/viewer", needs=OPEN)
async def viewer_page(state: State) -> Response[str]:
    service: Service = state.service
    script = _script()
    page = (
        _template()
        .replace("{src}", script.address)
        .replace("{integrity}", script.integrity)
        .replace("{back}", escape(service.settings.viewer_link or ""))
    )
    return Response(
        page,
        media_type="text/html",
        headers={"content-security-policy": _policy(service.settings.cors_origins)},
    )


@cache
def _template() -> str:
    return files("indelible.server").joinpath("viewer.html").read_text()


@cache
def _policy(framed_by: tuple[str, ...]) -> str:
    """Nothing but the page's own style and script, by their hashes, and what the script asks of this service.

    The pages of those who may read may also show it in a frame.
    """
    hashes: dict[str, str] = {}
    for tag, content in _INLINE.findall(_template()):
        if content:
            digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
            hashes[tag] = f"'sha256-{digest}'"
    frames = " ".join(framed_by) or "'none'"
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' {hashes['script']}",
            f"style-src {hashes['style']}",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types lit-html",
            f"frame-ancestors {frames}",
        )
    )
