"""One-day forecasts of a book's loss from its own past, and what came of them (RISK section 8).

    sigma²_t   = 0.97 sigma²_(t-1) + 0.03 r²_(t-1)          EWMA of daily returns, first 30 days their mean square
    filtered   = sigma_t · (order statistic of -r_s / sigma_s over the last ``WINDOW`` days s < t)
    normal     = sigma_t · quantile of the normal law: the control that fat tails have to beat
    grid       = loss at the end of the grid's range, range_sigmas · max(sigma_t, floor): what margin is taken for

Of n past losses the k-th largest with k = (n + 1) p is beaten by the next one with probability k / (n + 1) = p.
Only days before t enter the forecast for t. Returns are relative changes of the book, losses their negative.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from risk.checks import F64, as_floats, between, number
from risk.errors import RiskInputError

LAMBDA, WARM, WINDOW = 0.97, 30, 500
LEAST_WINDOW = 100


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Per day (T), nan until there is enough past."""

    var: F64
    """Loss that is beaten with probability ``rate``."""
    tail_var: F64
    """The same with ``tail_rate``, where the shortfall begins."""
    shortfall: F64
    """Mean loss beyond ``tail_var``."""
    rate: float
    tail_rate: float


def ewma_sigma(returns: F64, decay: float = LAMBDA, warm: int = WARM) -> F64:
    """(T, ...) volatility forecast for each day from the days before; nan for the first ``warm``."""
    number("decay", decay, 1e-6, 1.0)
    past = as_floats("returns", returns, np.shape(returns))
    between("returns", past)
    if len(past) <= warm:
        raise RiskInputError(f"returns: holds {len(past)} days, must hold more than {warm}")
    variance = np.full(past.shape, np.nan)
    variance[warm] = np.mean(past[:warm] ** 2, axis=0)
    for day in range(warm + 1, len(past)):
        variance[day] = decay * variance[day - 1] + (1.0 - decay) * past[day - 1] ** 2
    return np.asarray(np.sqrt(variance))


def filtered(returns: F64, rate: float = 0.01, tail_rate: float = 0.025, window: int = WINDOW) -> Forecast:
    """Forecast from standardised past losses; (T,) or (T, R) for several series at once."""
    _check_rates(rate, tail_rate)
    sigma = ewma_sigma(returns)
    standard = -np.asarray(returns) / sigma
    var, tail, shortfall = (np.full(sigma.shape, np.nan) for _ in range(3))
    for day in range(WARM + LEAST_WINDOW, len(sigma)):
        past = -np.sort(-standard[max(WARM, day - window) : day], axis=0)
        var[day], tail[day] = _order(past, rate), _order(past, tail_rate)
        shortfall[day] = past[: max(1, round((len(past) + 1) * tail_rate))].mean(axis=0)
    shortfall = np.maximum(shortfall, tail)
    return Forecast(sigma * var, sigma * tail, sigma * shortfall, rate, tail_rate)


def _check_rates(rate: float, tail_rate: float) -> None:
    number("rate", rate, 1e-9, 0.5)
    number("tail_rate", tail_rate, 1e-9, 0.5)


def _order(largest_first: F64, rate: float) -> F64:
    """(...) loss beaten with probability ``rate``: between two order statistics by share."""
    place = max(1.0, (len(largest_first) + 1) * rate)
    low = int(place)
    share = place - low
    after = min(low, len(largest_first) - 1)
    return np.asarray((1.0 - share) * largest_first[low - 1] + share * largest_first[after])


def normal(returns: F64, rate: float = 0.01, tail_rate: float = 0.025) -> Forecast:
    """Forecast of the normal law with the same volatility."""
    _check_rates(rate, tail_rate)
    sigma = ewma_sigma(returns)
    begins = norm.isf(tail_rate)
    return Forecast(
        sigma * norm.isf(rate), sigma * begins, sigma * norm.pdf(begins) / tail_rate, rate, tail_rate
    )  # fmt: skip


def grid_range(returns: F64, range_sigmas: float, sigma_floor: float) -> F64:
    """(T,) loss of the book when it falls by the grid's whole range."""
    number("range_sigmas", range_sigmas, 0.0, 1e3)
    number("sigma_floor", sigma_floor, 0.0, 10.0)
    return np.asarray(-np.expm1(-range_sigmas * np.maximum(ewma_sigma(returns), sigma_floor)))


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """How often prices reached a barrier, per horizon."""

    down: F64
    """(B, H) share of origins whose lowest price lay at least so many volatilities below."""
    up: F64
    """(B, H) the same above."""
    origins: int


def observed_hits(
    close: F64, high: F64, low: F64, step_s: int, horizons_s: tuple[float, ...], barriers: F64
) -> Hits:
    """Barriers (B,), in daily volatilities, that prices (T,) reached within each horizon of non-overlapping days.

    Daily EWMA volatility of the days before. Horizons below a bar are measured on that bar; origins with a missing
    price within the day or before are left out.
    """
    bars = round(86_400 / step_s)
    if bars < 1 or bars * step_s != 86_400:
        raise RiskInputError(f"step_s: {step_s} must divide a day")
    for horizon in horizons_s:
        number("horizons_s", horizon, 1.0, 1e9)
    log_close = np.log(close[: (len(close) - 1) // bars * bars + 1 : bars])
    returns = np.diff(log_close)
    known = np.isfinite(returns)
    sigma = ewma_sigma(np.where(known, returns, 0.0))
    days = np.flatnonzero(np.isfinite(sigma) & known)
    reach = [max(1, round(horizon / step_s)) for horizon in horizons_s]
    after = 1 + np.arange(max(reach)) + days[:, None] * bars
    after = after[after[:, -1] < len(close)]
    days = days[: len(after)]
    falls = (log_close[days, None] - np.log(low[after])) / sigma[days, None]
    rises = (np.log(high[after]) - log_close[days, None]) / sigma[days, None]
    whole = np.isfinite(falls).all(axis=1) & np.isfinite(rises).all(axis=1)
    levels = as_floats("barriers", barriers, (np.size(barriers),))
    worst = [np.stack([side[whole, :n].max(axis=1) for n in reach], axis=1) for side in (falls, rises)]
    down, up = ((side[None] >= levels[:, None, None]).mean(axis=1) for side in worst)
    return Hits(np.asarray(down), np.asarray(up), int(whole.sum()))
