"""What may leave each account in each scenario by its venue's own withdrawal rule (RISK section 4).

A venue lets out what its rule leaves free: health after the withdrawal at the loan-to-value limit (lending), free
collateral (perpetuals), collateral above the minimum (options). That amount is known now; in a scenario it shrinks
with the surplus:

    movable(s) = min( W - loss(s)+ / c,  S - loss(s) - floor )+

W what the venue lets out now; c <= 1 the least surplus that one withdrawn dollar takes with it (Aave: the lowest
liquidation threshold of the collateral; perpetuals and options in dollars: 1): a dollar of surplus lost costs up
to 1 / c dollars of withdrawal. Gains are not credited to W: many venues do not let unrealised profit out. The
second term keeps the account above its own floor. What is not known is not movable.
"""

import numpy as np

from risk.checks import F64, require
from risk.errors import RiskInputError


def movable_by_scenario(
    withdrawable_usd: F64, surplus_usd: F64, loss_usd: F64, floor_usd: F64, weight: F64 | float = 1.0
) -> F64:
    """Return (..., V, S) dollars.

    Parameters
    ----------
    withdrawable_usd, surplus_usd, floor_usd
        (..., V) W, S and the local floor; nan: not known, nothing may be counted on.
    loss_usd
        (..., V, S) loss of surplus.
    weight
        (..., V) c in (0, 1].
    """
    loss = np.asarray(loss_usd, np.float64)
    columns = []
    for name, given in (("withdrawable_usd", withdrawable_usd), ("surplus_usd", surplus_usd),
                        ("floor_usd", floor_usd), ("weight", weight)):  # fmt: skip
        value = np.asarray(given, np.float64)
        if value.ndim and value.shape != loss.shape[:-1]:
            raise RiskInputError(f"{name}: must be {loss.shape[:-1]}, is {value.shape}")
        columns.append(np.broadcast_to(value, loss.shape[:-1])[..., None])
    free, surplus, floor, share = columns
    require("weight", share, ~((share > 0) & (share <= 1)), "in (0, 1]")
    by_venue = free - np.maximum(loss, 0.0) / share
    by_floor = surplus - loss - floor
    found = np.minimum(by_venue, by_floor)
    return np.asarray(np.where(np.isnan(found), 0.0, np.maximum(found, 0.0)), np.float64)
