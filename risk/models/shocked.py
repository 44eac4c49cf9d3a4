"""Options of one market, flat: values under spot and vol shocks, per option and per expiry.

Letters: n options, E expiries, S rows. All prices are Black-76 on the expiry's forward.

    F_e(s) = moving_e · s + fixed_e        vol shock k_e = (30 d / max(T_e, floor))^p, p by T_e <= 30 d
"""

from dataclasses import dataclass

import numpy as np

from risk.black76 import YEAR_S, forward_price
from risk.book import Market
from risk.checks import F64, I32, Bool, between, number

DAY_S = 86_400.0
TENOR_S = 30.0 * DAY_S


@dataclass(frozen=True, slots=True, eq=False)
class Flat:
    """A market's options and expiries as arrays."""

    names: tuple[str, ...]
    """(n,) one name per option."""
    expiry: I32
    """(n,) index of the option's expiry."""
    strike: F64
    is_call: Bool
    amount: F64
    vol: F64
    seconds: F64
    """(E,) to expiry."""
    moving: F64
    """(E,) part of the forward that is shocked."""
    fixed: F64
    """(E,)."""
    rate: F64
    """(E,) per year, floored at 0."""
    confidence: F64
    """(E,) least of the market's and the expiry's feeds."""

    @property
    def tau(self) -> F64:
        """(E,) years of 365 days."""
        return self.seconds / YEAR_S

    def by_expiry(self, values: F64) -> F64:
        """Sum (n, …) over the options of each expiry: (E, …)."""
        sums = np.zeros((len(self.seconds), *values.shape[1:]))
        np.add.at(sums, self.expiry, values)
        return sums

    def values(self, spot: F64, vol: F64, discount: F64) -> F64:
        """(n, S) value of each position, USD.

        ``spot`` (S,) relative spot levels, ``vol`` (n, S) volatilities, ``discount`` (E,) factors.
        """
        at = self.expiry
        forward = self.moving[at, None] * spot + self.fixed[at, None]
        tau, factor = self.tau[at, None], discount[at, None]
        each = forward_price(self.is_call[:, None], forward, self.strike[:, None], tau, vol, factor)
        return each * self.amount[:, None]


def flatten(market: Market) -> Flat:
    """Arrays of the market's options; the order of the expiries is kept."""
    ends = market.expiries
    joined = {
        name: np.concatenate([getattr(end, name) for end in ends] or [np.zeros(0)])
        for name in ("strike", "amount", "vol")
    }
    calls = [end.is_call for end in ends]
    expiry = np.repeat(np.arange(len(ends)), [len(end.strike) for end in ends]).astype(np.int32)
    is_call = np.concatenate(calls) if calls else np.zeros(0, dtype=bool)
    parts = np.array([end.forward_parts() for end in ends]).reshape(-1, 2)
    seconds = np.array([end.expiry_s for end in ends])
    names = tuple(
        f"{market.name} {seconds[e] / DAY_S:.4g}d {k:g}{'C' if c else 'P'} #{i}"
        for i, (e, k, c) in enumerate(zip(expiry, joined["strike"], is_call, strict=True))
    )
    return Flat(
        names=names,
        expiry=expiry,
        is_call=is_call,
        seconds=seconds,
        moving=parts[:, 0],
        fixed=parts[:, 1],
        rate=np.maximum(np.array([end.rate for end in ends]), 0.0),
        confidence=np.array([min(end.confidence, market.confidence) for end in ends]),
        **joined,
    )


def tenor_reach(seconds: F64, short_power: float, long_power: float, floor_days: float) -> F64:
    """(E,) k = (30 d / max(T, floor))^p; T <= 30 d takes the short power."""
    between("seconds", seconds, 0.0)
    number("short_power", short_power, 0.0, 10.0)
    number("long_power", long_power, 0.0, 10.0)
    number("floor_days", floor_days, 1e-6, 3650.0)
    power = np.where(seconds <= TENOR_S, short_power, long_power)
    reach: F64 = (TENOR_S / np.maximum(seconds, floor_days * DAY_S)) ** power
    return reach


def naked_shorts(flat: Flat) -> F64:
    """(n,) each option's share of its expiry's naked shorts, calls and puts netted by strike; sums to the total.

    One position at a strike: its short amount. Call and put: opposite signs net; both short add up. The share of
    a long that covers a short is negative, so that shares are the derivative of the total times the amount.
    """
    shares = np.zeros(len(flat.strike))
    at = np.stack([flat.expiry.astype(np.float64), flat.strike], axis=1)
    _, group = np.unique(at, axis=0, return_inverse=True)
    group = group.reshape(-1)
    count = int(group.max(initial=-1)) + 1
    call, put = np.zeros(count), np.zeros(count)
    np.add.at(call, group[flat.is_call], flat.amount[flat.is_call])
    np.add.at(put, group[~flat.is_call], flat.amount[~flat.is_call])
    low, high = np.minimum(call, put), np.maximum(call, put)
    nets = (low < 0.0) & (high > 0.0)
    both = np.where(nets, low + high < 0.0, False)[group]
    own = np.where(flat.is_call, call[group], put[group])
    # Opposite signs: both sides count while shorts exceed longs. Same sign or alone: only a short side counts.
    active = np.where(nets[group], both, own < 0.0)
    shares[active] = -flat.amount[active]
    return shares
