"""Scans that take longer than their interval, and a host's clock that is set: left out, never piled up, said."""

import asyncio
import time
from itertools import pairwise

import pytest

from aggregator import metrics, upkeep
from aggregator.delivery.notifier import Notifier
from aggregator.service import Service
from aggregator.store.repository import Store
from aggregator.store.scans import ScanLog
from aggregator.upkeep import ClockWatch
from tests.kit.cycles import MadeUpCycle

INTERVAL_S = 0.4
LONG = 3


class Slow(MadeUpCycle):
    """Its first scans take longer than several intervals; notes when each begins and how many run at once."""

    def __init__(self, slow: int) -> None:
        super().__init__()
        self.slow, self.running, self.most = slow, 0, 0
        self.began: list[float] = []

    async def begin(self):
        self.began.append(time.monotonic())
        self.running += 1
        self.most = max(self.most, self.running)
        if self.rounds <= self.slow:
            await asyncio.sleep((LONG + 0.5) * INTERVAL_S)
        self.running -= 1


@pytest.fixture
async def store(tmp_path):
    opened = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 's.db'}")
    yield opened
    await opened.close()


async def test_a_slow_scan_leaves_the_next_ones_out_and_says_it_once(store, caplog):
    cycle, skipped = Slow(slow=2), metrics.CYCLES_SKIPPED.labels(kind="scan")
    seconds = metrics.CYCLE_SECONDS
    before, timed = skipped._value.get(), seconds._sum.get()
    service = Service(cycle, store, Notifier(store, ()), INTERVAL_S)
    with caplog.at_level("INFO", logger="aggregator.service"):
        task = asyncio.create_task(service.run())
        async with asyncio.timeout(60):
            while len(cycle.began) < 5 or not any("fit their" in line for line in said(caplog)):
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    lines = said(caplog)
    until = next(i for i, line in enumerate(lines) if "scans fit their interval again" in line)
    assert sum("left out; will say when they fit again" in line for line in lines[:until]) == 1
    assert cycle.most == 1
    assert skipped._value.get() - before >= 2 * LONG
    assert seconds._sum.get() - timed >= 2 * LONG * INTERVAL_S
    scans = [done.skipped for _, done in await ScanLog(store).page(limit=50)][::-1]
    assert scans[0] == 0
    assert min(scans[1:3]) >= LONG  # the record says how many were left out before it
    # What was left out is not made up for: none follows another within its interval.
    assert min(late - early for early, late in pairwise(cycle.began)) >= 0.95 * INTERVAL_S


def said(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(("jump_s", "way"), [(-3600.0, "back"), (90.0, "ahead")])
def test_a_clock_that_is_set_is_said_and_counted(jump_s, way, monkeypatch, caplog):
    counter = metrics.CLOCK_JUMPS.labels(direction=way)
    before, watch = counter._value.get(), ClockWatch()
    watch.watch()
    offset_s = watch._offset + jump_s
    monkeypatch.setattr(upkeep, "host_s", lambda: time.monotonic() + offset_s)
    with caplog.at_level("WARNING"):
        watch.watch()
        watch.watch()
    (line,) = said(caplog)
    assert f"set {way} by {abs(jump_s):.1f} s" in line
    assert counter._value.get() - before == 1
