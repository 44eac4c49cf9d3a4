"""Forecasts of books over a price history, tested day by day, and the calibration of breach probabilities."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from aggregator.history import HistoryError, PriceHistory
from risk.arrays import F64
from risk.gridparams import load_grid
from risk.paramfile import load
from risk.paths import PathParams, hit_table
from risk.tailtest import WARM, Forecast, filtered, grid_range, normal, observed_hits
from risk.validation import Verdicts, Zone, verdicts

BARRIERS = np.array([0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 3.0, 4.0])
TABLE_PATHS = 20_000
LEAST_DAYS = 250
RATE = 0.01


class BookTest(NamedTuple):
    """One forecast of one book."""

    book: str
    law: str
    found: Verdicts


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """One book's losses and forecasts, for the plot."""

    book: str
    days: tuple[str, ...]
    loss: F64
    var: F64


class Calibration(NamedTuple):
    """Predicted and observed probability that a price reaches a barrier."""

    asset: str
    direction: str
    horizon_s: float
    barrier: float
    predicted: float
    observed: float
    origins: int


@dataclass(frozen=True, slots=True, eq=False)
class PastMarket:
    """What a history says of the forecasts."""

    dates: str
    tests: tuple[BookTest, ...]
    walks: tuple[Walk, ...]
    calibration: tuple[Calibration, ...]

    def of(self, law: str) -> list[BookTest]:
        """Tests of one law."""
        return [test for test in self.tests if test.law == law]

    def passed_test(self, test: BookTest) -> bool:
        """``filtered`` may not be in the red zone, ``grid`` may not be beaten on more than 1 % of days."""
        if test.law == "filtered":
            return test.found.light.zone is not Zone.RED
        return test.law != "grid" or test.found.hits <= RATE * test.found.days

    @property
    def passed(self) -> bool:
        """All of them."""
        return all(map(self.passed_test, self.tests))

    def pooled(self) -> list[Calibration]:
        """Calibration over all assets, weighted by their origins."""
        keys = dict.fromkeys((c.direction, c.horizon_s, c.barrier) for c in self.calibration)
        rows = []
        for key in keys:
            same = [c for c in self.calibration if (c.direction, c.horizon_s, c.barrier) == key]
            origins = sum(c.origins for c in same)
            seen = sum(c.observed * c.origins for c in same) / max(1, origins)
            rows.append(Calibration("all", *key, same[0].predicted, seen, origins))
        return rows


def try_market(history: PriceHistory) -> PastMarket:
    """Test all books of a history; raises HistoryError where it is too short."""
    bars = round(86_400 / history.step_s)
    if bars < 1 or bars * history.step_s != 86_400:
        raise HistoryError(f"history: its step of {history.step_s} s does not divide a day")
    close = history.close[::bars]
    if len(close) < LEAST_DAYS + WARM:
        raise HistoryError(f"history: has {len(close)} days, needs at least {LEAST_DAYS + WARM}")
    grid, tests, walks = load_grid(), [], []
    days = [str(np.datetime64(int(stamp), "s"))[:10] for stamp in history.time_s[::bars]][1:]
    for name, returns in _books(history.assets, close):
        laws = {"filtered": filtered(returns), "normal": normal(returns)}
        wide = grid_range(returns, grid.range_sigmas, grid.sigma_floor)
        start = int(np.argmax(np.isfinite(laws["filtered"].var)))
        loss = -returns[start:]
        tests += [BookTest(name, law, _test(loss, found, start)) for law, found in laws.items()]
        tests.append(BookTest(name, "grid", verdicts(loss, wide[start:], RATE)))
        walks.append(Walk(name, tuple(days[start:]), loss, laws["filtered"].var[start:]))
    return PastMarket(history.dates, tuple(tests), tuple(walks), tuple(_calibration(history)))


def _books(assets: tuple[str, ...], close: F64) -> Iterator[tuple[str, F64]]:
    """Every asset long and short, all of them in equal parts, and the first against the second; daily returns."""
    change = np.diff(close, axis=0) / close[:-1]
    known = np.nan_to_num(change)
    for index, name in enumerate(assets):
        yield f"long {name}", known[:, index]
        yield f"short {name}", -known[:, index]
    if len(assets) > 1:
        yield "equal parts", known.mean(axis=1)
        yield f"long {assets[1]}, short {assets[0]}", known[:, 1] - known[:, 0]


def _test(loss: F64, found: Forecast, start: int) -> Verdicts:
    return verdicts(
        loss, found.var[start:], found.rate, found.shortfall[start:], found.tail_rate, found.tail_var[start:]
    )


def _calibration(history: PriceHistory) -> Iterator[Calibration]:
    params = load(PathParams, "paths_v1")
    down, up = hit_table(params, BARRIERS, np.random.default_rng(params.seed), TABLE_PATHS)
    horizons = [h for h in params.horizons_s if h >= history.step_s]
    places = [params.horizons_s.index(h) for h in horizons]
    for index, name in enumerate(history.assets):
        close, high, low = (part[:, index] for part in (history.close, history.high, history.low))
        seen = observed_hits(close, high, low, history.step_s, tuple(horizons), BARRIERS)
        for direction, told, real in (("fall", down, seen.down), ("rise", up, seen.up)):
            for column, (horizon, place) in enumerate(zip(horizons, places, strict=True)):
                for row, barrier in enumerate(BARRIERS):
                    figures = (float(told[row, place]), float(real[row, column]))
                    yield Calibration(name, direction, horizon, float(barrier), *figures, seen.origins)
