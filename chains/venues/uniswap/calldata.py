"""Unsigned calls of Uniswap v3's SwapRouter: one token for another through one pool."""

from typing import Final

from chains.caip import Address, asset_address
from chains.deployments import AssetInfo, ChainDeployment
from chains.evm.abi import Function
from chains.transactions import Transaction, approve, unsigned
from chains.venues.uniswap.decode import VENUE

ROUTER: Final = "swap_router"
"""Name of the router (v3-periphery SwapRouter) among the venue's contracts."""
_EXACT_IN: Final = Function(
    "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))", "(uint256)"
)


def sell(
    owner: Address,
    deployment: ChainDeployment,
    sold: AssetInfo,
    bought: AssetInfo,
    fee: int,
    raw: int,
    least: int,
    deadline: int,
) -> tuple[Transaction, ...]:
    """Sell ``raw`` units for at least ``least`` of the other token; ``fee`` is the pool's, in millionths."""
    router = deployment.venues[VENUE][ROUTER]
    token, other = asset_address(sold.asset), asset_address(bought.asset)
    call = _EXACT_IN.call(router, (token, other, fee, owner, deadline, raw, least, 0))
    about = f"sell {raw} units of {sold.symbol} for at least {least} units of {bought.symbol}"
    return (
        approve(deployment.chain, owner, token, router, raw, sold.symbol),
        unsigned(deployment.chain, owner, call, about),
    )
