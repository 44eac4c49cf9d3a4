"""Cycles that prices cause: between scans prices alone are read, and whom they have moved is looked at at once."""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence

from aggregator import metrics
from aggregator.cycle import Cycle
from aggregator.moved import Outset, moved, outset_of
from aggregator.registry import AssetRegistry
from aggregator.report import MarginReport
from aggregator.service import Service
from oracles.types import PriceBook

log = logging.getLogger(__name__)


class PriceCycles:
    """Owns the loop of price looks; while another look reads the chains one is left out: that one sees them."""

    def __init__(self, service: Service, cycle: Cycle, interval_s: float) -> None:
        self._service = service
        self._cycle = cycle
        self._interval_s = interval_s
        self._outsets: dict[str, Outset] = {}
        self._failing = False
        service.hearers.append(self.heard)

    def heard(self, reports: Sequence[MarginReport]) -> None:
        """New reports: their prices are the ones to compare with."""
        self._outsets.update((report.portfolio.name, outset_of(report)) for report in reports)

    async def run(self) -> None:
        """Look for ever; ends by cancellation only."""
        while True:
            await asyncio.sleep(self._interval_s)
            if self._service.busy:
                metrics.CYCLES_SKIPPED.labels(kind="price").inc()
                continue
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - the scans go on whatever fails here
                if not self._failing:
                    log.warning("prices between scans cannot be read: %s; will retry", type(error).__name__)
                self._failing = True
            else:
                self._failing = False

    async def look(self) -> dict[str, str]:
        """Read prices and look at the portfolios that they have moved; gives why by portfolio."""
        found: dict[str, str] = {}

        def pick(book: PriceBook) -> Collection[str]:
            mine = self._service.portfolios.members
            self._outsets = {name: outset for name, outset in self._outsets.items() if name in mine}
            found.update(reasons(self._outsets, mids_of(book, self._cycle.maker.registry)))
            return found

        await self._service.scan_moved(pick)
        if found:
            first = next(iter(found))
            log.info("looked at %s: %s", ", ".join(list(found)[:5]), found[first])
        return found


def mids_of(book: PriceBook, registry: AssetRegistry) -> dict[str, float | None]:
    """Middle prices by asset."""
    mids = {key: None if price.mid is None else float(price.mid) for key, price in book.items()}
    return {asset: mids.get(info.price_key) for asset, info in registry.assets.items()}


def reasons(outsets: Mapping[str, Outset], mids: Mapping[str, float | None]) -> dict[str, str]:
    """Why each portfolio that has to be looked at has to be."""
    found = ((name, moved(outset, mids)) for name, outset in outsets.items())
    return {name: why for name, why in found if why is not None}
