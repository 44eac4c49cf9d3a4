"""Some accounts of a portfolio with only the instruments that they hold: small arrays for a few rows."""

from dataclasses import fields
from typing import cast

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from risk.arrays import Csr, InstrumentArrays, PortfolioArrays
from risk.checks import as_indices

Rows = npt.NDArray[np.intp]


def part_of(portfolio: PortfolioArrays, rows: npt.NDArray[np.integer]) -> PortfolioArrays:
    """Accounts ``rows`` (in that order) over the instruments that any of them has units of; same factors."""
    chosen = as_indices("rows", rows, (np.size(rows),), 0, portfolio.count - 1)
    value, equity, requirement = (m[chosen] for m in (portfolio.value, portfolio.equity, portfolio.requirement))
    held = np.unique(np.concatenate([value.indices, equity.indices, requirement.indices]))
    return PortfolioArrays(
        instruments=_instruments(portfolio.instruments, held),
        factors=portfolio.factors,
        value=value[:, held],
        equity=equity[:, held],
        requirement=requirement[:, held],
        surplus=portfolio.surplus[chosen],
        mm=portfolio.mm[chosen],
    )


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


def _instruments(instruments: InstrumentArrays, rows: Rows) -> InstrumentArrays:
    return InstrumentArrays(**{item.name: getattr(instruments, item.name)[rows] for item in fields(instruments)})
