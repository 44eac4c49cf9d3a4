"""Risk figures of all accounts at once: one scenario matrix, one revaluation of the instruments."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aggregator.assemble import Assembled
from aggregator.facts import Levels, levels
from aggregator.model import HORIZONS_S, Model
from aggregator.outlook import Outlook, look_ahead
from aggregator.scenario_rows import BufferRows, Rows, buffer_rows
from risk.arrays import F64
from risk.distance import distance_to_liquidation
from risk.drawdown import drawdown, time_to_liquidation
from risk.greeks import Greeks, portfolio_greeks
from risk.revalue import revalue, unit_changes
from risk.scenarios import ScenarioSet, build_grid


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """Per row of the arrays (A), US dollars unless said otherwise."""

    levels: Levels
    scenarios: ScenarioSet
    loss: F64
    """(A, S) loss of surplus in each scenario of the grid."""
    buffers: BufferRows
    """Losses over the rows of all chosen sets, which the buffers are taken over."""
    stressed_loss: F64
    """(A, S) the same with shocks of the stress floor's size."""
    rho: F64
    """(A,) buffer of the account alone."""
    drawdown: F64
    """(A, K) D over ``HORIZONS_S``."""
    ttl_s: F64
    """(A,) seconds, inf where the account outlasts the last horizon."""
    distance: dict[str, F64]
    """Factor name, ``crypto`` or ``stable`` to (A,) signed move, inf for none."""
    greeks: Greeks
    outlook: Outlook


def compute(assembled: Assembled, model: Model, now_s: int, groups: Sequence[Rows] = ()) -> Figures:
    """Figures of every account in the arrays.

    ``now_s`` is what the age of the volatility forecast is judged by, ``groups`` are the rows of each portfolio.
    """
    arrays = assembled.arrays
    scenarios = build_grid(model.grid, arrays.factors)
    loss = -revalue(arrays, scenarios).dS
    stressed = -np.asarray(arrays.net() @ unit_changes(arrays, scenarios, model.factors.stress_scale))
    buffers = buffer_rows(arrays, model.sets, scenarios, loss, groups)
    drawn = drawdown(arrays, scenarios, model.horizon_scale, HORIZONS_S, assembled.carry)
    return Figures(
        levels=levels(assembled),
        scenarios=scenarios,
        loss=loss,
        buffers=buffers,
        stressed_loss=stressed,
        rho=buffers.measure(buffers.loss) if len(loss) else np.zeros(0),
        drawdown=drawn,
        ttl_s=time_to_liquidation(drawn, HORIZONS_S, arrays.surplus),
        distance=_distances(assembled),
        greeks=portfolio_greeks(arrays),
        outlook=look_ahead(assembled, model, now_s),
    )


def _distances(assembled: Assembled) -> dict[str, F64]:
    arrays = assembled.arrays
    found = {"crypto": distance_to_liquidation(arrays, "crypto").move}
    if arrays.factors.is_stable.any():
        found["stable"] = distance_to_liquidation(arrays, "stable").move
    for index, name in enumerate(arrays.factors.names):
        found[name] = distance_to_liquidation(arrays, index).move
    return found
