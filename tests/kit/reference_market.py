"""Slow twins of the market risk: one account, one instrument, one scenario at a time, in plain Python."""

import math

import numpy as np

from risk.arrays import InstrumentArrays, Kind, PortfolioArrays
from risk.scenarios import ScenarioSet, VolShock

YEAR = 365 * 86400


def normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def black(is_call: bool, spot: float, strike: float, tau: float, vol: float, rate: float) -> float:
    discount = math.exp(-rate * tau)
    if vol * math.sqrt(tau) <= 1e-12 or spot == 0.0:
        gain = spot - strike * discount
        return max(gain if is_call else -gain, 0.0)
    forward = spot / discount
    d1 = (math.log(forward / strike) + 0.5 * vol * vol * tau) / (vol * math.sqrt(tau))
    d2 = d1 - vol * math.sqrt(tau)
    if is_call:
        return discount * (forward * normal(d1) - strike * normal(d2))
    return discount * (strike * normal(-d2) - forward * normal(-d1))


def range_value(price: float, quote: float, lower: float, upper: float) -> float:
    """Below the range all is base, above it all is quote."""
    ratio = price / quote
    if ratio <= lower:
        return (1 / math.sqrt(lower) - 1 / math.sqrt(upper)) * price
    if ratio >= upper:
        return (math.sqrt(upper) - math.sqrt(lower)) * quote
    return (1 / math.sqrt(ratio) - 1 / math.sqrt(upper)) * price + (math.sqrt(ratio) - math.sqrt(lower)) * quote


def unit_value(
    instruments: InstrumentArrays, i: int, price: float, vol_multiplier: float, quote: float | None = None
) -> float:
    kind = Kind(int(instruments.kind[i]))
    strike, rate = float(instruments.strike[i]), float(instruments.rate[i])
    tau = float(instruments.expiry_s[i]) / YEAR
    extra = [float(x) for x in instruments.extra[i]]
    if kind is Kind.FIXED:
        return 1.0
    if kind in (Kind.SPOT, Kind.PERP, Kind.DEBT):
        return price
    if kind is Kind.FUTURE:
        return price * math.exp(rate * tau)
    if kind in (Kind.INVERSE_PERP, Kind.INVERSE_FUTURE):
        mark = price if kind is Kind.INVERSE_PERP else price * math.exp(rate * tau)
        return price * (1 / strike - 1 / mark)
    if kind in (Kind.CALL, Kind.PUT):
        return black(kind is Kind.CALL, price, strike, tau, float(instruments.vol[i]) * vol_multiplier, rate)
    if kind is Kind.LP_RANGE:
        return range_value(price, float(instruments.quote_price[i]) if quote is None else quote, *extra[:2])
    if kind is Kind.CLIPPED_FEE:
        size, ratio, least, most = extra[:4]
        return min(max(size * price * ratio, least), most)
    return short_floor(kind, price, strike, max(tau, 1 / YEAR), rate, extra)


def short_floor(kind: Kind, price: float, strike: float, tau: float, rate: float, extra: list[float]) -> float:
    amount, vol, shock, static_quote, static_base, full_quote, full_base = extra[:7]
    stressed = black(kind is not Kind.SHORT_FLOOR_PUT, price * shock, strike, tau, max(vol, 1e-4), rate)
    if kind is Kind.SHORT_FLOOR_CALL_BASE:
        base = max(amount * stressed / (price * shock), static_base)
        return price * (base if math.isnan(full_base) else min(base, full_base))
    quote = max(amount * stressed, static_quote)
    return quote if math.isnan(full_quote) else min(quote, full_quote)


def vol_factor(vol: VolShock, expiry_s: float, shift: int) -> float:
    if math.isnan(expiry_s) or shift == 0:
        return 1.0
    days = max(expiry_s / 86400, vol.dte_floor_days)
    reach = (30 / days) ** (vol.short_power if days <= 30 else vol.long_power)
    return 1 + vol.up * reach if shift == 1 else max(0.0, 1 - vol.down * reach)


def move_of(scenarios: ScenarioSet, s: int, factor: int, basis: int) -> float:
    move = 1.0
    if factor >= 0:
        move *= 1 + float(scenarios.factor_shock[s, factor])
    if basis >= 0:
        move *= 1 + float(scenarios.basis_shock[s, basis])
    return move


def unit_change(portfolio: PortfolioArrays, scenarios: ScenarioSet, i: int, s: int) -> float:
    instruments = portfolio.instruments
    now = float(instruments.price[i])
    price = now * move_of(scenarios, s, int(instruments.factor[i]), int(instruments.basis[i]))
    second = move_of(scenarios, s, int(instruments.quote_factor[i]), int(instruments.quote_basis[i]))
    moved = vol_factor(scenarios.vol, float(instruments.expiry_s[i]), int(scenarios.vol_shift[s]))
    quote = float(instruments.quote_price[i]) * second
    change = unit_value(instruments, i, price, moved, quote) - unit_value(instruments, i, now, 1.0)
    return float(scenarios.damping[s]) * change


def surplus_change(portfolio: PortfolioArrays, scenarios: ScenarioSet, a: int, s: int) -> float:
    equity, requirement = portfolio.equity.toarray(), portfolio.requirement.toarray()
    total = 0.0
    for i in range(portfolio.instruments.count):
        total += (equity[a, i] - requirement[a, i]) * unit_change(portfolio, scenarios, i, s)
    return total


def surplus_after(portfolio: PortfolioArrays, a: int, chosen: np.ndarray, move: float) -> float:
    """Surplus of account a when the chosen factors (F,) move by ``move`` and nothing else."""
    equity, requirement = portfolio.equity.toarray(), portfolio.requirement.toarray()
    instruments, total = portfolio.instruments, float(portfolio.surplus[a])
    for i in range(instruments.count):
        first, second = (
            factor >= 0 and bool(chosen[factor]) for factor in (instruments.factor[i], instruments.quote_factor[i])
        )
        if first or second:
            now, quote = float(instruments.price[i]), float(instruments.quote_price[i])
            after = now * (1 + move * first), quote * (1 + move * second)
            change = unit_value(instruments, i, after[0], 1.0, after[1]) - unit_value(instruments, i, now, 1.0)
            total += (equity[a, i] - requirement[a, i]) * change
    return total


def time_left(drawn: list[float], horizons: list[float], surplus: float) -> float:
    if surplus < 0 or drawn[0] > surplus:
        return 0.0
    for k in range(1, len(drawn)):
        if drawn[k] > surplus:
            share = (surplus - drawn[k - 1]) / (drawn[k] - drawn[k - 1])
            return math.exp(math.log(horizons[k - 1]) + share * math.log(horizons[k] / horizons[k - 1]))
    return math.inf
