"""The price desk: takes a cycle's quotes to a price book, and keeps what the next round is to remember.

The only state between cycles; reconciliation itself takes it as a value and gives it back as one.
"""

from dataclasses import dataclass, field
from datetime import datetime

from aggregator import metrics
from aggregator.clock import unix
from chains.types import Cut
from oracles.clocks import ClockMeter, ClockSkew
from oracles.memory import Memory
from oracles.params import PriceParams
from oracles.reconcile import reconcile
from oracles.sources.backing import BackingReader
from oracles.types import PriceBook, Quotes


@dataclass(frozen=True, slots=True)
class PriceRound:
    """The prices of one cycle."""

    at: datetime
    book: PriceBook
    clocks: tuple[ClockSkew, ...]


@dataclass(slots=True)
class PriceDesk:
    """Reconciles round after round."""

    params: PriceParams
    backing: BackingReader
    meter: ClockMeter = field(default_factory=ClockMeter)
    legs: frozenset[str] = frozenset()
    """Price keys that are needed only to compose others."""
    memory: Memory = field(default_factory=Memory)
    last: PriceRound | None = None
    """The newest round; None before the first."""

    async def glance(self, quotes: Quotes, at: Cut, now: datetime) -> PriceBook:
        """Prices of quotes by what is remembered; nothing is remembered of them."""
        return reconcile(quotes, unix(now), self.params, self.memory, await self.backing.read(at))

    async def price(self, quotes: Quotes, at: Cut, now: datetime, host_s: float) -> PriceBook:
        """Prices of a round at a cut; ``host_s`` is the host's clock when the cut was taken."""
        backings = await self.backing.read(at)
        book = reconcile(quotes, unix(now), self.params, self.memory, backings)
        self.memory = book.memory or self.memory
        for chain, block in at.blocks.items():
            self.meter.block(chain, block.timestamp, host_s)
        self.last = PriceRound(now, book, self.meter.skews())
        _observe(self.last)
        return book


def _observe(done: PriceRound) -> None:
    for key, price in done.book.items():
        metrics.PRICE_STATUS.labels(price_key=key).set(price.status.usable)
    for skew in done.clocks:
        metrics.CLOCK_OFFSET.labels(clock=skew.clock).set(skew.offset_s)
