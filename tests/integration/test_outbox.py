"""The outbox under several processes, on both databases: one claim at a time, nothing lost, the same id again."""

import asyncio
import os
import signal
from datetime import timedelta

from aiohttp import web
from sqlalchemy import text

from aggregator.alerts import status_change
from aggregator.clock import utc_now
from aggregator.delivery.lane import FAIR_EVERY
from aggregator.delivery.log import attempts
from aggregator.delivery.message import Message, Outcome
from aggregator.delivery.notifier import Notifier
from aggregator.delivery.outbox import Claim, Outbox
from aggregator.delivery.queue import PATIENT
from aggregator.delivery.settings import DeliverySettings
from aggregator.store.migrate import downgrade, upgrade
from aggregator.store.repository import Store
from aggregator.watches.book import WatchBook, defaults
from aggregator.watches.rule import WatchChange
from aggregator.watches.watching import Watching
from risk.status import Status
from tests.kit.crash import deliver, hooks, matrix, processes
from tests.kit.receivers import FAST, Script, hook, serving
from tests.kit.reports import WHEN, a_report
from tests.kit.stores import at_time

LEASE_S = 10
SOON = WHEN + timedelta(seconds=LEASE_S)


async def one_alert(store, *receivers):
    (alert,) = await store.append([a_report(status=Status.WATCH)], status_change, receivers or ["hook"])
    return alert


async def settle(outbox, claim, outcome, now, owner="a", after_s=30.0):
    again = now + timedelta(seconds=after_s)
    return await outbox.settle("hook", claim, outcome, owner, now, 0.1, again, ())


FAILED, TAKEN = Outcome(delivered=False, detail="HTTP 500"), Outcome(delivered=True, detail="HTTP 204")


async def test_a_claim_is_for_one_owner_until_it_runs_out(store):
    outbox, alert = Outbox(store), await one_alert(store)
    (claim,) = await outbox.claim("hook", "a", WHEN, LEASE_S, 10)
    assert claim.message.id == alert.id
    assert await outbox.claim("hook", "b", WHEN, LEASE_S, 10) == []
    (again,) = await outbox.claim("hook", "b", SOON, LEASE_S, 10)
    assert again.message == claim.message
    await outbox.release("a", [claim.seq])  # no longer its own: the other one keeps it
    assert await outbox.claim("hook", "c", SOON, LEASE_S, 10) == []


async def test_a_failed_attempt_waits_and_an_answer_ends_it(store):
    outbox, _ = Outbox(store), await one_alert(store)
    (claim,) = await outbox.claim("hook", "a", WHEN, LEASE_S, 10)
    await settle(outbox, claim, FAILED, WHEN)
    assert await outbox.claim("hook", "a", WHEN, LEASE_S, 10) == []
    (again,) = await outbox.claim("hook", "a", WHEN + timedelta(seconds=30), LEASE_S, 10)
    assert again.attempts == 1
    await settle(outbox, again, TAKEN, WHEN)
    assert await outbox.claim("hook", "a", WHEN + timedelta(days=1), LEASE_S, 10) == []
    assert await outbox.undelivered() == 0
    assert [(line.attempt, line.delivered) for line in await attempts(store)] == [(2, True), (1, False)]


async def test_a_late_failure_takes_back_no_answer_and_no_other_s_claim(store):
    outbox, _ = Outbox(store), await one_alert(store)
    (slow,) = await outbox.claim("hook", "a", WHEN, LEASE_S, 10)
    (taken_over,) = await outbox.claim("hook", "b", SOON, LEASE_S, 10)
    await settle(outbox, slow, FAILED, SOON, after_s=0)
    assert await outbox.claim("hook", "c", SOON, LEASE_S, 10) == []
    await settle(outbox, taken_over, TAKEN, SOON, "b")
    await settle(outbox, slow, FAILED, SOON)
    assert await outbox.undelivered() == 0


async def test_a_first_attempt_and_a_retry_wait_for_no_clock_that_was_set_back(store):
    outbox, _ = Outbox(store, DeliverySettings(retry_max_s=900)), await one_alert(store)
    (claim,) = await outbox.claim("hook", "a", WHEN - timedelta(hours=1), LEASE_S, 10)
    await settle(outbox, claim, FAILED, WHEN, after_s=900)
    assert await outbox.claim("hook", "a", WHEN - timedelta(seconds=30), LEASE_S, 10) == []
    assert len(await outbox.claim("hook", "a", WHEN - timedelta(hours=1), LEASE_S, 10)) == 1


