"""A cycle over made-up reports: nothing is read, the test says what each round gives."""

from collections.abc import Iterable
from datetime import datetime
from types import SimpleNamespace

from aggregator.portfolios import Portfolios
from aggregator.report import MarginReport
from aggregator.reports import World
from chains.types import Cut
from oracles.types import Quotes
from tests.kit.reports import a_report


class MadeUpCycle:
    """Reports of every portfolio that is asked for; ``begin`` may wait or fail, ``make`` gives other reports."""

    desk = SimpleNamespace(last=None)

    def __init__(self, names: Iterable[str] = ("desk",)) -> None:
        self.portfolios = Portfolios(dict.fromkeys(names, ()))
        self.worlds: dict[str, World] = {}
        self.rounds = 0

    async def begin(self) -> None:
        """What reading takes."""

    def make(self, name: str) -> MarginReport | None:
        """The report of a portfolio now, None for none."""
        return a_report(name)

    async def world(self, now, only, not_before=None):
        self.rounds += 1
        await self.begin()
        return World(now, Cut({}), only, (), Quotes(), frozenset())

    def reports(self, world, names):
        made = [report for name in names if (report := self.make(name)) is not None]
        return tuple(at(report, world.now) for report in made)


def at(report: MarginReport, time: datetime) -> MarginReport:
    """The same report of another time."""
    return report.model_copy(update={"as_of": report.as_of.model_copy(update={"time": time})})
