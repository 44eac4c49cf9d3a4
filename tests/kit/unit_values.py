"""Unit values of instruments at the venues' own prices, written apart from the kernels."""

from decimal import Decimal

import numpy as np

from chains.instruments import ClippedFee, Fixed, Instrument, LpRange, Option, Perp, ShortOptionFloor, Spot
from risk.black76 import option_price

YEAR_S = Decimal(365 * 86_400)


def unit_value(instrument: Instrument, stamp: int) -> Decimal:
    """Dollars per unit at the venue's own prices, at a block's time; written apart from the kernels."""
    match instrument:
        case Fixed():
            return Decimal(1)
        case Spot(venue_price_usd=None) | LpRange():
            raise AssertionError(f"{instrument}: has no venue price, the account cannot state its equity")
        case Spot(venue_price_usd=price) | Perp(venue_price_usd=price):
            assert price is not None
            return price
        case ClippedFee():
            fee = instrument.size * instrument.perp.venue_price_usd * instrument.fee_ratio
            return min(max(fee, instrument.fee_min_usd), instrument.fee_max_usd)
        case Option():
            return _option(instrument, instrument.venue_price_usd, instrument.vol, stamp)
        case ShortOptionFloor():
            return _floor(instrument, stamp)


def _option(option: Option, spot: Decimal, vol: Decimal, stamp: int, least_s: int = 0) -> Decimal:
    years = Decimal(max(option.expiry - stamp, least_s)) / YEAR_S
    terms = (np.array(float(x)) for x in (spot, option.strike_usd, years, vol, option.rate))
    return Decimal(float(option_price(option.is_call, *terms)))


def _floor(floor: ShortOptionFloor, stamp: int) -> Decimal:
    """risk/METHOD_MARKET.md, the three SHORT_FLOOR kinds."""
    spot = floor.option.venue_price_usd
    stressed = floor.amount * _option(floor.option, spot * floor.spot_shock, floor.shock_vol, stamp, 1)
    if floor.full_collateral_base is not None:
        base = max(stressed / (spot * floor.spot_shock), floor.static_min_base)
        return spot * min(base, floor.full_collateral_base)
    quote = max(stressed, floor.static_min_usd)
    return quote if floor.full_collateral_usd is None else min(quote, floor.full_collateral_usd)
