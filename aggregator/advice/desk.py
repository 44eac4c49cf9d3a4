"""Advice beside the scans: one portfolio at a time, from the world of its newest report, kept in the store."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from aggregator.advice.advise import advise_on
from aggregator.advice.model import Advice
from aggregator.advice.settings import AdviceSettings
from aggregator.clock import utc_now
from aggregator.errors import ServiceError
from aggregator.report import MarginReport
from aggregator.reports import World
from aggregator.store.advice import AdviceLog
from aggregator.wiring import Wired
from chains.devnet.anvil import AnvilError
from chains.errors import ChainError
from risk.errors import RiskInputError
from risk.status import Status

log = logging.getLogger(__name__)

Work = Callable[[World, MarginReport], Awaitable[Advice]]
TOLD = (ChainError, ServiceError, RiskInputError, AnvilError)
"""Errors whose words are for people and hold no address."""


@dataclass(slots=True)
class AdviceDesk:
    """Owns the queue. What waits here is lost with the process; the next scan asks again."""

    log: AdviceLog
    settings: AdviceSettings
    worlds: Mapping[str, World]
    """Of the newest reports."""
    work: Work
    _newest: dict[str, tuple[World, MarginReport]] = field(default_factory=dict)
    _waiting: dict[str, Status] = field(default_factory=dict)
    _done: dict[str, tuple[Status, float]] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self, reports: Sequence[MarginReport]) -> None:
        """Look at reports that were just stored; queue those whose status calls for advice."""
        for report in reports:
            name = report.portfolio.name
            self._newest[name] = (self.worlds[name], report)
            if self.settings.automatic and self._due(name, report.status):
                self._put(name)

    def _due(self, name: str, status: Status) -> bool:
        if status not in self.settings.statuses:
            return False
        last, at = self._done.get(name, (None, 0.0))
        return status is not last or time.monotonic() - at >= self.settings.again_after_s

    def ask(self, name: str) -> bool:
        """Queue a portfolio; False where nothing of it has been read yet."""
        if name not in self._newest:
            return False
        self._put(name)
        return True

    def pending(self, name: str) -> bool:
        """Whether advice is being worked out or waits for its turn."""
        return name in self._waiting

    def _put(self, name: str) -> None:
        self._waiting[name] = self._newest[name][1].status
        self._news.set()

    async def run(self) -> None:
        """Work for ever, the worst status first; ends by cancellation only."""
        while True:
            await self._news.wait()
            name = max(self._waiting, key=lambda name: self._waiting[name].severity, default=None)
            if name is None:
                self._news.clear()
                continue
            world, report = self._newest[name]
            try:
                found = await self._worked(world, report)
                await self.log.add(name, report.id, utc_now(), found)
            except Exception as error:  # noqa: BLE001 - the store may be away; the desk goes on
                log.error("advice for %s could not be kept: %s", name, type(error).__name__)
            finally:
                self._done[name] = (report.status, time.monotonic())
                del self._waiting[name]

    async def _worked(self, world: World, report: MarginReport) -> Advice | str:
        try:
            async with asyncio.timeout(self.settings.timeout_s):
                return await self.work(world, report)
        except TimeoutError:
            return f"nothing after {self.settings.timeout_s:g} s"
        except TOLD as error:
            return str(error)
        except Exception as error:
            log.exception("advice for %s failed", report.portfolio.name)
            return f"unexpected: {type(error).__name__}"


def desk(wired: Wired, log_: AdviceLog) -> AdviceDesk:
    """The desk of a running service."""

    def work(world: World, report: MarginReport) -> Awaitable[Advice]:
        return advise_on(wired, world, report)

    return AdviceDesk(log_, wired.settings.advice, wired.cycle.worlds, work)
