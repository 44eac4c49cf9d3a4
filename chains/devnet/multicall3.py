"""Multicall3 at its canonical address."""

from chains.caip import Address
from chains.devnet.artifacts import viem_multicall3
from chains.devnet.context import ChainContext

CANONICAL = Address("0xcA11bde05977b3631167028862bE2a173976CA11")


def deploy(ctx: ChainContext) -> None:
    """Deploy once, then copy the runtime code to the canonical address."""
    d = ctx.deployer
    receipt = d.transact(None, viem_multicall3(), what="deploy Multicall3")
    d.rpc("anvil_setCode", CANONICAL, d.rpc("eth_getCode", receipt["contractAddress"], "latest"))
