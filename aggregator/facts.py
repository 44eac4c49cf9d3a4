"""Levels of every account at the cut: economic value, and the surplus at reconciled prices.

Economic value takes tokens at the low and token debts at the high end of the reconciled interval, and
derivatives at the venue's own mark. Equity and requirement stay at the venue's own prices, where it has
prices: that is what it liquidates on. What the surplus would lose at the bad end of the reconciled interval is
the oracle-uncertainty add-on (RISK section 1).
"""

from dataclasses import dataclass

import numpy as np

from aggregator.assemble import Assembled
from risk.arrays import F64, Csr, Kind
from risk.pricing import unit_values


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """Figures per row of the arrays, US dollars."""

    value: F64
    """(A,) V."""
    equity: F64
    """(A,) E."""
    oracle_uncertainty: F64
    """(A,) by how much S shrinks at reconciled prices; not negative."""
    surplus_bad: F64
    """(A,) S at the unfavourable end of the reconciled prices."""
    surplus_good: F64
    """(A,) S at the favourable end."""


def levels(assembled: Assembled) -> Levels:
    """Levels of all accounts."""
    arrays = assembled.arrays
    instruments = arrays.instruments
    now = unit_values(instruments, instruments.price[:, None], 1.0, 0.0)[:, 0]
    at_low, at_high = (
        unit_values(instruments, price[:, None], 1.0, 0.0, quote=quote[:, None])[:, 0]
        for price, quote in ((assembled.low, assembled.quote_low), (assembled.high, assembled.quote_high))
    )
    spot = instruments.is_kind(Kind.SPOT, Kind.LP_RANGE)
    value = _bad_end(arrays.value, np.where(spot, at_low, now), np.where(spot, at_high, now))
    least, most = np.minimum(at_low, at_high), np.maximum(at_low, at_high)
    reference = _bad_end(arrays.net(), least, most)
    return Levels(
        value=value,
        equity=arrays.surplus + arrays.mm,
        oracle_uncertainty=np.maximum(0.0, arrays.surplus - reference),
        surplus_bad=reference,
        surplus_good=_bad_end(arrays.net(), most, least),
    )


def _bad_end(units: Csr, low: F64, high: F64) -> F64:
    """(A,) what is held at its low, what is owed at its high end."""
    owed: Csr = units.minimum(0)
    held: Csr = units - owed
    return np.asarray(held @ low + owed @ high, dtype=np.float64)
