"""Drawdown of the surplus over a horizon, and the time to liquidation it leaves (RISK section 3).

    D_a(h_k) = max over j <= k of [ rho_a( shocks scaled by c_j ) + max(carry_a, 0) · h_j ]

c_k = (adverse-move quantile at h_k) / (the same at the grid's horizon H): the caller takes it from a scan law.
Every scenario is revalued in full at every scale; log shocks and vol moves shrink by c_k. Income is not
credited: funding and rates may turn.

    TTL_a = longest h with D_a(h) <= S_a; between horizons D is taken linear in ln h
"""

import numpy as np

from risk.arrays import PortfolioArrays
from risk.checks import F64, as_floats, between, require
from risk.errors import RiskInputError
from risk.revalue import worst_by_scale
from risk.scenarios import ScenarioSet


def drawdown(
    portfolio: PortfolioArrays,
    scenarios: ScenarioSet,
    horizon_scale: F64,
    horizons_s: F64 | None = None,
    carry_usd_per_s: F64 | None = None,
) -> F64:
    """Worst loss of surplus up to each horizon, non-decreasing in h.

    Parameters
    ----------
    horizon_scale
        (K,) from 0 to 10, non-decreasing.
    horizons_s
        (K,) seconds, increasing; needed with ``carry_usd_per_s``.
    carry_usd_per_s
        (A,) interest and funding; positive = the surplus shrinks.

    Returns
    -------
    F64
        D (A, K) in USD, >= 0.
    """
    scale = as_floats("horizon_scale", horizon_scale, (np.size(horizon_scale),))
    between("horizon_scale", scale, 0.0, 10.0)
    require("horizon_scale", scale[1:], np.diff(scale) < 0.0, "not below the scale before it")
    D = worst_by_scale(portfolio, scenarios, scale)
    if carry_usd_per_s is not None:
        D = D + _drift(carry_usd_per_s, horizons_s, D.shape)
    return np.maximum.accumulate(D, axis=1)


def _drift(carry_usd_per_s: F64, horizons_s: F64 | None, shape: tuple[int, ...]) -> F64:
    """(A, K) surplus that carry takes by each horizon; income counts as nothing."""
    if horizons_s is None:
        raise RiskInputError("horizons_s: must be given with carry_usd_per_s")
    carry = as_floats("carry_usd_per_s", carry_usd_per_s, shape[:1])
    between("carry_usd_per_s", carry)
    return np.maximum(carry, 0.0)[:, None] * _horizons(horizons_s, shape[1])


def time_to_liquidation(D: F64, horizons_s: F64, surplus: F64) -> F64:
    """Seconds that each account's surplus outlasts its drawdown.

    Parameters
    ----------
    D, surplus
        (A, K) drawdowns, non-decreasing in h, and (A,) surplus, USD.
    horizons_s
        (K,) seconds, increasing. Below the first one nothing is known and the answer is 0: let it be short.

    Returns
    -------
    F64
        (A,) 0 where S < 0 or S < D(h_1); +inf where D(h_K) <= S (outlasts every horizon given).
    """
    accounts = np.size(surplus)
    S = as_floats("surplus", surplus, (accounts,))
    between("surplus", S)
    horizons = _horizons(horizons_s, np.size(horizons_s))
    drawn = as_floats("D", D, (accounts, len(horizons)))
    between("D", drawn, 0.0)
    require("D", drawn[:, 1:], np.diff(drawn, axis=1) < 0.0, "not below the horizon before it")
    survived = (drawn <= S[:, None]).sum(axis=1)
    last = np.clip(survived - 1, 0, max(len(horizons) - 2, 0))
    after = np.minimum(last + 1, len(horizons) - 1)
    rows = np.arange(accounts)
    rise = drawn[rows, after] - drawn[rows, last]
    between_two = (survived > 0) & (survived < len(horizons))  # there 0 <= S - D(h_k) < rise
    share = np.divide(S - drawn[rows, last], rise, out=np.zeros(accounts), where=between_two)
    inside: F64 = horizons[last] * (horizons[after] / horizons[last]) ** share
    outlasts = np.where(survived == len(horizons), np.inf, inside)
    return np.where(survived == 0, 0.0, outlasts)


def _horizons(horizons_s: F64, count: int) -> F64:
    horizons = as_floats("horizons_s", horizons_s, (count,))
    if not count:
        raise RiskInputError("horizons_s: is empty, must hold at least one horizon")
    between("horizons_s", horizons, 0.0, above=True)
    require("horizons_s", horizons[1:], np.diff(horizons) <= 0.0, "above the horizon before it")
    return horizons
