"""Some accounts of a portfolio with only the instruments that they hold: small arrays for a few rows."""

from dataclasses import fields
from typing import cast

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from risk.arrays import Csr, InstrumentArrays, PortfolioArrays
from risk.checks import F64, I32, as_indices

Rows = npt.NDArray[np.intp]


def part_of(portfolio: PortfolioArrays, rows: npt.NDArray[np.integer]) -> PortfolioArrays:
    """Accounts ``rows`` (in that order) over the instruments that any of them has units of; same factors."""
    chosen = as_indices("rows", rows, (np.size(rows),), 0, portfolio.count - 1)
    units = [_entries(m, chosen) for m in (portfolio.value, portfolio.equity, portfolio.requirement)]
    held = np.unique(np.concatenate([indices for _, indices, _ in units]))
    if len(held) == portfolio.instruments.count and np.array_equal(chosen, np.arange(portfolio.count)):
        return portfolio  # all of it
    place = np.zeros(portfolio.instruments.count, dtype=np.int32)
    place[held] = np.arange(len(held), dtype=np.int32)
    value, equity, requirement = (
        csr_array((data, place[indices], starts), shape=(len(chosen), len(held)))
        for data, indices, starts in units
    )
    return PortfolioArrays(
        instruments=_instruments(portfolio.instruments, held),
        factors=portfolio.factors,
        value=value,
        equity=equity,
        requirement=requirement,
        surplus=portfolio.surplus[chosen],
        mm=portfolio.mm[chosen],
    )


def _entries(units: Csr, rows: I32) -> tuple[F64, I32, I32]:
    """Data, columns and row starts of some rows."""
    first, counts = units.indptr[rows], np.diff(units.indptr)[rows]
    starts = np.concatenate([np.zeros(1, np.int32), np.cumsum(counts, dtype=np.int32)])
    at = np.arange(starts[-1]) + np.repeat(first - starts[:-1], counts)
    return units.data[at], units.indices[at], starts


def pooled(portfolio: PortfolioArrays, groups: list[Rows]) -> PortfolioArrays:
    """One account per group: what its accounts would be if value moved between them freely and at once."""
    rows = np.concatenate([np.full(len(members), at) for at, members in enumerate(groups)] or [np.zeros(0, int)])
    columns = np.concatenate([*groups, np.zeros(0, dtype=np.intp)])
    member = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(groups), portfolio.count))
    return PortfolioArrays(
        instruments=portfolio.instruments,
        factors=portfolio.factors,
        value=cast("Csr", csr_array(member @ portfolio.value)),
        equity=cast("Csr", csr_array(member @ portfolio.equity)),
        requirement=cast("Csr", csr_array(member @ portfolio.requirement)),
        surplus=np.asarray(member @ portfolio.surplus),
        mm=np.asarray(member @ portfolio.mm),
    )


def together(portfolio: PortfolioArrays) -> PortfolioArrays:
    """All accounts as one."""
    return pooled(portfolio, [np.arange(portfolio.count)])


def _instruments(instruments: InstrumentArrays, rows: Rows) -> InstrumentArrays:
    return InstrumentArrays(**{item.name: getattr(instruments, item.name)[rows] for item in fields(instruments)})
