"""The acceptance test of RISK section 8: margins under a real keeper, cell by cell, with controls that must fail.

A cell is a book, a law of prices and lags, and a rule that says how much margin there is and where. The unified
rule has to keep every venue's share of days with a knock-out within [0, 1.5 %] at a target of 1 % (floors and
buffers are per venue, so the target is too). The share with any knock-out stands beside it and, where the legs
hedge each other, has to be above 0.05 %: a margin that never fails was not tested. Rules known to be wrong have to
exceed 2 %.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from risk.checks import F64, between, number
from risk.errors import RiskInputError
from risk.latency import MODEL_STRESS, NEVER, Knots, cure_lag, mix
from risk.mobility import KAPPA, G
from risk.routes import Route
from risk.scanlaw import YEAR_S, Cascade, Diffusion, JumpKind, ScanLaw
from risk.simulate import KeeperBook, MarketState, knock_outs
from risk.unified import worst_of

VOLATILITY = 0.60
"""Per year of 365.25 days, as in the worked example."""
SIGMA = VOLATILITY / float(np.sqrt(YEAR_S / 86_400.0))
MOST, LEAST, CONTROL_LEAST = 0.015, 0.0005, 0.02
GAPS = (JumpKind(24, 0.0, 0.04, 0.0),)
CASCADES = (JumpKind(24, 0.0, 0.04, 1_800.0),)
PAIRS = ((1.0, 1.0), (0.9, 1.0), (0.8, 0.5), (0.5, 1.0), (0.0, 1.0), (-0.5, 1.0))
"""(correlation of the prices, size of the short leg over the long one)."""
LAGS_S = (120.0, 1_200.0, 3_600.0, 14_400.0)
MIXTURE_STEP_S = 60.0
OTHERS = np.array([[0.0, 1.0], [1.0, 0.0]])


class Bound(StrEnum):
    """What a cell has to show."""

    WITHIN = "within"
    """At most 1.5 %."""
    HEDGED = "hedged"
    """Between 0.05 % and 1.5 %."""
    CONTROL = "control"
    """A wrong rule: more than 2 %."""


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """One row of the table."""

    name: str
    bound: Bound
    book: KeeperBook
    step_s: float
    effort: float = 1.0
    """Paths of this cell over the usual number: short lags need fine grids."""


class Outcome(NamedTuple):
    """Measured shares of days with a knock-out."""

    name: str
    bound: Bound
    paths: int
    rate: float
    """Of the venue that fares worst; judged against the upper bounds."""
    low: float
    """99 % Wilson interval of ``rate``."""
    high: float
    any_rate: float
    """Of at least one venue; judged against the lower bound."""
    passed: bool


def run_cell(cell: Cell, seed: np.random.SeedSequence, paths: int) -> Outcome:
    """Simulate one cell; the seed decides everything."""
    count = max(1_000, round(paths * cell.effort))
    hit = knock_outs(cell.book, np.random.default_rng(seed), count, cell.step_s)
    worst, any_rate = int(hit.sum(axis=0).max()), float(hit.any(axis=1).mean())
    rate, (low, high) = worst / count, wilson(worst, count)
    passed = {
        Bound.WITHIN: rate <= MOST,
        Bound.HEDGED: rate <= MOST and any_rate >= LEAST,
        Bound.CONTROL: rate > CONTROL_LEAST,
    }[cell.bound]
    return Outcome(cell.name, cell.bound, count, rate, low, high, any_rate, passed)


def wilson(hits: int, count: int, z: float = 2.5758) -> tuple[float, float]:
    """Wilson's interval of a share."""
    number("z", z, 0.0, 100.0)
    p, zz = hits / count, z * z / count
    middle, half = p + zz / 2, z * np.sqrt(p * (1 - p) / count + zz / (4 * count))
    return float(max(0.0, (middle - half) / (1 + zz))), float((middle + half) / (1 + zz))


# --- margins ---


