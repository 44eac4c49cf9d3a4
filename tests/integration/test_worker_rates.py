"""Each endpoint's rate in the hands of one worker, which lends parts of it, over one PostgreSQL database."""

import asyncio
import time
from bisect import bisect_right
from pathlib import Path

import pytest

from aggregator.workers.leases import rate_lease
from aggregator.workers.settings import WorkerSettings
from aggregator.workers.share import Share
from tests.kit.crash import processes
from tests.kit.rates import ENDPOINT, RATE_PER_S, Budget, spend
from tests.kit.workers import ask

pytestmark = pytest.mark.postgres
TAKEOVER_S = 10
LONG = WorkerSettings(lease_s=300, beat_s=0.05)
"""Nobody dies by himself in these tests, however busy the machine."""


@pytest.fixture
def dsn(postgres_server) -> str:
    return postgres_server.new_database()


async def test_an_endpoint_s_rate_has_one_owner_which_lends_it_by_demand(store):
    budgets = Budget(1000), Budget(0)
    first, second = (Share(store, (), LONG, rates={ENDPOINT: budget}) for budget in budgets)
    await first.join()
    assert (budgets[0].part, first.has(rate_lease(ENDPOINT))) == (98, True)
    assert 290 < budgets[0].for_s <= 300.15
    await second.beat()
    assert (budgets[1].part, second.has(rate_lease(ENDPOINT))) == (0, False)
    await first.beat()  # takes back what the second is to have
    assert (budgets[0].part, budgets[1].part) == (86, 0)
    await second.beat()  # the first may have spent it within this second
    assert budgets[1].part == 0
    await asyncio.sleep(1.1)
    await first.beat()
    await second.beat()
    assert (budgets[0].part, budgets[1].part) == (86, 12)
    budgets[1].wants = 1000
    await second.beat()
    await first.beat()
    await asyncio.sleep(1.1)
    await first.beat()
    await second.beat()
    assert (budgets[0].part, budgets[1].part) == (49, 49)
    await first._leave()
    await second.beat()
    assert second.has(rate_lease(ENDPOINT))
    assert (budgets[0].part, budgets[0].for_s) == (0, 0)
    await asyncio.sleep(1.1)
    await second.beat()
    assert budgets[1].part == 98


async def test_a_rate_is_owned_by_workers_that_have_its_endpoint_only(store):
    stranger, owner = Share(store, (), LONG, rates={"f" * 32: Budget()}), Share(store, (), LONG)
    await stranger.join()
    await owner.join()
    await stranger.beat()
    await owner.beat()
    rows = await ask(store, "SELECT name, owner FROM leases WHERE kind = 'rate'")
    assert [tuple(row) for row in rows] == [(rate_lease("f" * 32), stranger.worker)]


async def test_two_processes_never_spend_more_than_the_rate_and_one_takes_it_over(dsn, store, tmp_path):
    logs = [tmp_path / "first", tmp_path / "second"]
    children = [processes().Process(target=spend, args=(dsn, log), daemon=True) for log in logs]

    def noted(log: Path) -> list[float]:
        return [float(line) for line in log.read_text().split()] if log.exists() else []

    async def owner() -> int:
        rows = await ask(store, "SELECT owner FROM leases WHERE kind = 'rate'")
        return int(rows[0].owner.split("-")[-2])

    try:
        children[0].start()
        async with asyncio.timeout(60):
            while len(noted(logs[0])) < RATE_PER_S:
                await asyncio.sleep(0.05)
            children[1].start()
            while len(noted(logs[1])) < RATE_PER_S:
                await asyncio.sleep(0.05)
        assert await owner() == children[0].pid
        children[0].kill()
        killed = time.monotonic()
        async with asyncio.timeout(TAKEOVER_S):
            while await owner() != children[1].pid:
                await asyncio.sleep(0.05)
        async with asyncio.timeout(60):  # the second has all of it, once the loan of the first has ended
            while sum(at > time.monotonic() - 1 for at in noted(logs[1])) < 0.8 * RATE_PER_S:
                await asyncio.sleep(0.1)
    finally:
        for child in children:
            child.kill()
            await asyncio.to_thread(child.join)
    spent = sorted(noted(logs[0]) + noted(logs[1]))
    most = max(bisect_right(spent, at + 1) - i for i, at in enumerate(spent))
    # A note is made just after the window lets a request pass: one of each process may be late.
    assert RATE_PER_S // 2 < most <= RATE_PER_S + 2
    assert max(noted(logs[0])) < killed + 1
