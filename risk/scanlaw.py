"""Laws of the worst move: M(tau), the largest adverse log move over any window up to ``tau`` inside a horizon H.

Every law answers one question, P(M(tau) > b), for a buffer ``b`` in units of the daily (24 h) volatility of log
returns; times are seconds. A volatility ratio says how many times the present volatility a state of stress has.
All laws are decreasing in b and increasing in tau, and M(0) = 0: what moves on the same chain is never late.
RISK section 5 has the formulas.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from risk.checks import F64
from risk.errors import RiskInputError
from risk.scantable import ScanTable

Exceedance = Callable[[npt.ArrayLike, npt.ArrayLike], F64]
"""(b in daily volatilities, volatility ratio) -> probability, for lags fixed before."""

DAY_S = 86_400.0
YEAR_S = 365.25 * DAY_S
SQRT_3 = float(np.sqrt(3.0))
INV_SQRT_2PI = float(1.0 / np.sqrt(2.0 * np.pi))


class ScanLaw(Protocol):
    """Law of the worst move; the three implementations differ in where their tails come from."""

    def exceedance(
        self, b_over_sigma: npt.ArrayLike, tau_s: npt.ArrayLike, horizon_s: float, ratio: npt.ArrayLike = 1.0
    ) -> F64:
        """P(M(tau) > b), broadcast over buffers (daily volatilities), lags and volatility ratios."""
        ...

    def at(self, tau_s: F64, horizon_s: float) -> Exceedance:
        """Return the same with the lags fixed, for callers that search over b."""
        ...


def _normal_density(u: F64) -> F64:
    return np.asarray(INV_SQRT_2PI * np.exp(-0.5 * u * u), dtype=np.float64)


def _broadcast(
    b: npt.ArrayLike, tau_s: npt.ArrayLike, ratio: npt.ArrayLike, horizon_s: float
) -> tuple[F64, F64, F64]:
    """Check the domain and return (b, tau in days, ratio) of one shape; lags beyond H count as H."""
    if not horizon_s > 0 or not np.isfinite(horizon_s):
        raise RiskInputError(f"horizon_s: expected a positive number of seconds, was {horizon_s}")
    buffers, lags, ratios = np.broadcast_arrays(
        np.asarray(b, np.float64), np.asarray(tau_s, np.float64), np.asarray(ratio, np.float64)
    )
    if np.isnan(buffers).any() or not (lags >= 0).all():
        raise RiskInputError(
            "b_over_sigma, tau_s: expected numbers and lags >= 0 (inf allowed), was nan or negative"
        )
    if not (ratios > 0).all():
        raise RiskInputError("ratio: expected volatility ratios above 0")
    return buffers, np.minimum(lags, horizon_s) / DAY_S, ratios


def _with_edges(probability: F64, b: F64, tau_days: F64) -> F64:
    """M is 0 at lag 0, at least 0 always and never infinite; probabilities stay in [0, 1]."""
    bounded = np.where(b <= 0, 1.0, np.where(np.isposinf(b), 0.0, np.clip(probability, 0.0, 1.0)))
    return np.asarray(np.where(tau_days == 0, np.where(b < 0, 1.0, 0.0), bounded), dtype=np.float64)


def _diffusion(b: F64, tau_days: F64, ratio: F64, horizon_s: float) -> F64:
    """2 Psi(u) + (H/tau - 1) u phi(u), made increasing in tau.

    The second (Slepian/Pickands) term falls with tau below u = sqrt(3); there the value at the largest shorter
    lag, tau' = tau u^2 / 3, stands. No quantile above 91.7 % is touched by it.
    """
    safe_tau = np.where(tau_days > 0, tau_days, 1.0)
    safe_b = np.where(b > 0, b, 1.0)
    raw = safe_b / (ratio * np.sqrt(safe_tau))
    u = np.maximum(raw, SQRT_3)
    tau = safe_tau * np.minimum(1.0, (raw / SQRT_3) ** 2)
    scans = horizon_s / DAY_S / tau - 1.0
    return np.asarray(2.0 * ndtr(-u) + scans * u * _normal_density(u), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Diffusion:
    """Brownian motion: only tau / H and the confidence matter for g, not the volatility."""

    def exceedance(
        self, b_over_sigma: npt.ArrayLike, tau_s: npt.ArrayLike, horizon_s: float, ratio: npt.ArrayLike = 1.0
    ) -> F64:
        """See ``ScanLaw``."""
        b, tau, ratios = _broadcast(b_over_sigma, tau_s, ratio, horizon_s)
        return _with_edges(_diffusion(b, tau, ratios, horizon_s), b, tau)

    def at(self, tau_s: F64, horizon_s: float) -> Exceedance:
        """See ``ScanLaw``."""
        return partial(_at, self, tau_s, horizon_s)


@dataclass(frozen=True, slots=True)
class JumpKind:
    """One kind of cascade: ``rate_per_year`` moves of size N(mean, sd) (log) that unfold over ``duration_s``.

    Duration 0 is an instant gap.
    """

    rate_per_year: float
    mean: float
    sd: float
    duration_s: float

    def __post_init__(self) -> None:
        """Refuse what the formula is not defined for."""
        values = (self.rate_per_year, self.mean, self.sd, self.duration_s)
        if not all(np.isfinite(values)) or min(values) < 0:
            raise RiskInputError(f"JumpKind: expected finite numbers >= 0, was {values}")


@dataclass(frozen=True, slots=True)
class Cascade:
    """Diffusion plus cascades: + sum_k lambda_k H Psi((b - mu_k f_k) / sqrt(s_k^2 f_k^2 + sigma^2 tau))."""

    sigma_daily: float
    """Volatility of one day's log return that ``b_over_sigma`` is counted in."""
    jumps: tuple[JumpKind, ...]

    def __post_init__(self) -> None:
        """Refuse a volatility that is not positive."""
        if not (np.isfinite(self.sigma_daily) and self.sigma_daily > 0):
            raise RiskInputError(f"sigma_daily: expected a positive number, was {self.sigma_daily}")

    def exceedance(
        self, b_over_sigma: npt.ArrayLike, tau_s: npt.ArrayLike, horizon_s: float, ratio: npt.ArrayLike = 1.0
    ) -> F64:
        """See ``ScanLaw``."""
        b, tau, ratios = _broadcast(b_over_sigma, tau_s, ratio, horizon_s)
        total = _diffusion(b, tau, ratios, horizon_s)
        for jump in self.jumps:
            total = total + self._jumps(jump, b, tau, ratios) * jump.rate_per_year * horizon_s / YEAR_S
        return _with_edges(total, b, tau)

    def _jumps(self, jump: JumpKind, b: F64, tau_days: F64, ratio: F64) -> F64:
        """Probability that one jump with its diffusion exceeds b; 1 where its mean alone does (rises with tau)."""
        share = (
            np.minimum(1.0, tau_days * DAY_S / jump.duration_s) if jump.duration_s > 0 else np.ones_like(tau_days)
        )
        variance = (jump.sd * share) ** 2 + (self.sigma_daily * ratio) ** 2 * tau_days
        room = b * self.sigma_daily - jump.mean * share
        z = room / np.sqrt(np.where(variance > 0, variance, 1.0))
        return np.asarray(np.where(room < 0, 1.0, ndtr(-z)), dtype=np.float64)

    def at(self, tau_s: F64, horizon_s: float) -> Exceedance:
        """See ``ScanLaw``."""
        return partial(_at, self, tau_s, horizon_s)


