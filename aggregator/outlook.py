"""What is likely to happen to the accounts: breaches on simulated paths, what they cost, the nearest way there."""

from dataclasses import dataclass

import numpy as np

from aggregator.assemble import Assembled
from aggregator.forecast import LONG_RUN
from aggregator.model import Model
from chains.accounts import Liquidation
from risk.addons import expected_penalty
from risk.arrays import F64, PortfolioArrays
from risk.part import part_of
from risk.paths import breach_probability
from risk.pricing import value_of
from risk.reverse import ReverseStress, factor_covariance, reverse_stress

_NAN = float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """Per row of the arrays (A); nan where an account requires nothing."""

    horizons_s: tuple[float, ...]
    probability: F64
    """(A, H) of a breach within each horizon, if nobody helps."""
    cost: F64
    """(A,) what liquidation takes at the moment it becomes possible, USD."""
    penalty: F64
    """(A,) expected loss to liquidators within the last horizon, USD; 0 where nothing is required."""
    sigmas: F64
    """(A,) distance of the nearest joint breach in daily sigmas."""
    moves: F64
    """(A, F) that breach."""
    volatility: str
    """What the paths walked with: long_run, ewma or garch."""


def look_ahead(assembled: Assembled, model: Model, now_s: int) -> Outlook:
    """Outlook of every account with a requirement; the seed of the paths is a parameter, so it repeats."""
    arrays = assembled.arrays
    rows = np.flatnonzero(arrays.mm > 0.0)
    horizons, factors = model.paths.horizons_s, len(arrays.factors.names)
    probability = np.full((arrays.count, len(horizons)), _NAN)
    cost, sigmas = np.full(arrays.count, _NAN), np.full(arrays.count, _NAN)
    penalty, moves = np.zeros(arrays.count), np.full((arrays.count, factors), _NAN)
    forecast = model.forecast if model.forecast is not None and model.forecast.holds(now_s) else None
    if len(rows):
        part = part_of(arrays, rows)
        worth = part.value @ value_of(part.instruments)
        rules = [assembled.liquidation[row] for row in rows]
        terms = np.array([_terms(*each) for each in zip(rules, part.mm, worth, strict=True)]).T
        breach = breach_probability(
            part,
            model.paths,
            model.paths.seed,
            deep_surplus=terms[2],
            sigma_day=None if forecast is None else forecast.sigma(part.factors),
            carry_usd_per_s=assembled.carry[rows],
        )
        probability[rows], cost[rows] = breach.probability, terms[0]
        penalty[rows] = expected_penalty(breach.probability[:, -1], breach.deep[:, -1], terms[0], terms[1])
        nearest = _nearest(part, model)
        sigmas[rows], moves[rows] = nearest.sigmas, nearest.moves
    volatility = LONG_RUN if forecast is None else forecast.law
    return Outlook(horizons, probability, cost, penalty, sigmas, moves, volatility)


def _terms(rule: Liquidation | None, mm: float, worth: float) -> tuple[float, float, float]:
    """Cost at the edge, cost when deep, and the surplus below which it is deep.

    A rule that is not known may take all that is left at the edge: the requirement, where the account is worth so
    much (a lender's requirement is its debt, which is not the owner's to lose).
    """
    if rule is None:
        most = max(0.0, min(mm, worth))
        return most, most, 0.0
    edge, deep = float(rule.cost_usd(deep=False)), float(rule.cost_usd(deep=True))
    return edge, deep, -mm * (1.0 - float(rule.full_below_health))


def _nearest(part: PortfolioArrays, model: Model) -> ReverseStress:
    return reverse_stress(part, factor_covariance(part.factors, model.paths.correlation))
