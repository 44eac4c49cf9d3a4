"""Expected shortfall of equally likely losses, exact with ties, and who contributes to it.

    k = (1 - level)·S rows in the tail, a row may count in part      ES = (1/k)·Σ of the k largest losses

The same number is min over z of z + (1/k)·Σ (L - z)+ (R. T. Rockafellar, S. Uryasev, "Optimization of conditional
value-at-risk", 2000). Contributions are the mean of each position's loss over the same rows (component ES,
D. Tasche 2000): they sum to the total because the rows are the total's.
"""

from typing import NamedTuple

import numpy as np

from risk.checks import F64, as_floats, between
from risk.errors import RiskInputError


class Tail(NamedTuple):
    """The tail of one row of losses."""

    es: float
    """USD; may be negative where even the tail gains."""
    var: float
    """Loss at the edge of the tail: reported, never used for a requirement (not subadditive)."""
    weight: F64
    """(S,) share of each scenario in ES, sums to 1."""


def tail_rows(level: float, count: int) -> float:
    """Number k of rows in the tail, at least one: ES beyond the data's resolution is its worst row."""
    if not 0.0 < level < 1.0:
        raise RiskInputError(f"level: {level} must be between 0 and 1")
    if count < 1:
        raise RiskInputError("losses: hold no scenario, must hold at least one")
    # 1000·(1 - 0.975) is 25.000000000000021 in floats; a row must not count for a rounding error.
    return max(round((1.0 - level) * count, 9), 1.0)


def tail_of(losses: F64, level: float) -> Tail:
    """Tail of (S,) losses; rows that tie at its edge share what is left evenly."""
    given = as_floats("losses", losses, (np.size(losses),))
    between("losses", given)
    k = tail_rows(level, len(given))
    edge_row = min(int(np.ceil(k)), len(given))
    edge = float(np.partition(given, len(given) - edge_row)[len(given) - edge_row])
    above, ties = given > edge, given == edge
    weight = (above + ties * ((k - above.sum()) / ties.sum())) / k
    inside = weight > 0.0
    return Tail(float(weight[inside] @ given[inside]), edge, weight)


def expected_shortfall(losses: F64, level: float) -> F64:
    """(A,) ES of (A, S) losses, by partition; the plain form of the kernel in ``scan``."""
    if losses.ndim != 2:
        raise RiskInputError(f"losses: has shape {losses.shape}, must have (accounts, scenarios)")
    between("losses", losses)
    count = losses.shape[1]
    k = tail_rows(level, count)
    whole = int(np.ceil(k))
    top = np.partition(losses, count - whole, axis=1)[:, count - whole :]
    edge = top.min(axis=1)
    result: F64 = (top.sum(axis=1) - (whole - k) * edge) / k
    return result


def contributions(position_losses: F64, tail: Tail) -> F64:
    """(P,) component ES of (P, S) position losses: sums to ``tail.es``."""
    between("position_losses", position_losses)
    inside = tail.weight > 0.0
    parts: F64 = position_losses[:, inside] @ tail.weight[inside]
    return parts
