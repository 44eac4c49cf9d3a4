"""What Aave lets out: now to the unit, and as a rule for any prices."""

from collections.abc import Sequence
from decimal import Decimal

from chains.accounts import Pocket, Withdrawal
from chains.instruments import Exposure, Spot
from chains.venues.aave.fixed_point import BPS, percent_mul
from chains.venues.aave.legs import Leg, Totals
from chains.venues.aave.market import Market


def withdrawable_usd(legs: Sequence[Leg], market: Market, totals: Totals) -> Decimal | None:
    """Most that can leave with the health factor at 1 or above, limited by what lies in the pool.

    Supplies that are no collateral leave freely; collateral with the lowest threshold first. While collateral
    with LTV 0 backs a debt, only that may leave (ValidationLogic: validateHFAndLtv, in v3.6 validateHFAndLtvzero).
    None where the price or the liquidity of a supply is unknown.
    """
    if not _known(legs, market):
        return None
    supplies = [leg for leg in legs if leg.supplied]
    most = {leg.reserve.id: _worth(leg, market) for leg in supplies}
    backing = [leg for leg in supplies if leg.collateral] if totals.debt else []
    total = sum(most[leg.reserve.id] for leg in supplies if leg not in backing)
    surplus = totals.equity - totals.debt
    if _may_be_cut(backing, market):
        surplus -= totals.collateral // BPS + 1  # the average may be truncated by one more bp afterwards
    for leg in _in_order(backing):
        if surplus <= 0:
            break
        # An e-mode may set a threshold of 0 bps: then taking the collateral out costs no equity.
        take = min(most[leg.reserve.id], surplus * BPS // leg.threshold) if leg.threshold else most[leg.reserve.id]
        total += take
        surplus -= percent_mul(take, leg.threshold) + 1
    return Decimal(total) / market.base_unit


def withdrawal(legs: Sequence[Leg], market: Market, totals: Totals) -> Withdrawal | None:
    """The same for any prices. A truncated average threshold counts as a basis point less on all collateral."""
    if not _known(legs, market):
        return None
    supplies = [leg for leg in legs if leg.supplied]
    backing = [leg for leg in supplies if leg.collateral] if totals.debt else []
    cut = 1 if _may_be_cut(backing, market) else 0
    loose = [_pocket(leg, market, 0) for leg in supplies if leg not in backing]
    tied = [_pocket(leg, market, max(0, leg.threshold - cut)) for leg in _in_order(backing)]
    if not cut:
        return Withdrawal((*loose, *tied), by_surplus=bool(totals.debt))
    bound = tuple(_exposure(leg, market, max(0, leg.threshold - cut)) for leg in legs)
    return Withdrawal((*loose, *tied), bounds=(bound,))


def _in_order(backing: Sequence[Leg]) -> list[Leg]:
    blocking = [leg for leg in backing if leg.ltv == 0]
    return sorted(blocking or backing, key=lambda leg: leg.threshold)


def _may_be_cut(backing: Sequence[Leg], market: Market) -> bool:
    return market.version.averages_threshold and len({leg.threshold for leg in backing}) > 1


def _known(legs: Sequence[Leg], market: Market) -> bool:
    held = [leg for leg in legs if leg.supplied]
    return all(leg.price is not None and leg.reserve.token in market.liquidity for leg in held)


def _free(leg: Leg, market: Market) -> int:
    """Raw."""
    return min(leg.supplied, market.liquidity[leg.reserve.token]) if leg.reserve.withdrawals_open else 0


def _worth(leg: Leg, market: Market) -> int:
    return _free(leg, market) * (leg.price or 0) // leg.unit


def _pocket(leg: Leg, market: Market, weight_bps: int) -> Pocket:
    token = Spot(leg.asset, None if leg.own_price is None else Decimal(leg.own_price) / market.base_unit)
    return Pocket(token, Decimal(_free(leg, market)) / leg.unit, _used(leg, market), Decimal(weight_bps) / BPS)


def _exposure(leg: Leg, market: Market, weight_bps: int) -> Exposure:
    supplied = Decimal(leg.supplied) / leg.unit if leg.collateral else Decimal(0)
    owed = Decimal(leg.debt) / leg.unit
    return Exposure(_used(leg, market), equity=supplied * weight_bps / BPS, requirement=owed)


def _used(leg: Leg, market: Market) -> Spot:
    """The token at the price that the pool uses for this account."""
    return Spot(leg.priced_by, None if leg.price is None else Decimal(leg.price) / market.base_unit)
