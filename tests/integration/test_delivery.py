"""Delivery to real HTTP receivers that are slow, failing, redirecting, hanging, cut off or gone."""

import asyncio
from datetime import timedelta

import aiohttp
import pytest
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from aggregator.alerts import Alert, status_change
from aggregator.clock import utc_now
from aggregator.delivery.notifier import Notifier
from aggregator.delivery.outbox import Outbox
from aggregator.delivery.receivers import enable, states
from aggregator.delivery.settings import DeliverySettings, OldSecret
from aggregator.store.repository import Store
from api.cli.receiver import receiver
from risk.status import Status
from tests.kit.receivers import FAST, OTHER_SECRET, SECRET, Script, hook, serving
from tests.kit.reports import a_report


@pytest.fixture
async def store(tmp_path):
    opened = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'n.db'}")
    yield opened
    await opened.close()


async def alert_to(store, notifier, name="desk", status=Status.WATCH):
    (alert,) = await store.append([a_report(name, status)], status_change, notifier.receivers)
    return alert


async def run_until(notifier, condition, limit_s=20):
    task = asyncio.create_task(notifier.run())
    try:
        async with asyncio.timeout(limit_s):
            while not await condition():
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def nothing_waits(store):
    async def told():
        return await Outbox(store).undelivered() == 0

    return told


async def test_alert_arrives_signed_and_once(store):
    script = Script([204])
    async with serving(script):
        notifier = Notifier(store, (hook(script.url),), FAST)
        alert = await alert_to(store, notifier)
        await run_until(notifier, nothing_waits(store))
    assert script.ids == [alert.id]
    assert Webhook(SECRET).verify(script.bodies[0], script.headers[0])["id"] == alert.id


@pytest.mark.parametrize(
    "answers",
    [[500, 503, 204], [302, 404, 204], [0.5, 204], ["cut", "cut", 204], [429, {"status": 202}]],
    ids=["failing", "moved", "slow", "cut", "busy"],
)
async def test_retried_with_the_same_id_until_the_receiver_answers(store, answers):
    script = Script(list(answers))
    async with serving(script):
        notifier = Notifier(store, (hook(script.url, timeout_s=0.1),), FAST)
        alert = await alert_to(store, notifier)
        await run_until(notifier, nothing_waits(store))
    assert script.ids == [alert.id] * len(answers)


async def test_a_healthy_receiver_waits_for_no_other(store):
    """One each that is slow, failing, redirecting, hanging, cut off, unreachable; a backlog for all of them."""
    healthy, bad = Script([204]), [Script([3]), Script([500]), Script([302]), Script([99]), Script(["cut"])]
    async with serving(healthy, *bad):
        hooks = [hook(script.url, f"bad-{i}", timeout_s=10) for i, script in enumerate(bad)]
        hooks.append(hook("http://127.0.0.1:9/hook", "dead", timeout_s=10))
        crowd = Notifier(store, (*hooks, hook(healthy.url, "healthy")), DeliverySettings())
        backlog = [a_report(f"old-{i}", Status.WATCH) for i in range(60)]
        await store.append(backlog, status_change, [each.name for each in hooks])
        task = asyncio.create_task(crowd.run())
        try:
            async with asyncio.timeout(30):
                while not all(script.bodies for script in bad):
                    await asyncio.sleep(0.02)
                alert = await alert_to(store, crowd)
                before = asyncio.get_running_loop().time()
                crowd.wake()
                while not healthy.bodies:
                    await asyncio.sleep(0.005)
                took_s = asyncio.get_running_loop().time() - before
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert healthy.ids == [alert.id]
    assert took_s < 3  # the others' attempts take 10 s each


async def test_dead_receiver_keeps_the_alert_over_a_restart(store):
    dead = Notifier(store, (hook("http://127.0.0.1:9/hook"),), FAST)
    await alert_to(store, dead)
    assert await dead.drain() == 0
    assert await Outbox(store).undelivered() == 1
    script = Script([204])
    async with serving(script):
        await run_until(Notifier(store, (hook(script.url),), FAST), nothing_waits(store))
    assert Alert.model_validate_json(script.bodies[0]).status is Status.WATCH


async def test_failure_and_recovery_are_logged_once_without_the_url(store, caplog):
    script = Script([500, 500, 500, 204])
    async with serving(script):
        notifier = Notifier(store, (hook(script.url),), FAST)
        await alert_to(store, notifier)
        with caplog.at_level("INFO", logger="aggregator.delivery"):
            await run_until(notifier, nothing_waits(store))
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert "desk" in messages[0]
    assert "again" in messages[1]
    assert "secret-part" not in caplog.text


async def test_receiver_removed_from_the_settings_keeps_its_alerts(store):
    await store.append([a_report(status=Status.WATCH)], status_change, ["gone"])
    await Notifier(store, (), FAST).drain()
    assert await Outbox(store).undelivered() == 1


async def test_both_keys_sign_while_a_receiver_changes_and_the_old_one_ends(store):
    script, now = Script([204]), utc_now()
    old = OldSecret(secret=SecretStr(OTHER_SECRET), until=now + timedelta(hours=1))
    async with serving(script):
        for at in (now, now + timedelta(hours=2)):
            changing = Notifier(store, (hook(script.url, old_secrets=(old,)),), FAST, clock=lambda at=at: at)
            await changing.try_out("desk")
    first, second = script.headers
    assert len(first["webhook-signature"].split(" ")) == 2
    for key in (SECRET, OTHER_SECRET):
        Webhook(key).verify(script.bodies[0], first)
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER_SECRET).verify(script.bodies[1], second | {"webhook-timestamp": str(int(now.timestamp()))})
    assert len(second["webhook-signature"].split(" ")) == 1


