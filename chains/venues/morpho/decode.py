"""From one address's holding in one market to the venue accounts that the rest of the system sees. No IO."""

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
    Withdrawal,
)
from chains.caip import AccountId, asset_address
from chains.instruments import Exposure, Fixed, Spot
from chains.types import BlockRef
from chains.venues.morpho.rule import (
    VENUE,
    WAD,
    Holding,
    Market,
    Totals,
    borrowed,
    cut_by_rounding,
    free_collateral,
    incentive,
    interest_of_a_day,
    liquidity,
    max_borrow,
    supplied,
)

AT_PAR = "loan token taken at one dollar, the venue has no price of it"


def decode_loan(
    account: AccountId, holding: Holding, market: Market, liquidatable: bool, at: BlockRef
) -> VenueAccount:
    """The loan and its collateral. Equity down, requirement up, both at the loan token's par."""
    debt, most = borrowed(holding, market), max_borrow(holding.collateral, market)
    unit = collateral_price(market)
    free = Decimal(free_collateral(holding, market)).scaleb(-market.collateral.decimals)
    return VenueAccount(
        account=account,
        venue=VENUE,
        sub_account=market.short_id,
        at=at,
        positions=_loan_positions(holding, market, debt, unit),
        exposures=_loan_exposures(holding, market, debt, unit),
        equity_usd=_loan_units(most, market),
        mm_requirement_usd=_loan_units(debt, market),
        checks=_checks(market),
        liquidatable=liquidatable,
        withdrawable_usd=free * unit,
        withdrawal=_loan_withdrawal(holding, market, debt, unit),
        carry_usd_per_day=_loan_units(debt, market) * interest_of_a_day(market)[0],
        liquidation=_liquidation(debt, market),
    )


def decode_supply(account: AccountId, holding: Holding, market: Market, at: BlockRef) -> VenueAccount:
    """What the address lends in the market."""
    raw = supplied(holding, market)
    amount = _loan_units(raw, market)
    asset = market.loan.asset
    details = {**_terms(market), BOOKED: str(holding.supply_shares)}
    return VenueAccount(
        account=account,
        venue=VENUE,
        sub_account=f"{market.short_id}/supply",
        at=at,
        positions=(
            Position(
                PositionKind.HOLDING,
                asset,
                f"{market.loan.symbol} lent",
                raw,
                market.loan.decimals,
                Decimal(1),
                details,
            ),
        ),
        exposures=(Exposure(Spot(asset, Decimal(1)), value=amount, equity=amount),),
        equity_usd=amount,
        mm_requirement_usd=Decimal(0),
        checks=_checks(market),
        liquidatable=False,
        withdrawable_usd=(free := min(amount, _loan_units(liquidity(market), market))),
        withdrawal=Withdrawal((Pocket(Spot(asset, Decimal(1)), free, Fixed(), Decimal(0)),)),
        carry_usd_per_day=-amount * interest_of_a_day(market)[1],
    )


def _loan_withdrawal(holding: Holding, market: Market, debt: int, unit: Decimal) -> Withdrawal:
    """Collateral as long as the rest, times the loan-to-value limit, covers the debt."""
    amount = Decimal(holding.collateral).scaleb(-market.collateral.decimals)
    token, ratio = Spot(market.collateral.asset, unit), Decimal(market.lltv).scaleb(-18)
    return Withdrawal((Pocket(token, amount, token, ratio),), by_surplus=debt > 0)


def _liquidation(debt: int, market: Market) -> Liquidation | None:
    """All of the debt may be repaid at once, for collateral worth the incentive factor times as much."""
    if not debt:
        return None
    ratio = Decimal(incentive(market.lltv) - WAD).scaleb(-18)
    return Liquidation(Closing.DEBT, _loan_units(debt, market), ratio)


def collateral_price(market: Market) -> Decimal:
    """Loan tokens per whole collateral token: dollars, the loan token at par."""
    return Decimal(market.price).scaleb(market.collateral.decimals - market.loan.decimals - 36)


def _loan_exposures(holding: Holding, market: Market, debt: int, unit: Decimal) -> tuple[Exposure, ...]:
    amount = Decimal(holding.collateral).scaleb(-market.collateral.decimals)
    owed = _loan_units(debt, market)
    cut = Decimal(cut_by_rounding(holding.collateral, market)).scaleb(-54 - market.loan.decimals)
    ratio = Decimal(market.lltv).scaleb(-18)
    return (
        Exposure(Spot(market.collateral.asset, unit), value=amount, equity=amount * ratio),
        Exposure(Spot(market.loan.asset, Decimal(1)), value=-owed, requirement=owed),
        Exposure(Fixed(), equity=cut),
    )


def _loan_positions(holding: Holding, market: Market, debt: int, unit: Decimal) -> tuple[Position, ...]:
    terms = _terms(market)
    collateral = Position(
        PositionKind.COLLATERAL,
        market.collateral.asset,
        f"{market.collateral.symbol} collateral",
        holding.collateral,
        market.collateral.decimals,
        unit,
        terms,
    )
    loan = Position(
        PositionKind.DEBT,
        market.loan.asset,
        f"{market.loan.symbol} debt",
        -debt,
        market.loan.decimals,
        Decimal(1),
        {**terms, BOOKED: str(holding.borrow_shares)},
    )
    return tuple(position for position in (collateral, loan) if position.raw)


def _terms(market: Market) -> dict[str, str]:
    """What names the market to the contract, and how the loan is valued."""
    return {
        "market": f"0x{market.id.hex()}",
        "lltv": f"{Decimal(market.lltv).scaleb(-18):f}",
        "oracle": market.oracle,
        "loan_token": asset_address(market.loan.asset),
        "collateral_token": asset_address(market.collateral.asset),
        "rate_model": market.rate_model,
        "price": AT_PAR,
    }


def _checks(market: Market) -> tuple[OwnCheck, ...]:
    """Interest as we accrue it beside the contract's own accrual at the block."""
    ours, theirs = market.totals, market.theirs
    assets = ("borrow_assets", "supply_assets")
    return (
        *(OwnCheck(f"market_{name}_usd", _sum(ours, name, market), _sum(theirs, name, market)) for name in assets),
        OwnCheck("market_supply_shares", Decimal(ours.supply_shares), Decimal(theirs.supply_shares)),
    )


def _sum(totals: Totals, name: str, market: Market) -> Decimal:
    return _loan_units(getattr(totals, name), market)


def _loan_units(raw: int, market: Market) -> Decimal:
    return Decimal(raw).scaleb(-market.loan.decimals)
