"""What every request passes: request id, who asks, limits of number and time, headers, problems."""

import asyncio
import itertools
import re
import secrets
from dataclasses import dataclass, field

from aiohttp import web

from aggregator.access.settings import AccessSettings
from api.errors import Problem, problem_of
from api.http.answer import ENDPOINT, HEADERS
from api.http.caller import ANONYMOUS, CALLER, Caller
from api.http.cors import cors, preflight
from api.http.endpoint import Endpoint, Handler, Scope
from api.http.hosts import known_host
from api.http.identity import Identity
from api.http.limits import Limits
from api.http.once import Once
from api.http.ready import Ready, may_be_ready, ready

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
MOST_HOSTS = 1_000
_PROCESS, _COUNT = secrets.token_hex(6), itertools.count(1)


@dataclass(frozen=True, slots=True)
class Front:
    """State of the front of one application."""

    access: AccessSettings
    identity: Identity
    limits: Limits
    once: Once
    hosts: set[str] = field(default_factory=set)
    """Names that strangers have asked under and that are this service's."""

    def guard(self, handler: Handler, endpoint: Endpoint | None = None) -> Handler:
        """The handler behind the front; without an endpoint, of what is in no table."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            return await front(self, endpoint, request, handler)

        return guarded


async def front(
    state: Front, endpoint: Endpoint | None, request: web.Request, handler: Handler
) -> web.StreamResponse:
    """Answer a request, or say in a problem document why not."""
    sent = request.headers
    given = sent.get("X-Request-Id")
    trace = given if given is not None and _ID.fullmatch(given) else f"{_PROCESS}-{next(_COUNT):x}"
    extra: dict[str, str] = {"X-Request-Id": trace}
    if "Origin" in sent:
        extra |= cors(state.access, sent["Origin"])
    request[HEADERS] = extra
    try:
        if endpoint is None:
            answer = preflight(state.access, request) or await handler(request)
        else:
            if endpoint.quick is not None and (found := _at_hand(state, request, endpoint, trace)) is not None:
                return found
            answer = await _answered(state, endpoint, request, handler, extra)
    except TimeoutError:
        answer = problem_of(request, Problem(503, "timeout", "the answer took too long"), trace)
    except (asyncio.CancelledError, ConnectionResetError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a problem document
        answer = problem_of(request, error, trace)
    if not answer.prepared:
        answer.headers.update(extra)
        if "Origin" in sent:
            answer.headers.add("Vary", "Origin")
    return answer


def _at_hand(state: Front, request: web.Request, endpoint: Endpoint, trace: str) -> Ready | None:
    """The answer where it is kept and nothing about the request is unusual; None: the ordinary way decides."""
    caller = state.identity.known(request)
    if caller is None or endpoint.quick is None or not may_be_ready(request) or not caller.may(endpoint.scope):
        return None
    if state.access.public and "Authorization" not in request.headers and request.host not in state.hosts:
        return None
    body = endpoint.quick(request, caller)
    if body is None or (body.packed is None and "gzip" in request.headers.get("Accept-Encoding", "")):
        return None
    told, left = state.limits.count(caller, endpoint, request)
    lines = f"X-Request-Id: {trace}\r\nRateLimit-Policy: {told}\r\nRateLimit: {left}\r\n"
    if (origin := request.headers.get("Origin")) is not None:
        lines += "".join(f"{name}: {value}\r\n" for name, value in cors(state.access, origin).items())
        lines += "Vary: Origin\r\n"
    return ready(request, body, lines)


async def _answered(
    state: Front, endpoint: Endpoint, request: web.Request, handler: Handler, extra: dict[str, str]
) -> web.StreamResponse:
    request[ENDPOINT] = endpoint
    caller = state.identity.known(request) or await state.identity.of(request)
    extra.update(state.limits.take(caller, endpoint, request))
    request[CALLER] = caller
    _allowed(caller, endpoint)
    _named(state, request, endpoint, caller)
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


def _named(state: Front, request: web.Request, endpoint: Endpoint, caller: Caller) -> None:
    """A public service answers strangers under its own names only; a key may come by any name."""
    if endpoint.scope is Scope.OPEN or not state.access.public or caller.id != ANONYMOUS.id:
        return
    known_host(request, state.access)
    if len(state.hosts) < MOST_HOSTS:
        state.hosts.add(request.host)
