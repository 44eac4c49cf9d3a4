"""Scan of many accounts over one value matrix: worst loss and exact ES, accounts x scenarios never held.

    loss[a, s] = -Σ_i units[a, i] · change[i, s]        most = max_s loss        ES = mean of the k largest losses

``engine='numba'`` walks tiles that stay in the cache and reduces each block of losses while it is there; 'numpy'
multiplies and partitions blocks of 500 accounts. Both agree to rounding. With ``threads`` > 1 ranges of accounts
run at the same time: the compiled loops hold no interpreter lock. Cost is linear in accounts.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
from scipy.sparse import csr_array
from scipy.special import ndtri

from risk.arrays import Csr
from risk.checks import F64, I32, Bool, as_floats, between, number
from risk.errors import RiskInputError
from risk.optionmatrix import Engine
from risk.tail import expected_shortfall, tail_rows

WIDE, ROWS = 32, 64
NARROW = (8, 16, 24, 32)
PLAIN_ROWS = 500
LARGEST = 1e140
"""Squares of losses must be finite."""


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """Losses of every account, USD; positive = the account loses."""

    most: F64
    """(A,) largest loss of any scenario (negative where every one gains)."""
    es: F64 | None
    """(A,) expected shortfall, or None where only ``most`` was asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Screened:
    """Losses by the cheap set, and by ES where it mattered."""

    loss: F64
    """(A,) the figure to use, USD."""
    by_es: Bool
    """(A,) true where ``loss`` is ES over the full set, false where it is the worst row of the grid."""


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """Checked sparse rows in the layout of the kernels: positions change less often than prices."""

    data: F64
    columns: I32
    starts: np.ndarray[tuple[int], np.dtype[np.int64]]
    instruments: int
    largest: float
    """Of |units|."""

    @property
    def count(self) -> int:
        """A."""
        return len(self.starts) - 1

    def plain(self, first: int, last: int) -> Csr:
        """Accounts first..last as scipy has them."""
        begin, end = self.starts[first], self.starts[last]
        parts = (self.data[begin:end], self.columns[begin:end], self.starts[first : last + 1] - begin)
        rows: Any = csr_array(parts, shape=(last - first, self.instruments))
        return cast("Csr", rows)


Given: TypeAlias = "Csr | Units"


def scan(
    units: Given,
    changes: F64,
    level: float | None = None,
    engine: Engine = "numba",
    threads: int = 1,
) -> Scan:
    """Losses of A accounts, (A, N) sparse units, over (N, S) changes of unit values.

    Parameters
    ----------
    units
        A sparse matrix, or what ``prepare`` made of it.
    level
        ES confidence, 0.975 = mean of the worst 2.5 %; None = largest loss only.
    threads
        Ranges of accounts at the same time; 1 for a single thread.

    Raises
    ------
    RiskInputError
        Shapes that do not fit, a value that is not finite, no scenario.
    """
    weights = units if isinstance(units, Units) else prepare(units)
    values = _checked(weights, changes)
    if not 1 <= threads <= 256:
        raise RiskInputError(f"threads: {threads} must be from 1 to 256")
    k = tail_rows(level, values.shape[1]) if level is not None else 0.0
    most = np.empty(weights.count)
    es = np.empty(len(most)) if level is not None else None
    job = _plain_job(weights, values, level, most, es) if engine == "numpy" else _job(weights, values, k, most, es)
    _in_ranges(job, len(most), threads)
    return Scan(most, es)


def screen(
    units: Csr,
    grid_changes: F64,
    es_changes: F64,
    level: float,
    surplus: F64,
    near: float = 2.0,
    asked: Bool | None = None,
    threads: int = 1,
) -> Screened:
    """Every account on the grid; ES over the full set where surplus < ``near`` x the grid's loss, or asked for."""
    free = as_floats("surplus", surplus, (int(units.shape[0]),))
    between("surplus", free)
    number("near", near, 0.0, 1e9)
    loss = np.maximum(scan(units, grid_changes, threads=threads).most, 0.0)
    close = free < near * loss
    by_es = close if asked is None else close | asked
    rows = np.flatnonzero(by_es)
    if len(rows):
        part: Any = units[rows]
        es = scan(part, es_changes, level, threads=threads).es
        loss[rows] = np.maximum(np.zeros(len(rows)) if es is None else es, 0.0)
    return Screened(loss, by_es)


