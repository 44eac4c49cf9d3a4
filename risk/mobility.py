"""Mobility: how much of a day's worst move strikes before money from elsewhere can arrive (RISK section 5).

``G`` is the buffer, in daily volatilities, that a cure lag knocks out with probability 1 - q; ``g`` is its share
of the buffer of the whole horizon: 0 on one chain, 1 where nothing can help.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from risk.checks import F64, between
from risk.errors import RiskInputError
from risk.latency import Knots, Reaction, StressState, cure_lag, default_stress, inclusion_s, mix
from risk.routes import Route
from risk.scanlaw import DAY_S, ScanLaw

KAPPA = 1.10
"""Dead band of the keeper: with more than two venues the plain ratio is exceeded too often."""
CONFIDENCE = 0.99
BRACKETS = 60
BISECTIONS = 50


def G(  # noqa: N802 - the letter of the formula
    law: ScanLaw,
    knots_by_state: Sequence[Knots],
    weights_by_state: Sequence[float],
    sigma_ratio: Sequence[float],
    horizon_s: float = DAY_S,
    q: float = CONFIDENCE,
) -> float:
    """inf{b : sum_r pi_r sum_j w_j P(M(min(tau_rj, H)) > b / sigma_r) <= 1 - q}, in daily volatilities.

    Parameters
    ----------
    law
        Law of the worst move.
    knots_by_state, weights_by_state, sigma_ratio
        Per state r: cure lags, probability of the state, volatility over the present one.
    """
    tau = np.concatenate([knots.tau_s for knots in knots_by_state])
    weight = np.concatenate([w * knots.weight for w, knots in zip(weights_by_state, knots_by_state, strict=True)])
    ratio = np.repeat(np.asarray(sigma_ratio, np.float64), [len(knots.tau_s) for knots in knots_by_state])
    _check_weights(np.asarray(weights_by_state, np.float64))
    return float(buffers(law, tau[None, :], weight[None, :], ratio[None, :], horizon_s, q)[0])


def _check_weights(weights: F64) -> None:
    if not (weights >= 0).all() or abs(float(weights.sum()) - 1.0) > 1e-9:
        raise RiskInputError(f"weights_by_state: must be >= 0 and sum to 1, were {weights.tolist()}")


def buffers(law: ScanLaw, tau_s: F64, weight: F64, ratio: F64, horizon_s: float, q: float) -> F64:
    """Return G of many routes at once: (R, J) lags, weights and volatility ratios to (R,) buffers."""
    if not 0.5 <= q < 1:
        raise RiskInputError(f"q: must be in [0.5, 1), was {q}")
    exceedance = law.at(np.minimum(tau_s, horizon_s), horizon_s)

    def exceeded(b: F64) -> npt.NDArray[np.bool_]:
        return np.asarray((weight * exceedance(b[:, None], ratio)).sum(axis=1) > 1.0 - q)

    low = np.zeros(len(tau_s))
    high = np.ones(len(tau_s))
    for _ in range(BRACKETS):
        beyond = exceeded(high)
        if not beyond.any():
            break
        low, high = np.where(beyond, high, low), np.where(beyond, 2.0 * high, high)
    else:
        raise RiskInputError(f"G: no buffer up to {high.max():g} daily volatilities reaches confidence {q}")
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        beyond = exceeded(middle)
        low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
    return np.where(exceeded(np.zeros(len(tau_s))), high, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Lag:
    """One open route with its cure lags on a calm and on a bad day."""

    route: Route
    calm: Knots
    stress: Knots
    g: float
    """Share of the horizon's buffer, kappa applied, one direction."""

    def mixture(self, state: StressState) -> Knots:
        """Cure lag over both states."""
        return mix(((1.0 - state.weight, self.calm), (state.weight, self.stress)))


@dataclass(frozen=True, slots=True, eq=False)
class Mobility:
    """What can move between chains; depends on routes and settings only, so callers keep it between cycles."""

    chains: tuple[str, ...]
    g: F64
    """(C, C) symmetric, 0 on the diagonal, 1 without an open route."""
    lags: Mapping[tuple[str, str], tuple[Lag, ...]]
    """Open routes by (source, destination), smallest g first."""
    stress: StressState
    reaction: Reaction
    kappa: float
    confidence: float
    horizon_s: float

    def between(self, source: str, destination: str) -> tuple[Lag, ...]:
        """Open routes of a directed pair; empty where there is none."""
        return self.lags.get((source, destination), ())


def is_open(route: Route, paused: Collection[str]) -> bool:
    """Whether no item of ``paused`` (a bridge's name or a chain's CAIP-2 id) concerns the route."""
    return not {route.bridge, route.source, route.destination} & set(paused)


