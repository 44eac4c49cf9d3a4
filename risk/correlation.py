"""Correlation: exponentially weighted history, Ledoit-Wolf shrinkage, implied from volatilities, stressed.

    S = Σ w_t x_t x_t'      x standardised, w_t ∝ λ^(T-t), Σ w = 1      C = (1 - δ)·S + δ·I
    δ = min(1, Σ w_t²·||x_t x_t' - S||² / ||S - I||²)
    implied     ρ_ab = (σ_a² + σ_b² - σ_{a/b}²) / (2 σ_a σ_b),  σ_{a/b} the implied volatility of the cross rate
    stressed    (1 - x)·C + x·target      target: all ones (everything falls together) or I (hedges break)

Source: O. Ledoit, M. Wolf, "A well-conditioned estimator for large-dimensional covariance matrices" (2004), its
weights generalised from 1/T. Every result is symmetric with unit diagonal and positive definite, or refused.
"""

from dataclasses import dataclass

import numpy as np

from risk.checks import F64, as_floats, between, require
from risk.errors import RiskInputError
from risk.volatility import as_returns

LEAST_EIGENVALUE = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Shrunk:
    """A correlation matrix and how much of it is not from data."""

    matrix: F64
    """(F, F)."""
    intensity: float
    """δ, from 0 to 1."""
    effective: float
    """Effective number of observations 1/Σw²."""


def shrunk_correlation(standardised: F64, decay: float = 1.0) -> Shrunk:
    """Correlation of (T, F) returns that are already divided by their volatility; ``decay`` 1 = equal weights."""
    x = as_returns("standardised", standardised)
    if not 0.5 < decay <= 1.0:
        raise RiskInputError(f"decay: {decay} must be above 0.5 and at most 1")
    w = decay ** np.arange(len(x) - 1, -1, -1.0)
    w /= w.sum()
    scale = np.sqrt(w @ (x * x))
    require("standardised", scale, scale <= 0.0, "a column that moves")
    x = x / scale
    S = (x * w[:, None]).T @ x
    count = len(S)
    distance = float(((S - np.eye(count)) ** 2).sum())
    # ||x x' - S||² = |x|⁴ - 2 x'Sx + ||S||², without a (T, F, F) array.
    norms = ((x * x).sum(axis=1)) ** 2 - 2.0 * np.einsum("ti,ij,tj->t", x, S, x) + float((S * S).sum())
    noise = float((w * w) @ norms)
    intensity = 1.0 if distance <= 0.0 else min(1.0, noise / distance)
    mixed = (1.0 - intensity) * S + intensity * np.eye(count)
    return Shrunk(as_correlation("correlation", mixed), intensity, float(1.0 / (w @ w)))


def implied_correlation(vol_a: F64, vol_b: F64, vol_cross: F64) -> F64:
    """Correlation that three implied volatilities of the same tenor agree on.

    Raises ``RiskInputError`` where they do not form a triangle: no correlation in [-1, 1] fits.
    """
    a, b, cross = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (vol_a, vol_b, vol_cross)))
    for name, vol in (("vol_a", a), ("vol_b", b), ("vol_cross", cross)):
        between(name, vol, 0.0, 20.0, above=True)
    rho: F64 = (a * a + b * b - cross * cross) / (2.0 * a * b)
    require("implied correlation", rho, np.abs(rho) > 1.0 + 1e-12, "in [-1, 1]: the volatilities form no triangle")
    return np.clip(rho, -1.0, 1.0)


def stressed_correlation(matrix: F64, weight: float, together: bool = True) -> F64:
    """(F, F) mix with all ones (``together``) or with independence; positive definite for weight < 1."""
    given = as_correlation("correlation", matrix)
    if not 0.0 <= weight < 1.0:
        raise RiskInputError(f"weight: {weight} must be in [0, 1)")
    target = np.ones_like(given) if together else np.eye(len(given))
    return as_correlation("stressed correlation", (1.0 - weight) * given + weight * target)


def as_correlation(name: str, values: F64) -> F64:
    """Read-only symmetric matrix with unit diagonal; refuses one that is not positive definite."""
    matrix = as_floats(name, values, np.shape(values))
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not len(matrix):
        raise RiskInputError(f"{name}: has shape {matrix.shape}, must be square")
    between(name, matrix, -1.0 - 1e-9, 1.0 + 1e-9)
    require(name, matrix, np.abs(matrix - matrix.T) > 1e-9, "symmetric")
    require(f"{name} diagonal", np.diag(matrix), np.abs(np.diag(matrix) - 1.0) > 1e-9, "1")
    least = float(np.linalg.eigvalsh(matrix)[0])
    if least < LEAST_EIGENVALUE:
        bound = f"at least {LEAST_EIGENVALUE:g}"
        raise RiskInputError(f"{name}: is not positive definite, its least eigenvalue {least:.3g} must be {bound}")
    even = 0.5 * (matrix + matrix.T)
    np.fill_diagonal(even, 1.0)
    even.setflags(write=False)
    return even
