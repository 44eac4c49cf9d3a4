"""Uniswap v3 on the devnet: factory, position manager and router, and pools whose TWAP is a price source."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import isqrt

from web3.contract import Contract

from chains.caip import Address
from chains.deployments import TwapPool
from chains.devnet import tokens
from chains.devnet.artifacts import find
from chains.devnet.context import ChainContext

FEE = 3000
SPACING = 60
"""Ticks between the edges that ranges of the fee tier may have."""
TICK_EDGE = 887_220
"""Widest tick of the 0.3 % fee tier: liquidity over the full range never runs out."""
CARDINALITY = 60
"""Observations kept. Swaps of one block share one, and the tape writes a few a minute."""
WINDOW_S = 60
"""TWAP window of the devnet: short, because the tape plays hours in seconds."""
DEPTH_USD = Decimal(20_000_000)
"""Value of each side of a pool at the start."""
EXTRA = "uniswap"
"""Key of the ``UniswapWorld`` in ``ChainContext.extra``."""

_FOREVER = 2**63
_WORKING_STOCK = 10**33


@dataclass
class UniswapWorld:
    """Contracts of one chain and its pools by the price key that they quote."""

    factory: Contract
    positions: Contract
    router: Contract
    pools: dict[str, "Pool"] = field(default_factory=dict)

    @property
    def addresses(self) -> Mapping[str, Address]:
        """What the position reader needs, and the router that trades go through."""
        return {
            "position_manager": Address(self.positions.address), "swap_router": Address(self.router.address),
        }  # fmt: skip

    def twap_pools(self) -> tuple[TwapPool, ...]:
        """Description of the pools for readers."""
        return tuple(pool.info for pool in self.pools.values())


@dataclass(frozen=True)
class Pool:
    """One pool and the tokens in it."""

    contract: Contract
    info: TwapPool
    base: Address
    quote: Address

    def sqrt_price_x96(self, base_in_quote: Decimal) -> int:
        """Pool price (Q64.96 square root of raw token1 per raw token0) for a price of base in quote."""
        base_raw, quote_raw = 10**self.info.base_decimals, 10**self.info.quote_decimals
        numerator, denominator = base_in_quote.as_integer_ratio()
        ratio = (quote_raw * numerator, base_raw * denominator)
        above, below = ratio if self.info.base_is_token0 else ratio[::-1]
        return isqrt((above << 192) // below)


def deploy(ctx: ChainContext) -> UniswapWorld:
    """Deploy factory, position manager and router, without pools."""
    d, weth = ctx.deployer, ctx.token("WETH")
    factory = d.deploy(find("@uniswap/v3-core", "UniswapV3Factory"))
    positions = d.deploy(find("@uniswap/v3-periphery", "NonfungiblePositionManager"), factory.address, weth, weth)
    router = d.deploy(find("@uniswap/v3-periphery", "SwapRouter"), factory.address, weth)
    world = UniswapWorld(factory, positions, router)
    ctx.extra[EXTRA] = world
    return world


def add_pool(ctx: ChainContext, base: str, quote: str = "USDC", *, stock_base: bool = True) -> Pool:
    """Create the pool of two registered tokens at the price of their feeds, with full-range liquidity.

    The owner is given what it needs of mintable tokens; with ``stock_base`` false it must already hold the
    base token (sUSD is minted by Synthetix only).
    """
    world: UniswapWorld = ctx.extra[EXTRA]
    infos = {info.symbol: info for info in ctx.assets}
    token, quote_token = ctx.token(base), ctx.token(quote)
    base_first = int(token, 16) < int(quote_token, 16)
    pair = sorted((token, quote_token), key=lambda address: int(address, 16))
    info = TwapPool(
        infos[base].price_key, infos[quote].price_key, token, base_first,
        infos[base].decimals, infos[quote].decimals, WINDOW_S,
    )  # fmt: skip
    abi = find("@uniswap/v3-core", "UniswapV3Pool").abi
    sketch = Pool(ctx.deployer.at(token, abi), info, token, quote_token)
    target = sketch.sqrt_price_x96(_ratio(ctx.prices, info))
    create = world.positions.functions.createAndInitializePoolIfNecessary(*pair, FEE, target)
    ctx.deployer.send(create)
    address = Address(world.factory.functions.getPool(*pair, FEE).call())
    named = TwapPool(
        info.price_key, info.quote_key, address, base_first, info.base_decimals, info.quote_decimals, WINDOW_S
    )
    pool = Pool(ctx.deployer.at(address, abi), named, token, quote_token)
    ctx.deployer.send(pool.contract.functions.increaseObservationCardinalityNext(CARDINALITY))
    _stock(ctx, world, base, quote, stock_base=stock_base)
    # The first liquidity of a later second writes an observation; within one second the pool would stay at one.
    ctx.deployer.rpc("evm_increaseTime", 1)
    _mint(ctx, world, pool, pair)
    world.pools[info.price_key] = pool
    return pool


def align(ctx: ChainContext, price_key: str, price: Decimal) -> None:
    """Swap the pool of a price key until its spot price is ``price`` (of base in quote)."""
    world: UniswapWorld = ctx.extra[EXTRA]
    pool = world.pools[price_key]
    target = pool.sqrt_price_x96(price)
    now = pool.contract.functions.slot0().call()[0]
    if now == target:
        return
    # Down means token0 is sold; the swap stops at the limit, so the amount only has to be large enough.
    sell_token0 = target < now
    sell_base = sell_token0 == pool.info.base_is_token0
    token_in, token_out = (pool.base, pool.quote) if sell_base else (pool.quote, pool.base)
    owner = ctx.deployer.owner
    order = (token_in, token_out, FEE, owner, _FOREVER, 2**120, 0, target)
    ctx.deployer.send(world.router.functions.exactInputSingle(order))


def sell(ctx: ChainContext, user: str, token_in: str, token_out: str) -> None:
    """Swap all that a user holds of one token; the router must have been approved."""
    world: UniswapWorld = ctx.extra[EXTRA]
    held = ctx.tokens[token_in].functions.balanceOf(user).call()
    order = (ctx.token(token_in), ctx.token(token_out), FEE, user, _FOREVER, held, 0, 0)
    ctx.deployer.send(world.router.functions.exactInputSingle(order), sender=user)


def align_all(ctx: ChainContext) -> None:
    """Bring every pool of the chain to the last prices of its feeds."""
    world: UniswapWorld = ctx.extra[EXTRA]
    for key, pool in world.pools.items():
        align(ctx, key, _ratio(ctx.prices, pool.info))


def spot(pool: Pool) -> Decimal:
    """Price of base in quote now."""
    root = Decimal(pool.contract.functions.slot0().call()[0]) / 2**96
    raw = root * root if pool.info.base_is_token0 else 1 / (root * root)
    return raw.scaleb(pool.info.base_decimals - pool.info.quote_decimals)


def _ratio(prices: Mapping[str, Decimal], info: TwapPool) -> Decimal:
    return prices[info.price_key] / prices[info.quote_key]


def _stock(ctx: ChainContext, world: UniswapWorld, base: str, quote: str, *, stock_base: bool) -> None:
    owner = ctx.deployer.owner
    for symbol in (base, quote) if stock_base else (quote,):
        mint = ctx.tokens[symbol].get_function_by_signature("mint(address,uint256)")
        ctx.deployer.send(mint(owner, _WORKING_STOCK))
    for symbol in (base, quote):
        for spender in (world.positions.address, world.router.address):
            ctx.deployer.send(ctx.tokens[symbol].functions.approve(spender, 2**256 - 1))


def _mint(ctx: ChainContext, world: UniswapWorld, pool: Pool, pair: list[Address]) -> None:
    amounts = {}
    sides = ((pool.base, pool.info.base_decimals, pool.info.price_key),
             (pool.quote, pool.info.quote_decimals, pool.info.quote_key))  # fmt: skip
    for token, decimals, key in sides:
        amounts[token] = int((DEPTH_USD / ctx.prices[key]).scaleb(decimals))
    wanted = [amounts[token] for token in pair]
    owner = ctx.deployer.owner
    ctx.deployer.send(
        world.positions.functions.mint((*pair, FEE, -TICK_EDGE, TICK_EDGE, *wanted, 0, 0, owner, _FOREVER))
    )


def provide(
    ctx: ChainContext, user: str, price_key: str, band: tuple[Decimal, Decimal], usd: Decimal | int
) -> int:
    """Mint tokens to a user and put about ``usd`` of each into a range of prices of base in quote; the NFT's id.

    The edges are moved outwards to the fee tier's tick spacing. Outside the present price only one token is used.
    """
    world: UniswapWorld = ctx.extra[EXTRA]
    pool = world.pools[price_key]
    symbols = {Address(token.address): symbol for symbol, token in ctx.tokens.items()}
    amounts = {}
    for token, key in ((pool.base, pool.info.price_key), (pool.quote, pool.info.quote_key)):
        amounts[token] = tokens.mint(ctx, symbols[token], user, Decimal(usd) / ctx.prices[key])
        tokens.approve(ctx, symbols[token], user, world.positions.address)
    pair = sorted(amounts, key=lambda address: int(address, 16))
    roots = sorted(pool.sqrt_price_x96(price) for price in band)
    lower = _tick(roots[0]) // SPACING * SPACING
    upper = -(-_tick(roots[1]) // SPACING) * SPACING
    wanted = [amounts[token] for token in pair]
    mint = world.positions.functions.mint((*pair, FEE, lower, upper, *wanted, 0, 0, user, _FOREVER))
    ctx.deployer.send(mint, sender=user)
    count = world.positions.functions.balanceOf(user).call()
    return int(world.positions.functions.tokenOfOwnerByIndex(user, count - 1).call())


def _tick(sqrt_price_x96: int) -> int:
    return int((Decimal(sqrt_price_x96) / 2**96).ln() * 2 / Decimal("1.0001").ln())
