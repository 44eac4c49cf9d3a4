"""Compiled layer cake for large batches: the sums of ``risk.unified``, one portfolio at a time in the cache."""

from typing import Any

import numpy as np
from scipy.special import ndtri

from risk.checks import F64
from risk.jit import kernel
from risk.lanes import LANES
from risk.scankernels import row_es, row_stats

HIGH = 2.0
"""Above any g; infinities are not for kernels."""


@kernel
def rho_of(row: Any, k: Any, quantile: Any, lanes: Any) -> Any:
    """Rho of one row; k = 0 takes the worst scenario."""
    if k == 0.0:
        return max(row_stats(row, row.shape[0], lanes)[3], 0.0)
    return max(row_es(row, row.shape[0], k, quantile, lanes)[0], 0.0)


@kernel
def cake(losses: Any, g: Any, k: Any, quantile: Any, isolated: Any, net: Any, uni: Any) -> None:
    """Fill isolated (B, V), net (B,) and uni (B,)."""
    batch, accounts, scenarios = losses.shape
    distance, merge = np.empty((accounts, accounts)), np.empty(accounts)
    part, rho = np.empty((accounts, scenarios)), np.empty(accounts)
    order, lanes = np.empty(accounts, np.int64), np.empty((4, LANES))
    for b in range(batch):
        for i in range(accounts):
            for s in range(scenarios):
                part[i, s] = losses[b, i, s]
            rho[i] = rho_of(part[i], k, quantile, lanes)
            isolated[b, i] = rho[i]
            for j in range(accounts):
                distance[i, j] = g[b, i, j]
        for via in range(accounts):
            for i in range(accounts):
                for j in range(accounts):
                    distance[i, j] = min(distance[i, j], max(distance[i, via], distance[via, j]))
        for i in range(accounts):
            merge[i] = HIGH
            for j in range(i):
                merge[i] = min(merge[i], distance[i, j])
            order[i] = i
        for i in range(2, accounts):  # by height, the smaller account first among equals
            held, at = order[i], i
            while at > 1 and merge[order[at - 1]] > merge[held]:
                order[at] = order[at - 1]
                at -= 1
            order[at] = held
        total, height = 0.0, 0.0
        for step in range(1, accounts):
            joining = order[step]
            level = merge[joining]
            total += (level - height) * rho.sum()
            height = level
            into = 0
            while distance[joining, into] > level:
                into += 1
            for s in range(scenarios):
                part[into, s] += part[joining, s]
            rho[joining] = 0.0
            rho[into] = rho_of(part[into], k, quantile, lanes)
        # All have joined: what is left in the smallest account is the whole book.
        uni[b] = total + (1.0 - height) * rho.sum()
        net[b] = rho.sum()


def layer_cake(losses: F64, g: F64, level: float | None) -> tuple[F64, F64, F64]:
    """(isolated (B, V), net (B,), uni (B,)) of losses (B, V, S) and g (B, V, V).

    ``level`` of the expected shortfall; None: the worst scenario.
    """
    batch, accounts, scenarios = losses.shape
    isolated, net, uni = np.empty((batch, accounts)), np.empty(batch), np.empty(batch)
    k, quantile = (0.0, 0.0) if level is None else ((1.0 - level) * scenarios, float(ndtri(max(level, 0.5))))
    cake(np.ascontiguousarray(losses), np.ascontiguousarray(g), k, quantile, isolated, net, uni)
    return isolated, net, uni
