"""Seeded worlds whose true tail is known, to see whether 1 % is found where there is 1 %."""

from typing import NamedTuple

import numpy as np
from scipy.stats import norm, t

from risk.arrays import F64
from risk.tailtest import filtered, normal
from risk.validation import binomial_bounds

SEED, DAYS, SERIES, SKIP = 20_261_121, 1_200, 60, 630
RATE = 0.01
FREEDOM = 5.0
OMEGA, ALPHA, BETA = 0.02, 0.06, 0.92


class WorldTest(NamedTuple):
    """Hits of one forecast in one world, pooled over its series."""

    world: str
    law: str
    days: int
    hits: int
    low: int
    high: int
    control: bool
    """A law that is wrong in this world and has to be found out."""

    @property
    def passed(self) -> bool:
        """Inside the 99 % binomial bounds, or outside for a control."""
        return (self.low <= self.hits <= self.high) is not self.control


def run_worlds(seed: int = SEED, days: int = DAYS, series: int = SERIES) -> tuple[WorldTest, ...]:
    """Hits of the true quantile, of the filtered one and of the normal control in every world."""
    rng = np.random.default_rng(seed)
    wide = t.ppf(1 - RATE, FREEDOM) * np.sqrt((FREEDOM - 2) / FREEDOM)
    worlds = {
        "normal": (_independent(rng, days, series, fat=False), norm.isf(RATE)),
        "fat tails": (_independent(rng, days, series, fat=True), wide),
        "GARCH, fat tails": (_garch(rng, days, series), wide),
    }
    found = []
    for name, ((returns, sigma), quantile) in worlds.items():
        tried = slice(SKIP, None)
        low, high = binomial_bounds((days - SKIP) * series, RATE)
        laws = {"true": sigma * quantile, "filtered": filtered(returns).var, "normal": normal(returns).var}
        for law, var in laws.items():
            if law == "normal" and name == "normal":
                continue  # there it is the truth but for the error of its volatility
            hits = int((-returns[tried] > var[tried]).sum())
            found.append(WorldTest(name, law, (days - SKIP) * series, hits, low, high, law == "normal"))
    return tuple(found)


def _independent(rng: np.random.Generator, days: int, series: int, *, fat: bool) -> tuple[F64, F64]:
    """(T, R) returns of volatility 1 and that volatility."""
    shape = (days, series)
    return _draw(rng, shape, fat=fat), np.ones(shape)


def _garch(rng: np.random.Generator, days: int, series: int) -> tuple[F64, F64]:
    """(T, R) returns of GARCH(1,1) with fat tails, and their conditional volatility."""
    shocks, variance = _draw(rng, (days, series), fat=True), np.ones((days, series))
    for day in range(1, days):
        variance[day] = OMEGA + (ALPHA * shocks[day - 1] ** 2 + BETA) * variance[day - 1]
    return np.sqrt(variance) * shocks, np.sqrt(variance)


def _draw(rng: np.random.Generator, shape: tuple[int, int], *, fat: bool) -> F64:
    if not fat:
        return rng.standard_normal(shape)
    return np.asarray(rng.standard_t(FREEDOM, shape) * np.sqrt((FREEDOM - 2.0) / FREEDOM))
