"""From what was read of one account to the venue account that the rest of the system sees. No IO."""

from decimal import Decimal

from chains.accounts import BOOKED, Closing, Liquidation, OwnCheck, Position, PositionKind, VenueAccount
from chains.caip import AccountId
from chains.instruments import Exposure, Fixed, Spot
from chains.types import BlockRef
from chains.venues.perp.rule import (
    VENUE,
    AccountState,
    Collateral,
    Figures,
    Leg,
    Params,
    bound_requirement,
    figures,
    withdrawable_units,
)
from chains.venues.perp.withdrawal import instrument, withdrawal

HALF, SMALL_USD = Decimal("0.5"), 100
"""AccountBalance.getLiquidatablePositionSize."""


def decode_account(account: AccountId, state: AccountState, params: Params, at: BlockRef) -> VenueAccount:
    """One venue account from what was read."""
    own = figures(state, params)
    decimals = params.token.decimals
    equity = Decimal(own.value_units).scaleb(-decimals)
    requirement, early = bound_requirement(state, own, params)
    return VenueAccount(
        account=account,
        venue=VENUE,
        sub_account="",
        at=at,
        positions=_positions(state, own, params),
        exposures=_exposures(state, own, params, early),
        equity_usd=equity,
        mm_requirement_usd=_wad(requirement),
        checks=(
            OwnCheck("account_value_usd", equity, _wad(state.theirs.account_value)),
            OwnCheck("mm_requirement_usd", _wad(own.requirement), _wad(state.theirs.requirement)),
            OwnCheck(
                "free_collateral_usd",
                Decimal(own.free_units).scaleb(-decimals),
                Decimal(state.theirs.free).scaleb(-decimals),
            ),
        ),
        liquidatable=state.theirs.liquidatable,
        degraded=_degraded(state, params),
        withdrawable_usd=Decimal(withdrawable_units(own, params)).scaleb(-decimals),
        withdrawal=withdrawal(state, own, params),
        carry_usd_per_day=sum((_size(leg) * _wad(leg.market.premium) for leg in state.legs), Decimal(0)),
        liquidation=_liquidation(own, params),
    )


def _liquidation(own: Figures, params: Params) -> Liquidation | None:
    """Half of the positions while the value is above half the requirement, else all; small ones at once."""
    if not own.exposure:
        return None
    return Liquidation(
        closing=Closing.POSITION,
        base_usd=_wad(own.exposure),
        ratio=Decimal(params.penalty_ratio).scaleb(-6),
        close_factor=Decimal(1) if _wad(own.exposure) <= SMALL_USD else HALF,
        full_below_health=HALF,
    )


def _exposures(state: AccountState, own: Figures, params: Params, early: int) -> tuple[Exposure, ...]:
    """Equity books the settlement token at par; value holds what it is worth.

    Everything is paid in the settlement token, PnL too: hence its units in V are settled + unrealised, and the
    perps enter V by their change only (their worth at the mark is taken out again in dollars).
    """
    mm_ratio = Decimal(state.rules.mm_ratio if state.rules else params.mm_ratio).scaleb(-6)
    moving = [leg for leg in state.legs if leg.market.status == "open" and leg.size]
    still = sum(leg.value for leg in state.legs) - sum(leg.value for leg in moving)
    notional = sum(leg.notional for leg in state.legs)
    cut = Decimal(own.value_units).scaleb(-params.token.decimals) - _wad(own.value)
    frozen = sum(abs(leg.value) for leg in state.legs) - sum(abs(leg.value) for leg in moving)
    return (
        Exposure(Spot(params.token.asset), value=_wad(own.settled + own.pnl)),
        Exposure(
            Fixed(),
            value=-sum((_size(leg) * leg.market.price_usd for leg in moving), Decimal(0)),
            equity=_wad(own.settled + notional + still) + cut,
            requirement=_wad(frozen) * mm_ratio + _wad(early),
        ),
        *(Exposure(instrument(leg), _size(leg), _size(leg), abs(_size(leg)) * mm_ratio) for leg in moving),
        *(_collateral_exposure(collateral) for collateral in state.collaterals),
    )


def _collateral_exposure(held: Collateral) -> Exposure:
    units = Decimal(held.balance).scaleb(-held.asset.decimals)
    price = Decimal(held.price).scaleb(-held.price_decimals)
    return Exposure(Spot(held.asset.asset, price), value=units, equity=units * Decimal(held.ratio).scaleb(-6))


def _positions(state: AccountState, own: Figures, params: Params) -> tuple[Position, ...]:
    cash = Position(
        PositionKind.COLLATERAL,
        params.token.asset,
        f"{params.token.symbol} collateral",
        state.balance,
        params.token.decimals,
        Decimal(1),
        {
            "settled_usd": f"{_wad(own.settled):f}",
            "owed_realized_pnl_usd": f"{_wad(state.owed_pnl):f}",
            "pending_fee_usd": f"{_wad(state.pending_fee):f}",
            BOOKED: f"{state.balance}+{state.owed_pnl}",
        },
    )
    others = (
        Position(
            PositionKind.COLLATERAL,
            held.asset.asset,
            f"{held.asset.symbol} collateral",
            held.balance,
            held.asset.decimals,
            Decimal(held.price).scaleb(-held.price_decimals),
            {"collateral_ratio": f"{Decimal(held.ratio).scaleb(-6)}"},
        )
        for held in state.collaterals
    )
    return (cash, *others, *(_perp_position(leg) for leg in state.legs))


def _perp_position(leg: Leg) -> Position:
    asset = leg.market.asset
    side = "long" if leg.size > 0 else "short" if leg.size < 0 else "flat"
    details = {
        "open_notional_usd": f"{_wad(leg.notional):f}",
        "unrealized_pnl_usd": f"{_wad(leg.value + leg.notional):f}",
        "pending_funding_usd": f"{_wad(leg.funding):f}",
        "market_status": leg.market.status,
        "maker_orders": "yes" if leg.has_orders else "no",
        # What makers hold moves with the pool's price.
        BOOKED: "" if leg.has_orders else f"{leg.size}@{leg.notional}",
    }
    label = f"{asset.price_key}-PERP {side}"
    return Position(PositionKind.PERP, asset.asset, label, leg.size, 18, leg.market.price_usd, details)


def _degraded(state: AccountState, params: Params) -> tuple[str, ...]:
    reasons = []
    if params.token.peg != "USD":
        reasons.append(f"{params.token.symbol}: booked at one dollar but not registered as a USD stablecoin")
    for leg in state.legs:
        name = f"{leg.market.asset.price_key}-PERP"
        if leg.has_orders:
            reasons.append(f"{name}: maker liquidity changes its size with the price; scenarios keep today's size")
        if leg.market.status != "open":
            reasons.append(f"{name}: market is {leg.market.status}, price frozen at {leg.market.price_usd}")
    if state.rules is not None:
        reasons.append("collateral besides the settlement token: of its three liquidation rules only the one that "
                       "binds now is followed under scenarios")  # fmt: skip
    return tuple(reasons)


def _size(leg: Leg) -> Decimal:
    return Decimal(leg.size).scaleb(-18)


def _wad(raw: int) -> Decimal:
    return Decimal(raw).scaleb(-18)
