"""The rows that the buffers are taken over: the sets of the settings, side by side (RISK section 2).

With ``model.tails = "near"`` every account is screened on the grid, and the rows of copula and fhs are computed
only where the grid takes more than 1 / ``NEAR`` of the surplus of an account or of its whole portfolio.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from aggregator.config import ModelSettings
from aggregator.errors import ConfigError
from aggregator.factors import FactorParams
from aggregator.history import PriceHistory, read_history
from aggregator.joint import JointMoves, joint_moves
from risk.arrays import F64, Bool, FactorArrays, PortfolioArrays
from risk.models.es import EsParams
from risk.paramfile import load
from risk.part import part_of
from risk.paths import PathParams
from risk.revalue import revalue
from risk.scenarios import ScenarioSet
from risk.segments import LargestOf, TailRows
from risk.sets.copula import copula_set
from risk.sets.fhs import fhs_set
from risk.sets.params import CopulaParams, FhsParams, StressParams
from risk.sets.stress import stress_set
from risk.unified import RiskMeasure, worst_of

NEAR = 2.0
"""Screened accounts whose surplus is below so many times the grid's loss take every row."""
TAILS = frozenset({"copula", "fhs"})
"""Sets of many rows, read by ES."""
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class SetParams:
    """Which sets, and their parameters."""

    chosen: tuple[str, ...]
    """Of grid, stress, copula, fhs."""
    es: EsParams
    copula: CopulaParams
    fhs: FhsParams
    stress: StressParams
    correlation: JointMoves
    """For the copula."""
    history: PriceHistory | None = field(default=None, repr=False)
    """Hourly bars, columns by factor; needed by fhs only."""
    screened: bool = False
    """Whether the rows of the tails are left out far from every threshold."""

    @property
    def id(self) -> str:
        """For example ``grid+stress``."""
        return "+".join(self.chosen)


@dataclass(frozen=True, slots=True, eq=False)
class BufferRows:
    """Losses of the accounts over all rows of the chosen sets."""

    loss: F64
    """(A, S), USD."""
    labels: tuple[str, ...]
    measure: RiskMeasure
    full: Bool
    """(A,) false where the rows of the tails were left out: those losses stand as 0 and bind nothing."""


def load_sets(settings: ModelSettings, paths: PathParams) -> SetParams:
    """Parameters of the chosen sets; raises ConfigError for fhs without a history, HistoryError if broken."""
    chosen = settings.scenario_sets
    if len(set(chosen)) != len(chosen):
        raise ConfigError(f"model.scenario_sets: {list(chosen)} names a set twice")
    history = None
    wanted = [f"the set {name}" for name in chosen if name == "fhs"]
    wanted += ["model.correlation"] if settings.correlation == "history" else []
    if wanted:
        if settings.history is None:
            raise ConfigError(f"model.history: {wanted[0]} needs a price history (CSV or Parquet of hourly bars)")
        history = read_history(settings.history)
    return SetParams(
        chosen=chosen,
        es=load(EsParams, "es_v1"),
        copula=load(CopulaParams, "copula_v1"),
        fhs=load(FhsParams, "fhs_v1"),
        stress=load(StressParams, "stress_v1"),
        correlation=joint_moves(paths.correlation, history if settings.correlation == "history" else None),
        history=history if "fhs" in chosen else None,
        screened=settings.tails == "near" and "grid" in chosen,
    )


def known_factors(factors: FactorParams, sets: SetParams) -> FactorParams:
    """The factors that every chosen set can move: an account with another one has no figures, and says so."""
    if sets.history is None:
        return factors
    return factors.only(set(sets.history.assets) | factors.stable)


def buffer_rows(
    arrays: PortfolioArrays, sets: SetParams, grid: ScenarioSet, grid_loss: F64, groups: Sequence[Rows] = ()
) -> BufferRows:
    """Losses over the rows of the chosen sets; the grid's, which are known already, are not computed again.

    ``groups`` are the rows of each portfolio.
    """
    full = np.ones(len(grid_loss), dtype=np.bool_)
    if sets.chosen == ("grid",) or not len(grid_loss):
        return BufferRows(grid_loss, grid.labels, worst_of, full)
    if sets.screened:
        full = near_a_threshold(arrays.surplus, grid_loss, groups)
    parts: list[F64] = []
    labels: list[str] = []
    tails: list[TailRows] = []
    for name, rows in _sets(arrays.factors, sets, grid):
        start = len(labels)
        labels += rows.labels
        parts.append(grid_loss if rows is grid else _losses(arrays, rows, full | (name not in TAILS)))
        if name in TAILS:
            tails.append(TailRows(start, len(labels), sets.es.mm_level, sets.es.scan_factor))
    return BufferRows(np.concatenate(parts, axis=1), tuple(labels), LargestOf(tuple(tails)), full)


def near_a_threshold(surplus: F64, grid_loss: F64, groups: Sequence[Rows]) -> Bool:
    """(A,) accounts whose figures the tails could change something about, with all of their portfolio."""
    near: Bool = np.asarray(surplus < NEAR * np.maximum(grid_loss.max(axis=1), 0.0), dtype=np.bool_)
    left = []
    for rows in groups:
        together = NEAR * max(0.0, float(grid_loss[rows].sum(axis=0).max(initial=0.0)))
        if float(surplus[rows].sum()) < together:
            near[rows] = True
        else:
            left.append(rows)
    # An account may be in several portfolios: each is taken whole or not at all.
    while touched := [rows for rows in left if near[rows].any() and not near[rows].all()]:
        for rows in touched:
            near[rows] = True
    return near


def _losses(arrays: PortfolioArrays, rows: ScenarioSet, wanted: Bool) -> F64:
    """(A, S) losses of the wanted accounts, 0 of the others."""
    if wanted.all():
        return -revalue(arrays, rows).dS
    loss = np.zeros((arrays.count, rows.count))
    at = np.flatnonzero(wanted)
    if len(at):
        loss[at] = -revalue(part_of(arrays, at), rows).dS
    return loss


def _sets(factors: FactorArrays, sets: SetParams, grid: ScenarioSet) -> Iterator[tuple[str, ScenarioSet]]:
    """The chosen sets in their order; the copula twice, with the stressed correlation beside the normal one."""
    for name in sets.chosen:
        match name:
            case "stress":
                yield name, stress_set(sets.stress, factors)
            case "copula":
                correlation = sets.correlation.of(factors)
                yield name, copula_set(sets.copula, factors, correlation)
                yield name, copula_set(sets.copula, factors, correlation, stressed=True)
            case "fhs" if sets.history is not None:
                yield name, fhs_set(sets.fhs, factors, _returns(factors, sets.history))
            case _:
                yield name, grid


def _returns(factors: FactorArrays, history: PriceHistory) -> F64:
    """(T, F) log returns; bars with a hole are left out whole. Stablecoins without a history stand still."""
    held = [name for name in factors.names if name in history.assets]
    close = history.close[:, [history.assets.index(name) for name in held]]
    moves = np.diff(np.log(close), axis=0)
    moves = moves[np.isfinite(moves).all(axis=1)]
    returns = np.zeros((len(moves), len(factors.names)))
    returns[:, [factors.names.index(name) for name in held]] = moves
    return returns
