"""Fit of the scan and window laws on price history (RISK section 5): arrays of bars in, ``ScanTable`` out.

Units: a move is divided by the daily volatility known at the window's start,
``0.75 s + 0.25 max(s up to then)``, s^2 = EWMA of squared bar returns with decay 0.97 a day, scaled to 24 h. The
second term is the stressed weight (EMIR RTS 153/2013 art. 28): a quiet year does not shrink the unit to nothing.

Highs and lows: a window of k bars runs from the low of one bar to the high of the same or a later bar, at most k
bars in all (and the mirror image downwards). Inside one bar the order of high and low is unknown and is taken
against the account. A bar's range includes the close before it, so gaps count. Windows shorter than tau that
straddle one bar more are not seen: on Brownian motion the figure is 7 % low at one bar, 3 % at four and 0 at the
horizon, which kappa = 1.10 covers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d, minimum_filter1d
from scipy.signal import lfilter

from risk.checks import F64, number
from risk.errors import RiskInputError
from risk.scanlaw import DAY_S
from risk.scantable import ScanTable

HOUR_S = 3_600.0
BELOW_AN_HOUR_S = (60.0, 300.0, 900.0)
TAU_S = tuple(hours * HOUR_S for hours in (1, 2, 4, 8, 12, 24))
WINDOW_S = tuple(hours * HOUR_S for hours in (1, 2, 4, 8, 12, 24, 48, 72, 168))
DECAY_PER_DAY = 0.97
STRESSED_WEIGHT = 0.25
WARM_UP_S = 30 * DAY_S
TAIL_FROM = 0.02
RAREST = 2e-4


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Joint log prices on a regular grid, without holes; shapes (T, assets)."""

    start: F64
    """Close of the bar before: the price at the bar's start."""
    close: F64
    high: F64
    low: F64
    step_s: float

    @property
    def per_day(self) -> float:
        """Bars in 24 hours."""
        return DAY_S / self.step_s


def bars_of(close: npt.ArrayLike, high: npt.ArrayLike, low: npt.ArrayLike, step_s: float) -> Bars:
    """Log prices from prices; a missing bar (nan) keeps the last close, so a move over a hole keeps its length.

    Raises RiskInputError for shapes, prices that are not positive, and assets without a first price.
    """
    prices = [np.array(values, np.float64) for values in (close, high, low)]
    if prices[0].ndim != 2 or len({values.shape for values in prices}) != 1 or len(prices[0]) < 2:
        raise RiskInputError(f"close, high, low: must be equal (T, assets), are {[v.shape for v in prices]}")
    if not (np.isfinite(step_s) and step_s > 0):
        raise RiskInputError(f"step_s: must be positive, was {step_s}")
    if any((values <= 0).any() or np.isinf(values).any() for values in prices):
        raise RiskInputError("close, high, low: must be positive and finite, nan where missing")
    closes, highs, lows = (np.log(values) for values in prices)
    if np.isnan(closes[0]).any():
        raise RiskInputError("close: the first row must be complete; drop assets or rows that start later")
    rows = np.where(np.isnan(closes), 0, np.arange(len(closes))[:, None])
    filled = np.take_along_axis(closes, np.maximum.accumulate(rows, axis=0), axis=0)
    before = np.concatenate([filled[:1], filled[:-1]])
    ends = np.fmax(before, filled), np.fmin(before, filled)
    return Bars(before, filled, np.fmax(highs, ends[0]), np.fmin(lows, ends[1]), step_s)


