"""Price paths and the probability that an account breaches on the way (RISK sections 3 and 5).

Log moves in units of each factor's daily volatility forecast, over steps dt (in days), one state for all factors:

    x_f(t + dt) = x_f(t) + c·V·sqrt(dt)·w·( sqrt(r) z_0 + sqrt(1 - r) z_f ) + sum of the step's jumps
    V           = exp(s·n - s²): one level of volatility a path, E V² = 1
    w           = sqrt((nu - 2) / chi²_nu): a fat-tailed step, E w² = 1
    jumps       Poisson(lambda·dt) a step, common to all factors, each -m or +m' with probability 1/2 times an
                exponential of mean 1: falls are deeper than rises
    c²          = (1 - lambda·E J²): together the variance of a day is that of the forecast

Stable factors only diffuse: depegs are rows of the scenario sets. An account has breached when its surplus was at
or below 0 at any step so far. The parameters are fitted with the very steps that are used, so that what happens
between two steps is part of the fit (``risk/data/paths_v1.toml`` says from which data).
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

import numpy as np

from risk.arrays import Kind, PortfolioArrays
from risk.checks import F64, Bool, as_floats, between
from risk.errors import ParameterError, RiskInputError
from risk.paramfile import Within, check_fields
from risk.pricing import unit_values, value_of

DAY_S = 86_400.0
LEAST_COLUMNS, MOST_COLUMNS = 2_048, 8_192
"""Path steps revalued at a time."""
CELLS = 65_536
"""Numbers in one array while paths are walked, where that leaves enough columns: what the cache holds."""
WALKS_KEPT = 4
"""Walks of a seed that are kept; of ten factors each has 5 MB."""


@dataclass(frozen=True, slots=True)
class PathParams:
    """Parameters of the paths; a file of ``risk/data``."""

    id: str
    version: str
    provenance: str
    first_step_s: Annotated[float, Within(1.0, 3600.0)]
    """Length of the steps of the first horizon."""
    later_step_s: Annotated[float, Within(1.0, 86_400.0)]
    horizons_s: Annotated[tuple[float, ...], Within(60.0, 7 * DAY_S)]
    """Horizons, increasing; the first is walked in first steps, the rest in later steps."""
    paths: Annotated[int, Within(16, 1_000_000)]
    seed: Annotated[int, Within(0, 2**63)]
    correlation: Annotated[float, Within(0.0, 1.0)]
    """Between any two crypto factors."""
    vol_of_vol: Annotated[float, Within(0.0, 2.0)]
    freedom: Annotated[float, Within(2.05, 1000.0)]
    jumps_per_day: Annotated[float, Within(0.0, 20.0)]
    jump_down: Annotated[float, Within(0.0, 5.0)]
    """Mean size of a fall, daily volatilities."""
    jump_up: Annotated[float, Within(0.0, 5.0)]
    step_scale: Annotated[float, Within(0.5, 2.0)]
    """Factor on all moves: makes up for what happens between two steps."""

    def __post_init__(self) -> None:
        check_fields(self)
        if list(self.horizons_s) != sorted(set(self.horizons_s)) or not self.horizons_s:
            raise ParameterError(f"horizons_s: {self.horizons_s} must increase")
        if self.jump_variance >= 1.0:
            raise ParameterError(f"jumps_per_day: jumps alone have {self.jump_variance:.2f} of a day's variance")

    @property
    def jump_variance(self) -> float:
        """Share of a day's variance that jumps have: lambda·(m² + m'²); an exponential has E J² = 2 m²."""
        return self.jumps_per_day * (self.jump_down**2 + self.jump_up**2)

    @property
    def steps_s(self) -> F64:
        """(K,) lengths of all steps."""
        first = round(self.horizons_s[0] / self.first_step_s)
        later = round((self.horizons_s[-1] - self.horizons_s[0]) / self.later_step_s)
        return np.concatenate([np.full(first, self.first_step_s), np.full(later, self.later_step_s)])


@dataclass(frozen=True, slots=True, eq=False)
class Breach:
    """Probabilities per account and horizon, and how sure they are."""

    probability: F64
    """(A, H) that the surplus is at or below 0 at some step up to the horizon."""
    deep: F64
    """(A, H) that at the first such step it is below ``deep_surplus`` as well."""
    paths: int

    @property
    def standard_error(self) -> F64:
        """(A, H) sampling error of ``probability``."""
        return np.sqrt(self.probability * (1.0 - self.probability) / self.paths)


def standard_paths(
    params: PathParams, factors: Sequence[str], rng: np.random.Generator, paths: int | None = None
) -> F64:
    """(paths, K, F) log moves from the start to the end of each step, in daily volatilities.

    A factor's own moves come from its name, so that they do not depend on which others are walked with it.
    """
    count, dt = paths or params.paths, params.steps_s / DAY_S
    shape = (count, len(dt))
    level = np.exp(params.vol_of_vol * rng.standard_normal((count, 1)) - params.vol_of_vol**2)
    width = np.sqrt((params.freedom - 2.0) / rng.chisquare(params.freedom, shape))
    scale = level * width * np.sqrt(dt * (1.0 - params.jump_variance))
    common, jumps = rng.standard_normal(shape), _jumps(params, dt, shape, rng)
    mixed = np.sqrt(params.correlation) * common[..., None]
    mixed = mixed + np.sqrt(1.0 - params.correlation) * _own(factors, shape, rng)
    moves = scale[..., None] * mixed + jumps[..., None]
    return np.asarray(params.step_scale * np.cumsum(moves, axis=1))


def _own(names: Sequence[str], shape: tuple[int, ...], rng: np.random.Generator) -> F64:
    """(*shape, F) standard normal numbers, each factor's from a stream of its own name."""
    seed, found = int(rng.integers(2**63)), np.empty((*shape, len(names)))
    for column, name in enumerate(names):
        found[..., column] = np.random.default_rng([seed, zlib.crc32(name.encode())]).standard_normal(shape)
    return found


