"""A shock run through every account that was read: who is liquidated in which round, and what it costs whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aggregator.assemble import Assembled, Gap, assemble
from aggregator.errors import ConfigError
from aggregator.model import Model
from aggregator.reports import ReportMaker, World
from chains.accounts import Closing, VenueAccount
from oracles.reconcile import reconcile
from risk.arrays import F64
from risk.cascade import ALL, DEBT, POSITION, Cascade, ClosingRules, Depth, cascade

_CLOSING = {Closing.DEBT: DEBT, Closing.POSITION: POSITION, Closing.ALL: ALL}


@dataclass(frozen=True, slots=True, eq=False)
class Spiral:
    """A cascade with the names of what took part."""

    factors: tuple[str, ...]
    accounts: tuple[VenueAccount, ...]
    """In the order of the arrays."""
    left_out: tuple[Gap, ...]
    """Why accounts could not take part."""
    volume_usd: F64
    result: Cascade

    def by_asset(self) -> dict[str, tuple[float, float, float]]:
        """Dollars sold net, penalties and bad debt, by risk factor that has any."""
        result = self.result
        rows = zip(result.sold_usd, result.penalty_of_usd, result.bad_debt_of_usd, strict=True)
        named = zip(self.factors, rows, strict=True)
        return {name: (float(s), float(p), float(b)) for name, (s, p, b) in named if s or p or b}

    def by_venue(self) -> dict[str, tuple[float, float, int]]:
        """Penalties, bad debt (USD) and accounts liquidated, by venue and chain."""
        hit = {int(row) for one in self.result.rounds for row in one.accounts}
        found: dict[str, tuple[float, float, int]] = {}
        for row in sorted(hit):
            account = self.accounts[row]
            name = f"{account.venue} on {account.at.chain}"
            penalty, bad, count = found.get(name, (0.0, 0.0, 0))
            more = (float(self.result.penalty_usd[row]), float(self.result.bad_debt_usd[row]))
            found[name] = (penalty + more[0], bad + more[1], count + 1)
        return found


def spiral(maker: ReportMaker, world: World, shocks: Mapping[str, float], volumes: Mapping[str, float]) -> Spiral:
    """Run relative shocks by factor through all accounts of a world; raises ConfigError for an unknown factor."""
    book = world.book or reconcile(world.quotes, int(world.now.timestamp()), maker.prices)
    found = {account.id: account for read in world.reads for account in read.accounts}
    assembled = assemble(list(found.values()), maker.registry, book, maker.model.factors)
    factors = assembled.arrays.factors.names
    for name in (*shocks, *volumes):
        if name not in factors:
            raise ConfigError(f"shock: no account holds {name!r}; there are {', '.join(factors) or 'no factors'}")
    volume = _volumes(maker.model, factors, volumes)
    depth = Depth(volume, maker.model.addons.impact_coefficient)
    shock = np.array([shocks.get(name, 0.0) for name in factors], dtype=np.float64)
    result = cascade(assembled.arrays, _rules(assembled), shock, depth)
    known = tuple(found[name] for name in assembled.rows)
    gaps = tuple(gap for name, gaps in assembled.gaps.items() if name not in assembled.rows for gap in gaps)
    return Spiral(factors, known, gaps, volume, result)


def _volumes(model: Model, factors: tuple[str, ...], given: Mapping[str, float]) -> F64:
    known = model.addons.volumes(factors)
    return np.array([given.get(name, known[i]) for i, name in enumerate(factors)], dtype=np.float64)


def _rules(assembled: Assembled) -> ClosingRules:
    """A rule that is not known ends the account and takes all that is left: the worst that a venue does."""
    rules = assembled.liquidation
    return ClosingRules(
        closing=np.array([ALL if r is None else _CLOSING[r.closing] for r in rules], dtype=np.int32),
        ratio=_floats([1.0 if r is None else float(r.ratio) for r in rules]),
        close_factor=_floats([1.0 if r is None else float(r.close_factor) for r in rules]),
        full_below_health=_floats([0.0 if r is None else float(r.full_below_health) for r in rules]),
    )


def _floats(values: Sequence[float]) -> F64:
    return np.array(values, dtype=np.float64)
