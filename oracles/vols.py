"""Implied volatility as venues quote it: board times skew (Lyra v1), SVI with confidence (Derive v2).

SVI in Derive's form: k = ln(K/F) within +-4 sqrt(a + b sigma);
w = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)), at most 144; vol = sqrt(w / tau).
A total variance below zero is no volatility.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
MAX_TOTAL_VARIANCE = 144.0
LOG_BOUND = 4.0


class BadSurface(ValueError):
    """Parameters that give no volatility; says which and why."""


@dataclass(frozen=True, slots=True)
class VolQuote:
    """One volatility of one venue."""

    underlying: str
    """Price key."""
    source: str
    expiry: int
    strike_usd: Decimal
    vol: Decimal
    """Per year, 0.8 = 80 %."""
    confidence: Decimal
    """By the venue, 0 to 1; 1 where it tells none."""
    observed_at: int


@dataclass(frozen=True, slots=True)
class VolGap:
    """Why a venue has no surface."""

    underlying: str
    source: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Vols:
    """Answer of a surface source."""

    found: tuple[VolQuote, ...] = ()
    gaps: tuple[VolGap, ...] = ()


@dataclass(frozen=True, slots=True)
class Svi:
    """One expiry of a surface. ``tau_years`` is the time that the parameters are for, not the time left."""

    a: float
    b: float
    rho: float
    m: float
    sigma: float
    forward_usd: float
    tau_years: float
    confidence: float = 1.0

    def vol(self, strikes_usd: Sequence[float] | F64) -> F64:
        """Volatilities of strikes, 0 for a strike of 0; raises BadSurface."""
        strikes = np.asarray(strikes_usd, dtype=np.float64)
        if not (self.forward_usd > 0 and math.isfinite(self.forward_usd)):
            raise BadSurface(f"svi.forward_usd: expected a positive number, was {self.forward_usd}")
        if not self.tau_years > 0:
            raise BadSurface(f"svi.tau_years: expected above 0, was {self.tau_years}")
        level = self.a + self.b * self.sigma
        if not level >= 0:
            raise BadSurface(f"svi: a + b sigma is {level:g}, expected at least 0")
        bound = LOG_BOUND * math.sqrt(level)
        with np.errstate(divide="ignore"):
            k = np.clip(np.log(strikes / self.forward_usd), -bound, bound)
        x = k - self.m
        w = self.a + self.b * (np.sqrt(x * x + self.sigma**2) + self.rho * x)
        if (w < 0).any():
            raise BadSurface(f"svi: total variance is {float(w.min()):g} at a strike")
        vols = np.sqrt(np.minimum(w, MAX_TOTAL_VARIANCE) / self.tau_years)
        return np.asarray(np.where(strikes > 0, vols, 0.0), dtype=np.float64)
