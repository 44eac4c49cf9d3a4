"""The dashboard: three static files and nothing from elsewhere."""

from importlib.resources import files

from aiohttp import web

from api.http.endpoint import Endpoint, Handler, Scope

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
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


_PAGE, _SCRIPT = "text/html", "text/javascript"
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/", _file("index.html", _PAGE), Scope.OPEN, "The dashboard", "page", media=_PAGE),
    Endpoint("GET", "/web/app.js", _file("app.js", _SCRIPT), Scope.OPEN, "Its script", "page", media=_SCRIPT),
    Endpoint("GET", "/web/charts.js", _file("charts.js", _SCRIPT), Scope.OPEN, "Its pictures", "page",
             media=_SCRIPT),
    Endpoint("GET", "/web/style.css", _file("style.css", "text/css"), Scope.OPEN, "Its look", "page",
             media="text/css"),
)  # fmt: skip