def daily_volatility(bars: Bars, decay: float = DECAY_PER_DAY, stressed_weight: float = STRESSED_WEIGHT) -> F64:
    """(T, assets) daily volatility known at the start of each bar, with its stressed part; nan in warm-up."""
    number("decay", decay, 1e-6, 1.0)
    number("stressed_weight", stressed_weight, 0.0, 1.0)
    squared = (bars.close - bars.start) ** 2 * bars.per_day
    warm = _warm_up(bars)
    if len(squared) <= warm:
        raise RiskInputError(f"close: {len(squared)} bars, at least {warm + 1} wanted (30 days of warm-up)")
    weight = decay ** (1.0 / bars.per_day)
    first = squared[1:warm].mean(axis=0)
    variance, _ = lfilter([1.0 - weight], [1.0, -weight], squared[warm:], axis=0, zi=(weight * first)[None, :])
    known = np.sqrt(np.concatenate([first[None, :], variance[:-1]]))
    if not (known > 0).all():
        raise RiskInputError("close: an asset does not move at all; leave it out of the fit")
    floored = (1.0 - stressed_weight) * known + stressed_weight * np.maximum.accumulate(known, axis=0)
    return np.concatenate([np.full((warm, squared.shape[1]), np.nan), floored])


def _warm_up(bars: Bars) -> int:
    return round(WARM_UP_S / bars.step_s)


def scan_maxima(bars: Bars, tau_s: float, horizon_s: float, starts: npt.NDArray[np.intp]) -> tuple[F64, F64]:
    """(up, down), each (starts, assets): worst log move over any window of up to tau in [start, start + H)."""
    length, horizon = _bars(tau_s, bars.step_s, "tau_s"), _bars(horizon_s, bars.step_s, "horizon_s")
    behind = (length - 1) // 2
    lowest = minimum_filter1d(bars.low, length, axis=0, origin=behind, mode="nearest")
    highest = maximum_filter1d(bars.high, length, axis=0, origin=behind, mode="nearest")
    up, down = np.zeros((2, len(starts), bars.low.shape[1]))
    low, high = np.full_like(up, np.inf), np.full_like(up, -np.inf)
    for offset in range(horizon):
        at = starts + offset
        if offset < length:
            low, high = np.minimum(low, bars.low[at]), np.maximum(high, bars.high[at])
        else:
            low, high = lowest[at], highest[at]
        up, down = np.maximum(up, bars.high[at] - low), np.maximum(down, high - bars.low[at])
    return up, down


def window_maxima(bars: Bars, h_s: float, starts: npt.NDArray[np.intp]) -> tuple[F64, F64]:
    """(up, down), each (starts, assets): largest log move from the start within [start, start + h]."""
    length = _bars(h_s, bars.step_s, "h_s")
    behind = (length - 1) // 2
    last = starts + length - 1
    highest = maximum_filter1d(bars.high, length, axis=0, origin=behind, mode="nearest")[last]
    lowest = minimum_filter1d(bars.low, length, axis=0, origin=behind, mode="nearest")[last]
    return highest - bars.start[starts], bars.start[starts] - lowest


def _bars(span_s: float, step_s: float, name: str) -> int:
    number(name, span_s, 0.0, 1e12)
    count = round(span_s / step_s)
    if count < 1 or abs(count * step_s - span_s) > 1e-6 * span_s:
        raise RiskInputError(f"{name}: {span_s:g} s must be a multiple of the bars' {step_s:g} s")
    return count