def mobility(
    chains: Sequence[str],
    routes: Sequence[Route],
    law: ScanLaw,
    kappa: float = KAPPA,
    reaction: Reaction | None = None,
    paused: Collection[str] = (),
    *,
    stress: StressState | None = None,
    horizon_s: float = DAY_S,
    q: float = CONFIDENCE,
) -> Mobility:
    """Cure lags and g of every open route between ``chains`` (CAIP-2), and the matrix of the best ones.

    ``paused`` names bridges and chains that are down: their routes are gone at once. ``stress`` None takes the
    state that belongs to the law.
    """
    if not (np.isfinite(kappa) and kappa >= 1):
        raise RiskInputError(f"kappa: must be at least 1, was {kappa}")
    if len(set(chains)) != len(chains):
        raise RiskInputError(f"chains: each once, were {list(chains)}")
    state = default_stress(law) if stress is None else stress
    usable = [r for r in routes if {r.source, r.destination} <= set(chains) and is_open(r, paused)]
    around = reaction or Reaction()
    states = [_both_states(route, around, state) for route in usable]
    shares = _shares(law, states, state, horizon_s, q)
    lags: dict[tuple[str, str], list[Lag]] = {}
    for route, (calm, bad), share in zip(usable, states, shares, strict=True):
        found = Lag(route, calm, bad, float(min(1.0, kappa * share)))
        lags.setdefault((route.source, route.destination), []).append(found)
    ordered = {pair: tuple(sorted(options, key=lambda lag: lag.g)) for pair, options in lags.items()}
    return Mobility(tuple(chains), _matrix(chains, ordered), ordered, state, around, kappa, q, horizon_s)


def g_matrix(
    chains: Sequence[str],
    routes: Sequence[Route],
    law: ScanLaw,
    kappa: float = KAPPA,
    reaction: Reaction | None = None,
    paused: Collection[str] = (),
) -> F64:
    """(C, C) g of the best open route, the larger of both directions; see ``mobility``."""
    return mobility(chains, routes, law, kappa, reaction, paused).g


def _both_states(route: Route, reaction: Reaction, state: StressState) -> tuple[Knots, Knots]:
    """Cure lags of a route on a calm and on a bad day; blocks are slower on a bad day too."""

    def lag(knots: Knots, factor: float) -> Knots:
        ends = (factor * inclusion_s(route.source), factor * inclusion_s(route.destination))
        return cure_lag(knots, reaction.detect_s, reaction.react_s, *ends, reaction.grace_s)

    return lag(route.law.knots(), 1.0), lag(route.law.knots(state), state.latency_factor)


def _shares(
    law: ScanLaw, states: Sequence[tuple[Knots, Knots]], state: StressState, horizon_s: float, q: float
) -> F64:
    """(R,) G(route) / G(H), both over the same two states."""
    if not states:
        return np.zeros(0)
    width = max(len(knots.tau_s) for pair in states for knots in pair)
    tau = np.zeros((len(states) + 1, 2, width))
    weight = np.zeros_like(tau)
    for row, pair in enumerate(states):
        for column, (knots, share) in enumerate(zip(pair, (1.0 - state.weight, state.weight), strict=True)):
            tau[row, column, : len(knots.tau_s)] = knots.tau_s
            weight[row, column, : len(knots.tau_s)] = share * knots.weight
    tau[-1], weight[-1, :, 0] = horizon_s, (1.0 - state.weight, state.weight)
    ratio = np.broadcast_to(np.array([1.0, state.volatility_factor])[:, None], tau.shape[1:]).reshape(1, -1)
    flat = (len(tau), -1)
    found = buffers(law, tau.reshape(flat), weight.reshape(flat), ratio, horizon_s, q)
    return np.asarray(found[:-1] / found[-1], np.float64)


def _matrix(chains: Sequence[str], lags: Mapping[tuple[str, str], tuple[Lag, ...]]) -> F64:
    """Best route per direction, then the larger of both directions."""
    one_way = np.ones((len(chains), len(chains)))
    np.fill_diagonal(one_way, 0.0)
    for i, source in enumerate(chains):
        for j, destination in enumerate(chains):
            options = lags.get((source, destination), ())
            if i != j and options:
                one_way[i, j] = options[0].g
    both = np.maximum(one_way, one_way.T)
    both.setflags(write=False)
    return both


def account_g(g: F64, chain_of_account: npt.ArrayLike) -> F64:
    """(V, V) g between venue accounts from the (C, C) matrix and the chain index of each account."""
    between("g", g, 0.0)
    index = np.asarray(chain_of_account, np.intp)
    return np.asarray(g[np.ix_(index, index)], dtype=np.float64)
