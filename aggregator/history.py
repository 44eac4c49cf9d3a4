"""Price history from a file: joint bars of several assets as columns ``time_utc, X_close, X_high, X_low, …``.

Plain or gzip CSV, one row a bar, times in UTC, empty where an asset has no price. Rows that are missing become
rows of nan, so that bars stay on a regular grid.
"""

import csv
import gzip
import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aggregator.errors import ServiceError

F64 = npt.NDArray[np.float64]
PARTS = ("close", "high", "low")
DAY_S = 86_400


class HistoryError(ServiceError, ValueError):
    """A price history cannot be used; names the file, the row or column and the fix."""


@dataclass(frozen=True, slots=True, eq=False)
class PriceHistory:
    """Bars on a regular grid; nan where a price is missing."""

    assets: tuple[str, ...]
    time_s: npt.NDArray[np.int64]
    """(T,) unix seconds of each bar's start."""
    step_s: int
    close: F64
    """(T, assets)."""
    high: F64
    low: F64

    @property
    def dates(self) -> str:
        """First and last day, for the record of what was fitted on."""
        first, last = (str(np.datetime64(int(stamp), "s"))[:10] for stamp in (self.time_s[0], self.time_s[-1]))
        return f"{first}/{last}"

    def daily_close(self) -> F64:
        """(D, assets) every close a whole number of days before the last; raises HistoryError for odd steps."""
        bars, rest = divmod(DAY_S, self.step_s)
        if rest or not bars:
            raise HistoryError(f"model.history: its step of {self.step_s} s does not divide a day")
        return self.close[::-1][::bars][::-1]

    def without(self, assets: Iterable[str]) -> "PriceHistory":
        """Leave assets out."""
        left_out = set(assets)
        return self._columns([i for i, name in enumerate(self.assets) if name not in left_out])

    def between(self, first: str, last: str) -> "PriceHistory":
        """Bars that start in [first, last), ISO dates in UTC."""
        edges = [int(np.datetime64(day, "s").astype(np.int64)) for day in (first, last)]
        rows = slice(*np.searchsorted(self.time_s, edges).tolist())
        parts = (self.close[rows], self.high[rows], self.low[rows])
        return PriceHistory(self.assets, self.time_s[rows], self.step_s, *parts)

    def _columns(self, keep: list[int]) -> "PriceHistory":
        parts = (self.close[:, keep], self.high[:, keep], self.low[:, keep])
        return PriceHistory(tuple(self.assets[i] for i in keep), self.time_s, self.step_s, *parts)


def read_history(path: str | Path) -> PriceHistory:
    """Read CSV, gzip CSV or (with pyarrow installed) Parquet of the same columns; raises HistoryError."""
    if not Path(path).is_file():
        raise HistoryError(f"{path}: no such file")
    return _read_parquet(path) if Path(path).suffix in {".parquet", ".pq"} else read_history_csv(path)


def _read_parquet(path: str | Path) -> PriceHistory:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise HistoryError(
            f"{path}: Parquet needs pyarrow (pip install pyarrow), or write the file as CSV"
        ) from None
    columns = parquet.read_table(path).to_pydict()
    header = list(columns)
    rows = [["" if value is None else str(value) for value in row] for row in zip(*columns.values(), strict=True)]
    return _history(path, header, rows)


def read_history_csv(path: str | Path) -> PriceHistory:
    """Read a history file; raises HistoryError for columns, times and prices that cannot be used."""
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        content = list(rows)
    return _history(path, header, content)


def _history(path: str | Path, header: list[str], content: list[list[str]]) -> PriceHistory:
    assets = tuple(name.removesuffix("_close") for name in header if name.endswith("_close"))
    wanted = [f"{asset}_{part}" for asset in assets for part in PARTS]
    missing = sorted({"time_utc", *wanted} - set(header))
    if missing or not assets or len(content) < 2:
        raise HistoryError(f"{path}: needs time_utc, X_close, X_high, X_low and two rows; missing {missing}")
    time_s, place, step_s = _grid(path, [row[header.index("time_utc")] for row in content])
    parts = []
    for part in PARTS:
        columns = [header.index(f"{asset}_{part}") for asset in assets]
        grid = np.full((len(time_s), len(assets)), np.nan)
        grid[place] = _numbers(path, content, columns)
        parts.append(grid)
    return PriceHistory(assets, time_s, step_s, *parts)


def _grid(path: str | Path, texts: list[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
    """(regular times, place of each row, step): the step is the commonest difference."""
    try:
        stamps = np.array(texts, dtype="datetime64[s]").astype(np.int64)
    except ValueError as error:
        raise HistoryError(f"{path}: time_utc must be ISO times in UTC: {error}") from None
    steps = np.diff(stamps)
    if (steps <= 0).any():
        raise HistoryError(f"{path}: row {int(np.argmax(steps <= 0)) + 3}: times must increase")
    values, counts = np.unique(steps, return_counts=True)
    step = int(values[counts.argmax()])
    place, rest = np.divmod(stamps - stamps[0], step)
    if rest.any():
        raise HistoryError(f"{path}: row {int(np.argmax(rest > 0)) + 2}: time is off the grid of {step} s")
    return stamps[0] + step * np.arange(place[-1] + 1), place, step


def _numbers(path: str | Path, content: list[list[str]], columns: list[int]) -> F64:
    try:
        return np.array([[float(row[column] or "nan") for column in columns] for row in content])
    except (ValueError, IndexError) as error:
        raise HistoryError(f"{path}: a price is not a number or a row is short: {error}") from None
