"""One WebSocket, several writers: one that is cancelled while the socket is full takes no other with it."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import WSMsgType, web

from chains.caip import ChainId
from chains.errors import EndpointUnreachable
from chains.evm.http_wire import Sessions
from chains.evm.limits import TransportLimits
from chains.evm.observe import EndpointName
from chains.evm.ws_wire import WsWire

CHAIN = ChainId("eip155:1")
NAME = EndpointName(CHAIN, 1)
LONG = "0x" + "ab" * 4_000_000
"""More than the buffers of a loopback connection hold."""


@asynccontextmanager
async def slow_endpoint(timeout_s: float = 20):
    """Reads nothing until it may; then answers everything."""
    limits = TransportLimits(timeout_s=timeout_s)
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
    wire = WsWire(NAME, f"ws://127.0.0.1:{runner.addresses[0][1]}/", sessions := Sessions(CHAIN, None), limits)
    try:
        await wire.ready()
        yield wire, may_read
    finally:
        await wire.close()
        await sessions.close()
        await runner.cleanup()


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


async def test_an_endpoint_that_never_reads_is_given_up():
    """Its heartbeat is longer than the patience with it: writing counts against the same time as the answer."""
    async with slow_endpoint(60) as (wire, _):
        wire._limits = replace(wire._limits, timeout_s=0.5)
        writers = [asyncio.create_task(wire.send([("eth_call", [LONG])])) for _ in range(3)]
        done, waiting = await asyncio.wait(writers, timeout=15)
        assert not waiting
        for writer in done:
            with pytest.raises(EndpointUnreachable, match=r"no answer in 0\.5 s"):
                writer.result()
