"""Perp v2 (Curie) on the devnet: real contracts, Chainlink index prices, one deep market maker.

Order of deployment after perp-curie-contract's own fixtures; no proxies (``initialize`` works on the
implementation). What costs time otherwise: the quote token's address must be above every base token's, a pool must
be older than the mark TWAP (1800 s) before its first liquidity, an index TWAP needs ``update()`` after each round.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3.contract import Contract

from chains.caip import Address, erc20
from chains.deployments import AssetInfo
from chains.devnet import tokens
from chains.devnet.artifacts import Artifact, find
from chains.devnet.context import ChainContext
from chains.devnet.perp_market import (
    BASE_DECIMALS,
    FEED_TIMEOUT_S,
    INDEX_TWAP_S,
    ORACLE,
    deploy_market,
    sqrt_price_at,
    sqrt_price_x96,
    tick_of,
)

CURIE = "@perp/curie-contract"
UNISWAP = "@uniswap/v3-core"
SETTLEMENT = "USDC"
HIGH_ADDRESS = int("c0" + "00" * 19, 16)
"""The quote token is redeployed until its address is at least this, so that base tokens below it are easy."""
POOL_AGE_S = 1900
"""Above the 1800 s of the mark TWAP: younger pools make every price read revert with OLD."""
MAKER_USDC = 2_000_000_000
ARBITRAGEUR_USDC = 4_000_000_000
INSURANCE_USDC = 10_000_000
MAKER_SIDE_USD = 2_000_000_000
"""Quote put in by the maker per market (and as much in base): $1m trades move the price by less than 10 bps."""
MAKER_SPAN = 8
"""The maker's range is index / 8 .. index x 8."""
FOREVER = 2**40
NEAR_ENOUGH = 10**9
"""Square root prices closer than one part in this many are the same to the arbitrageur."""


@dataclass
class PerpMarket:
    """One market: its virtual tokens' pool and its index feed."""

    key: str
    base: Contract
    pool: Contract
    feed: Contract
    """ChainlinkPriceFeedV3 before the chain's proxy."""