def _jumps(params: PathParams, dt: F64, shape: tuple[int, int], rng: np.random.Generator) -> F64:
    """(paths, K) sum of the jumps in each step: a gamma of as many exponentials as there are."""
    down = rng.poisson(params.jumps_per_day * dt / 2.0, shape)
    up = rng.poisson(params.jumps_per_day * dt / 2.0, shape)
    falls, rises = (rng.standard_gamma(np.maximum(n, 1)) * (n > 0) for n in (down, up))
    return np.asarray(params.jump_up * rises - params.jump_down * falls)


def breach_probability(
    portfolio: PortfolioArrays,
    params: PathParams,
    rng: np.random.Generator | int,
    deep_surplus: F64 | None = None,
    sigma_day: F64 | None = None,
    carry_usd_per_s: F64 | None = None,
) -> Breach:
    """Probability that each account breaches within each horizon.

    Parameters
    ----------
    rng
        A seed stands for a new generator of it; its walks are kept, for the factors rarely change.
    deep_surplus
        (A,) surplus in USD, at most 0, below which the venue may close everything at once; None: 0.
    sigma_day
        (F,) forecasts; None: those of the portfolio's factors.
    carry_usd_per_s
        (A,) interest and funding that shrink the surplus; income is not credited.
    """
    sigma = portfolio.factors.sigma_day if sigma_day is None else sigma_day
    sigma = as_floats("sigma_day", sigma, (len(portfolio.factors.names),))
    between("sigma_day", sigma, 0.0, above=True)
    deep = np.zeros(portfolio.count) if deep_surplus is None else deep_surplus
    deep = as_floats("deep_surplus", deep, (portfolio.count,))
    between("deep_surplus", deep, high=0.0)
    carry = np.zeros(portfolio.count) if carry_usd_per_s is None else carry_usd_per_s
    carry = as_floats("carry_usd_per_s", carry, (portfolio.count,))
    between("carry_usd_per_s", carry)
    carry = np.maximum(carry, 0.0)
    factors = portfolio.factors
    if isinstance(rng, int):
        stable = tuple(map(bool, factors.is_stable))
        levels = _kept_levels(params, factors.names, stable, tuple(map(float, sigma)), rng)
    else:
        levels = _levels(params, factors.names, factors.is_stable, sigma, rng)
    return _Walk(portfolio, params, deep, carry).breaches(levels)


@lru_cache(maxsize=WALKS_KEPT)
def _kept_levels(
    params: PathParams, names: tuple[str, ...], stable: tuple[bool, ...], sigma: tuple[float, ...], seed: int
) -> F64:
    return _levels(params, names, np.array(stable, dtype=np.bool_), np.array(sigma), np.random.default_rng(seed))


def _levels(params: PathParams, names: Sequence[str], stable: Bool, sigma: F64, rng: np.random.Generator) -> F64:
    """(F + 1, paths, K) prices over those at the start, the last row for what never moves.

    Stable factors move by independent diffusion.
    """
    moves = standard_paths(params, names, rng)
    if stable.any():
        steps = _own([name for name, one in zip(names, stable, strict=True) if one], moves.shape[:2], rng)
        moves[..., stable] = np.cumsum(steps * np.sqrt(params.steps_s / DAY_S)[:, None], axis=1)
    levels = np.ones((len(names) + 1, *moves.shape[:2]))
    levels[:-1] += np.expm1(moves * sigma).transpose(2, 0, 1)
    levels.setflags(write=False)
    return levels