async def test_what_waits_for_a_receiver_that_answers_again_is_due_at_once(store):
    outbox, first = Outbox(store), await one_alert(store)
    (claim,) = await outbox.claim("hook", "a", WHEN, LEASE_S, 10)
    assert (await settle(outbox, claim, FAILED, WHEN, after_s=900)).began_to_fail
    await store.append([a_report("other", Status.WATCH)], status_change, ["hook"])
    (second,) = await outbox.claim("hook", "a", WHEN, LEASE_S, 10)
    assert (await settle(outbox, second, TAKEN, WHEN)).recovered
    assert [claim.message.id for claim in await outbox.claim("hook", "a", WHEN, LEASE_S, 10)] == [first.id]


async def test_new_alerts_go_before_a_backlog_and_receivers_are_apart(store):
    outbox = Outbox(store)
    for i in range(60):
        await store.append([a_report(f"old-{i}", Status.WATCH)], status_change, ["hook"])
    for claim in await outbox.claim("hook", "a", WHEN, LEASE_S, 100):
        await settle(outbox, claim, FAILED, WHEN, after_s=0)
    (alert,) = await store.append([a_report("new", Status.WATCH)], status_change, ["hook", "other"])
    assert (await outbox.claim("hook", "a", WHEN, LEASE_S, 1))[0].message.id == alert.id
    assert [c.message.id for c in await outbox.claim("other", "a", WHEN, LEASE_S, 50)] == [alert.id]


async def test_two_deliverers_over_one_database_send_each_alert_once(dsn, store):
    script, other = Script([0.01]), await Store.open(dsn)
    async with serving(script):
        pair = [Notifier(each, (hook(script.url),), FAST) for each in (store, other)]
        tasks = [asyncio.create_task(notifier.run()) for notifier in pair]
        sent = []
        for i in range(40):
            sent += await store.append([a_report(f"p{i}", Status.WATCH)], status_change, ["desk"])
            for notifier in pair:
                notifier.wake()
        async with asyncio.timeout(30):
            while await Outbox(store).undelivered():
                await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await other.close()
    assert sorted(script.ids) == sorted(alert.id for alert in sent)


async def test_killed_between_post_and_note_it_is_sent_again_with_the_same_id(dsn, store):
    """The process is killed while its POST is being answered; another one takes over once its claim is over."""
    ids, child = [], None

    async def take(request):
        ids.append(request.headers["webhook-id"])
        if len(ids) == 1:
            os.kill(child.pid, signal.SIGKILL)
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    urls = {"desk": f"http://127.0.0.1:{runner.addresses[0][1]}/"}
    try:
        alert = await one_alert(store, "desk")
        child = processes().Process(target=deliver, args=(dsn, urls), daemon=True)
        child.start()
        await asyncio.to_thread(child.join, 30)
        assert child.exitcode == -signal.SIGKILL
        assert await Outbox(store).undelivered() == 1
        assert await Notifier(store, hooks(urls), FAST).drain() == 0  # the claim still holds
        later = Notifier(store, hooks(urls), FAST, clock=lambda: utc_now() + timedelta(seconds=LEASE_S))
        assert await later.drain() == 1
    finally:
        await runner.cleanup()
    assert ids == [alert.id, alert.id]


async def test_the_log_forgets_by_age_and_by_number(store):
    outbox = Outbox(store, DeliverySettings(log_days=1, log_rows=100))
    for hour in range(130):
        message = Message(f"ntc_{hour}", "{}")
        await outbox.note_test("hook", message, TAKEN, WHEN + timedelta(minutes=30 * hour), 0.1)
    assert await outbox.prune(WHEN + timedelta(minutes=30 * 129)) == 130 - 49
    assert await outbox.prune(WHEN) == 0
    assert len(await attempts(store, limit=1000)) == 49


async def test_ten_kills_lose_no_alert(dsn, tmp_path):
    found = await matrix(dsn, tmp_path, kills=10, seed=1)
    assert found["alerts"] >= 10


async def test_migration_keeps_the_outbox_up_and_down(store):
    """Down to before the delivery's tables and up again, with a delivered and a waiting row."""
    outbox, alert = Outbox(store), await one_alert(store, "hook", "other")
    (claim,) = await outbox.claim("hook", "a", WHEN, LEASE_S, 1)
    await settle(outbox, claim, TAKEN, WHEN)
    shown = text("SELECT seq, alert_id, receiver, attempts, delivered_at IS NULL FROM deliveries ORDER BY seq")
    async with store.transaction(writing=True) as connection:
        before = (await connection.execute(shown)).all()
        await connection.run_sync(downgrade, "0007")
        assert (await connection.execute(shown)).all() == before
        await connection.run_sync(upgrade)
        assert (await connection.execute(shown)).all() == before
    (waits,) = await outbox.claim("other", "a", WHEN, LEASE_S, 9)
    assert waits == Claim(waits.seq, Message(alert.id, waits.message.body), 0)


