"""The scenario matrix: one common set of states of the world for all accounts (RISK section 2).

The grid form follows Derive PM2 (reference: portfolio margin of derivexyz/v2-core): spot points x vol up, none,
down; tail rows whose damping keeps damping x move constant; basis rows beside them. Letters: S rows, F factors,
B basis factors. Row 0 is the world as it is.

    range of factor f       R_f = range_sigmas · max(sigma_day_f, sigma_floor), a log move
    spot point p in [-1,1]  shock = exp(p · R_f) - 1
    tail multiple m         shock = m·(exp(R_f) - 1), or max(-max_fall, m·(exp(-R_f) - 1));
                            damping = tail_share / m
    depeg d                 shock = d; damping = min(1, depeg_budget / |d|)
    vol of an instrument    multiplier = 1 + vol_up·k, or max(0, 1 - vol_down·k),
                            k = (30 d / max(T, dte_floor))^p, p = vol_short_power if T <= 30 d, else vol_long_power
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from risk.arrays import FactorArrays
from risk.black76 import DAY_YEARS, YEAR_S
from risk.checks import F64, I32, as_floats, as_indices, between, distinct, number
from risk.errors import RiskInputError
from risk.gridparams import GridParams, load_grid, params_hash

__all__ = ["GridParams", "ScenarioSet", "VolShock", "build_grid", "load_grid", "params_hash", "vol_multiplier"]

DAY_S = YEAR_S * DAY_YEARS
TENOR_DAYS = 30.0


@dataclass(frozen=True, slots=True)
class VolShock:
    """How far a vol row moves an instrument's volatility, by its time to expiry."""

    up: float
    down: float
    short_power: float
    long_power: float
    dte_floor_days: float


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioSet:
    """Rows of shocks. A row is the same state of the world on every chain."""

    id: str
    version: str
    factor_names: tuple[str, ...]
    """(F,) must equal the portfolio's: a column under another name would be a wrong number."""
    basis_names: tuple[str, ...]
    """(B,)."""
    labels: tuple[str, ...]
    """(S,) distinct, for people."""
    factor_shock: F64
    """(S, F) relative price change, > -1."""
    basis_shock: F64
    """(S, B) relative change of the venue's form against its factor, > -1."""
    vol_shift: I32
    """(S,) -1 down, 0 none, 1 up."""
    damping: F64
    """(S,) factor on the row's gains and losses, in (0, 1]."""
    vol: VolShock
    vol_move: F64 | None = None
    """(S,) relative move of the 30-day volatility beside ``vol_shift``, > -1, scaled by tenor; None = no move."""

    def __post_init__(self) -> None:
        put = object.__setattr__
        s, f, b = len(self.labels), len(self.factor_names), len(self.basis_names)
        if self.vol_move is not None:
            put(self, "vol_move", as_floats("scenarios.vol_move", self.vol_move, (s,)))
        put(self, "factor_shock", as_floats("scenarios.factor_shock", self.factor_shock, (s, f)))
        put(self, "basis_shock", as_floats("scenarios.basis_shock", self.basis_shock, (s, b)))
        put(self, "vol_shift", as_indices("scenarios.vol_shift", self.vol_shift, (s,), -1, 1))
        put(self, "damping", as_floats("scenarios.damping", self.damping, (s,)))
        self.check()

    @property
    def count(self) -> int:
        """S."""
        return len(self.labels)

    def check(self) -> None:
        """Raise ``RiskInputError`` unless every shock leaves a positive price and labels are distinct."""
        distinct("scenarios.labels", self.labels)
        if not self.labels:
            raise RiskInputError("scenarios.labels: is empty, must hold at least one row")
        between("scenarios.factor_shock", self.factor_shock, -1.0, above=True)
        between("scenarios.basis_shock", self.basis_shock, -1.0, above=True)
        between("scenarios.damping", self.damping, 0.0, 1.0, above=True)
        if self.vol_move is not None:
            between("scenarios.vol_move", self.vol_move, -1.0, 20.0, above=True)


def vol_multiplier(vol: VolShock, expiry_s: F64, vol_shift: I32, scale: float = 1.0) -> F64:
    """(N, S) factor on volatility, the form of PM2; 1 where an instrument has no expiry (NaN).

    ``scale`` shrinks the relative move, for horizons shorter than the grid's.
    """
    days = np.maximum(np.nan_to_num(expiry_s, nan=TENOR_DAYS * DAY_S) / DAY_S, vol.dte_floor_days)
    reach = (TENOR_DAYS / days) ** np.where(days <= TENOR_DAYS, vol.short_power, vol.long_power)
    up = 1.0 + scale * vol.up * reach
    down = np.maximum(0.0, 1.0 - scale * vol.down * reach)
    table = np.stack([np.ones_like(reach), up, down], axis=1)
    table[np.isnan(expiry_s)] = 1.0
    multiplier: F64 = table[:, vol_shift]
    return multiplier


