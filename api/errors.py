"""Errors of the HTTP API as RFC 9457 problem documents."""

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import msgspec
from aiohttp import web

from aggregator.errors import StoreError, UnknownPortfolio
from chains.errors import InvalidId

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BadRequest(ValueError):
    """A query parameter is wrong; names it and says what it takes."""


def problem(status: int, code: str, detail: str) -> web.Response:
    """A problem document."""
    body = {
        "type": f"urn:crossmargin:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/problem+json")


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn exceptions into problem documents; an unexpected one is logged and answered without its text."""
    try:
        return await handler(request)
    except (InvalidId, BadRequest) as error:
        return problem(400, "bad_request", str(error))
    except UnknownPortfolio as error:
        return problem(404, "unknown_portfolio", str(error))
    except StoreError as error:
        return problem(503, "store_unavailable", str(error))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return problem(error.status, error.reason.lower().replace(" ", "_"), f"{request.method} {request.path}")
    except Exception:
        log.exception("unexpected error in %s %s", request.method, request.path)
        return problem(500, "internal_error", "unexpected error; the log of the service has the details")
