"""A real HTTP and WebSocket server between a client and a node that misbehaves on demand.

``async with fault_proxy(node.http_url) as proxy`` gives ``proxy.url`` and ``proxy.ws_url``; setting
``proxy.fault``, for example to ``slow(2)``, changes what happens from the next exchange on, ``proxy.heal()``
ends it. ``await proxy.die()`` closes the port and ``await proxy.revive()`` opens the same one again;
``proxy.drop_sockets()`` cuts every WebSocket mid-stream, ``proxy.mute`` lets them stand without a word.
``proxy.seen`` counts the requests by method.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

Item = dict[str, Any]
Instead = Callable[["FaultProxy", web.Request], Awaitable[web.StreamResponse | None]]
Change = Callable[["FaultProxy", Item, Item], Awaitable[Item]]

SECRET = "k3y-in-the-url"
"""Part of every URL of the proxy: it must never be seen in a log or an error."""


@dataclass(frozen=True)
class Fault:
    """What is done instead of answering (HTTP only), how each answer is changed, how much of a body is sent."""

    instead: Instead | None = None
    change: Change | None = None
    share: float = 1.0


HEALTHY = Fault()


@dataclass
class FaultProxy:
    """The server; made by ``fault_proxy``."""

    upstream: str
    port: int = 0
    fault: Fault = HEALTHY
    mute: bool = False
    refuse_sockets: bool = False
    seen: Counter[str] = field(default_factory=Counter)
    exchanges: int = 0
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    sockets_opened: int = 0
    _runner: web.AppRunner | None = None
    _session: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{SECRET}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/{SECRET}"

    def heal(self) -> None:
        """Pass everything on as it is."""
        self.fault, self.mute, self.refuse_sockets = HEALTHY, False, False

    async def revive(self) -> None:
        """Listen, on the same port as before where there was one."""
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{tail:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = int(self._runner.addresses[0][1])

    async def die(self) -> None:
        """Refuse connections and cut those that stand."""
        self.drop_sockets()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def close(self) -> None:
        await self.die()
        if self._session is not None:
            await self._session.close()

    def drop_sockets(self) -> None:
        """Cut every WebSocket without a closing handshake."""
        for socket in self.sockets:
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()
        self.sockets.clear()

    async def ask(self, method: str, *params: object) -> Any:
        """Ask the node itself."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        return json.loads(await self._forward(json.dumps(body).encode()))["result"]

    @property
    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session

    async def _forward(self, body: bytes) -> bytes:
        async with self._client.post(
            self.upstream, data=body, headers={"Content-Type": "application/json"}
        ) as response:
            return await response.read()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._serve_socket(request)
        self.exchanges += 1
        body = await request.read()
        asked = json.loads(body)
        for item in asked if isinstance(asked, list) else [asked]:
            self.seen[item["method"]] += 1
        fault = self.fault
        if fault.instead is not None and (answer := await fault.instead(self, request)) is not None:
            return answer
        content = await self._forward(body)
        if fault.change is not None:
            content = json.dumps(await self._changed(fault.change, asked, json.loads(content))).encode()
        return web.Response(body=content[: int(len(content) * fault.share)], content_type="application/json")

    async def _changed(self, change: Change, asked: Any, answered: Any) -> Any:
        if not isinstance(answered, list):
            return await change(self, asked, answered)
        by_id = {item["id"]: item for item in asked}
        return [await change(self, by_id[item["id"]], item) for item in answered]

    async def _serve_socket(self, request: web.Request) -> web.StreamResponse:
        if self.refuse_sockets:
            return web.Response(status=503)
        ours = web.WebSocketResponse()
        await ours.prepare(request)
        self.sockets.append(ours)
        self.sockets_opened += 1
        asked: dict[Any, Item] = {}
        async with self._client.ws_connect(self.upstream, max_msg_size=0) as theirs:
            down = asyncio.create_task(self._pump_down(theirs, ours, asked))
            try:
                async for message in ours:
                    body = json.loads(message.data)
                    for item in body if isinstance(body, list) else [body]:
                        self.seen[item["method"]] += 1
                        asked[item["id"]] = item
                    if not self.mute:
                        await theirs.send_str(message.data)
            finally:
                down.cancel()
                with suppress(asyncio.CancelledError, ConnectionError, RuntimeError):
                    await down
        return ours

    async def _pump_down(
        self, theirs: aiohttp.ClientWebSocketResponse, ours: web.WebSocketResponse, asked: dict[Any, Item]
    ) -> None:
        async for message in theirs:
            if self.mute:
                continue
            body, change = json.loads(message.data), self.fault.change
            if change is not None and isinstance(body, dict) and body.get("id") in asked:
                body = await change(self, asked[body["id"]], body)
            with suppress(ConnectionError):
                await ours.send_str(json.dumps(body))


@asynccontextmanager
async def fault_proxy(upstream: str) -> AsyncIterator[FaultProxy]:
    """A healthy proxy of the node."""
    proxy = FaultProxy(upstream)
    await proxy.revive()
    try:
        yield proxy
    finally:
        await proxy.close()


