"""The HTTP application. Every answer comes from the store; a GET never reads a chain."""

from collections.abc import AsyncIterator, Callable

from aiohttp import web

from api.http.deps import DEPS, Deps
from api.http.front import Front
from api.http.identity import IDENTITY, Identity
from api.http.latest import LATEST, Latest
from api.http.limits import Limits
from api.http.meta import SPECIFICATION
from api.http.offloop import OFF_LOOP, OffLoop, off_loop
from api.http.once import Once
from api.http.specification import documents
from api.http.stream import HUB, Hub, end_streams, stream_hub
from api.http.table import TABLE

__all__ = ["DEPS", "Deps", "create_app"]


def create_app(deps: Deps, *contexts: Callable[[web.Application], AsyncIterator[None]]) -> web.Application:
    """Application over a store; ``contexts`` run beside it from start to stop (scan loop, delivery)."""
    access = deps.access
    app = web.Application(client_max_size=access.most_body_bytes)
    app[DEPS] = deps
    app[LATEST] = Latest()
    identity = Identity(access, deps.store)
    state = Front(access, identity, Limits(access), Once(deps.store, access))
    app[IDENTITY] = identity
    app[SPECIFICATION] = documents(TABLE)
    app[OFF_LOOP] = OffLoop()
    app[HUB] = Hub()
    app.on_shutdown.append(end_streams)
    app.cleanup_ctx.extend((off_loop, stream_hub, *contexts))
    for endpoint in TABLE:
        methods = ("GET", "HEAD") if endpoint.method == "GET" else (endpoint.method,)
        resource = app.router.add_resource(endpoint.path)
        for method in methods:
            resource.add_route(method, state.guard(endpoint.handler, endpoint))
    app.router.add_route("*", "/{tail:.*}", state.guard(nothing_here))
    return app


async def nothing_here(request: web.Request) -> web.StreamResponse:
    """What is in no row of the table: another method is wanted, or there is nothing of that path."""
    allowed: set[str] = set()
    for resource in list(request.app.router.resources())[:-1]:
        allowed |= (await resource.resolve(request))[1]
    if allowed:
        raise web.HTTPMethodNotAllowed(request.method, allowed)
    raise web.HTTPNotFound