@dataclass
class PerpWorld:
    """Perp v2 on one chain."""

    ctx: ChainContext
    contracts: dict[str, Contract]
    markets: dict[str, PerpMarket] = field(default_factory=dict)
    maker: str = ""
    arbitrageur: str = ""
    collateral_feeds: list[tuple[str, Contract]] = field(default_factory=list)
    """Price key and ChainlinkPriceFeedV3 of collateral besides USDC."""

    @property
    def addresses(self) -> dict[str, Address]:
        """What ``chains.venues.perp.PerpReader`` needs."""
        names = ("clearing_house", "account_balance", "vault", "exchange", "order_book", "config",
                 "collateral_manager")  # fmt: skip
        return {name: Address(self.contracts[name].address) for name in names}

    def deposit(self, user: str, usdc: Decimal | int | str) -> None:
        """Mint USDC to the user and put it into the vault; raises DeployError with the contract's reason."""
        self.deposit_token(user, SETTLEMENT, usdc)

    def deposit_token(self, user: str, symbol: str, amount: Decimal | int | str) -> None:
        """Mint a token to the user and put it into the vault; others than USDC must be allowed first."""
        raw = tokens.mint(self.ctx, symbol, user, amount)
        vault = self.contracts["vault"]
        tokens.approve(self.ctx, symbol, user, vault.address)
        self.ctx.deployer.send(vault.functions.deposit(self.ctx.token(symbol), raw), sender=user)

    def allow_collateral(self, symbol: str, ratio: Decimal) -> None:
        """Accept a token as collateral at a ratio of its price, with a discount of 10 % when it is liquidated."""
        price_key = next(info.price_key for info in self.ctx.assets if info.symbol == symbol)
        feed = self.ctx.deployer.deploy(
            find(ORACLE, "ChainlinkPriceFeedV3"), self.ctx.feeds[price_key].address, FEED_TIMEOUT_S, INDEX_TWAP_S
        )
        self.ctx.deployer.send(feed.functions.update())
        self.collateral_feeds.append((price_key, feed))
        settings = (feed.address, int(ratio.scaleb(6)), 100_000, 2**255 - 1)
        call = self.contracts["collateral_manager"].functions.addCollateral(self.ctx.token(symbol), settings)
        self.ctx.deployer.send(call)

    def withdraw(self, user: str, usdc: Decimal | int | str) -> None:
        """Take USDC out of the vault."""
        raw = self.ctx.units(SETTLEMENT, usdc)
        call = self.contracts["vault"].functions.withdraw(self.ctx.token(SETTLEMENT), raw)
        self.ctx.deployer.send(call, sender=user)

    def open(self, user: str, market: str, base_amount: Decimal | int | str) -> None:
        """Trade a signed amount of base: positive buys."""
        amount = int(Decimal(base_amount).scaleb(BASE_DECIMALS))
        # Exact base on either side: base is the input of a sale and the output of a purchase.
        self._trade(user, market, amount < 0, amount < 0, abs(amount), 0)

    def close(self, user: str, market: str) -> None:
        """Close the user's whole position in a market."""
        order = (self.markets[market].base.address, 0, 0, FOREVER, bytes(32))
        self.ctx.deployer.send(self.contracts["clearing_house"].functions.closePosition(order), sender=user)

    def keeper_update(self) -> None:
        """Bring every index TWAP up to date; call it after each round of the feeds.

        Without it the TWAP drifts once it reaches back behind the round. Two rounds of one feed inside one second
        must be avoided: the contract takes the second for the first.
        """
        feeds = [(market.key, market.feed) for market in self.markets.values()]
        for key, feed in (*feeds, *self.collateral_feeds):
            known = feed.functions.getLastValidTimestamp().call()
            if self.ctx.feeds[key].functions.latestTimestamp().call() > known:
                self.ctx.deployer.send(feed.functions.update())

    def align_pool(self, market: str, price: Decimal | None = None) -> bool:
        """Arbitrage the pool to the index (or a given) price; the mark follows 15 s later.

        Returns False where the price band of one block (about 10 %) stopped the trade on the way: call it again
        when 15 s have passed.
        """
        book = self.markets[market]
        index = Decimal(book.base.functions.getIndexPrice(0).call()).scaleb(-BASE_DECIMALS)
        target = sqrt_price_x96(price or index)
        now, tick = book.pool.functions.slot0().call()[:2]
        reach = self.contracts["exchange"].functions.getMaxTickCrossedWithinBlock(book.base.address).call() - 10
        low, high = sqrt_price_at(tick - reach), sqrt_price_at(tick + reach)
        limit = min(max(target, low), high)
        # The venue refuses a trade of nothing.
        if abs(limit - now) * NEAR_ENOUGH > now:
            self._trade(self.arbitrageur, market, limit < now, True, 10**30, limit)
        return limit == target

    def _trade(self, user: str, market: str, selling: bool, exact_in: bool, amount: int, limit: int) -> None:
        order = (self.markets[market].base.address, selling, exact_in, amount, 0, FOREVER, limit, bytes(32))
        self.ctx.deployer.send(self.contracts["clearing_house"].functions.openPosition(order), sender=user)


def deploy(ctx: ChainContext, markets: tuple[str, ...] = ("ETH", "BTC")) -> PerpWorld:
    """Deploy the venue with markets by price key; moves the chain's clock forward by ``POOL_AGE_S``.

    Registers the virtual base tokens (vETH, …) as assets: their factor is what a position moves with.
    """
    world = PerpWorld(ctx, _deploy_core(ctx))
    _connect(ctx, world.contracts)
    for key in markets:
        world.markets[key] = PerpMarket(key, *deploy_market(ctx, world.contracts, key))
        asset = erc20(ctx.chain, Address(world.markets[key].base.address))
        ctx.assets.append(AssetInfo(asset, f"v{key}", BASE_DECIMALS, key, key))
    latest = ctx.deployer.rpc("eth_getBlockByNumber", "latest", False)
    ctx.deployer.rpc("evm_setNextBlockTimestamp", int(latest["timestamp"], 16) + POOL_AGE_S)
    _fund(world)
    return world


def _artifact(name: str) -> Artifact:
    return find(UNISWAP if name == "UniswapV3Factory" else CURIE, name)


