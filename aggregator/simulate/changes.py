"""Changes to what was read: pure, account by account."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from aggregator.registry import AssetRegistry
from aggregator.simulate.hypothetical import CannotSimulate, asset_named, holding
from aggregator.simulate.model import CollateralChange, PositionChange
from chains.accounts import Position, PositionKind, VenueAccount
from chains.caip import AssetId
from chains.instruments import (
    ClippedFee,
    Exposure,
    Fixed,
    Instrument,
    LpRange,
    Option,
    Perp,
    ShortOptionFloor,
    Spot,
)

ZERO = Decimal(0)
ONE = Decimal(1)
Ratios = Mapping[AssetId, Decimal]
"""By asset: price as it would be over price as it is."""
MOST_VOL = Decimal(20)


def moved(account: VenueAccount, ratios: Ratios, vol: Decimal) -> VenueAccount:
    """The account with the venue's own prices and volatilities moved along."""
    exposures = tuple(replace(e, instrument=_instrument(e.instrument, ratios, vol)) for e in account.exposures)
    if exposures == account.exposures:
        return account
    positions = tuple(
        p
        if p.venue_price_usd is None
        else replace(p, venue_price_usd=p.venue_price_usd * ratios.get(p.asset, ONE))
        for p in account.positions
    )
    return replace(account, exposures=exposures, positions=positions)


def _instrument(given: Instrument, ratios: Ratios, vol: Decimal) -> Instrument:
    match given:
        case Fixed() | LpRange():
            return given
        case Spot():
            price = given.venue_price_usd
            return given if price is None else replace(given, venue_price_usd=price * ratios.get(given.asset, ONE))
        case Perp():
            return replace(given, venue_price_usd=given.venue_price_usd * ratios.get(given.asset, ONE))
        case Option():
            price = given.venue_price_usd * ratios.get(given.asset, ONE)
            return replace(given, venue_price_usd=price, vol=min(MOST_VOL, given.vol * vol))
        case ClippedFee():
            price = given.perp.venue_price_usd * ratios.get(given.perp.asset, ONE)
            return replace(given, perp=replace(given.perp, venue_price_usd=price))
        case ShortOptionFloor():
            option = given.option
            price = option.venue_price_usd * ratios.get(option.asset, ONE)
            # The venue's shocked volatility is a function of time only; its marks move.
            return replace(
                given, option=replace(option, venue_price_usd=price, vol=min(MOST_VOL, option.vol * vol))
            )


def with_collateral(
    account: VenueAccount, change: CollateralChange, registry: AssetRegistry, haircuts: tuple[Decimal, Decimal]
) -> VenueAccount:
    """The account with more or less of a token; ``haircuts``: crypto, stable."""
    info = asset_named(registry, change.asset, account.at.chain)
    sign = -1 if change.leg == "debt" else 1
    legs = [
        e for e in account.exposures
        if isinstance(e.instrument, Spot) and e.instrument.asset == info.asset and e.value * sign > 0
    ]  # fmt: skip
    held = sum((abs(e.value) for e in legs), ZERO)
    if not legs and account.equity_usd is None and sign > 0:
        if change.amount < 0:
            raise CannotSimulate(f"collateral_changes.amount: {account.id} holds no {info.symbol}")
        more = holding(info, change.amount, haircuts[1] if info.peg else haircuts[0])
        return _with_leg(replace(account, exposures=(*account.exposures, more)), info.asset, change.amount, sign)
    if not legs:
        known = ", ".join(sorted({p.label for p in account.positions}))
        raise CannotSimulate(
            f"collateral_changes.asset: {account.id} has no {info.symbol} {change.leg}; it has {known}"
        )
    if held + change.amount < 0:
        raise CannotSimulate(f"collateral_changes.amount: {account.id} has only {held} {info.symbol}")
    factor = (held + change.amount) / held
    exposures = [_scaled(e, factor) if e in legs else e for e in account.exposures]
    if info.peg and sign > 0 and all(not e.equity for e in legs):  # booked at par: equity is counted in dollars
        exposures.append(Exposure(Fixed(), equity=change.amount))
    return _with_leg(replace(account, exposures=tuple(exposures)), info.asset, change.amount, sign)


