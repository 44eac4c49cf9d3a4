"""Volatility from SVI slices: total variance of log moneyness, one slice per expiry.

    k = ln(K/F), held in ± 4·sqrt(a + b·σ)
    w(k) = a + b·( ρ·(k - m) + sqrt((k - m)² + σ²) )          vol = sqrt(w / τ)

Source: J. Gatheral, "A parsimonious arbitrage-free implied volatility parameterization" (2004), raw form; the
clamp on k is Derive's (lyra-utils, SVI). Between slices total variance is linear in time at the same k; outside
the first and last slice the nearest slice's vol is kept.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from risk.checks import F64, as_floats, between, require
from risk.errors import RiskInputError

CLAMP = 4.0


@dataclass(frozen=True, slots=True)
class SviSlice:
    """Raw SVI parameters of one expiry."""

    a: float
    b: float
    rho: float
    m: float
    sigma: float
    forward: float
    """USD forward that the slice was fitted at."""
    tau_years: float
    """Years to expiry at the fit; > 0."""

    def __post_init__(self) -> None:
        for name in ("a", "b", "rho", "m", "sigma", "forward", "tau_years"):
            if not math.isfinite(getattr(self, name)):
                raise RiskInputError(f"svi.{name}: {getattr(self, name)} must be finite")
        if self.forward <= 0.0 or self.tau_years <= 0.0:
            raise RiskInputError(f"svi: forward {self.forward} and tau_years {self.tau_years} must be above 0")
        if self.b < 0.0 or self.sigma < 0.0 or not -1.0 <= self.rho <= 1.0:
            raise RiskInputError(f"svi: b {self.b} >= 0, sigma {self.sigma} >= 0, rho {self.rho} in [-1, 1]")
        if self.a + self.b * self.sigma < 0.0:
            raise RiskInputError(f"svi: a + b·sigma = {self.a + self.b * self.sigma} must be at least 0")

    def total_variance(self, strike: F64) -> F64:
        """W at each strike, years x vol². Raises ``RiskInputError`` where it is negative: no such smile exists."""
        strikes = as_floats("strike", strike, np.shape(strike))
        between("strike", strikes, 0.0, above=True)
        return self.variance_at(np.log(strikes / self.forward))

    def variance_at(self, k: F64) -> F64:
        """W at log moneyness k."""
        reach = CLAMP * math.sqrt(self.a + self.b * self.sigma)
        distance = np.clip(k, -reach, reach) - self.m
        w: F64 = self.a + self.b * (self.rho * distance + np.sqrt(distance * distance + self.sigma**2))
        require("svi.total_variance", w, w < 0.0, "at least 0")
        return w

    def vol(self, strike: F64) -> F64:
        """Volatility per year at each strike."""
        vol: F64 = np.sqrt(self.total_variance(strike) / self.tau_years)
        return vol


@dataclass(frozen=True, slots=True)
class SviSurface:
    """Slices of one underlying, by increasing time."""

    slices: tuple[SviSlice, ...]

    def __post_init__(self) -> None:
        taus = [one.tau_years for one in self.slices]
        if not taus or any(later <= sooner for sooner, later in pairwise(taus)):
            raise RiskInputError(f"surface: times {taus} must be at least one and increase")

    def vol(self, strike: F64, forward: F64, tau_years: F64) -> F64:
        """Volatility per year of (strike, forward, time) triples, which broadcast."""
        K, F, tau = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (strike, forward, tau_years)))
        for name, values in (("strike", K), ("forward", F), ("tau_years", tau)):
            between(name, values, 0.0, above=True)
        k = np.log(K / F)
        taus = np.array([one.tau_years for one in self.slices])
        w = np.stack([one.variance_at(k) for one in self.slices])
        held = np.clip(tau, taus[0], taus[-1])
        after = np.clip(np.searchsorted(taus, held), 1, max(len(taus) - 1, 1))
        if len(taus) == 1:
            result: F64 = np.sqrt(w[0] / taus[0])
            return result
        before = after - 1
        share = (held - taus[before]) / (taus[after] - taus[before])
        low = np.take_along_axis(w, before[None], axis=0)[0]
        high = np.take_along_axis(w, after[None], axis=0)[0]
        mixed: F64 = np.sqrt((low + share * (high - low)) / held)
        return mixed
