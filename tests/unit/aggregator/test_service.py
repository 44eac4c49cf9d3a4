"""The scan loop outlives whatever fails, says so once, and recovers."""

import asyncio

import pytest

from aggregator.delivery.notifier import Notifier
from aggregator.service import Service
from aggregator.store.repository import Store
from chains.errors import EndpointUnreachable
from tests.kit.cycles import MadeUpCycle


class Cycle(MadeUpCycle):
    """Fails as scripted, then gives a report."""

    def __init__(self, *failures):
        super().__init__()
        self.failures = list(failures)

    async def begin(self):
        if self.failures:
            raise self.failures.pop(0)


@pytest.fixture
async def store(tmp_path):
    opened = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 's.db'}")
    yield opened
    await opened.close()


async def run_until(service, condition):
    task = asyncio.create_task(service.run())
    try:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.005)
    finally:
        task.cancel()


async def test_any_failure_is_logged_once_and_the_next_scan_comes(store, caplog):
    cycle = Cycle(EndpointUnreachable("eip155:1 endpoint 1: refused"), ValueError("unexpected"))
    service = Service(cycle, store, Notifier(store, ()), 0.3)
    with caplog.at_level("INFO", logger="aggregator.service"):
        await run_until(service, lambda: service.last_scan is not None)
    messages = [record.getMessage() for record in caplog.records]
    own = [message for message in messages if "interval" not in message]  # a busy machine may overrun it as well
    assert own == ["scans fail: eip155:1 endpoint 1: refused", "scans work again"]
    assert await store.count_reports() >= 1
