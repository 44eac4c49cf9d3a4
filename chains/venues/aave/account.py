"""An Aave v3 account from primitive state, by the arithmetic of GenericLogic.calculateUserAccountData."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from chains.caip import AccountId, AssetId, erc20
from chains.types import (
    BOOKED,
    Closing,
    Exposure,
    Liquidation,
    OwnCheck,
    Position,
    PositionKind,
    Spot,
    VenueAccount,
    VenueId,
)
from chains.venues.aave.fixed_point import BPS, RAY, WAD, percent_mul, wad_div
from chains.venues.aave.market import AccountData, EMode, Market, Reserve, UserState
from chains.venues.aave.version import V30, Version

VENUE = VenueId("aave-v3")
NO_DEBT_HEALTH = 2**256 - 1
DAYS = 365
CLOSE_FACTOR, FULL_BELOW, SMALL_USD = Decimal("0.5"), Decimal("0.95"), 2000
PRECISION = 60
"""Decimal digits while thresholds and amounts are multiplied: nothing is rounded."""


@dataclass(frozen=True, slots=True)
class Leg:
    """What an account holds or owes of one reserve. Amounts raw, values in base units rounded as the pool does."""

    reserve: Reserve
    asset: AssetId
    symbol: str
    price: int | None
    """Price that the pool uses for this account: its own, or that of the e-mode's source."""
    own_price: int | None
    """Price of the token itself."""
    priced_by: AssetId
    """Asset whose price is used: another one only in an e-mode with a price source."""
    supplied: int
    supplied_base: int
    collateral: bool
    threshold: int
    """Effective liquidation threshold, bps; 0 where the supply is no collateral."""
    ltv: int
    """Effective LTV, bps; what it is for the e-mode's collateral differs between versions."""
    bonus: int
    """Collateral that a liquidator gets for the debt repaid, bps."""
    variable_debt: int
    stable_debt: int
    stable_rate: int
    """Yearly rate of the stable debt, ray."""
    debt_base: int

    @property
    def unit(self) -> int:
        """Raw units of one whole token."""
        unit: int = 10**self.reserve.decimals
        return unit

    @property
    def debt(self) -> int:
        """Both kinds of debt, raw."""
        return self.variable_debt + self.stable_debt


@dataclass(frozen=True, slots=True)
class Totals:
    """Our own figures in the terms of getUserAccountData. Base units, bps, wad."""

    collateral: int
    debt: int
    threshold: int
    equity: int
    """Collateral x threshold, as the pool rounds it: the numerator of the health factor."""
    health: int


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
            withdrawable_usd=_withdrawable(legs, market, totals),
            carry_usd_per_day=sum((_carry(leg) for leg in legs), Decimal(0)) / market.base_unit,
            liquidation=_liquidation(legs, totals, market),
        )


def decode_legs(market: Market, user: UserState) -> tuple[Leg, ...]:
    """Legs of the account in the order of reserve ids, those without any balance left out."""
    emode = market.emodes.get(user.emode) if user.emode else None
    reserves = sorted(market.reserves, key=lambda reserve: reserve.id)
    legs = (_leg(reserve, emode, market, user) for reserve in reserves)
    return tuple(leg for leg in legs if leg.supplied or leg.debt)


