"""From one account in one Comet market to its venue account, in the contract's own integer steps. No IO."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from chains.accounts import (
    BOOKED,
    Closing,
    Liquidation,
    OwnCheck,
    Pocket,
    Position,
    PositionKind,
    VenueAccount,
    VenueId,
    Withdrawal,
)
from chains.caip import AccountId
from chains.deployments import AssetInfo
from chains.instruments import Exposure, Spot
from chains.types import BlockRef

VENUE = VenueId("compound-v3")
INDEX_SCALE = 10**15
FACTOR_SCALE = 10**18
PRICE_SCALE = 10**8
DAY_S = 86_400
WITHDRAW_PAUSED = 1 << 2


@dataclass(frozen=True, slots=True)
class Collateral:
    """One collateral of a market, and how much of it the account has. Factors in 1e-18."""

    info: AssetInfo
    price: int
    unit: int
    borrow_factor: int
    liquidate_factor: int
    liquidation_factor: int
    balance: int

    @property
    def value(self) -> int:
        """1e-8 dollars, down."""
        return self.balance * self.price // self.unit

    @property
    def equity(self) -> int:
        """1e-8 dollars that count against liquidation, down."""
        return self.value * self.liquidate_factor // FACTOR_SCALE


@dataclass(frozen=True, slots=True)
class Base:
    """The base token's side of a market at the block, interest accrued."""

    market: str
    info: AssetInfo
    price: int
    unit: int
    supply_index: int
    borrow_index: int
    supply_rate: int
    """Per second, 1e-18."""
    borrow_rate: int
    cash: int
    """Base tokens lying in the market, raw."""
    withdrawals_open: bool

    def usd(self, raw: int) -> int:
        """1e-8 dollars of an amount of the base token, toward zero."""
        return raw * self.price // self.unit


@dataclass(frozen=True, slots=True)
class Own:
    """What the market itself says of the account. Raw base tokens."""

    supplied: int
    borrowed: int
    liquidatable: bool


def accrued(index: int, rate: int, elapsed_s: int) -> int:
    """Index grown by a rate per second (1e-18) without compounding, as Comet does between accruals."""
    return index + index * (rate * elapsed_s) // FACTOR_SCALE


def decode_account(
    account: AccountId, principal: int, base: Base, collateral: Sequence[Collateral], own: Own, at: BlockRef
) -> VenueAccount | None:
    """Venue account of one market; None where nothing is in it."""
    held = [one for one in collateral if one.balance]
    supplied = principal * base.supply_index // INDEX_SCALE if principal > 0 else 0
    owed = -principal * base.borrow_index // INDEX_SCALE if principal < 0 else 0
    if not (supplied or owed or held):
        return None
    debt, lent = base.usd(owed), base.usd(supplied)
    equity = sum(one.equity if owed else one.value for one in held) + lent
    return VenueAccount(
        account=account,
        venue=VENUE,
        sub_account=base.market,
        at=at,
        positions=_positions(supplied, owed, base, held),
        exposures=_exposures(supplied, owed, base, held),
        equity_usd=_usd(equity),
        mm_requirement_usd=_usd(debt),
        checks=(
            OwnCheck("supply_balance", _whole(supplied, base.unit), _whole(own.supplied, base.unit)),
            OwnCheck("borrow_balance", _whole(owed, base.unit), _whole(own.borrowed, base.unit)),
        ),
        liquidatable=own.liquidatable,
        withdrawable_usd=_withdrawable(supplied, debt, base, held),
        withdrawal=_withdrawal(supplied, owed, base, held),
        carry_usd_per_day=_carry(supplied, owed, base),
        liquidation=_liquidation(held) if owed else None,
    )


def _liquidation(held: Sequence[Collateral]) -> Liquidation | None:
    """Absorb takes all collateral at once and credits its value times the liquidation factor."""
    value = sum(one.value for one in held)
    if not value:
        return None
    lost = sum(one.value * (FACTOR_SCALE - one.liquidation_factor) for one in held)
    return Liquidation(Closing.ALL, _usd(value), Decimal(lost) / FACTOR_SCALE / value)


