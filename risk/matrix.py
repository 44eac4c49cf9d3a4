"""The matrix of unit changes for large sets: options by the compiled kernel, the rest by their numpy kernels.

Same numbers as ``revalue.unit_changes`` (to 1e-13 of the price), about fifty times sooner where options fill it.
Options share growth rows by (factor, basis) and volatility rows by expiry, so the kernel takes few logarithms.
"""

import numpy as np
import numpy.typing as npt

from risk.arrays import OPTIONS, Kind, PortfolioArrays
from risk.black76 import YEAR_S
from risk.checks import F64
from risk.optionmatrix import Engine, OptionRows, option_values
from risk.pricing import unit_values, value_of
from risk.revalue import same_world, shocked_prices, shocked_quotes
from risk.scenarios import ScenarioSet, vol_factors


def change_matrix(portfolio: PortfolioArrays, scenarios: ScenarioSet, engine: Engine = "numba") -> F64:
    """(N, S) damped changes of the unit values, USD.

    Raises ``RiskInputError`` where the set was built for other factors than the portfolio's.
    """
    same_world(portfolio, scenarios)
    instruments = portfolio.instruments
    values = np.empty((instruments.count, scenarios.count))
    option = instruments.is_kind(*OPTIONS)
    at, rest = np.flatnonzero(option), np.flatnonzero(~option)
    factor, basis = scenarios.factor_shock, scenarios.basis_shock
    if len(rest):
        price, quote = (part[rest] for part in _prices(portfolio, factor, basis))
        vols = vol_factors(scenarios, instruments.expiry_s[rest])
        values[rest] = unit_values(instruments, price, vols, rows=rest, quote=quote)
    if len(at):
        values[at] = option_values(_option_rows(portfolio, scenarios, at), engine)
    return (values - value_of(instruments)[:, None]) * scenarios.damping


def _prices(portfolio: PortfolioArrays, factor: F64, basis: F64) -> tuple[F64, F64]:
    return shocked_prices(portfolio, factor, basis), shocked_quotes(portfolio, factor, basis)


def _option_rows(portfolio: PortfolioArrays, scenarios: ScenarioSet, at: npt.NDArray[np.intp]) -> OptionRows:
    instruments = portfolio.instruments
    pairs = np.stack([instruments.factor[at], instruments.basis[at]], axis=1)
    classes, shock = np.unique(pairs, axis=0, return_inverse=True)
    expiries, tenor = np.unique(instruments.expiry_s[at], return_inverse=True)
    still = np.ones((1, scenarios.count))
    by_factor = np.vstack([1.0 + scenarios.factor_shock.T, still])
    by_basis = np.vstack([1.0 + scenarios.basis_shock.T, still])
    tau, rate = instruments.expiry_s[at] / YEAR_S, instruments.rate[at]
    discount = np.exp(-rate * tau)
    return OptionRows(
        is_call=instruments.kind[at] == Kind.CALL,
        forward=instruments.price[at] / discount,
        strike=instruments.strike[at],
        tau_years=tau,
        vol=instruments.vol[at],
        discount=discount,
        shock=shock.reshape(-1).astype(np.int32),
        tenor=tenor.astype(np.int32),
        growth=by_factor[classes[:, 0]] * by_basis[classes[:, 1]],
        multiplier=vol_factors(scenarios, expiries),
    )
