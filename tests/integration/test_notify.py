"""Delivery against a real HTTP receiver that is slow, failing, wrong or gone."""

import asyncio
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook

from aggregator.alerts import Alert, status_change
from aggregator.clock import utc_now
from aggregator.config import ServiceSettings, WebhookSettings
from aggregator.notify import Notifier
from aggregator.store.repository import Store
from api.cli.receiver import receiver
from risk.status import Status
from tests.kit.reports import a_report

SECRET = "whsec_" + "dGVzdC1zZWNyZXQtb2YtMjQtYnl0ZXM="
FAST = ServiceSettings(retry_base_s=0.02, retry_max_s=0.1)


@dataclass
class Script:
    """A receiver that answers by a script; the last answer repeats."""

    answers: list[object]
    bodies: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.text())
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            return web.Response(status=204)
        return web.Response(status=int(answer), headers={"Location": "/elsewhere"})


@pytest.fixture
async def store(tmp_path):
    opened = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'n.db'}")
    yield opened
    await opened.close()


@pytest.fixture
async def serve():
    runners = []

    async def start(script: Script) -> str:
        app = web.Application()
        app.router.add_post("/hook", script.take)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}/hook"

    yield start
    for runner in runners:
        await runner.cleanup()


def hook(url: str, timeout_s: float = 1.0) -> WebhookSettings:
    return WebhookSettings(name="desk", url=SecretStr(url), secret=SecretStr(SECRET), timeout_s=timeout_s)


async def run_until_delivered(notifier: Notifier, store: Store, limit_s: float = 5) -> None:
    task = asyncio.create_task(notifier.run())
    try:
        async with asyncio.timeout(limit_s):
            while await store.undelivered():
                await asyncio.sleep(0.01)
    finally:
        task.cancel()


async def test_alert_arrives_signed_and_once(store, serve):
    script = Script([204])
    notifier = Notifier(store, (hook(await serve(script)),), FAST)
    (alert,) = await store.append([a_report(status=Status.WATCH)], status_change, notifier.receivers)
    await run_until_delivered(notifier, store)
    assert len(script.bodies) == 1
    assert Webhook(SECRET).verify(script.bodies[0], script.headers[0])["id"] == alert.id
    assert script.headers[0]["webhook-id"] == alert.id


@pytest.mark.parametrize(
    "answers", [[500, 503, 204], [302, 404, 204], [0.5, 204]], ids=["failing", "moved", "slow"]
)
async def test_retried_until_the_receiver_answers(store, serve, answers):
    script = Script(list(answers))
    notifier = Notifier(store, (hook(await serve(script), timeout_s=0.1),), FAST)
    (alert,) = await store.append([a_report(status=Status.WATCH)], status_change, notifier.receivers)
    await run_until_delivered(notifier, store)
    assert len(script.bodies) == len(answers)
    assert {headers["webhook-id"] for headers in script.headers} == {alert.id}


async def test_dead_receiver_keeps_the_alert_over_a_restart(store, serve):
    dead = Notifier(store, (hook("http://127.0.0.1:9/hook"),), FAST)
    await store.append([a_report(status=Status.WATCH)], status_change, dead.receivers)
    async with aiohttp.ClientSession() as session:
        assert await dead.deliver_due(session, utc_now()) == 0
    assert await store.undelivered() == 1
    script = Script([204])
    await run_until_delivered(Notifier(store, (hook(await serve(script)),), FAST), store)
    assert Alert.model_validate_json(script.bodies[0]).status is Status.WATCH


async def test_failure_and_recovery_are_logged_once_without_the_url(store, serve, caplog):
    script = Script([500, 500, 500, 204])
    url = await serve(script)
    notifier = Notifier(store, (hook(url),), FAST)
    await store.append([a_report(status=Status.WATCH)], status_change, notifier.receivers)
    with caplog.at_level("INFO", logger="aggregator.notify"):
        await run_until_delivered(notifier, store)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert "desk" in messages[0]
    assert "again" in messages[1]
    assert url not in " ".join(messages)


async def test_receiver_removed_from_the_settings_keeps_its_alerts(store):
    await store.append([a_report(status=Status.WATCH)], status_change, ["gone"])
    async with aiohttp.ClientSession() as session:
        await Notifier(store, (), FAST).deliver_due(session, utc_now())
    assert await store.undelivered() == 1


async def test_demo_receiver_refuses_a_wrong_signature(store):
    async with receiver(SECRET, lambda _: None) as taken, aiohttp.ClientSession() as session:
        forged = {"webhook-id": "a", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
        async with session.post(taken.url, data="{}", headers=forged) as response:
            assert response.status == 401
        assert taken.alerts == []
