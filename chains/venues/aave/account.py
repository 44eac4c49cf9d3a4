"""An Aave v3 account from primitive state, by the arithmetic of GenericLogic.calculateUserAccountData."""

from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext

from chains.accounts import BOOKED, Closing, Liquidation, OwnCheck, Position, PositionKind, VenueAccount, VenueId
from chains.caip import AccountId, AssetId
from chains.instruments import Exposure, Spot
from chains.venues.aave.fixed_point import BPS, RAY, WAD
from chains.venues.aave.legs import Leg, Totals, decode_legs, sum_up
from chains.venues.aave.market import AccountData, Market, UserState
from chains.venues.aave.withdrawal import withdrawable_usd, withdrawal

VENUE = VenueId("aave-v3")
DAYS = 365
CLOSE_FACTOR, FULL_BELOW, SMALL_USD = Decimal("0.5"), Decimal("0.95"), 2000
PRECISION = 60
"""Decimal digits while thresholds and amounts are multiplied: nothing is rounded."""


def decode_account(account: AccountId, market: Market, user: UserState) -> VenueAccount | None:
    """Venue account from primitive state; None without a position.

    Raises LookupError where a token that counts has no oracle price.
    """
    legs = decode_legs(market, user)
    if not legs:
        return None
    totals = sum_up(legs, market.version)
    with localcontext(prec=PRECISION):
        return VenueAccount(
            account=account,
            venue=VENUE,
            sub_account="",
            at=market.at,
            positions=tuple(_positions(legs, market, user)),
            exposures=tuple(_exposures(legs, market, totals)),
            equity_usd=_usd(totals.equity, market),
            mm_requirement_usd=_usd(totals.debt, market),
            checks=_checks(totals, user.own, market),
            liquidatable=user.own.health < WAD,
            degraded=tuple(_degraded(legs, market, user)),
            withdrawable_usd=withdrawable_usd(legs, market, totals),
            withdrawal=withdrawal(legs, market, totals),
            carry_usd_per_day=sum((_carry(leg) for leg in legs), Decimal(0)) / market.base_unit,
            liquidation=_liquidation(legs, totals, market),
        )


def _liquidation(legs: Sequence[Leg], totals: Totals, market: Market) -> Liquidation | None:
    """Bonus of the collateral that pays liquidators best: they choose.

    LiquidationLogic: half the debt while the health factor is above 0.95, else all; since v3.3 also all where the
    position is small.
    """
    bonuses = [leg.bonus - BPS for leg in legs if leg.collateral and leg.supplied_base]
    if not totals.debt or not bonuses:
        return None
    debt = _usd(totals.debt, market)
    small = market.version.emode_bitmaps and min(debt, _usd(totals.collateral, market)) < SMALL_USD
    return Liquidation(
        closing=Closing.DEBT,
        base_usd=debt,
        ratio=Decimal(max(0, *bonuses)) / BPS,
        close_factor=Decimal(1) if small else CLOSE_FACTOR,
        full_below_health=FULL_BELOW,
    )


def _usd(base: int, market: Market) -> Decimal:
    return Decimal(base) / market.base_unit


def _checks(ours: Totals, own: AccountData, market: Market) -> tuple[OwnCheck, ...]:
    checks = [
        OwnCheck("total_collateral_usd", _usd(ours.collateral, market), _usd(own.collateral, market)),
        OwnCheck("total_debt_usd", _usd(ours.debt, market), _usd(own.debt, market)),
        OwnCheck("liquidation_threshold_bps", Decimal(ours.threshold), Decimal(own.threshold)),
    ]
    if ours.debt or own.debt:
        checks.append(OwnCheck("health_factor", Decimal(ours.health) / WAD, Decimal(own.health) / WAD))
    return tuple(checks)


def _exposures(legs: Sequence[Leg], market: Market, totals: Totals) -> Iterable[Exposure]:
    """Legs as exposures: sum of equity = E, sum of requirement = k·MM, to the 1e-8 dollars the pool cuts per leg.

    v3.0 truncates the average threshold; what that takes is spread over the collateral as the same share of its
    value. Exact where all collateral has one threshold or moves together, else off by less than 1 bp of it.
    """
    cut = _truncation(legs, totals) if market.version.averages_threshold else Decimal(0)
    for leg in legs:
        own, used = _spot(leg.asset, leg.own_price, market), _spot(leg.priced_by, leg.price, market)
        supplied, debt = Decimal(leg.supplied) / leg.unit, Decimal(leg.debt) / leg.unit
        equity = supplied * (Decimal(leg.threshold) / BPS - cut) if leg.collateral else Decimal(0)
        if own == used:
            if supplied:
                yield Exposure(own, value=supplied, equity=equity)
            if debt:
                yield Exposure(own, value=-debt, requirement=debt)
        else:
            yield Exposure(own, value=supplied - debt)
            yield Exposure(used, equity=equity, requirement=debt)


