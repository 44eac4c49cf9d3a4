"""Answers that leave in one piece: nothing is waited for and no table of headers is built.

For a GET of what is kept in memory, over HTTP/1.1, on a connection that stays open. Whatever else is asked goes
the ordinary way, to the same bytes.
"""

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import SERVER_SOFTWARE

from api.http.answer import FRESH, GZIP_FROM, known_already, zipped
from api.http.endpoint import Body

SERVER = f"Server: {SERVER_SOFTWARE}\r\n"
JSON = "Content-Type: application/json\r\n"
PACKED = "Content-Encoding: gzip\r\n"


def may_be_ready(request: web.Request) -> bool:
    """Whether a request is of the plain kind."""
    return request.method == "GET" and request.keep_alive and request.version == HttpVersion11


class Ready(web.StreamResponse):
    """A head and a body as they leave."""

    def __init__(self, head: str, body: bytes) -> None:
        super().__init__()
        self._head, self._content = head.encode("latin-1"), body
        self._out: AbstractStreamWriter | None = None

    @property
    def keep_alive(self) -> bool:
        """Always: a connection that is to be closed takes the ordinary way."""
        return True

    @property
    def prepared(self) -> bool:
        """No header may be added."""
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Hand everything over to the connection."""
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the reader has gone")
        transport.writelines((self._head, self._content))
        self._out = request.writer
        return self._out

    async def write_eof(self, data: bytes = b"") -> None:
        """Wait where the reader does not keep up."""
        if self._out is not None:
            await self._out.drain()


def ready(request: web.Request, body: Body, lines: str) -> Ready:
    """The answer, compressed where the reader takes that; ``lines`` are more headers, each with its end."""
    sent, plain, vary = request.headers, body.plain, ""
    tag = body.etag
    if len(plain) >= GZIP_FROM:
        vary = "Vary: Accept-Encoding\r\n"
        if body.packed is not None and "gzip" in sent.get("Accept-Encoding", ""):
            tag, plain, vary = zipped(tag), body.packed, vary + PACKED
    head = f"Cache-Control: {FRESH}\r\nETag: {tag}\r\nDate: {rfc822_formatted_time()}\r\n{SERVER}{lines}\r\n"
    asked = sent.get("If-None-Match")
    if asked is not None and known_already(asked, body.etag):
        return Ready(f"HTTP/1.1 304 Not Modified\r\n{vary.removesuffix(PACKED)}{head}", b"")
    return Ready(f"HTTP/1.1 200 OK\r\n{JSON}Content-Length: {len(plain)}\r\n{vary}{head}", plain)
