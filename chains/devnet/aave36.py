"""Aave v3.6.0 on one chain, compiled from the package's sources; used through the same world as v3.0.

The same reserves, but e-modes as v3.2 made them: bitmaps of collateral and of borrowable assets, so that one asset
may be in several categories.
"""

from collections.abc import Mapping
from functools import cache

from eth_abi.abi import encode
from web3.contract import Contract

from chains.devnet import solc
from chains.devnet.aave import BASE_UNIT, EMODE_BPS, STABLES_EMODE, ZERO_ADDRESS, AaveWorld, Curve, listed
from chains.devnet.artifacts import Artifact
from chains.devnet.context import ChainContext
from chains.devnet.packages import package_dir
from chains.devnet.sources import closure

PACKAGE = "@aave-dao/aave-v3-origin"
SOLC = "0.8.27"
SETTINGS = {"optimizer": {"enabled": True, "runs": 200}, "evmVersion": "shanghai"}
CONTRACTS = {
    "PoolAddressesProvider": "protocol/configuration/", "ACLManager": "protocol/configuration/",
    "PoolInstance": "instances/", "PoolConfiguratorInstance": "instances/", "ATokenInstance": "instances/",
    "VariableDebtTokenInstance": "instances/", "AaveOracle": "misc/",
    "DefaultReserveInterestRateStrategyV2": "misc/", "ConfiguratorLogic": "protocol/libraries/logic/",
    "SupplyLogic": "protocol/libraries/logic/", "BorrowLogic": "protocol/libraries/logic/",
    "LiquidationLogic": "protocol/libraries/logic/", "PoolLogic": "protocol/libraries/logic/",
    "FlashLoanLogic": "protocol/libraries/logic/",
}  # fmt: skip
"""Contracts with the folder of their source below src/contracts/."""
POOL_LIBRARIES = ("SupplyLogic", "BorrowLogic", "LiquidationLogic", "PoolLogic")

ETHER_EMODE = 2
ETHER_EMODE_BPS = (9000, 9300, 10200)
EMODES: Mapping[int, tuple[tuple[int, int, int], str, tuple[str, ...], tuple[str, ...]]] = {
    STABLES_EMODE: (EMODE_BPS, "Stablecoins", ("USDC", "DAI"), ("USDC", "DAI")),
    ETHER_EMODE: (ETHER_EMODE_BPS, "WETH and DAI against USDC", ("WETH", "DAI"), ("USDC",)),
}
"""Terms (LTV, threshold, bonus), label, collateral and borrowable assets; DAI is in both."""


@cache
def compiled() -> dict[str, Artifact]:
    """Artifacts by contract; about 10 s of one core once, then from the cache."""
    roots = {
        "aave/": package_dir(PACKAGE) / "src" / "contracts",
        "solidity-utils/": package_dir("@bgd-labs/solidity-utils") / "src",
        "openzeppelin-contracts/contracts/": package_dir("@openzeppelin/contracts"),
        "@openzeppelin/contracts/": package_dir("@openzeppelin/contracts"),
        "openzeppelin-contracts-upgradeable/contracts/": package_dir("@openzeppelin/contracts-upgradeable"),
    }
    wanted = {name: f"aave/{folder}{name}.sol" for name, folder in CONTRACTS.items()}
    return solc.compile_sources(SOLC, closure(wanted.values(), roots), SETTINGS, wanted)


def deploy(ctx: ChainContext) -> AaveWorld:
    """Deploy the market with the owner as every admin, list the reserves and seed their liquidity."""
    d, artifacts = ctx.deployer, compiled()
    provider = d.deploy(artifacts["PoolAddressesProvider"], "crossmargin devnet 3.6", d.owner)
    d.send(provider.functions.setACLAdmin(d.owner))
    acl = d.deploy(artifacts["ACLManager"], provider.address)
    d.send(provider.functions.setACLManager(acl.address))
    d.send(acl.functions.addPoolAdmin(d.owner))
    pool = _pool(ctx, provider)
    configurator = _configurator(ctx, provider)
    oracle = _oracle(ctx, provider)
    world = AaveWorld(ctx, pool, configurator, oracle)
    _list_reserves(world)
    _emodes(world)
    for symbol, reserve in listed(ctx).items():
        world.supply(d.owner, symbol, reserve.seed)
    return world


