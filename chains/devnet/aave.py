"""Aave v3.0.2 on one chain: five reserves priced by Chainlink proxies, and an e-mode for stablecoins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from web3.contract import Contract

from chains.caip import Address
from chains.devnet import tokens
from chains.devnet.artifacts import find
from chains.devnet.context import ChainContext

PACKAGE = "@aave/core-v3"
ZERO_ADDRESS = "0x" + "0" * 40
RAY_PER_BPS = 10**23
BASE_UNIT = 10**8
STABLES_EMODE = 1
STABLE_RATE, VARIABLE_RATE = 1, 2
MAX = 2**256 - 1

Amount = Decimal | int | str


class Curve(NamedTuple):
    """Interest rates, in bps per year: utilisation at the kink, base, and the slopes before and after it."""

    optimal: int
    base: int
    slope1: int
    slope2: int


class Reserve(NamedTuple):
    """Risk parameters in bps, and what the owner seeds as liquidity (whole tokens)."""

    ltv: int
    threshold: int
    bonus: int
    factor: int
    curve: Curve
    stable_rate: bool
    emode: int
    seed: int


VOLATILE = Curve(4500, 0, 400, 30000)
# Close to the Ethereum market of Aave v3; stable rates are open on DAI so that both kinds of debt occur.
RESERVES: dict[str, Reserve] = {
    "WETH": Reserve(8050, 8300, 10500, 1500, Curve(8000, 100, 380, 8000), False, 0, 20_000),
    "WBTC": Reserve(7300, 7800, 10500, 2000, VOLATILE, False, 0, 1_000),
    "LINK": Reserve(5300, 6800, 10700, 2000, VOLATILE, False, 0, 1_000_000),
    "USDC": Reserve(7700, 8000, 10450, 1000, Curve(9000, 0, 400, 6000), False, STABLES_EMODE, 20_000_000),
    "DAI": Reserve(6700, 7700, 10400, 1000, Curve(8000, 0, 400, 7500), True, STABLES_EMODE, 20_000_000),
}
EMODE_BPS = (9300, 9500, 10100)
"""LTV, liquidation threshold and bonus inside the stablecoin e-mode."""


@dataclass(frozen=True)
class AaveWorld:
    """A running market. Amounts are whole tokens; users are unlocked accounts of the chain."""

    ctx: ChainContext
    pool: Contract
    configurator: Contract
    oracle: Contract

    @property
    def addresses(self) -> Mapping[str, Address]:
        """What the reader needs: ``pool`` (provider and oracle are found from it)."""
        return {"pool": Address(self.pool.address)}

    def supply(self, user: str, symbol: str, amount: Amount, *, mint: bool = True) -> None:
        """Supply tokens, minted to the user first unless the user has them already."""
        raw = tokens.mint(self.ctx, symbol, user, amount) if mint else self.ctx.units(symbol, amount)
        tokens.approve(self.ctx, symbol, user, self.pool.address)
        call = self.pool.functions.supply(self.ctx.token(symbol), raw, user, 0)
        self.ctx.deployer.send(call, sender=user)

    def borrow(self, user: str, symbol: str, amount: Amount, *, mode: int = VARIABLE_RATE) -> None:
        """Borrow against what the user supplied."""
        raw = self.ctx.units(symbol, amount)
        call = self.pool.functions.borrow(self.ctx.token(symbol), raw, mode, 0, user)
        self.ctx.deployer.send(call, sender=user)

    def repay(self, user: str, symbol: str, amount: Amount | None = None, *, mode: int = VARIABLE_RATE) -> None:
        """Repay with the user's own tokens; None repays all."""
        raw = MAX if amount is None else self.ctx.units(symbol, amount)
        tokens.approve(self.ctx, symbol, user, self.pool.address)
        call = self.pool.functions.repay(self.ctx.token(symbol), raw, mode, user)
        self.ctx.deployer.send(call, sender=user)

    def withdraw(self, user: str, symbol: str, amount: Amount | None = None) -> None:
        """Withdraw to the user; None withdraws all."""
        raw = MAX if amount is None else self.ctx.units(symbol, amount)
        self.ctx.deployer.send(self.pool.functions.withdraw(self.ctx.token(symbol), raw, user), sender=user)

    def set_emode(self, user: str, category: int) -> None:
        """Enter an e-mode category; 0 leaves it."""
        self.ctx.deployer.send(self.pool.functions.setUserEMode(category), sender=user)

    def set_collateral(self, user: str, symbol: str, enabled: bool) -> None:
        """Use a supplied token as collateral, or not."""
        call = self.pool.functions.setUserUseReserveAsCollateral(self.ctx.token(symbol), enabled)
        self.ctx.deployer.send(call, sender=user)


