"""Where money should sit: a linear programme with recourse (RISK section 6, bridge-latency.md 3f).

    min  sum_e fee_e r_e + eta ES_q( sum_v y_v^s )
    k_v = c_v + sum_in (1 - fee) r - sum_out r                      dual: price of a dollar at v
    l_v^s - k_v - sum_in (1 - fee) f^s + sum_out f^s <= y_v^s       r, f, y >= 0
    r_e <= capacity_e,  sum_out r <= movable_v,  f_e^s <= capacity_e where it arrives in time, else 0

r is moved now, f after scenario s has begun. y is what is short in the end. The expected shortfall is linear
(Rockafellar and Uryasev 2000): ES = min_t t + sum_s (Y_s - t)+ / ((1 - q) S).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import optimize
from scipy.sparse import coo_array

from risk.checks import F64, Bool, as_floats, require
from risk.errors import RiskInputError

_linprog: Any = optimize.linprog  # its stubs know dense constraint matrices only


class Edge(NamedTuple):
    """One way for money from place to place (indices)."""

    source: int
    destination: int
    fee: float
    """Share that is lost."""
    capacity_usd: float


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Solution of the programme, US dollars."""

    moved: F64
    """(E,) r: what to move now, before fees."""
    held: F64
    """(V,) k: what each place then has."""
    price: F64
    """(V,) by how much one dollar more there lowers fees and shortfall together; 0 where it is of no use."""
    shortfall_es: float
    """Expected shortfall of what stays short although everything that arrives in time is sent."""
    fees: float
    objective: float


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Checked arguments."""

    held: F64
    losses: F64
    """(S, V)."""
    edges: tuple[Edge, ...]
    arrives: Bool
    """(S, E)."""
    movable: F64
    free: F64 | None
    """(S, V) what may leave each place once a scenario has happened; None: whatever it holds."""


def preposition(
    held_usd: F64,
    losses_usd: F64,
    edges: Sequence[Edge],
    arrives: npt.ArrayLike,
    *,
    movable_usd: F64 | None = None,
    free_usd: F64 | None = None,
    q: float = 0.975,
    eta: float = 1.0,
) -> Plan:
    """Solve the programme.

    Parameters
    ----------
    held_usd
        (V,) what each place can lose before it is short: its surplus, or the balance of a wallet.
    losses_usd
        (S, V) loss of each in equally likely scenarios; gains are negative.
    arrives
        (S, E) or (E,): whether an edge delivers before the destination is liquidated in that scenario.
    movable_usd
        (V,) what may leave each place now; None: all that is held.
    free_usd
        (S, V) what its venue lets out in each scenario (``risk.movable``); None: no further limit.

    Raises
    ------
    RiskInputError
        For shapes, an edge to itself or to an unknown place, a fee outside [0, 1), a negative capacity.
    """
    problem = _checked(held_usd, losses_usd, edges, arrives, movable_usd, free_usd)
    if not (0 <= q < 1 and np.isfinite(eta) and eta >= 0):
        raise RiskInputError(f"q, eta: must be in [0, 1) and >= 0, were {q}, {eta}")
    return _Programme(problem, q, eta).solve()


def _checked(
    held: F64, losses: F64, edges: Sequence[Edge], arrives: npt.ArrayLike, movable: F64 | None, later: F64 | None
) -> Problem:
    held = as_floats("held_usd", held, (np.size(held),))
    require("held_usd", held, ~np.isfinite(held), "finite")
    losses = np.asarray(losses, np.float64)
    if losses.ndim != 2 or losses.shape[1] != len(held) or not len(losses):
        raise RiskInputError(f"losses_usd: must be (scenarios, {len(held)}), is {losses.shape}")
    require("losses_usd", losses, ~np.isfinite(losses), "finite")
    for number, edge in enumerate(edges):
        _check_edge(number, edge, len(held))
    try:
        there = np.broadcast_to(np.asarray(arrives, bool), (len(losses), len(edges)))
    except ValueError:
        raise RiskInputError(
            f"arrives: {np.shape(arrives)} does not fit {len(losses)} scenarios and {len(edges)} edges"
        ) from None
    free = np.maximum(held, 0.0) if movable is None else as_floats("movable_usd", movable, (len(held),))
    require("movable_usd", free, ~(np.isfinite(free) & (free >= 0)), "finite and >= 0")
    if later is not None:
        later = as_floats("free_usd", later, losses.shape)
        require("free_usd", later, ~(np.isfinite(later) & (later >= 0)), "finite and >= 0")
    return Problem(held, losses, tuple(edges), there, free, later)


def _check_edge(number: int, edge: Edge, places: int) -> None:
    name = f"edges[{number}]"
    if not (0 <= edge.source < places and 0 <= edge.destination < places):
        raise RiskInputError(f"{name}: {edge.source} to {edge.destination}, there are {places} places")
    if edge.source == edge.destination:
        raise RiskInputError(f"{name}: source and destination are both {edge.source}")
    if not 0 <= edge.fee < 1:
        raise RiskInputError(f"{name}.fee: must be in [0, 1), was {edge.fee}")
    if not edge.capacity_usd >= 0:
        raise RiskInputError(f"{name}.capacity_usd: must be >= 0, was {edge.capacity_usd}")


class _Programme:
    """Columns: r (E), k (V), y (n), f (m), t, z (S'). Rows as in the module's text.

    Scenarios in which no place can lose need no rows: nothing is short in them. Money is sent only to places that
    lose in the scenario, because no other can be short after a transfer that it did not need.
    """

    def __init__(self, problem: Problem, q: float, eta: float) -> None:
        self.p, self.q, self.eta = problem, q, eta
        self.E, self.V = len(problem.edges), len(problem.held)
        self.scale = max(1.0, float(np.abs(problem.losses).max()), float(np.abs(problem.held).max()))
        source = np.array([e.source for e in problem.edges], np.intp)
        destination = np.array([e.destination for e in problem.edges], np.intp)
        self.source, self.destination = source, destination
        self.kept = 1.0 - np.array([e.fee for e in problem.edges], np.float64)
        self.capacity = np.array([e.capacity_usd for e in problem.edges], np.float64) / self.scale
        self.live = np.flatnonzero((problem.losses > np.minimum(problem.held, 0.0)).any(axis=1))
        losses = problem.losses[self.live]
        usable = problem.arrives[self.live] & (self.capacity > 0)
        if self.E:
            usable = usable & (losses[:, destination] > np.minimum(problem.held, 0.0)[destination])
        self.f_scenario, self.f_edge = np.nonzero(usable)
        self.losses = losses / self.scale

    def solve(self) -> Plan:
        """HiGHS; the feasible set is never empty, because y is free upwards."""
        live, E, V, m = len(self.live), self.E, self.V, len(self.f_edge)
        r, k, y = 0, E, E + V
        f, t = y + live * V, y + live * V + m
        z, columns = t + 1, t + 1 + live
        cost = np.zeros(columns)
        cost[r:k] = 1.0 - self.kept
        cost[t] = self.eta
        cost[z:] = self.eta / ((1.0 - self.q) * len(self.p.losses))
        upper = np.full(columns, np.inf)
        upper[r:k] = self.capacity
        upper[f:t] = self.capacity[self.f_edge]
        lower = np.zeros(columns)
        lower[k:y] = -np.inf
        answer = _linprog(
            cost, A_ub=self._upper_rows(k, y, f, t, z, columns), b_ub=self._upper_bounds(),
            A_eq=self._balance(k, columns), b_eq=self.p.held / self.scale,
            bounds=np.column_stack([lower, upper]), method="highs",
        )  # fmt: skip
        if answer.x is None:
            raise RiskInputError(f"preposition: no solution ({answer.message})")
        x = np.asarray(answer.x)
        moved = x[r:k] * self.scale
        es = (x[t] + x[z:].sum() / ((1.0 - self.q) * len(self.p.losses))) * self.scale
        return Plan(
            moved=np.where(moved > 1e-9 * self.scale, moved, 0.0),
            held=x[k:y] * self.scale,
            price=np.maximum(0.0, -np.asarray(answer.eqlin.marginals)),
            shortfall_es=max(0.0, float(es)),
            fees=float(((1.0 - self.kept) * moved).sum()),
            objective=float(answer.fun) * self.scale,
        )

    def _balance(self, k: int, columns: int) -> coo_array:
        """k_v - sum_in (1 - fee) r + sum_out r = c_v."""
        E, V = self.E, self.V
        rows = np.concatenate([np.arange(V), self.destination, self.source])
        at = np.concatenate([k + np.arange(V), np.arange(E), np.arange(E)])
        data = np.concatenate([np.ones(V), -self.kept, np.ones(E)])
        return coo_array((data, (rows, at)), shape=(V, columns))

    def _upper_rows(self, k: int, y: int, f: int, t: int, z: int, columns: int) -> coo_array:
        """Deficits (S' V), expected shortfall (S'), what may leave now (V)."""
        live, V, m = len(self.live), self.V, len(self.f_edge)
        place = np.arange(live * V)
        deficit_rows = np.concatenate([
            place, place, self.f_scenario * V + self.destination[self.f_edge],
            self.f_scenario * V + self.source[self.f_edge],
        ])  # fmt: skip
        deficit_at = np.concatenate([k + place % V, y + place, f + np.arange(m), f + np.arange(m)])
        deficit = np.concatenate([-np.ones(2 * live * V), -self.kept[self.f_edge], np.ones(m)])
        base = live * V
        tail_rows = base + np.concatenate([place // V, np.arange(live), np.arange(live)])
        tail_at = np.concatenate([y + place, np.full(live, t), z + np.arange(live)])
        tail = np.concatenate([np.ones(live * V), -np.ones(2 * live)])
        rows = np.concatenate([deficit_rows, tail_rows, base + live + self.source])
        at = np.concatenate([deficit_at, tail_at, np.arange(self.E)])
        data = np.concatenate([deficit, tail, np.ones(self.E)])
        height = base + live + V
        if self.p.free is not None:  # what leaves a place after the scenario
            rows = np.concatenate([rows, height + self.f_scenario * V + self.source[self.f_edge]])
            at, data = np.concatenate([at, f + np.arange(m)]), np.concatenate([data, np.ones(m)])
            height += live * V
        return coo_array((data, (rows, at)), shape=(height, columns))

    def _upper_bounds(self) -> F64:
        live = len(self.live)
        bounds = [-self.losses.ravel(), np.zeros(live), self.p.movable / self.scale]
        if self.p.free is not None:
            bounds.append(self.p.free[self.live].ravel() / self.scale)
        return np.concatenate(bounds)
