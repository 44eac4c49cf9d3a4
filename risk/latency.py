"""How long a transfer takes: a mixture per directed route, its stress state, and the cure lag around it.

A law is: lognormal body, slow path, outage of either end, pause (never arrives), all after a deterministic
challenge period. It is kept as 64 knots, half of them above its 98th percentile, because the slow per cent and not
the median sets the mobility of fast bridges. RISK section 4, reference figures in ``data/routes_v1.toml``.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri

from risk.checks import F64
from risk.errors import RiskInputError
from risk.scanlaw import DAY_S, YEAR_S, Empirical, ScanLaw

KNOTS = 64
BODY_KNOTS = 32
TAIL_FROM = 0.98
TAIL_RATIO = 1e-3
"""Probability of the last knot's bin over that of the whole tail."""
BISECTIONS = 55
LONGEST_S = 1e12


@dataclass(frozen=True, slots=True, eq=False)
class Knots:
    """A distribution of seconds as points with weights; inf is "never"."""

    tau_s: F64
    """(K,) >= 0, inf allowed, increasing."""
    weight: F64
    """(K,) >= 0, sums to 1."""

    def __post_init__(self) -> None:
        """Copy, order, check and freeze."""
        tau, weight = np.array(self.tau_s, np.float64), np.array(self.weight, np.float64)
        if tau.ndim != 1 or tau.shape != weight.shape or not tau.size:
            raise RiskInputError(
                f"Knots: tau_s and weight must be equal rows, have {tau.shape} and {weight.shape}"
            )
        if not (tau >= 0).all():
            raise RiskInputError("Knots.tau_s: must be >= 0 seconds (inf allowed)")
        if not (weight >= 0).all() or abs(weight.sum() - 1.0) > 1e-9:
            raise RiskInputError(f"Knots.weight: must be >= 0 and sum to 1, sum is {weight.sum()}")
        order = np.argsort(tau, kind="stable")
        for name, values in (("tau_s", tau[order]), ("weight", weight[order] / weight.sum())):
            values.setflags(write=False)
            object.__setattr__(self, name, values)

    def quantile(self, p: float) -> float:
        """Smallest knot that arrives with probability of at least p; rounding of the weights aside."""
        if not 0 < p <= 1:
            raise RiskInputError(f"p: must be in (0, 1], was {p}")
        reached = np.cumsum(self.weight) >= p - 1e-12
        return float(self.tau_s[int(np.argmax(reached))]) if reached.any() else float(self.tau_s[-1])

    def probability_within(self, t_s: float) -> float:
        """P(tau <= t)."""
        if np.isnan(t_s):
            raise RiskInputError("t_s: must be a number of seconds, was nan")
        return float(self.weight[self.tau_s <= t_s].sum()) if t_s < np.inf else float(self._finite())

    def _finite(self) -> float:
        return float(self.weight[np.isfinite(self.tau_s)].sum())

    def shifted(self, delay_s: float) -> "Knots":
        """Every lag later by ``delay_s`` (earlier if negative), never below 0."""
        return Knots(np.maximum(self.tau_s + delay_s, 0.0), self.weight)


AT_ONCE = Knots(np.zeros(1), np.ones(1))
"""Same chain: no lag."""
NEVER = Knots(np.full(1, np.inf), np.ones(1))
"""A paused route."""


def mix(parts: tuple[tuple[float, Knots], ...]) -> Knots:
    """Mixture of states, weights given."""
    return Knots(
        np.concatenate([knots.tau_s for _, knots in parts]),
        np.concatenate([weight * knots.weight for weight, knots in parts]),
    )


@dataclass(frozen=True, slots=True)
class StressState:
    """The state of bad days: weight among the states, and what it multiplies."""

    weight: float
    latency_factor: float
    bad_weight_factor: float
    volatility_factor: float

    def __post_init__(self) -> None:
        """Bounds: a stress state never makes anything better."""
        if not 0 <= self.weight <= 1:
            raise RiskInputError(f"StressState.weight: must be in [0, 1], was {self.weight}")
        factors = (self.latency_factor, self.bad_weight_factor, self.volatility_factor)
        if not all(np.isfinite(factors)) or min(factors) < 1:
            raise RiskInputError(f"StressState: factors must be finite and at least 1, were {factors}")


MODEL_STRESS = StressState(weight=0.02, latency_factor=1.8, bad_weight_factor=5.0, volatility_factor=3.0)
"""For diffusion and cascade: latency and volatility rise together."""
EMPIRICAL_STRESS = StressState(weight=0.25, latency_factor=1.8, bad_weight_factor=5.0, volatility_factor=1.0)
"""For the empirical law: its tails hold the volatility of bad days already."""


