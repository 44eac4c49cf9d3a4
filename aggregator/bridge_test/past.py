"""The law and the margin against a price history: fitted on its first part, tried on the rest."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from aggregator.history import HistoryError, PriceHistory
from aggregator.mass.on_ray import OnRay
from risk.checks import F64
from risk.coverage import OTHERS, pair_losses, placement
from risk.latency import EMPIRICAL_STRESS
from risk.mobility import KAPPA
from risk.replay import (
    EpisodeRow,
    Exceedance,
    PairReplay,
    YearVerdict,
    buffer,
    by_year,
    day_starts,
    episode_rows,
    exceedances,
    netted_multiple,
    replay_pair,
    worst_move,
)
from risk.scanfit import Bars, bars_of, daily_volatility, fit_scan_law
from risk.scanlaw import DAY_S, Diffusion, Empirical, ScanLaw

HOUR_S = 3_600.0
LAGS_S = (HOUR_S, 4 * HOUR_S, 24 * HOUR_S)
MEAN_BAND = (0.002, 0.015)
WORST = 0.03
CONTROL_LEAST = 0.05
LEAST_FIT_DAYS = 180
EPISODES = (
    ("19 May 2021", "2021-05-17", "2021-05-25"),
    ("LUNA, May 2022", "2022-05-07", "2022-05-14"),
    ("June 2022", "2022-06-11", "2022-06-20"),
    ("FTX, November 2022", "2022-11-07", "2022-11-12"),
    ("10 October 2025", "2025-10-09", "2025-10-13"),
)


@dataclass(frozen=True, slots=True)
class PairRow:
    """One book under the unified rule and under the diffusion control."""

    ours: PairReplay
    control: PairReplay


@dataclass(frozen=True, slots=True)
class PastResult:
    """Everything the history said."""

    fitted: str
    """Dates that the law was fitted on."""
    tested: str
    rows: tuple[Exceedance, ...]
    years: tuple[YearVerdict, ...]
    control: tuple[YearVerdict, ...]
    pairs: tuple[PairRow, ...]
    episodes: tuple[EpisodeRow, ...]

    def year_passed(self, year: YearVerdict) -> bool:
        """Average within 0.2 to 1.5 %, no asset above 3 %."""
        return MEAN_BAND[0] <= year.mean <= MEAN_BAND[1] and year.worst <= WORST

    @property
    def control_failed(self) -> bool:
        """Whether the diffusion control exceeds 5 % of days at the shortest lag in every year, as it must."""
        shortest = [year for year in self.control if year.lag_s == LAGS_S[0]]
        return bool(shortest) and all(year.mean > CONTROL_LEAST for year in shortest)

    @property
    def passed(self) -> bool:
        """All years and pairs within bounds, and the control outside."""
        pairs = all(row.ours.rate <= MEAN_BAND[1] for row in self.pairs)
        return all(map(self.year_passed, self.years)) and pairs and self.control_failed


@dataclass(frozen=True, slots=True, eq=False)
class _Past:
    history: PriceHistory
    bars: Bars
    unit: F64
    plain_unit: F64
    """Without the stressed part, for the control."""
    law: ScanLaw
    before: npt.NDArray[np.intp]
    after: npt.NDArray[np.intp]


def try_history(
    history: PriceHistory, fit_until: str | None = None, *, cluster: OnRay | None = None
) -> PastResult:
    """Fit before a date (default: the first 1 January with half a year before it), try after it.

    ``cluster``: where the books are replayed; None: here. Raises HistoryError where the history is too short.
    """
    until = fit_until or _first_year_end(history)
    past = _prepare(history, until)
    bounds = {lag: buffer(past.law, lag) for lag in LAGS_S}
    control = {lag: KAPPA * buffer(Diffusion(), lag) for lag in LAGS_S}
    assets, time_s = history.assets, history.time_s
    rows = exceedances(past.bars, past.unit, time_s, assets, bounds, past.after)
    wrong = exceedances(past.bars, past.plain_unit, time_s, assets, control, past.after)
    return PastResult(
        fitted=history.between("1970-01-01", until).dates,
        tested=history.between(until, "2200-01-01").dates,
        rows=rows,
        years=by_year(rows),
        control=by_year(wrong),
        pairs=tuple(_pairs(past, cluster)),
        episodes=tuple(_episodes(past)),
    )


def _prepare(history: PriceHistory, until: str) -> _Past:
    fit = history.between("1970-01-01", until)
    if fit.close.shape[0] * history.step_s < LEAST_FIT_DAYS * DAY_S / 2:
        raise HistoryError(
            f"fit until {until}: fewer than {LEAST_FIT_DAYS // 2} days before it; name a later date"
        )
    table = fit_scan_law(
        fit.close, fit.high, fit.low, fit.step_s, assets=fit.assets, source="history", dates=fit.dates
    )
    bars = bars_of(history.close, history.high, history.low, history.step_s)
    edge = int(np.datetime64(until, "s").astype(np.int64))
    before, after = day_starts(bars, history.time_s, 0, edge), day_starts(bars, history.time_s, edge)
    if not len(after):
        raise HistoryError(f"fit until {until}: no whole day after it to try the law on; name an earlier date")
    units = (daily_volatility(bars), daily_volatility(bars, stressed_weight=0.0))
    return _Past(history, bars, *units, Empirical(table), before, after)


def _first_year_end(history: PriceHistory) -> str:
    first = int(history.time_s[0])
    earliest = np.datetime64(first + LEAST_FIT_DAYS * int(DAY_S), "s").astype("datetime64[Y]")
    return f"{earliest + 1}-01-01"


def _pairs(past: _Past, cluster: OnRay | None) -> Iterator[PairRow]:
    """Perfect hedges of the first two assets, and neighbours in the file as correlated books."""
    assets = past.history.assets
    hedges = [(0, 0), (1, 1)] if len(assets) > 1 else [(0, 0)]
    books = [(columns, lag) for columns in hedges + list(pairwise(range(len(assets)))) for lag in LAGS_S[:2]]
    return map(partial(_pair_row, past), books) if cluster is None else cluster.spread(_pair_row, past, books)


def _pair_row(past: _Past, book: tuple[tuple[int, int], float]) -> PairRow:
    control = _pair(past, *book, Diffusion(), past.plain_unit)
    return PairRow(_pair(past, *book, past.law, past.unit), control)


def _pair(past: _Past, columns: tuple[int, int], lag: float, law: ScanLaw, unit: F64) -> PairReplay:
    day, net = buffer(law, DAY_S), 0.0
    if columns[0] != columns[1]:
        net = min(2 * day, netted_multiple(past.bars, unit, columns, past.before))
    g = min(1.0, KAPPA * buffer(law, lag) / day)
    placed = placement(pair_losses(np.array([day, day]), net), g * OTHERS)
    names = (past.history.assets[columns[0]], past.history.assets[columns[1]])
    return replay_pair(past.bars, unit, names, columns, past.after, lag, (float(placed[0]), float(placed[1])))


def _episodes(past: _Past) -> Iterator[EpisodeRow]:
    """Episodes with stressed lags; the floor knows only those before."""
    history: dict[float, float] = {}
    for name, first, last in EPISODES:
        yield from episode_rows(
            past.bars, past.unit, past.history.time_s, past.history.assets, past.law, name, first, last,
            LAGS_S[:2], EMPIRICAL_STRESS.latency_factor, history,
        )  # fmt: skip
        edges = [int(np.datetime64(day, "s").astype(np.int64)) for day in (first, last)]
        starts = day_starts(past.bars, past.history.time_s, *edges)
        for lag in LAGS_S[:2]:
            history[lag] = max(history.get(lag, 0.0), worst_move(past.bars, lag, starts))
