"""A webhook receiver on loopback for the demo: a real HTTP server that checks every signature."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from aggregator.alerts import Alert

NOTICE = "ntc_"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where it listens and what it has taken."""

    url: str
    alerts: list[Alert]


@contextlib.asynccontextmanager
async def receiver(secret: str, on_alert: Callable[[Alert], None]) -> AsyncIterator[Receiver]:
    """Listen on a free loopback port; a repeated webhook-id is answered but counted once."""
    seen: set[str] = set()
    alerts: list[Alert] = []

    async def take(request: web.Request) -> web.Response:
        body = await request.text()
        try:
            Webhook(secret).verify(body, dict(request.headers))
        except WebhookVerificationError:
            return web.Response(status=401)
        if request.headers["webhook-id"].startswith(NOTICE):  # about the delivery itself: taken, nothing to show
            return web.Response(status=204)
        alert = Alert.model_validate_json(body)
        if alert.id not in seen:
            seen.add(alert.id)
            alerts.append(alert)
            on_alert(alert)
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/alerts", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield Receiver(f"http://127.0.0.1:{runner.addresses[0][1]}/alerts", alerts)
    finally:
        await runner.cleanup()