JUDGE = Watching(WatchBook({name: WatchChange(enabled=False) for name in defaults() if name != "status"}))


async def judged(store, name, status, *, minute=0):
    """The alert that the status of a portfolio causes by the package's watch of it."""
    report = at_time(WHEN + timedelta(minutes=minute), name, status)
    (alert,) = await store.append([report], JUDGE, ["hook"])
    return alert.id


async def claimed(store, most=1, *, at=WHEN, by_age=False):
    return await Outbox(store).claim("hook", "a", at, LEASE_S, most, by_age=by_age)


def said(claims):
    return [claim.message.id for claim in claims]


async def test_a_breach_overtakes_what_waits_and_the_newest_one_first(store):
    mild = [await judged(store, f"mild-{i}", Status.WATCH) for i in range(30)]
    old = [await judged(store, f"old-{i}", Status.DELEVERAGE) for i in range(2)]
    new = await judged(store, "new", Status.LIQUIDATABLE, minute=1)
    assert said(await claimed(store, 4)) == [new, *old, mild[0]]
    assert said(await claimed(store, 1, by_age=True)) == [mild[1]]


async def test_the_end_of_a_breach_is_not_urgent(store):
    first, mild = await judged(store, "desk", Status.LIQUIDATABLE), await judged(store, "other", Status.WATCH)
    (claim,) = await claimed(store)
    assert said([claim]) == [first]
    await settle(Outbox(store), claim, TAKEN, WHEN)
    await store.append([at_time(WHEN + timedelta(minutes=5), "desk", Status.SAFE)], JUDGE, ["hook"])
    end = await judged(store, "desk", Status.SAFE, minute=6)
    assert said(await claimed(store, 4)) == [mild, end]


async def test_one_matter_is_told_in_its_order_however_urgent_its_end(store):
    begin = await judged(store, "desk", Status.WATCH)
    worse = await judged(store, "desk", Status.LIQUIDATABLE, minute=1)
    other = await judged(store, "other", Status.DELEVERAGE)
    (first, second) = await claimed(store, 4)
    assert said([first, second]) == [begin, other]  # its matter has become critical; what follows waits for it
    await settle(Outbox(store), second, TAKEN, WHEN)
    await settle(Outbox(store), first, FAILED, WHEN, after_s=60)
    assert await claimed(store, 4) == []
    (again,) = await claimed(store, 4, at=WHEN + timedelta(seconds=60))
    assert said([again]) == [begin]
    await settle(Outbox(store), again, TAKEN, WHEN)
    assert said(await claimed(store, 4, at=WHEN + timedelta(seconds=60))) == [worse]


async def test_a_message_that_is_not_taken_holds_its_matter_up_for_a_while_only(store):
    begin = await judged(store, "desk", Status.WATCH)
    worse = await judged(store, "desk", Status.LIQUIDATABLE, minute=1)
    for _ in range(PATIENT):
        (claim,) = await claimed(store, 4)
        assert said([claim]) == [begin]
        await settle(Outbox(store), claim, FAILED, WHEN, after_s=0)
    (claim,) = await claimed(store, 4)
    assert said([claim]) == [begin]  # due before the other one
    await settle(Outbox(store), claim, FAILED, WHEN, after_s=60)
    assert said(await claimed(store, 4)) == [worse]


async def test_a_crowd_of_urgent_messages_starves_nobody(store):
    """One at a time at a slow receiver, with a new breach for every message that it takes."""
    mild = await judged(store, "mild", Status.WATCH)
    script, count = Script([204]), 0
    async with serving(script):
        notifier = Notifier(store, (hook(script.url, "hook", concurrency=1),), FAST)
        lane = notifier._lanes[0]
        async with lane._sender:
            while mild not in script.ids:
                await judged(store, f"p{count}", Status.LIQUIDATABLE)
                await judged(store, f"q{count}", Status.LIQUIDATABLE)
                await lane.look()
                await asyncio.gather(*lane._running)
                lane._running.clear()
                count += 1
                assert count <= FAIR_EVERY
    assert count > 1
