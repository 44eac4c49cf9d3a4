"""Slow float64 twin of what Lyra's instruments are worth: plain Black-Scholes, one instrument at a time."""

from math import erfc, exp, log, sqrt

from chains.accounts import VenueAccount
from chains.instruments import Fixed, Instrument, Option, ShortOptionFloor, Spot

YEAR_S = 365 * 86_400


def normal(x: float) -> float:
    return 0.5 * erfc(-x / sqrt(2.0))


def black_scholes(is_call: bool, spot: float, strike: float, years: float, vol: float, rate: float) -> float:
    lasting = max(years, 1 / YEAR_S)  # the contract's own least time; money is discounted by the real one
    deviation = vol * sqrt(lasting)
    d1 = (log(spot / strike) + (rate + vol * vol / 2) * lasting) / deviation
    d2 = d1 - deviation
    paid = strike * exp(-rate * years)
    if is_call:
        return spot * normal(d1) - paid * normal(d2)
    return paid * normal(-d2) - spot * normal(-d1)


def option_value(option: Option, spot: float, now: int, vol: float | None = None) -> float:
    years = max(0, option.expiry - now) / YEAR_S
    sigma = float(option.vol) if vol is None else vol
    return black_scholes(option.is_call, spot, float(option.strike_usd), years, sigma, float(option.rate))


def floor_value(floor: ShortOptionFloor, spot: float, now: int) -> float:
    """Smallest collateral in USD at a spot."""
    shocked = spot * float(floor.spot_shock)
    at_risk = option_value(floor.option, shocked, now, float(floor.shock_vol)) * float(floor.amount)
    if floor.full_collateral_base is not None:
        in_base = max(at_risk / shocked, float(floor.static_min_base))
        return min(in_base, float(floor.full_collateral_base)) * spot
    least = max(at_risk, float(floor.static_min_usd))
    return least if floor.full_collateral_usd is None else min(least, float(floor.full_collateral_usd))


def unit_value(instrument: Instrument, spot: float, now: int) -> float:
    """USD per unit when the underlying stands at ``spot``; the quote token is at par."""
    match instrument:
        case Fixed():
            return 1.0
        case Spot(venue_price_usd=price):
            assert price is not None
            return 1.0 if price == 1 else spot
        case Option():
            return option_value(instrument, spot, now)
        case ShortOptionFloor():
            return floor_value(instrument, spot, now)
    raise AssertionError(f"no value of {instrument}")


def revalued(account: VenueAccount, spot: float, now: int) -> tuple[float, float, float]:
    """V, E and k·MM at a spot, from the exposures alone."""
    worth = [(e, unit_value(e.instrument, spot, now)) for e in account.exposures]
    return (
        sum(float(e.value) * unit for e, unit in worth),
        sum(float(e.equity) * unit for e, unit in worth),
        sum(float(e.requirement) * unit for e, unit in worth),
    )
