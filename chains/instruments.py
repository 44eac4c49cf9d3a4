"""Instruments: what exposures are counted in. Each has one unit value in USD in any state of the world.

A venue account's behaviour under scenarios is said by ``Exposure`` values: how many units of which instrument
enter economic value V, equity E and requirement k·MM. All are linear in the instruments' unit values, so one
revaluation of the instruments serves every account.
"""

from dataclasses import dataclass
from decimal import Decimal

from chains.caip import AssetId

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Fixed:
    """One US dollar in every scenario, as a venue that books a token at par sees it."""


@dataclass(frozen=True, slots=True)
class Spot:
    """One whole token. ``venue_price_usd`` is what the venue's own oracle says; None where no venue prices it."""

    asset: AssetId
    venue_price_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Perp:
    """One unit of base of a linear perpetual; its unit value is the venue's mark (or index) price.

    ``market`` tells apart the marks of one underlying on different venues (basis risk).
    """

    asset: AssetId
    market: str
    venue_price_usd: Decimal


@dataclass(frozen=True, slots=True)
class Option:
    """One European option on one unit of the underlying, cash settled, Black-76."""

    asset: AssetId
    market: str
    is_call: bool
    strike_usd: Decimal
    expiry: int
    """Unix seconds."""
    vol: Decimal
    """Annualised implied volatility by the venue's surface, 0.8 = 80 %."""
    rate: Decimal
    """Continuously compounded, per year."""
    venue_price_usd: Decimal
    """Spot price of the underlying that the venue uses."""


@dataclass(frozen=True, slots=True)
class ClippedFee:
    """Requirement of a perp position with a bounded fee: ``clip(notional * fee_ratio, fee_min, fee_max)``.

    notional = ``size`` x price. Not linear in size, hence an instrument of its own with one unit.
    """

    perp: Perp
    size: Decimal
    """Absolute size, base units."""
    fee_ratio: Decimal
    fee_min_usd: Decimal
    fee_max_usd: Decimal


@dataclass(frozen=True, slots=True)
class ShortOptionFloor:
    """Smallest collateral that Lyra v1 allows for a short option; not linear in amount, hence one unit each.

    Formula and parameters: OptionGreekCache.getMinCollateral (see ``chains/venues/lyra.py``). ``amount`` is
    positive. The vol is the venue's shocked vol of the expiry, a function of time to expiry only.
    """

    option: Option
    amount: Decimal
    shock_vol: Decimal
    spot_shock: Decimal
    """Factor on spot inside the venue's stress: above 1 for calls, below 1 for puts."""
    static_min_usd: Decimal
    """Flat minimum in quote (or ``static_min_base`` x spot for base-collateralised calls)."""
    static_min_base: Decimal
    full_collateral_usd: Decimal | None
    """Upper bound in quote: strike x amount for puts; None where the venue has none in quote."""
    full_collateral_base: Decimal | None
    """Upper bound in base: amount for base-collateralised calls."""


@dataclass(frozen=True, slots=True)
class LpRange:
    """One unit of concentrated liquidity (Uniswap v3) between two prices of ``base`` in ``quote``, whole tokens.

    With p the price of base in quote, held inside [lower, upper], one unit is 1/√p - 1/√upper of base and
    √p - √lower of quote. The price comes from outside, not from the pool: whoever moves the pool there takes the
    difference, so that this is what the position is worth once it follows the market, never more.
    """

    base: AssetId
    quote: AssetId
    lower: Decimal
    upper: Decimal


Instrument = Fixed | Spot | Perp | Option | ClippedFee | ShortOptionFloor | LpRange


@dataclass(frozen=True, slots=True)
class Exposure:
    """Units of one instrument in the account's economic value V, equity E and requirement k·MM.

    Signed: a debt has negative ``value``. A requirement is positive.
    """

    instrument: Instrument
    value: Decimal = ZERO
    equity: Decimal = ZERO
    requirement: Decimal = ZERO
