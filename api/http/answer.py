"""Reading requests and writing answers: validated models in, JSON with a strong ETag out."""

import asyncio
import gzip
import hashlib
from collections.abc import Mapping
from typing import TypeVar

from aiohttp import web
from multidict import CIMultiDict
from pydantic import BaseModel, ConfigDict, ValidationError

from api.errors import Problem
from api.http.deps import DEPS
from api.http.endpoint import Endpoint

ENDPOINT: web.RequestKey[Endpoint] = web.RequestKey("endpoint", Endpoint)
BODY: web.RequestKey[bytes] = web.RequestKey("body", bytes)
"""A body that was read already."""
HEADERS: web.RequestKey[dict[str, str]] = web.RequestKey("headers", dict[str, str])
"""What every answer carries; an answer that begins before its handler ends adds them itself."""
GZIP_FROM = 1024
"""Bytes below which compressing costs more than it saves."""
FRESH = "private, max-age=1"


class Query(BaseModel):
    """Base of query parameters: a name that does not exist is refused, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Body(BaseModel):
    """Base of request bodies."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Q = TypeVar("Q", bound=BaseModel)


def query_of(request: web.Request, model: type[Q]) -> Q:
    """Query parameters as a model; a Problem that names each wrong one otherwise."""
    given = request.query
    if len(set(given)) != len(given):
        twice = next(name for name in given if len(given.getall(name)) > 1)
        raise Problem(
            400, "bad_request", f"{twice}: given more than once", (error_at(("query", twice), "repeated"),)
        )
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        raise invalid(error, "query", 400) from None


async def body_of(request: web.Request, model: type[Q]) -> Q:
    """The JSON body as a model; a Problem that names each wrong field otherwise."""
    if request.content_type != "application/json":
        raise Problem(
            415, "unsupported_media_type", f"expected application/json, was {request.content_type[:60]!r}"
        )
    try:
        return model.model_validate_json(await raw_body(request))
    except ValidationError as error:
        raise invalid(error, "body", 422) from None


async def raw_body(request: web.Request) -> bytes:
    """The body within its limits of size and time."""
    access, kept = request.app[DEPS].access, request.get(BODY)
    if isinstance(kept, bytes):
        return kept
    most = request[ENDPOINT].most_bytes or access.most_body_bytes
    if (request.content_length or 0) > most:
        raise Problem(413, "content_too_large", f"the body may have {most} bytes, has {request.content_length}")
    parts, size = [], 0
    try:
        async with asyncio.timeout(access.body_timeout_s):
            async for part in request.content.iter_any():
                size += len(part)
                if size > most:
                    raise Problem(413, "content_too_large", f"the body may have {most} bytes")
                parts.append(part)
    except TimeoutError:
        raise Problem(408, "request_timeout", f"the body did not arrive in {access.body_timeout_s:g} s") from None
    return b"".join(parts)


def invalid(error: ValidationError, where: str, status: int) -> Problem:
    """A Problem of a validation error: one entry per field, without the values that were given."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    items = tuple(error_at((where, *item["loc"]), item["msg"]) for item in found[:20])
    first = items[0]
    code = "bad_request" if status == 400 else "invalid_body"
    return Problem(status, code, f"{first['loc']}: {first['msg']}", items)


def error_at(loc: tuple[object, ...], msg: str) -> dict[str, str]:
    """One entry of a problem's ``errors``."""
    return {"loc": ".".join(str(part)[:80] for part in loc), "msg": msg}


def reply(request: web.Request, model: BaseModel, status: int = 200) -> web.Response:
    """A model as JSON."""
    return reply_bytes(request, model.__pydantic_serializer__.to_json(model), status)


def reply_bytes(request: web.Request, body: bytes, status: int = 200) -> web.Response:
    """JSON bytes with their ETag; 304 where the reader has them already, gzip where it takes that."""
    return stamped(request, body, etag_of(body), status)


def etag_of(body: bytes) -> str:
    """A strong ETag, quoted."""
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def stamped(
    request: web.Request, body: bytes, etag: str, status: int = 200, packed: bytes | None = None
) -> web.Response:
    """An answer whose ETag is known; ``packed``: the body compressed already."""
    headers: CIMultiDict[str] = CIMultiDict()
    sent = request.headers
    if status == 200 and request.method in {"GET", "HEAD"}:
        headers["Cache-Control"] = FRESH
        packing = len(body) >= GZIP_FROM and "gzip" in sent.get("Accept-Encoding", "")
        headers["ETag"] = zipped(etag) if packing else etag
        if len(body) >= GZIP_FROM:
            headers["Vary"] = "Accept-Encoding"
        if "If-None-Match" in sent and known_already(sent["If-None-Match"], etag):
            return web.Response(status=304, headers=headers)
        if packing:
            headers["Content-Encoding"] = "gzip"
            body = packed or gzip.compress(body, 5, mtime=0)
    headers["Content-Type"] = "application/json"
    return web.Response(status=status, body=body, headers=headers)


def zipped(etag: str) -> str:
    """The ETag of the same body compressed."""
    return etag[:-1] + '-gzip"'


def known_already(sent: str, etag: str) -> bool:
    """Whether the reader has this representation, plain or compressed; weak comparison, as for GET."""
    if sent.strip() == "*":
        return True
    tags = {tag.strip().removeprefix("W/") for tag in sent.split(",")}
    return etag in tags or zipped(etag) in tags


def paged(request: web.Request, response: web.Response, cursor: str | None) -> web.Response:
    """The answer with a link to the next page, if there is one."""
    if cursor is not None:
        following = request.rel_url.update_query(cursor=cursor)
        response.headers["Link"] = f'<{following}>; rel="next"'
    return response


def example(model: BaseModel) -> Mapping[str, object]:
    """A model's JSON as an example of the specification."""
    return model.model_dump(mode="json")
