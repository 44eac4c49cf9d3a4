"""What the width of the prices means for an account: liquidatable at every price, at one end, or at none.

The venue's own verdict is a fact and stays what it is; these words stand beside it. What cannot be told apart by
price alone (no requirement, no revaluation) has no verdict.
"""

from collections.abc import Sequence
from decimal import Decimal

from aggregator.figures import Figures
from aggregator.registry import AssetRegistry, asset_of
from chains.accounts import VenueAccount
from chains.instruments import Exposure, Option, ShortOptionFloor, Spot
from oracles.types import PriceBook, ReconciledPrice, Vote


def ends(row: int, figures: Figures) -> tuple[float, float]:
    """Surplus at the unfavourable and at the favourable end of the reconciled prices."""
    return float(figures.levels.surplus_bad[row]), float(figures.levels.surplus_good[row])


def verdict(account: VenueAccount, bad: float, good: float, registry: AssetRegistry, book: PriceBook) -> str:
    """One sentence, empty where the prices' width decides nothing."""
    if not account.mm_requirement_usd:
        return ""
    flagged = bool(account.liquidatable) or (account.surplus_usd is not None and account.surplus_usd < 0)
    if good < 0:
        if flagged:
            return "liquidatable at every reconciled price"
        return "liquidatable at every reconciled price; the venue's own oracle has not followed"
    if bad < 0:
        return f"liquidatable if {decisive(account, registry, book)} is right"
    return "liquidatable by the venue's own prices only" if flagged else ""


def decisive(account: VenueAccount, registry: AssetRegistry, book: PriceBook) -> str:
    """The source whose bound costs the account most, with what it says."""
    worst: tuple[Decimal, str] = (Decimal(-1), "one of the sources")
    for exposure in account.exposures:
        asset = asset_of(exposure.instrument)
        info = None if asset is None else registry.assets.get(asset)
        if info is None:
            continue
        price = book[info.price_key]
        if price.mid is None or price.low is None or price.high is None:
            continue
        units = _direction(exposure)
        cost = abs(units) * (price.mid - price.low if units > 0 else price.high - price.mid)
        if units and cost > worst[0]:
            worst = (cost, _name(price, falling=units > 0))
    return worst[1]


def borrow_shortfall_usd(accounts: Sequence[VenueAccount], registry: AssetRegistry, book: PriceBook) -> Decimal:
    """By how much collateral counts for less when it is borrowed against anew (ceilings of staked tokens)."""
    total = Decimal(0)
    for exposure in (exposure for account in accounts for exposure in account.exposures):
        if not isinstance(exposure.instrument, Spot) or exposure.value <= 0:
            continue
        info = registry.assets.get(exposure.instrument.asset)
        price = None if info is None else book[info.price_key]
        if price is not None and price.low is not None and price.borrow_low is not None:
            total += exposure.value * (price.low - price.borrow_low)
    return total


def _direction(exposure: Exposure) -> Decimal:
    """Units that gain when the underlying rises; the sign is what matters."""
    units = exposure.equity - exposure.requirement
    match exposure.instrument:
        case Option(is_call=False) | ShortOptionFloor(option=Option(is_call=False)):
            return -units
        case _:
            return units


def _name(price: ReconciledPrice, *, falling: bool) -> str:
    """The contributor at the end of the interval that hurts."""

    def reach(vote: Vote) -> Decimal:
        return vote.price - vote.half_width if falling else -vote.price - vote.half_width

    if not price.contributors:
        return f"the {'low' if falling else 'high'} end of {price.price_key}"
    vote = min(price.contributors, key=reach)
    end = vote.price - vote.half_width if falling else vote.price + vote.half_width
    return f"{vote.source} ({price.price_key} {end:.6g})"
