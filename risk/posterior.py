"""Own observations of transfers update a latency law: quick to widen, slow to narrow (RISK section 4).

Body: the logarithm of the latency is normal with unknown mean and spread. The default law counts as
``PRIOR_COUNT`` observations (normal-inverse-gamma), and the law that results lies at the upper ``CREDIBLE`` bounds
of mean and spread, so that few observations never flatter. Slow path: Beta with the default weight as prior, upper
bound.

Rules on top, because a tail cannot be seen in a short sample:
- the body's median falls below the default only from ``NARROW_FROM`` observations on;
- quantiles from 98 % on never fall below the default's before ``TRUST_TAIL_FROM`` observations;
- outage, pause and challenge stay: they are rates of events that the sample does not hold;
- what is under way for longer than the slow path begins counts as slow.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri
from scipy.stats import beta, chi2

from risk.checks import F64, as_floats, require
from risk.latency import LatencyLaw, Lognormal

PRIOR_COUNT = 50
NARROW_FROM = 100
TRUST_TAIL_FROM = 1_000
CREDIBLE = 0.95
SLOW_FROM = 0.02
"""Quantile of the default slow path from which an observation counts as slow."""
TAIL_LEVEL = 0.98
TAIL_QUANTILES = (0.98, 0.985, 0.99, 0.993, 0.995, 0.997, 0.999, 0.9995)
STEPS = 60


@dataclass(frozen=True, slots=True)
class Posterior:
    """A law with what it was made from."""

    law: LatencyLaw
    observations: int
    slow: int
    """Of them, or still under way, on the slow path."""
    median_s: float
    """Of the observed body; nan without any."""
    tail_trusted: bool
    """Enough observations for the tail to fall below the default's."""


def update(default: LatencyLaw, latencies_s: F64, under_way_s: F64 | None = None) -> Posterior:
    """Law after the observations.

    Parameters
    ----------
    latencies_s
        (n,) seconds from source to destination transaction, positive.
    under_way_s
        (m,) ages of transfers that have not arrived; None: there are none.

    Raises
    ------
    RiskInputError
        For latencies that are not positive and finite.
    """
    seen = as_floats("latencies_s", latencies_s, (np.size(latencies_s),))
    require("latencies_s", seen, ~(np.isfinite(seen) & (seen > 0)), "positive seconds")
    waiting = np.zeros(0) if under_way_s is None else under_way_s
    pending = as_floats("under_way_s", waiting, (np.size(waiting),))
    require("under_way_s", pending, ~(np.isfinite(pending) & (pending >= 0)), "seconds >= 0")
    late = _slow_from(default)
    body, slow = seen[seen < late], int((seen >= late).sum() + (pending >= late).sum())
    count = len(seen) + int((pending >= late).sum())
    trusted = count >= TRUST_TAIL_FROM
    law = replace(
        default,
        body=_body(default.body, np.log(body), trusted),
        slow_weight=_slow_weight(default, slow, count, trusted),
    )
    median = float(np.median(body)) if len(body) else float("nan")
    return Posterior(law if trusted else _no_better(law, default), count, slow, median, trusted)


def _no_better(law: LatencyLaw, default: LatencyLaw) -> LatencyLaw:
    """Weigh the slow path up until no quantile of the tail lies below the default's.

    What is left to do is small: outages are counted from the body's median, which may have fallen.
    """
    wanted = [default.quantile(p) for p in TAIL_QUANTILES]
    room = 1.0 - sum(default.bad_weights()[1:])
    for _ in range(STEPS):
        if all(law.quantile(p) >= q for p, q in zip(TAIL_QUANTILES, wanted, strict=True)):
            return law
        law = replace(law, slow_weight=min(room, law.slow_weight * 1.02 + 1e-6))
    return replace(law, body=default.body, slow_weight=max(law.slow_weight, default.slow_weight))


def _slow_from(law: LatencyLaw) -> float:
    """Seconds from which a transfer was on the slow path: well beyond the body, at the slow path's low end."""
    low_end = law.slow.median_s * np.exp(law.slow.log_sd * ndtri(SLOW_FROM))
    beyond = law.body.median_s * np.exp(law.body.log_sd * ndtri(0.999))
    return float(max(low_end, beyond))


def _body(default: Lognormal, logs: F64, trusted: bool) -> Lognormal:
    n, mu0, s0 = len(logs), float(np.log(default.median_s)), default.log_sd
    if not n:
        return default
    mean = float(logs.mean())
    total = PRIOR_COUNT + n
    squares = PRIOR_COUNT * s0**2 + float(((logs - mean) ** 2).sum()) + PRIOR_COUNT * n / total * (mean - mu0) ** 2
    spread = float(np.sqrt(squares / chi2.ppf(1.0 - CREDIBLE, total)))
    middle = (PRIOR_COUNT * mu0 + n * mean) / total + float(ndtri(CREDIBLE)) * spread / np.sqrt(total)
    if n < NARROW_FROM:
        middle, spread = max(middle, mu0), max(spread, s0)
    if not trusted:
        z = float(ndtri(TAIL_LEVEL))
        spread = max(spread, s0, (mu0 + z * s0 - middle) / z)
    return Lognormal(float(np.exp(middle)), float(spread))


def _slow_weight(default: LatencyLaw, slow: int, count: int, trusted: bool) -> float:
    """Upper bound of the slow path's weight; never below the default while the tail is not trusted."""
    if not count:
        return default.slow_weight
    prior = max(default.slow_weight, 1e-4) * PRIOR_COUNT
    found = float(beta.ppf(CREDIBLE, prior + slow, PRIOR_COUNT - prior + count - slow))
    room = 1.0 - sum(default.bad_weights()[1:])
    return min(room, found if trusted else max(found, default.slow_weight))
