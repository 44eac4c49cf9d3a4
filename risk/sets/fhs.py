"""Filtered historical simulation: joint rows of history, brought to today's volatility.

    z_t = r_t / σ_t          σ_t known before r_t (EWMA or GARCH)
    row of window (t, t+K]   log move = σ_now·Σ z_j                      all factors from the same bars
    volatility               move = vol_beta·(σ_end/σ_start - 1), the mean over crypto factors, clipped

Moves are sampled at the horizon itself. Where history is too short for that, ``shrink_to`` scales another horizon
by the square root of time with a jump floor. Source: G. Barone-Adesi, K. Giannopoulos, L. Vosper (1999).
"""

import numpy as np
import numpy.typing as npt

from risk.arrays import FactorArrays
from risk.checks import F64, as_floats, between
from risk.errors import RiskInputError
from risk.scenarios import ScenarioSet
from risk.sets.params import FhsParams
from risk.volatility import as_returns, ewma_variance

I64 = npt.NDArray[np.int64]

MOST_LOG_MOVE = 3.0
"""Beyond e^±3 in a horizon the history holds an error."""


def fhs_set(
    params: FhsParams,
    factors: FactorArrays,
    returns: F64,
    sigma_now: F64 | None = None,
    variance: F64 | None = None,
    basis_returns: F64 | None = None,
) -> ScenarioSet:
    """Rows for these factors.

    Parameters
    ----------
    returns
        (T, F) log returns of one bar, joint, without holes, columns as ``factors.names``.
    sigma_now
        (F,) volatility of one bar to scale to; None = the filter's forecast.
    variance
        (T+1, F) filtered variance; None = EWMA with ``params.decay``.
    basis_returns
        (T, B) log changes of the bases, taken as they were; None = no move.
    """
    r = as_returns("returns", returns)
    count, bars = len(factors.names), params.horizon_bars
    if r.shape[1] != count or len(r) < bars + 30:
        raise RiskInputError(
            f"returns: has shape {r.shape}, must have ({bars + 30} or more bars, {count} factors)"
        )
    v = (
        ewma_variance(r, params.decay)
        if variance is None
        else as_floats("variance", variance, (len(r) + 1, count))
    )
    between("variance", v, 0.0)
    # A factor that never moved has no volatility to filter by; its rows stay as they were.
    sigma = np.sqrt(v)
    now = sigma[-1] if sigma_now is None else as_floats("sigma_now", sigma_now, (count,))
    between("sigma_now", now, 0.0, 5.0)
    z = np.divide(r, sigma[:-1], out=np.zeros_like(r), where=sigma[:-1] > 0.0)
    ends: I64 = np.arange(len(r), bars + 29, -params.stride_bars, dtype=np.int64)[::-1]
    moves = _windows(z, ends, bars) * now
    if (np.abs(moves) > MOST_LOG_MOVE).any():
        raise RiskInputError(f"returns: a filtered move of e^{np.abs(moves).max():.3g}, look for broken prices")
    return ScenarioSet(
        id=params.id,
        version=params.version,
        factor_names=factors.names,
        basis_names=factors.basis_names,
        labels=tuple(f"history, bars {end - bars} to {end}" for end in ends),
        factor_shock=np.expm1(moves),
        basis_shock=np.expm1(_windows(_bases(factors, basis_returns, len(r)), ends, bars)),
        vol_shift=np.zeros(len(ends), dtype=np.int32),
        damping=np.ones(len(ends)),
        vol=params.tenor.as_shock(),
        vol_move=_vol_moves(params, factors, sigma, ends),
    )


def _bases(factors: FactorArrays, given: F64 | None, count: int) -> F64:
    """(T, B) log changes, 0 where none are given."""
    shape = (count, len(factors.basis_names))
    if given is None:
        return np.zeros(shape)
    bases = as_floats("basis_returns", given, shape)
    between("basis_returns", bases, -MOST_LOG_MOVE, MOST_LOG_MOVE)
    return bases


def _windows(values: F64, ends: I64, bars: int) -> F64:
    sums = np.vstack([np.zeros(values.shape[1]), np.cumsum(values, axis=0)])
    moved: F64 = sums[ends] - sums[ends - bars]
    return moved


def _vol_moves(params: FhsParams, factors: FactorArrays, sigma: F64, ends: I64) -> F64:
    crypto = sigma[:, ~factors.is_stable]
    if not crypto.shape[1]:
        return np.zeros(len(ends))
    start, end = crypto[ends - params.horizon_bars], crypto[ends]
    ratio = np.divide(end, start, out=np.ones_like(end), where=start > 0.0)
    moves: F64 = np.clip(params.vol_beta * (ratio - 1.0).mean(axis=1), params.least_vol, params.most_vol)
    return moves


def shrink_to(scenarios: ScenarioSet, ratio: float, jump: F64) -> ScenarioSet:
    """The set at a shorter horizon, ``ratio`` = h/H: log moves times sqrt(ratio), but not below a jump.

    A log move x becomes sign(x)·max(|x|·sqrt(ratio), min(|x|, jump_f)): the square root understates moves of
    minutes, so no row's move is shrunk below ``jump`` (F,), a log size. Fallback where rows at h are not at hand.
    """
    if not 0.0 < ratio <= 1.0:
        raise RiskInputError(f"ratio: {ratio} must be above 0 and at most 1")
    floor = as_floats("jump", jump, (len(scenarios.factor_names),))
    between("jump", floor, 0.0, MOST_LOG_MOVE)
    moves = np.log1p(scenarios.factor_shock)
    size = np.maximum(np.abs(moves) * np.sqrt(ratio), np.minimum(np.abs(moves), floor))
    return ScenarioSet(
        id=f"{scenarios.id} x {ratio:.6g}",
        version=scenarios.version,
        factor_names=scenarios.factor_names,
        basis_names=scenarios.basis_names,
        labels=scenarios.labels,
        factor_shock=np.expm1(np.sign(moves) * size),
        basis_shock=np.expm1(np.log1p(scenarios.basis_shock) * np.sqrt(ratio)),
        vol_shift=scenarios.vol_shift,
        damping=scenarios.damping,
        vol=scenarios.vol,
        vol_move=None if scenarios.vol_move is None else scenarios.vol_move * np.sqrt(ratio),
    )
