"""What the service does beside its cycles: the record of full scans, the host's clock, and thinning by age."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict

from aggregator import metrics
from aggregator.clock import host_s, utc_now
from aggregator.report import MarginReport
from aggregator.scans import ScanRecord, Stand, record, stands
from aggregator.store.compact import compact
from aggregator.store.policy import RetentionSettings
from aggregator.store.repository import Store
from aggregator.store.scans import ScanLog, newest_stands

log = logging.getLogger(__name__)

JUMP_S = 2.0
"""The clock of the wall and the one that nobody sets drift apart by less between two scans."""
FIRST_S = 60.0
"""Thinning waits so long after the start: what is watched comes first."""


class ScanBook:
    """Writes the record of every full scan, compared with the one before."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._log = ScanLog(store)
        self._before: Mapping[str, Stand] | None = None
        self.last: ScanRecord | None = None

    async def ready(self, names: Collection[str] | None = None) -> None:
        """Before the first scan's reports are stored: what they are to be compared with.

        ``names``: the portfolios of this process, where several share them and the parts change.
        """
        if names is not None:
            known = await newest_stands(self._store)
            self._before = {name: known[name] for name in names if name in known} or None
        elif self._before is None:
            self._before = await newest_stands(self._store) or None

    async def add(
        self, reports: Sequence[MarginReport], *, duration_s: float, alerts: int, skipped: int
    ) -> ScanRecord:
        """Store the record of a scan whose reports are stored."""
        done = await asyncio.to_thread(  # beside the event loop, which answers others meanwhile
            record, reports, self._before, time=utc_now(), duration_s=duration_s, alerts=alerts, skipped=skipped
        )
        await self._log.add(done)
        self._before, self.last = stands(reports), done
        metrics.LAST_SCAN.set(host_s())
        return done


class ClockWatch:
    """Sees when the host's clock was set: it and the monotonic clock then disagree about how long it has been.

    Reports go by the wall's clock and are ordered by their sequence number, so that a step back reorders nothing;
    it makes ages wrong until the sources have caught up, and has to be said.
    """

    def __init__(self) -> None:
        self._offset: float | None = None

    def look(self, wall_s: float, steady_s: float) -> float:
        """Seconds by which the clock was set since the last look, 0 where it was not."""
        offset, before = wall_s - steady_s, self._offset
        if before is None or abs(offset - before) < JUMP_S:
            self._offset = offset  # follows slow drift
            return 0.0
        self._offset = offset
        return offset - before

    def watch(self) -> None:
        """Look now; a jump is said and counted."""
        jump_s = self.look(host_s(), time.monotonic())
        if jump_s:
            way = "back" if jump_s < 0 else "ahead"
            metrics.CLOCK_JUMPS.labels(direction=way).inc()
            log.warning(
                "the host's clock was set %s by %.1f s: ages of prices and blocks are off by that until their "
                "sources have caught up; let it follow NTP", way, abs(jump_s),
            )  # fmt: skip


class Upkeep:
    """Applies the retention policy for ever."""

    def __init__(self, store: Store, policy: RetentionSettings, may: Callable[[], bool] = lambda: True) -> None:
        self._store = store
        self._policy = policy
        self._may = may
        """Whether it is this process that thins, where several share a store."""

    async def run(self) -> None:
        """Thin the store at its interval; ends by cancellation only. A failure is told and tried again."""
        if not self._policy.compact_every_s:
            return
        await asyncio.sleep(min(FIRST_S, self._policy.compact_every_s))
        while True:
            try:
                if self._may():
                    await self.thin()
            except Exception as error:  # noqa: BLE001 - the watching goes on whatever happens to the thinning
                log.warning("the store could not be thinned: %s; will retry", type(error).__name__)
            await asyncio.sleep(self._policy.compact_every_s)

    async def thin(self) -> None:
        """Thin the store once."""
        removed = asdict(await compact(self._store, self._policy, utc_now()))
        for table, rows in removed.items():
            metrics.COMPACTED.labels(table=table).inc(rows)
        if any(removed.values()):
            log.info(
                "thinned the store: %s", ", ".join(f"{rows} {table}" for table, rows in removed.items() if rows)
            )
