"""Values of the price layer: quotes, typed gaps, reconciled prices.

A quote is what one source says; a gap is why it says nothing. Reconciling turns both into one ``ReconciledPrice``
per price key. Prices are US dollars for one whole unit, as Decimal; times are unix seconds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oracles.memory import Memory

USD = "USD"


@dataclass(frozen=True, slots=True)
class Quote:
    """One source's price with how far it may be off and for how long that holds."""

    price_key: str
    source: str
    """Unique, for example ``chainlink@eip155:10``."""
    group: str
    """Sources that fail together share a group and have one vote: ``chainlink``, ``pyth``, ``uniswap``."""
    price: Decimal
    half_width: Decimal
    """The source's own bound on its error: confidence or deviation threshold, US dollars."""
    observed_at: int
    """When the source observed it; of a composed price the oldest leg's."""
    received_at: float
    holds_until: int | None = None
    """Until then ``half_width`` covers the market's moves; None: only at ``observed_at``."""
    valid_until: int | None = None
    """Afterwards the quote is stale (heartbeat and grace); None: by the maximum age of the price's class."""
    detail: Mapping[str, str] = field(default_factory=dict)
    """Legs and terms as text, for the audit trail."""
    in_key: str = USD
    """What one unit is priced in; other than USD it is composed with that key's own reconciled price."""
    timed: bool = True
    """False: the source tells no time; ``observed_at`` is then the earliest possible, and it weighs less."""
    alive_at: float | None = None
    """When the connection last showed life; None: it is asked each time. A heartbeat is no observation."""
    anchor: bool = False
    """A mean over a window: it may confirm, and lagging in a fast market is no fault of it."""
    votes: bool = True
    """False: what a venue believes, an observed fact shown beside the price; it has no part in it."""


@dataclass(frozen=True, slots=True)
class QuoteGap:
    """Why a source has no quote."""

    price_key: str
    source: str
    group: str
    reason: str
    """Code: no_block | unreachable | rate_limited | no_answer | undecodable | invalid | too_wide | sequencer |
    no_leg | thin_history | not_yet."""
    detail: str
    """With the numbers."""


@dataclass(frozen=True, slots=True)
class Quotes:
    """Answer of price sources: what was found and what was not."""

    found: tuple[Quote, ...] = ()
    gaps: tuple[QuoteGap, ...] = ()


def merge(answers: Sequence[Quotes]) -> Quotes:
    """All answers as one."""
    return Quotes(
        found=tuple(quote for answer in answers for quote in answer.found),
        gaps=tuple(gap for answer in answers for gap in answer.gaps),
    )


class PriceStatus(StrEnum):
    """State of a reconciled price. Only the first two have figures."""

    OK = "OK"
    """A quorum of independent groups, and all of them agree."""
    DEGRADED = "DEGRADED"
    """Enough of them agree, but one dissents or is missing."""
    STALE = "STALE"
    """There would be a quorum if quotes were not too old, or all there is is too old."""
    INSUFFICIENT = "INSUFFICIENT"
    """Fewer groups than the quorum."""
    NO_CONSENSUS = "NO_CONSENSUS"
    """A quorum, but too few of them agree."""
    QUARANTINED = "QUARANTINED"
    """Held back: a group that is wanted for the quorum has been off too often, or the price leapt unconfirmed."""

    @property
    def usable(self) -> bool:
        """Whether there is a figure."""
        return self in {PriceStatus.OK, PriceStatus.DEGRADED}


@dataclass(frozen=True, slots=True)
class Vote:
    """What one independence group said, and by which of its sources."""

    group: str
    source: str
    price: Decimal
    half_width: Decimal
    """After widening for age and the floor of the class."""
    observed_at: int
    share: Decimal = Decimal(1)
    """Of the weight of all votes; no group has more than a third."""


@dataclass(frozen=True, slots=True)
class Dissent:
    """A quote without a part in the price, or a source without a quote, and why."""

    source: str
    group: str
    reason: str
    """Code: outside_band, outside_group, stale, future, invalid, too_wide, backwards, repeated, silent,
    quarantined, or the code of a ``QuoteGap``."""
    detail: str
    """With the numbers."""
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """What a venue's own oracle says. It decides about liquidation there and nothing about the price."""

    source: str
    price: Decimal
    observed_at: int
    off_bps: Decimal | None = None
    """Distance from the reconciled mid, None without one."""


@dataclass(frozen=True, slots=True)
class ReconciledPrice:
    """What the sources together say. Without a quorum there is no figure: low, mid and high are None."""

    price_key: str
    status: PriceStatus
    reason: str
    low: Decimal | None = None
    """For collateral."""
    mid: Decimal | None = None
    high: Decimal | None = None
    """For liabilities."""
    observed_at: int | None = None
    """Oldest observation among the contributors."""
    contributors: tuple[Vote, ...] = ()
    dissenters: tuple[Dissent, ...] = ()
    facts: tuple[Fact, ...] = ()
    """Venues' own oracles."""
    notes: tuple[str, ...] = ()
    """What is unusual although the sources agree: off its peg, rise capped, backing short."""
    ceiling: Decimal | None = None
    """For borrowing power only: collateral may not count for more when it is borrowed against anew."""

    @property
    def borrow_low(self) -> Decimal | None:
        """What collateral counts for when it is borrowed against anew."""
        if self.low is None or self.ceiling is None:
            return self.low
        return min(self.low, self.ceiling)


class PriceBook(Mapping[str, ReconciledPrice]):
    """Reconciled prices by key. A key that nobody quotes is INSUFFICIENT: neither an error nor a number."""

    __slots__ = ("_prices", "memory", "parameters")

    def __init__(
        self, prices: Mapping[str, ReconciledPrice], parameters: str = "", memory: "Memory | None" = None
    ) -> None:
        self._prices = dict(prices)
        self.parameters = parameters
        """Version of the parameters it was made with."""
        self.memory = memory
        """What the next round is to remember of this one."""

    def __getitem__(self, price_key: str) -> ReconciledPrice:
        found = self._prices.get(price_key)
        if found is None:
            return ReconciledPrice(price_key, PriceStatus.INSUFFICIENT, f"no source quotes {price_key}")
        return found

    def __contains__(self, price_key: object) -> bool:
        return price_key in self._prices

    def __iter__(self) -> Iterator[str]:
        return iter(self._prices)

    def __len__(self) -> int:
        return len(self._prices)

    def __repr__(self) -> str:
        return f"PriceBook({self._prices!r})"
