"""Seeded simulation of a keeper who moves money between venues: does a margin survive the lag (RISK section 8).

The keeper knows only the past. At each step it sees every venue's equity and what it sent itself. Where what a
venue will have, transfers under way included, falls below 85 % of its target, it sends what is missing from venues
that hold more than their own target: first inside groups that are linked by short lags, then across. Money under
way is of no use to anybody. A venue is knocked out when its equity is gone while no transfer has arrived.

Equity is watched on a grid; a continuous path dips lower between two looks. Both barriers, the keeper's and the
venue's, are therefore raised by 0.5826 sigma sqrt(dt) (Broadie, Glasserman and Kou 1997), so that a coarse grid
gives the rates of a fine one: how long detection takes is part of the lag, not of the grid.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from risk.checks import F64, Bool, between, number
from risk.errors import RiskInputError
from risk.latency import Knots
from risk.scanlaw import DAY_S, YEAR_S, JumpKind

F32 = npt.NDArray[np.float32]
Lags = npt.NDArray[np.int32]
BARRIER_SHIFT = 0.5826
"""-zeta(1/2) / sqrt(2 pi)."""
DEAD_BAND = 0.85
"""Share of its target below which the keeper refills a venue."""
CHUNK = 4_000
"""Paths at a time, so that one step's arrays stay in the cache."""
NEVER_STEPS = 2**30


@dataclass(frozen=True, slots=True)
class MarketState:
    """Law of the common prices on one kind of day."""

    sigma_daily: float
    latency: Knots | None = None
    """Cure lag of every transfer on such a day; None: the book's own certain lags."""

    def __post_init__(self) -> None:
        number("sigma_daily", self.sigma_daily, 0.0, 10.0)


@dataclass(frozen=True, slots=True, eq=False)
class KeeperBook:
    """A book over venues, what each holds, and how late help is.

    Venue v loses exposure_v x (move of its price) + jumps; prices have unit volatility per day before ``states``.
    """

    exposure: F64
    """(V,) signed, positive loses when its price rises; currency units."""
    correlation: F64
    """(V, V) of the venues' prices."""
    placed: F64
    """(V,) equity at the start: the margin and where it sits. The keeper keeps to its proportions."""
    lag_s: F64
    """(V, V) certain cure lag from row to column; not used by states with a law of their own."""
    states: tuple[tuple[float, MarketState], ...]
    """(probability, state) of the day."""
    jumps: tuple[JumpKind, ...] = ()
    """Common to all prices, either sign."""
    new_lag_each_time: bool = True
    """A lag from a law is drawn anew for each transfer; False: one draw lasts the whole day."""

    def __post_init__(self) -> None:
        """Shapes and bounds."""
        venues = len(self.exposure)
        if not self.correlation.shape == self.lag_s.shape == (venues, venues) or self.placed.shape != (venues,):
            raise RiskInputError(f"KeeperBook: exposure, correlation, placed, lag_s must fit {venues} venues")
        between("KeeperBook.exposure", self.exposure)
        between("KeeperBook.correlation", self.correlation, -1.0 - 1e-9, 1.0 + 1e-9)
        if not (np.isfinite(self.placed).all() and (self.placed > 0).all()):
            raise RiskInputError(f"KeeperBook.placed: must be positive, was {self.placed.tolist()}")
        if not (self.lag_s >= 0).all():
            raise RiskInputError("KeeperBook.lag_s: must be >= 0 seconds")
        if abs(sum(share for share, _ in self.states) - 1.0) > 1e-9:
            raise RiskInputError("KeeperBook.states: probabilities must sum to 1")


def knock_outs(
    book: KeeperBook, rng: np.random.Generator, paths: int, step_s: float, horizon_s: float = DAY_S
) -> Bool:
    """Which venues were knocked out on which path, shape (paths, V)."""
    if paths < 1 or not 0 < step_s <= horizon_s:
        raise RiskInputError(f"paths, step_s: must be positive and within the horizon, were {paths}, {step_s}")
    parts = [
        _run(_Chunk.start(book, rng, min(CHUNK, paths - done), step_s, horizon_s))
        for done in range(0, paths, CHUNK)
    ]
    return np.concatenate(parts)