def _carry(leg: Leg) -> Decimal:
    """Base units by which a day's interest lowers the surplus: what debts cost less what collateral earns."""
    reserve = leg.reserve
    cost = leg.variable_debt * reserve.borrow_rate + leg.stable_debt * leg.stable_rate
    earned = Decimal(leg.supplied * reserve.supply_rate * leg.threshold) / BPS
    return (cost - earned) * (leg.price or 0) / leg.unit / RAY / DAYS


def _spot(asset: AssetId, price: int | None, market: Market) -> Spot:
    return Spot(asset, None if price is None else _usd(price, market))


def _truncation(legs: Sequence[Leg], totals: Totals) -> Decimal:
    """Share of the collateral's value that the truncated average threshold takes from E; below 1 bp."""
    collateral = [leg for leg in legs if leg.collateral]
    if len({leg.threshold for leg in collateral}) < 2:
        return Decimal(0)
    values = [Decimal(leg.supplied * (leg.price or 0)) / leg.unit for leg in collateral]
    exact = sum((v * leg.threshold / BPS for v, leg in zip(values, collateral, strict=True)), Decimal(0))
    return (exact - totals.equity) / sum(values) if any(values) else Decimal(0)


def _degraded(legs: Sequence[Leg], market: Market, user: UserState) -> Iterable[str]:
    for leg in legs:
        if leg.reserve.token not in market.names:
            yield f"{VENUE}: token {leg.reserve.token} is not registered in the deployment's assets"
    emode = market.emodes.get(user.emode)
    source = emode.price_source if emode else None
    if source is not None and source not in market.names:
        yield f"{VENUE}: e-mode {user.emode} is priced by {source}, which is not a registered asset"


def _positions(legs: Sequence[Leg], market: Market, user: UserState) -> Iterable[Position]:
    isolated = _isolated(legs)
    for leg in legs:
        reserve = leg.reserve
        price = None if leg.price is None else _usd(leg.price, market)
        shared = {"e_mode": str(user.emode)} if user.emode else {}
        if leg.supplied:
            kind, word = (
                (PositionKind.COLLATERAL, "collateral") if leg.collateral else (PositionKind.HOLDING, "supplied")
            )
            booked = {BOOKED: str(user.supplied.get(reserve.id, 0))}
            details = {**shared, **booked, **_supply_details(leg)}
            if isolated:
                details["isolation_mode"] = "true"
            yield Position(kind, leg.asset, f"{leg.symbol} {word}", leg.supplied, reserve.decimals, price, details)
        rates = (reserve.borrow_rate, leg.stable_rate)
        for amount, word, rate in zip(
            (leg.variable_debt, leg.stable_debt), ("variable", "stable"), rates, strict=True
        ):
            if amount:
                booked = {BOOKED: str(user.variable_debt.get(reserve.id, 0)) if word == "variable" else ""}
                details = {**shared, **booked, "rate_mode": word, "rate_per_year": _per_year(rate)}
                if reserve.siloed:
                    details["siloed_borrowing"] = "true"
                label = f"{leg.symbol} {word} debt"
                yield Position(PositionKind.DEBT, leg.asset, label, -amount, reserve.decimals, price, details)


def _supply_details(leg: Leg) -> dict[str, str]:
    reserve = leg.reserve
    details = {"rate_per_year": _per_year(reserve.supply_rate)}
    if leg.collateral:
        details["liquidation_threshold_bps"] = str(leg.threshold)
        details["ltv_bps"] = str(leg.ltv)
        details["liquidation_bonus_bps"] = str(max(reserve.bonus - BPS, 0))
    if reserve.debt_ceiling_usd:
        details["debt_ceiling_usd"] = str(reserve.debt_ceiling_usd)
    return details


def _isolated(legs: Sequence[Leg]) -> bool:
    """The account's only collateral is isolated: it may borrow listed tokens up to the debt ceiling only."""
    collateral = [leg for leg in legs if leg.collateral]
    return len(collateral) == 1 and collateral[0].reserve.debt_ceiling_usd != 0


def _per_year(rate: int) -> str:
    return f"{Decimal(rate) / RAY:.6f}"
