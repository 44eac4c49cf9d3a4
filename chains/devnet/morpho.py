"""Morpho Blue on the devnet: the real contract from source, two USDC markets, oracles that follow the feeds.

The package's own mocks stand in for the interest rate model (utilisation x 100 % a year) and the oracle.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from eth_abi.abi import encode
from eth_utils.crypto import keccak
from web3.contract import Contract

from chains.caip import Address
from chains.devnet import tokens
from chains.devnet.artifacts import Artifact
from chains.devnet.context import ChainContext
from chains.devnet.packages import package_dir
from chains.devnet.solc import compile_sources

PACKAGE = "@morpho-org/morpho-blue"
SOLC = "0.8.19"
SETTINGS = {"viaIR": True, "optimizer": {"enabled": True, "runs": 999999}, "evmVersion": "paris"}
CONTRACTS = {"Morpho": "", "IrmMock": "mocks/", "OracleMock": "mocks/"}
"""Contracts with the folder of their source below src/."""
LOAN = "USDC"
MARKETS = {"WETH": Decimal("0.86"), "WBTC": Decimal("0.80")}
"""Liquidation loan-to-value by collateral."""
LENDER_USDC = 50_000_000
ORACLE_DECIMALS = 36
NOTHING = b""


@dataclass(frozen=True)
class MorphoMarket:
    """One market; its parameters in the order of the contract's struct."""

    collateral: str
    oracle: Contract
    params: tuple[str, str, str, str, int]

    @property
    def id(self) -> bytes:
        """Hash of the parameters."""
        return keccak(encode(("address", "address", "address", "address", "uint256"), self.params))


@dataclass
class MorphoWorld:
    """Morpho Blue on one chain; markets by the collateral's symbol."""

    ctx: ChainContext
    morpho: Contract
    markets: dict[str, MorphoMarket] = field(default_factory=dict)

    @property
    def addresses(self) -> dict[str, Address]:
        """What ``chains.venues.morpho.MorphoReader`` needs: the contract, and each market's oracle by its id."""
        found = {f"market:0x{market.id.hex()}": Address(market.oracle.address) for market in self.markets.values()}
        return {"morpho": Address(self.morpho.address), **found}

    def supply(self, user: str, market: str, usdc: Decimal | int | str) -> None:
        """Mint USDC to the user and lend it."""
        raw = self._minted(user, LOAN, usdc)
        call = self.morpho.functions.supply(self.markets[market].params, raw, 0, user, NOTHING)
        self.ctx.deployer.send(call, sender=user)

    def supply_collateral(self, user: str, market: str, amount: Decimal | int | str) -> None:
        """Mint the market's collateral to the user and put it in."""
        raw = self._minted(user, market, amount)
        call = self.morpho.functions.supplyCollateral(self.markets[market].params, raw, user, NOTHING)
        self.ctx.deployer.send(call, sender=user)

    def withdraw_collateral(self, user: str, market: str, raw: int) -> None:
        """Take collateral out, in its smallest unit."""
        call = self.morpho.functions.withdrawCollateral(self.markets[market].params, raw, user, user)
        self.ctx.deployer.send(call, sender=user)

    def borrow(self, user: str, market: str, usdc: Decimal | int | str) -> None:
        """Borrow USDC; raises DeployError with the contract's reason."""
        raw = self.ctx.units(LOAN, usdc)
        call = self.morpho.functions.borrow(self.markets[market].params, raw, 0, user, user)
        self.ctx.deployer.send(call, sender=user)

    def repay(self, user: str, market: str, usdc: Decimal | int | str) -> None:
        """Mint USDC to the user and pay back."""
        raw = self._minted(user, LOAN, usdc)
        call = self.morpho.functions.repay(self.markets[market].params, raw, 0, user, NOTHING)
        self.ctx.deployer.send(call, sender=user)

    def sync_oracles(self) -> None:
        """Keeper: collateral price in USDC from the last rounds of the feeds; call it after each round."""
        for market in self.markets.values():
            price = oracle_price(self.ctx, market.collateral)
            if market.oracle.functions.price().call() != price:
                self.ctx.deployer.send(market.oracle.functions.setPrice(price))

    def _minted(self, user: str, symbol: str, amount: Decimal | int | str) -> int:
        tokens.approve(self.ctx, symbol, user, self.morpho.address)
        return tokens.mint(self.ctx, symbol, user, amount)


def oracle_price(ctx: ChainContext, collateral: str) -> int:
    """Loan units that one unit of collateral is worth, times 1e36 (IOracle's scale)."""
    infos = {info.symbol: info for info in ctx.assets}
    ratio = ctx.prices[infos[collateral].price_key] / ctx.prices[infos[LOAN].price_key]
    return int(ratio.scaleb(ORACLE_DECIMALS + infos[LOAN].decimals - infos[collateral].decimals))


def compiled() -> dict[str, Artifact]:
    """Morpho and its mocks, compiled from the package; 8-15 s once, then from the cache."""
    wanted = {name: f"src/{folder}{name}.sol" for name, folder in CONTRACTS.items()}
    root = package_dir(PACKAGE)
    paths = [root / path for path in wanted.values()]
    paths += [path for folder in ("interfaces", "libraries") for path in (root / "src" / folder).glob("*.sol")]
    sources = {str(path.relative_to(root)): path.read_text() for path in paths}
    return compile_sources(SOLC, sources, SETTINGS, wanted)


def deploy(ctx: ChainContext) -> MorphoWorld:
    """Deploy the venue with its markets, each with a lender (the deployer's owner)."""
    d, artifacts = ctx.deployer, compiled()
    world = MorphoWorld(ctx, d.deploy(artifacts["Morpho"], d.owner))
    irm = d.deploy(artifacts["IrmMock"])
    d.send(world.morpho.functions.enableIrm(irm.address))
    for collateral, ratio in MARKETS.items():
        oracle = d.deploy(artifacts["OracleMock"])
        lltv = int(ratio.scaleb(18))
        d.send(world.morpho.functions.enableLltv(lltv))
        params = (ctx.token(LOAN), ctx.token(collateral), oracle.address, irm.address, lltv)
        world.markets[collateral] = MorphoMarket(collateral, oracle, params)
        d.send(world.morpho.functions.createMarket(params))
        world.supply(d.owner, collateral, LENDER_USDC)
    world.sync_oracles()
    return world
