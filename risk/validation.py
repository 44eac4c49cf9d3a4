"""Tests of a risk measure against what happened (RISK section 8).

A hit is a day whose loss beats the forecast. With T days, x hits, stated rate p, observed rate x / T:

    Kupiec (1995), proportion of failures: chi2(1)
        LR = -2 ln[ (1-p)^(T-x) p^x / ( (1-x/T)^(T-x) (x/T)^x ) ]
    Christoffersen (1998), independence: chi2(1), a = (n01+n11)/n, a0 = n01/(n00+n01), a1 = n11/(n10+n11)
        LR = -2 ln[ (1-a)^(n00+n10) a^(n01+n11) / ( (1-a0)^n00 a0^n01 (1-a1)^n10 a1^n11 ) ]
    conditional coverage: the sum of both, chi2(2)
    traffic light (Basel 1996): P(X <= x), X binomial(T, p); green < 95 %, yellow < 99.99 %, else red
    Acerbi and Szekely (2014), second test: 0 in the mean if both forecasts are right, negative if ES is too small
        Z2 = 1 - sum_t L_t 1{hit_t} / (T p ES_t)

nij counts days of state j after a day of state i (1 = hit). 0 ln 0 = 0. Losses and forecasts are positive numbers.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.special import xlog1py, xlogy
from scipy.stats import binom, chi2

from risk.checks import F64, Bool, as_flags, as_floats, between, number, require
from risk.errors import RiskInputError

GREEN, YELLOW = 0.95, 0.9999


@dataclass(frozen=True, slots=True)
class LikelihoodRatio:
    """Statistic of a likelihood ratio test and its p-value."""

    statistic: float
    p_value: float


class Zone(StrEnum):
    """Zone of the traffic light."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True, slots=True)
class TrafficLight:
    """How likely so few hits are if the model is right."""

    zone: Zone
    probability: float
    """P(X <= x)."""
    type_one: float
    """P(X >= x): the chance to reject a right model here."""


def kupiec(days: int, hits: int, rate: float) -> LikelihoodRatio:
    """Proportion of failures: whether there are as many hits as stated."""
    _counts(days, hits, rate)
    stated = xlog1py(days - hits, -rate) + xlogy(hits, rate)
    seen = hits / days
    observed = xlog1py(days - hits, -seen) + xlogy(hits, seen)
    return _ratio(float(2.0 * (observed - stated)), 1)


def independence(n00: int, n01: int, n10: int, n11: int) -> LikelihoodRatio:
    """Christoffersen: whether a hit is as likely after a hit as after none; without any hit p = 1."""
    counts = (n00, n01, n10, n11)
    if min(counts) < 0 or sum(counts) == 0:
        raise RiskInputError(f"transitions: {counts} must be counts >= 0, not all 0")
    rate = (n01 + n11) / sum(counts)
    after_none, after_hit = _share(n01, n00), _share(n11, n10)
    one = xlog1py(n00 + n10, -rate) + xlogy(n01 + n11, rate)
    two = xlog1py(n00, -after_none) + xlogy(n01, after_none) + xlog1py(n10, -after_hit) + xlogy(n11, after_hit)
    return _ratio(float(2.0 * (two - one)), 1)


def conditional_coverage(frequency: LikelihoodRatio, order: LikelihoodRatio) -> LikelihoodRatio:
    """Both at once: Kupiec's and Christoffersen's statistics add up."""
    return _ratio(frequency.statistic + order.statistic, 2)


def transitions(hits: Bool) -> tuple[int, int, int, int]:
    """(n00, n01, n10, n11) of a sequence of days."""
    hits = as_flags("hits", hits, (np.size(hits),))
    before, after = hits[:-1], hits[1:]
    pairs = ((~before, ~after), (~before, after), (before, ~after), (before, after))
    n00, n01, n10, n11 = (int(np.count_nonzero(a & b)) for a, b in pairs)
    return n00, n01, n10, n11


def traffic_light(days: int, hits: int, rate: float) -> TrafficLight:
    """Zone of so many hits: for 250 days at 1 % green to 4, yellow to 9, red from 10."""
    _counts(days, hits, rate)
    below = float(binom.cdf(hits, days, rate))
    zone = Zone.GREEN if below < GREEN else Zone.YELLOW if below < YELLOW else Zone.RED
    return TrafficLight(zone, below, float(binom.sf(hits - 1, days, rate)))


