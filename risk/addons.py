"""Lines on top of the unified buffer, each of its own cause (RISK section 5).

    closing costs        per market: |Q| · ( half spread + Y · sigma_day · sqrt(|Q| / V) ), Q the dollars to be
                         closed there in all accounts with a requirement, V the market's daily volume; options
                         add spread · notional. Scenarios trade at the mid: this is what trading adds to them.
    correlation break    R_uni with rows in which every crypto factor moves its own way against the book at once,
                         less R_uni, times 1 - cap: of what offsets between factors save, at most cap counts
    basis and depeg      R_uni with the worst row again and every basis and peg against the book on top, less R_uni
    liquidation          P(breach) · what the venue's rule takes, summed over accounts

Nothing is charged twice. Both differences are of the very functional that the buffer is, over more rows, so
latency and netting are in both terms and cancel; one moves factors only, the other bases and pegs only. Closing
costs and penalties are no price moves: a scenario has neither. Oracle intervals and transfers in flight are levels
of today.
"""

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from risk.arrays import FLOORS, INVERSE, OPTIONS, Kind, PortfolioArrays
from risk.checks import F64, I32, as_floats, between, number, require
from risk.paramfile import Within, check_fields
from risk.pricing import unit_values
from risk.revalue import revalue
from risk.scenarios import ScenarioSet

BUMP = 1e-4
SPOT_MARKET = -2
"""Everything but perpetuals and futures trades in its factor's spot market (basis indices start at -1)."""


@dataclass(frozen=True, slots=True)
class DailyVolume:
    """Turnover of a factor's spot market."""

    factor: str
    usd: Annotated[float, Within(1.0, 1e13)]

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class AddonParams:
    """Parameters of the add-on lines; a file of ``risk/data``."""

    id: str
    version: str
    provenance: str
    impact_coefficient: Annotated[float, Within(0.0, 10.0)]
    half_spread: Annotated[float, Within(0.0, 0.1)]
    option_spread: Annotated[float, Within(0.0, 0.5)]
    daily_volume_usd: tuple[DailyVolume, ...]
    other_volume_usd: Annotated[float, Within(1.0, 1e13)]
    """For factors that are not listed."""
    perp_share: Annotated[float, Within(1e-6, 1.0)]
    """Volume of one venue's perpetual over that of the spot market."""
    offset_cap: Annotated[float, Within(0.0, 1.0)]

    def __post_init__(self) -> None:
        check_fields(self)

    def volumes(self, factors: tuple[str, ...]) -> F64:
        """(F,) daily volume of each factor."""
        known = {volume.factor: volume.usd for volume in self.daily_volume_usd}
        return np.array([known.get(name, self.other_volume_usd) for name in factors], dtype=np.float64)


def price_impact(notional_usd: F64, volume_usd: F64, sigma_day: F64, coefficient: float) -> F64:
    """Relative price move that trading so much causes: Y · sigma · sqrt(Q / V); arguments broadcast."""
    between("notional_usd", np.asarray(notional_usd))
    between("volume_usd", np.asarray(volume_usd), 0.0, above=True)
    between("sigma_day", np.asarray(sigma_day), 0.0)
    number("coefficient", coefficient, 0.0, 1e6)
    return np.asarray(coefficient * sigma_day * np.sqrt(np.abs(notional_usd) / volume_usd))


def closing_cost(portfolio: PortfolioArrays, params: AddonParams) -> float:
    """Dollars that closing all positions of the accounts with a requirement costs; stable factors are cash.

    Long and short of two accounts in one market are closed by themselves, so they add up.
    """
    factors, instruments = portfolio.factors, portfolio.instruments
    held: F64 = np.asarray(abs(portfolio.value[np.flatnonzero(portfolio.mm > 0.0)]).sum(axis=0)).ravel()
    dollars = held[:, None] * delta_per_unit(portfolio) * ~factors.is_stable
    perp = instruments.is_kind(Kind.PERP, Kind.FUTURE, *INVERSE)
    market = np.where(perp, instruments.basis, SPOT_MARKET)
    cost = params.option_spread * float(held @ np.where(instruments.is_kind(*OPTIONS), instruments.price, 0.0))
    for name in np.unique(market):
        of = market == name
        share = 1.0 if name == SPOT_MARKET else params.perp_share
        traded = dollars[of].sum(axis=0)
        volume = share * params.volumes(factors.names)
        move = price_impact(traded, volume, factors.sigma_day, params.impact_coefficient)
        cost += float((traded * (params.half_spread + move)).sum())
    return cost


def delta_per_unit(portfolio: PortfolioArrays) -> F64:
    """(N, F) dollars by which one unit moves per relative move of each factor, absolute; 0 for requirements."""
    instruments = portfolio.instruments
    now, quote = instruments.price[:, None], instruments.quote_price[:, None]
    bumps = np.array([1.0 + BUMP, 1.0 - BUMP])
    result = np.zeros((instruments.count, len(portfolio.factors.names)))
    first = np.diff(unit_values(instruments, now * bumps[::-1]))[:, 0] / (2.0 * BUMP)
    second = np.diff(unit_values(instruments, np.repeat(now, 2, axis=1), quote=quote * bumps[::-1]))[:, 0]
    rows = np.flatnonzero(~instruments.is_kind(*FLOORS, Kind.CLIPPED_FEE, Kind.FIXED))
    np.add.at(result, (rows, instruments.factor[rows]), np.abs(first[rows]))
    ranged = np.flatnonzero(instruments.is_kind(Kind.LP_RANGE))
    np.add.at(result, (ranged, instruments.quote_factor[ranged]), np.abs(second[ranged]) / (2.0 * BUMP))
    return result


