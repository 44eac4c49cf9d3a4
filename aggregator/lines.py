"""Lines of the report: one per venue account, one per leg."""

from collections.abc import Sequence
from decimal import Decimal
from math import isfinite, isnan

from aggregator.addlines import liquidation_prices, reverse_line
from aggregator.assemble import Assembled
from aggregator.figures import Figures
from aggregator.model import HORIZONS_S
from aggregator.registry import AssetRegistry
from aggregator.report import OwnCheckLine, PositionLine, PriceBand, VenueLine
from aggregator.rescue import Rescue
from aggregator.rounding import down, finite, nearest, up
from aggregator.transit import transit_details
from chains.accounts import Position, VenueAccount
from oracles.types import PriceBook, ReconciledPrice
from risk.routes import Route
from risk.status import AccountStatus, describe


def venue_line(
    account: VenueAccount, status: AccountStatus, name: str, assembled: Assembled, figures: Figures, help_: Rescue
) -> VenueLine:
    """One venue account; figures that need a revaluation are None where there was none."""
    row, place = assembled.rows.get(account.id), help_.place.get(account.id)
    equity = account.equity_usd
    if equity is None and row is not None:
        equity = Decimal(float(figures.levels.equity[row]))
    mm = account.mm_requirement_usd
    revalued = {} if row is None or place is None else _revalued(account, row, place, assembled, figures, help_)
    return VenueLine(
        account=account.account,
        chain=account.at.chain,
        venue=account.venue,
        sub_account=account.sub_account,
        status=status.status,
        reason=describe(status.reason, name),
        equity_usd=None if equity is None else down(equity),
        mm_requirement_usd=up(mm),
        surplus_usd=None if equity is None else down(equity - mm),
        health=nearest(equity / mm) if equity is not None and mm else None,
        venue_liquidatable=account.liquidatable,
        own_checks=tuple(
            OwnCheckLine(name=c.name, ours=c.ours, theirs=c.theirs, rel_error=c.rel_error) for c in account.checks
        ),
        model_vs_venue_rel_error=max((c.rel_error for c in account.checks), default=None),
        withdrawable_usd=None if account.withdrawable_usd is None else down(account.withdrawable_usd),
        **(_NOT_REVALUED | revalued),
    )


_NOT_REVALUED: dict[str, object] = {
    "distance_to_liquidation": {},
    **dict.fromkeys((
        "net_value_usd", "ttl_s", "ttl_exceeds_s", "ttf_s", "ttf_reachable", "rescue_probability",
        "liquidity_coverage", "rescue_gap_usd", "local_floor_usd", "start_bridging_health", "movable_usd",
    )),
}  # fmt: skip


def _revalued(
    account: VenueAccount, row: int, place: int, assembled: Assembled, figures: Figures, help_: Rescue
) -> dict[str, object]:
    funding, needs = help_.funding, bool(account.mm_requirement_usd)
    ttl = float(figures.ttl_s[row])
    return {
        "surplus_low_usd": down(float(figures.levels.surplus_bad[row])),
        "surplus_high_usd": down(float(figures.levels.surplus_good[row])),
        "net_value_usd": down(float(figures.levels.value[row])),
        "distance_to_liquidation": _distances(row, assembled, figures) if needs else {},
        "ttl_s": finite(ttl) if needs else None,
        "ttl_exceeds_s": nearest(float(HORIZONS_S[-1])) if needs and not isfinite(ttl) else None,
        "ttf_s": finite(float(funding.ttf_s[place])) if needs else None,
        "ttf_reachable": isfinite(funding.ttf_s[place]) if needs else None,
        "rescue_probability": _known(funding.rescue_probability[place]) if needs else None,
        "liquidity_coverage": finite(float(funding.liquidity_coverage[place])) if needs else None,
        "rescue_gap_usd": up(float(funding.rescue_gap_usd[place])) if needs else None,
        "local_floor_usd": up(float(help_.buffers.local_floor[place])),
        "start_bridging_health": finite(float(funding.start_bridging_health[place])) if needs else None,
        "movable_usd": down(float(help_.movable_usd[place])),
        **(_ahead(row, assembled, figures) if needs else {}),
    }


def _ahead(row: int, assembled: Assembled, figures: Figures) -> dict[str, object]:
    """What is likely to happen to an account that can be liquidated."""
    outlook = figures.outlook
    within = zip(outlook.horizons_s, outlook.probability[row], strict=True)
    return {
        "liquidation_prices": liquidation_prices(row, assembled, figures),
        "breach_probability": {f"{seconds / 3600:g}h": nearest(float(p)) for seconds, p in within},
        "liquidation_cost_usd": up(float(outlook.cost[row])),
        "reverse_stress": reverse_line(
            float(outlook.sigmas[row]), outlook.moves[row], assembled.arrays.factors.names
        ),
    }


def _known(value: float) -> Decimal | None:
    return None if isnan(value) else nearest(float(value))


def _distances(row: int, assembled: Assembled, figures: Figures) -> dict[str, Decimal | None]:
    """Signed move in per cent along each direction that the account is exposed to; None: no move does it."""
    net = assembled.arrays.net()
    entries = slice(net.indptr[row], net.indptr[row + 1])
    columns = net.indices[entries][net.data[entries] != 0]
    instruments = assembled.arrays.instruments
    factors = {int(f) for of in (instruments.factor, instruments.quote_factor) for f in of[columns] if f >= 0}
    names = {assembled.arrays.factors.names[f] for f in factors}
    stable = assembled.arrays.factors.is_stable
    if any(not stable[f] for f in factors):
        names.add("crypto")
    if any(stable[f] for f in factors):
        names.add("stable")
    return {name: finite(100 * float(figures.distance[name][row])) for name in sorted(names)}


def position_lines(
    accounts: Sequence[VenueAccount], registry: AssetRegistry, book: PriceBook, routes: Sequence[Route] = ()
) -> tuple[PositionLine, ...]:
    """All legs of a portfolio; transfers in flight beside the laws of the routes."""
    return tuple(_position_line(a, position, registry, book, routes) for a in accounts for position in a.positions)


def _position_line(
    account: VenueAccount, position: Position, registry: AssetRegistry, book: PriceBook, routes: Sequence[Route]
) -> PositionLine:
    info = registry.assets.get(position.asset)
    price = None if info is None else book[info.price_key]
    return PositionLine(
        account=account.account,
        chain=account.at.chain,
        venue=account.venue,
        sub_account=account.sub_account,
        kind=position.kind,
        asset=position.asset,
        label=position.label,
        risk_factor=None if info is None else info.factor,
        size=position.size,
        price=_band(price),
        venue_price_usd=position.venue_price_usd,
        value_usd=_value(position, price),
        details={**position.details, **transit_details(position, account.venue, routes)},
    )


def _band(price: ReconciledPrice | None) -> PriceBand:
    if price is None:
        return PriceBand(low=None, mid=None, high=None, status="UNREGISTERED")
    return PriceBand(low=price.low, mid=price.mid, high=price.high, status=price.status)


_DERIVATIVES = frozenset({"perp", "option"})


def _value(position: Position, price: ReconciledPrice | None) -> Decimal | None:
    """Size at the bad end of the interval; None for derivatives, whose value is not size times price."""
    end = None if price is None else (price.low if position.raw >= 0 else price.high)
    return None if end is None or position.kind in _DERIVATIVES else down(position.size * end)