class _Chunk:
    """Paths that are walked together."""

    def __init__(self, book: KeeperBook, rng: np.random.Generator, paths: int, step_s: float, steps: int) -> None:
        self.book, self.rng, self.paths, self.step_s, self.steps = book, rng, paths, step_s, steps
        shares = [share for share, _ in book.states]
        self.state = rng.choice(len(shares), size=paths, p=shares)
        sigma = np.array([state.sigma_daily for _, state in book.states], np.float32)
        self.scale = sigma[self.state] * np.float32(np.sqrt(step_s / DAY_S))
        self.certain = np.minimum(np.ceil(book.lag_s / step_s - 1e-9), NEVER_STEPS).astype(np.int64)
        self.lasting = None if book.new_lag_each_time else self._draw(np.arange(paths))
        self.tiers = tiers(self.certain)
        self.equity = np.repeat(book.placed.astype(np.float32)[:, None], paths, axis=1)
        self.under_way = np.zeros((len(self.tiers), *self.equity.shape), np.float32)
        self.ring = np.zeros((self._ring_size(), *self.under_way.shape), np.float32)
        self.share = (book.placed / book.placed.sum()).astype(np.float32)[:, None]
        self.dip = np.abs(book.exposure)[:, None].astype(np.float32) * (np.float32(BARRIER_SHIFT) * self.scale)

    @classmethod
    def start(
        cls, book: KeeperBook, rng: np.random.Generator, paths: int, step_s: float, horizon_s: float
    ) -> "_Chunk":
        return cls(book, rng, paths, step_s, round(horizon_s / step_s))

    def _ring_size(self) -> int:
        if any(state.latency is not None for _, state in self.book.states):
            return self.steps + 1
        finite = self.certain[self.certain < self.steps]
        return int(finite.max(initial=0)) + 1

    def _draw(self, columns: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
        """Lags in steps for transfers of some paths; NEVER_STEPS where the money does not come."""
        lags = np.zeros(len(columns), np.int64)
        for index, (_, state) in enumerate(self.book.states):
            mine = self.state[columns] == index
            if state.latency is None or not mine.any():
                continue
            drawn = self.rng.choice(state.latency.tau_s, size=int(mine.sum()), p=state.latency.weight)
            lags[mine] = np.minimum(np.ceil(drawn / self.step_s), NEVER_STEPS).astype(np.int64)
        return lags

    def lag_steps(self, source: int, destination: int, columns: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
        """Steps that transfers sent now take, by path."""
        if all(state.latency is None for _, state in self.book.states):
            return np.full(len(columns), self.certain[source, destination])
        return self._draw(columns) if self.lasting is None else self.lasting[columns]


def _run(chunk: _Chunk) -> Bool:
    lowest = chunk.equity - chunk.dip
    for step, loss in enumerate(_losses(chunk)):
        chunk.equity -= loss
        np.minimum(lowest, chunk.equity - chunk.dip, out=lowest)
        arrived = chunk.ring[step % len(chunk.ring)]
        chunk.equity += arrived.sum(axis=0)
        chunk.under_way -= arrived
        arrived[:] = 0.0
        for tier, groups in enumerate(chunk.tiers):
            for group in groups:
                _refill(chunk, step, tier, group)
    return np.asarray((lowest < 0).T)


def _losses(chunk: _Chunk) -> Iterator[F32]:
    """(V, paths) loss of each step."""
    book = chunk.book
    values, vectors = np.linalg.eigh(book.correlation)
    mix = vectors * np.sqrt(np.maximum(values, 0.0))
    used = values > 1e-12
    load = (book.exposure[:, None] * mix[:, used]).astype(np.float32)
    jumps = _jumps(chunk) if book.jumps else None
    exposure = book.exposure.astype(np.float32)[:, None]
    for step in range(chunk.steps):
        normal = chunk.rng.standard_normal((load.shape[1], chunk.paths), dtype=np.float32)
        loss = (load @ normal) * chunk.scale
        yield loss if jumps is None else loss + exposure * jumps[step]


def _jumps(chunk: _Chunk) -> F32:
    """(steps, paths) common jump moves: each spreads evenly over its duration."""
    moves = np.zeros((chunk.steps, chunk.paths), np.float32)
    for kind in chunk.book.jumps:
        count = chunk.rng.poisson(kind.rate_per_year * chunk.steps * chunk.step_s / YEAR_S, chunk.paths)
        for column in np.repeat(np.arange(chunk.paths), count):
            size = chunk.rng.normal(kind.mean, kind.sd) * chunk.rng.choice((-1.0, 1.0))
            length = max(1, round(kind.duration_s / chunk.step_s))
            begin = int(chunk.rng.integers(1 - length, chunk.steps))
            moves[max(begin, 0) : begin + length, column] += size / length
    return moves


def _refill(chunk: _Chunk, step: int, tier: int, group: list[int]) -> None:
    """Refill the venues of a group that are short from those of the group that have more than their target.

    Only what is under way by transfers of this tier or a faster one counts: what comes later does not help now.
    """
    equity = chunk.equity[group]
    projected = equity + chunk.under_way[: tier + 1, group].sum(axis=0)
    share = chunk.share[group]
    target = share / share.sum() * projected.sum(axis=0)
    short = projected - chunk.dip[group] < np.float32(DEAD_BAND) * target
    columns = np.flatnonzero(short.any(axis=0))
    if not len(columns):
        return
    missing = np.where(short[:, columns], target[:, columns] - projected[:, columns], np.float32(0.0))
    spare = np.maximum(equity[:, columns] - target[:, columns], np.float32(0.0))
    for destination, to in enumerate(group):
        for source in np.argsort(chunk.certain[group, to], kind="stable"):
            if source != destination:
                wanted = np.minimum(missing[destination], spare[source])
                missing[destination] -= wanted
                spare[source] -= wanted
                _send(chunk, step, tier, (group[source], to), columns, wanted)


def _send(
    chunk: _Chunk, step: int, tier: int, ends: tuple[int, int], columns: npt.NDArray[np.intp], amount: F32
) -> None:
    source, destination = ends
    sending = np.flatnonzero(amount > 0)
    if not len(sending):
        return
    paths, amount = columns[sending], amount[sending]
    chunk.equity[source, paths] -= amount
    chunk.under_way[tier, destination, paths] += amount
    lags = np.maximum(chunk.lag_steps(source, destination, paths), 1)
    comes = step + lags < chunk.steps
    slot = (step + lags[comes]) % len(chunk.ring)
    chunk.ring[slot, tier, destination, paths[comes]] += amount[comes]


def tiers(lag: npt.NDArray[np.int64]) -> tuple[tuple[list[int], ...], ...]:
    """Per distinct lag, shortest first: groups of at least two venues that are linked by lags up to it."""
    venues = len(lag)
    worse = np.maximum(lag, lag.T)
    found = []
    for level in np.unique(worse[~np.eye(venues, dtype=bool)]):
        linked = (worse <= level) | np.eye(venues, dtype=bool)
        for k in range(venues):
            linked |= linked[:, k, None] & linked[None, k, :]
        groups = {tuple(np.flatnonzero(row).tolist()) for row in linked}
        found.append(tuple(list(group) for group in sorted(groups) if len(group) > 1))
    return tuple(found) or ((),)
