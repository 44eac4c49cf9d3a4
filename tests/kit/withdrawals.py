"""The withdrawal rules in exact decimals, written apart from the kernels, at any prices of the underlyings."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from chains.accounts import VenueAccount, Withdrawal
from chains.caip import AssetId
from chains.instruments import ClippedFee, Exposure, Fixed, Instrument, Option, Perp, ShortOptionFloor, Spot
from tests.kit.unit_values import unit_value

Factor = Callable[[AssetId], Decimal]


def still(_: AssetId) -> Decimal:
    """Prices as they are."""
    return Decimal(1)


def price(instrument: Instrument, factor: Factor, stamp: int) -> Decimal:
    """Dollars per unit when each underlying stands at ``factor`` of its venue price; tokens without one at par."""
    match instrument:
        case Fixed():
            return Decimal(1)
        case Spot(asset, paid):
            return (Decimal(1) if paid is None else paid) * factor(asset)
        case Perp(asset, _, paid) | Option(asset=asset, venue_price_usd=paid):
            return unit_value(replace(instrument, venue_price_usd=paid * factor(asset)), stamp)
        case ClippedFee(perp):
            moved = replace(perp, venue_price_usd=perp.venue_price_usd * factor(perp.asset))
            return unit_value(replace(instrument, perp=moved), stamp)
        case ShortOptionFloor(option):
            spot = option.venue_price_usd * factor(option.asset)
            return unit_value(replace(instrument, option=replace(option, venue_price_usd=spot)), stamp)
    raise AssertionError(instrument)


def surplus(exposures: Sequence[Exposure], factor: Factor, stamp: int) -> Decimal:
    """Equity less requirement."""
    parts = ((e.equity - e.requirement, e.instrument) for e in exposures)
    return sum((units * price(i, factor, stamp) for units, i in parts if units), Decimal(0))


def taken(account: VenueAccount, factor: Factor = still) -> list[Decimal]:
    """Dollars that leave each pocket."""
    rule, stamp = account.withdrawal, account.at.timestamp
    assert isinstance(rule, Withdrawal)
    if any(surplus(gate, factor, stamp) < 0 for gate in rule.gates):
        return [Decimal(0)] * len(rule.pockets)
    bounds = [surplus(bound, factor, stamp) for bound in rule.bounds]
    if rule.by_surplus:
        bounds.append(surplus(account.exposures, factor, stamp))
    room = max(Decimal(0), min(bounds, default=Decimal(10) ** 40))
    found = []
    for pocket in rule.pockets:
        worth = pocket.units * price(pocket.token, factor, stamp)
        lost = pocket.units * pocket.weight * price(pocket.counted, factor, stamp)
        share = min(Decimal(1), room / lost) if lost else Decimal(1)
        found.append(worth * share)
        room -= lost * share
    return found


def let_out(account: VenueAccount, factor: Factor = still) -> Decimal:
    """Dollars that the venue lets out."""
    return sum(taken(account, factor), Decimal(0))
