"""Where the portfolio's money should sit: the programme of ``risk.preposition`` over its accounts."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from aggregator.advice.model import Movable
from aggregator.advice.movable import movable_usd
from aggregator.advice.scene import Scene
from aggregator.model import HORIZONS_S
from aggregator.rounding import down, nearest
from risk.checks import F64
from risk.preposition import Edge, Plan, preposition

Q = 0.975
LEAST_USD = 100.0


@dataclass(frozen=True, slots=True)
class Placement:
    """Price of a dollar by chain, and the transfers that the programme would make now."""

    price: dict[str, Decimal]
    transfers: tuple[str, ...]
    movable: tuple[Movable, ...] = ()


def placement(scene: Scene) -> Placement:
    """Without prices and transfers where fewer than two accounts could be revalued.

    Every route that delivers within the horizon is an edge. After a shock has begun it helps only where the
    destination outlasts the scenario until the money is there, at the confidence and on a bad day.
    """
    places = sorted(scene.help.place, key=lambda name: scene.help.place[name])
    free = movable_usd(scene, places)
    lines = _lines(scene, places, free)
    if len(places) < 2:
        return Placement({}, (), lines)
    rows = np.array([scene.assembled.rows[name] for name in places])
    accounts = {account.id: account for account in scene.accounts}
    chains: list[str] = [accounts[name].at.chain for name in places]
    edges, names, lags = _edges(scene, chains)
    losses = scene.figures.loss[rows].T
    needy = np.array([bool(accounts[name].mm_requirement_usd) for name in places])
    losses = np.where(needy, losses, 0.0)  # what owes nothing cannot be short
    surplus = scene.assembled.arrays.surplus[rows]
    to = np.array([edge.destination for edge in edges], dtype=np.intp)
    arrives = np.array(lags)[None, :] <= outlasted_s(losses, surplus, scene.model.horizon_scale)[:, to]
    held = np.where(needy, scene.assembled.arrays.surplus[rows], scene.help.movable_usd)
    plan = preposition(held, losses, edges, arrives, movable_usd=scene.help.movable_usd, free_usd=free.T, q=Q)
    price = {
        chain: nearest(max(float(plan.price[i]) for i, c in enumerate(chains) if c == chain and needy[i]))
        for chain in dict.fromkeys(chains)
        if any(needy[i] for i, c in enumerate(chains) if c == chain)
    }
    return Placement(price, _words(plan, edges, names, places), lines)


def _lines(scene: Scene, places: Sequence[str], free: F64) -> tuple[Movable, ...]:
    worst = free.argmin(axis=1) if free.size else np.zeros(0, dtype=np.intp)
    return tuple(
        Movable(
            account=name,
            now_usd=down(float(scene.help.movable_usd[row])),
            least_usd=down(float(free[row, worst[row]])),
            scenario=scene.figures.scenarios.labels[int(worst[row])],
        )
        for row, name in enumerate(places)
    )


def outlasted_s(losses: F64, surplus: F64, scale: F64) -> F64:
    """(S, V) seconds until a scenario that unfolds over the horizon eats the surplus; inf where it never does.

    ``scale`` is the adverse move at each of ``HORIZONS_S`` over the one at the horizon.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(losses > 0, np.maximum(surplus, 0.0) / losses, np.inf)
    times = np.exp(np.interp(share, scale, np.log(HORIZONS_S)))
    return np.asarray(np.where(share >= 1.0, np.inf, np.where(share < scale[0], 0.0, times)), dtype=np.float64)


def _edges(scene: Scene, chains: Sequence[str]) -> tuple[list[Edge], list[str], list[float]]:
    mobility = scene.model.mobility(scene.paused)
    edges, names, lags = [], [], []
    for u, source in enumerate(chains):
        for v, destination in enumerate(chains):
            if u == v:
                continue
            if source == destination:
                edges.append(Edge(u, v, 0.0, 1e12))
                names.append("same chain")
                lags.append(mobility.reaction.detect_s + mobility.reaction.react_s)
            for way in mobility.between(source, destination):
                lag = way.stress.quantile(mobility.confidence)
                if lag <= mobility.horizon_s:
                    edges.append(Edge(u, v, way.route.fee_bps / 10_000.0, way.route.capacity_usd))
                    names.append(way.route.bridge)
                    lags.append(lag)
    return edges, names, lags


def _words(plan: Plan, edges: list[Edge], names: list[str], places: list[str]) -> tuple[str, ...]:
    return tuple(
        f"move ${amount:,.0f} from {places[edge.source]} to {places[edge.destination]} ({name})"
        for amount, edge, name in zip(plan.moved.tolist(), edges, names, strict=True)
        if amount > LEAST_USD
    )
