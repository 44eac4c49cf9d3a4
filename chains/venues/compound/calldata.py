"""Unsigned calls of a Compound v3 market: one pair of functions for base and collateral alike."""

from typing import Final

from chains.accounts import VenueAccount
from chains.caip import Address, asset_address
from chains.deployments import AssetInfo, ChainDeployment
from chains.evm.abi import Function
from chains.transactions import Transaction, paid, sent
from chains.venues.compound.decode import VENUE

_SUPPLY: Final = Function("supply(address,uint256)")
_WITHDRAW: Final = Function("withdraw(address,uint256)")


def supply(
    account: VenueAccount, deployment: ChainDeployment, token: AssetInfo, raw: int
) -> tuple[Transaction, ...]:
    """Add collateral, or pay back where ``token`` is the market's base."""
    call = _SUPPLY.call(_market(account, deployment), asset_address(token.asset), raw)
    return paid(account, token, raw, call, f"supply {raw} units of {token.symbol}")


def withdraw(
    account: VenueAccount, deployment: ChainDeployment, token: AssetInfo, raw: int
) -> tuple[Transaction, ...]:
    """Take tokens out; beyond what is there of the base it would be a loan, which the market may grant."""
    call = _WITHDRAW.call(_market(account, deployment), asset_address(token.asset), raw)
    return (sent(account, call, f"withdraw {raw} units of {token.symbol}"),)


def _market(account: VenueAccount, deployment: ChainDeployment) -> Address:
    return deployment.venues[VENUE][account.sub_account]
