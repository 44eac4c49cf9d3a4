"""The dashboard: its files, and the chart library out of its Python package; nothing from elsewhere."""

import asyncio
import gzip
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import web

from api.http.answer import etag_of, stamped
from api.http.endpoint import Body, Endpoint, Handler, Scope

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
PAGE, SCRIPT, STYLE = "text/html", "text/javascript", "text/css"
OWN = {
    "style.css": "Its look",
    "app.js": "Its script: who is asked, and when",
    "live.js": "Its part that follows the stream",
    "dom.js": "Its part that changes the page",
    "words.js": "Its words for amounts, times and states",
    "cards.js": "Its figures and tables",
    "pictures.js": "Its charts of margin, scenarios and Greeks",
    "prices.js": "Its chart of price intervals",
    "help.js": "Its charts of liquidation against help",
    "plot.js": "Its drawing by the chart library",
    "map.js": "Its map of chains and routes",
    "whatif.js": "Its what-if sliders",
}
"""Files of the page beside ``index.html``, all under ``/web/``."""


def _own(name: str) -> Traversable:
    return files("api") / "web" / name


def _chart_library() -> Traversable:
    return files("plotly") / "package_data" / "plotly.min.js"


@cache
def _kept(place: Callable[..., Traversable], *name: str) -> Body:
    """A file with its ETag, and compressed."""
    plain = place(*name).read_bytes()
    return Body(plain, etag_of(plain), gzip.compress(plain, 6, mtime=0))


def _file(operation: str, media: str, place: Callable[..., Traversable], *name: str) -> Handler:
    async def get_file(request: web.Request) -> web.Response:
        """A file of the page; megabytes are read and compressed beside the event loop, once."""
        body = await asyncio.to_thread(_kept, place, *name)
        answer = stamped(request, body.plain, body.etag, packed=body.packed)
        answer.headers.update(_HEADERS)
        if answer.status == 200:
            answer.headers["Content-Type"] = f"{media}; charset=utf-8"
        return answer

    get_file.__name__ = f"get_{operation}"
    return get_file


def _part(name: str, summary: str) -> Endpoint:
    media = STYLE if name.endswith(".css") else SCRIPT
    handler = _file(name.replace(".", "_"), media, _own, name)
    return Endpoint("GET", f"/web/{name}", handler, Scope.OPEN, summary, "page", media=media)


_PAGE = _file("index_html", PAGE, _own, "index.html")
_LIBRARY = _file("plotly", SCRIPT, _chart_library)
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/", _PAGE, Scope.OPEN, "The dashboard", "page", media=PAGE),
    *(_part(name, summary) for name, summary in OWN.items()),
    Endpoint("GET", "/web/plotly.js", _LIBRARY, Scope.OPEN, "Its chart library", "page", media=SCRIPT),
)