def resetting() -> Fault:
    """Every connection is cut before an answer."""

    async def reset(_: FaultProxy, request: web.Request) -> web.StreamResponse | None:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    return Fault(instead=reset)


def slow(delay_s: float) -> Fault:
    """Every answer is right, but late."""

    async def wait(_: FaultProxy, __: web.Request) -> None:
        await asyncio.sleep(delay_s)

    return Fault(instead=wait)


def hanging() -> Fault:
    """No answer ever comes."""
    return slow(3600)


def status(code: int, headers: dict[str, str] | None = None, body: str = "") -> Fault:
    """Every exchange is answered by an HTTP status."""

    async def answer(_: FaultProxy, __: web.Request) -> web.StreamResponse:
        return web.Response(status=code, headers=headers, text=body)

    return Fault(instead=answer)


def too_many_requests(retry_after_s: int | None = None) -> Fault:
    """HTTP 429."""
    return status(429, None if retry_after_s is None else {"Retry-After": str(retry_after_s)})


def html_page() -> Fault:
    """HTTP 200 with a page for people."""
    return status(200, {"Content-Type": "text/html"}, f"<html><body>Bad gateway at {SECRET}</body></html>")


def truncated(share: float = 0.5) -> Fault:
    """Bodies end early."""
    return Fault(share=share)


def by_item(answer: Callable[[Item, Item], Item]) -> Fault:
    """Each answer changed by a plain function of the request and the answer."""

    async def change(_: FaultProxy, asked: Item, answered: Item) -> Item:
        return answer(asked, answered)

    return Fault(change=change)


def null_results(*methods: str) -> Fault:
    """``"result": null`` for these methods, or for all."""
    return by_item(
        lambda asked, got: {**got, "result": None} if not methods or asked["method"] in methods else got
    )


def rpc_error(code: int, message: str, *methods: str) -> Fault:
    """A JSON-RPC error for these methods, or for all."""

    def change(asked: Item, got: Item) -> Item:
        if methods and asked["method"] not in methods:
            return got
        return {"jsonrpc": "2.0", "id": got["id"], "error": {"code": code, "message": message}}

    return by_item(change)


def wrong_chain(number: int = 999) -> Fault:
    """Another chain answers at this address now."""
    return by_item(lambda asked, got: {**got, "result": hex(number)} if asked["method"] == "eth_chainId" else got)


def other_values() -> Fault:
    """Contract calls return other numbers than the twin's: every word of an answer's last 32 bytes differs."""

    def change(asked: Item, got: Item) -> Item:
        result = got.get("result")
        if asked["method"] != "eth_call" or not isinstance(result, str) or len(result) < 66:
            return got
        return {**got, "result": result[:-2] + f"{int(result[-2:], 16) ^ 1:02x}"}

    return by_item(change)


def lagging(blocks: int) -> Fault:
    """A node that is some blocks behind: newer blocks and their state are unknown, log ranges end early."""

    async def change(proxy: FaultProxy, asked: Item, got: Item) -> Item:
        head = int(await proxy.ask("eth_blockNumber"), 16) - blocks
        method, params = asked["method"], asked["params"]
        if method == "eth_blockNumber":
            return {**got, "result": hex(head)}
        if method == "eth_getBlockByNumber" and params[0] == "latest":
            return {**got, "result": await proxy.ask(method, hex(head), params[1])}
        if method in {"eth_getBlockByNumber", "eth_getBlockByHash"}:
            block = got.get("result")
            return {**got, "result": block if block and int(block["number"], 16) <= head else None}
        if method == "eth_getLogs":
            kept = [log for log in got.get("result") or [] if int(log["blockNumber"], 16) <= head]
            return {**got, "result": kept}
        if method == "eth_call" and await _number_of(proxy, params[1]) > head:
            return {"jsonrpc": "2.0", "id": got["id"], "error": {"code": -32000, "message": "header not found"}}
        return got

    return Fault(change=change)


def forked(above: int) -> Fault:
    """A node on another branch: blocks above the height have other hashes, and the true ones are unknown."""

    async def change(proxy: FaultProxy, asked: Item, got: Item) -> Item:
        method, block = asked["method"], got.get("result")
        if method in {"eth_getBlockByNumber", "eth_getBlockByHash"} and block and int(block["number"], 16) > above:
            return {**got, "result": {**block, "hash": block["hash"][:-4] + "dead"}}
        if method == "eth_call" and await _number_of(proxy, asked["params"][1]) > above:
            return {"jsonrpc": "2.0", "id": got["id"], "error": {"code": -32000, "message": "header not found"}}
        return got

    return Fault(change=change)


async def _number_of(proxy: FaultProxy, where: Any) -> int:
    """Number of the block that a parameter names."""
    if isinstance(where, dict):
        block = await proxy.ask("eth_getBlockByHash", where["blockHash"], False)
    else:
        block = await proxy.ask("eth_getBlockByNumber", where, False)
    return int(block["number"], 16) if block else 0