def prepare(units: Csr) -> Units:
    """Positions ready for many scans; raises ``RiskInputError`` for what is not finite or out of place."""
    data = np.ascontiguousarray(units.data, dtype=np.float64)
    largest = max(float(data.max(initial=0.0)), -float(data.min(initial=0.0)))
    if not np.isfinite(largest):
        between("units", data)
    columns = np.ascontiguousarray(units.indices, dtype=np.int32)
    if len(columns) and not 0 <= int(columns.min()) <= int(columns.max()) < units.shape[1]:
        raise RiskInputError(f"units: has a column outside 0 … {units.shape[1] - 1}")
    starts = np.ascontiguousarray(units.indptr, dtype=np.int64)
    return Units(data, columns, starts, int(units.shape[1]), largest)


def _checked(units: Units, changes: F64) -> F64:
    if np.ndim(changes) != 2 or changes.shape[0] != units.instruments or not changes.shape[1]:
        shape = f"({units.instruments}, scenarios >= 1)"
        raise RiskInputError(f"changes: has shape {np.shape(changes)}, must have {shape}")
    values = np.ascontiguousarray(changes, dtype=np.float64)
    between("changes", values)
    largest = float(np.abs(values).max(initial=0.0)) * units.largest * max(len(values), 1)
    if not largest < LARGEST:
        raise RiskInputError(f"units: losses up to {largest:g} USD are a unit error, must be below {LARGEST:g}")
    return values


Job = Callable[[int, int], None]


def _job(weights: Units, values: F64, k: float, most: F64, es: F64 | None) -> Job:
    """Compiled work on a range of accounts; every range has scratch of its own."""
    from risk import scankernels

    rows = (weights.data, weights.columns, weights.starts)
    count = values.shape[1]
    if es is None and count <= WIDE:
        narrow = np.repeat(-values[:, -1:], next(width for width in NARROW if count <= width), axis=1)
        narrow[:, :count] = -values
        return lambda first, last: scankernels.scan_narrow(*rows, narrow, first, last, most)
    tiles = -(-count // WIDE)
    packed = np.zeros((tiles, len(values), WIDE))
    for tile in range(tiles):
        part = values[:, tile * WIDE : (tile + 1) * WIDE]
        packed[tile, :, : part.shape[1]] = -part
    quantile = float(ndtri(1.0 - min(k / count, 0.5))) if es is not None else 0.0

    def run(first: int, last: int) -> None:
        losses, lanes = np.empty((ROWS, tiles * WIDE)), np.empty((4, 16))
        if es is None:
            scankernels.scan_most(*rows, packed, count, losses, lanes, first, last, most)
        else:
            scankernels.scan_es(*rows, packed, count, k, quantile, losses, lanes, first, last, es, most)

    return run


def _plain_job(units: Units, values: F64, level: float | None, most: F64, es: F64 | None) -> Job:
    def run(first: int, last: int) -> None:
        for start in range(first, last, PLAIN_ROWS):
            end = min(start + PLAIN_ROWS, last)
            part = slice(start, end)
            losses = -np.asarray(units.plain(start, end) @ values)
            most[part] = losses.max(axis=1)
            if es is not None and level is not None:
                es[part] = expected_shortfall(losses, level)

    return run


def _in_ranges(job: Job, count: int, threads: int) -> None:
    if threads == 1 or count < threads * ROWS:
        job(0, count)
        return
    edges = np.linspace(0, count, 4 * threads + 1).astype(int)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(job, map(int, edges[:-1]), map(int, edges[1:])))


def es_of_rows(losses: F64, level: float, engine: Engine = "numba") -> F64:
    """(A,) ES of (A, S) losses that are already held."""
    if engine == "numpy":
        return expected_shortfall(losses, level)
    from risk.scankernels import rows_es

    rows = np.ascontiguousarray(losses, dtype=np.float64)
    if rows.ndim != 2:
        raise RiskInputError(f"losses: has shape {rows.shape}, must have (accounts, scenarios)")
    k = tail_rows(level, rows.shape[1])
    es, most, sums = np.empty(len(rows)), np.empty(len(rows)), np.empty(len(rows))
    rows_es(rows, k, float(ndtri(1.0 - min(k / rows.shape[1], 0.5))), np.empty((4, 16)), es, most, sums)
    if not (np.abs(sums) < LARGEST).all():
        between("losses", rows, -LARGEST, LARGEST)
    return es
