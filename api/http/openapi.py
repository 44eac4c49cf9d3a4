"""The specification: OpenAPI 3.1 made from the table of endpoints and the models that serialise."""

import re
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.http.endpoint import Endpoint, Scope
from api.http.examples import REPORT, example_of
from api.http.models import ProblemDocument

REF = "#/components/schemas/{model}"
PROBLEMS = {
    304: "The reader has this representation already",
    400: "A parameter is wrong",
    401: "No key and no session",
    403: "The key or session lacks the scope",
    404: "There is no such thing, or it is not visible to the caller",
    408: "The body did not arrive in time",
    409: "It contradicts what is there",
    413: "The body is too large",
    415: "The body is not JSON",
    421: "The service does not go by this name; access.domains may give it",
    422: "A field of the body is wrong",
    429: "Too many requests; Retry-After says when to come back",
    500: "A defect of the service; its log has the trace id",
    503: "Something that is needed cannot be reached, or is busy",
}
PARAMETERS = {
    "id": "Portfolio name, CAIP-10 account or bare address",
    "key": "Key id",
    "watch": "Portfolio and watch, as portfolio:name",
    "alert": "Alert id",
    "report": "Report id",
    "statement": "Statement id",
    "asset": "Price key, for example ETH",
}
DESCRIPTION = (
    "One unified margin over venues and chains, with bridge latency as liquidation-delay risk.\n\n"
    "Amounts are decimal strings with the unit in the field's name (`_usd`, `_s`, `_bps`, `_pct`); ids are "
    "CAIP-2, CAIP-10 and CAIP-19, addresses EIP-55. A figure that is not known is `null` with its reason in "
    "`data_quality.degraded`; it is never zero. `as_of` names the blocks that the figures rest on."
)
_ETAG = {"ETag": {"description": "Strong; send it as If-None-Match", "schema": {"type": "string"}}}
_LINK = {"Link": {"description": "rel=next leads to the next page", "schema": {"type": "string"}}}
_SECURITY: list[dict[str, list[str]]] = [{"key": []}, {"bearer": []}]


def specification(table: Sequence[Endpoint]) -> dict[str, Any]:
    """The whole document."""
    answers = {e.answer for e in table if e.answer is not None} | {ProblemDocument}
    bodies = {e.body for e in table if e.body is not None}
    schemas = _schemas(answers, bodies)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in table:
        paths.setdefault(_plain(endpoint.path), {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://spec.openapis.org/oas/3.1/dialect/base",
        "info": {
            "title": "crossmargin",
            "version": version("crossmargin"),
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(endpoint.tag for endpoint in table)],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer", "description": "A key or a wallet session"},
            },
        },
    }


def _schemas(answers: Iterable[type[BaseModel]], bodies: Iterable[type[BaseModel]]) -> dict[str, Any]:
    by_name = sorted(answers, key=lambda model: model.__name__)
    wanted: list[tuple[type[BaseModel], Any]] = [(model, "serialization") for model in by_name]
    wanted += [(model, "validation") for model in sorted(bodies, key=lambda model: model.__name__)]
    _, content = models_json_schema(wanted, ref_template=REF)
    found: dict[str, Any] = content["$defs"]
    for name, example in (("MarginReport", REPORT),):
        if name in found:
            found[name]["examples"] = [example]
    return found


def _plain(path: str) -> str:
    """The path without aiohttp's patterns."""
    return re.sub(r"\{(\w+):[^}]+\}", r"{\1}", path)


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": endpoint.operation_id,
        "summary": endpoint.summary,
        "description": _about(endpoint),
        "tags": [endpoint.tag],
        "parameters": [*_in_path(endpoint), *_in_query(endpoint), *_in_header(endpoint)],
        "responses": _responses(endpoint),
        "security": [] if endpoint.scope is Scope.OPEN else [*_SECURITY, {}],
    }
    if endpoint.body is not None:
        media: dict[str, Any] = {"schema": _ref(endpoint.body)}
        if endpoint.body_example is not None:
            media["example"] = endpoint.body_example
        found["requestBody"] = {"required": True, "content": {"application/json": media}}
    return found


def _about(endpoint: Endpoint) -> str:
    text = re.sub(r"\s+", " ", endpoint.handler.__doc__ or endpoint.summary).strip()
    return text if endpoint.scope is Scope.OPEN else f"{text} Scope: `{endpoint.scope.value}`."


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REF.format(model=model.__name__)}


def _in_path(endpoint: Endpoint) -> list[dict[str, Any]]:
    names = re.findall(r"\{(\w+)", endpoint.path)
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PARAMETERS.get(name, "Identifier"),
            "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^[^/\\?#%]+$"},
        }
        for name in names
    ]


def _in_query(endpoint: Endpoint) -> list[dict[str, Any]]:
    if endpoint.query is None:
        return []
    required = {name for name, field in endpoint.query.model_fields.items() if field.is_required()}
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": content.pop("description", name),
            "schema": content,
        }
        for name, content in parameters_schema(endpoint.query).items()
    ]


def parameters_schema(query: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """Schemas of query parameters by name."""
    found = query.model_json_schema(ref_template=REF).get("properties", {})
    return {
        name: _without_null({k: v for k, v in content.items() if k != "title"}) for name, content in found.items()
    }


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that may be left out is never null."""
    options: list[dict[str, Any]] = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if len(options) == 1:
        return options[0] | {k: v for k, v in schema.items() if k not in {"anyOf", "default"}}
    return schema


def _in_header(endpoint: Endpoint) -> list[dict[str, Any]]:
    if endpoint.method != "POST" or endpoint.keeps_secret:
        return []
    return [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "The same key with the same body gives the first answer again for 24 h",
            "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[A-Za-z0-9._:-]+$"},
        }
    ]


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    good: dict[str, Any] = {"description": endpoint.summary}
    if endpoint.answer is not None:
        example = example_of(endpoint.answer) if endpoint.example is None else endpoint.example
        good["content"] = {endpoint.media: {"schema": _ref(endpoint.answer), "example": example}}
    elif endpoint.status != 204:
        json = endpoint.media == "application/json"
        good["content"] = {endpoint.media: {"schema": {"type": "object"} if json else {"type": "string"}}}
    if endpoint.method == "GET" and endpoint.media == "application/json":
        paged = endpoint.query is not None and "cursor" in endpoint.query.model_fields
        good["headers"] = {**_ETAG, **(_LINK if paged else {})}
    found = {str(endpoint.status): good}
    for status in sorted(_codes(endpoint)):
        body = {"application/problem+json": {"schema": _ref(ProblemDocument)}}
        found[str(status)] = {"description": PROBLEMS[status], "content": body}
    if endpoint.path == "/readyz":
        found["503"] = {"description": PROBLEMS[503], "content": good["content"]}
    if endpoint.method == "GET":
        found["304"] = {"description": PROBLEMS[304]}
    return found


def _codes(endpoint: Endpoint) -> set[int]:
    """Problems that an operation may answer with."""
    found = {400, 429, 500, 503, *endpoint.also}
    if endpoint.scope is not Scope.OPEN:
        found |= {401, 403, 421}
    if endpoint.body is not None:
        found |= {408, 413, 415, 422}
    if endpoint.method == "POST":
        found |= {409}
    return found - {endpoint.status}
