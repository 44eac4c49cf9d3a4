"""Unit values: what one unit of each instrument is worth in USD in each scenario.

One kernel per kind, in ``KERNELS``; a new kind is one function and one row of the table. Shapes: n rows of one
kind, S scenarios; row parameters are (n, 1), prices and vols (n, S) or (n, 1).

Short option floor (smallest collateral of Lyra v1, ``OptionGreekCache.getMinCollateral`` of
@lyrafinance/protocol 0.1.3-alpha), for amount q, spot S, spot shock m, shock vol σ* and S* = m·S:

    put, quote collateral    min( max( q·P(S*, σ*), static_quote ), full_quote )            full = q·K
    call, quote collateral   max( q·C(S*, σ*), static_quote )                               no upper bound
    call, base collateral    S · min( max( q·C(S*, σ*) / S*, static_base ), full_base )     full = q

The contract states the last one in base units; here all are USD at the scenario's spot S. σ* depends on the
time to expiry only, so a scenario's vol shift does not move it; it is kept over ``elapsed_s``. The contract
counts at least 1 s to expiry and at least 0.01 % vol.

Liquidity of a range (Uniswap v3 whitepaper, equations 2.1 and 6.29 f.), for one unit, prices of base and quote
P and Q in USD, p = P/Q held inside [lower, upper]:

    base = 1/√p - 1/√upper        quote = √p - √lower        value = base·P + quote·Q

Homogeneous of degree 1 in (P, Q), rising and concave in both; ∂/∂P = base, ∂/∂Q = quote.

Linear kinds, P the price of the coin, t the time passed, T the time left, all in years of 365 days:

    PERP             P·(1 - funding·t)           DEBT            P·exp(rate·t)       units are negative in value
    FUTURE           P·exp(carry·T)              the entry stands beside it as FIXED, as for perps
    INVERSE_PERP     P·(1/entry - 1/P) - funding·t           one contract is 1 USD, profit is paid in the coin
    INVERSE_FUTURE   P·(1/entry - 1/F),  F = P·exp(carry·T)

An option that settles in the coin pays (S - K)+/S coins, which are (S - K)+ USD: it is CALL or PUT, its premium in
coins is its value / P.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from risk.arrays import (
    FEE_MAX,
    FEE_MIN,
    FEE_RATIO,
    FEE_SIZE,
    FLOOR_AMOUNT,
    FLOOR_FULL_BASE,
    FLOOR_FULL_QUOTE,
    FLOOR_MIN_BASE,
    FLOOR_MIN_QUOTE,
    FLOOR_SPOT_SHOCK,
    FLOOR_VOL,
    INVERSE,
    LP_LOWER,
    LP_UPPER,
    InstrumentArrays,
    Kind,
)
from risk.black76 import YEAR_S, option_price
from risk.checks import F64, between
from risk.errors import RiskInputError

FLOOR_LEAST_TAU = 1.0 / YEAR_S
FLOOR_LEAST_VOL = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of one kind, ready for its kernel."""

    price: F64
    """(n, S) price of the underlying in each scenario, USD."""
    strike: F64
    """(n, 1)."""
    tau_years: F64
    """(n, 1)."""
    vol: F64
    """(n, S) after the scenario's vol shift."""
    rate: F64
    """(n, 1)."""
    extra: F64
    """(n, 8)."""
    quote: F64
    """(n, S) price of the second token in each scenario, USD; NaN for the kinds that have none."""
    elapsed_years: float = 0.0
    """Time passed since the cut."""

    def column(self, index: int) -> F64:
        """(n, 1) column of ``extra``."""
        return self.extra[:, index : index + 1]


Kernel = Callable[[Rows], F64]


def _one(rows: Rows) -> F64:
    return np.ones_like(rows.price)


def _price(rows: Rows) -> F64:
    return rows.price


def _perp(rows: Rows) -> F64:
    return rows.price * (1.0 - np.nan_to_num(rows.rate) * rows.elapsed_years)


def _debt(rows: Rows) -> F64:
    return rows.price * np.exp(rows.rate * rows.elapsed_years)


def _future(rows: Rows) -> F64:
    return rows.price * np.exp(rows.rate * rows.tau_years)


def _inverse_perp(rows: Rows) -> F64:
    return rows.price / rows.strike - 1.0 - rows.rate * rows.elapsed_years


def _inverse_future(rows: Rows) -> F64:
    return rows.price / rows.strike - np.exp(-rows.rate * rows.tau_years)


def _call(rows: Rows) -> F64:
    return option_price(True, rows.price, rows.strike, rows.tau_years, rows.vol, rows.rate)


def _put(rows: Rows) -> F64:
    return option_price(False, rows.price, rows.strike, rows.tau_years, rows.vol, rows.rate)


def _clipped_fee(rows: Rows) -> F64:
    fee = rows.column(FEE_SIZE) * rows.price * rows.column(FEE_RATIO)
    return np.clip(fee, rows.column(FEE_MIN), rows.column(FEE_MAX))


def _stressed(rows: Rows, is_call: bool) -> F64:
    """Value of the short amount in the venue's own stress."""
    tau = np.maximum(rows.tau_years, FLOOR_LEAST_TAU)
    vol = np.maximum(rows.column(FLOOR_VOL), FLOOR_LEAST_VOL)
    spot = rows.price * rows.column(FLOOR_SPOT_SHOCK)
    amount = rows.column(FLOOR_AMOUNT)
    return amount * option_price(is_call, spot, rows.strike, tau, vol, rows.rate)


