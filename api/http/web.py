"""The dashboard: static files, and the chart library out of its Python package; nothing from elsewhere."""

import asyncio
import gzip
from functools import cache
from importlib.resources import files

from aiohttp import web

from api.http.answer import etag_of, stamped
from api.http.endpoint import Endpoint, Handler, Scope

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Styles may be inline: the chart library writes its own into the page. Scripts may not."""
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def _file(name: str, media: str) -> Handler:
    body = (files("api") / "web" / name).read_bytes()

    async def get_file(_: web.Request) -> web.Response:
        """A file of the page."""
        return web.Response(body=body, content_type=media, charset="utf-8", headers=_HEADERS)

    get_file.__name__ = "get_" + name.replace(".", "_")
    return get_file


@cache
def _library() -> tuple[bytes, str, bytes]:
    """The chart library, its ETag, and it compressed."""
    body = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return body, etag_of(body), gzip.compress(body, 6, mtime=0)


async def get_plotly(request: web.Request) -> web.Response:
    """The chart library of the page."""
    body, etag, packed = await asyncio.to_thread(_library)
    answer = stamped(request, body, etag, packed=packed)
    answer.headers.update(_HEADERS | {"Cache-Control": "max-age=86400"})
    if answer.status == 200:
        answer.headers["Content-Type"] = "text/javascript; charset=utf-8"
    return answer


_PAGE, _SCRIPT = "text/html", "text/javascript"
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/", _file("index.html", _PAGE), Scope.OPEN, "The dashboard", "page", media=_PAGE),
    Endpoint("GET", "/web/app.js", _file("app.js", _SCRIPT), Scope.OPEN, "Its script", "page", media=_SCRIPT),
    Endpoint("GET", "/web/charts.js", _file("charts.js", _SCRIPT), Scope.OPEN, "Its pictures", "page",
             media=_SCRIPT),
    Endpoint("GET", "/web/timeline.js", _file("timeline.js", _SCRIPT), Scope.OPEN, "Its history", "page",
             media=_SCRIPT),
    Endpoint("GET", "/web/plotly.js", get_plotly, Scope.OPEN, "Its chart library", "page", media=_SCRIPT),
    Endpoint("GET", "/web/style.css", _file("style.css", "text/css"), Scope.OPEN, "Its look", "page",
             media="text/css"),
)  # fmt: skip
