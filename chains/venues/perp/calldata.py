"""Unsigned calls of Perp v2: deposit, withdraw, and trades that can only make a position smaller."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from chains.accounts import Position, VenueAccount
from chains.caip import Address, AssetId, asset_address
from chains.deployments import AssetInfo, ChainDeployment
from chains.evm.abi import Function
from chains.transactions import Transaction, paid, part_of, sent
from chains.venues.perp.rule import VENUE

_DEPOSIT: Final = Function("deposit(address,uint256)")
_WITHDRAW: Final = Function("withdraw(address,uint256)")
_OPEN: Final = Function("openPosition((address,bool,bool,uint256,uint256,uint256,uint160,bytes32))")
WAD: Final = 10**18


def deposit(
    account: VenueAccount, deployment: ChainDeployment, token: AssetInfo, raw: int
) -> tuple[Transaction, ...]:
    """Add collateral."""
    call = _DEPOSIT.call(deployment.venues[VENUE]["vault"], asset_address(token.asset), raw)
    return paid(account, token, raw, call, f"deposit {raw} units of {token.symbol}")


def withdraw(
    account: VenueAccount, deployment: ChainDeployment, token: AssetInfo, raw: int
) -> tuple[Transaction, ...]:
    """Take free collateral out."""
    call = _WITHDRAW.call(deployment.venues[VENUE]["vault"], asset_address(token.asset), raw)
    return (sent(account, call, f"withdraw {raw} units of {token.symbol}"),)


def reduce(
    account: VenueAccount,
    deployment: ChainDeployment,
    position: Position,
    share: Decimal,
    deadline: int,
    slippage: Decimal = Decimal("0.02"),
) -> tuple[Transaction, ...]:
    """Close a share of a position at a price at most ``slippage`` worse than the mark.

    The amount never exceeds the position, so that it cannot turn over. Raises ValueError for a share outside
    (0, 1] or a position without size or price.
    """
    amount, price = part_of(position, share)
    return (trade(account, deployment, position.asset, -amount if position.raw > 0 else amount, price, deadline,
                  slippage),)  # fmt: skip


def trade(
    account: VenueAccount,
    deployment: ChainDeployment,
    base: AssetId,
    raw: int,
    price_usd: Decimal,
    deadline: int,
    slippage: Decimal = Decimal("0.02"),
) -> Transaction:
    """Buy (positive) or sell base with a bound on the other side: least quote received, most quote paid."""
    selling = raw < 0
    notional = abs(raw) * price_usd
    worst = notional * (1 - slippage if selling else 1 + slippage)
    bound = int(worst.to_integral_value(ROUND_FLOOR if selling else ROUND_CEILING))
    token: Address = asset_address(base)
    order = (token, selling, selling, abs(raw), bound, deadline, 0, bytes(32))
    call = _OPEN.call(deployment.venues[VENUE]["clearing_house"], order)
    words = "sell" if selling else "buy"
    return sent(account, call, f"{words} {Decimal(abs(raw)) / WAD:f} base near {price_usd:f}")
