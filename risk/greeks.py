"""Greeks of economic value, per account and risk factor.

    delta_usd = Σ v·Δ·P      gamma_usd = Σ v·Γ·P²·0.01      vega_usd = Σ v·𝒱·0.01      theta_usd = Σ v·Θ/365

v = units in value, P = price of the underlying, over the instruments of the factor. Basis and carry are not in
here: a wrapped form counts with its own price, one for one.

Liquidity of a range has both of its tokens: Δ of each is what it holds of it, and inside the range Γ·P² is
-√(P·Q)/2 for both.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from risk.arrays import LP_LOWER, LP_UPPER, OPTIONS, InstrumentArrays, Kind, PortfolioArrays
from risk.black76 import DAY_YEARS, YEAR_S, option_greeks
from risk.checks import F64
from risk.pricing import range_holdings

PERCENT = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Greeks:
    """Sensitivities of value, (A, F) each, USD."""

    delta_usd: F64
    """Change for a move of +100 % at the present slope: the dollar exposure."""
    gamma_usd: F64
    """Change of ``delta_usd`` for a move of +1 %."""
    vega_usd: F64
    """Change for one vol point (+0.01) of every option."""
    theta_usd: F64
    """Change for one day passed, nothing else moving."""


def portfolio_greeks(portfolio: PortfolioArrays) -> Greeks:
    """Greeks of the value exposures; linear instruments have delta only."""
    instruments = portfolio.instruments
    price = instruments.price
    units = np.zeros((4, instruments.count))
    units[0] = np.where(instruments.is_kind(Kind.SPOT, Kind.PERP), price, 0.0)
    at = np.flatnonzero(instruments.is_kind(*OPTIONS))
    greeks = option_greeks(
        instruments.kind[at] == Kind.CALL,
        price[at],
        instruments.strike[at],
        instruments.expiry_s[at] / YEAR_S,
        instruments.vol[at],
        instruments.rate[at],
    )
    units[0, at] = greeks.delta * price[at]
    units[1, at] = greeks.gamma * price[at] ** 2 * PERCENT
    units[2, at] = greeks.vega * PERCENT
    units[3, at] = greeks.theta * DAY_YEARS
    second = np.zeros((4, instruments.count))
    _add_ranges(instruments, units, second)
    sums = [_by_factor(portfolio, one, two) for one, two in zip(units, second, strict=True)]
    return Greeks(delta_usd=sums[0], gamma_usd=sums[1], vega_usd=sums[2], theta_usd=sums[3])


def _by_factor(portfolio: PortfolioArrays, first: F64, second: F64) -> F64:
    """(A, F) sums of what each instrument has by its factor, and by the factor of its second token."""
    instruments = portfolio.instruments
    total = np.zeros((portfolio.count, len(portfolio.factors.names)))
    for factor, unit in ((instruments.factor, first), (instruments.quote_factor, second)):
        moving = np.flatnonzero(factor >= 0)
        shape = (instruments.count, total.shape[1])
        total += np.asarray(
            (portfolio.value @ csr_array((unit[moving], (moving, factor[moving])), shape=shape)).toarray()
        )
    return total


def _add_ranges(instruments: InstrumentArrays, units: F64, second: F64) -> None:
    """Put Δ and Γ of one unit of each range into (4, N) of the base's and of the quote's factor."""
    rows = np.flatnonzero(instruments.is_kind(Kind.LP_RANGE))
    price, quote = instruments.price[rows], instruments.quote_price[rows]
    lower, upper = instruments.extra[rows, LP_LOWER], instruments.extra[rows, LP_UPPER]
    base, other = range_holdings(lower, upper, price / quote)
    inside = (price / quote > lower) & (price / quote < upper)
    units[0, rows], second[0, rows] = base * price, other * quote
    units[1, rows] = second[1, rows] = np.where(inside, -0.5 * np.sqrt(price * quote), 0.0) * PERCENT
