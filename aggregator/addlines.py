"""The report's lines on top of the buffer, the prices of the whole portfolio, and its nearest breach."""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from aggregator.assemble import Assembled
from aggregator.figures import Figures
from aggregator.model import Model
from aggregator.report import LiquidationPrice, ReverseStressLine, UnifiedPrice
from aggregator.rescue import Rescue
from aggregator.rounding import finite, nearest, up
from chains.accounts import PositionKind, VenueAccount
from risk.addons import adverse_basis, broken_correlation, closing_cost
from risk.arrays import F64, PortfolioArrays
from risk.distance import distance_to_liquidation
from risk.revalue import revalue
from risk.reverse import factor_covariance, reverse_stress
from risk.scenarios import ScenarioSet
from risk.unified import unified

Rows = npt.NDArray[np.intp]
YEAR_DAYS = Decimal("365.25")
ZERO = Decimal(0)


def addon_lines(
    accounts: Sequence[VenueAccount],
    rows: Rows,
    part: PortfolioArrays,
    figures: Figures,
    help_: Rescue,
    model: Model,
) -> dict[str, Decimal]:
    """Lines on top of the buffer; see ``risk/addons.py`` for why none of them is charged twice.

    ``part`` holds the arrays of ``rows`` alone.
    """
    market = _market_lines(part, rows, figures, help_, model) if len(rows) else {}
    none = dict.fromkeys(("concentration_usd", "depeg_basis_usd", "correlation_break_usd"), ZERO)
    return {
        "oracle_uncertainty_usd": up(float(figures.levels.oracle_uncertainty[rows].sum())),
        "in_flight_usd": _in_flight(accounts, rows, figures, model),
        **(none | market),
        "liquidation_penalty_usd": up(float(figures.outlook.penalty[rows].sum())),
    }


def _market_lines(
    part: PortfolioArrays, rows: Rows, figures: Figures, help_: Rescue, model: Model
) -> dict[str, Decimal]:
    """Closing costs, and by how much rows that the set does not have raise R_uni."""
    uni = float(help_.buffers.uni)

    def raised(more: ScenarioSet) -> float:
        losses = np.concatenate([figures.buffers.loss[rows], -revalue(part, more).dS], axis=1)
        return max(0.0, float(unified(losses, help_.g, figures.buffers.measure).uni) - uni)

    loss = figures.loss[rows].sum(axis=0)
    basis = raised(adverse_basis(part, figures.scenarios, model.grid.depeg_budget, loss))
    offsets = raised(broken_correlation(part, figures.scenarios, loss))
    return {
        "concentration_usd": up(closing_cost(part, model.addons)),
        "depeg_basis_usd": up(basis),
        "correlation_break_usd": up((1.0 - model.addons.offset_cap) * offsets),
    }


def _in_flight(accounts: Sequence[VenueAccount], rows: Rows, figures: Figures, model: Model) -> Decimal:
    """Transfers under way times the chance that their bridge stops for good."""
    in_flight = ZERO
    for account, row in zip(accounts, rows, strict=True):
        if any(position.kind is PositionKind.IN_FLIGHT for position in account.positions):
            in_flight += Decimal(max(0.0, float(figures.levels.value[row])))
    pauses_per_year = Decimal(max((route.law.pauses_per_year for route in model.routes), default=0.0))
    return up(in_flight * pauses_per_year * Decimal(model.settings.horizon_s) / 86_400 / YEAR_DAYS)


def liquidation_prices(row: int, assembled: Assembled, figures: Figures) -> dict[str, LiquidationPrice]:
    """The venue's own price of each crypto factor and the one of a joint move, for one account."""
    arrays = assembled.arrays
    together = float(figures.distance["crypto"][row])
    return {
        name: LiquidationPrice(
            own_usd=finite(price * (1.0 + float(figures.distance[name][row]))),
            joint_usd=None if stable else finite(price * (1.0 + together)),
        )
        for name, price, stable in _factor_prices(arrays, row)
    }


def _factor_prices(arrays: PortfolioArrays, row: int) -> list[tuple[str, float, bool]]:
    """(factor, price of the account's largest exposure to it, stable) for the factors it is exposed to."""
    net, instruments = arrays.net(), arrays.instruments
    entries = slice(net.indptr[row], net.indptr[row + 1])
    dollars = np.zeros(instruments.count)
    dollars[net.indices[entries]] = np.abs(net.data[entries])
    dollars *= np.nan_to_num(instruments.price)
    largest: dict[int, int] = {}
    for index in np.flatnonzero((dollars > 0.0) & (instruments.factor >= 0)):
        factor = int(instruments.factor[index])
        if factor not in largest or dollars[index] > dollars[largest[factor]]:
            largest[factor] = int(index)
    names, stable = arrays.factors.names, arrays.factors.is_stable
    return [(names[f], float(instruments.price[i]), bool(stable[f])) for f, i in sorted(largest.items())]


def unified_prices(whole: PortfolioArrays) -> dict[str, UnifiedPrice]:
    """Per factor, and for all crypto together, the move that uses up the surplus of all accounts together."""
    if not whole.mm.any():
        return {}
    found = {}
    for name, price, _ in _factor_prices(whole, 0):
        move = float(distance_to_liquidation(whole, whole.factors.names.index(name)).move[0])
        found[name] = UnifiedPrice(move_pct=finite(100.0 * move), price_usd=finite(price * (1.0 + move)))
    joint = float(distance_to_liquidation(whole, "crypto").move[0])
    return found | {"crypto": UnifiedPrice(move_pct=finite(100.0 * joint), price_usd=None)}


def reverse_line(
    sigmas: float, moves: F64, names: Sequence[str], account: str | None = None
) -> ReverseStressLine | None:
    """The nearest breach for people; None where no move breaches."""
    if not np.isfinite(sigmas):
        return None
    shown = {name: nearest(100.0 * float(move)) for name, move in zip(names, moves, strict=True) if move}
    return ReverseStressLine(daily_sigmas=nearest(sigmas), moves_pct=shown, account=account)


def portfolio_reverse(
    accounts: Sequence[VenueAccount],
    rows: Rows,
    assembled: Assembled,
    whole: PortfolioArrays,
    figures: Figures,
    model: Model,
) -> ReverseStressLine | None:
    """The nearest breach of any account or, if that is nearer, of all together."""
    needing = [(a, row) for a, row in zip(accounts, rows, strict=True) if assembled.arrays.mm[row] > 0.0]
    if not needing:
        return None
    names, outlook = assembled.arrays.factors.names, figures.outlook
    account, row = min(needing, key=lambda pair: float(outlook.sigmas[pair[1]]))
    joint = reverse_stress(whole, factor_covariance(whole.factors, model.paths.correlation))
    if joint.sigmas[0] < outlook.sigmas[row]:
        return reverse_line(float(joint.sigmas[0]), joint.moves[0], names)
    return reverse_line(float(outlook.sigmas[row]), outlook.moves[row], names, account.id)