def deploy(ctx: ChainContext) -> AaveWorld:
    """Deploy the market with the owner as every admin, list the reserves and seed their liquidity."""
    d = ctx.deployer
    provider = d.deploy(find(PACKAGE, "PoolAddressesProvider"), "crossmargin devnet", d.owner)
    d.send(provider.functions.setACLAdmin(d.owner))
    acl = d.deploy(find(PACKAGE, "ACLManager"), provider.address)
    d.send(provider.functions.setACLManager(acl.address))
    d.send(acl.functions.addPoolAdmin(d.owner))
    pool = _pool(ctx, provider)
    configurator = _configurator(ctx, provider)
    oracle = _oracle(ctx, provider)
    _list_reserves(ctx, provider, acl, pool, configurator)
    world = AaveWorld(ctx, pool, configurator, oracle)
    for symbol, reserve in listed(ctx).items():
        world.supply(d.owner, symbol, reserve.seed)
    return world


def listed(ctx: ChainContext) -> dict[str, Reserve]:
    """Reserves whose token exists on the chain."""
    return {symbol: reserve for symbol, reserve in RESERVES.items() if symbol in ctx.tokens}


def _pool(ctx: ChainContext, provider: Contract) -> Contract:
    d = ctx.deployer
    libraries: dict[str, str] = {}
    for name in ("SupplyLogic", "BorrowLogic", "LiquidationLogic", "EModeLogic", "BridgeLogic", "PoolLogic"):
        libraries[name] = d.deploy(find(PACKAGE, name)).address
    libraries["FlashLoanLogic"] = d.deploy(find(PACKAGE, "FlashLoanLogic"), libraries=libraries).address
    artifact = find(PACKAGE, "Pool")
    implementation = d.deploy(artifact, provider.address, libraries=libraries)
    d.send(provider.functions.setPoolImpl(implementation.address))
    return d.at(provider.functions.getPool().call(), artifact.abi)


def _configurator(ctx: ChainContext, provider: Contract) -> Contract:
    d = ctx.deployer
    logic = d.deploy(find(PACKAGE, "ConfiguratorLogic"))
    artifact = find(PACKAGE, "PoolConfigurator")
    implementation = d.deploy(artifact, libraries={"ConfiguratorLogic": logic.address})
    d.send(provider.functions.setPoolConfiguratorImpl(implementation.address))
    return d.at(provider.functions.getPoolConfigurator().call(), artifact.abi)


def _oracle(ctx: ChainContext, provider: Contract) -> Contract:
    d = ctx.deployer
    keys = {info.symbol: info.price_key for info in ctx.assets}
    assets = [ctx.token(symbol) for symbol in listed(ctx)]
    sources = [ctx.feeds[keys[symbol]].address for symbol in listed(ctx)]
    oracle = d.deploy(
        find(PACKAGE, "AaveOracle"), provider.address, assets, sources, ZERO_ADDRESS, ZERO_ADDRESS, BASE_UNIT
    )
    d.send(provider.functions.setPriceOracle(oracle.address))
    return oracle


def _list_reserves(
    ctx: ChainContext, provider: Contract, acl: Contract, pool: Contract, configurator: Contract
) -> None:
    d, reserves = ctx.deployer, listed(ctx)
    kinds = ("AToken", "StableDebtToken", "VariableDebtToken")
    receipts = [d.deploy(find(PACKAGE, kind), pool.address).address for kind in kinds]
    strategies = {reserve.curve: _strategy(ctx, provider, reserve.curve).address for reserve in reserves.values()}
    inputs = [_init(ctx, symbol, receipts, strategies[reserve.curve]) for symbol, reserve in reserves.items()]
    d.send(configurator.functions.initReserves(inputs))
    helper = d.deploy(find(PACKAGE, "ReservesSetupHelper"))
    d.send(acl.functions.addRiskAdmin(helper.address))
    settings = [
        (ctx.token(s), r.ltv, r.threshold, r.bonus, r.factor, 0, 0, r.stable_rate, True, True)
        for s, r in reserves.items()
    ]
    d.send(helper.functions.configureReserves(configurator.address, settings))
    d.send(configurator.functions.setEModeCategory(STABLES_EMODE, *EMODE_BPS, ZERO_ADDRESS, "Stablecoins"))
    for symbol, reserve in reserves.items():
        if reserve.emode:
            d.send(configurator.functions.setAssetEModeCategory(ctx.token(symbol), reserve.emode))


def _strategy(ctx: ChainContext, provider: Contract, curve: Curve) -> Contract:
    optimal, base, slope1, slope2 = (value * RAY_PER_BPS for value in curve)
    stable = (slope1, slope2, 100 * RAY_PER_BPS, 800 * RAY_PER_BPS, 2000 * RAY_PER_BPS)
    artifact = find(PACKAGE, "DefaultReserveInterestRateStrategy")
    return ctx.deployer.deploy(artifact, provider.address, optimal, base, slope1, slope2, *stable)


def _init(ctx: ChainContext, symbol: str, receipts: Sequence[str], strategy: str) -> tuple[object, ...]:
    decimals = next(info.decimals for info in ctx.assets if info.symbol == symbol)
    names = [
        text for kind in ("a", "variableDebt", "stableDebt") for text in (f"Aave {kind}{symbol}", kind + symbol)
    ]
    owner = ctx.deployer.owner
    return (*receipts, decimals, strategy, ctx.token(symbol), owner, ZERO_ADDRESS, *names, b"")
