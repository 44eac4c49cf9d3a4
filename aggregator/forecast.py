"""Volatility of the next day, from the price history of the settings: what breach probabilities walk with.

    ewma     v = 0.97·v + 0.03·r² over daily log returns (the estimator that the paths were fitted in)
    garch    one-day forecast of GARCH(1,1), fitted here at the start by the ``arch`` package

A forecast ages: where the history ends more than two days before the report, the long-run volatility of the factor
is used and the report says so. It is never below a quarter of the long-run volatility (RISK section 5).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from aggregator.config import ModelSettings
from aggregator.errors import ConfigError
from aggregator.garch import fit_garch
from aggregator.history import DAY_S, PriceHistory, read_history
from risk.arrays import F64, FactorArrays
from risk.tailtest import LAMBDA, WARM
from risk.volatility import ewma_variance, garch_forecast, garch_variance

OLDEST_S = 2 * DAY_S
FLOOR = 0.25
LONG_RUN = "long_run"


@dataclass(frozen=True, slots=True)
class VolForecast:
    """Daily volatility by factor at the end of a history."""

    law: str
    """ewma or garch."""
    until_s: int
    """Unix seconds of the end of the history's last bar."""
    sigma_day: Mapping[str, float] = field(default_factory=dict)

    def age_s(self, now_s: int) -> int:
        """Seconds since the history ended."""
        return now_s - self.until_s

    def holds(self, now_s: int) -> bool:
        """Whether the history is recent enough, and not from the future."""
        return 0 <= self.age_s(now_s) <= OLDEST_S

    def sigma(self, factors: FactorArrays) -> F64:
        """(F,) forecasts, floored; the long-run volatility of factors without a history."""
        told = [self.sigma_day.get(name, 0.0) for name in factors.names]
        known = np.array([name in self.sigma_day for name in factors.names], dtype=np.bool_)
        return np.where(known, np.maximum(told, FLOOR * factors.sigma_day), factors.sigma_day)


def load_forecast(settings: ModelSettings) -> VolForecast | None:
    """Forecast of the settings, None for the long run; raises ConfigError, HistoryError or FitError."""
    law = settings.volatility
    if law == LONG_RUN:
        return None
    if settings.history is None:
        raise ConfigError(f"model.history: volatility {law!r} needs a price history (CSV or Parquet of bars)")
    history = read_history(settings.history)
    days = daily_returns(history)
    sigma = {name: forecast(law, name, returns) for name, returns in days.items()}
    return VolForecast(law, int(history.time_s[-1]) + history.step_s, sigma)


def daily_returns(history: PriceHistory) -> dict[str, F64]:
    """Log returns by asset over days that end with the last bar; a missing close leaves its two days out."""
    close = history.daily_close()
    found = {}
    for index, name in enumerate(history.assets):
        moves = np.diff(np.log(close[:, index]))
        moves = moves[np.isfinite(moves)]
        if len(moves) <= WARM:
            raise ConfigError(f"model.history: {name} has {len(moves)} days, needs more than {WARM}")
        found[name] = moves
    return found


def forecast(law: str, name: str, returns: F64) -> float:
    """Volatility of the next day after (T,) daily log returns."""
    column = returns[:, None]
    if law == "ewma":
        return float(np.sqrt(ewma_variance(column, LAMBDA)[-1, 0]))
    model = fit_garch(returns, f"model.history: {name}")
    return float(np.sqrt(garch_forecast(float(garch_variance(column, (model,))[-1, 0]), model, 1)))
