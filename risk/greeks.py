"""Greeks of economic value, per account and risk factor.

    delta_usd = Σ v·Δ·P      gamma_usd = Σ v·Γ·P²·0.01      vega_usd = Σ v·𝒱·0.01      theta_usd = Σ v·Θ/365
    rho_usd = Σ v·ρ·0.0001, the rate being the carry of an option or future (debt and funding: none, it is time's)

v = units in value, P = price of the underlying, over the instruments of the factor. Basis and carry are not in
here: a wrapped form counts with its own price, one for one.

Liquidity of a range has both of its tokens: Δ of each is what it holds of it, and inside the range Γ·P² is
-√(P·Q)/2 for both.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from risk.arrays import LP_LOWER, LP_UPPER, OPTIONS, InstrumentArrays, Kind, PortfolioArrays
from risk.black76 import DAY_YEARS, YEAR_S, option_greeks
from risk.checks import F64, Bool
from risk.pricing import linear_slopes, range_holdings

PERCENT, BASIS_POINT = 0.01, 0.0001
DATED = (*OPTIONS, Kind.FUTURE, Kind.INVERSE_FUTURE)


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
    rho_usd: F64
    """Change for one basis point (+0.0001) of every rate."""


class ExpiryGreeks(NamedTuple):
    """Greeks of one expiry, (A, F) each."""

    expiry_s: float
    """Seconds to expiry; NaN for what has none."""
    greeks: Greeks


def portfolio_greeks(portfolio: PortfolioArrays) -> Greeks:
    """Greeks of the value exposures; linear instruments have no gamma and no vega."""
    return _grouped(portfolio, *_unit_greeks(portfolio.instruments), None)


def greeks_by_expiry(portfolio: PortfolioArrays) -> list[ExpiryGreeks]:
    """The same for every expiry apart, soonest first, last what has none; sums to ``portfolio_greeks``."""
    first, second = _unit_greeks(portfolio.instruments)
    expiry = portfolio.instruments.expiry_s
    dated = portfolio.instruments.is_kind(*DATED)
    groups = [(float(one), dated & (expiry == one)) for one in np.unique(expiry[dated])]
    groups.append((float("nan"), ~dated))
    return [ExpiryGreeks(one, _grouped(portfolio, first, second, at)) for one, at in groups if at.any()]


def _grouped(portfolio: PortfolioArrays, first: F64, second: F64, at: Bool | None) -> Greeks:
    """Sums over the instruments ``at``, or all."""
    kept = 1.0 if at is None else at
    sums = [_by_factor(portfolio, one * kept, two * kept) for one, two in zip(first, second, strict=True)]
    return Greeks(*sums)


def _unit_greeks(instruments: InstrumentArrays) -> tuple[F64, F64]:
    """(5, N) Greeks of one unit of each instrument, and of the second token of ranges."""
    price = instruments.price
    units = np.zeros((5, instruments.count))
    units[0] = linear_slopes(instruments)
    units[3], units[4] = _linear_time(instruments)
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
    units[4, at] = greeks.rho * BASIS_POINT
    second = np.zeros((5, instruments.count))
    _add_ranges(instruments, units, second)
    return units, second


def _linear_time(instruments: InstrumentArrays) -> tuple[F64, F64]:
    """(N,) theta a day and rho a basis point of the linear kinds: interest, funding and carry."""
    price, rate, tau = instruments.price, np.nan_to_num(instruments.rate), instruments.expiry_s / YEAR_S
    theta, rho = np.zeros(instruments.count), np.zeros(instruments.count)
    # What is past its expiry has no carry left.
    alive = tau > 0.0
    for kind, decay in ((Kind.PERP, -price * rate), (Kind.DEBT, price * rate), (Kind.INVERSE_PERP, -rate)):
        theta = np.where(instruments.is_kind(kind), decay, theta)
    for kind, value in ((Kind.FUTURE, price * np.exp(rate * tau)), (Kind.INVERSE_FUTURE, np.exp(-rate * tau))):
        at = instruments.is_kind(kind) & alive
        theta, rho = np.where(at, -rate * value, theta), np.where(at, tau * value, rho)
    return theta * DAY_YEARS, rho * BASIS_POINT


def _by_factor(portfolio: PortfolioArrays, first: F64, second: F64) -> F64:
    """(A, F) sums of what each instrument has by its factor, and by the factor of its second token."""
    instruments = portfolio.instruments
    total = np.zeros((portfolio.count, len(portfolio.factors.names)))
    for factor, unit in ((instruments.factor, first), (instruments.quote_factor, second)):
        moving = np.flatnonzero(factor >= 0)
        units = np.zeros((instruments.count, total.shape[1]))
        units[moving, factor[moving]] = unit[moving]
        total += np.asarray(portfolio.value @ units)
    return total


def _add_ranges(instruments: InstrumentArrays, units: F64, second: F64) -> None:
    """Put Δ and Γ of one unit of each range into (5, N) of the base's and of the quote's factor."""
    rows = np.flatnonzero(instruments.is_kind(Kind.LP_RANGE))
    price, quote = instruments.price[rows], instruments.quote_price[rows]
    lower, upper = instruments.extra[rows, LP_LOWER], instruments.extra[rows, LP_UPPER]
    base, other = range_holdings(lower, upper, price / quote)
    inside = (price / quote > lower) & (price / quote < upper)
    units[0, rows], second[0, rows] = base * price, other * quote
    units[1, rows] = second[1, rows] = np.where(inside, -0.5 * np.sqrt(price * quote), 0.0) * PERCENT