def _deploy_core(ctx: ChainContext) -> dict[str, Contract]:
    d = ctx.deployer
    names = {
        "factory": "UniswapV3Factory", "registry": "MarketRegistry", "order_book": "OrderBook",
        "config": "ClearingHouseConfig", "insurance_fund": "InsuranceFund", "exchange": "Exchange",
        "account_balance": "AccountBalance", "vault": "Vault", "collateral_manager": "CollateralManager",
        "clearing_house": "ClearingHouse",
    }  # fmt: skip
    found = {key: d.deploy(_artifact(name)) for key, name in names.items()}
    quote = _artifact("QuoteToken")
    found["quote"] = d.deploy(quote)
    while int(found["quote"].address, 16) < HIGH_ADDRESS:
        found["quote"] = d.deploy(quote)
    d.send(found["quote"].functions.initialize("vUSD", "vUSD"))
    return found


def _connect(ctx: ChainContext, c: dict[str, Contract]) -> None:
    d, at = ctx.deployer, {name: contract.address for name, contract in c.items()}
    init: dict[str, tuple[Any, ...]] = {
        "registry": (at["factory"], at["quote"]), "order_book": (at["registry"],), "config": (),
        "insurance_fund": (ctx.token(SETTLEMENT),), "exchange": (at["registry"], at["order_book"], at["config"]),
        "account_balance": (at["config"], at["order_book"]),
        "vault": (at["insurance_fund"], at["config"], at["account_balance"], at["exchange"]),
        # at most 3 collateral tokens, debt <= 75 % of their value, half repaid per liquidation, requirement
        # 0.2 points above the maintenance ratio, 3 % of it to the insurance fund, debt <= 10,000, dust 500 (USDC)
        "collateral_manager": (at["config"], at["vault"], 3, 750_000, 500_000, 2_000, 30_000, 10**10, 5 * 10**8),
        "clearing_house": (at["config"], at["vault"], at["quote"], at["factory"], at["exchange"],
                           at["account_balance"], at["insurance_fund"]),
    }  # fmt: skip
    # Exchange needs its order book's link before the clearing house asks for it: order of this table, links after.
    for name, arguments in init.items():
        d.send(c[name].functions.initialize(*arguments))
    vault, house = at["vault"], at["clearing_house"]
    d.send(c["order_book"].functions.setExchange(at["exchange"]))
    d.send(c["exchange"].functions.setAccountBalance(at["account_balance"]))
    d.send(c["insurance_fund"].functions.setVault(vault))
    d.send(c["account_balance"].functions.setVault(vault))
    d.send(c["vault"].functions.setCollateralManager(at["collateral_manager"]))
    for name in ("registry", "order_book", "exchange", "account_balance", "vault"):
        d.send(c[name].functions.setClearingHouse(house))
    d.send(c["config"].functions.setSettlementTokenBalanceCap(2**255 - 1))
    d.send(c["quote"].functions.mintMaximumTo(house))
    d.send(c["quote"].functions.addWhitelist(house))


def _fund(world: PerpWorld) -> None:
    d, fund = world.ctx.deployer, world.contracts["insurance_fund"]
    tokens.mint(world.ctx, SETTLEMENT, fund.address, INSURANCE_USDC)
    d.send(fund.functions.deposit())
    world.maker, world.arbitrageur = (_bot(world.ctx, name) for name in ("maker", "arbitrageur"))
    world.deposit(world.maker, MAKER_USDC)
    world.deposit(world.arbitrageur, ARBITRAGEUR_USDC)
    for market in world.markets.values():
        price = world.ctx.prices[market.key]
        base = int(Decimal(MAKER_SIDE_USD) / price) * 10**BASE_DECIMALS
        ticks = tick_of(price / MAKER_SPAN), tick_of(price * MAKER_SPAN)
        quote = MAKER_SIDE_USD * 10**BASE_DECIMALS
        order = (market.base.address, base, quote, *ticks, 0, 0, False, FOREVER)
        d.send(world.contracts["clearing_house"].functions.addLiquidity(order), sender=world.maker)


def _bot(ctx: ChainContext, name: str) -> str:
    address = str(to_checksum_address(keccak(text=f"crossmargin perp {name}")[-20:]))
    ctx.deployer.impersonate(address)
    return address
