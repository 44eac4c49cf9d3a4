"""From a sub-account's balances and its market's parameters to the venue account. Integers of 1e-18. No IO."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from chains.caip import AccountId
from chains.deployments import AssetInfo
from chains.types import (
    BlockRef,
    Exposure,
    Fixed,
    OwnCheck,
    Perp,
    Position,
    PositionKind,
    Spot,
    VenueAccount,
    VenueId,
)

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
    requirement: int
    """Maintenance, share of the notional."""
    result: int
    """Unsettled and unrealised result with funding."""

    @property
    def maintenance(self) -> int:
        """Dollars needed, as the contract truncates."""
        return times(times(abs(self.size), self.price), self.requirement)


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
class Manager:
    """What the manager says of the sub-account."""

    name: str
    margin: int
    mark_to_market: int


def times(a: int, b: int) -> int:
    """Product of two decimals, toward zero."""
    product = abs(a * b) // ONE
    return product if (a >= 0) == (b >= 0) else -product


def decode_standard(
    account: AccountId,
    sub_account: int,
    cash: Sequence[Cash],
    perps: Sequence[PerpLeg],
    bases: Sequence[BaseLeg],
    manager: Manager,
    at: BlockRef,
) -> VenueAccount:
    """A sub-account of the standard manager without options."""
    equity = sum(one.balance for one in cash) + sum(leg.result for leg in perps) + sum(leg.equity for leg in bases)
    needed = sum(leg.maintenance for leg in perps)
    return VenueAccount(
        account=account,
        venue=VENUE,
        sub_account=str(sub_account),
        at=at,
        positions=_positions(cash, perps, bases, manager),
        exposures=_exposures(cash, perps, bases),
        equity_usd=whole(equity),
        mm_requirement_usd=whole(needed),
        checks=(OwnCheck("maintenance_margin_usd", whole(equity - needed), whole(manager.margin), LAST_DIGITS),),
        liquidatable=manager.margin < 0,
    )


def decode_by_manager(
    account: AccountId, sub_account: int, manager: Manager, why: str, at: BlockRef
) -> VenueAccount:
    """A sub-account whose margin only its manager can tell: its own figures, and no scenarios."""
    return VenueAccount(
        account=account,
        venue=VENUE,
        sub_account=str(sub_account),
        at=at,
        positions=(),
        exposures=(),
        equity_usd=whole(manager.mark_to_market),
        mm_requirement_usd=max(Decimal(0), whole(manager.mark_to_market - manager.margin)),
        checks=(),
        liquidatable=manager.margin < 0,
        degraded=(f"{VENUE}: sub-account {sub_account}: {why}: its scenarios are unknown",),
    )


def _exposures(cash: Sequence[Cash], perps: Sequence[PerpLeg], bases: Sequence[BaseLeg]) -> tuple[Exposure, ...]:
    """Cash counts one to one for the venue; in value it is the token, which may leave its peg."""
    found = []
    for one in cash:
        found.append(Exposure(Spot(one.info.asset, Decimal(1)), value=whole(one.balance)))
        found.append(Exposure(Fixed(), equity=whole(one.balance)))
    for leg in perps:
        size, price = whole(leg.size), whole(leg.price)
        instrument = Perp(leg.info.asset, f"{VENUE}:{leg.market}", price)
        needed = abs(size) * whole(leg.requirement)
        found.append(Exposure(instrument, value=size, equity=size, requirement=needed))
        entered = whole(leg.result) - size * price
        found.append(Exposure(Fixed(), value=entered, equity=entered))
    for base in bases:
        size, kept = whole(base.size), whole(base.factor)
        found.append(Exposure(Spot(base.info.asset, whole(base.price)), value=size, equity=size * kept))
    return tuple(found)


def _positions(
    cash: Sequence[Cash], perps: Sequence[PerpLeg], bases: Sequence[BaseLeg], manager: Manager
) -> tuple[Position, ...]:
    shared = {"manager": manager.name}
    found = []
    for one in cash:
        kind = PositionKind.COLLATERAL if one.balance >= 0 else PositionKind.DEBT
        label = f"{one.info.symbol} cash"
        found.append(Position(kind, one.info.asset, label, one.balance, DIGITS, Decimal(1), shared))
    for leg in perps:
        side = "long" if leg.size > 0 else "short"
        details = {
            **shared,
            "unsettled_usd": f"{whole(leg.result):f}",
            "maintenance_requirement": f"{whole(leg.requirement):f}",
        }
        label, price = f"{leg.info.symbol}-PERP {side}", whole(leg.price)
        found.append(Position(PositionKind.PERP, leg.info.asset, label, leg.size, DIGITS, price, details))
    for base in bases:
        details = {**shared, "margin_factor": f"{whole(base.factor):f}"}
        label, price = f"{base.info.symbol} collateral", whole(base.price)
        found.append(Position(PositionKind.COLLATERAL, base.info.asset, label, base.size, DIGITS, price, details))
    return tuple(found)


def whole(raw: int) -> Decimal:
    """Units of 1e-18 as a number."""
    return Decimal(raw).scaleb(-DIGITS)
