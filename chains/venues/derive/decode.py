"""From a sub-account's balances and its market's parameters to the venue account. Integers of 1e-18. No IO."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from chains.accounts import OwnCheck, Position, PositionKind, VenueAccount, VenueId
from chains.caip import AccountId
from chains.deployments import AssetInfo
from chains.instruments import Exposure, Fixed, Perp, Spot
from chains.margin_state import MarginFigures
from chains.types import BlockRef

VENUE = VenueId("derive-v2")
ONE = 10**18
DIGITS = 18
LAST_DIGITS = Decimal("1e-17")
"""The manager truncates each product on its way; a handful of last digits."""


@dataclass(frozen=True, slots=True)
class Cash:
    """Dollars of the sub-account, negative when borrowed."""

    info: AssetInfo
    balance: int


@dataclass(frozen=True, slots=True)
class PerpLeg:
    """A perpetual position."""

    info: AssetInfo
    market: int
    size: int
    price: int
    requirement: int | None
    """Maintenance, share of the notional; None where a portfolio model decides instead."""
    result: int
    """Unsettled and unrealised result with funding."""

    @property
    def maintenance(self) -> int:
        """Dollars needed, as the contract truncates."""
        return times(times(abs(self.size), self.price), self.requirement or 0)


@dataclass(frozen=True, slots=True)
class BaseLeg:
    """A base asset held as collateral."""

    info: AssetInfo
    size: int
    price: int
    factor: int

    @property
    def equity(self) -> int:
        """Dollars that count, as the contract truncates."""
        return times(times(self.size, self.price), self.factor)


@dataclass(frozen=True, slots=True)
class OptionLeg:
    """Contracts of one option; negative = short."""

    info: AssetInfo
    size: int
    expiry: int
    strike: int
    is_call: bool


@dataclass(frozen=True, slots=True)
class CollateralLeg:
    """A token that a portfolio manager takes as collateral."""

    info: AssetInfo
    size: int


@dataclass(frozen=True, slots=True)
class Legs:
    """Everything in a sub-account, by kind."""

    cash: Sequence[Cash] = ()
    perps: Sequence[PerpLeg] = ()
    bases: Sequence[BaseLeg] = ()
    options: Sequence[OptionLeg] = ()
    collaterals: Sequence[CollateralLeg] = ()


@dataclass(frozen=True, slots=True)
class Manager:
    """What the manager says of the sub-account."""

    name: str
    margin: int
    """Maintenance: below 0 it may be liquidated."""
    initial: int | None
    """None where it did not answer."""
    mark_to_market: int


def times(a: int, b: int) -> int:
    """Product of two decimals, toward zero."""
    product = abs(a * b) // ONE
    return product if (a >= 0) == (b >= 0) else -product


def decode_standard(
    account: AccountId, sub_account: int, legs: Legs, manager: Manager, at: BlockRef
) -> VenueAccount:
    """A sub-account of the standard manager without options."""
    cash, perps, bases = legs.cash, legs.perps, legs.bases
    equity = sum(one.balance for one in cash) + sum(leg.result for leg in perps) + sum(leg.equity for leg in bases)
    needed = sum(leg.maintenance for leg in perps)
    return VenueAccount(
        account=account,
        venue=VENUE,
        sub_account=str(sub_account),
        at=at,
        positions=_positions(legs, manager),
        exposures=(*cash_and_perps(cash, perps), *(_collateral(base) for base in bases)),
        equity_usd=whole(equity),
        mm_requirement_usd=whole(needed),
        checks=(OwnCheck("maintenance_margin_usd", whole(equity - needed), whole(manager.margin), LAST_DIGITS),),
        liquidatable=manager.margin < 0,
    )


def decode_by_manager(
    account: AccountId,
    sub_account: int,
    legs: Legs,
    manager: Manager,
    modelled: tuple[MarginFigures, Decimal] | str,
    exposures: tuple[Exposure, ...] | str,
    at: BlockRef,
) -> VenueAccount:
    """A sub-account whose margin only a model over the manager's feeds gives: the manager's figures decide.

    ``modelled`` is what the model makes of it with what the manager's fixed-point pricing may lose in USD, or why
    there is no such figure; ``exposures`` how it behaves under scenarios, or why that is unknown.
    """
    where = f"{VENUE}: sub-account {sub_account}"
    reasons = []
    if isinstance(exposures, str):
        reasons.append(f"{where}: its scenarios are unknown: {exposures}")
    if isinstance(modelled, str):
        reasons.append(f"{where}: the manager's figures stand unchecked: {modelled}")
    return VenueAccount(
        account=account,
        venue=VENUE,
        sub_account=str(sub_account),
        at=at,
        positions=_positions(legs, manager),
        exposures=() if isinstance(exposures, str) else exposures,
        equity_usd=whole(manager.mark_to_market),
        mm_requirement_usd=max(Decimal(0), whole(manager.mark_to_market - manager.margin)),
        checks=() if isinstance(modelled, str) else _compared(*modelled, manager),
        liquidatable=manager.margin < 0,
        degraded=tuple(reasons),
    )


def _compared(figures: MarginFigures, rounding: Decimal, manager: Manager) -> tuple[OwnCheck, ...]:
    pairs = (
        ("maintenance_margin_usd", figures.maintenance_excess_usd, manager.margin),
        ("initial_margin_usd", figures.initial_excess_usd, manager.initial),
        ("mark_to_market_usd", figures.mark_usd, manager.mark_to_market),
    )
    return tuple(
        OwnCheck(name, ours, whole(theirs), rounding) for name, ours, theirs in pairs if theirs is not None
    )


def cash_and_perps(cash: Sequence[Cash], perps: Sequence[PerpLeg]) -> list[Exposure]:
    """Cash counts one to one for the venue; in value it is the token, which may leave its peg."""
    found = []
    for one in cash:
        found.append(Exposure(Spot(one.info.asset, Decimal(1)), value=whole(one.balance)))
        found.append(Exposure(Fixed(), equity=whole(one.balance)))
    for leg in perps:
        size, price = whole(leg.size), whole(leg.price)
        instrument = Perp(leg.info.asset, f"{VENUE}:{leg.market}", price)
        needed = abs(size) * whole(leg.requirement or 0)
        found.append(Exposure(instrument, value=size, equity=size, requirement=needed))
        entered = whole(leg.result) - size * price
        found.append(Exposure(Fixed(), value=entered, equity=entered))
    return found


def _collateral(base: BaseLeg) -> Exposure:
    """Counted by its margin factor alone."""
    size = whole(base.size)
    return Exposure(Spot(base.info.asset, whole(base.price)), value=size, equity=size * whole(base.factor))


def marked(base: BaseLeg, stable_price: Decimal) -> Exposure:
    """Counted in the mark in whole, in the settlement coin; what the margin factor leaves out is required."""
    size, count = whole(base.size), whole(base.size) / stable_price
    needed = count - size * whole(base.factor)
    return Exposure(Spot(base.info.asset, whole(base.price)), value=size, equity=count, requirement=needed)


def _positions(legs: Legs, manager: Manager) -> tuple[Position, ...]:
    shared = {"manager": manager.name}
    found = [_cash_leg(one, shared) for one in legs.cash] + [_perp_leg(leg, shared) for leg in legs.perps]
    for base in legs.bases:
        details = {**shared, "margin_factor": f"{whole(base.factor):f}"}
        label, price = f"{base.info.symbol} collateral", whole(base.price)
        found.append(Position(PositionKind.COLLATERAL, base.info.asset, label, base.size, DIGITS, price, details))
    for held in legs.collaterals:
        label = f"{held.info.symbol} collateral"
        found.append(Position(PositionKind.COLLATERAL, held.info.asset, label, held.size, DIGITS, None, shared))
    return (*found, *(_option_leg(leg, shared) for leg in legs.options))


def _cash_leg(one: Cash, shared: Mapping[str, str]) -> Position:
    kind = PositionKind.COLLATERAL if one.balance >= 0 else PositionKind.DEBT
    return Position(kind, one.info.asset, f"{one.info.symbol} cash", one.balance, DIGITS, Decimal(1), dict(shared))


def _perp_leg(leg: PerpLeg, shared: Mapping[str, str]) -> Position:
    side = "long" if leg.size > 0 else "short"
    details = {**shared, "unsettled_usd": f"{whole(leg.result):f}"}
    if leg.requirement is not None:
        details["maintenance_requirement"] = f"{whole(leg.requirement):f}"
    label = f"{leg.info.symbol}-PERP {side}"
    return Position(PositionKind.PERP, leg.info.asset, label, leg.size, DIGITS, whole(leg.price), details)


def _option_leg(leg: OptionLeg, shared: Mapping[str, str]) -> Position:
    side, kind = "long" if leg.size > 0 else "short", "call" if leg.is_call else "put"
    details = {**shared, "strike_usd": f"{whole(leg.strike):f}", "expiry": str(leg.expiry)}
    label = f"{leg.info.symbol} {whole(leg.strike).normalize():f} {kind} {side}"
    return Position(PositionKind.OPTION, leg.info.asset, label, leg.size, DIGITS, None, details)


def whole(raw: int) -> Decimal:
    """Units of 1e-18 as a number."""
    return Decimal(raw).scaleb(-DIGITS)
