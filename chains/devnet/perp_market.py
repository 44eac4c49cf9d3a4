"""One market of Perp v2: base token, Uniswap pool, index feed; and the pool's price arithmetic."""

import math
from decimal import Decimal
from math import isqrt

from web3.contract import Contract

from chains.devnet.artifacts import find, hardhat
from chains.devnet.context import ChainContext
from chains.devnet.packages import package_dir

CURIE = "@perp/curie-contract"
ORACLE = "@perp/perp-oracle-contract"
UNISWAP = "@uniswap/v3-core"
BASE_DECIMALS = 18
POOL_FEE = 3000
TICK_SPACING = 60
TRADE_FEE = 1000
"""What Perp charges, in millionths: 0.1 %, as on Optimism; the pool's own fee is replaced by it."""
INSURANCE_SHARE = 200_000
INDEX_TWAP_S = 900
FEED_TIMEOUT_S = 2400
OBSERVATIONS = 500
"""One per second with a trade; the mark TWAP must reach back 1800 s, so trades every 4 s or slower."""
MAX_TICKS_PER_BLOCK = 1000
"""The contract's largest: about 10.5 % of price."""


def deploy_market(
    ctx: ChainContext, contracts: dict[str, Contract], key: str
) -> tuple[Contract, Contract, Contract]:
    """Deploy and register a market at the feed's last price; returns base token, pool and index feed."""
    d, house = ctx.deployer, contracts["clearing_house"].address
    feed = d.deploy(find(ORACLE, "ChainlinkPriceFeedV3"), ctx.feeds[key].address, FEED_TIMEOUT_S, INDEX_TWAP_S)
    d.send(feed.functions.update())
    dispatcher = d.deploy(find(ORACLE, "PriceFeedDispatcher"), feed.address)
    base = _base_token(ctx, contracts["quote"], key, dispatcher)
    pool = _pool(ctx, contracts, base, sqrt_price_x96(ctx.prices[key]))
    d.send(base.functions.mintMaximumTo(house))
    for token in (base, contracts["quote"]):
        d.send(token.functions.addWhitelist(pool.address))
    d.send(base.functions.addWhitelist(house))
    registry = contracts["registry"].functions
    d.send(registry.addPool(base.address, POOL_FEE))
    d.send(registry.setFeeRatio(base.address, TRADE_FEE))
    d.send(registry.setInsuranceFundFeeRatio(base.address, INSURANCE_SHARE))
    d.send(contracts["exchange"].functions.setMaxTickCrossedWithinBlock(base.address, MAX_TICKS_PER_BLOCK))
    return base, pool, feed


def _base_token(ctx: ChainContext, quote: Contract, key: str, dispatcher: Contract) -> Contract:
    artifact = find(CURIE, "BaseToken")
    base = ctx.deployer.deploy(artifact)
    while int(base.address, 16) >= int(quote.address, 16):
        base = ctx.deployer.deploy(artifact)
    ctx.deployer.send(base.functions.initialize(f"v{key}", f"v{key}", dispatcher.address))
    return base


def _pool(ctx: ChainContext, contracts: dict[str, Contract], base: Contract, sqrt_price: int) -> Contract:
    d, factory = ctx.deployer, contracts["factory"].functions
    pair = (base.address, contracts["quote"].address, POOL_FEE)
    d.send(factory.createPool(*pair))
    artifact = package_dir(UNISWAP) / "artifacts/contracts/UniswapV3Pool.sol/UniswapV3Pool.json"
    pool = d.at(factory.getPool(*pair).call(), hardhat(artifact).abi)
    d.send(pool.functions.initialize(sqrt_price))
    d.send(pool.functions.increaseObservationCardinalityNext(OBSERVATIONS))
    return pool


def sqrt_price_x96(price: Decimal) -> int:
    """Uniswap's square root price of a quote per base price, both with 18 decimals; rounded down."""
    return isqrt(int(price.scaleb(18)) * 2**192 // 10**18)


def sqrt_price_at(tick: int) -> int:
    """Square root price near a tick, good to 1e-9: for price limits, not for positions."""
    return int(1.0001 ** (tick / 2) * 2**96)


def tick_of(price: Decimal) -> int:
    """Usable tick at or below a price."""
    return math.floor(math.log(float(price)) / math.log(1.0001)) // TICK_SPACING * TICK_SPACING
