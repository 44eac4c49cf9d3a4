"""Revaluation: changes of surplus and of value of every account in every scenario (RISK section 2).

    ΔP[i, s]  = damping_s · (P_i(s) - P_i(now))          once per instrument and scenario
    ΔS        = (equity - requirement) @ ΔP              one sparse product for all accounts
    ΔV        = value @ ΔP
    l_a(s)    = -ΔS_a(s)      rho(l) = max(0, max_s l(s))

rho is the worst scenario. It is subadditive and homogeneous of degree 1, so netting never costs:
rho(sum of l) <= sum of rho(l). Letters: A accounts, N instruments, S scenarios.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from risk.arrays import Csr, PortfolioArrays
from risk.checks import F64, I32, between
from risk.errors import RiskInputError
from risk.pricing import unit_values, value_of
from risk.scenarios import ScenarioSet, vol_factors

CHUNK = 4096
"""Accounts at a time where only the worst scenario is wanted: A x S is never held."""


@dataclass(frozen=True, slots=True, eq=False)
class Revaluation:
    """Changes against now, USD."""

    dS: F64  # noqa: N815
    """(A, S) change of the account's surplus by the venue's rule, requirement revalued too."""
    dV: F64  # noqa: N815
    """(A, S) change of the account's economic value."""


class Worst(NamedTuple):
    """Worst scenario of each account."""

    rho: F64
    """(A,) USD, >= 0."""
    scenario: I32
    """(A,) index of the scenario with the largest loss (also where no scenario loses)."""


def shocked_prices(portfolio: PortfolioArrays, factor_shock: F64, basis_shock: F64) -> F64:
    """(N, S) underlying prices under (S, F) factor and (S, B) basis shocks; they compound."""
    instruments = portfolio.instruments
    return instruments.price[:, None] * _moves(instruments.factor, instruments.basis, factor_shock, basis_shock)


def shocked_quotes(portfolio: PortfolioArrays, factor_shock: F64, basis_shock: F64) -> F64:
    """(N, S) prices of the second tokens in the same scenarios, NaN where an instrument has none."""
    instruments = portfolio.instruments
    moves = _moves(instruments.quote_factor, instruments.quote_basis, factor_shock, basis_shock)
    return instruments.quote_price[:, None] * moves


def _moves(factor: I32, basis: I32, factor_shock: F64, basis_shock: F64) -> F64:
    """(N, S) factors on a price."""
    for name, shock in (("factor_shock", factor_shock), ("basis_shock", basis_shock)):
        between(name, shock, -1.0)
    # Index -1 (no factor, no basis) picks the appended column that never moves.
    still = np.ones((len(factor_shock), 1))
    by_factor = np.concatenate([1.0 + factor_shock, still], axis=1)
    by_basis = np.concatenate([1.0 + basis_shock, still], axis=1)
    moved: F64 = (by_factor[:, factor] * by_basis[:, basis]).T
    return moved


def unit_changes(portfolio: PortfolioArrays, scenarios: ScenarioSet, scale: float = 1.0) -> F64:
    """(N, S) damped changes of the unit values, USD.

    ``scale`` multiplies the log of every factor and basis shock and the relative move of every vol (1 = the set
    as it is; 0 = no move): the same state of the world after a shorter time.
    """
    same_world(portfolio, scenarios)
    if not 0.0 <= scale <= 10.0:
        raise RiskInputError(f"scale: {scale} must be from 0 to 10")
    factor, basis = scenarios.factor_shock, scenarios.basis_shock
    if scale != 1.0:
        factor, basis = np.expm1(scale * np.log1p(factor)), np.expm1(scale * np.log1p(basis))
    price, quote = shocked_prices(portfolio, factor, basis), shocked_quotes(portfolio, factor, basis)
    vols = vol_factors(scenarios, portfolio.instruments.expiry_s, scale)
    now = value_of(portfolio.instruments)[:, None]
    return (unit_values(portfolio.instruments, price, vols, quote=quote) - now) * scenarios.damping


def revalue(portfolio: PortfolioArrays, scenarios: ScenarioSet) -> Revaluation:
    """Changes of surplus and value of all accounts in all scenarios.

    Raises ``RiskInputError`` where the set was built for other factors than the portfolio's.
    """
    changes = unit_changes(portfolio, scenarios)
    return Revaluation(dS=_product(portfolio.net(), changes), dV=_product(portfolio.value, changes))


def rho_worst(losses: F64) -> F64:
    """Worst scenario: max(0, largest loss) over the last axis.

    Subadditive, homogeneous, monotone. Raises ``RiskInputError`` without scenarios or for a loss that is no
    number.
    """
    if losses.ndim == 0 or losses.shape[-1] == 0:
        raise RiskInputError(f"losses: has shape {losses.shape}, must have at least one scenario on the last axis")
    largest: F64 = np.asarray(losses.max(axis=-1))
    if not np.isfinite(largest).all():
        raise RiskInputError("losses: hold NaN or inf, must be finite")
    return np.maximum(largest, 0.0)


def worst(loss: F64) -> Worst:
    """Worst scenario of (A, S) losses and its index."""
    return Worst(rho=rho_worst(loss), scenario=loss.argmax(axis=-1).astype(np.int32))


def worst_surplus_loss(portfolio: PortfolioArrays, scenarios: ScenarioSet, scale: float = 1.0) -> Worst:
    """As ``worst(-revalue(...).dS)``, for scaled shocks, without holding A x S."""
    net, changes = portfolio.net(), unit_changes(portfolio, scenarios, scale)
    rho, scenario = np.zeros(portfolio.count), np.zeros(portfolio.count, dtype=np.int32)
    for start in range(0, portfolio.count, CHUNK):
        part = slice(start, start + CHUNK)
        rho[part], scenario[part] = worst(-_product(net[part], changes))
    return Worst(rho=rho, scenario=scenario)


def exposure_gap(portfolio: PortfolioArrays) -> F64:
    """(A,) given surplus minus the surplus that the exposures give at the current prices, USD.

    Not zero (beyond rounding) means that exposures do not describe the account: its scenarios cannot be trusted.
    """
    return portfolio.surplus - _product(portfolio.net(), value_of(portfolio.instruments)[:, None])[:, 0]


def _product(units: Csr, changes: F64) -> F64:
    result: F64 = np.asarray(units @ changes)
    return result


def same_world(portfolio: PortfolioArrays, scenarios: ScenarioSet) -> None:
    """Raise ``RiskInputError`` unless both name the same factors and bases in the same order."""
    factors = portfolio.factors
    pairs = (
        ("factor", scenarios.factor_names, factors.names),
        ("basis", scenarios.basis_names, factors.basis_names),
    )
    for name, theirs, ours in pairs:
        if theirs != ours:
            raise RiskInputError(f"scenarios.{name}_names: {theirs} are not the portfolio's {ours}")
