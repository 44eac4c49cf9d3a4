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

from risk.arrays import OPTIONS, Csr, Kind, PortfolioArrays
from risk.checks import F64, I32, between
from risk.errors import RiskInputError
from risk.pricing import unit_values, value_of
from risk.scenarios import ScenarioSet, vol_factors

CHUNK = 4096
"""Accounts at a time where only the worst scenario is wanted: A x S is never held."""
CELLS = 1 << 20
"""Numbers held at a time where many scales are revalued together."""


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
    # Index -1 (no factor, no basis) picks the appended row that never moves.
    still = np.ones((1, len(factor_shock)))
    by_factor = np.concatenate([1.0 + factor_shock.T, still])
    by_basis = np.concatenate([1.0 + basis_shock.T, still])
    moved: F64 = by_factor[factor] * by_basis[basis]
    return moved


def unit_changes(portfolio: PortfolioArrays, scenarios: ScenarioSet, scale: float | F64 = 1.0) -> F64:
    """(N, S) damped changes of the unit values, USD; for (K,) scales (N, K·S), one block after the other.

    ``scale`` multiplies the log of every factor and basis shock and the relative move of every vol (1 = the set
    as it is; 0 = no move): the same state of the world after a shorter time.
    """
    same_world(portfolio, scenarios)
    scales, instruments = np.atleast_1d(np.asarray(scale, dtype=np.float64)), portfolio.instruments
    between("scale", scales, 0.0, 10.0)
    factor, basis = _scaled(scenarios.factor_shock, scales), _scaled(scenarios.basis_shock, scales)
    price = shocked_prices(portfolio, factor, basis)
    quote = shocked_quotes(portfolio, factor, basis) if instruments.is_kind(Kind.LP_RANGE).any() else None
    vols: F64 | float = 1.0
    if instruments.is_kind(*OPTIONS).any():
        vols = np.concatenate([vol_factors(scenarios, instruments.expiry_s, float(c)) for c in scales], axis=1)
    now = value_of(instruments)[:, None]
    changes = unit_values(instruments, price, vols, quote=quote) - now
    return changes * np.tile(scenarios.damping, len(scales))


def _scaled(shock: F64, scales: F64) -> F64:
    """(K·S, F) shocks of (S, F) with their logs scaled; exactly as they are for a scale of 1."""
    logs = np.expm1(scales[:, None, None] * np.log1p(shock))
    return np.where(scales[:, None, None] == 1.0, shock, logs).reshape(len(scales) * len(shock), shock.shape[1])


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


def worst_by_scale(portfolio: PortfolioArrays, scenarios: ScenarioSet, scales: F64) -> F64:
    """(A, K) ``rho`` of ``worst_surplus_loss`` for each of (K,) scales, many of them in one revaluation."""
    net, rho = portfolio.net(), np.zeros((portfolio.count, len(scales)))
    at_once = max(1, min(CHUNK, CELLS // max(1, portfolio.instruments.count)) // scenarios.count)
    rows = max(1, CELLS // (at_once * scenarios.count))
    for first in range(0, len(scales), at_once):
        some = slice(first, first + at_once)
        changes = unit_changes(portfolio, scenarios, scales[some])
        for start in range(0, portfolio.count, rows):
            part = slice(start, start + rows)
            losses = -_product(net[part], changes)
            rho[part, some] = rho_worst(losses.reshape(len(losses), -1, scenarios.count))
    return rho


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
