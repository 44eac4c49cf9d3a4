"""Pages of other origins: which may read answers here, and what a browser asks before it calls."""

from aiohttp import web

from aggregator.access.settings import AccessSettings
from api.errors import Problem

EXPOSED = "ETag, Link, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id, Idempotency-Replayed"


def cors(access: AccessSettings, origin: str) -> dict[str, str]:
    """Headers that let a page of that origin read an answer; none where the settings do not name it."""
    if origin not in access.origins and "*" not in access.origins:
        return {}
    allowed = origin if origin in access.origins else "*"
    return {"Access-Control-Allow-Origin": allowed, "Access-Control-Expose-Headers": EXPOSED}


def preflight(access: AccessSettings, request: web.Request) -> web.Response | None:
    """The answer to a browser that asks before it calls; None for anything else."""
    wanted = request.headers.get("Access-Control-Request-Method")
    if request.method != "OPTIONS" or wanted is None:
        return None
    origin = request.headers.get("Origin", "")
    if origin not in access.origins and "*" not in access.origins:
        raise Problem(403, "origin_not_allowed", "access.origins does not name this origin")
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
            "Access-Control-Allow-Headers": "Authorization, X-API-Key, Content-Type, If-None-Match, "
            "Idempotency-Key, X-Request-Id, Last-Event-ID, traceparent",
            "Access-Control-Max-Age": "600",
        },
    )
