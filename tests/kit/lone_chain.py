"""One local chain with tokens and feeds, for tests of a single venue."""

from collections.abc import Iterator
from contextlib import contextmanager

from chains.devnet import anvil, chainlink, multicall3, tokens
from chains.devnet.context import PRICES, ChainContext
from chains.devnet.deploy import Deployer

BOOT_LEAD_S = 7200


@contextmanager
def lone_chain(number: int, *extra: str) -> Iterator[tuple[ChainContext, anvil.Anvil]]:
    """A chain that started two hours ago (Perp v2 needs pools older than 1800 s), with tokens and feeds.

    ``ctx.deployer.rpc("evm_setNextBlockTimestamp", now)`` brings it to the present after deploying.
    """
    node = anvil.start(number, extra=extra)
    try:
        ctx = ChainContext(number, Deployer(node.http_url))
        multicall3.deploy(ctx)
        tokens.deploy(ctx)
        for price_key, price in PRICES.items():
            chainlink.deploy(ctx, price_key, price)
        yield ctx, node
    finally:
        node.stop()
