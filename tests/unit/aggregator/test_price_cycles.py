"""The loop of price looks: who is looked at, and that nothing piles up behind a cycle that runs."""

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace

from aggregator import metrics
from aggregator.portfolios import Portfolios
from aggregator.price_cycles import PriceCycles
from oracles.params import load_params
from oracles.reconcile import reconcile
from tests.kit.world import CHAINS, NOW_S, PRICES, holding, loan, quotes, registry, report

ONE, TWO = CHAINS


@dataclass
class Service:
    """Records what it is asked to look at."""

    prices: dict[str, Decimal]
    busy: bool = False
    hearers: list = field(default_factory=list)
    looked: list = field(default_factory=list)
    failures: list = field(default_factory=list)
    portfolios: Portfolios = field(default_factory=lambda: Portfolios({}))

    async def scan_moved(self, pick):
        if self.failures:
            raise self.failures.pop()
        if picked := pick(reconcile(quotes(self.prices), NOW_S, load_params())):
            self.looked.append(tuple(picked))


def cycles(service, *names: str) -> PriceCycles:
    cycle = SimpleNamespace(
        portfolios=Portfolios(dict.fromkeys(names, ())), maker=SimpleNamespace(registry=registry())
    )
    service.portfolios = cycle.portfolios
    made = PriceCycles(service, cycle, 0.005)
    calm = report([holding(TWO, "USDC", "4000", "0.01")])
    thin = report([loan(ONE, "20", "44000")])
    for name, one in (("calm", calm), ("thin", thin)):
        named = one.portfolio.model_copy(update={"name": name})
        service.hearers[0]([one.model_copy(update={"portfolio": named})])
    return made


async def test_only_whom_prices_have_moved_is_looked_at():
    service = Service({**PRICES, "ETH": Decimal(2800)})
    found = await cycles(service, "calm", "thin").look()
    assert list(found) == ["thin"]
    assert service.looked == [("thin",)]


async def test_prices_as_they_were_ask_for_nothing():
    service = Service(dict(PRICES))
    assert await cycles(service, "calm", "thin").look() == {}
    assert service.looked == []


async def test_a_portfolio_that_is_gone_is_not_looked_for():
    service = Service({**PRICES, "ETH": Decimal(2800)})
    await cycles(service, "calm").look()
    assert service.looked == []


async def test_while_a_cycle_runs_looks_are_left_out_and_counted():
    service = Service({**PRICES, "ETH": Decimal(2800)}, busy=True, failures=[])
    loop = cycles(service, "thin")
    counter = metrics.CYCLES_SKIPPED.labels(kind="price")
    before = counter._value.get()
    task = asyncio.create_task(loop.run())
    async with asyncio.timeout(5):
        while counter._value.get() < before + 3:
            await asyncio.sleep(0.005)
        assert service.looked == []
        service.busy, service.failures = False, [OSError(), OSError()]
        while not service.looked:
            await asyncio.sleep(0.005)
    task.cancel()