def _loss(portfolio: PortfolioArrays, scenarios: ScenarioSet, known: F64 | None) -> F64:
    """(S,) what the accounts lose together; ``known``: where that was computed before."""
    if known is None:
        return np.asarray(-revalue(portfolio, scenarios).dS.sum(axis=0), dtype=np.float64)
    return as_floats("loss", known, (scenarios.count,))


def broken_correlation(portfolio: PortfolioArrays, scenarios: ScenarioSet, loss: F64 | None = None) -> ScenarioSet:
    """Rows in which every crypto factor moves against the accounts together, each as in its own worst row.

    A factor's own rows are the undamped ones that move it alone. One row for each shift of volatility.
    ``loss``: (S,) what the accounts lose together in each scenario, where it is known.
    """
    total = _loss(portfolio, scenarios, loss)
    moved = (scenarios.factor_shock != 0.0) & ~portfolio.factors.is_stable
    single = (scenarios.damping == 1.0) & (moved.sum(axis=1) == 1) & ~scenarios.basis_shock.any(axis=1)
    shock = np.zeros(len(portfolio.factors.names))
    for factor in range(len(shock)):
        own = np.flatnonzero(single & moved[:, factor])
        if len(own) and total[own].max() > 0.0:
            shock[factor] = scenarios.factor_shock[own[total[own].argmax()], factor]
    names = tuple(f"no offsets between factors, vol {shift:+d}" for shift in (-1, 0, 1))
    still = np.zeros((3, len(portfolio.factors.basis_names)))
    return _like(scenarios, names, np.tile(shock, (3, 1)), still, np.array([-1, 0, 1]))


def adverse_basis(
    portfolio: PortfolioArrays, scenarios: ScenarioSet, depeg: float, loss: F64 | None = None
) -> ScenarioSet:
    """The worst undamped market row again with every basis and peg against the accounts, and that without the row.

    Each basis takes the sign that costs there; a stablecoin whose fall costs falls by ``depeg``, the size that the
    grid's damped rows leave of a depeg. ``loss``: as for ``broken_correlation``.
    """
    market = np.flatnonzero((scenarios.damping == 1.0) & ~scenarios.basis_shock.any(axis=1))
    total = _loss(portfolio, scenarios, loss)
    worst = market[total[market].argmax()]
    shift = np.array([scenarios.vol_shift[worst], 0])
    factor = np.stack([scenarios.factor_shock[worst], np.zeros(len(scenarios.factor_names))])
    rows = [_against(portfolio, scenarios, factor[i], int(shift[i]), depeg) for i in range(2)]
    names = ("worst row, bases and pegs adverse", "bases and pegs adverse")
    return _like(scenarios, names, np.stack([f for f, _ in rows]), np.stack([b for _, b in rows]), shift)


def _against(
    portfolio: PortfolioArrays, scenarios: ScenarioSet, factor: F64, shift: int, depeg: float
) -> tuple[F64, F64]:
    """Factor and basis shocks of one row with every basis and peg added that costs on its own."""
    size, stable = portfolio.factors.basis_shock, np.flatnonzero(portfolio.factors.is_stable)
    bases, pegs = len(size), len(stable)
    basis = np.concatenate([np.zeros((1, bases)), np.diag(size), -np.diag(size), np.zeros((pegs, bases))])
    moves = np.tile(factor, (len(basis), 1))
    moves[1 + 2 * bases + np.arange(pegs), stable] = -depeg
    probes = _like(scenarios, tuple(map(str, range(len(basis)))), moves, basis, np.full(len(basis), shift))
    extra = -revalue(portfolio, probes).dS.sum(axis=0)
    extra -= extra[0]
    up, down, peg = extra[1 : 1 + bases], extra[1 + bases : 1 + 2 * bases], extra[1 + 2 * bases :]
    sign = np.where(np.maximum(up, down) > 0.0, np.where(up >= down, 1.0, -1.0), 0.0)
    row = factor.copy()
    row[stable[peg > 0.0]] = -depeg
    return row, sign * size


def _like(scenarios: ScenarioSet, labels: tuple[str, ...], factor: F64, basis: F64, shift: I32) -> ScenarioSet:
    """Other rows for the same factors, undamped."""
    return replace(
        scenarios,
        labels=labels,
        factor_shock=factor,
        basis_shock=basis,
        vol_shift=shift.astype(np.int32),
        damping=np.ones(len(labels)),
    )


def expected_penalty(probability: F64, deep: F64, cost_usd: F64, deep_cost_usd: F64) -> F64:
    """Expected loss to liquidators: (A,) each; ``deep`` is the part of ``probability`` where all may be closed."""
    accounts = np.size(probability)
    names = ("probability", "deep", "cost_usd", "deep_cost_usd")
    given = (probability, deep, cost_usd, deep_cost_usd)
    p, d, cost, deep_cost = (as_floats(n, v, (accounts,)) for n, v in zip(names, given, strict=True))
    between("probability", p, 0.0, 1.0)
    between("deep", d, 0.0, 1.0)
    require("deep", d, d > p + 1e-12, "at most the probability")
    between("cost_usd", cost, 0.0)
    between("deep_cost_usd", deep_cost, 0.0)
    return np.asarray((p - d) * cost + d * deep_cost)