def vol_factors(scenarios: ScenarioSet, expiry_s: F64, scale: float = 1.0) -> F64:
    """(N, S) factor on each instrument's volatility: the set's up and down rows times its moves, both by tenor."""
    number("scale", scale, 0.0, 1e3)
    by_shift = vol_multiplier(scenarios.vol, expiry_s, scenarios.vol_shift, scale)
    if scenarios.vol_move is None:
        return by_shift
    days = np.maximum(np.nan_to_num(expiry_s, nan=TENOR_DAYS * DAY_S) / DAY_S, scenarios.vol.dte_floor_days)
    powers = np.where(days <= TENOR_DAYS, scenarios.vol.short_power, scenarios.vol.long_power)
    reach = np.where(np.isnan(expiry_s), 0.0, (TENOR_DAYS / days) ** powers)
    moved: F64 = by_shift * np.maximum(0.0, 1.0 + scale * reach[:, None] * scenarios.vol_move)
    return moved


class _Rows:
    """Collects the rows of a set."""

    def __init__(self, factors: FactorArrays) -> None:
        self.factors = factors
        self.labels: list[str] = []
        self.moves: list[F64] = []
        self.bases: list[F64] = []
        self.shifts: list[int] = []
        self.damping: list[float] = []

    def add(
        self, label: str, moves: F64 | float = 0.0, bases: F64 | float = 0.0, shift: int = 0, damping: float = 1.0
    ) -> None:
        self.labels.append(label)
        self.moves.append(np.zeros(len(self.factors.names)) + moves)
        self.bases.append(np.zeros(len(self.factors.basis_names)) + bases)
        self.shifts.append(shift)
        self.damping.append(damping)


VOL_NAMES = {0: "vol none", 1: "vol up", -1: "vol down"}


def build_grid(params: GridParams, factors: FactorArrays) -> ScenarioSet:
    """Grid of ``params`` for these factors; see the module's formulas.

    Rows: the world as it is; all crypto together (every point x vol up, none, down); each crypto factor alone
    (vol none, up); tails of all crypto, both directions, vol up, damped; each basis alone and all together, both
    directions; each stablecoin's depegs. A stable factor is not moved by crypto rows.
    """
    rows = _Rows(factors)
    rows.add("as is")
    reach = params.range_sigmas * np.maximum(factors.sigma_day, params.sigma_floor)
    crypto = ~factors.is_stable
    points = np.linspace(-1.0, 1.0, params.points)
    if crypto.any():
        _spot_rows(rows, "all crypto", np.where(crypto, reach, 0.0), points, (1, 0, -1))
        _tail_rows(rows, np.where(crypto, reach, 0.0), params)
    for index in np.flatnonzero(crypto) if crypto.sum() > 1 else ():
        alone = np.zeros_like(reach)
        alone[index] = reach[index]
        _spot_rows(rows, factors.names[index], alone, points[points != 0.0], (0, 1))
    _basis_rows(rows)
    for index in np.flatnonzero(factors.is_stable):
        for depeg in params.depegs:
            move = np.zeros_like(reach)
            move[index] = depeg
            damping = min(1.0, params.depeg_budget / abs(depeg))
            rows.add(f"{factors.names[index]} {depeg:+.1%}", move, damping=damping)
    return _as_set(rows, params)


def _spot_rows(rows: _Rows, name: str, reach: F64, points: F64, shifts: Sequence[int]) -> None:
    for point in points:
        for shift in shifts:
            if point or shift:
                rows.add(f"{name} {point:+.2f} range, {VOL_NAMES[shift]}", np.expm1(point * reach), shift=shift)


def _tail_rows(rows: _Rows, reach: F64, params: GridParams) -> None:
    for sign, multiples in ((1, params.tail_multiples_up), (-1, params.tail_multiples_down)):
        for multiple in multiples:
            move = np.maximum(multiple * np.expm1(sign * reach), -params.max_fall)
            damping = min(1.0, params.tail_share / multiple)
            rows.add(f"all crypto {sign * multiple:+.2f} range, tail, vol up", move, shift=1, damping=damping)


def _basis_rows(rows: _Rows) -> None:
    shock = rows.factors.basis_shock
    for sign, word in ((1.0, "up"), (-1.0, "down")):
        for index in np.flatnonzero(shock):
            alone = np.zeros_like(shock)
            alone[index] = sign * shock[index]
            rows.add(f"basis {rows.factors.basis_names[index]} {word}", bases=alone)
        if np.count_nonzero(shock) > 1:
            rows.add(f"all bases {word}", bases=sign * shock)


def _as_set(rows: _Rows, params: GridParams) -> ScenarioSet:
    return ScenarioSet(
        id=params.id,
        version=params.version,
        factor_names=rows.factors.names,
        basis_names=rows.factors.basis_names,
        labels=tuple(rows.labels),
        factor_shock=np.stack(rows.moves),
        basis_shock=np.stack(rows.bases),
        vol_shift=np.array(rows.shifts, dtype=np.int32),
        damping=np.array(rows.damping),
        vol=VolShock(
            up=params.vol_up,
            down=params.vol_down,
            short_power=params.vol_short_power,
            long_power=params.vol_long_power,
            dte_floor_days=params.dte_floor_days,
        ),
    )