def with_position(account: VenueAccount, change: PositionChange, registry: AssetRegistry) -> VenueAccount:
    """The account with more or less of a perp or option, paid for at the venue's price."""
    legs = [e for e in account.exposures if isinstance(e.instrument, Perp | Option) and _is(e, change, registry)]
    held = sum((e.value for e in legs), ZERO)
    if not legs or not held or len({e.instrument for e in legs}) > 1:
        known = sorted({e.instrument.market for e in account.exposures if isinstance(e.instrument, Perp | Option)})
        raise CannotSimulate(
            f"position_changes.market: {account.id} has not exactly one leg {change.market[:60]!r}; "
            f"it has {', '.join(known) or 'none'}; a new leg goes into `accounts`"
        )
    instrument = legs[0].instrument
    factor = (held + change.amount) / held
    exposures = [_resized(e, instrument, factor) for e in account.exposures]
    if isinstance(instrument, Perp):
        cost = -change.amount * instrument.venue_price_usd
        exposures.append(Exposure(Fixed(), value=cost, equity=cost))
    asset = instrument.asset if isinstance(instrument, Perp | Option) else AssetId("")
    changed = replace(account, exposures=tuple(exposures))
    return _with_leg(changed, asset, change.amount, 1, frozenset({PositionKind.PERP, PositionKind.OPTION}))


def _is(exposure: Exposure, change: PositionChange, registry: AssetRegistry) -> bool:
    instrument = exposure.instrument
    if not isinstance(instrument, Perp | Option):
        return False
    info = registry.assets.get(instrument.asset)
    return change.market in {instrument.market, "" if info is None else info.symbol}


def _resized(exposure: Exposure, of: Instrument, factor: Decimal) -> Exposure:
    """A leg of the position at its new size; requirements grow with its absolute size."""
    instrument = exposure.instrument
    if instrument == of:
        return replace(
            exposure, value=exposure.value * factor, equity=exposure.equity * factor,
            requirement=exposure.requirement * abs(factor),
        )  # fmt: skip
    if isinstance(instrument, ClippedFee) and instrument.perp == of:
        return replace(exposure, instrument=replace(instrument, size=instrument.size * abs(factor)))
    if isinstance(instrument, ShortOptionFloor) and instrument.option == of:
        if factor < 0:
            raise CannotSimulate("position_changes.amount: a short option cannot become a long one")
        return replace(exposure, instrument=_floor(instrument, factor))
    return exposure


def _floor(floor: ShortOptionFloor, factor: Decimal) -> ShortOptionFloor:
    usd, base = floor.full_collateral_usd, floor.full_collateral_base
    return replace(
        floor,
        amount=floor.amount * factor,
        full_collateral_usd=None if usd is None else usd * factor,
        full_collateral_base=None if base is None else base * factor,
    )


def _scaled(exposure: Exposure, factor: Decimal) -> Exposure:
    return replace(
        exposure,
        value=exposure.value * factor,
        equity=exposure.equity * factor,
        requirement=exposure.requirement * factor,
    )


_TOKENS = frozenset({PositionKind.HOLDING, PositionKind.COLLATERAL, PositionKind.DEBT})


def _with_leg(
    account: VenueAccount, asset: AssetId, amount: Decimal, sign: int, kinds: frozenset[PositionKind] = _TOKENS
) -> VenueAccount:
    """The account's legs, for people, with the new size; the figures come from the exposures."""
    positions, done = [], False
    for leg in account.positions:
        fits = leg.kind in kinds and leg.asset == asset and (kinds is not _TOKENS or leg.raw * sign >= 0)
        if fits and not done:
            leg = replace(leg, raw=leg.raw + sign * int(amount.scaleb(leg.decimals)))
            done = True
        positions.append(leg)
    if not done:
        positions.append(Position(PositionKind.HOLDING, asset, "added", int(amount.scaleb(18)), 18, None))
    return replace(account, positions=tuple(positions))
