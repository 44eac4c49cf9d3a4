"""A local server that answers as the exchanges and Hermes do, in documented shapes, with faults on demand."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiohttp import WSMsgType, web


@dataclass
class PriceServer:
    """What it answers; every field may be changed between questions."""

    books: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Bid and ask by symbol."""
    at_ms: int = 0
    fault: str = ""
    """'' | slow | 500 | 429 | 401 | html | cut | huge | redirect."""
    key: str = ""
    """Hermes refuses other bearers where it is set."""
    hermes: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    subscribed: list[Any] = field(default_factory=list)
    url: str = ""

    async def say(self, message: Any) -> None:
        """Send to every open socket."""
        for socket in self.sockets:
            await socket.send_str(message if isinstance(message, str) else json.dumps(message))


@asynccontextmanager
async def price_server() -> AsyncIterator[PriceServer]:
    server = PriceServer()

    @web.middleware
    async def faulty(request: web.Request, handler: Any) -> web.StreamResponse:
        server.asked.append(request.path_qs)
        fault = server.fault
        if fault == "slow":
            await asyncio.sleep(5)
        if fault == "500":
            return web.Response(status=500, text="oops")
        if fault == "429":
            return web.Response(status=429, headers={"Retry-After": "7"})
        if fault == "401":
            return web.Response(status=401)
        if fault == "html":
            return web.Response(text="<html>maintenance</html>", content_type="text/html")
        if fault == "redirect":
            return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})
        if fault == "huge":
            return web.Response(body=b"[" + b" " * 5_000_000 + b"]")
        if fault == "cut":
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            await response.write(b'{"half": ')
            request.transport.close()
            return response
        return await handler(request)

    app = web.Application(middlewares=[faulty])
    app.add_routes([
        web.get("/api/v3/ticker/24hr", partial(_binance, server)),
        web.get("/products/{symbol}/ticker", partial(_coinbase, server)),
        web.get("/0/public/Ticker", partial(_kraken, server)),
        web.get("/api/v5/market/ticker", partial(_okx, server)),
        web.get("/v2/updates/price/latest", partial(_hermes, server)),
        web.get("/", partial(_socket, server)),
        web.get("/stream", partial(_socket, server)),
        web.get("/v2", partial(_socket, server)),
        web.get("/ws/v5/public", partial(_socket, server)),
    ])  # fmt: skip
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        for socket in server.sockets:
            await socket.close()
        await runner.cleanup()


async def _binance(server: PriceServer, request: web.Request) -> web.Response:
    symbols = json.loads(request.query["symbols"])
    if unknown := [s for s in symbols if s not in server.books]:
        return web.json_response({"code": -1121, "msg": f"Invalid symbol. {unknown[0]}"})
    return web.json_response([
        {"symbol": s, "lastPrice": "1", "bidPrice": server.books[s][0], "askPrice": server.books[s][1],
         "openTime": server.at_ms - 86_400_000, "closeTime": server.at_ms, "count": 5}
        for s in symbols
    ])  # fmt: skip


async def _coinbase(server: PriceServer, request: web.Request) -> web.Response:
    symbol = request.match_info["symbol"]
    if symbol not in server.books:
        return web.json_response({"message": "NotFound"}, status=404)
    bid, ask = server.books[symbol]
    return web.json_response(
        {
            "ask": ask,
            "bid": bid,
            "volume": "1",
            "trade_id": 9,
            "price": bid,
            "size": "1",
            "time": iso(server.at_ms),
        }
    )


def iso(at_ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat().replace("+00:00", "Z")


async def _kraken(server: PriceServer, request: web.Request) -> web.Response:
    symbols = request.query["pair"].split(",")
    if any(s not in server.books for s in symbols):
        return web.json_response({"error": ["EQuery:Unknown asset pair"]})
    found = {
        s: {"a": [server.books[s][1], "1", "1.000"], "b": [server.books[s][0], "1", "1.000"], "c": ["1", "0.1"]}
        for s in symbols
    }
    return web.json_response({"error": [], "result": found})


async def _okx(server: PriceServer, request: web.Request) -> web.Response:
    symbol = request.query["instId"]
    if symbol not in server.books:
        return web.json_response({"code": "51001", "msg": "Instrument ID does not exist", "data": []})
    bid, ask = server.books[symbol]
    line = {"instType": "SPOT", "instId": symbol, "last": bid, "askPx": ask, "bidPx": bid, "ts": str(server.at_ms)}
    return web.json_response({"code": "0", "msg": "", "data": [line]})


async def _hermes(server: PriceServer, request: web.Request) -> web.Response:
    if server.key and request.headers.get("Authorization") != f"Bearer {server.key}":
        return web.Response(status=401)
    wanted = {text.removeprefix("0x") for text in request.query.getall("ids[]")}
    parsed = [item for item in server.hermes if item["id"] in wanted]
    return web.json_response({"binary": {"encoding": "hex", "data": []}, "parsed": parsed})


async def _socket(server: PriceServer, request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    server.sockets.append(socket)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            server.subscribed.append(json.loads(message.data))
    server.sockets.remove(socket)
    return socket
