"""The ready-made documents: OpenAPI, AsyncAPI, the reference page, llms.txt. Made once per process."""

import html
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from api.http.asyncapi import asynchronous
from api.http.endpoint import Endpoint, Scope
from api.http.openapi import DESCRIPTION, specification


@lru_cache(maxsize=4)
def documents(table: tuple[Endpoint, ...]) -> dict[str, bytes]:
    """The documents by name."""
    found = specification(table)
    return {
        "openapi": msgspec.json.encode(found),
        "asyncapi": msgspec.json.encode(asynchronous(found["info"]["version"])),
        "reference": reference(found).encode(),
        "llms": prose(table).encode(),
    }


def prose(table: Sequence[Endpoint]) -> str:
    """The API as plain text."""
    lines = [
        "# crossmargin",
        "",
        f"> {DESCRIPTION}",
        "",
        "Specification: /v1/openapi.json",
        "",
        "## Endpoints",
        "",
    ]
    for endpoint in table:
        scope = "" if endpoint.scope is Scope.OPEN else f" (scope {endpoint.scope.value})"
        lines.append(f"- {endpoint.method} {endpoint.path}: {endpoint.summary}{scope}")
    lines += [
        "", "## Signing in", "", "Authorization: Bearer <key or session>. Keys: `crossmargin keys`. Wallets: "
        "POST /v1/auth/siwe/nonce, sign an EIP-4361 message with it, POST /v1/auth/siwe/verify.", "",
    ]  # fmt: skip
    return "\n".join(lines)


_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
code,pre{font:14px/1.4 ui-monospace,monospace}
pre{overflow:auto;padding:.75rem;border:1px solid #8886;max-height:24rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.25rem .5rem;border-bottom:1px solid #8884}
h2{margin-top:2.5rem}.m{font-weight:700}summary{cursor:pointer}
"""


def reference(found: dict[str, Any]) -> str:
    """The specification as one page without scripts."""
    esc = html.escape
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>crossmargin API</title><style>{_STYLE}</style>",
        f"<h1>crossmargin API {found['info']['version']}</h1>",
        *(f"<p>{esc(text)}</p>" for text in DESCRIPTION.split("\n\n")),
        "<p><a href=/v1/openapi.json>openapi.json</a> <a href=/v1/asyncapi.json>asyncapi.json</a></p>",
    ]
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            parts.append(
                f"<h2 id={operation['operationId']}><code><span class=m>{method.upper()}</span> {esc(path)}"
            )
            parts.append(f"</code></h2><p>{esc(operation['description'])}</p>{_parameters(operation)}")
            parts.append(_shape("Body", operation.get("requestBody", {}), found))
            parts += [
                _shape(code, answer, found) for code, answer in operation["responses"].items() if code < "300"
            ]
    return "".join(parts) + "</html>"


def _parameters(operation: dict[str, Any]) -> str:
    rows = [
        f"<tr><td><code>{html.escape(p['name'])}</code><td>{p['in']}<td>{html.escape(p['description'])}"
        for p in operation["parameters"]
    ]
    return f"<table><tr><th>Parameter<th>In<th>Meaning{''.join(rows)}</table>" if rows else ""


def _shape(name: str, content: dict[str, Any], found: dict[str, Any]) -> str:
    media = content.get("content", {}).get("application/json", {})
    example = media.get("example")
    model = media.get("schema", {}).get("$ref", "").rpartition("/")[2]
    if example is None and not model:
        return ""
    shown = found["components"]["schemas"][model] if example is None else example
    text = html.escape(json.dumps(shown, indent=1))
    return f"<details><summary>{name}: {html.escape(model or 'JSON')}</summary><pre>{text}</pre></details>"
