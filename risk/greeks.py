"""Greeks of economic value, per account and risk factor.

    delta_usd = Σ v·Δ·P      gamma_usd = Σ v·Γ·P²·0.01      vega_usd = Σ v·𝒱·0.01      theta_usd = Σ v·Θ/365

v = units in value, P = price of the underlying, over the instruments of the factor. Basis and carry are not in
here: a wrapped form counts with its own price, one for one.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from risk.arrays import OPTIONS, Kind, PortfolioArrays
from risk.black76 import DAY_YEARS, YEAR_S, option_greeks
from risk.checks import F64

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
    moving = np.flatnonzero(instruments.factor >= 0)
    place = (moving, instruments.factor[moving])
    shape = (instruments.count, len(portfolio.factors.names))
    sums = [
        np.asarray((portfolio.value @ csr_array((unit[moving], place), shape=shape)).toarray()) for unit in units
    ]
    return Greeks(delta_usd=sums[0], gamma_usd=sums[1], vega_usd=sums[2], theta_usd=sums[3])
