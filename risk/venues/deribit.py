"""Deribit portfolio margin (S:PM and X:PM): aggregation of a risk matrix and its charges, coin or USD.

    scenario     Σ_currency P&L, gains times ``pnl_offset`` and capped at ``max_offsetable``
    extended     fraction·P&L, a loss reduced by the dampener (never turned into a gain)
    roll shock   Σ_expiry |Δ_e|·max(least move, annualised move·T_e)          perps: T = 0
    delta shock  |Δ_usd|·rate, rate = max_shock·clip(|Δ_usd|/threshold, 0, 1); 0 below ``free``
    initial      worst + roll + delta + correlation          maintenance = 0.8 · (the risk matrix part of it)

Source: Deribit API reference (private/simulate_portfolio, pme) and its portfolio margin page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from risk.checks import number
from risk.errors import RiskInputError

MM_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Offset:
    """How far one currency's gains help others."""

    share: float
    most: float

    def __post_init__(self) -> None:
        number("offset.share", self.share, 0.0, 1.0)
        number("offset.most", self.most, 0.0, 1e30)

    def credited(self, pnl: float) -> float:
        """A loss in full, a gain in part."""
        return pnl if pnl <= 0.0 else min(pnl * self.share, self.most)


@dataclass(frozen=True, slots=True)
class Requirement:
    """Positive figures in the unit of the inputs."""

    worst: float
    roll_shock: float
    delta_shock: float
    correlation: float

    @property
    def initial(self) -> float:
        """The whole risk matrix margin."""
        return self.worst + self.roll_shock + self.delta_shock + self.correlation

    @property
    def maintenance(self) -> float:
        """Four fifths of it."""
        return MM_SHARE * self.initial


def linear_array(delta: float, price_range: float, buckets: int = 9) -> list[float]:
    """P&L in coin of an inverse position of ``delta`` coins at the moves -range … range, worst first.

    A position of Δ coins gains Δ·m/(1 + m) coins when the price moves by m.
    """
    number("delta", delta, -1e30, 1e30)
    number("price_range", price_range, 0.0, 0.9)
    if buckets < 3 or buckets % 2 == 0:
        raise RiskInputError(f"buckets: {buckets} must be odd and at least 3")
    half = buckets // 2
    moves = [price_range * (step - half) / half for step in range(buckets)]
    return [delta * move / (1.0 + move) for move in moves]


def roll_shock(deltas: Mapping[float, float], least_move: float, annual_move: float) -> float:
    """``deltas`` by years to expiry, perpetuals at 0."""
    number("least_move", least_move, 0.0, 10.0)
    number("annual_move", annual_move, 0.0, 10.0)
    for years, delta in deltas.items():
        number("years to expiry", years, 0.0, 100.0)
        number(f"deltas[{years:g}]", delta, -1e30, 1e30)
    return sum(abs(delta) * max(least_move, annual_move * years) for years, delta in deltas.items())


def delta_shock(delta_usd: float, max_shock: float, threshold_usd: float, free_usd: float = 0.0) -> float:
    """USD; grows linearly with the book up to ``max_shock`` at the threshold."""
    number("delta_usd", delta_usd, -1e30, 1e30)
    number("max_shock", max_shock, 0.0, 10.0)
    number("threshold_usd", threshold_usd, 1e-9, 1e30)
    number("free_usd", free_usd, 0.0, 1e30)
    size = abs(delta_usd)
    return 0.0 if size <= free_usd else size * max_shock * min(size / threshold_usd, 1.0)


def damped(pnl: float, fraction: float, dampener: float) -> float:
    """An extended row."""
    number("pnl", pnl, -1e30, 1e30)
    number("fraction", fraction, 0.0, 1.0)
    number("dampener", dampener, 0.0, 1e30)
    return min(fraction * pnl + dampener, 0.0) if pnl < 0.0 else fraction * pnl


def aggregate(rows: Mapping[str, Sequence[float]], offsets: Mapping[str, Offset]) -> list[float]:
    """Scenario P&L over currencies, (S,) each, in one unit."""
    lengths = {len(values) for values in rows.values()}
    if len(lengths) != 1:
        raise RiskInputError(f"rows: have {sorted(lengths)} scenarios, must all have the same number")
    for name, values in rows.items():
        if name not in offsets:
            raise RiskInputError(f"offsets: none for {name!r}")
        for index, value in enumerate(values):
            number(f"rows.{name}[{index}]", value, -1e30, 1e30)
    return [sum(offsets[name].credited(values[s]) for name, values in rows.items()) for s in range(lengths.pop())]


def requirement(
    scenario_pnl: Sequence[float], roll: float = 0.0, delta: float = 0.0, correlation: float = 0.0
) -> Requirement:
    """Worst row (0 where every row gains) and the charges."""
    for name, value in (("roll", roll), ("delta", delta), ("correlation", correlation)):
        number(name, value, 0.0, 1e30)
    for index, pnl in enumerate(scenario_pnl):
        number(f"scenario_pnl[{index}]", pnl, -1e30, 1e30)
    return Requirement(max(0.0, -min(scenario_pnl, default=0.0)), roll, delta, correlation)
