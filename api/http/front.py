"""What every request passes: request id, who asks, limits of number and time, headers, problems."""

import asyncio
import contextlib
import ipaddress
import itertools
import re
import secrets
from dataclasses import dataclass, field

from aiohttp import web

from aggregator.access.settings import AccessSettings
from api.errors import Problem, problem_of
from api.http.answer import ENDPOINT
from api.http.caller import ANONYMOUS, CALLER, Caller
from api.http.endpoint import Endpoint, Handler, Scope
from api.http.identity import Identity
from api.http.limits import Limits
from api.http.once import Once

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PROCESS, _COUNT = secrets.token_hex(6), itertools.count(1)
EXPOSED = "ETag, Link, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id, Idempotency-Replayed"


@dataclass(frozen=True, slots=True)
class Front:
    """State of the front of one application."""

    access: AccessSettings
    identity: Identity
    limits: Limits
    once: Once
    endpoints: dict[web.AbstractRoute, Endpoint] = field(default_factory=dict)


FRONT = web.AppKey("front", Front)


@web.middleware
async def front(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a request, or say in a problem document why not."""
    state, sent = request.app[FRONT], request.headers
    given = sent.get("X-Request-Id")
    trace = given if given is not None and _ID.fullmatch(given) else f"{_PROCESS}-{next(_COUNT):x}"
    extra: dict[str, str] = {"X-Request-Id": trace}
    try:
        answer = await _answered(state, request, handler, extra)
    except TimeoutError:
        answer = problem_of(request, Problem(503, "timeout", "the answer took too long"), trace)
    except (asyncio.CancelledError, ConnectionResetError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a problem document
        answer = problem_of(request, error, trace)
    if not answer.prepared:
        answer.headers.update(extra)
        if "Origin" in sent:
            _cors(state.access, sent["Origin"], answer)
    return answer


async def _answered(
    state: Front, request: web.Request, handler: Handler, extra: dict[str, str]
) -> web.StreamResponse:
    endpoint = state.endpoints.get(request.match_info.route)
    if endpoint is None:
        return _preflight(state.access, request) or await handler(request)
    request[ENDPOINT] = endpoint
    caller = state.identity.known(request) or await state.identity.of(request)
    extra.update(state.limits.take(caller, endpoint, request))
    request[CALLER] = caller
    _allowed(caller, endpoint)
    _named(state.access, request, endpoint)
    if endpoint.quick is not None and (answer := endpoint.quick(request)) is not None:
        return answer
    limit = state.access.request_timeout_s if endpoint.timeout_s is None else endpoint.timeout_s
    if not limit:
        return await handler(request)
    async with asyncio.timeout(limit):
        if request.method == "POST" and "Idempotency-Key" in request.headers:
            return await state.once.answer(request, handler)
        return await handler(request)


def _allowed(caller: Caller, endpoint: Endpoint) -> None:
    if caller.may(endpoint.scope):
        return
    if caller.id == ANONYMOUS.id:
        error = Problem(401, "unauthorized", "send a key or a session: Authorization: Bearer …")
        error.headers["WWW-Authenticate"] = 'Bearer realm="crossmargin"'
        raise error
    raise Problem(403, "forbidden", f"this needs the scope {Scope(endpoint.scope).value}")


def _named(access: AccessSettings, request: web.Request, endpoint: Endpoint) -> None:
    """A public service answers strangers under its own names only.

    A page that points a name of its own at this machine (DNS rebinding) would otherwise read what is open here.
    """
    if endpoint.scope is Scope.OPEN or not access.public or {"Authorization", "X-API-Key"} & set(request.headers):
        return
    host = request.host.rpartition(":")[0] if re.search(r":\d+$", request.host) else request.host
    if host == "localhost" or request.host in access.domains or host in access.domains or _is_address(host):
        return
    raise Problem(421, "unknown_host", f"this service is not {host[:80]!r}; access.domains may name it")


def _is_address(host: str) -> bool:
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host.strip("[]"))
        return True
    return False


def _cors(access: AccessSettings, origin: str, answer: web.StreamResponse) -> None:
    answer.headers["Vary"] = ", ".join(filter(None, (answer.headers.get("Vary"), "Origin")))
    if origin in access.origins or "*" in access.origins:
        answer.headers["Access-Control-Allow-Origin"] = origin if origin in access.origins else "*"
        answer.headers["Access-Control-Expose-Headers"] = EXPOSED


def _preflight(access: AccessSettings, request: web.Request) -> web.Response | None:
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