def shortfall_z2(losses: F64, var: F64, shortfall: F64, rate: float) -> float:
    """Acerbi and Szekely's second statistic.

    Parameters
    ----------
    losses
        (T,) what was lost each day, negative = gained.
    var, shortfall
        (T,) forecasts of the quantile at 1 - ``rate`` and of the mean loss beyond it; shortfall > 0.
    """
    losses, var, shortfall = _series(losses, var, shortfall)
    _counts(len(losses), 0, rate)
    between("shortfall", shortfall, 0.0, above=True)
    require("shortfall", shortfall, shortfall < var, "at least the quantile")
    beyond = np.where(losses > var, losses / shortfall, 0.0).sum()
    return float(1.0 - beyond / (len(losses) * rate))


def z2_p_value(z2: float, draws: F64, shortfall: float, rate: float) -> float:
    """Share of simulated histories whose Z2 is as low: ``draws`` (R, T) are losses under the forecast law itself.

    The law's quantile at 1 - ``rate`` is taken from all draws; losses and ``shortfall`` in one unit.
    """
    draws = as_floats("draws", draws, np.shape(draws))
    between("draws", draws)
    number("z2", z2, -1e300, 1e300)
    number("shortfall", shortfall, 1e-300, 1e300)
    number("rate", rate, 1e-9, 1.0)
    if draws.ndim != 2 or not draws.size:
        raise RiskInputError(f"draws: has shape {draws.shape}, must have (histories, days)")
    quantile = float(np.quantile(draws, 1.0 - rate))
    beyond = np.where(draws > quantile, draws, 0.0).sum(axis=1) / (draws.shape[1] * rate * shortfall)
    return float(np.mean(1.0 - beyond <= z2))


def binomial_bounds(days: int, rate: float, confidence: float = 0.99) -> tuple[int, int]:
    """Fewest and most hits that a right model shows with at least this confidence."""
    _counts(days, 0, rate)
    tail = (1.0 - confidence) / 2.0
    return int(binom.ppf(tail, days, rate)), int(binom.ppf(1.0 - tail, days, rate))


@dataclass(frozen=True, slots=True)
class Verdicts:
    """All tests of one series."""

    days: int
    hits: int
    rate: float
    frequency: LikelihoodRatio
    order: LikelihoodRatio
    both: LikelihoodRatio
    light: TrafficLight
    z2: float | None


def verdicts(
    losses: F64,
    var: F64,
    rate: float,
    shortfall: F64 | None = None,
    tail_rate: float = 0.025,
    tail_var: F64 | None = None,
) -> Verdicts:
    """Every test of ``var`` at ``rate``; with a shortfall forecast at ``tail_rate`` and its quantile also Z2."""
    losses, var = _series(losses, var)
    hits = losses > var
    frequency, order = kupiec(len(hits), int(hits.sum()), rate), independence(*transitions(hits))
    z2 = None
    if shortfall is not None and tail_var is not None:
        z2 = shortfall_z2(losses, tail_var, shortfall, tail_rate)
    return Verdicts(
        days=len(hits),
        hits=int(hits.sum()),
        rate=rate,
        frequency=frequency,
        order=order,
        both=conditional_coverage(frequency, order),
        light=traffic_light(len(hits), int(hits.sum()), rate),
        z2=z2,
    )


def _series(*columns: F64) -> tuple[F64, ...]:
    days = np.size(columns[0])
    names = ("losses", "var", "shortfall")
    series = tuple(as_floats(name, column, (days,)) for name, column in zip(names, columns, strict=False))
    if days < 2:
        raise RiskInputError(f"losses: holds {days} days, must hold at least 2")
    for name, column in zip(names, series, strict=False):
        between(name, column)
    return series


def _counts(days: int, hits: int, rate: float) -> None:
    if not (days > 0 and 0 <= hits <= days):
        raise RiskInputError(
            f"hits: {hits} of {days} days, must be from 0 to the number of days, which is above 0"
        )
    if not 0.0 < rate < 1.0:
        raise RiskInputError(f"rate: {rate} must be inside (0, 1)")


def _share(ones: int, zeros: int) -> float:
    return ones / (ones + zeros) if ones + zeros else 0.0


def _ratio(statistic: float, freedom: int) -> LikelihoodRatio:
    # Rounding can leave a hair below 0 where the observed rate is the stated one.
    value = max(0.0, statistic)
    return LikelihoodRatio(value, float(chi2.sf(value, freedom)))