def _floor_call_quote(rows: Rows) -> F64:
    # fmin: a NaN upper bound means that there is none.
    least = np.maximum(_stressed(rows, True), rows.column(FLOOR_MIN_QUOTE))
    return np.fmin(least, rows.column(FLOOR_FULL_QUOTE))


def _floor_call_base(rows: Rows) -> F64:
    in_usd = _stressed(rows, True) / rows.column(FLOOR_SPOT_SHOCK)
    least = np.maximum(in_usd, rows.column(FLOOR_MIN_BASE) * rows.price)
    return np.fmin(least, rows.column(FLOOR_FULL_BASE) * rows.price)


def _floor_put(rows: Rows) -> F64:
    least = np.maximum(_stressed(rows, False), rows.column(FLOOR_MIN_QUOTE))
    return np.fmin(least, rows.column(FLOOR_FULL_QUOTE))


def range_holdings(lower: F64, upper: F64, price: F64) -> tuple[F64, F64]:
    """Base and quote tokens in one unit of liquidity at a price of base in quote; the arguments broadcast."""
    for name, bound in (("lower", lower), ("upper", upper)):
        between(f"range.{name}", np.asarray(bound), 0.0, above=True)
    between("range.price", np.asarray(price), 0.0)
    root = np.sqrt(np.clip(price, lower, upper))
    return 1.0 / root - 1.0 / np.sqrt(upper), root - np.sqrt(lower)


def _lp_range(rows: Rows) -> F64:
    base, quote = range_holdings(rows.column(LP_LOWER), rows.column(LP_UPPER), rows.price / rows.quote)
    return base * rows.price + quote * rows.quote


KERNELS: Mapping[Kind, Kernel] = {
    Kind.FIXED: _one,
    Kind.SPOT: _price,
    Kind.PERP: _perp,
    Kind.DEBT: _debt,
    Kind.FUTURE: _future,
    Kind.INVERSE_PERP: _inverse_perp,
    Kind.INVERSE_FUTURE: _inverse_future,
    Kind.CALL: _call,
    Kind.PUT: _put,
    Kind.CLIPPED_FEE: _clipped_fee,
    Kind.SHORT_FLOOR_CALL_QUOTE: _floor_call_quote,
    Kind.SHORT_FLOOR_CALL_BASE: _floor_call_base,
    Kind.SHORT_FLOOR_PUT: _floor_put,
    Kind.LP_RANGE: _lp_range,
}


def unit_values(
    instruments: InstrumentArrays,
    price: F64,
    vol_multiplier: F64 | float = 1.0,
    elapsed_s: float = 0.0,
    rows: npt.NDArray[Any] | None = None,
    quote: F64 | None = None,
) -> F64:
    """(N, S) value of one unit of each instrument in each scenario, USD.

    Parameters
    ----------
    instruments
        N instruments.
    price
        (N, S) price of each instrument's underlying in each scenario, USD, >= 0.
    vol_multiplier
        (N, S) or a number: factor on each instrument's volatility.
    elapsed_s
        Seconds passed since the cut; shortens the time to expiry.
    rows
        (N,) indices into ``instruments`` when not all of them, in order, are meant; may repeat.
    quote
        (N, S) price of the second token in each scenario, USD; None: as it is now.
    """
    pick = np.arange(instruments.count) if rows is None else rows
    if price.ndim != 2 or len(price) != len(pick):
        raise RiskInputError(f"price: has shape {price.shape}, must have ({len(pick)}, scenarios)")
    multiplier = _by_row(np.asarray(vol_multiplier, dtype=np.float64), price.shape)
    second = _by_row(instruments.quote_price[pick, None] if quote is None else quote, price.shape)
    kind = instruments.kind[pick]
    values = np.empty_like(price)
    for one_kind in set(kind.tolist()):
        at = np.flatnonzero(kind == one_kind)
        rows_of_kind = _rows(instruments, pick[at], price[at], second[at], multiplier[at], elapsed_s)
        values[at] = KERNELS[Kind(one_kind)](rows_of_kind)
    return values


def _by_row(values: F64, shape: tuple[int, ...]) -> F64:
    """(N, S), or (N, 1) where all scenarios have the same: what most kinds never read is not written out."""
    if values.ndim == 2 and values.shape[1] == 1 < shape[1] and len(values) == shape[0]:
        return values
    if values.ndim == 0:
        return np.broadcast_to(values, (shape[0], 1))
    return np.broadcast_to(values, shape)


def _rows(
    instruments: InstrumentArrays, of: npt.NDArray[Any], price: F64, quote: F64, multiplier: F64, elapsed_s: float
) -> Rows:
    return Rows(
        price=price,
        strike=instruments.strike[of, None],
        tau_years=np.maximum(instruments.expiry_s[of, None] - elapsed_s, 0.0) / YEAR_S,
        vol=instruments.vol[of, None] * multiplier,
        rate=instruments.rate[of, None],
        extra=instruments.extra[of],
        quote=quote,
        elapsed_years=elapsed_s / YEAR_S,
    )


def linear_slopes(instruments: InstrumentArrays) -> F64:
    """(N,) USD by which one unit of each linear kind gains when its price doubles; 0 for the other kinds."""
    price, grown = instruments.price, np.exp(instruments.rate * instruments.expiry_s / YEAR_S)
    slopes = np.where(instruments.is_kind(Kind.SPOT, Kind.PERP, Kind.DEBT), price, 0.0)
    slopes = np.where(instruments.is_kind(Kind.FUTURE), price * grown, slopes)
    return np.where(instruments.is_kind(*INVERSE), price / instruments.strike, slopes)


def value_of(instruments: InstrumentArrays) -> F64:
    """(N,) unit values at the current prices, USD."""
    return unit_values(instruments, instruments.price[:, None])[:, 0]