def _at(law: Diffusion | Cascade, tau_s: F64, horizon_s: float, b: npt.ArrayLike, ratio: npt.ArrayLike) -> F64:
    return law.exceedance(b, tau_s, horizon_s, ratio)


@dataclass(frozen=True, slots=True, eq=False)
class Empirical:
    """Survival function of standardised scan maxima from price history: the default law."""

    table: ScanTable

    def exceedance(
        self, b_over_sigma: npt.ArrayLike, tau_s: npt.ArrayLike, horizon_s: float, ratio: npt.ArrayLike = 1.0
    ) -> F64:
        """See ``ScanLaw``; raises RiskInputError for a horizon that the table was not fitted for."""
        b, tau, ratios = _broadcast(b_over_sigma, tau_s, ratio, horizon_s)
        return self.at(tau * DAY_S, horizon_s)(b, ratios)

    def at(self, tau_s: F64, horizon_s: float) -> Exceedance:
        """See ``ScanLaw``."""
        if horizon_s != self.table.horizon_s:
            raise RiskInputError(
                f"horizon_s: the scan table {self.table.id} was fitted for {self.table.horizon_s:g} s, "
                f"was {horizon_s:g}; fit a table with that horizon or use another law"
            )
        lags = np.minimum(np.asarray(tau_s, np.float64), horizon_s)
        if not (lags >= 0).all():
            raise RiskInputError("tau_s: expected lags >= 0 (inf allowed), was nan or negative")
        return partial(self._survival, lags, self.table.log_quantiles(lags))

    def _survival(self, tau_s: F64, log_quantile: F64, b: npt.ArrayLike, ratio: npt.ArrayLike) -> F64:
        """Survival at b / ratio by rows of log quantiles (..., knots)."""
        x = np.broadcast_to(np.asarray(b, np.float64) / np.asarray(ratio, np.float64), tau_s.shape)
        if np.isnan(x).any():
            raise RiskInputError("b_over_sigma, ratio: expected numbers, was nan")
        return _with_edges(self.table.survival_at(x, log_quantile), x, tau_s)
