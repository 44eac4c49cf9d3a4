"""Laws and margins against price history: how often was the buffer of a day not enough (RISK section 8).

Days start at 00:00 UTC. The unit of a day is the volatility known at its start (``risk.scanfit``): nothing after
the start enters the buffer. A bar's high and low are taken against the account.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from risk.checks import F64, Bool, between
from risk.errors import RiskInputError
from risk.latency import Knots
from risk.mobility import KAPPA, G
from risk.scanfit import Bars, scan_maxima, usable_starts
from risk.scanlaw import DAY_S, ScanLaw
from risk.simulate import DEAD_BAND

Rows = npt.NDArray[np.intp]


class Exceedance(NamedTuple):
    """Share of the days of one asset and year on which the worst move within a lag beat the buffer."""

    asset: str
    year: int
    lag_s: float
    days: int
    up: float
    down: float


def buffer(law: ScanLaw, lag_s: float, q: float = 0.99) -> float:
    """Buffer of a certain lag, daily volatilities."""
    return G(law, [Knots(np.array([float(lag_s)]), np.ones(1))], [1.0], [1.0], q=q)


def day_starts(bars: Bars, time_s: npt.NDArray[np.int64], first_s: int = 0, last_s: int = 2**62) -> Rows:
    """Bars at 00:00 UTC in [first, last) that have a volatility before and a whole day after them."""
    starts = usable_starts(bars, DAY_S)
    stamps = time_s[starts]
    chosen: Rows = starts[(stamps % int(DAY_S) == 0) & (stamps >= first_s) & (stamps < last_s)]
    return chosen


def exceedances(
    bars: Bars,
    unit: F64,
    time_s: npt.NDArray[np.int64],
    assets: Sequence[str],
    bounds: Mapping[float, float],
    starts: Rows,
) -> tuple[Exceedance, ...]:
    """Rows by asset, year and lag; ``bounds`` are buffers in daily volatilities by lag in seconds."""
    years = (time_s[starts].astype("datetime64[s]").astype("datetime64[Y]").astype(int) + 1970).astype(int)
    found = []
    for lag_s, bound in bounds.items():
        beaten = [move / unit[starts] > bound for move in scan_maxima(bars, lag_s, DAY_S, starts)]
        for year in np.unique(years):
            mine = years == year
            for column, asset in enumerate(assets):
                up, down = (float(direction[mine, column].mean()) for direction in beaten)
                found.append(Exceedance(asset, int(year), lag_s, int(mine.sum()), up, down))
    return tuple(found)


class YearVerdict(NamedTuple):
    """Average over assets of one year and lag, the larger direction, and the worst asset."""

    year: int
    lag_s: float
    mean: float
    worst: float
    worst_asset: str


def by_year(rows: Sequence[Exceedance]) -> tuple[YearVerdict, ...]:
    """Larger direction of the averages, and the worst asset in either."""
    found = []
    for year, lag_s in sorted({(row.year, row.lag_s) for row in rows}):
        mine = [row for row in rows if (row.year, row.lag_s) == (year, lag_s)]
        mean = max(float(np.mean([row.up for row in mine])), float(np.mean([row.down for row in mine])))
        worst = max(mine, key=lambda row: max(row.up, row.down))
        found.append(YearVerdict(year, lag_s, mean, max(worst.up, worst.down), worst.asset))
    return tuple(found)


# --- whole books ---


@dataclass(frozen=True, slots=True, eq=False)
class PairReplay:
    """Two venues, long one asset and short another for equal risk, through every day."""

    names: tuple[str, str]
    lag_s: float
    days: int
    knocked: Bool
    """(days, 2)."""
    margin: float
    """Average margin over the average isolated buffer of both legs."""

    @property
    def rate(self) -> float:
        """Of the venue that fares worst."""
        return float(self.knocked.mean(axis=0).max())


def netted_multiple(bars: Bars, unit: F64, columns: tuple[int, int], starts: Rows, q: float = 0.99) -> float:
    """Quantile of the running maximum of the standardised netted loss over a day, closes; larger side."""
    between("unit[starts]", unit[starts][:, columns], 0.0, above=True)
    steps = round(bars.per_day)
    long_leg, short_leg = (_moves(bars, unit, column, starts, steps) for column in columns)
    netted = long_leg - short_leg  # the long loses when its price falls: both signs are taken
    return max(float(np.quantile(side.max(axis=1), q, method="higher")) for side in (netted, -netted))


def _moves(bars: Bars, unit: F64, column: int, starts: Rows, steps: int) -> F64:
    """(days, steps) standardised log moves since the day's start."""
    rows = starts[:, None] + np.arange(steps)
    return np.asarray((bars.close[rows, column] - bars.start[starts, column, None]) / unit[starts, column, None])