def survival_levels(count: int = 64) -> F64:
    """Survival of the knots: half evenly over the lower 98 %, half geometric from 2 % down to 0.02 %."""
    body = 1.0 - (1.0 - TAIL_FROM) * (np.arange(count // 2) + 0.5) / (count // 2)
    return np.concatenate([body, np.geomspace(TAIL_FROM, RAREST, count - count // 2)])


def pooled_quantiles(moves: F64, survival: F64) -> F64:
    """Quantiles of all standardised moves (nan left out) at the survival levels; the next larger one stands."""
    return np.asarray(np.quantile(moves[np.isfinite(moves)], 1.0 - survival, method="higher"), np.float64)


def _expected_shortfall(moves: F64, level: float) -> float:
    ordered = np.sort(moves[np.isfinite(moves)])
    return float(ordered[int(np.floor(level * len(ordered))) :].mean())


def usable_starts(bars: Bars, span_s: float, every: int = 1) -> npt.NDArray[np.intp]:
    """Window starts after the warm-up whose window of ``span_s`` lies inside the data."""
    return np.arange(_warm_up(bars), len(bars.close) - _bars(span_s, bars.step_s, "span_s") + 1, every)


def resolved(step_s: float) -> tuple[tuple[float, ...], tuple[float, ...], int]:
    """(lags, window lengths, bars between window starts) that bars of this length resolve.

    Finer bars than hours add the lags below one hour; windows then still start once an hour.
    """
    number("step_s", step_s, 1e-3, DAY_S)
    fine = tuple(t for t in BELOW_AN_HOUR_S if t >= step_s and _multiple(t, step_s)) if step_s < HOUR_S else ()
    return (*fine, *TAU_S), (*fine, *WINDOW_S), max(1, round(HOUR_S / step_s))


def _multiple(span_s: float, step_s: float) -> bool:
    return abs(round(span_s / step_s) * step_s - span_s) <= 1e-6 * span_s


def fit_scan_law(
    close: npt.ArrayLike,
    high: npt.ArrayLike,
    low: npt.ArrayLike,
    step_s: float,
    *,
    assets: tuple[str, ...],
    source: str,
    dates: str,
    id: str = "scan_law",
    version: str = "1",
    tau_s: tuple[float, ...] = TAU_S,
    window_s: tuple[float, ...] = WINDOW_S,
    every: int = 1,
    figures: Mapping[str, Any] | None = None,
) -> ScanTable:
    """Fit both laws, pooled over assets and window starts.

    Parameters
    ----------
    close, high, low
        (T, assets) prices on a regular grid, nan where missing.
    every
        Take each n-th bar as a window start (finer data than hours).
    """
    bars = bars_of(close, high, low, step_s)
    unit = daily_volatility(bars)
    survival = survival_levels()
    scans = [_scan_rows(bars, unit, tau, tau_s[-1], survival, every) for tau in tau_s]
    windows = [_window_row(bars, unit, length, every) for length in window_s]
    stacked = np.array(scans)
    table = np.maximum.accumulate(np.maximum.accumulate(stacked.max(axis=1), axis=0), axis=1)
    window = np.maximum.accumulate(np.array(windows), axis=0)
    one_per_cent = int(np.argmin(np.abs(survival - 0.01)))
    return ScanTable(
        id=id,
        version=version,
        source=source,
        dates=dates,
        assets=assets,
        method=" ".join((__doc__ or "").split()),
        horizon_s=tau_s[-1],
        tau_s=np.array(tau_s),
        survival=survival,
        quantile=_rounded(table),
        window_s=np.array(window_s),
        window_es_975=_rounded(window[:, 0]),
        window_q_99=_rounded(window[:, 1]),
        figures={
            "bars": len(bars.close),
            "step_s": step_s,
            "window_starts": len(usable_starts(bars, tau_s[-1], every)),
            "quantile_99_up": _rounded(stacked[:, 0, one_per_cent]).tolist(),
            "quantile_99_down": _rounded(stacked[:, 1, one_per_cent]).tolist(),
            **(figures or {}),
        },
    )


def _scan_rows(bars: Bars, unit: F64, tau_s: float, horizon_s: float, survival: F64, every: int) -> F64:
    """(2, knots) quantiles up and down."""
    starts = usable_starts(bars, horizon_s, every)
    moves = scan_maxima(bars, tau_s, horizon_s, starts)
    return np.array([pooled_quantiles(move / unit[starts], survival) for move in moves])


def _window_row(bars: Bars, unit: F64, h_s: float, every: int) -> tuple[float, float]:
    """(expected shortfall at 97.5 %, quantile at 99 %) of the larger direction."""
    starts = usable_starts(bars, h_s, every)
    moves = [move / unit[starts] for move in window_maxima(bars, h_s, starts)]
    shortfall = max(_expected_shortfall(move, 0.975) for move in moves)
    return shortfall, max(float(pooled_quantiles(move, np.array([0.01]))[0]) for move in moves)


def _rounded(values: F64, digits: int = 5) -> F64:
    """Significant digits that the sample supports; monotone rows stay monotone."""
    scale = 10.0 ** (digits - 1 - np.floor(np.log10(values)))
    return np.asarray(np.round(values * scale) / scale, np.float64)
