"""Processes that write reports and deliver their alerts until they are killed, and what must hold afterwards."""

import asyncio
import contextlib
import logging
import multiprocessing
import os
import random
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from aiohttp import web
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook

from aggregator.alerts import Alert, status_change
from aggregator.clock import utc_now
from aggregator.delivery.lane import LEASE_SPARE_S
from aggregator.delivery.notifier import Notifier
from aggregator.delivery.outbox import Outbox
from aggregator.delivery.settings import DeliverySettings
from aggregator.report import MarginReport
from aggregator.store.repository import Store
from risk.status import Status
from tests.kit.receivers import SECRET, hook
from tests.kit.reports import a_report

QUICK = DeliverySettings(retry_base_s=0.02, retry_max_s=0.2, poll_s=0.05)
TIMEOUT_S = 0.3
REST_LIMIT_S = 60
AFTER_ALL_CLAIMS = timedelta(seconds=TIMEOUT_S + LEASE_SPARE_S)
PORTFOLIOS = ("desk", "treasury", "fund")


def hooks(urls):
    return tuple(hook(url, name, timeout_s=TIMEOUT_S, concurrency=8) for name, url in sorted(urls.items()))


def life(dsn: str, urls: dict[str, str], journal: str, seed: int) -> None:
    """A process of the service: appends reports with their alerts and delivers, until it is killed."""
    logging.disable()
    asyncio.run(_life(dsn, urls, journal, random.Random(seed)))


async def _life(dsn, urls, journal, rng):
    store = await Store.open(dsn)
    notifier = Notifier(store, hooks(urls), QUICK)
    delivering = asyncio.create_task(notifier.run())
    done = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    while not delivering.done():
        names = rng.sample(PORTFOLIOS, rng.randint(1, len(PORTFOLIOS)))
        reports = [a_report(name, rng.choice([Status.SAFE, Status.WATCH, Status.DELEVERAGE])) for name in names]
        await store.append(reports, status_change, notifier.receivers)
        os.write(done, "".join(f"{report.id}\n" for report in reports).encode())  # said to be stored from here on
        notifier.wake()
        await asyncio.sleep(rng.uniform(0, 0.02))


def deliver(dsn: str, urls: dict[str, str]) -> None:
    """A process that only delivers."""

    async def run():
        await Notifier(await Store.open(dsn), hooks(urls), QUICK).run()

    asyncio.run(run())


