"""Chainlink on the devnet: a real EACAggregatorProxy before a real FluxAggregator for every price."""

from decimal import Decimal

from chains.devnet.artifacts import sol_compiler
from chains.devnet.context import ChainContext
from chains.devnet.packages import package_dir

DECIMALS = 8
ZERO_ADDRESS = "0x" + "0" * 40


def deploy(ctx: ChainContext, price_key: str, price: Decimal) -> None:
    """Deploy a feed with the owner as its only oracle and submit the first price."""
    deploy_empty(ctx, price_key)
    submit(ctx, price_key, price)


def deploy_empty(ctx: ChainContext, price_key: str) -> None:
    """Deploy a feed that has no round yet."""
    d, abi = ctx.deployer, package_dir("@chainlink/contracts") / "abi" / "v0.6"
    bounds = (1, 10**20)
    aggregator = d.deploy(
        sol_compiler(abi / "FluxAggregator.json"),
        ZERO_ADDRESS, 0, 0, ZERO_ADDRESS, *bounds, DECIMALS, f"{price_key} / USD",
    )  # fmt: skip
    d.send(aggregator.functions.changeOracles([], [d.owner], [d.owner], 1, 1, 0))
    proxy = d.deploy(sol_compiler(abi / "EACAggregatorProxy.json"), aggregator.address, ZERO_ADDRESS)
    ctx.aggregators[price_key], ctx.feeds[price_key] = aggregator, proxy


def submit(ctx: ChainContext, price_key: str, price: Decimal) -> None:
    """Report a new round."""
    aggregator = ctx.aggregators[price_key]
    round_id = aggregator.functions.latestRound().call() + 1
    answer = int(price.scaleb(DECIMALS).to_integral_value())
    ctx.deployer.send(aggregator.functions.submit(round_id, answer))
    ctx.prices[price_key] = price
