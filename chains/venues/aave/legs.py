"""What an Aave v3 account holds and owes, by the arithmetic of GenericLogic.calculateUserAccountData."""

from collections.abc import Iterable
from dataclasses import dataclass

from chains.caip import AssetId, erc20
from chains.venues.aave.fixed_point import BPS, percent_mul, wad_div
from chains.venues.aave.market import EMode, Market, Reserve, UserState
from chains.venues.aave.version import V30, Version

NO_DEBT_HEALTH = 2**256 - 1


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
