"""Fit of GARCH(1,1) to a price history, by the ``arch`` package (the extra ``fit``): parameters out, nothing kept.

Only fitting needs it: filtering and forecasts with the fitted parameters are in ``risk.volatility``.
"""

import importlib
from typing import Any

import numpy as np
import numpy.typing as npt

from aggregator.errors import ServiceError
from risk.volatility import Garch

SCALE = 100.0
"""The optimiser wants returns in per cent."""
LEAST_BARS = 500
MOST_PERSISTENCE = 0.9999


class FitError(ServiceError, ValueError):
    """A volatility model cannot be fitted; says what is missing or does not converge."""


def fit_garch(returns: npt.NDArray[np.float64], name: str = "returns") -> Garch:
    """GARCH(1,1) with Student-t innovations and zero mean of (T,) log returns.

    Raises ``FitError`` without the package, for a short or broken series, and where the fit does not converge.
    """
    series = np.asarray(returns, dtype=np.float64)
    if series.ndim != 1 or len(series) < LEAST_BARS or not np.isfinite(series).all() or not series.any():
        raise FitError(f"{name}: must be {LEAST_BARS} or more finite log returns that move, has {series.shape}")
    try:
        arch: Any = importlib.import_module("arch")
    except ImportError:
        raise FitError("the arch package is not installed: pip install 'crossmargin[fit]'") from None
    model = arch.arch_model(series * SCALE, mean="Zero", vol="GARCH", p=1, q=1, dist="t", rescale=False)
    result = model.fit(disp="off", show_warning=False)
    if result.convergence_flag != 0:
        raise FitError(f"{name}: the fit of GARCH(1,1) does not converge (flag {result.convergence_flag})")
    omega, alpha, beta = (float(result.params[key]) for key in ("omega", "alpha[1]", "beta[1]"))
    if alpha + beta > MOST_PERSISTENCE:
        # Integrated variance has no long run: the largest persistence that has one stands in for it.
        beta = MOST_PERSISTENCE - alpha
    return Garch(max(omega, 1e-12) / SCALE**2, alpha, beta)
