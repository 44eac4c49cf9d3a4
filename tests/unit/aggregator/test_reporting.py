"""Reports of a reading: the breach first, the newest reading always, and no scan in the way of a look."""

import asyncio
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from aggregator.delivery.notifier import Notifier
from aggregator.portfolios import Portfolios
from aggregator.reporting import Reading, parts
from aggregator.reports import World
from aggregator.service import Service
from aggregator.store.repository import Store
from chains.accounts import ReadResult
from chains.types import Cut
from oracles.types import Quotes
from risk.status import Status
from tests.kit.cycles import MadeUpCycle
from tests.kit.reports import WHEN, a_report
from tests.kit.world import CHAINS, NOW, loan

ONE = CHAINS[0]
SAFE = {"calm": Status.SAFE, "thin": Status.SAFE}


@pytest.fixture
async def store(tmp_path):
    opened = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 's.db'}")
    yield opened
    await opened.close()


def two(liquidatable: bool | None, debt: str = "10"):
    """What was read of a portfolio that holds nothing and of one with a loan."""
    account = replace(loan(ONE, "20", debt), liquidatable=liquidatable)
    portfolios = Portfolios({"calm": (), "thin": (account.account,)})
    return World(NOW, Cut({}), portfolios, (ReadResult(accounts=(account,)),), Quotes(), frozenset())


@pytest.mark.parametrize(
    ("read", "before", "expected"),
    [
        (two(liquidatable=True), SAFE, (("thin",), ("calm",))),
        (two(liquidatable=False), SAFE, (("calm", "thin"),)),
        (two(liquidatable=None), SAFE, (("calm", "thin"),)),
        (two(liquidatable=None, debt="900000"), SAFE, (("thin",), ("calm",))),
        (two(liquidatable=True), SAFE | {"thin": Status.LIQUIDATABLE}, (("calm", "thin"),)),
        (two(liquidatable=True), {}, (("calm", "thin"),)),
    ],
    ids=["broken", "sound", "by its figures sound", "by its figures broken", "told already", "first look"],
)
def test_who_can_be_liquidated_since_the_last_report_comes_first(read, before, expected):
    assert parts(read, before) == expected


class Slow(MadeUpCycle):
    """Reports of whole scans take until they are let go; those of looks are there at once."""

    def __init__(self) -> None:
        super().__init__(("desk", "other"))
        self.go = asyncio.Event()
        self.scanning = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    def reports(self, world, names):
        if len(names) == 2:
            self.loop.call_soon_threadsafe(self.scanning.set)
            asyncio.run_coroutine_threadsafe(self.go.wait(), self.loop).result(10)
        return super().reports(world, names)

    def make(self, name):
        return a_report(name, Status.WATCH if self.scanning.is_set() else Status.SAFE)


async def test_a_look_does_not_wait_for_the_reports_of_a_scan_and_is_not_overtaken_by_them(store):
    cycle = Slow()
    service = Service(cycle, store, Notifier(store, ()), 60)
    scan = asyncio.create_task(service.scan())
    async with asyncio.timeout(10):
        await cycle.scanning.wait()
        look = await service.scan(cycle.portfolios.only(["desk"]))  # while the scan is stuck
        assert (await store.latest("desk")).id == look.reports[0].id
        cycle.go.set()
        done = await scan
    assert (await store.latest("desk")).id == look.reports[0].id
    assert [report.portfolio.name for report in done.reports] == ["desk", "other"]
    assert look.reports[0] in done.reports
    assert service.scans.last.portfolios == 2
    assert await store.count_reports() == 2


async def test_an_earlier_reading_that_is_late_is_left_out_and_remembered_by_nobody(store):
    cycle = MadeUpCycle()
    service = Service(cycle, store, Notifier(store, ()), 60)
    heard: list = []
    service.hearers.append(heard.extend)
    older, newer = [await cycle.world(WHEN + timedelta(seconds=s), cycle.portfolios) for s in (0, 1)]
    (kept,) = (await service._reporter.report(Reading(2, newer))).reports
    late = await service._reporter.report(Reading(1, older))
    assert late.reports == (kept,)  # the one that stands
    assert heard == [kept]
    assert cycle.worlds["desk"] is newer


async def test_a_look_that_a_scan_overtakes_has_the_reports_of_the_scan(store):
    class Late(MadeUpCycle):
        """The look over both is read first; its reports are ready after those of the scan."""

        def __init__(self) -> None:
            super().__init__(("desk", "other"))
            self.look: World | None = None
            self.scanned = threading.Event()

        async def world(self, now, only, not_before=None):
            made = await super().world(now, only)
            self.look = self.look or made
            return made

        def reports(self, world, names):
            if world.cut is self.look.cut:
                assert self.scanned.wait(10)
            return super().reports(world, names)

    cycle = Late()
    service = Service(cycle, store, Notifier(store, ()), 60)
    look = asyncio.create_task(service.scan(cycle.portfolios))
    async with asyncio.timeout(20):
        while cycle.look is None:
            await asyncio.sleep(0.005)
        scan = await service.scan()
        cycle.scanned.set()
        assert [report.id for report in (await look).reports] == [report.id for report in scan.reports]
    assert await store.count_reports() == 2


async def test_a_scan_goes_not_behind_what_a_look_has_shown(store):
    floors: list = []

    class Watching(MadeUpCycle):
        async def world(self, now, only, not_before=None):
            floors.append(dict(not_before))
            made = await super().world(now, only)
            return replace(made, cut=Cut({block.chain: block for block in blocks()}))

    cycle = Watching()
    service = Service(cycle, store, Notifier(store, ()), 60)
    await service.scan()
    await service.scan(cycle.portfolios, {ONE: 7})
    await service.scan()
    assert floors == [{}, {ONE: 7}, {block.chain: block.number for block in blocks()}]


def blocks():
    return [loan(ONE, "1", "1").at]


async def test_a_look_does_not_wait_for_the_reading_of_a_scan(store):
    class Slow(MadeUpCycle):
        def __init__(self) -> None:
            super().__init__(("desk", "other"))
            self.go = asyncio.Event()

        async def begin(self) -> None:
            if self.rounds == 1:
                await self.go.wait()

    cycle = Slow()
    service = Service(cycle, store, Notifier(store, ()), 60)
    scan = asyncio.create_task(service.scan())
    async with asyncio.timeout(10):
        while not cycle.rounds:
            await asyncio.sleep(0.005)
        look = await service.scan(cycle.portfolios.only(["desk"]))
        cycle.go.set()
        await scan
    assert (await store.latest("desk")).id == look.reports[0].id  # the scan read it before the look did
    assert await store.count_reports() == 2