def _exposures(supplied: int, owed: int, base: Base, held: Sequence[Collateral]) -> tuple[Exposure, ...]:
    found = []
    for one in held:
        size = _whole(one.balance, one.unit)
        kept = Decimal(one.liquidate_factor) / FACTOR_SCALE if owed else Decimal(1)
        found.append(Exposure(Spot(one.info.asset, _price(one.price)), value=size, equity=size * kept))
    token = Spot(base.info.asset, _price(base.price))
    if supplied:
        size = _whole(supplied, base.unit)
        found.append(Exposure(token, value=size, equity=size))
    if owed:
        size = _whole(owed, base.unit)
        found.append(Exposure(token, value=-size, requirement=size))
    return tuple(found)


def _positions(supplied: int, owed: int, base: Base, held: Sequence[Collateral]) -> tuple[Position, ...]:
    found = []
    for one in held:
        details = {
            "market": base.market,
            "liquidate_collateral_factor": f"{Decimal(one.liquidate_factor) / FACTOR_SCALE:f}",
            "borrow_collateral_factor": f"{Decimal(one.borrow_factor) / FACTOR_SCALE:f}",
            "liquidation_factor": f"{Decimal(one.liquidation_factor) / FACTOR_SCALE:f}",
        }
        label, price = f"{one.info.symbol} collateral", _price(one.price)
        kind = PositionKind.COLLATERAL
        found.append(Position(kind, one.info.asset, label, one.balance, one.info.decimals, price, details))
    sides = (
        (supplied, PositionKind.HOLDING, "lent", base.supply_rate),
        (-owed, PositionKind.DEBT, "debt", base.borrow_rate),
    )
    for raw, kind, word, rate in sides:
        if raw:
            per_year = f"{Decimal(rate * 365 * DAY_S) / FACTOR_SCALE:.6f}"
            # Interest moves it; the principal that does not move is not asked for.
            details = {"market": base.market, "rate_per_year": per_year, BOOKED: ""}
            label = f"{base.info.symbol} {word}"
            price = _price(base.price)
            found.append(Position(kind, base.info.asset, label, raw, base.info.decimals, price, details))
    return tuple(found)


def _withdrawable(supplied: int, debt: int, base: Base, held: Sequence[Collateral]) -> Decimal:
    """Most that can leave with the account still borrow-collateralised, cheapest collateral first."""
    if not base.withdrawals_open:
        return Decimal(0)
    total = base.usd(min(supplied, base.cash))
    spare = sum(one.value * one.borrow_factor // FACTOR_SCALE for one in held) - debt
    for one in sorted(held, key=lambda one: one.borrow_factor):
        if not debt:
            take = one.value
        elif spare <= 0:
            break
        else:
            most = spare * FACTOR_SCALE // one.borrow_factor if one.borrow_factor else one.value
            take = min(one.value, most)
            spare -= take * one.borrow_factor // FACTOR_SCALE + 1
        total += take
    return _usd(total)


def _withdrawal(supplied: int, owed: int, base: Base, held: Sequence[Collateral]) -> Withdrawal:
    """The same for any prices: while anything is owed, the rest must cover it by the factors of borrowing."""
    if not base.withdrawals_open:
        return Withdrawal(())
    token = Spot(base.info.asset, _price(base.price))
    lent = (Pocket(token, _whole(min(supplied, base.cash), base.unit), token, Decimal(0)),) if supplied else ()
    tied = [
        (Spot(one.info.asset, _price(one.price)), _whole(one.balance, one.unit), _factor(one.borrow_factor))
        for one in sorted(held, key=lambda one: one.borrow_factor)
    ]
    pockets = (*lent, *(Pocket(spot, units, spot, weight if owed else Decimal(0)) for spot, units, weight in tied))
    covered = (Exposure(spot, equity=units * weight) for spot, units, weight in tied)
    debt = Exposure(token, requirement=_whole(owed, base.unit))
    return Withdrawal(pockets, bounds=((*covered, debt),) if owed else ())


def _carry(supplied: int, owed: int, base: Base) -> Decimal:
    """Dollars by which a day's interest lowers the surplus."""
    cost = Decimal(owed * base.borrow_rate - supplied * base.supply_rate) * DAY_S / FACTOR_SCALE
    return cost * base.price / base.unit / PRICE_SCALE


def _whole(raw: int, unit: int) -> Decimal:
    return Decimal(raw) / unit


def _price(price: int) -> Decimal:
    return Decimal(price) / PRICE_SCALE


def _factor(raw: int) -> Decimal:
    return Decimal(raw) / FACTOR_SCALE


def _usd(base_units: int) -> Decimal:
    return Decimal(base_units) / PRICE_SCALE
