"""Student-t copula rows: joint falls are more frequent than correlation alone says.

    n ~ N(0, C)      t = n·sqrt(ν/χ²_ν)      u = T_ν(t)      log move_f = σ_f·√days·sqrt((m-2)/m)·T_m⁻¹(u_f)
    log move of volatility = vol_spread·( vol_skew·n̄ + sqrt(1 - vol_skew²)·e )      n̄: mean of the crypto normals

Every row has its mirror image, so means are exactly 0. The seed is a parameter: the same file gives the same rows.
``stressed`` replaces C by (1 - x)·C + x·1. Source: S. Demarta, A. McNeil, "The t copula" (2005).
"""

import numpy as np
from scipy.special import betaincinv, stdtr

from risk.arrays import FactorArrays
from risk.checks import F64
from risk.correlation import as_correlation, stressed_correlation
from risk.errors import RiskInputError
from risk.scenarios import ScenarioSet
from risk.sets.params import CopulaParams
from risk.tail import expected_shortfall

LEAST_LOG_MOVE, MOST_LOG_MOVE = -6.0, 3.0


def copula_set(
    params: CopulaParams, factors: FactorArrays, correlation: F64, stressed: bool = False
) -> ScenarioSet:
    """Rows for these factors; ``correlation`` (F, F) in their order."""
    C = as_correlation("correlation", correlation)
    count = len(factors.names)
    if len(C) != count:
        raise RiskInputError(f"correlation: has shape {C.shape}, must have ({count}, {count})")
    if stressed:
        C = _stressed(params, factors, C)
    rng = np.random.default_rng(params.seed)
    half = params.rows // 2
    normal = rng.standard_normal((half, count)) @ np.linalg.cholesky(C).T
    width = np.sqrt(params.copula_dof / rng.chisquare(params.copula_dof, half))[:, None]
    beside = rng.standard_normal(half)
    t = normal * width
    unit = _margin(params, t)
    scale = np.sqrt((params.margin_dof - 2.0) / params.margin_dof * params.horizon_days) * factors.sigma_day
    moves = np.clip(np.vstack([unit, -unit]) * scale, LEAST_LOG_MOVE, MOST_LOG_MOVE)
    name = "stressed" if stressed else "normal"
    return ScenarioSet(
        id=f"{params.id} {name}",
        version=params.version,
        factor_names=factors.names,
        basis_names=factors.basis_names,
        labels=tuple(f"{params.id} {name} {row}" for row in range(params.rows)),
        factor_shock=np.expm1(moves),
        basis_shock=np.zeros((params.rows, len(factors.basis_names))),
        vol_shift=np.zeros(params.rows, dtype=np.int32),
        damping=np.ones(params.rows),
        vol=params.tenor.as_shock(),
        vol_move=_vol_moves(params, factors, normal * width, beside),
    )


def _margin(params: CopulaParams, t: F64) -> F64:
    """T_m⁻¹(T_ν(t)), odd in t; by the beta integral, which is quick far out in the tail."""
    if params.margin_dof == params.copula_dof:
        return t
    p, m = stdtr(params.copula_dof, -np.abs(t)), params.margin_dof
    x = betaincinv(0.5 * m, 0.5, 2.0 * p)
    size: F64 = np.sqrt(m * (1.0 - x) / x)
    return np.sign(t) * size


def _stressed(params: CopulaParams, factors: FactorArrays, C: F64) -> F64:
    """Crypto factors closer together; stablecoins keep their place."""
    mixed = np.array(C)
    crypto = np.flatnonzero(~factors.is_stable)
    if len(crypto):
        block = np.ix_(crypto, crypto)
        mixed[block] = stressed_correlation(C[block], params.stress_weight)
    return as_correlation("stressed correlation", mixed)


def _vol_moves(params: CopulaParams, factors: FactorArrays, t: F64, beside: F64) -> F64:
    crypto = t[:, ~factors.is_stable]
    if not crypto.shape[1]:
        return np.zeros(params.rows)
    mean = crypto.mean(axis=1)
    mean /= max(float(mean.std()), 1e-12)
    own = np.sqrt(1.0 - params.vol_skew**2) * beside
    both = np.concatenate([params.vol_skew * mean + own, -params.vol_skew * mean - own])
    return np.clip(np.expm1(params.vol_spread * both), -0.95, 10.0)


def convergence(losses: F64, level: float, batches: int = 10) -> float:
    """Relative standard error of ES over (S,) random rows, from equal batches; inf where ES is not above 0."""
    rows = np.asarray(losses, dtype=np.float64)
    size = rows.size // batches
    if rows.ndim != 1 or batches < 2 or size < 1:
        raise RiskInputError(f"losses: has shape {rows.shape}, must hold at least {batches} rows")
    # Mirror images stand half a set apart: interleaving keeps both in one batch.
    parts = rows[: size * batches].reshape(size, batches).T
    each = expected_shortfall(np.ascontiguousarray(parts), level)
    whole = float(expected_shortfall(rows[None], level)[0])
    return float(each.std(ddof=1) / np.sqrt(batches) / whole) if whole > 0.0 else float("inf")
