"""Unsigned calls of Aave v3: supply, repay, withdraw."""

from typing import Final

from chains.accounts import VenueAccount
from chains.caip import account_address, account_chain, asset_address
from chains.deployments import AssetInfo, ChainDeployment
from chains.evm.abi import Function
from chains.transactions import Transaction, approve, unsigned
from chains.venues.aave.account import VENUE

_SUPPLY: Final = Function("supply(address,uint256,address,uint16)")
_REPAY: Final = Function("repay(address,uint256,uint256,address)", "(uint256)")
_WITHDRAW: Final = Function("withdraw(address,uint256,address)", "(uint256)")
VARIABLE: Final = 2


def supply(
    account: VenueAccount, deployment: ChainDeployment, token: AssetInfo, raw: int
) -> tuple[Transaction, ...]:
    """Add collateral."""
    chain, owner = account_chain(account.account), account_address(account.account)
    pool, address = deployment.venues[VENUE]["pool"], asset_address(token.asset)
    return (
        approve(chain, owner, address, pool, raw, token.symbol),
        unsigned(
            chain, owner, _SUPPLY.call(pool, address, raw, owner, 0), f"supply {raw} units of {token.symbol}"
        ),
    )


def repay(
    account: VenueAccount, deployment: ChainDeployment, token: AssetInfo, raw: int, mode: int = VARIABLE
) -> tuple[Transaction, ...]:
    """Pay back a loan; the pool takes no more than is owed."""
    chain, owner = account_chain(account.account), account_address(account.account)
    pool, address = deployment.venues[VENUE]["pool"], asset_address(token.asset)
    return (
        approve(chain, owner, address, pool, raw, token.symbol),
        unsigned(
            chain, owner, _REPAY.call(pool, address, raw, mode, owner), f"repay {raw} units of {token.symbol}"
        ),
    )


def withdraw(
    account: VenueAccount, deployment: ChainDeployment, token: AssetInfo, raw: int
) -> tuple[Transaction, ...]:
    """Take supplied tokens out; the pool refuses what would leave the loan uncovered."""
    chain, owner = account_chain(account.account), account_address(account.account)
    pool, address = deployment.venues[VENUE]["pool"], asset_address(token.asset)
    call = _WITHDRAW.call(pool, address, raw, owner)
    return (unsigned(chain, owner, call, f"withdraw {raw} units of {token.symbol}"),)
