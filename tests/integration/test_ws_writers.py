"""One WebSocket, several writers: one that is cancelled while the socket is full takes no other with it."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import WSMsgType, web

from chains.caip import ChainId
from chains.evm.http_wire import Sessions
from chains.evm.limits import TransportLimits
from chains.evm.observe import EndpointName
from chains.evm.ws_wire import WsWire

CHAIN = ChainId("eip155:1")
NAME = EndpointName(CHAIN, 1)
LONG = "0x" + "ab" * 4_000_000
"""More than the buffers of a loopback connection hold."""


@asynccontextmanager
async def slow_endpoint():
    """Reads nothing until it may; then answers everything."""
    may_read = asyncio.Event()

    async def take(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=64 << 20)
        await socket.prepare(request)
        await may_read.wait()
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                ident = json.loads(message.data)["id"]
                await socket.send_json({"jsonrpc": "2.0", "id": ident, "result": "0x1"})
        return socket

    app = web.Application()
    app.router.add_get("/", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    wire = WsWire(NAME, f"ws://127.0.0.1:{runner.addresses[0][1]}/", sessions := Sessions(CHAIN, None), LIMITS)
    try:
        await wire.ready()
        yield wire, may_read
    finally:
        await wire.close()
        await sessions.close()
        await runner.cleanup()


LIMITS = TransportLimits(timeout_s=20)


async def test_a_cancelled_writer_takes_no_other_with_it():
    async with slow_endpoint() as (wire, may_read):
        first, second = (asyncio.create_task(wire.send([("eth_call", [LONG])])) for _ in range(2))
        await asyncio.sleep(0.2)
        assert not first.done()
        first.cancel()
        await asyncio.sleep(0.05)
        assert first.cancelled()
        assert not second.done()
        may_read.set()
        assert len(await second) == 1
        assert len(await wire.send([("eth_chainId", [])])) == 1
        with pytest.raises(asyncio.CancelledError):
            await first