def _pool(ctx: ChainContext, provider: Contract) -> Contract:
    d, artifacts = ctx.deployer, compiled()
    strategy = d.deploy(artifacts["DefaultReserveInterestRateStrategyV2"], provider.address)
    libraries = {name: d.deploy(artifacts[name]).address for name in POOL_LIBRARIES}
    libraries["FlashLoanLogic"] = d.deploy(artifacts["FlashLoanLogic"], libraries=libraries).address
    artifact = artifacts["PoolInstance"]
    implementation = d.deploy(artifact, provider.address, strategy.address, libraries=libraries)
    d.send(provider.functions.setPoolImpl(implementation.address))
    return d.at(provider.functions.getPool().call(), artifact.abi)


def _configurator(ctx: ChainContext, provider: Contract) -> Contract:
    d, artifacts = ctx.deployer, compiled()
    logic = d.deploy(artifacts["ConfiguratorLogic"])
    artifact = artifacts["PoolConfiguratorInstance"]
    implementation = d.deploy(artifact, libraries={"ConfiguratorLogic": logic.address})
    d.send(provider.functions.setPoolConfiguratorImpl(implementation.address))
    return d.at(provider.functions.getPoolConfigurator().call(), artifact.abi)


def _oracle(ctx: ChainContext, provider: Contract) -> Contract:
    d = ctx.deployer
    keys = {info.symbol: info.price_key for info in ctx.assets}
    assets = [ctx.token(symbol) for symbol in listed(ctx)]
    sources = [ctx.feeds[keys[symbol]].address for symbol in listed(ctx)]
    arguments = (provider.address, assets, sources, ZERO_ADDRESS, ZERO_ADDRESS, BASE_UNIT)
    oracle = d.deploy(compiled()["AaveOracle"], *arguments)
    d.send(provider.functions.setPriceOracle(oracle.address))
    return oracle


def _list_reserves(world: AaveWorld) -> None:
    ctx, d, artifacts, configure = world.ctx, world.ctx.deployer, compiled(), world.configurator.functions
    pool = world.pool.address
    a_token = d.deploy(artifacts["ATokenInstance"], pool, ZERO_ADDRESS, d.owner).address
    debt_token = d.deploy(artifacts["VariableDebtTokenInstance"], pool, ZERO_ADDRESS).address
    reserves = listed(ctx)
    inputs = [
        (
            a_token, debt_token, ctx.token(symbol), f"Aave {symbol}", f"a{symbol}",
            f"Aave variable debt {symbol}", f"variableDebt{symbol}", b"", _rates(reserve.curve),
        )
        for symbol, reserve in reserves.items()
    ]  # fmt: skip
    d.send(configure.initReserves(inputs))
    for symbol, reserve in reserves.items():
        token = ctx.token(symbol)
        terms = (reserve.ltv, reserve.threshold, reserve.bonus)
        d.send(configure.configureReserveAsCollateral(token, *terms))
        d.send(configure.setReserveBorrowing(token, True))
        d.send(configure.setReserveFactor(token, reserve.factor))


def _rates(curve: Curve) -> bytes:
    return encode(
        ("uint16", "uint32", "uint32", "uint32"), (curve.optimal, curve.base, curve.slope1, curve.slope2)
    )


def _emodes(world: AaveWorld) -> None:
    d, configure = world.ctx.deployer, world.configurator.functions
    for category, (terms, label, collateral, borrowable) in EMODES.items():
        d.send(configure.setEModeCategory(category, *terms, label))
        for symbol in collateral:
            d.send(configure.setAssetCollateralInEMode(world.ctx.token(symbol), category, True))
        for symbol in borrowable:
            d.send(configure.setAssetBorrowableInEMode(world.ctx.token(symbol), category, True))
