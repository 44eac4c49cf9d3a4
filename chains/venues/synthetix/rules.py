"""Rules of a PerpsV2 market in exact integers, as ``synthetix@2.102.1`` computes them.

Source: contracts/PerpsV2MarketBase.sol and PerpsV2MarketViews.sol. Every amount is an integer with 18 decimals;
products and quotients round towards zero, one after another, in the contract's own order.
"""

from dataclasses import dataclass
from typing import Final

UNIT: Final = 10**18
DAY_S: Final = 86_400
MILLI: Final = UNIT // 1000


def _div(x: int, y: int) -> int:
    """Quotient rounded towards zero, as the EVM divides."""
    quotient = abs(x) // abs(y)
    return quotient if (x < 0) == (y < 0) else -quotient


def times(x: int, y: int) -> int:
    """Product of two fixed-point numbers (multiplyDecimal)."""
    return _div(x * y, UNIT)


def over(x: int, y: int) -> int:
    """Quotient of two fixed-point numbers (divideDecimal)."""
    return _div(x * UNIT, y)


@dataclass(frozen=True, slots=True)
class Terms:
    """Settings of one market and those that all markets share."""

    max_leverage: int
    skew_scale: int
    """Base units; positive."""
    max_funding_velocity: int
    """Per day squared."""
    premium_multiplier: int
    buffer_ratio: int
    min_initial: int
    """Smallest sUSD that must stay with an open position."""
    fee_ratio: int
    fee_min: int
    fee_max: int
    keeper_fee: int
    """Flat fee of the liquidator, beside the flagger's."""


@dataclass(frozen=True, slots=True)
class Market:
    """State of one market at a block."""

    key: str
    base_asset: str
    price: int
    price_invalid: bool
    skew: int
    funded_at: int
    """Time of the last entry of the funding sequence, unix seconds."""
    funded_rate: int
    """Funding rate per day at that time."""
    funding_entry: int
    """Last entry of the funding sequence: sUSD per unit of base since the market began."""
    active: bool
    """False where the system, the exchange or the market is suspended."""
    contract: str = ""
    """Address of the market's proxy."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What the market has stored for one account."""

    posted: int
    """sUSD realised into the account at its last change."""
    last_price: int
    size: int
    """Base units; negative for a short."""
    funding_index: int
    """Index into the funding sequence at the last change; 0 without a position."""
    funding_entry: int
    """Entry at that index."""


@dataclass(frozen=True, slots=True)
class Funding:
    """Funding of a market between its last entry and the block."""

    rate: int
    """Per day, as it stands now; longs pay a positive rate."""
    velocity: int
    """Per day squared."""
    per_price: int
    """Unrecorded funding per unit of base, as a fraction of the price."""
    next_entry: int
    """Entry that the sequence would get now."""


def funding(market: Market, terms: Terms, now: int) -> Funding:
    """Funding at a block's time (_currentFundingRate, _unrecordedFunding, _nextFundingEntry)."""
    elapsed = (now - market.funded_at) * UNIT // DAY_S
    skew = min(max(-UNIT, over(market.skew, terms.skew_scale)), UNIT)
    velocity = times(skew, terms.max_funding_velocity)
    rate = market.funded_rate + times(velocity, elapsed)
    per_price = times(-over(market.funded_rate + rate, 2 * UNIT), elapsed)
    return Funding(rate, velocity, per_price, market.funding_entry + times(per_price, market.price))


def accrued_funding(held: Holding, accrual: Funding) -> int:
    """Funding since the account's last change; negative where it pays."""
    if held.funding_index == 0:
        return 0
    return times(held.size, accrual.next_entry - held.funding_entry)


def profit_loss(held: Holding, price: int) -> int:
    """Change of the position's value since the account's last change."""
    return times(held.size, price - held.last_price)


def equity(held: Holding, accrual: Funding, price: int) -> int:
    """Posted sUSD with profit, loss and funding; may be negative (_marginPlusProfitFunding)."""
    return held.posted + profit_loss(held, price) + accrued_funding(held, accrual)


def daily_cost(held: Holding, accrual: Funding, price: int) -> int:
    """Funding that a day costs; negative where it earns.

    The rate drifts with the skew, so this is the worse of today's rate and the coming day's mean at the present
    skew: no horizon up to a day costs more per day than that.
    """
    value = notional(held, price)
    return max(times(value, accrual.rate), times(value, accrual.rate + _div(accrual.velocity, 2)))


def notional(held: Holding, price: int) -> int:
    """Signed value of the position."""
    return times(held.size, price)


def liquidation_fee(size: int, price: int, terms: Terms) -> int:
    """Flagger's fee: a share of the notional, capped, then not below the smallest."""
    proportional = times(times(abs(size), price), terms.fee_ratio)
    return max(min(proportional, terms.fee_max), terms.fee_min)


def liquidation_requirement(size: int, price: int, terms: Terms) -> int:
    """Equity at which liquidation starts: buffer and both fees (_liquidationMargin)."""
    buffer = times(times(abs(size), price), terms.buffer_ratio)
    return buffer + liquidation_fee(size, price, terms) + terms.keeper_fee


def liquidation_premium(size: int, price: int, terms: Terms) -> int:
    """Price impact charged on liquidation, grows with the square of the size (_liquidationPremium)."""
    if size == 0:
        return 0
    impact = times(over(abs(size), terms.skew_scale), abs(times(size, price)))
    return times(impact, terms.premium_multiplier)


def can_liquidate(held: Holding, accrual: Funding, price: int, terms: Terms) -> bool:
    """Contract's verdict at a valid price; equality is liquidatable."""
    if held.size == 0:
        return False
    left = max(0, equity(held, accrual, price) - liquidation_premium(held.size, price, terms))
    return left <= liquidation_requirement(held.size, price, terms)


def accessible(held: Holding, accrual: Funding, price: int, terms: Terms) -> int:
    """What the view calls accessible: leverage and the smallest initial sUSD bind, liquidation does not."""
    locked = abs(over(notional(held, price), terms.max_leverage - MILLI))
    if locked > 0:
        locked = max(locked, terms.min_initial) + MILLI
    return max(0, max(0, equity(held, accrual, price)) - locked)


def liquidation_price(held: Holding, accrual: Funding, price: int, terms: Terms) -> int:
    """Contract's approximate liquidation price: fees and premium as of the current price."""
    if held.size == 0:
        return 0
    required = liquidation_requirement(held.size, price, terms)
    free = held.posted - liquidation_premium(held.size, price, terms)
    per_unit = accrual.next_entry - held.funding_entry
    return max(0, held.last_price + over(required - free, held.size) - per_unit)
