"""The HTTP application. Every answer comes from the store; a GET never reads a chain."""

from collections.abc import AsyncIterator, Callable

from aiohttp import web

from api.http.deps import DEPS, Deps
from api.http.front import FRONT, Front, front
from api.http.identity import Identity
from api.http.latest import LATEST, Latest
from api.http.limits import Limits
from api.http.meta import SPECIFICATION
from api.http.offloop import OFF_LOOP, OffLoop, off_loop
from api.http.once import Once
from api.http.signin import FORGET
from api.http.specification import documents
from api.http.stream import HUB, Hub, stream_hub
from api.http.table import TABLE

__all__ = ["DEPS", "Deps", "create_app"]


def create_app(deps: Deps, *contexts: Callable[[web.Application], AsyncIterator[None]]) -> web.Application:
    """Application over a store; ``contexts`` run beside it from start to stop (scan loop, delivery)."""
    access = deps.access
    app = web.Application(middlewares=[front], client_max_size=access.most_body_bytes)
    app[DEPS] = deps
    app[LATEST] = Latest()
    identity = Identity(access, deps.store)
    app[FRONT] = state = Front(access, identity, Limits(access), Once(deps.store))
    app[FORGET] = identity.forget
    app[SPECIFICATION] = documents(TABLE)
    app[OFF_LOOP] = OffLoop()
    app[HUB] = Hub()
    app.cleanup_ctx.extend((off_loop, stream_hub, *contexts))
    for endpoint in TABLE:
        methods = ("GET", "HEAD") if endpoint.method == "GET" else (endpoint.method,)
        resource = app.router.add_resource(endpoint.path)
        for method in methods:
            state.endpoints[resource.add_route(method, endpoint.handler)] = endpoint
    return app