def replay_pair(
    bars: Bars, unit: F64, names: tuple[str, str], columns: tuple[int, int], starts: Rows,
    lag_s: float, placed: tuple[float, float],
) -> PairReplay:  # fmt: skip
    """Walk the keeper through every day of a pair with one unit of daily volatility on each leg.

    The keeper looks at closes; what it sends arrives ``lag - one bar`` later, so that the wait for the next look
    and the way together take the lag. Between looks a leg must stand the worst price of the bar.
    """
    lag = round(lag_s / bars.step_s) - 1
    if lag < 0:
        raise RiskInputError(f"lag_s: must be at least one bar of {bars.step_s:g} s, was {lag_s:g}")
    steps, days = round(bars.per_day), len(starts)
    equity = np.tile(np.array(placed), (days, 1))
    share, ring = np.array(placed) / sum(placed), np.zeros((lag + 1, days, 2))
    knocked = np.zeros((days, 2), bool)
    for step in range(steps):
        worst, loss = _bar_losses(bars, unit, columns, starts, starts + step)
        knocked |= equity - worst < 0
        equity -= loss
        ring[step % (lag + 1)] = _sent(equity, ring.sum(axis=0), share)
        arriving = (step + 1) % (lag + 1)
        equity += ring[arriving]
        ring[arriving] = 0.0
    return PairReplay(names, lag_s, days, knocked, float(sum(placed)))


def _bar_losses(bars: Bars, unit: F64, columns: tuple[int, int], starts: Rows, at: Rows) -> tuple[F64, F64]:
    """(worst within the bar, at its close), each (days, 2): the first leg is long, the second short."""
    long_leg, short_leg = columns
    down = (bars.start[at, long_leg] - bars.low[at, long_leg]) / unit[starts, long_leg]
    up = (bars.high[at, short_leg] - bars.start[at, short_leg]) / unit[starts, short_leg]
    fell = (bars.start[at, long_leg] - bars.close[at, long_leg]) / unit[starts, long_leg]
    rose = (bars.close[at, short_leg] - bars.start[at, short_leg]) / unit[starts, short_leg]
    return np.stack([down, up], axis=1), np.stack([fell, rose], axis=1)


def _sent(equity: F64, under_way: F64, share: F64) -> F64:
    """What the keeper sends now, by destination; taken from ``equity`` in place."""
    projected = equity + under_way
    target = share * projected.sum(axis=1, keepdims=True)
    missing = np.where(projected < DEAD_BAND * target, target - projected, 0.0)
    amount = np.minimum(missing, np.maximum(equity - target, 0.0)[:, ::-1])
    equity -= amount[:, ::-1]
    return np.asarray(amount)


# --- episodes ---


class EpisodeRow(NamedTuple):
    """Worst move of an episode within a stressed lag, and the buffers of its first day, in daily volatilities."""

    episode: str
    asset: str
    lag_s: float
    move: float
    buffer: float
    with_floor: float


def episode_rows(
    bars: Bars, unit: F64, time_s: npt.NDArray[np.int64], assets: Sequence[str], law: ScanLaw, name: str,
    first: str, last: str, lags_s: Sequence[float], latency_factor: float, history: Mapping[float, float],
) -> tuple[EpisodeRow, ...]:  # fmt: skip
    """Rows of one episode; empty where the history does not hold it.

    ``history`` are the worst moves of earlier episodes by lag in plain log terms: the stress floor is
    max(G, 0.75 G + 0.25 that) (EMIR RTS 153/2013 art. 28).
    """
    first_s, last_s = (int(np.datetime64(day, "s").astype(np.int64)) for day in (first, last))
    starts = day_starts(bars, time_s, first_s, last_s)
    found = []
    for lag_s in lags_s if len(starts) else ():
        late = float(np.ceil(lag_s * latency_factor / bars.step_s) * bars.step_s)
        moves = np.maximum(*scan_maxima(bars, late, DAY_S, starts)).max(axis=0)
        plain = KAPPA * buffer(law, lag_s)
        for column, asset in enumerate(assets):
            sigma = float(unit[starts[0], column])
            floor = max(plain, 0.75 * plain + 0.25 * history.get(lag_s, 0.0) / sigma)
            found.append(EpisodeRow(name, asset, lag_s, float(moves[column]) / sigma, plain, floor))
    return tuple(found)


def worst_move(bars: Bars, lag_s: float, starts: Rows) -> float:
    """Largest log move of any asset within a lag over the given days."""
    return float(np.maximum(*scan_maxima(bars, lag_s, DAY_S, starts)).max()) if len(starts) else 0.0
