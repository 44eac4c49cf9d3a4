"""A portfolio over joint moves of all crypto prices and of implied volatility, as a table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aggregator.assemble import assemble
from aggregator.clock import unix
from aggregator.reports import ReportMaker, World
from chains.accounts import VenueAccount
from oracles.reconcile import reconcile
from risk.arrays import F64
from risk.pricing import unit_values
from risk.revalue import revalue, shocked_prices, shocked_quotes
from risk.scenarios import build_grid

SPOT = (-0.5, -0.4, -0.3, -0.2, -0.15, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
VOL = (-0.4, -0.2, 0.0, 0.2, 0.5, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Heat:
    """Tables and scenario losses of one portfolio; US dollars."""

    change: F64
    """(V, P) change of economic value."""
    surplus: F64
    """(V, P) sum of the accounts' surplus by their venues' rules."""
    labels: tuple[str, ...]
    loss: F64
    """(A, S) loss of surplus in each scenario of the model."""
    accounts: tuple[str, ...]


def heat(maker: ReportMaker, world: World, accounts: Sequence[VenueAccount]) -> Heat | None:
    """Both tables; None where an account cannot be revalued."""
    book = world.book
    if book is None:
        book = reconcile(world.quotes, unix(world.now), maker.prices)
    assembled = assemble(accounts, maker.registry, book, maker.model.factors)
    arrays = assembled.arrays
    if len(assembled.rows) != len(accounts):
        return None
    crypto = np.where(arrays.factors.is_stable, 0.0, 1.0)
    shocks = np.array(SPOT)[:, None] * crypto[None, :]
    none = np.zeros((len(SPOT), len(arrays.factors.basis_names)))
    prices, quotes = shocked_prices(arrays, shocks, none), shocked_quotes(arrays, shocks, none)
    change, surplus = [], []
    base = unit_values(arrays.instruments, arrays.instruments.price[:, None])
    for move in VOL:
        moved = unit_values(arrays.instruments, prices, 1.0 + move, quote=quotes) - base
        change.append(np.asarray(arrays.value @ moved).sum(axis=0))
        surplus.append(np.asarray(arrays.net() @ moved).sum(axis=0) + arrays.surplus.sum())
    grid = build_grid(maker.model.grid, arrays.factors)
    loss = -revalue(arrays, grid).dS
    return Heat(np.array(change), np.array(surplus), grid.labels, loss, tuple(assembled.rows))
