"""Health, metrics, the specification in its forms."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from aggregator.clock import unix, utc_now
from aggregator.metrics import REGISTRY
from api.http.answer import reply, reply_bytes
from api.http.deps import DEPS
from api.http.endpoint import Endpoint, Scope
from api.http.models import Health, Ready, nothing_read

SPECIFICATION = web.AppKey("specification", dict[str, bytes])
"""The ready-made documents by name."""


async def livez(request: web.Request) -> web.Response:
    """The process answers."""
    return reply(request, Health(**nothing_read(utc_now()), status="ok"))


async def readyz(request: web.Request) -> web.Response:
    """200 when the store answers and the last scan is fresh, else 503 with what is wrong."""
    deps, wrong = request.app[DEPS], []
    await deps.store.ping()
    if deps.service is not None:
        at = deps.service.last_success_at
        age_s = None if at is None else unix(utc_now()) - at
        if age_s is None:
            wrong.append("no scan has finished yet")
        elif age_s > deps.max_scan_age_s:
            wrong.append(f"the last scan finished {age_s} s ago, limit {deps.max_scan_age_s:.0f} s")
    status, code = ("not ready", 503) if wrong else ("ok", 200)
    return reply(request, Ready(**nothing_read(utc_now()), status=status, wrong=tuple(wrong)), code)


async def get_metrics(_: web.Request) -> web.Response:
    """Prometheus text format."""
    return web.Response(body=generate_latest(REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def get_openapi(request: web.Request) -> web.Response:
    """The specification of this API."""
    return reply_bytes(request, request.app[SPECIFICATION]["openapi"])


async def get_asyncapi(request: web.Request) -> web.Response:
    """The specification of the stream."""
    return reply_bytes(request, request.app[SPECIFICATION]["asyncapi"])


async def get_reference(request: web.Request) -> web.Response:
    """The specification for reading."""
    return web.Response(body=request.app[SPECIFICATION]["reference"], content_type="text/html", charset="utf-8")


async def get_llms(request: web.Request) -> web.Response:
    """The API in a page of plain text, for programs that read prose."""
    return web.Response(body=request.app[SPECIFICATION]["llms"], content_type="text/plain", charset="utf-8")


_M = "service"
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/v1/openapi.json", get_openapi, Scope.OPEN, "This specification", _M),
    Endpoint("GET", "/v1/asyncapi.json", get_asyncapi, Scope.OPEN, "The stream's specification", _M),
    Endpoint("GET", "/v1/reference", get_reference, Scope.OPEN, "This specification, for reading", _M,
             media="text/html"),
    Endpoint("GET", "/llms.txt", get_llms, Scope.OPEN, "The API as plain text", _M, media="text/plain"),
    Endpoint("GET", "/livez", livez, Scope.OPEN, "The process answers", _M, Health),
    Endpoint("GET", "/readyz", readyz, Scope.OPEN, "The answers are fresh", _M, Ready, also=(503,)),
    Endpoint("GET", "/metrics", get_metrics, Scope.OPEN, "Prometheus metrics", _M, media="text/plain"),
)  # fmt: skip
