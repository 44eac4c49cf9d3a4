"""What may leave each account in each scenario by its venue's own withdrawal rule (RISK section 4).

A venue lets tokens out of pockets, one after the other, as long as its rule holds: health after the withdrawal at
the collateral's own threshold (lending), initial margin (perpetuals), the smallest collateral (options). In
scenario s pocket k holds w_k(s), the rule loses c_k(s) if all of it leaves, and it has room for r(s):

    let_out(s) = sum_k w_k f_k,   f_k = min(1, (r - sum_{j<k} c_j f_j)+ / c_k),   f_k = 1 where c_k = 0
    movable(s) = min( let_out(s),  S - loss(s) - floor )+

The second bound keeps the account above its own floor. What is not known is not movable.
"""

import numpy as np

from risk.checks import F64, require
from risk.errors import RiskInputError


def let_out_usd(worth_usd: F64, counted_usd: F64, room_usd: F64) -> F64:
    """Return (S,) dollars that the venue lets out, pockets emptied in their order.

    Parameters
    ----------
    worth_usd
        (K, S) what is in each pocket.
    counted_usd
        (K, S) what the rule loses when all of a pocket leaves; 0: the rule does not look at it.
    room_usd
        (S,) what the rule can lose; inf where nothing is owed.
    """
    worth, counted = np.asarray(worth_usd, np.float64), np.asarray(counted_usd, np.float64)
    if worth.ndim != 2 or worth.shape != counted.shape or worth.shape[1:] != np.shape(room_usd):
        raise RiskInputError(
            f"worth_usd {worth.shape}, counted_usd {counted.shape}, room_usd {np.shape(room_usd)}: "
            "must be (K, S), (K, S), (S,)"
        )
    require("counted_usd", counted, ~(counted >= 0), ">= 0")
    left = np.maximum(np.asarray(room_usd, np.float64), 0.0)
    total = np.zeros(worth.shape[1])
    for value, cost in zip(worth, counted, strict=True):
        share = np.ones_like(left)
        np.divide(left, cost, out=share, where=cost > 0)
        share = np.minimum(share, 1.0)
        total += np.maximum(value, 0.0) * share
        left = left - cost * share
    return np.asarray(np.where(np.isnan(total), 0.0, total), np.float64)


def movable_by_scenario(let_out: F64, surplus_usd: F64, loss_usd: F64, floor_usd: F64) -> F64:
    """Return (..., V, S) dollars.

    Parameters
    ----------
    let_out
        (..., V, S) what the venue lets out in each scenario.
    surplus_usd, floor_usd
        (..., V) S and the local floor; nan: not known, nothing may be counted on.
    loss_usd
        (..., V, S) loss of surplus.
    """
    loss, free = np.asarray(loss_usd, np.float64), np.asarray(let_out, np.float64)
    if free.shape != loss.shape:
        raise RiskInputError(f"let_out: must be {loss.shape}, is {free.shape}")
    columns = []
    for name, given in (("surplus_usd", surplus_usd), ("floor_usd", floor_usd)):
        value = np.asarray(given, np.float64)
        if value.ndim and value.shape != loss.shape[:-1]:
            raise RiskInputError(f"{name}: must be {loss.shape[:-1]}, is {value.shape}")
        columns.append(np.broadcast_to(value, loss.shape[:-1])[..., None])
    surplus, floor = columns
    found = np.minimum(free, surplus - loss - floor)
    return np.asarray(np.where(np.isnan(found), 0.0, np.maximum(found, 0.0)), np.float64)