async def test_gone_switches_off_tells_the_others_and_keeps_the_alert(store, caplog):
    gone, healthy = Script([410, 204]), Script([204])
    async with serving(gone, healthy):
        notifier = Notifier(store, (hook(gone.url, "old"), hook(healthy.url, "pager")), FAST)
        alert = await alert_to(store, notifier)
        await notifier.drain()
        await notifier.drain()
        assert (await states(store))["old"].disabled_reason.startswith("HTTP 410")
        assert len(gone.bodies) == 1
        (notice,) = [body for body in healthy.bodies if "receiver.disabled" in body]
        assert '"receiver":"old"' in notice
        assert await Outbox(store).undelivered() == 1
        assert await enable(store, "old", utc_now())
        assert not await enable(store, "old", utc_now())
        await notifier.drain()
    assert gone.ids == [alert.id, alert.id]
    assert "notify enable old" in caplog.text


async def test_a_receiver_that_is_down_for_a_day_gets_every_alert(store):
    """Alerts come all day; the receiver is back after 24 h. Delays grow to 15 min; then nothing waits any more."""
    script, clock = Script([503]), [utc_now()]
    async with serving(script):
        notifier = Notifier(store, (hook(script.url),), DeliverySettings(), clock=lambda: clock[0])
        begin, alerts = clock[0], []
        while clock[0] - begin < timedelta(days=1):
            if (clock[0] - begin) % timedelta(hours=6) == timedelta(0):
                alerts.append(await alert_to(store, notifier, f"p{len(alerts)}"))
            await notifier.drain()
            clock[0] += timedelta(minutes=15)
        tried = len(script.bodies)
        script.answers[:] = [204]
        clock[0] += timedelta(minutes=15)
        assert await notifier.drain() == len(alerts) == 4
    assert await Outbox(store).undelivered() == 0
    assert set(script.ids) == {alert.id for alert in alerts}
    assert 4 * 20 < tried < 4 * 110
    assert (await states(store))["desk"].failures == 0


async def test_days_of_failure_switch_off_and_a_restart_says_it_no_second_time(store, caplog):
    script, clock = Script([500]), [utc_now()]
    settings = DeliverySettings(disable_after_s=2 * 86_400, disable_after_attempts=5)
    async with serving(script):
        for _ in range(60):
            notifier = Notifier(store, (hook(script.url),), settings, clock=lambda: clock[0])
            if not await Outbox(store).undelivered():
                await alert_to(store, notifier)
            await notifier.drain()
            clock[0] += timedelta(hours=1)
    assert (await states(store))["desk"].disabled_at is not None
    assert len(script.bodies) == 49
    said = [record.getMessage() for record in caplog.records]
    assert len([text for text in said if "switched off" in text]) == 1
    assert len([text for text in said if "does not take" in text]) == 1
    assert await Outbox(store).undelivered() == 1


async def test_a_shutdown_gives_claims_back(store):
    script = Script([99])
    async with serving(script):
        first = Notifier(store, (hook(script.url, timeout_s=30),), FAST)
        await alert_to(store, first)

        async def posted():
            return bool(script.bodies)

        await run_until(first, posted)
        script.answers[:] = [204]
        assert await Notifier(store, (hook(script.url),), FAST).drain() == 1
    assert script.ids[0] == script.ids[1]


async def test_delivery_outlives_a_store_that_fails(store, caplog, monkeypatch):
    notifier = Notifier(store, (hook("http://127.0.0.1:9/hook"),), FAST)
    real, failures = store.transaction, [OSError("disk")] * 6

    def broken(**given):
        if failures:
            raise failures.pop()
        return real(**given)

    monkeypatch.setattr(store, "transaction", broken)

    async def said():
        return "can be used again" in caplog.text

    with caplog.at_level("INFO", logger="aggregator.delivery"):
        await run_until(notifier, said)
    assert len([r for r in caplog.records if "cannot be used" in r.getMessage()]) == 1


async def test_demo_receiver_refuses_a_wrong_signature(store):
    async with receiver(SECRET, lambda _: None) as taken, aiohttp.ClientSession() as session:
        forged = {"webhook-id": "a", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
        async with session.post(taken.url, data="{}", headers=forged) as response:
            assert response.status == 401
        assert taken.alerts == []


async def test_what_is_committed_is_on_its_way_before_more_is_written(store):
    """Only where this process delivers, and not for long where the store is slow."""
    script = Script([204])
    async with serving(script):
        notifier = Notifier(store, (hook(script.url),), DeliverySettings(poll_s=60))
        await asyncio.wait_for(notifier.taken(60), 5)  # nobody delivers here yet
        task = asyncio.create_task(notifier.run())
        await asyncio.sleep(0.1)
        alert = await alert_to(store, notifier)
        await asyncio.wait_for(notifier.taken(60), 20)
        assert await Outbox(store).claim("desk", "other", utc_now(), 10, 1) == []  # it is claimed, or answered
        async with asyncio.timeout(20):
            while not script.bodies:
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert script.ids == [alert.id]
