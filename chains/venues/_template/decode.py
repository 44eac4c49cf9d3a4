"""From primitive state to the venue account. Pure: ints in, values out, no IO and no clock."""

from dataclasses import dataclass
from decimal import Decimal

from chains.accounts import OwnCheck, Position, PositionKind, VenueAccount, VenueId
from chains.caip import AccountId
from chains.deployments import AssetInfo
from chains.instruments import Exposure, Spot
from chains.types import BlockRef

VENUE = VenueId("template")
BPS = 10**4
PRICE_DECIMALS = 8


@dataclass(frozen=True, slots=True)
class Market:
    """What all accounts share at the block."""

    collateral: AssetInfo
    debt: AssetInfo
    price: int
    """1e-8 dollars per whole collateral token."""
    threshold: int
    """bps."""


@dataclass(frozen=True, slots=True)
class Loan:
    """Primitive state of one account, and what the venue itself says of it. Amounts raw."""

    collateral: int
    debt: int
    own_equity: int
    """1e-8 dollars, read beside ours and never used for it."""
    liquidatable: bool


def decode_loan(account: AccountId, loan: Loan, market: Market, at: BlockRef) -> VenueAccount | None:
    """Venue account, None where nothing is in it. Equity down, requirement up."""
    if not (loan.collateral or loan.debt):
        return None
    value = loan.collateral * market.price // 10**market.collateral.decimals
    equity = _usd(value * market.threshold // BPS)
    size = Decimal(loan.collateral).scaleb(-market.collateral.decimals)
    owed = Decimal(loan.debt).scaleb(-market.debt.decimals)
    price = _usd(market.price)
    return VenueAccount(
        account=account,
        venue=VENUE,
        sub_account="",
        at=at,
        positions=_legs(loan, market, price),
        exposures=(
            # Units of instruments: at the venue's prices they must sum to E and k·MM.
            Exposure(Spot(market.collateral.asset, price), value=size, equity=size * market.threshold / BPS),
            Exposure(Spot(market.debt.asset, Decimal(1)), value=-owed, requirement=owed),
        ),
        equity_usd=equity,
        mm_requirement_usd=owed,
        checks=(OwnCheck("equity_usd", equity, _usd(loan.own_equity)),),
        liquidatable=loan.liquidatable,
    )


def _legs(loan: Loan, market: Market, price: Decimal) -> tuple[Position, ...]:
    sides = (
        (PositionKind.COLLATERAL, market.collateral, "collateral", loan.collateral, price),
        (PositionKind.DEBT, market.debt, "debt", -loan.debt, Decimal(1)),
    )
    return tuple(
        Position(kind, info.asset, f"{info.symbol} {word}", raw, info.decimals, venue_price)
        for kind, info, word, raw, venue_price in sides
        if raw
    )


def _usd(raw: int) -> Decimal:
    return Decimal(raw).scaleb(-PRICE_DECIMALS)
