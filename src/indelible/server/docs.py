"""The API's description, for programs (`/openapi.json`) and for people (`/docs`)."""

import json
import re
from functools import cache
from html import escape
from typing import Any

from litestar import Response, get

from indelible.server.gate import OPEN
from indelible.server.openapi import describe_api
from indelible.server.responses import json_response

__all__ = ["docs", "openapi_json"]

_STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); --soft:
color-mix(in srgb, currentColor 65%, transparent); }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 6rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.15rem; margin: 0 0 .3rem; }
section { border-top: 1px solid var(--line); padding: 1.6rem 0; }
code, pre { font: .86rem/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .9rem 1rem; border: 1px solid var(--line); border-radius: .5rem; }
.method { font-weight: 700; margin-right: .6rem; } .soft { color: var(--soft); }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; vertical-align: top;
padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); } th { font-weight: 600; }
"""


@get("/openapi.json", needs=OPEN)
async def openapi_json() -> Response[bytes]:
    return json_response(describe_api())


@get("/docs", needs=OPEN)
async def docs() -> Response[str]:
    return Response(
        _page(),
        media_type="text/html",
        headers={
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'",
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
        },
    )


@cache
def _page() -> str:
    api = describe_api()
    sections = [
        _section(method.upper(), path, operation)
        for path, methods in api["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = [
        f'<section id="{escape(name)}"><h2>{escape(name)}</h2>'
        f"<pre>{escape(json.dumps(schema, indent=2))}</pre></section>"
        for name, schema in api["components"]["schemas"].items()
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Indelible API</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style><main><h1>Indelible API</h1><p>{escape(api['info']['description'])} "
        "Send your key as <code>Authorization: Bearer ind_…</code>. "
        'For programs: <a href="/openapi.json">openapi.json</a>.</p>'
        f"{''.join(sections)}<h1>Shapes</h1>{''.join(schemas)}</main></html>"
    )


def _section(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [f"<p>{escape(operation['summary'])}. {_code_spans(operation.get('description', ''))}</p>"]
    if parameters := operation.get("parameters"):
        rows = "".join(
            f"<tr><td><code>{escape(p['name'])}</code></td><td>{escape(p['description'])}"
            f"{' <strong>Required.</strong>' if p['required'] else ''}</td></tr>"
            for p in parameters
        )
        parts.append(f"<table><tr><th>Parameter</th><th></th></tr>{rows}</table>")
    parts.append(f"<pre>{escape(_curl(method, path, operation))}</pre>")
    answers = "".join(
        f"<tr><td>{status}</td><td>{_code_spans(answer['description'])}</td><td>{_shape(answer)}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    parts.append(f"<table><tr><th>Answer</th><th></th><th>Shape</th></tr>{answers}</table>")
    return (
        f'<section id="{escape(operation["operationId"])}"><h2><span class="method">{method}</span>'
        f"<code>{escape(path)}</code></h2>{''.join(parts)}</section>"
    )


def _shape(answer: dict[str, Any]) -> str:
    schemas = [content["schema"] for content in answer.get("content", {}).values()]
    name = schemas[0].get("$ref", "").rpartition("/")[2] if schemas else ""
    return f'<a href="#{escape(name)}">{escape(name)}</a>' if name else ""


def _curl(method: str, path: str, operation: dict[str, Any]) -> str:
    given = [p for p in operation.get("parameters", []) if p["in"] == "query" and "example" in p]
    asked = "&".join(f"{p['name']}={p['example']}" for p in given)
    place = re.sub(r"\{\w+\}", "$ID", path)
    address = "http://127.0.0.1:8750" + place + (f"?{asked}" if asked else "")
    curl = "curl" if method in ("GET", "POST") else f"curl -X {method}"
    lines = [f'{curl} "{address}"' if asked or "$" in address else f"{curl} {address}"]
    if operation.get("security") != []:
        lines.append('-H "Authorization: Bearer $INDELIBLE_KEY"')
    if "requestBody" in operation:
        (example, *_) = operation["requestBody"]["content"]["application/json"]["examples"].values()
        lines.append(f"-d '{json.dumps(example['value'], indent=2)}'")
    return " \\\n  ".join(lines)


def _code_spans(text: str) -> str:
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
