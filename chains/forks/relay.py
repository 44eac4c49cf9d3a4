"""A relay on loopback before endpoints whose URLs hold keys: ``python -m chains.forks.relay``.

anvil takes its endpoint on the command line only, where every user of the machine can read it, and names it in
``anvil_nodeInfo``. So it is given a port of this relay. The URLs come in on standard input (a JSON list), the
ports go out on standard output (a JSON list in the same order); nothing else is ever written.
"""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from chains.errors import EndpointUnreachable

LARGEST_BODY = 64 * 2**20
TIMEOUT_S = 60
_NO_ANSWER = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"the endpoint did not answer"}}'


@dataclass(frozen=True)
class Relay:
    """A running relay process."""

    process: subprocess.Popen[bytes]
    urls: tuple[str, ...]
    """Its own loopback URLs, in the order of the endpoints."""

    def stop(self) -> None:
        """End the process; safe to call twice."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(5)


def start(endpoints: Sequence[str]) -> Relay:
    """Start a relay before the endpoints; raises EndpointUnreachable where it does not come up."""
    process = subprocess.Popen(
        [sys.executable, "-m", "chains.forks.relay"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    pipes = process.stdin, process.stdout
    if pipes[0] is None or pipes[1] is None:
        raise EndpointUnreachable("the relay before the endpoints has no pipes")
    with pipes[0] as asked, pipes[1] as answered:
        asked.write(json.dumps(list(endpoints)).encode() + b"\n")
        asked.flush()
        line = answered.readline()
    if not line:
        process.wait(5)
        raise EndpointUnreachable(f"the relay before the endpoints ended with code {process.returncode}")
    return Relay(process, tuple(f"http://127.0.0.1:{port}" for port in json.loads(line)))


async def serve(endpoints: Sequence[str]) -> None:
    """Relay until SIGTERM."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with contextlib.AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(_relayed(url)) for url in endpoints]
        sys.stdout.write(json.dumps(ports) + "\n")
        sys.stdout.flush()
        await stopped.wait()


@contextlib.asynccontextmanager
async def _relayed(url: str) -> AsyncIterator[int]:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:

        async def forward(request: web.Request) -> web.Response:
            headers = {"Content-Type": "application/json"}
            try:
                body = await request.read()
                async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                    content, status = await answer.read(), answer.status
            except (aiohttp.ClientError, TimeoutError):
                content, status = _NO_ANSWER, 502
            return web.Response(body=content, status=status, content_type="application/json")

        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_post("/", forward)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.stdin.readline())))
