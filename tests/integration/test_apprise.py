"""Receivers that people read, by apprise: words with a severity, in a thread, in time, nothing logged."""

import asyncio
import json
import logging
import threading

import pytest
from aiohttp import web

from aggregator.alerts import status_change
from aggregator.clock import utc_now
from aggregator.delivery import senders
from aggregator.delivery.message import Message, disabled_notice, trial_notice
from aggregator.delivery.notifier import Notifier
from aggregator.delivery.outbox import Outbox
from aggregator.delivery.senders import REFUSED, AppriseSender, tell
from aggregator.delivery.words import words
from aggregator.store.repository import Store
from risk.status import Status
from tests.kit.receivers import FAST, hook
from tests.kit.reports import WHEN, a_report

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # imported by apprise


@pytest.fixture
async def told():
    """A service as apprise's ``json://`` speaks to it; answers in turn."""
    taken, answers = [], [200]

    async def take(request):
        taken.append(await request.json())
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return web.Response(status=answer, headers={"Location": "/elsewhere"})

    app = web.Application()
    app.router.add_post("/{path:.*}", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield taken, answers, f"json://user:pass-word@127.0.0.1:{runner.addresses[0][1]}/token-part"
    await runner.cleanup()


def service(url, **more):
    return hook(url, "people", kind="apprise", secret=None, **({"timeout_s": 5} | more))


async def test_an_alert_is_told_in_words_and_retried_until_taken(told, tmp_path, caplog):
    taken, answers, url = told
    answers[:] = [500, 200]
    store = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}")
    try:
        notifier = Notifier(store, (service(url),), FAST)
        await store.append([a_report(status=Status.DELEVERAGE)], status_change, notifier.receivers)
        with caplog.at_level(logging.DEBUG):
            async with asyncio.timeout(10):
                while await Outbox(store).undelivered():
                    await notifier.drain()
    finally:
        await store.close()
    assert [item["title"] for item in taken] == ["desk: new -> DELEVERAGE"] * 2
    assert taken[0]["type"] == "failure"
    assert "the figures say DELEVERAGE" in taken[0]["message"]
    assert not any(part in caplog.text for part in ("pass-word", "token-part"))


async def test_a_redirect_is_not_followed_and_a_private_host_is_refused(told):
    taken, answers, url = told
    answers[:] = [302]
    body = trial_notice("people", WHEN).model_dump_json()
    assert await asyncio.to_thread(tell, url, body, allow_private=True) != ""
    assert len(taken) == 1
    assert await asyncio.to_thread(tell, url, body, allow_private=False) == REFUSED
    assert len(taken) == 1


async def test_stuck_plug_ins_hold_up_nobody_and_are_not_piled_up(monkeypatch):
    ends, begun = threading.Event(), []

    def stuck(url, body, *, allow_private):
        begun.append(url)
        ends.wait(20)
        return ""

    monkeypatch.setattr(senders, "tell", stuck)
    sender = AppriseSender(service("json://a.test", timeout_s=0.1, concurrency=2))
    loop, message = asyncio.get_running_loop(), Message("alt_1", "{}")
    before = loop.time()
    outcomes = [await sender.send(message, utc_now()) for _ in range(3)]
    assert [outcome.detail for outcome in outcomes] == ["timeout", "timeout", "earlier attempts are stuck"]
    assert loop.time() - before < 5
    assert len(begun) == 2
    ends.set()
    async with asyncio.timeout(5):
        while (await sender.send(message, utc_now())).detail != "told":
            await asyncio.sleep(0.02)


async def test_a_plug_in_that_raises_is_a_failed_attempt(monkeypatch):
    def broken(url, body, *, allow_private):
        raise RuntimeError(url)

    monkeypatch.setattr(senders, "tell", broken)
    outcome = await AppriseSender(service("json://secret-part")).send(Message("alt_1", "{}"), utc_now())
    assert (outcome.delivered, outcome.detail) == (False, "RuntimeError")


@pytest.mark.parametrize(
    ("given", "severity"),
    [
        ({"type": "margin.worse", "status": "LIQUIDATABLE"}, "failure"),
        ({"type": "margin.worse", "status": "WATCH"}, "warning"),
        ({"type": "margin.recovered", "status": "WATCH"}, "success"),
        ({"type": "margin.worse", "status": "WATCH", "severity": "critical", "change": "opened"}, "failure"),
        ({"type": "watch.fired", "status": "DELEVERAGE", "severity": "info", "change": "opened"}, "info"),
        ({"type": "margin.worse", "status": "DELEVERAGE", "severity": "warning", "change": ""}, "failure"),
        ({"type": "data.restored", "status": "SAFE", "severity": "warning", "change": "resolved"}, "success"),
    ],
)
def test_severity_is_that_of_the_alert_else_of_its_status(given, severity):
    assert words(json.dumps({"portfolio": "desk", "reason": "because"} | given))[2] == severity


def trial_notices_are_told_in_words():
    title, text, severity = words(disabled_notice("pager", "HTTP 410", 3, WHEN).model_dump_json())
    assert ("pager" in title, "HTTP 410" in text, "3 wait" in text, severity) == (True, True, True, "failure")
    assert words(trial_notice("pager", WHEN).model_dump_json())[2] == "info"
