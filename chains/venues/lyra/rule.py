"""Lyra v1's own rules in its own integers: option prices and the smallest collateral of a short.

Wad = 18 decimals. Source of the formulas: BlackScholes.optionPrices and OptionGreekCache.getMinCollateral,
getShockVol of @lyrafinance/protocol 0.1.3-alpha (Avalon).
"""

from enum import IntEnum
from typing import Final, NamedTuple

from chains.venues.lyra import fixed
from chains.venues.lyra.fixed import PRECISE, UNIT

YEAR_S: Final = 31_536_000
"""Seconds of the 365 days that Lyra calls a year."""
_LEAST_YEARS: Final = PRECISE // YEAR_S
_LEAST_VOL: Final = PRECISE // 10_000


class OptionType(IntEnum):
    """OptionMarket.OptionType."""

    LONG_CALL = 0
    LONG_PUT = 1
    SHORT_CALL_BASE = 2
    SHORT_CALL_QUOTE = 3
    SHORT_PUT_QUOTE = 4

    @property
    def is_call(self) -> bool:
        """Call or put."""
        return self not in (OptionType.LONG_PUT, OptionType.SHORT_PUT_QUOTE)

    @property
    def is_short(self) -> bool:
        """Shorts hold collateral and can be liquidated."""
        return self >= OptionType.SHORT_CALL_BASE

    @property
    def in_base(self) -> bool:
        """Collateral in base instead of quote."""
        return self is OptionType.SHORT_CALL_BASE


class MinCollateralParams(NamedTuple):
    """OptionGreekCache.MinCollateralParameters, in the order of the ABI; wads and seconds."""

    min_static_quote: int
    min_static_base: int
    shock_vol_a: int
    shock_vol_point_a_s: int
    shock_vol_b: int
    shock_vol_point_b_s: int
    call_spot_shock: int
    put_spot_shock: int

    def spot_shock(self, kind: OptionType) -> int:
        """Factor on spot in the stress of a short, wad."""
        return self.call_spot_shock if kind.is_call else self.put_spot_shock


def option_prices(seconds: int, vol: int, spot: int, strike: int, rate: int) -> tuple[int, int]:
    """Call and put price per unit of base (wads) with ``seconds`` to expiry; other arguments are wads.

    Raises ValueError where spot or strike is not positive.
    """
    if spot <= 0 or strike <= 0:
        raise ValueError(f"option price: spot and strike must be positive, were {spot} and {strike}")
    years = fixed.half_up(seconds * PRECISE, YEAR_S)
    s, k, r = fixed.to_precise(spot), fixed.to_precise(strike), fixed.to_precise(rate)
    d1, d2 = _d1_d2(years, fixed.to_precise(vol), s, k, r)
    paid = fixed.multiply(k, fixed.exp(-fixed.multiply(r, years)))
    call = max(0, fixed.multiply(s, fixed.normal_cdf(d1)) - fixed.multiply(paid, fixed.normal_cdf(d2)))
    # Put by parity: the contract knows no other way.
    put = max(0, call + paid - s)
    return fixed.to_wad(call), fixed.to_wad(put)


def _d1_d2(years: int, vol: int, spot: int, strike: int, rate: int) -> tuple[int, int]:
    years, vol = max(years, _LEAST_YEARS), max(vol, _LEAST_VOL)
    deviation = fixed.multiply(vol, fixed.sqrt(years))
    drift = fixed.multiply(fixed.multiply(vol, vol) // 2 + rate, years)
    d1 = fixed.divide(fixed.ln(fixed.divide(spot, strike)) + drift, deviation)
    return d1, d1 - deviation


def shock_vol(params: MinCollateralParams, seconds: int) -> int:
    """Vol (wad) of the collateral stress: A up to point A, B from point B on, a straight line between."""
    if seconds <= params.shock_vol_point_a_s:
        return params.shock_vol_a
    if seconds >= params.shock_vol_point_b_s:
        return params.shock_vol_b
    slope = (params.shock_vol_a - params.shock_vol_b) * (seconds - params.shock_vol_point_a_s)
    return params.shock_vol_a - slope // (params.shock_vol_point_b_s - params.shock_vol_point_a_s)


def min_collateral(
    params: MinCollateralParams, kind: OptionType, strike: int, seconds: int, spot: int, amount: int, rate: int
) -> int:
    """Smallest collateral of a short (wad of base or quote, by kind) below which it can be liquidated."""
    if amount == 0:
        return 0
    shocked = spot * params.spot_shock(kind) // UNIT
    call, put = option_prices(seconds, shock_vol(params, seconds), shocked, strike, rate)
    match kind:
        case OptionType.SHORT_CALL_BASE:
            at_risk = call * amount // UNIT * UNIT // shocked
            return min(max(at_risk, params.min_static_base), amount)
        case OptionType.SHORT_CALL_QUOTE:
            return max(call * amount // UNIT, params.min_static_quote)
        case OptionType.SHORT_PUT_QUOTE:
            return min(max(put * amount // UNIT, params.min_static_quote), amount * strike // UNIT)
        case _:
            raise ValueError(f"minimum collateral: only shorts have one, was {kind.name}")
