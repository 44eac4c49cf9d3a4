"""From what was read to stored reports with their alerts on the way: in parts, the one that cannot wait first.

Readings are numbered. Reports of an earlier one that are ready only after those of a later one are left out: the
newest report of a portfolio is always the one that was read last.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aggregator import metrics
from aggregator.alerts import Alert
from aggregator.cycle import Cycle
from aggregator.delivery.notifier import Notifier
from aggregator.errors import LeaseLost
from aggregator.prices import price_lines
from aggregator.replay.freeze import Freezer, Frozen
from aggregator.report import MarginReport
from aggregator.reports import World
from aggregator.store.prices import price_rows
from aggregator.store.repository import Store
from aggregator.store.rows import PriceRow
from aggregator.watches.rule import Severity
from aggregator.watches.watching import Watching
from aggregator.workers.share import Share
from chains.accounts import VenueAccount
from risk.status import Status

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read, and the place of that among all readings."""

    number: int
    world: World


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a reading: the alerts, and the reports that stand, in the order of the portfolios.

    Of a portfolio that a later reading has overtaken that is the later report.
    """

    reports: tuple[MarginReport, ...]
    alerts: tuple[Alert, ...]


class Reporter:
    """Makes reports, stores them with their alerts in one transaction per part, and wakes the delivery."""

    def __init__(
        self,
        cycle: Cycle,
        store: Store,
        notifier: Notifier,
        watching: Watching,
        freezer: Freezer | None = None,
        share: Share | None = None,
    ) -> None:
        self._cycle = cycle
        self._store = store
        self._notifier = notifier
        self._watching = watching
        self._freezer = freezer
        self._share = share
        self._storing = asyncio.Lock()
        self._newest: dict[str, tuple[int, MarginReport]] = {}
        """The newest report of a portfolio, with the number of the reading that it comes from."""
        self.at: dict[str, float] = {}
        """When a portfolio had its newest report, by a clock that nobody sets."""
        self.hearers: list[Callable[[Sequence[MarginReport]], None]] = []

    async def report(self, reading: Reading) -> Told:
        """Reports of everything that was read, stored, with their alerts on the way."""
        world = reading.world
        names = world.portfolios.names
        prices = price_rows(price_lines(world.book, world.now)) if world.book is not None else ()
        inputs = await self._inputs(world) if names else None
        alerts: list[Alert] = []
        statuses = {name: self._newest[name][1].status for name in names if name in self._newest}
        for part in parts(world, statuses) or ((),):
            made = await asyncio.to_thread(self._cycle.reports, world, part)  # the event loop answers meanwhile
            alerts += await self._store_new(reading, made, prices, inputs)
            prices = ()
        standing = (self._newest.get(name) for name in names)
        return Told(tuple(one[1] for one in standing if one and one[0] >= reading.number), tuple(alerts))

    async def _store_new(
        self, reading: Reading, made: Sequence[MarginReport], prices: Sequence[PriceRow], inputs: Frozen | None
    ) -> tuple[Alert, ...]:
        """Store the reports that no later reading has overtaken."""
        async with self._storing:
            wanted = tuple(r for r in made if self._number(r.portfolio.name) <= reading.number)
            reports, alerts = await self._append(wanted, prices, inputs)
            names = [report.portfolio.name for report in reports]
            self._newest.update((report.portfolio.name, (reading.number, report)) for report in reports)
            self.at.update(dict.fromkeys(names, time.monotonic()))
            self._cycle.worlds.update(dict.fromkeys(names, reading.world))
            if any(alert.severity == Severity.CRITICAL and not alert.type.good for alert in alerts):
                await self._notifier.taken()  # its claim would wait behind the next append in the line of writers
        self._notifier.wake()
        for hear in self.hearers:
            hear(reports)
        return alerts

    def _number(self, portfolio: str) -> int:
        """Of the reading that the newest report comes from."""
        return self._newest[portfolio][0] if portfolio in self._newest else 0

    async def _append(
        self, reports: tuple[MarginReport, ...], prices: Sequence[PriceRow], inputs: Frozen | None
    ) -> tuple[tuple[MarginReport, ...], tuple[Alert, ...]]:
        """Store reports; those of portfolios that another process has taken over meanwhile are left to it."""
        receivers = self._notifier.receivers
        while True:
            try:
                with metrics.STORE_SECONDS.time():
                    return reports, await self._store.append(
                        reports, self._watching, receivers, prices, inputs, self._share
                    )
            except LeaseLost as lost:
                log.info("%s", lost)
                metrics.FENCED.inc(len(lost.names))
                reports = tuple(report for report in reports if report.portfolio.name not in lost.names)

    async def _inputs(self, world: World) -> Frozen | None:
        """What the reports are made from, where it is to be kept."""
        return None if self._freezer is None else await asyncio.to_thread(self._freezer.freeze, world)


def parts(world: World, statuses: Mapping[str, Status]) -> tuple[tuple[str, ...], ...]:
    """Portfolios in turn, each part a cycle by itself: those first that can be liquidated since their last report.

    All at once where there is no such news, and for portfolios that this process has made no report of before.
    """
    names = world.portfolios.names
    ripe = {account.account for account in _accounts(world) if _ripe(account)}
    fallen = frozenset(
        name
        for name in names
        if statuses.get(name, Status.LIQUIDATABLE) is not Status.LIQUIDATABLE
        and not ripe.isdisjoint(world.portfolios.accounts(name))
    )
    return tuple(part for part in (_among(names, fallen), _among(names, frozenset(names) - fallen)) if part)


def _accounts(world: World) -> Iterator[VenueAccount]:
    return (account for read in world.reads for account in read.accounts)


def _ripe(account: VenueAccount) -> bool:
    """Whether the venue says that it can be liquidated, or where it does not, its own valuation does."""
    if account.liquidatable is not None:
        return account.liquidatable
    return account.surplus_usd is not None and account.surplus_usd < 0


def _among(names: Sequence[str], wanted: Collection[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name in wanted)
