"""Receivers of alerts for tests: real HTTP servers on loopback that behave as told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web
from pydantic import SecretStr

from aggregator.delivery.settings import DeliverySettings, WebhookSettings

SECRET = "whsec_" + "dGVzdC1zZWNyZXQtb2YtMjQtYnl0ZXM="
OTHER_SECRET = "whsec_" + "YW5vdGhlci1zZWNyZXQtb2YtMjRi"
FAST = DeliverySettings(retry_base_s=0.02, retry_max_s=0.1, poll_s=0.02)


@dataclass
class Script:
    """Answers in turn; the last one repeats. A number < 100 is a pause in seconds, "cut" closes unanswered."""

    answers: list[object]
    bodies: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers in self.headers]

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        self.bodies.append(body)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer == "cut":
            request.transport.abort()
            return web.Response()
        if isinstance(answer, dict):
            return web.Response(**answer)
        if answer < 100:
            await asyncio.sleep(answer)
            return web.Response(status=204)
        return web.Response(status=int(answer), headers={"Location": "/elsewhere"})


@contextlib.asynccontextmanager
async def serving(*scripts: Script) -> AsyncIterator[None]:
    """Serve each script at an address of its own."""
    async with contextlib.AsyncExitStack() as stack:
        for script in scripts:
            app = web.Application()
            app.router.add_post("/hook/secret-part", script.take)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            script.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook/secret-part"
        yield


def hook(url: str, name: str = "desk", **more: object) -> WebhookSettings:
    """A receiver on loopback."""
    values = {"timeout_s": 1.0, "allow_private": True, "secret": SecretStr(SECRET)} | more
    return WebhookSettings(name=name, url=SecretStr(url), **values)
