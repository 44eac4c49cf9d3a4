"""Unsigned calls of Morpho Blue: repay, collateral in and out, and what was lent."""

from decimal import Decimal
from typing import Final

from chains.accounts import VenueAccount
from chains.caip import Address, account_address, parse_address
from chains.deployments import AssetInfo, ChainDeployment
from chains.evm.abi import Function
from chains.transactions import Transaction, paid, sent
from chains.venues.morpho.rule import VENUE

_MARKET: Final = "(address,address,address,address,uint256)"
_REPAY: Final = Function(f"repay({_MARKET},uint256,uint256,address,bytes)", "(uint256,uint256)")
_SUPPLY_COLLATERAL: Final = Function(f"supplyCollateral({_MARKET},uint256,address,bytes)")
_WITHDRAW_COLLATERAL: Final = Function(f"withdrawCollateral({_MARKET},uint256,address,address)")
_WITHDRAW: Final = Function(f"withdraw({_MARKET},uint256,uint256,address,address)", "(uint256,uint256)")
TERMS: Final = ("loan_token", "collateral_token", "oracle", "rate_model", "lltv")
"""Keys of ``Position.details``, in the order of the contract's MarketParams."""


def repay(
    account: VenueAccount, deployment: ChainDeployment, token: AssetInfo, raw: int
) -> tuple[Transaction, ...]:
    """Pay back ``raw`` units of the loan; more than is owed reverts."""
    owner, morpho = _owner(account), deployment.venues[VENUE]["morpho"]
    call = _REPAY.call(morpho, _market(account), raw, 0, owner, b"")
    return paid(account, token, raw, call, f"repay {raw} units of {token.symbol}")


def supply_collateral(
    account: VenueAccount, deployment: ChainDeployment, token: AssetInfo, raw: int
) -> tuple[Transaction, ...]:
    """Add collateral."""
    owner, morpho = _owner(account), deployment.venues[VENUE]["morpho"]
    call = _SUPPLY_COLLATERAL.call(morpho, _market(account), raw, owner, b"")
    about = f"add {raw} units of {token.symbol} as collateral"
    return paid(account, token, raw, call, about)


def withdraw_collateral(
    account: VenueAccount, deployment: ChainDeployment, token: AssetInfo, raw: int
) -> tuple[Transaction, ...]:
    """Take collateral out; the market refuses what would leave the loan unhealthy."""
    owner, morpho = _owner(account), deployment.venues[VENUE]["morpho"]
    call = _WITHDRAW_COLLATERAL.call(morpho, _market(account), raw, owner, owner)
    return (sent(account, call, f"withdraw {raw} units of {token.symbol} collateral"),)


def withdraw(
    account: VenueAccount, deployment: ChainDeployment, token: AssetInfo, raw: int
) -> tuple[Transaction, ...]:
    """Take out what was lent, as far as it is not borrowed."""
    owner, morpho = _owner(account), deployment.venues[VENUE]["morpho"]
    call = _WITHDRAW.call(morpho, _market(account), raw, 0, owner, owner)
    return (sent(account, call, f"withdraw {raw} units of {token.symbol} that were lent"),)


def _owner(account: VenueAccount) -> Address:
    return account_address(account.account)


def _market(account: VenueAccount) -> tuple[Address, Address, Address, Address, int]:
    """MarketParams from what the reader notes in the legs; raises ValueError where it did not."""
    details = account.positions[0].details
    if missing := [name for name in TERMS if name not in details]:
        raise ValueError(f"{account.id}: the legs do not name {missing[0]}")
    loan, collateral, oracle, model = (parse_address(details[name]) for name in TERMS[:4])
    return loan, collateral, oracle, model, int(Decimal(details["lltv"]).scaleb(18))
