"""The service and its watches: no report is never silence, and a scan that is too long is said once."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from aggregator import metrics
from aggregator.alerts import AlertKind
from aggregator.clock import utc_now
from aggregator.delivery.notifier import Notifier
from aggregator.service import Service
from aggregator.store.repository import Store
from aggregator.watches.book import WatchBook
from aggregator.watches.life import AlertLog
from aggregator.watches.rule import WatchChange
from risk.status import Status
from tests.kit.cycles import MadeUpCycle
from tests.kit.reports import a_report

LIMIT_S = 10
SOON = WatchBook({"report": WatchChange(fire="0.2")})


class Cycle(MadeUpCycle):
    """Gives a report of one of its two portfolios, unless it is told to fail or to be slow."""

    def __init__(self) -> None:
        super().__init__(("desk", "forgotten"))
        self.failing = False
        self.takes_s = 0.0

    async def begin(self):
        await asyncio.sleep(self.takes_s)
        if self.failing:
            raise OSError

    def make(self, name):
        return a_report(name, Status.SAFE) if name == "desk" else None


@pytest.fixture
async def store(tmp_path):
    opened = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 's.db'}")
    yield opened
    await opened.close()


@asynccontextmanager
async def running(*loops):
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        async with asyncio.timeout(LIMIT_S):
            yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def missing(store) -> dict[str, str]:
    """State of the alert about missing reports, by portfolio."""
    rows = await AlertLog(store).page(["desk", "forgotten"])
    return {row.alert.portfolio: row.life.state for row in reversed(rows) if row.alert.watch == "report"}


async def test_who_gets_no_report_is_told_of_and_who_gets_one_again_too(store):
    cycle = Cycle()
    service = Service(cycle, store, Notifier(store, ()), 0.05, SOON)
    async with running(service.run(), service.run_overdue()):
        while await missing(store) != {"forgotten": "open"}:
            await asyncio.sleep(0.02)
        cycle.failing = True
        while await missing(store) != {"forgotten": "open", "desk": "open"}:
            await asyncio.sleep(0.02)
        cycle.failing = False
        while (await missing(store))["desk"] != "resolved":
            await asyncio.sleep(0.02)
    told = [row.alert for row in await AlertLog(store).page(["desk"])]
    assert {AlertKind.MISSING, AlertKind.RESTORED} <= {alert.type for alert in told}


async def test_a_service_that_has_just_started_gives_its_scans_time(store):
    old = a_report("desk")
    await store.append([old], lambda *_: (), [])
    service = Service(Cycle(), store, Notifier(store, ()), 60, SOON)
    assert await service.look_overdue() == ()
    assert (utc_now() - old.as_of.time).total_seconds() > 60


async def test_a_scan_that_is_too_long_is_said_once_and_counted(store, caplog):
    cycle = Cycle()
    service = Service(cycle, store, Notifier(store, ()), 0.2)
    counter = metrics.CYCLES_SKIPPED.labels(kind="scan")
    before, cycle.takes_s = counter._value.get(), 0.45
    with caplog.at_level("INFO", logger="aggregator.service"):
        async with running(service.run()):
            while counter._value.get() < before + 4:
                await asyncio.sleep(0.02)
            cycle.takes_s = 0.0
            while "fit their interval again" not in caplog.text:
                await asyncio.sleep(0.02)
    said = [r.getMessage() for r in caplog.records if "more than the interval" in r.getMessage()]
    assert len(said) == 1
