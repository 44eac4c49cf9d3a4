"""Unsigned calls of a Compound v3 market: one pair of functions for base and collateral alike."""

from typing import Final

from chains.accounts import VenueAccount
from chains.caip import Address, account_address, account_chain, asset_address
from chains.deployments import AssetInfo, ChainDeployment
from chains.evm.abi import Function
from chains.transactions import Transaction, approve, unsigned
from chains.venues.compound.decode import VENUE

_SUPPLY: Final = Function("supply(address,uint256)")
_WITHDRAW: Final = Function("withdraw(address,uint256)")


def supply(
    account: VenueAccount, deployment: ChainDeployment, token: AssetInfo, raw: int
) -> tuple[Transaction, ...]:
    """Add collateral, or pay back where ``token`` is the market's base."""
    chain, owner, market = (
        account_chain(account.account),
        account_address(account.account),
        _market(account, deployment),
    )
    address = asset_address(token.asset)
    return (
        approve(chain, owner, address, market, raw, token.symbol),
        unsigned(chain, owner, _SUPPLY.call(market, address, raw), f"supply {raw} units of {token.symbol}"),
    )


def withdraw(
    account: VenueAccount, deployment: ChainDeployment, token: AssetInfo, raw: int
) -> tuple[Transaction, ...]:
    """Take tokens out; beyond what is there of the base it would be a loan, which the market may grant."""
    chain, owner = account_chain(account.account), account_address(account.account)
    call = _WITHDRAW.call(_market(account, deployment), asset_address(token.asset), raw)
    return (unsigned(chain, owner, call, f"withdraw {raw} units of {token.symbol}"),)


def _market(account: VenueAccount, deployment: ChainDeployment) -> Address:
    return deployment.venues[VENUE][account.sub_account]
