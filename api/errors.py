"""Errors of the HTTP API as RFC 9457 problem documents."""

import logging
from collections.abc import Sequence
from http import HTTPStatus

import msgspec
from aiohttp import web

from aggregator.errors import ServiceError, StoreError, UnknownPortfolio
from chains.errors import ChainError, InvalidId

log = logging.getLogger(__name__)


class BadRequest(ValueError):
    """A query parameter is wrong; names it and says what it takes."""


class Problem(Exception):
    """An answer that is a problem; ``errors`` name the fields."""

    def __init__(self, status: int, code: str, detail: str, errors: Sequence[dict[str, str]] = ()) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.errors = status, code, detail, tuple(errors)
        self.headers: dict[str, str] = {}


def problem(
    status: int, code: str, detail: str, errors: Sequence[dict[str, str]] = (), trace_id: str | None = None
) -> web.Response:
    """A problem document."""
    body: dict[str, object] = {
        "type": f"urn:crossmargin:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "errors": list(errors),
        "trace_id": trace_id,
    }
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/problem+json")


def problem_of(request: web.Request, error: Exception, trace_id: str) -> web.Response:
    """The problem document of an exception; an unexpected one is logged and answered without its text."""
    match error:
        case Problem():
            answer = problem(error.status, error.code, error.detail, error.errors, trace_id)
            answer.headers.update(error.headers)
            return answer
        case InvalidId() | BadRequest():
            return problem(400, "bad_request", str(error), trace_id=trace_id)
        case UnknownPortfolio():
            return problem(404, "unknown_portfolio", str(error), trace_id=trace_id)
        case StoreError():
            return problem(503, "store_unavailable", str(error), trace_id=trace_id)
        case ChainError():
            return problem(503, "chain_unavailable", str(error), trace_id=trace_id)
        case ServiceError():
            return problem(422, "not_possible", str(error), trace_id=trace_id)
        case web.HTTPException():
            return _http(request, error, trace_id)
        case _:
            log.error("unexpected error in %s %s (%s)", request.method, request.path, trace_id, exc_info=error)
    detail = "unexpected error; the log of the service has the details"
    return problem(500, "internal_error", detail, trace_id=trace_id)


def _http(request: web.Request, error: web.HTTPException, trace_id: str) -> web.Response:
    detail = f"{request.method} {request.path}"
    answer = problem(error.status, error.reason.lower().replace(" ", "_"), detail, trace_id=trace_id)
    if "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer
