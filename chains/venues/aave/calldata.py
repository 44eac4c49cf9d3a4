"""Unsigned calls of Aave v3: supply, repay, withdraw."""

from typing import Final

from chains.accounts import VenueAccount
from chains.caip import account_address, asset_address
from chains.deployments import AssetInfo, ChainDeployment
from chains.evm.abi import Function
from chains.transactions import Transaction, paid, sent
from chains.venues.aave.account import VENUE

_SUPPLY: Final = Function("supply(address,uint256,address,uint16)")
_REPAY: Final = Function("repay(address,uint256,uint256,address)", "(uint256)")
_WITHDRAW: Final = Function("withdraw(address,uint256,address)", "(uint256)")
VARIABLE: Final = 2


def supply(
    account: VenueAccount, deployment: ChainDeployment, token: AssetInfo, raw: int
) -> tuple[Transaction, ...]:
    """Add collateral."""
    pool, owner = deployment.venues[VENUE]["pool"], account_address(account.account)
    call = _SUPPLY.call(pool, asset_address(token.asset), raw, owner, 0)
    return paid(account, token, raw, call, f"supply {raw} units of {token.symbol}")


def repay(
    account: VenueAccount, deployment: ChainDeployment, token: AssetInfo, raw: int, mode: int = VARIABLE
) -> tuple[Transaction, ...]:
    """Pay back a loan; the pool takes no more than is owed."""
    pool, owner = deployment.venues[VENUE]["pool"], account_address(account.account)
    call = _REPAY.call(pool, asset_address(token.asset), raw, mode, owner)
    return paid(account, token, raw, call, f"repay {raw} units of {token.symbol}")


def withdraw(
    account: VenueAccount, deployment: ChainDeployment, token: AssetInfo, raw: int
) -> tuple[Transaction, ...]:
    """Take supplied tokens out; the pool refuses what would leave the loan uncovered."""
    pool, owner = deployment.venues[VENUE]["pool"], account_address(account.account)
    call = _WITHDRAW.call(pool, asset_address(token.asset), raw, owner)
    return (sent(account, call, f"withdraw {raw} units of {token.symbol}"),)
