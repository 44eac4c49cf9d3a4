"""Volatility of joint return series and its forecast: EWMA and GARCH(1,1).

    EWMA      v_t = λ·v_{t-1} + (1 - λ)·r²_{t-1}                         every horizon keeps the last value
    GARCH     v_t = ω + α·r²_{t-1} + β·v_{t-1}                           v̄ = ω / (1 - α - β)
              E v_{t+j} = v̄ + (α + β)^{j-1}·(v_{t+1} - v̄)              variance to h = Σ_{j<=h}

Both are filtered on data given; GARCH parameters come from a fit outside this package. v_t is known before r_t.
Sources: J.P. Morgan, RiskMetrics technical document (1996); T. Bollerslev (1986).
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from risk.checks import F64, as_floats, between
from risk.errors import RiskInputError

STRESSED_WEIGHT = 0.25


@dataclass(frozen=True, slots=True)
class Garch:
    """Parameters of one series; persistence α + β < 1."""

    omega: float
    alpha: float
    beta: float

    def __post_init__(self) -> None:
        sound = self.omega > 0.0 and self.alpha >= 0.0 and self.beta >= 0.0 and self.alpha + self.beta < 1.0
        if not sound:
            raise RiskInputError(f"garch: {self} must have omega > 0, alpha, beta >= 0, alpha + beta < 1")

    @property
    def persistence(self) -> float:
        """α + β."""
        return self.alpha + self.beta

    @property
    def long_run(self) -> float:
        """v̄."""
        return self.omega / (1.0 - self.persistence)


def as_returns(name: str, values: F64) -> F64:
    """(T, F) finite log returns, T >= 2."""
    returns = as_floats(name, values, np.shape(values))
    if returns.ndim != 2 or len(returns) < 2 or not returns.shape[1]:
        raise RiskInputError(f"{name}: has shape {returns.shape}, must have (times >= 2, factors >= 1)")
    between(name, returns, -20.0, 20.0)
    return returns


def ewma_variance(returns: F64, decay: float) -> F64:
    """(T+1, F) variance per step known before each return; the last row is the forecast.

    Starts from the mean square of the first 30 steps, which is the only look ahead.
    """
    r = as_returns("returns", returns)
    if not 0.0 < decay < 1.0:
        raise RiskInputError(f"decay: {decay} must be between 0 and 1")
    squares = r * r
    first = squares[:30].mean(axis=0)
    rest = lfilter([1.0 - decay], [1.0, -decay], squares, axis=0, zi=(decay * first)[None])[0]
    path: F64 = np.vstack([first, rest])
    return path


def garch_variance(returns: F64, models: tuple[Garch, ...]) -> F64:
    """(T+1, F) variance per step, one model a column."""
    r = as_returns("returns", returns)
    if len(models) != r.shape[1]:
        raise RiskInputError(f"models: {len(models)}, must be one for each of {r.shape[1]} factors")
    path = np.empty((len(r) + 1, r.shape[1]))
    for column, model in enumerate(models):
        drive = model.omega + model.alpha * r[:, column] ** 2
        start = model.long_run
        path[0, column] = start
        path[1:, column] = lfilter([1.0], [1.0, -model.beta], drive, zi=[model.beta * start])[0]
    return path


def garch_forecast(next_variance: float, model: Garch, steps: int) -> float:
    """Variance of the sum of the next ``steps`` returns, given that of the next one."""
    if steps < 1 or not 0.0 < next_variance < np.inf:
        raise RiskInputError(f"steps {steps} must be at least 1 and next_variance {next_variance} above 0")
    decayed = (1.0 - model.persistence**steps) / (1.0 - model.persistence)
    return steps * model.long_run + (next_variance - model.long_run) * decayed


def floored_sigma(sigma_path: F64) -> F64:
    """(F,) volatility against procyclicality: 0.75·now + 0.25·largest so far (EMIR RTS 153/2013 art. 28)."""
    between("sigma_path", sigma_path, 0.0)
    now, hard = sigma_path[-1], sigma_path.max(axis=0)
    mixed: F64 = np.maximum((1.0 - STRESSED_WEIGHT) * now + STRESSED_WEIGHT * hard, now)
    return mixed