def cells(routes: tuple[Route, ...]) -> tuple[Cell, ...]:
    """All rows: diffusion, gaps, cascades, three venues, wrong-way mixtures, controls."""
    return (*_diffusion(), *_jumps(), *_three_venues(), *_mixtures(routes), *_controls(routes))


def reduced(every: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """Rows that a short run keeps: lags of 20 min and more, each kind once, and all controls."""
    wanted = (
        "corr 1.0, lag 1 h",
        "corr 0.9, lag 20 min",
        "corr 0.9, lag 1 h",
        "corr -0.5, lag 4 h",
        "three venues",
    )
    return tuple(c for c in every if c.bound is Bound.CONTROL or any(part in c.name for part in wanted))


def _certain(tau_s: float) -> Knots:
    return Knots(np.array([tau_s]), np.ones(1))


def share(law: ScanLaw, tau_s: float, kappa: float = KAPPA) -> float:
    """Mobility g of a certain lag."""
    number("kappa", kappa, 0.0, 100.0)
    return min(1.0, kappa * G(law, [_certain(tau_s)], [1.0], [1.0]) / G(law, [NEVER], [1.0], [1.0]))


def buffer_of_day(law: ScanLaw) -> float:
    """Isolated buffer per unit of exposure."""
    return SIGMA * G(law, [NEVER], [1.0], [1.0])


def placement(losses: F64, g: F64) -> F64:
    """Where the margin sits: each layer of R_uni inside the component that needs it.

    A component's share goes to its accounts by their isolated risk. The floors are then held and the sum is R_uni;
    spread any other way the same total fails (RISK section 5).
    """
    between("losses", losses)
    between("g", g, 0.0)
    isolated = worst_of(losses)
    heights = np.unique(np.append(np.minimum(g, 1.0), (0.0, 1.0)))
    placed = np.zeros(len(losses))
    for low, high in pairwise(heights.tolist()):
        linked = (g <= low) | np.eye(len(losses), dtype=bool)
        for k in range(len(losses)):
            linked |= linked[:, k, None] & linked[None, k, :]
        for members in {tuple(np.flatnonzero(row).tolist()) for row in linked}:
            at = list(members)
            own = isolated[at]
            risk = float(worst_of(losses[at].sum(axis=0)))
            placed[at] += (high - low) * risk * (own / own.sum() if own.sum() > 0 else 0.0)
    return placed


def _pair(correlation: float, ratio: float) -> tuple[F64, F64]:
    return np.array([1.0, -ratio]), np.array([[1.0, correlation], [correlation, 1.0]])


def _netted(exposure: F64, matrix: F64) -> float:
    """R_net of a book whose jumps, if any, cancel: diffusion of what remains."""
    return buffer_of_day(Diffusion()) * float(np.sqrt(max(0.0, float(exposure @ matrix @ exposure))))


def pair_book(
    correlation: float, ratio: float, tau_s: float, law: ScanLaw, jumps: tuple[JumpKind, ...] = ()
) -> KeeperBook:
    """Long one, short ``ratio`` of another, each at its own venue, margined by the unified rule.

    With jumps both legs must be of one size: they then cancel in the netted loss.
    """
    number("correlation", correlation, -1.0, 1.0)
    number("ratio", ratio, 0.0, 1e6)
    exposure, matrix = _pair(correlation, ratio)
    losses = pair_losses(np.abs(exposure) * buffer_of_day(law), _netted(exposure, matrix))
    placed = placement(losses, share(law, tau_s) * OTHERS)
    return KeeperBook(exposure, matrix, placed, np.full((2, 2), tau_s), ((1.0, MarketState(SIGMA)),), jumps)


def pair_losses(isolated: F64, net: float) -> F64:
    """Two scenarios in which each leg in turn loses its isolated buffer and both together the netted one."""
    between("isolated", isolated)
    number("net", net, -1e30, 1e30)
    return np.array([[isolated[0], net - isolated[1]], [net - isolated[0], isolated[1]]])


def _words(tau_s: float) -> str:
    return f"{tau_s / 60:g} min" if tau_s < 3_600 else f"{tau_s / 3_600:g} h"


def _step(tau_s: float, correlation: float) -> float:
    """Grid: a perfect hedge lives on its lag alone and needs a finer one."""
    return max(tau_s / (48.0 if correlation == 1.0 else 20.0), 2.5)


def _bound(correlation: float) -> Bound:
    return Bound.HEDGED if correlation > 0 else Bound.WITHIN


def _diffusion() -> tuple[Cell, ...]:
    return tuple(
        Cell(
            f"diffusion, corr {correlation}, lag {_words(tau)}" + ("" if ratio == 1 else f", half size {ratio}"),
            _bound(correlation),
            pair_book(correlation, ratio, tau, Diffusion()),
            _step(tau, correlation),
            effort=(0.25 if correlation == 1.0 else 0.2) if tau < 600 else 0.6,
        )
        for correlation, ratio in PAIRS
        for tau in LAGS_S
    )


def _jumps() -> tuple[Cell, ...]:
    found = []
    for name, kinds in (("gaps", GAPS), ("cascades", CASCADES)):
        law = Cascade(SIGMA, kinds)
        for correlation in (0.9, 0.5, 1.0):
            for tau in (1_200.0, 3_600.0):
                book = pair_book(correlation, 1.0, tau, law, kinds)
                label = f"{name}, corr {correlation}, lag {_words(tau)}"
                found.append(Cell(label, Bound.HEDGED, book, _step(tau, correlation), effort=0.5))
    return tuple(found)


def _three_venues() -> tuple[Cell, ...]:
    """Sizes 1, -0.6, -0.4 of one price; the third venue is slow both ways."""
    found = []
    for fast, slow in ((120.0, 3_600.0), (600.0, 3_600.0), (600.0, 14_400.0)):
        exposure, lag = np.array([1.0, -0.6, -0.4]), np.full((3, 3), slow)
        lag[0, 1] = lag[1, 0] = fast
        g = np.vectorize(lambda tau: share(Diffusion(), float(tau)))(lag) * (1.0 - np.eye(3))
        losses = np.outer(exposure, np.array([1.0, -1.0])) * buffer_of_day(Diffusion())
        book = KeeperBook(exposure, np.ones((3, 3)), placement(losses, g), lag, ((1.0, MarketState(SIGMA)),))
        label = f"three venues, lags {_words(fast)} and {_words(slow)}"
        found.append(Cell(label, Bound.HEDGED, book, fast / 20.0, effort=0.2 if fast < 600 else 0.4))
    return tuple(found)


# --- latency laws: bad days are slow days ---


class Wrong(NamedTuple):
    """Two kinds of day with their lags."""

    calm: Knots
    bad: Knots

    @property
    def states(self) -> tuple[tuple[float, MarketState], ...]:
        """Volatility and latency rise together."""
        weight = MODEL_STRESS.weight
        return (
            (1.0 - weight, MarketState(SIGMA, self.calm)),
            (weight, MarketState(SIGMA * MODEL_STRESS.volatility_factor, self.bad)),
        )

    def share(self, rule: Callable[[Knots], Knots] = lambda knots: knots) -> float:
        """Mobility g over both states; ``rule`` may replace the lags by a wrong idea of them."""
        weights = [1.0 - MODEL_STRESS.weight, MODEL_STRESS.weight]
        ratio = [1.0, MODEL_STRESS.volatility_factor]
        route = G(Diffusion(), [rule(self.calm), rule(self.bad)], weights, ratio)
        return min(1.0, KAPPA * route / G(Diffusion(), [NEVER, NEVER], weights, ratio))

    def day(self) -> float:
        """Isolated buffer per unit over both states."""
        weights = [1.0 - MODEL_STRESS.weight, MODEL_STRESS.weight]
        return SIGMA * G(Diffusion(), [NEVER, NEVER], weights, [1.0, MODEL_STRESS.volatility_factor])


def wrong_way(route: Route) -> Wrong:
    """Lags of a route under a keeper, calm and bad."""
    return Wrong(cure_lag(route.law.knots()), cure_lag(route.law.knots(MODEL_STRESS)))


def route_named(routes: tuple[Route, ...], bridge: str) -> Route:
    """Route of a bridge from Arbitrum to OP Mainnet; raises RiskInputError."""
    for route in routes:
        if (route.bridge, route.source, route.destination) == (bridge, "eip155:42161", "eip155:10"):
            return route
    raise RiskInputError(f"routes: no {bridge} from eip155:42161 to eip155:10, which the acceptance test needs")


def _mixture_book(wrong: Wrong, g: float, correlation: float, *, new_lag_each_time: bool) -> KeeperBook:
    exposure, matrix = _pair(correlation, 1.0)
    net = wrong.day() * float(np.sqrt(max(0.0, float(exposure @ matrix @ exposure))))
    placed = placement(pair_losses(np.abs(exposure) * wrong.day(), net), g * OTHERS)
    none = np.zeros((2, 2))
    return KeeperBook(exposure, matrix, placed, none, wrong.states, (), new_lag_each_time)


MIXTURE_BRIDGES = ("across", "stargate_taxi", "cctp_v2_standard", "ccip")


def _mixtures(routes: tuple[Route, ...]) -> tuple[Cell, ...]:
    found = []
    for bridge in MIXTURE_BRIDGES:
        wrong = wrong_way(route_named(routes, bridge))
        for lasting in (True, False):
            book = _mixture_book(wrong, wrong.share(), 0.9, new_lag_each_time=not lasting)
            label = f"wrong-way {bridge}, {'one lag a day' if lasting else 'a lag each time'}"
            found.append(Cell(label, Bound.WITHIN, book, MIXTURE_STEP_S, effort=0.5))
    return tuple(found)


# --- rules that must fail ---


def _controls(routes: tuple[Route, ...]) -> tuple[Cell, ...]:
    found = []
    for tau in LAGS_S[1:]:
        book = pair_book(0.9, 1.0, tau, Diffusion())
        net = _netted(book.exposure, book.correlation)
        wrong = replace(book, placed=book.placed / book.placed.sum() * net)
        label = f"plain netted margin, corr 0.9, lag {_words(tau)}"
        found.append(Cell(label, Bound.CONTROL, wrong, max(tau / 20.0, 30.0), effort=0.2))
    found.append(_median_only(wrong_way(route_named(routes, "across"))))
    found.append(_pi_weighted(wrong_way(route_named(routes, "cctp_v2_standard"))))
    return tuple(found)


def _median_only(wrong: Wrong) -> Cell:
    g = wrong.share(lambda knots: _certain(knots.quantile(0.5)))
    book = _mixture_book(wrong, g, 1.0, new_lag_each_time=True)
    return Cell("median lag only, across, corr 1.0", Bound.CONTROL, book, MIXTURE_STEP_S, effort=0.2)


def _pi_weighted(wrong: Wrong) -> Cell:
    """Count collateral elsewhere by its chance to arrive in time: K (1 + pi) >= rho (1 - pi) per leg.

    The other leg holds K and gains what this one loses; pi = P(lag <= TTL) of a leg with its isolated buffer.
    """
    pi = mix(((0.98, wrong.calm), (0.02, wrong.bad))).probability_within(86_400.0)
    exposure, matrix = _pair(1.0, 1.0)
    placed = np.full(2, wrong.day() * (1.0 - pi) / (1.0 + pi))
    book = KeeperBook(exposure, matrix, placed, np.zeros((2, 2)), wrong.states)
    return Cell("pi-weighted collateral", Bound.CONTROL, book, MIXTURE_STEP_S, effort=0.1)