def default_stress(law: ScanLaw) -> StressState:
    """Stress state that belongs to a scan law (RISK section 5)."""
    return EMPIRICAL_STRESS if isinstance(law, Empirical) else MODEL_STRESS


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Seconds: log-normal by its median and the standard deviation of its logarithm (0 = always the median)."""

    median_s: float
    log_sd: float

    def __post_init__(self) -> None:
        """Bounds."""
        if not (
            np.isfinite(self.median_s) and self.median_s > 0 and np.isfinite(self.log_sd) and self.log_sd >= 0
        ):
            raise RiskInputError(f"Lognormal: median must be positive and log_sd >= 0, was {self}")

    def cdf(self, t_s: F64) -> F64:
        """P(T <= t)."""
        position = np.log(np.maximum(t_s, 1e-9) / self.median_s)
        if self.log_sd == 0:
            return np.asarray(np.where(t_s >= self.median_s, 1.0, 0.0), np.float64)
        return np.asarray(np.where(t_s > 0, ndtr(position / self.log_sd), 0.0), np.float64)

    @classmethod
    def from_quartiles(cls, q1_s: float, median_s: float, q3_s: float, least_log_sd: float = 0.25) -> "Lognormal":
        """Lognormal through the median and the third quartile.

        The upper half decides how late money comes; the lower one may be another population (fast relayers).
        ``least_log_sd`` stands where published whole seconds show no spread.
        """
        if not 0 <= q1_s <= median_s <= q3_s:
            raise RiskInputError(f"quartiles: must be 0 <= q1 <= median <= q3, were {q1_s}, {median_s}, {q3_s}")
        middle = float(max(median_s, 0.5))
        return cls(middle, max(float(np.log(max(q3_s, middle) / middle) / ndtri(0.75)), least_log_sd))


OUTAGE = Lognormal(median_s=73 * 60.0, log_sd=0.96)
"""Length of L2 halts of 20 minutes or more: fit of nine outages, bridge-latency.md 1.3."""
# Not longer in the state of stress: the fit is of bad days already, stress makes outages more frequent.
OUTAGE_MEAN_S = 116 * 60.0


@dataclass(frozen=True, slots=True)
class LatencyLaw:
    """Latency of one directed route of one bridge, source transaction to destination transaction."""

    body: Lognormal
    slow_weight: float = 0.0
    slow: Lognormal = OUTAGE
    """Path taken when the fast one fails: slow fill, standard finality, manual execution."""
    outages_per_year: float = 2.0
    """Outages of either end together: one per chain and year."""
    pauses_per_year: float = 0.2
    pause_s: float = DAY_S
    """Least duration of a pause: whatever it catches does not arrive inside the horizon."""
    challenge_s: float = 0.0
    """Deterministic period before anything can arrive."""
    horizon_s: float = DAY_S

    def __post_init__(self) -> None:
        """Bounds; the weights of a calm day must leave room for the body."""
        for name in ("slow_weight", "outages_per_year", "pauses_per_year", "pause_s", "challenge_s"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 0):
                raise RiskInputError(f"LatencyLaw.{name}: must be finite and >= 0, was {value}")
        if not (np.isfinite(self.horizon_s) and self.horizon_s > 0):
            raise RiskInputError(f"LatencyLaw.horizon_s: must be positive, was {self.horizon_s}")
        if sum(self.bad_weights()) > 1:
            raise RiskInputError(
                f"LatencyLaw: slow, outage and pause weights sum to {sum(self.bad_weights())} > 1"
            )

    def bad_weights(self) -> tuple[float, float, float]:
        """(slow, outage, pause): 1 - exp(-rate (H + mean outage)) and rate (H + pause)."""
        outage = 1.0 - float(np.exp(-self.outages_per_year * (self.horizon_s + OUTAGE_MEAN_S) / YEAR_S))
        return self.slow_weight, outage, self.pauses_per_year * (self.horizon_s + self.pause_s) / YEAR_S

    def knots(self, stress: StressState | None = None) -> Knots:
        """Reduce the law to 64 knots, with ``stress`` in that state; a pause has its own knot of exact weight."""
        return _reduced(self, stress)

    def quantile(self, p: float) -> float:
        """Seconds within which a transfer arrives with probability p on a calm day; inf where a pause decides."""
        return self.knots().quantile(p)

    def probability_within(self, t_s: float) -> float:
        """P(T <= t) on a calm day."""
        return self.knots().probability_within(t_s)

    def paused(self) -> "LatencyLaw":
        """Return the law with a challenge period that never ends within any horizon."""
        return replace(self, challenge_s=LONGEST_S)


@lru_cache(maxsize=1024)
def _reduced(law: LatencyLaw, stress: StressState | None) -> Knots:
    latency, badness = (stress.latency_factor, stress.bad_weight_factor) if stress else (1.0, 1.0)
    slow, outage, pause = (badness * weight for weight in law.bad_weights())
    shrink = 1.0 / max(1.0, slow + outage + pause)
    parts = (
        (max(0.0, 1.0 - slow - outage - pause), _scaled(law.body, latency), 0.0),
        (slow * shrink, _scaled(law.slow, latency), 0.0),
        (outage * shrink, OUTAGE, law.body.median_s * latency),
    )
    finite = sum(weight for weight, _, _ in parts)
    never = max(0.0, 1.0 - finite)
    if finite < 1e-12:
        return NEVER
    middle, weight = _levels(KNOTS - 1 if never > 0 else KNOTS)
    tau = law.challenge_s + _invert(parts, middle * finite)
    if never == 0:
        return Knots(tau, weight)
    return Knots(np.append(tau, np.inf), np.append(weight * finite, never))


def _scaled(part: Lognormal, factor: float) -> Lognormal:
    return Lognormal(part.median_s * factor, part.log_sd)


def _levels(count: int) -> tuple[F64, F64]:
    """(middles, widths) of ``count`` bins of probability: 32 equal ones below 0.98, the rest geometric above."""
    body = np.linspace(0.0, TAIL_FROM, BODY_KNOTS + 1)
    tail = 1.0 - (1.0 - TAIL_FROM) * np.append(np.geomspace(1.0, TAIL_RATIO, count - BODY_KNOTS), 0.0)
    edges = np.append(body, tail[1:])
    return 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)


def _invert(parts: tuple[tuple[float, Lognormal, float], ...], levels: F64) -> F64:
    """Solve sum_k w_k F_k(t - shift_k) = level by bisection in log t, all levels at once; the upper end stands."""
    low, high = np.full(levels.shape, -12.0), np.full(levels.shape, float(np.log(LONGEST_S)))
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        seconds = np.exp(middle)
        reached = sum((weight * law.cdf(seconds - shift) for weight, law, shift in parts), np.zeros(levels.shape))
        low, high = np.where(reached < levels, middle, low), np.where(reached < levels, high, middle)
    return np.asarray(np.exp(high), np.float64)


# --- cure lag ---

REACT_S = {"keeper": 3.0, "on_call": 900.0, "unattended": 28_800.0}
"""Seconds from an alert to a signed transaction: an automated keeper, a person on call, nobody."""
INCLUSION_ETHEREUM_S = 12.0
INCLUSION_L2_S = 2.0
ETHEREUM = "eip155:1"


@dataclass(frozen=True, slots=True)
class Reaction:
    """What happens around the bridge: noticing, deciding, inclusion; ``grace_s`` is given back."""

    detect_s: float = 12.0
    react_s: float = REACT_S["keeper"]
    grace_s: float = 0.0
    """First percentile of breach to liquidation at the destination venue; oracle delay does not count."""

    def __post_init__(self) -> None:
        """Bounds."""
        for name in ("detect_s", "react_s", "grace_s"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 0):
                raise RiskInputError(f"Reaction.{name}: must be finite and >= 0, was {value}")


def inclusion_s(chain: str) -> float:
    """Usual wait for the next block of a chain (CAIP-2)."""
    return INCLUSION_ETHEREUM_S if chain == ETHEREUM else INCLUSION_L2_S


def cure_lag(
    knots: Knots,
    detect: float = 12.0,
    react: float = REACT_S["keeper"],
    source_inclusion: float = INCLUSION_L2_S,
    destination_inclusion: float = INCLUSION_L2_S,
    grace: float = 0.0,
) -> Knots:
    """(detect + react + source inclusion + T + destination inclusion - grace)+, seconds, knot by knot."""
    parts = (detect, react, source_inclusion, destination_inclusion, grace)
    if not all(np.isfinite(parts)) or min(parts) < 0:
        raise RiskInputError(f"cure_lag: delays must be finite and >= 0 seconds, were {parts}")
    return knots.shifted(detect + react + source_inclusion + destination_inclusion - grace)
