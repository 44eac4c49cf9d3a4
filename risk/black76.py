"""Black-76 on the forward F = S·exp(r·T), which is Black-Scholes with carry r: prices and greeks, vectorised.

    d1 = (ln(S/K) + (r + σ²/2) T) / (σ √T)        d2 = d1 - σ √T
    call = S N(d1) - K e^(-rT) N(d2)              put = K e^(-rT) N(-d2) - S N(-d1)

Source: F. Black, "The pricing of commodity contracts" (1976); J. Hull, Options, Futures, and Other Derivatives.
With σ√T = 0 the price is the intrinsic value of the discounted forward. A year has 365 days, as in the
option venues. All arguments broadcast; prices in USD per unit of the underlying, S >= 0, K > 0.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from risk.checks import F64, Bool, between

YEAR_S = 31_536_000.0
"""Seconds of 365 days."""
DAY_YEARS = 1.0 / 365.0
LEAST_DEVIATION = 1e-12
"""σ√T below it counts as 0: the price differs by less than 1e-12 S, and quotients cannot overflow."""


@dataclass(frozen=True, slots=True, eq=False)
class OptionGreeks:
    """Per unit of the underlying; shapes as the broadcast arguments."""

    delta: F64
    """∂V/∂S."""
    gamma: F64
    """∂²V/∂S², per USD."""
    vega: F64
    """∂V/∂σ per 1.00 of volatility (100 points)."""
    theta: F64
    """∂V/∂t per year of passing time (negative for most long options)."""
    rho: F64
    """∂V/∂r per 1.00 of rate."""


def option_price(is_call: Bool | bool, spot: F64, strike: F64, tau_years: F64, vol: F64, rate: F64) -> F64:
    """USD price of one European option on one unit of the underlying.

    Parameters
    ----------
    is_call, spot, strike, tau_years, vol, rate
        Arrays that broadcast together. Years of 365 days, ``vol`` and ``rate`` per year (0.8 = 80 %).

    Returns
    -------
    F64
        At least the intrinsic value of the discounted forward, at most S (call) or K·exp(-rT) (put).
    """
    _check(spot, strike, tau_years, vol, rate)
    paid = strike * np.exp(-rate * tau_years)
    d1, d2 = _d1_d2(spot, paid, tau_years, vol)
    sign = np.where(is_call, 1.0, -1.0)
    price: F64 = sign * (spot * ndtr(sign * d1) - paid * ndtr(sign * d2))
    bounded: F64 = np.minimum(np.maximum(price, sign * (spot - paid)), np.where(is_call, spot, paid))
    return np.maximum(bounded, 0.0)


def forward_price(is_call: Bool | bool, forward: F64, strike: F64, tau_years: F64, vol: F64, discount: F64) -> F64:
    """Black-76: USD price of one European option on a forward, times a given discount factor.

    With σ√T = 0 the discounted intrinsic value. ``option_price`` with spot S and rate r is this one with
    F = S·exp(rT) and discount exp(-rT).
    """
    between("discount", np.asarray(discount), 0.0)
    return discount * option_price(is_call, forward, strike, tau_years, vol, np.zeros(()))


def option_greeks(
    is_call: Bool | bool, spot: F64, strike: F64, tau_years: F64, vol: F64, rate: F64
) -> OptionGreeks:
    """Greeks of one European option; with σ√T = 0 gamma and vega are 0 and delta is 0 or ±1."""
    _check(spot, strike, tau_years, vol, rate)
    discount = np.exp(-rate * tau_years)
    paid = strike * discount
    d1, d2 = _d1_d2(spot, paid, tau_years, vol)
    sign = np.where(is_call, 1.0, -1.0)
    density = np.exp(-0.5 * d1 * d1) / np.sqrt(2.0 * np.pi)
    root = np.sqrt(tau_years)
    width = spot * vol * root
    alive = width > spot * LEAST_DEVIATION
    gamma = np.divide(density, width, out=np.zeros(np.broadcast(density, width).shape), where=alive)
    vega = spot * density * root * alive
    held = paid * ndtr(sign * d2)
    decay = 0.5 * gamma * spot * spot * vol * vol
    return OptionGreeks(
        delta=sign * ndtr(sign * d1) + 0.0 * vega,
        gamma=gamma,
        vega=vega,
        theta=-decay - sign * rate * held,
        rho=sign * tau_years * held + 0.0 * vega,
    )


def _check(spot: F64, strike: F64, tau_years: F64, vol: F64, rate: F64) -> None:
    """Refuse what is no number or out of bounds, naming it."""
    between("strike", np.asarray(strike), 0.0, above=True)
    for name, values in (("spot", spot), ("tau_years", tau_years), ("vol", vol)):
        between(name, np.asarray(values), 0.0)
    between("rate", np.asarray(rate))


def _d1_d2(spot: F64, paid: F64, tau_years: F64, vol: F64) -> tuple[F64, F64]:
    """Arguments of the normal law; ±inf where nothing is uncertain any more, by the side of K·exp(-rT)."""
    deviation = vol * np.sqrt(tau_years)
    with np.errstate(divide="ignore"):
        moneyness = np.log(spot / paid)
    shape = np.broadcast(moneyness, deviation).shape
    flat = np.broadcast_to(np.where(moneyness > 0.0, np.inf, -np.inf), shape).copy()
    centre = np.divide(moneyness, deviation, out=flat, where=deviation > LEAST_DEVIATION)
    return centre + 0.5 * deviation, centre - 0.5 * deviation
