"""Unsigned calls of a Lyra v1 option market: collateral in and out, options closed and bought.

Amounts of options and quote have 18 decimals. A trade costs the option's price and several fees; the bound is the
mark and a tenth, and two per cent of spot for fees that go by the underlying.
"""

from decimal import ROUND_CEILING, Decimal
from typing import Final

from chains.accounts import Position, PositionKind, VenueAccount
from chains.caip import Address
from chains.deployments import AssetInfo, ChainDeployment
from chains.evm.abi import Function
from chains.instruments import Option
from chains.transactions import Transaction, paid, sent
from chains.venues.lyra.decode import VENUE
from chains.venues.lyra.rule import OptionType

_TRADE: Final = "((uint256,uint256,uint256,uint8,uint256,uint256,uint256,uint256))"
_OPEN: Final = Function(f"openPosition{_TRADE}")
_CLOSE: Final = Function(f"closePosition{_TRADE}")
_ADD: Final = Function("addCollateral(uint256,uint256)")
PRICE_SLACK, SPOT_SLACK = Decimal("0.1"), Decimal("0.02")
NO_LIMIT: Final = 2**256 - 1
DECIMALS: Final = 18


def deposit(
    account: VenueAccount, deployment: ChainDeployment, token: AssetInfo, raw: int
) -> tuple[Transaction, ...]:
    """Add collateral to the short; raises ValueError for a token whose units are not the market's."""
    _in_wads(token)
    market, leg = _market(account, deployment), _leg(account)
    call = _ADD.call(market, _number(leg, "position_id"), raw)
    about = f"add {raw} units of {token.symbol} to position {leg.details['position_id']}"
    return paid(account, token, raw, call, about)


def withdraw(
    account: VenueAccount, deployment: ChainDeployment, token: AssetInfo, raw: int
) -> tuple[Transaction, ...]:
    """Take collateral out of the short: a trade of nothing that leaves the rest. Raises like ``deposit``."""
    _in_wads(token)
    leg, left = _leg(account), _collateral(account) - raw
    call = _OPEN.call(_market(account, deployment), _trade(leg, 0, left, 0, NO_LIMIT))
    about = f"leave {left} units of collateral in position {leg.details['position_id']}"
    return (sent(account, call, about),)


def reduce(account: VenueAccount, deployment: ChainDeployment, share: Decimal) -> tuple[Transaction, ...]:
    """Buy back a share of a short that is collateralised in quote; its cost is paid from the collateral.

    Raises ValueError for a share outside (0, 1], a short in base, or where the collateral does not pay.
    """
    leg = _leg(account)
    kind = OptionType[leg.details["type"].upper()]
    if not 0 < share <= 1 or not leg.raw:
        raise ValueError(f"share: must be in (0, 1] of something, was {share} of {leg.raw}")
    if not kind.is_short or kind.in_base:
        raise ValueError(f"{leg.label}: only shorts in quote are closed here")
    amount = abs(leg.raw) if share == 1 else int(abs(leg.raw) * share)
    cost, held = worst_cost(account, leg, amount), _collateral(account)
    if cost > held:
        raise ValueError(f"{leg.label}: closing may cost {cost}, its collateral is {held}")
    left = 0 if share == 1 else held - cost
    call = _CLOSE.call(_market(account, deployment), _trade(leg, amount, left, 0, cost))
    about = f"buy back {Decimal(amount).scaleb(-18):f} of {leg.label}"
    return (sent(account, call, about),)


def buy(
    account: VenueAccount, deployment: ChainDeployment, leg: Position, quote: AssetInfo, amount: int
) -> tuple[Transaction, ...]:
    """Buy options of the strike and kind of a short, as a position of their own. Raises like ``deposit``."""
    _in_wads(quote)
    market = _market(account, deployment)
    kind = OptionType.LONG_CALL if OptionType[leg.details["type"].upper()].is_call else OptionType.LONG_PUT
    cost = worst_cost(account, leg, amount)
    trade = (_number(leg, "strike_id"), 0, 1, int(kind), amount, 0, 0, cost)
    about = f"buy {Decimal(amount).scaleb(-18):f} of {leg.label.replace(' short', '')}"
    return paid(account, quote, cost, _OPEN.call(market, trade), about)


def sell(
    account: VenueAccount, deployment: ChainDeployment, leg: Position, amount: int
) -> tuple[Transaction, ...]:
    """Sell part of a long back to the market; raises ValueError for more than there is."""
    if not 0 < amount <= leg.raw:
        raise ValueError(f"{leg.label}: cannot sell {amount} of {leg.raw}")
    mark, spot = leg.venue_price_usd or Decimal(0), _spot(account)
    least = max(0, int(amount * (mark * (1 - PRICE_SLACK) - spot * SPOT_SLACK)))
    call = _CLOSE.call(_market(account, deployment), _trade(leg, amount, 0, least, NO_LIMIT))
    about = f"sell {Decimal(amount).scaleb(-18):f} of {leg.label}"
    return (sent(account, call, about),)


def _in_wads(token: AssetInfo) -> None:
    if token.decimals != DECIMALS:
        raise ValueError(f"{token.symbol}: amounts here have {DECIMALS} decimals, this token has {token.decimals}")


def worst_cost(account: VenueAccount, leg: Position, amount: int) -> int:
    """Most that a purchase of ``amount`` may cost, quote units."""
    mark, spot = leg.venue_price_usd or Decimal(0), _spot(account)
    return int((amount * (mark * (1 + PRICE_SLACK) + spot * SPOT_SLACK)).to_integral_value(ROUND_CEILING))


def _spot(account: VenueAccount) -> Decimal:
    return next(e.instrument.venue_price_usd for e in account.exposures if isinstance(e.instrument, Option))


def quote_asset(account: VenueAccount, deployment: ChainDeployment) -> Address:
    """What the market's options are paid in."""
    return deployment.venues[VENUE][f"{_name(account)}.quote_asset"]


def _trade(leg: Position, amount: int, left: int, least: int, most: int) -> tuple[int, ...]:
    """TradeInputParameters; in one piece."""
    kind = OptionType[leg.details["type"].upper()]
    return (
        _number(leg, "strike_id"), _number(leg, "position_id"), 1, int(kind), amount, left, least, most,
    )  # fmt: skip


def _leg(account: VenueAccount) -> Position:
    legs = [p for p in account.positions if p.kind is PositionKind.OPTION]
    if len(legs) != 1:
        raise ValueError(f"{account.id}: expected one option, has {len(legs)}")
    return legs[0]


def _collateral(account: VenueAccount) -> int:
    return sum(p.raw for p in account.positions if p.kind is PositionKind.COLLATERAL)


def _number(leg: Position, name: str) -> int:
    return int(leg.details[name])


def _market(account: VenueAccount, deployment: ChainDeployment) -> Address:
    return deployment.venues[VENUE][f"{_name(account)}.option_market"]


def _name(account: VenueAccount) -> str:
    return account.sub_account.rpartition("-")[0]
