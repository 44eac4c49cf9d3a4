"""Perp v2's free collateral as a rule for any prices (Vault.getFreeCollateral, getFreeCollateralByToken)."""

from collections.abc import Iterator
from decimal import Decimal

from chains.accounts import Pocket, Withdrawal
from chains.caip import asset_chain
from chains.instruments import Exposure, Fixed, Instrument, Perp, Spot
from chains.venues.perp.rule import VENUE, AccountState, Figures, Leg, Params


def withdrawal(state: AccountState, own: Figures, params: Params) -> Withdrawal:
    """The settlement token, as far as initial margin leaves it free: profits count as support, never as cash.

    free = min(settled + counted, settled + counted + pnl) - initial ratio x debts, and nothing while what is
    settled does not cover a loss. Other collateral may leave too, but is not offered here.
    """
    initial = Decimal(params.im_ratio).scaleb(-6)
    quote = sum(leg.taker_notional - leg.quote_debt for leg in state.legs)
    settled = Exposure(Fixed(), equity=_wad(own.settled), requirement=_wad(-min(0, quote)) * initial)
    sold = tuple(_sold(leg, initial) for leg in state.legs)
    others = tuple(
        Exposure(
            Spot(held.asset.asset, Decimal(held.price).scaleb(-held.price_decimals)),
            equity=Decimal(held.balance).scaleb(-held.asset.decimals) * Decimal(held.ratio).scaleb(-6),
        )
        for held in state.collaterals
    )
    unrealised = tuple(_unrealised(state))
    pocket = Pocket(Spot(params.token.asset), _wad(max(0, own.settled)), Fixed(), Decimal(1))
    free = (settled, *sold, *others)
    covered = (Exposure(Fixed(), equity=_wad(own.settled)), *unrealised)
    return Withdrawal((pocket,), bounds=(free, (*free, *unrealised)), gates=(covered,))


def instrument(leg: Leg) -> Perp:
    """The market's mark, with a basis of its own."""
    asset = leg.market.asset
    market = f"{VENUE}/{asset_chain(asset.asset)}/{asset.price_key}"
    return Perp(asset.asset, market, leg.market.price_usd)


def _unrealised(state: AccountState) -> Iterator[Exposure]:
    for leg in state.legs:
        yield Exposure(Fixed(), equity=_wad(leg.notional))
        yield _unit(leg, leg.size)


def _unit(leg: Leg, raw: int) -> Exposure:
    """Base at the mark, or dollars where the market stands still."""
    moving, units = leg.market.status == "open", _wad(raw)
    unit: Instrument = instrument(leg) if moving else Fixed()
    return Exposure(unit, equity=units if moving else units * leg.market.price_usd)


def _sold(leg: Leg, initial: Decimal) -> Exposure:
    """What initial margin is asked for base sold short."""
    short = _unit(leg, -min(0, leg.taker_size - leg.base_debt))
    return Exposure(short.instrument, requirement=short.equity * initial)


def _wad(raw: int) -> Decimal:
    return Decimal(raw).scaleb(-18)
