"""Fits on a simulated series whose parameters are known, and what cannot be fitted."""

import numpy as np
import pytest

from aggregator.garch import FitError, fit_garch
from risk.volatility import garch_variance


def simulated(bars: int, omega: float, alpha: float, beta: float) -> np.ndarray:
    rng = np.random.default_rng(11)
    returns, variance = np.empty(bars), omega / (1 - alpha - beta)
    for t in range(bars):
        returns[t] = np.sqrt(variance) * rng.standard_normal()
        variance = omega + alpha * returns[t] ** 2 + beta * variance
    return returns


def test_the_fit_finds_what_made_the_series() -> None:
    returns = simulated(6_000, 2e-6, 0.08, 0.90)
    model = fit_garch(returns)
    assert model.alpha == pytest.approx(0.08, abs=0.03)
    assert model.persistence == pytest.approx(0.98, abs=0.015)
    ratio = returns**2 / garch_variance(returns[:, None], (model,))[:-1, 0]
    assert ratio.mean() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("bad", [np.zeros(1_000), np.ones(10), np.full(1_000, np.nan), np.ones((600, 2))])
def test_the_fit_refuses_what_has_no_volatility(bad: np.ndarray) -> None:
    with pytest.raises(FitError, match="ETH: must be 500 or more"):
        fit_garch(bad, "ETH")
