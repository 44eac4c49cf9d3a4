"""The table behind the empirical scan law: tail-refined quantiles of standardised moves, and their origin.

Two laws in one table, both in units of the daily volatility at the window's start, larger direction:
- ``scan``: worst move over any window up to tau inside 24 h (mobility, G);
- ``window``: running maximum of the move over one window of length h from its start (D_a(h), time to liquidation).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from risk.checks import F64
from risk.errors import RiskInputError

SQRT_OF_TIME = 0.5
TAIL_INDEX_RANGE = (1.5, 6.0)


@dataclass(frozen=True, slots=True, eq=False)
class ScanTable:
    """Fitted laws; arrays are read-only."""

    id: str
    version: str
    source: str
    dates: str
    assets: tuple[str, ...]
    method: str
    horizon_s: float
    tau_s: F64
    """(T,) resolved lags, increasing; the last one is the horizon."""
    survival: F64
    """(K,) P(M > quantile), decreasing; half of the knots at 2 % and below."""
    quantile: F64
    """(T, K) larger direction, daily volatilities; increasing along both axes."""
    window_s: F64
    """(N,) resolved window lengths, increasing."""
    window_es_975: F64
    """(N,) expected shortfall at 97.5 % of the running maximum, daily volatilities, larger direction."""
    window_q_99: F64
    """(N,) 99 % quantile of the same."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """Sample sizes, per-direction figures and the out-of-sample exceedances."""

    def __post_init__(self) -> None:
        """Freeze the arrays and refuse a table that is not monotone."""
        for name in ARRAY_FIELDS:
            value = np.array(getattr(self, name), dtype=np.float64)
            value.setflags(write=False)
            object.__setattr__(self, name, value)
        _check(self)

    # --- scan law ---

    def short_slope(self) -> F64:
        """(K,) slope of log quantile in log tau between the two shortest lags, within [0, 1/2].

        Above 1/2 the square root of time would be undercut, so 1/2 is the cap.
        """
        rise = np.log(self.quantile[1] / self.quantile[0]) / np.log(self.tau_s[1] / self.tau_s[0])
        return np.asarray(np.clip(rise, 0.0, SQRT_OF_TIME), dtype=np.float64)

    def tail_index(self) -> float:
        """Power of the survival beyond the last knot: the heaviest of all lags between 1 % and the last knot."""
        start = int(np.argmin(np.abs(np.log(self.survival / 0.01))))
        fall = np.log(self.survival[start] / self.survival[-1])
        rise = np.log(self.quantile[:, -1] / self.quantile[:, start])
        return float(np.clip(np.min(fall / np.maximum(rise, 1e-9)), *TAIL_INDEX_RANGE))

    def log_quantiles(self, tau_s: F64) -> F64:
        """Rows of log quantiles at any lags.

        Parameters
        ----------
        tau_s
            (...) lags in seconds, at most the horizon; lag 0 gives the row of a millisecond.

        Returns
        -------
        (..., K), increasing along K and in tau: log-log between the resolved lags; below them the slope of the
        two shortest is continued, and where that would let a rarer quantile fall under a commoner one the
        larger stands.
        """
        log_tau = np.log(np.maximum(tau_s, 1e-3))[..., None]
        grid, rows = np.log(self.tau_s), np.log(self.quantile)
        index = np.clip(np.searchsorted(grid, log_tau[..., 0], side="right") - 1, 0, len(grid) - 2)
        weight = (log_tau - grid[index][..., None]) / (grid[index + 1] - grid[index])[..., None]
        inside = rows[index] + weight * (rows[index + 1] - rows[index])
        below = rows[0] + self.short_slope() * (log_tau - grid[0])
        chosen = np.where(log_tau < grid[0], below, inside)
        return np.asarray(np.maximum.accumulate(chosen, axis=-1), dtype=np.float64)

    def survival_at(self, x: F64, log_quantile: F64) -> F64:
        """P(M > x) by rows of ``log_quantiles`` (..., K): log-log between knots, a power tail beyond."""
        log_x = np.log(np.where(x > 0, x, 1.0))
        knots = log_quantile.shape[-1]
        index = np.sum(log_quantile <= log_x[..., None], axis=-1)
        low = np.clip(index - 1, 0, knots - 2)
        q_low, q_high = (np.take_along_axis(log_quantile, (low + k)[..., None], -1)[..., 0] for k in (0, 1))
        s = np.log(self.survival)
        weight = (log_x - q_low) / np.where(q_high > q_low, q_high - q_low, 1.0)
        inside = np.exp(s[low] + weight * (s[low + 1] - s[low]))
        beyond = np.exp(s[-1] - self.tail_index() * np.maximum(log_x - log_quantile[..., -1], 0.0))
        first = 1.0 - (1.0 - self.survival[0]) * np.exp(np.minimum(log_x - log_quantile[..., 0], 0.0))
        return np.asarray(np.where(index == 0, first, np.where(index >= knots, beyond, inside)), dtype=np.float64)

    # --- window law ---

    def horizon_scale(self, h_s: npt.ArrayLike, base_s: float | None = None) -> F64:
        """m(h) / m(base): how the loss of one window grows with its length; base = the table's horizon.

        Log-log between the resolved lengths. Shorter: the slope of the two shortest (the jump floor: never
        steeper than the square root of time). Longer: the slope of the two longest, at least the square root.
        0 at h = 0.
        """
        h = np.asarray(h_s, np.float64)
        if not (h >= 0).all():
            raise RiskInputError("h_s: expected window lengths >= 0 seconds")
        base = self.horizon_s if base_s is None else base_s
        scale = np.exp(self._log_window(np.maximum(h, 1e-3)) - self._log_window(np.asarray(base)))
        return np.asarray(np.where(h == 0, 0.0, scale), dtype=np.float64)

    def _log_window(self, h_s: F64) -> F64:
        grid, value = np.log(self.window_s), np.log(self.window_es_975)
        slope = np.diff(value) / np.diff(grid)
        log_h = np.log(np.minimum(h_s, 1e12))
        below = value[0] + min(slope[0], SQRT_OF_TIME) * (log_h - grid[0])
        above = value[-1] + max(slope[-1], SQRT_OF_TIME) * (log_h - grid[-1])
        inside = np.interp(log_h, grid, value)
        return np.asarray(np.where(log_h < grid[0], below, np.where(log_h > grid[-1], above, inside)), np.float64)

    # --- text form ---

    def to_json(self) -> str:
        """JSON with arrays as lists."""
        content = asdict(self)
        for name in ARRAY_FIELDS:
            content[name] = content[name].tolist()
        return json.dumps(content, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "ScanTable":
        """Read what ``to_json`` wrote; raises RiskInputError that names a missing or unknown field."""
        content = json.loads(text)
        names = {entry.name for entry in fields(cls)}
        if set(content) != names:
            raise RiskInputError(
                f"scan table: fields differ from the expected ones: {sorted(set(content) ^ names)}"
            )
        content["assets"] = tuple(content["assets"])
        return cls(**content)


ARRAY_FIELDS = ("tau_s", "survival", "quantile", "window_s", "window_es_975", "window_q_99")


def _increasing(values: F64, strictly: bool = False) -> bool:
    steps = np.diff(values, axis=-1)
    return bool((steps > 0).all() if strictly else (steps >= 0).all())


def _check(table: ScanTable) -> None:
    shape = (len(table.tau_s), len(table.survival))
    holds = {
        "tau_s increasing, at least 2, ending at horizon_s": len(table.tau_s) >= 2
        and _increasing(table.tau_s, True)
        and table.tau_s[-1] == table.horizon_s,
        "survival decreasing inside (0, 1)": _increasing(-table.survival, True)
        and table.survival[-1] > 0
        and table.survival[0] < 1,
        "quantile (T, K), finite, positive, increasing along both axes": table.quantile.shape == shape
        and bool(np.isfinite(table.quantile).all())
        and bool((table.quantile > 0).all())
        and _increasing(table.quantile)
        and _increasing(table.quantile.T),
        "window_s and window_es_975 increasing and positive": len(table.window_s) >= 2
        and _increasing(table.window_s, True)
        and table.window_es_975.shape == table.window_q_99.shape == table.window_s.shape
        and bool((table.window_es_975 > 0).all())
        and _increasing(table.window_es_975),
    }
    broken = [rule for rule, ok in holds.items() if not ok]
    if broken:
        raise RiskInputError(f"scan table {table.id}: expected {'; '.join(broken)}")


@lru_cache(maxsize=4)
def load_scan_table(name: str = "scan_law_v1.json") -> ScanTable:
    """Table that ships with the package."""
    return ScanTable.from_json(resources.files("risk").joinpath("data", name).read_text(encoding="utf-8"))
