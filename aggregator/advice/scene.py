"""One portfolio with everything that its report was made from, by the report's own code."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from aggregator.assemble import Assembled, assemble
from aggregator.clock import unix
from aggregator.figures import Figures, compute
from aggregator.model import Model
from aggregator.portfolios import Portfolios
from aggregator.registry import AssetRegistry
from aggregator.report import MarginReport, VenueLine
from aggregator.reports import ReportMaker, World
from aggregator.rescue import Rescue, rescue
from aggregator.wiring import Wired
from chains.accounts import VenueAccount
from chains.caip import ChainId
from chains.deployments import ChainDeployment
from oracles.reconcile import reconcile
from oracles.types import PriceBook


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Accounts run in the order of the report's venue lines."""

    report: MarginReport
    accounts: tuple[VenueAccount, ...]
    assembled: Assembled
    figures: Figures
    help: Rescue
    model: Model
    registry: AssetRegistry
    book: PriceBook
    deployments: Mapping[ChainId, ChainDeployment]
    paused: frozenset[str]

    def line(self, account: VenueAccount) -> VenueLine:
        """Report line of an account."""
        return self.report.venues[self.accounts.index(account)]


async def scene(wired: Wired, portfolios: Portfolios, now: datetime) -> Scene:
    """One cycle over a single portfolio."""
    world = await wired.cycle.world(now, portfolios)
    (report,) = wired.cycle.maker.make(world)
    return scene_of(wired.cycle.maker, wired.cycle.deployments, world, report)


def scene_of(
    maker: ReportMaker, deployments: Mapping[ChainId, ChainDeployment], world: World, report: MarginReport
) -> Scene:
    """The scene of a report and the world that it was made from. Reads nothing."""
    maker = maker.using(world)
    ids = world.portfolios.accounts(report.portfolio.name)
    found: dict[str, list[VenueAccount]] = {account: [] for account in ids}
    for read in world.reads:
        for account in read.accounts:
            if account.account in found:
                found[account.account].append(account)
    accounts = tuple(account for id_ in ids for account in found[id_])
    book = world.book or reconcile(world.quotes, unix(world.now), maker.prices)
    assembled = assemble(list(accounts), maker.registry, book, maker.model.factors)
    figures = compute(assembled, maker.model, unix(world.now))
    complete = report.data_quality.complete
    help_ = rescue(accounts, assembled, figures, maker.model, world.paused, complete=complete)
    return Scene(
        report, accounts, assembled, figures, help_, maker.model, maker.registry, book, deployments, world.paused
    )