def processes():
    """Where processes come from: forked from a clean one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.kit.crash"])
    return context


@dataclass
class Ward:
    """Receivers that note what they get: one takes everything, one is out of sorts."""

    store: Store
    rng: random.Random
    taken: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    bodies: dict[str, str] = field(default_factory=dict)
    answers: Counter = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    urls: dict[str, str] = field(default_factory=dict)

    async def take(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], await request.text()
        Webhook(SECRET).verify(body, dict(request.headers))
        alert = Alert.model_validate_json(body)
        if await self.store.report(alert.report_id) is None:
            self.wrong.append(f"{alert.id} came without its report")
        if self.bodies.setdefault(alert.id, body) != body:
            self.wrong.append(f"{alert.id} came with two bodies")
        mood = "ok" if name == "pager" else self.rng.choice(["ok", "ok", "500", "cut", "slow", "late"])
        self.answers[mood] += 1
        if mood == "cut" and request.transport is not None:
            request.transport.abort()
        elif mood in {"slow", "late"}:
            await asyncio.sleep(TIMEOUT_S * (2 if mood == "late" else 0.5))
        if mood in {"ok", "slow"}:
            self.taken[name].append(alert.id)
        return web.Response(status=500 if mood == "500" else 204)

    @contextlib.asynccontextmanager
    async def open(self):
        app = web.Application()
        app.router.add_post("/{name}", self.take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self.urls = {name: f"{base}/{name}" for name in ("pager", "moody")}
        try:
            yield self
        finally:
            await runner.cleanup()


async def matrix(dsn: str, folder: Path, kills: int, seed: int, longest_s: float = 0.4) -> Counter:
    """Two processes at a time, one killed at a random moment and replaced, ``kills`` times; then all must hold."""
    rng, journal, started = random.Random(seed), str(folder / "journal"), time.monotonic()
    store = await Store.open(dsn)
    try:
        async with Ward(store, rng).open() as ward:
            await asyncio.to_thread(Path(journal).touch)
            children = [_start(dsn, ward, journal, rng) for _ in range(2)]
            try:
                for _ in range(kills):
                    await _progress(journal)
                    await asyncio.sleep(rng.uniform(0, longest_s))
                    i = rng.randrange(2)
                    await asyncio.to_thread(_kill, children[i])
                    children[i] = _start(dsn, ward, journal, rng)
            finally:
                for child in children:
                    await asyncio.to_thread(_kill, child)
            await rest(store, ward)
            said = (await asyncio.to_thread(Path(journal).read_text)).split()
            found = await check(store, ward, said)
    finally:
        await store.close()
    return found + Counter(kills=kills, seconds=round(time.monotonic() - started))


async def _progress(journal: str) -> None:
    """Until something more was stored: on a busy machine the kills must not all fall on processes that start."""
    before = os.stat(journal).st_size
    async with asyncio.timeout(REST_LIMIT_S):
        while os.stat(journal).st_size == before:
            await asyncio.sleep(0.01)


def _start(dsn, ward, journal, rng):
    child = processes().Process(target=life, args=(dsn, ward.urls, journal, rng.randrange(2**31)), daemon=True)
    child.start()
    return child


def _kill(child):
    assert child.is_alive(), f"a process ended by itself with {child.exitcode}"
    child.kill()
    child.join()


async def rest(store: Store, ward: Ward) -> None:
    """Deliver until nothing waits, by a clock at which the claims of the killed have run out."""
    later = Notifier(store, hooks(ward.urls), QUICK, clock=lambda: utc_now() + AFTER_ALL_CLAIMS)
    task = asyncio.create_task(later.run())
    try:
        async with asyncio.timeout(REST_LIMIT_S):
            while await Outbox(store).undelivered():
                await asyncio.sleep(0.1)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def check(store: Store, ward: Ward, said: list[str]) -> Counter:
    """No report lost or half written, exactly the alerts that the reports call for, each delivered to all."""
    async with store.transaction(writing=False) as connection:
        reports = (
            await connection.execute(text("SELECT id, portfolio, status, body FROM reports ORDER BY seq"))
        ).all()
        alerts = (await connection.execute(text("SELECT id, body FROM alerts ORDER BY seq"))).all()
        rows = (await connection.execute(text("SELECT alert_id, receiver, attempts FROM deliveries"))).all()
    assert set(said) <= {row.id for row in reports}, "a report that was said to be stored is not"
    wanted, before = Counter(), {}
    for row in reports:
        report = MarginReport.model_validate_json(row.body)
        assert (report.id, report.portfolio.name, report.status) == (row.id, row.portfolio, row.status)
        for alert in status_change(before.get(row.portfolio), report):
            wanted[alert.report_id, alert.previous_status, alert.status] += 1
        before[row.portfolio] = report.status
    found = [Alert.model_validate_json(row.body) for row in alerts]
    assert Counter((alert.report_id, alert.previous_status, alert.status) for alert in found) == wanted
    stored = {row.id: row.body for row in alerts}
    assert sorted((row.alert_id, row.receiver) for row in rows) == sorted(
        (i, name) for i in stored for name in ward.urls
    )
    for name in ward.urls:
        assert set(ward.taken[name]) == set(stored), f"{name} did not get exactly the alerts of the store"
    assert ward.bodies.items() <= stored.items()
    assert ward.wrong == []
    repeats = sum(len(taken) - len(set(taken)) for taken in ward.taken.values())
    return Counter(
        reports=len(reports), alerts=len(stored), delivered=sum(map(len, ward.taken.values())), repeats=repeats,
        failed_attempts=sum(n for mood, n in ward.answers.items() if mood not in {"ok", "slow"}),
    )  # fmt: skip