def _leg(reserve: Reserve, emode: EMode | None, market: Market, user: UserState) -> Leg:
    asset, symbol = market.names.get(reserve.token, (erc20(market.at.chain, reserve.token), reserve.token[:10]))
    version = market.version
    in_emode = emode is not None and emode.holds(reserve)
    own_price = price = market.prices.get(reserve.token)
    priced_by = asset
    if in_emode and emode is not None and emode.price_source is not None:
        price = market.prices.get(emode.price_source)
        priced_by = market.names.get(emode.price_source, (asset, ""))[0]
    supplied = version.supplied(user.supplied.get(reserve.id, 0), reserve.supply_index)
    counts = version.emode_bitmaps or reserve.threshold != 0
    collateral = counts and user.is_collateral(reserve.id)
    ltv = emode.ltv_of(reserve) if version.emode_bitmaps and in_emode and emode is not None else reserve.ltv
    threshold = emode.threshold if in_emode and emode is not None else reserve.threshold
    variable = version.owed(user.variable_debt.get(reserve.id, 0), reserve.borrow_index)
    stable = user.stable_debt.get(reserve.id, 0)
    if price is None and ((collateral and supplied) or variable or stable):
        raise LookupError(f"{symbol}: the pool's oracle has no price")
    unit: int = 10**reserve.decimals
    return Leg(
        reserve=reserve, asset=asset, symbol=symbol, price=price, own_price=own_price, priced_by=priced_by,
        supplied=supplied, supplied_base=supplied * (price or 0) // unit,
        collateral=collateral, threshold=threshold if collateral else 0, ltv=ltv,
        bonus=emode.bonus if in_emode and emode is not None else reserve.bonus,
        variable_debt=variable, stable_debt=stable, stable_rate=user.stable_rates.get(reserve.id, 0),
        debt_base=version.debt_value(variable + stable, price or 0, unit),
    )  # fmt: skip


def sum_up(legs: Iterable[Leg], version: Version = V30) -> Totals:
    """Totals with the pool's own rounding.

    v3.0 truncates the average threshold to whole bps and uses that; in v3.6 the health factor comes from the exact
    sum, and the average is for show only. Equity is cut to a base unit there: debts being whole base units, it is
    below the debt exactly where the health factor is below 1.
    """
    collateral = debt = weighted = 0
    for leg in legs:
        debt += leg.debt_base
        if leg.collateral:
            collateral += leg.supplied_base
            weighted += leg.supplied_base * leg.threshold
    threshold = weighted // collateral if collateral else 0
    if not version.averages_threshold:
        health = wad_div(weighted, debt) // BPS if debt else NO_DEBT_HEALTH
        return Totals(collateral, debt, threshold, weighted // BPS, health)
    equity = percent_mul(collateral, threshold)
    return Totals(collateral, debt, threshold, equity, wad_div(equity, debt) if debt else NO_DEBT_HEALTH)


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


def _withdrawable(legs: Sequence[Leg], market: Market, totals: Totals) -> Decimal | None:
    """Most that can leave with the health factor at 1 or above, limited by what lies in the pool.

    Supplies that are no collateral leave freely; collateral with the lowest threshold first. While collateral
    with LTV 0 backs a debt, only that may leave (ValidationLogic: validateHFAndLtv, in v3.6 validateHFAndLtvzero).
    None where the price or the liquidity of a supply is unknown.
    """
    supplies = [leg for leg in legs if leg.supplied]
    if any(leg.price is None or leg.reserve.token not in market.liquidity for leg in supplies):
        return None
    most = {leg.reserve.id: _free(leg, market) for leg in supplies}
    backing = [leg for leg in supplies if leg.collateral] if totals.debt else []
    total = sum(most[leg.reserve.id] for leg in supplies if leg not in backing)
    blocking = [leg for leg in backing if leg.ltv == 0]
    surplus = totals.equity - totals.debt
    if market.version.averages_threshold and len({leg.threshold for leg in backing}) > 1:
        surplus -= totals.collateral // BPS + 1  # the average may be truncated by one more bp afterwards
    for leg in sorted(blocking or backing, key=lambda leg: leg.threshold):
        if surplus <= 0:
            break
        # An e-mode may set a threshold of 0 bps: then taking the collateral out costs no equity.
        take = min(most[leg.reserve.id], surplus * BPS // leg.threshold) if leg.threshold else most[leg.reserve.id]
        total += take
        surplus -= percent_mul(take, leg.threshold) + 1
    return _usd(total, market)


def _free(leg: Leg, market: Market) -> int:
    if not leg.reserve.withdrawals_open:
        return 0
    return min(leg.supplied, market.liquidity[leg.reserve.token]) * (leg.price or 0) // leg.unit


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
