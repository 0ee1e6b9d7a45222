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

__all__ = ["viewer_file", "viewer_latest", "viewer_page", "viewer_source"]

_FIRST: Final = "audit-log.js"
_ANYWHERE: Final = {
    # The script is public, and pages that pin it by its hash load it so (Subresource Integrity, section 3.4).
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
    "vary": "Accept-Encoding",
}
_GZIP: Final = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
_FOR_GOOD: Final = "public, max-age=31536000, immutable"
_INLINE: Final = re.compile(r"<(style|script)[^>]*>(.*?)</\1>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Built:
    """The built viewer: the file that pages load, and those that it loads later, from beside it and by their hashes."""

    files: dict[str, tuple[bytes, bytes]]
    """By name, as they are and packed."""
    version: str
    """Changes with any of them, so that all can be kept for good."""
    integrity: str
    """Of the first file."""

    @property
    def src(self) -> str:
        return f"/viewer/{self.version}/{_FIRST}"


@cache
def _built() -> _Built:
    static = files("indelible.server").joinpath("static")
    found = {file.name: file.read_bytes() for file in static.iterdir()} if static.is_dir() else {}
    if _FIRST not in found:
        detail = "this installation was made without the viewer; in a checkout, `python hatch_build.py` builds it"
        raise Problem(404, "no_viewer", detail)
    digest = hashlib.sha256(b"".join(hashlib.sha256(found[name]).digest() for name in sorted(found)))
    integrity = base64.b64encode(hashlib.sha384(found[_FIRST]).digest()).decode()
    packed = {name: (content, gzip.compress(content, mtime=0)) for name, content in found.items()}
    return _Built(packed, digest.hexdigest()[:16], f"sha384-{integrity}")


@get("/viewer/script.json", needs=OPEN)
async def viewer_source() -> Response[bytes]:
    """Where the script is, and the hash to pin it by."""
    built = _built()
    answer = json_response({"src": built.src, "integrity": built.integrity})
    answer.headers |= {"access-control-allow-origin": "*"}
    return answer


@get(f"/viewer/{_FIRST}", needs=OPEN)
async def viewer_latest() -> Response[bytes]:
    """The newest, for whoever pins none. It is a module at one address alone, as the files beside it refer to that."""
    content = f'export * from "./{_built().version}/{_FIRST}";\n'.encode()
    headers = {"cache-control": "no-cache", **_ANYWHERE}
    return Response(content, headers=headers, media_type="text/javascript")


@get("/viewer/{version:str}/{name:str}", needs=OPEN)
async def viewer_file(request: Request[Any, Any, State]) -> Response[bytes]:
    """One of the files, for good."""
    built = _built()
    version, name = request.path_params["version"], request.path_params["name"]
    if version != built.version or name not in built.files:
        detail = f"there is no {version}/{name} here; /viewer/script.json says which script there is"
        raise Problem(404, "no_such_script", detail)
    plain, packed = built.files[name]
    headers = {"cache-control": _FOR_GOOD, **_ANYWHERE}
    if _GZIP.search(request.headers.get("accept-encoding", "")):
        return Response(packed, headers={**headers, "content-encoding": "gzip"}, media_type="text/javascript")
    return Response(plain, headers=headers, media_type="text/javascript")


@get("/viewer", needs=OPEN)
async def viewer_page(state: State) -> Response[str]:
    service: Service = state.service
    built = _built()
    page = (
        _template()
        .replace("{src}", built.src)
        .replace("{integrity}", built.integrity)
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
