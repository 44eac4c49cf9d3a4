"""The running service: scans every portfolio at an interval, stores reports with their alerts, delivers them."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from aggregator import metrics
from aggregator.alerts import Alert, status_change
from aggregator.clock import unix, utc_now
from aggregator.cycle import Cycle
from aggregator.delivery.notifier import Notifier
from aggregator.errors import ServiceError
from aggregator.portfolios import Portfolios
from aggregator.prices import price_lines
from aggregator.pricing import PriceRound
from aggregator.report import MarginReport
from aggregator.store.prices import price_rows
from aggregator.store.repository import Store
from chains.caip import AccountId, ChainId
from chains.errors import ChainError
from chains.types import BlockRef
from risk.status import Status

log = logging.getLogger(__name__)

TOGETHER_S = 0.2
"""What happens within this time after an event is looked at together with it."""


@dataclass(frozen=True, slots=True)
class Scan:
    """Outcome of one scan."""

    reports: tuple[MarginReport, ...]
    alerts: tuple[Alert, ...]
    duration_s: float


class Service:
    """Owns the scan loop: one scan at a time; one that overruns its interval delays the next, none piles up."""

    def __init__(self, cycle: Cycle, store: Store, notifier: Notifier, interval_s: float) -> None:
        self._cycle = cycle
        self._store = store
        self._notifier = notifier
        self._interval_s = interval_s
        self._lock = asyncio.Lock()
        self._failing = False
        self._touched: set[AccountId] = set()
        self._seen: dict[ChainId, int] = {}
        self._news = asyncio.Event()
        self.hearers: list[Callable[[Sequence[MarginReport]], None]] = []
        """Told of reports once they are stored."""
        self.last_scan: Scan | None = None
        self.last_success_at: int | None = None
        """Unix seconds of the last finished scan."""

    async def scan(
        self, only: Portfolios | None = None, not_before: Mapping[ChainId, int] = MappingProxyType({})
    ) -> Scan:
        """One cycle over all portfolios, or those given, stored with its alerts in one transaction."""
        async with self._lock:
            started = time.monotonic()
            reports = await self._cycle.run(utc_now(), only, not_before)
            done = self._cycle.desk.last
            prices = price_rows(price_lines(done.book, done.at)) if done is not None else ()
            alerts = await self._store.append(reports, status_change, self._notifier.receivers, prices)
            self._notifier.wake()
            for hear in self.hearers:
                hear(reports)
            scan = Scan(reports, alerts, time.monotonic() - started)
            self._account(scan, partial=only is not None)
            return scan

    @property
    def last_prices(self) -> PriceRound | None:
        """Prices of the newest cycle."""
        return self._cycle.desk.last

    def touch(self, accounts: Iterable[AccountId], at: BlockRef) -> None:
        """Something has happened to these accounts up to a block: look at their portfolios soon."""
        self._touched.update(accounts)
        self._seen[at.chain] = at.number  # the present one: after a reorg it may be lower
        self._news.set()

    async def run_touched(self) -> None:
        """Look at touched portfolios for ever; ends by cancellation only. What fails is left to the next scan."""
        while True:
            await self._news.wait()
            await asyncio.sleep(TOGETHER_S)
            self._news.clear()
            accounts, self._touched = self._touched, set()
            seen, self._seen = self._seen, {}
            wanted = self._cycle.portfolios.having(accounts)
            if not wanted.members:
                continue
            try:
                await self.scan(wanted, seen)
            except Exception as error:  # noqa: BLE001 - as in ``run``
                log.warning("the look at %s failed: %s", ", ".join(wanted.names), type(error).__name__)

    async def run(self) -> None:
        """Scan for ever; ends by cancellation only."""
        while True:
            started = time.monotonic()
            try:
                await self.scan()
            except Exception as error:  # noqa: BLE001 - whatever fails, the watching goes on; readyz shows it
                self._failed(error)
            else:
                self._recovered()
            await asyncio.sleep(max(0.0, self._interval_s - (time.monotonic() - started)))

    def _account(self, scan: Scan, *, partial: bool) -> None:
        if partial:
            metrics.CYCLES.labels(result="event").inc()
        else:
            self.last_scan, self.last_success_at = scan, unix(utc_now())
            metrics.CYCLES.labels(result="ok").inc()
            metrics.CYCLE_SECONDS.observe(scan.duration_s)
            count_statuses(scan.reports)
        for alert in scan.alerts:
            metrics.ALERTS.labels(type=alert.type).inc()
            before = alert.previous_status or "new"
            log.warning("%s: %s -> %s: %s", alert.portfolio, before, alert.status, alert.reason)

    def _failed(self, error: Exception) -> None:
        metrics.CYCLES.labels(result="failed").inc()
        if not self._failing:
            self._failing = True
            known = isinstance(error, (ChainError, ServiceError))
            log.error("scans fail: %s", error if known else type(error).__name__, exc_info=not known)

    def _recovered(self) -> None:
        if self._failing:
            self._failing = False
            log.info("scans work again")


def count_statuses(reports: Sequence[MarginReport]) -> None:
    """Set the gauge of portfolios by status."""
    counts = Counter(report.status for report in reports)
    for status in Status:
        metrics.PORTFOLIOS.labels(status=status.value).set(counts.get(status, 0))
