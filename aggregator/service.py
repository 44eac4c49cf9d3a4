"""The running service: scans every portfolio at an interval, stores reports with their alerts, delivers them."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy.ext.asyncio import AsyncConnection

from aggregator import metrics
from aggregator.alerts import Alert
from aggregator.clock import unix, utc_now
from aggregator.cycle import Cycle
from aggregator.delivery.notifier import Notifier
from aggregator.errors import ServiceError
from aggregator.portfolios import Portfolios
from aggregator.pricing import PriceRound
from aggregator.replay.freeze import Freezer
from aggregator.report import MarginReport
from aggregator.reporting import Reading, Reporter
from aggregator.store.repository import Judged, Store
from aggregator.upkeep import ClockWatch, ScanBook
from aggregator.watches.book import WatchBook
from aggregator.watches.watching import Watching
from aggregator.workers.share import Share, shard_of
from chains.caip import AccountId, ChainId
from chains.errors import ChainError
from chains.types import BlockRef, Cut
from oracles.types import PriceBook
from risk.status import Status

log = logging.getLogger(__name__)

TOGETHER_S = 0.05
"""What happens within this time after an event is looked at together with it."""
OVERDUE_LOOK_S = 5.0
"""How often missing reports are looked for, at least."""


@dataclass(frozen=True, slots=True)
class Scan:
    """Outcome of one scan."""

    reports: tuple[MarginReport, ...]
    alerts: tuple[Alert, ...]
    duration_s: float


class Service:
    """Owns the scan loop: one full scan at a time; one that overruns its interval delays the next, none piles up.

    Looks at some portfolios read the chains one at a time, beside a full scan: what cannot wait waits for another
    look at most, never for a whole scan.
    """

    def __init__(
        self,
        cycle: Cycle,
        store: Store,
        notifier: Notifier,
        interval_s: float,
        book: WatchBook | None = None,
        freezer: Freezer | None = None,
        share: Share | None = None,
    ) -> None:
        self._cycle = cycle
        self.share = share
        """This process's part where several share the work; None: all of it."""
        self._store = store
        self._notifier = notifier
        self._interval_s = interval_s
        self._whole = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._readings = 0
        self._shown: dict[ChainId, int] = {}
        """Newest blocks of reports between the scans."""
        self._failing = False
        self._late = False
        self._left_out = 0
        self._clock = ClockWatch()
        self.scans = ScanBook(store)
        self.watching = Watching(book or WatchBook())
        self._reporter = Reporter(cycle, store, notifier, self.watching, freezer, share)
        self.hearers = self._reporter.hearers
        """Told of reports once they are stored."""
        self._mine_since: dict[str, float] = {}
        self._touched: set[AccountId] = set()
        self._gained: frozenset[str] = frozenset()
        self._seen: dict[ChainId, int] = {}
        self._news = asyncio.Event()
        self.last_scan: Scan | None = None
        self.last_success_at: int | None = None
        """Unix seconds of the last finished scan."""

    async def scan(
        self,
        only: Portfolios | None = None,
        not_before: Mapping[ChainId, int] = MappingProxyType({}),
        cause: str = "event",
    ) -> Scan:
        """One cycle over all portfolios, or those given; reports are stored with their alerts in one transaction.

        Where several processes share the work, of either only those that are this one's.
        """
        if only is None:
            async with self._whole:
                return await self._scan_all()
        started, wanted = time.monotonic(), self._mine(only)
        if not wanted.members:
            return Scan((), (), 0.0)
        async with self._looking:
            reading = await self._read(wanted, not_before)
        self._shown.update(_numbers(reading.world.cut))
        return await self._report(reading, started, cause)

    async def scan_moved(self, pick: Callable[[PriceBook], Collection[str]]) -> Scan | None:
        """Look at prices at the chains' heads, and at once at the portfolios that are picked by them.

        From the same blocks; None where none is picked.
        """
        started = time.monotonic()
        async with self._looking:
            number = self._next()
            seen = await self._cycle.glance(utc_now())
            wanted = self._mine(self._cycle.portfolios.only(pick(seen.book)))
            if not wanted.members:
                return None
            world = await self._cycle.world_at(seen.cut, utc_now(), wanted, seen.quotes)
        self._shown.update(_numbers(world.cut))
        return await self._report(Reading(number, world), started, "price")

    async def _scan_all(self) -> Scan:
        started, wanted = time.monotonic(), self._mine(self._cycle.portfolios)
        if self.share is not None and not wanted.members:  # it waits for its part
            scan = Scan((), (), 0.0)
            self._account(scan, None)
            return scan
        await self.scans.ready(None if self.share is None else wanted.names)
        # Nothing goes back behind what reports between the scans have shown, though it be less level.
        reading = await self._read(wanted, self._shown)
        scan = await self._report(reading, started, None)
        skipped, self._left_out = self._left_out, 0
        await self.scans.add(scan.reports, duration_s=scan.duration_s, alerts=len(scan.alerts), skipped=skipped)
        self._account(scan, None)
        return scan

    def _mine(self, wanted: Portfolios) -> Portfolios:
        return wanted if self.share is None else self.share.of(wanted)

    async def _read(self, wanted: Portfolios, not_before: Mapping[ChainId, int]) -> Reading:
        number = self._next()
        return Reading(number, await self._cycle.world(utc_now(), wanted, not_before))

    def _next(self) -> int:
        """Number of a reading that begins now: what began later shows newer blocks."""
        self._readings += 1
        return self._readings

    async def _report(self, reading: Reading, started: float, cause: str | None) -> Scan:
        told = await self._reporter.report(reading)
        scan = Scan(told.reports, told.alerts, time.monotonic() - started)
        if cause is not None:
            self._account(scan, cause)
        return scan

    @property
    def busy(self) -> bool:
        """Whether a look reads the chains now."""
        return self._looking.locked()

    @property
    def portfolios(self) -> Portfolios:
        """Those that this process looks at."""
        known = self._cycle.portfolios
        return known if self.share is None else self.share.of(known)

    @property
    def last_prices(self) -> PriceRound | None:
        """Prices of the newest cycle."""
        return self._cycle.desk.last

    def touch(self, accounts: Iterable[AccountId], at: BlockRef) -> None:
        """Something has happened to these accounts up to a block: look at their portfolios soon."""
        self.touched_at(accounts, at.chain, at.number)

    def touched_at(self, accounts: Iterable[AccountId], chain: ChainId, number: int) -> None:
        """The same by chain and number of the block."""
        self._touched.update(accounts)
        self._seen[chain] = number  # the present one: after a reorg it may be lower
        self._news.set()

    def gained(self, leases: frozenset[str]) -> None:
        """Look soon at the portfolios of leases that this process has just taken."""
        self._gained |= leases
        self._news.set()

    async def run_touched(self) -> None:
        """Look at touched portfolios for ever; ends by cancellation only. What fails is left to the next scan."""
        while True:
            await self._news.wait()
            await asyncio.sleep(TOGETHER_S)
            self._news.clear()
            accounts, self._touched = self._touched, set()
            seen, self._seen = self._seen, {}
            gained, self._gained = self._gained, frozenset()
            known = self.portfolios
            names = dict.fromkeys(known.having(accounts).names)
            names |= {name: None for name in known.names if gained and shard_of(name) in gained}
            wanted = known.only(names)
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
            self._clock.watch()
            try:
                await self.scan()
            except Exception as error:  # noqa: BLE001 - whatever fails, the watching goes on; readyz shows it
                self._failed(error)
            else:
                self._recovered()
            spent = time.monotonic() - started
            self._skipped(spent)
            await asyncio.sleep(max(0.0, self._interval_s - spent))

    async def run_overdue(self) -> None:
        """Tell of portfolios that get no report, for ever; the scans themselves cannot."""
        failing = False
        while True:
            await asyncio.sleep(min(self._interval_s, OVERDUE_LOOK_S))
            try:
                await self.look_overdue()
                failing = False
            except Exception as error:  # noqa: BLE001 - as in ``run``
                if not failing:
                    log.warning("missing reports cannot be told: %s; will retry", type(error).__name__)
                failing = True

    async def look_overdue(self) -> tuple[Alert, ...]:
        """Alerts of portfolios without a report for longer than their watch and three scans allow.

        Measured by a clock that nobody sets, and not before this process has had its time to scan.
        """
        now, names = time.monotonic(), self.portfolios.names
        self._mine_since = {name: self._mine_since.get(name, now) for name in names}
        waited = {name: now - max(self._mine_since[name], self._reporter.at.get(name, 0.0)) for name in names}
        waiting = {name: waited_s for name, waited_s in waited.items() if waited_s > 3 * self._interval_s}
        if not waiting:
            return ()
        at = utc_now()

        async def judged(connection: AsyncConnection) -> Judged:
            share = self.share
            mine = waiting.keys() if share is None else await share.hold(connection, list(waiting))
            return await self.watching.overdue(connection, {name: waiting[name] for name in mine}, at)

        alerts = await self._store.tell(judged, self._notifier.receivers)
        self._said(alerts)
        if alerts:
            self._notifier.wake()
        return alerts

    def _skipped(self, spent_s: float) -> None:
        """Count the scans that an overlong one has left out, and say once that it does."""
        skipped = int(spent_s / self._interval_s)
        self._left_out += skipped
        if skipped:
            metrics.CYCLES_SKIPPED.labels(kind="scan").inc(skipped)
        if skipped and not self._late:
            log.warning(
                "a scan took %.1f s, more than the interval of %g s: %d left out; will say when they fit again",
                spent_s, self._interval_s, skipped,
            )  # fmt: skip
        if self._late and not skipped:
            log.info("scans fit their interval again")
        self._late = bool(skipped)

    def _account(self, scan: Scan, cause: str | None) -> None:
        if cause is not None:
            metrics.CYCLES.labels(result=cause).inc()
        else:
            self.last_scan, self.last_success_at = scan, unix(utc_now())
            metrics.CYCLES.labels(result="ok").inc()
            metrics.CYCLE_SECONDS.observe(scan.duration_s)
            count_statuses(scan.reports)
        self._said(scan.alerts)

    def _said(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            metrics.ALERTS.labels(type=alert.type).inc()
            about = {"portfolio": alert.portfolio, "watch": alert.watch, "alert": alert.id}
            words = (alert.portfolio, alert.watch, alert.change, alert.reason)
            log.warning("%s: %s %s: %s", *words, extra=about)

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


def _numbers(at: Cut) -> dict[ChainId, int]:
    return {chain: block.number for chain, block in at.blocks.items()}


def count_statuses(reports: Sequence[MarginReport]) -> None:
    """Set the gauge of portfolios by status."""
    counts = Counter(report.status for report in reports)
    for status in Status:
        metrics.PORTFOLIOS.labels(status=status.value).set(counts.get(status, 0))
