"""Cost of a liquidation by Dutch auction, in the form of Derive v2.

    d(t)   start -> cutoff linearly over the fast part, then cutoff -> 0 over the slow part
    BM     = MM - buffer·(mark - MM)                              buffered maintenance excess, capped at 0
    f(t)   = BM / (BM - mark·d - reserved·(1 - d))                largest share that may be bought
    bid(t) = d·(mark - reserved)·f

MM is the maintenance excess (< 0 when the auction runs), mark the value of the account with its cash. What the
owner loses by time t is (1 - d)·(mark - reserved) of the share sold.

mark <= 0: insolvent. The owner has nothing left to lose; whoever takes the account is paid for it by the security
module, from nothing at the start to the whole maintenance shortfall at the end, linearly:

    payout(t) = -MM·min(1, t / T)                                 for all of the account, pro rata for a share

Source: derivexyz/v2-core, DutchAuction (the contract's steps of the payout taken to their limit) and its mainnet
figures.
"""

from dataclasses import dataclass
from typing import Annotated

from risk.checks import number
from risk.errors import ParameterError, RiskInputError
from risk.paramfile import Within, check_fields, load


@dataclass(frozen=True, slots=True)
class AuctionParams:
    """One parameter set."""

    id: str
    version: str
    provenance: str
    start: Annotated[float, Within(0.0, 1.0)]
    cutoff: Annotated[float, Within(0.0, 1.0)]
    fast_s: Annotated[float, Within(1e-9, 1e7)]
    slow_s: Annotated[float, Within(1e-9, 1e7)]
    buffer: Annotated[float, Within(0.0, 10.0)]
    insolvent_s: Annotated[float, Within(1e-9, 1e7)]
    liquidator_fee: Annotated[float, Within(0.0, 1.0)]

    def __post_init__(self) -> None:
        check_fields(self)
        if self.cutoff > self.start:
            raise ParameterError(f"cutoff: {self.cutoff} must not be above start {self.start}")


@dataclass(frozen=True, slots=True)
class AuctionState:
    """The auction of one account at one time, USD."""

    discount: float
    """d: share of the value that a bidder pays."""
    buffered_excess_usd: float
    """BM, <= 0."""
    max_share: float
    """f, in [0, 1]."""
    bid_usd: float
    """Price of the largest share; negative where the security module pays the bidder (insolvent)."""
    cost_usd: float
    """What the owner loses on that share: its value beyond what is paid for it."""


def load_auction(name: str = "auction_v1") -> AuctionParams:
    """Parameters in ``risk/data/<name>.toml``."""
    return load(AuctionParams, name)


def discount_at(params: AuctionParams, elapsed_s: float) -> float:
    """d(t) >= 0."""
    number("elapsed_s", elapsed_s, 0.0, 1e12)
    if elapsed_s < params.fast_s:
        return params.start - (params.start - params.cutoff) * elapsed_s / params.fast_s
    late = elapsed_s - params.fast_s
    return params.cutoff * max(0.0, 1.0 - late / params.slow_s)


def auction_state(
    params: AuctionParams, mark_usd: float, mm_excess_usd: float, elapsed_s: float, reserved_usd: float = 0.0
) -> AuctionState:
    """State of an auction, solvent or (mark <= 0) insolvent.

    Raises ``RiskInputError`` for reserved cash above a positive mark, and for an insolvent account whose
    maintenance excess is above its mark.
    """
    number("mark_usd", mark_usd, -1e30, 1e30)
    number("mm_excess_usd", mm_excess_usd, -1e30, 1e30)
    number("reserved_usd", reserved_usd, 0.0, 1e30)
    if mark_usd <= 0.0:
        return _insolvent(params, mark_usd, mm_excess_usd, elapsed_s)
    if reserved_usd > mark_usd:
        raise RiskInputError(f"mark_usd: {mark_usd} must not be below reserved_usd {reserved_usd}")
    d = discount_at(params, elapsed_s)
    buffered = min(0.0, mm_excess_usd - params.buffer * (mark_usd - mm_excess_usd))
    below = buffered - mark_usd * d - reserved_usd * (1.0 - d)
    share = min(1.0, buffered / below) if below < 0.0 else 0.0
    sold = (mark_usd - reserved_usd) * share
    return AuctionState(d, buffered, share, d * sold, (1.0 - d) * sold)


def _insolvent(params: AuctionParams, mark_usd: float, mm_excess_usd: float, elapsed_s: float) -> AuctionState:
    """Buyers of any share are paid; the discount has run out."""
    if mm_excess_usd > mark_usd:
        raise RiskInputError(f"mm_excess_usd: {mm_excess_usd} must not be above mark_usd {mark_usd}")
    number("elapsed_s", elapsed_s, 0.0, 1e12)
    buffered = mm_excess_usd - params.buffer * (mark_usd - mm_excess_usd)
    payout = -mm_excess_usd * min(1.0, elapsed_s / params.insolvent_s)
    return AuctionState(0.0, buffered, 1.0, -payout, 0.0)