class _Walk:
    """Surplus of all accounts along the paths, some paths at a time."""

    def __init__(self, portfolio: PortfolioArrays, params: PathParams, deep: F64, carry: F64) -> None:
        self.portfolio, self.deep = portfolio, deep
        self.times = np.cumsum(params.steps_s)
        self.ends = np.searchsorted(self.times, np.array(params.horizons_s) - 1e-6)
        self.net = portfolio.net()
        self.used = np.unique(self.net.indices)
        self.units = self.net[:, self.used]
        self.drift = carry[:, None] * self.times
        instruments, used = portfolio.instruments, self.used
        self.now = value_of(instruments)[used, None]
        self.factor = instruments.factor[used]
        # No time passes on the paths: what is worth its price stays worth it.
        self.bent = np.flatnonzero(~instruments.is_kind(Kind.FIXED, Kind.SPOT, Kind.PERP, Kind.DEBT)[used])
        self.ranged = bool(instruments.is_kind(Kind.LP_RANGE)[used].any())

    def breaches(self, levels: F64) -> Breach:
        """Count over all paths."""
        _, paths, steps = levels.shape
        wide = max(self.portfolio.count, len(self.used), 1)
        at_once = max(1, min(max(CELLS // wide, LEAST_COLUMNS), MOST_COLUMNS) // steps)
        hit = np.zeros((self.portfolio.count, len(self.ends)))
        deep = np.zeros_like(hit)
        for start in range(0, paths, at_once):
            part_hit, part_deep = self._some(levels[:, start : start + at_once])
            hit += part_hit
            deep += part_deep
        now = self.portfolio.surplus
        hit[now <= 0.0], deep[now <= 0.0] = paths, 0.0
        deep[now < self.deep] = paths
        return Breach(probability=hit / paths, deep=deep / paths, paths=paths)

    def _some(self, levels: F64) -> tuple[F64, F64]:
        """(A, H) paths that breached, and those that were deep when they did."""
        factors, paths, steps = levels.shape
        flat = levels.reshape(factors, paths * steps)
        surplus = self.portfolio.surplus[:, None] + np.asarray(self.units @ (self._values(flat) - self.now))
        surplus = surplus.reshape(-1, paths, steps)
        if self.drift.any():
            surplus -= self.drift[:, None, :]
        low = surplus <= 0.0
        first = low.argmax(axis=2)
        ever = low.any(axis=2)
        at_first = np.take_along_axis(surplus, first[..., None], axis=2)[..., 0]
        within = ever[..., None] & (first[..., None] <= self.ends)
        deep = within & (at_first < self.deep[:, None])[..., None]
        return within.sum(axis=1).astype(np.float64), deep.sum(axis=1).astype(np.float64)

    def _values(self, levels: F64) -> F64:
        """(n, columns) unit values of the instruments in use."""
        instruments, at = self.portfolio.instruments, self.used[self.bent]
        # Index -1 (no factor) picks the row that never moves.
        values = np.take(levels, self.factor, axis=0)
        values *= instruments.price[self.used, None]
        if len(at):
            quote = None
            if self.ranged:
                quote = instruments.quote_price[at, None] * levels[instruments.quote_factor[at]]
            values[self.bent] = unit_values(instruments, values[self.bent], rows=at, quote=quote)
        return values


def hit_table(params: PathParams, barriers: F64, rng: np.random.Generator, paths: int) -> tuple[F64, F64]:
    """Probability that one factor falls, and rises, by each barrier: (B, H) each; barriers in daily volatilities.

    The table that a calibration is judged by: what the law says for a linear account whose surplus is that many
    volatilities away.
    """
    levels = as_floats("barriers", barriers, (np.size(barriers),))
    between("barriers", levels, 0.0, above=True)
    if paths < 1:
        raise RiskInputError(f"paths: {paths} must be at least 1")
    moves = standard_paths(params, ("any",), rng, paths)[..., 0]
    ends = np.searchsorted(np.cumsum(params.steps_s), np.array(params.horizons_s) - 1e-6)
    down, up = np.minimum.accumulate(moves, axis=1)[:, ends], np.maximum.accumulate(moves, axis=1)[:, ends]
    return (
        np.asarray((down[None] <= -levels[:, None, None]).mean(axis=1)),
        np.asarray((up[None] >= levels[:, None, None]).mean(axis=1)),
    )
