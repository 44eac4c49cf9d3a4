"""Contracts of one Lyra v1 (Avalon) market with Synthetix around it, deployed and joined together.

What of Synthetix is not real is a test helper of Lyra's own package: the exchanger that swaps quote for base by
minting, the short loan of the pool's hedger, delegate approvals, the resolver and both tokens. ExchangeRates,
which alone decides prices, is the real one where the chain has it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from web3.contract import Contract

from chains.devnet import lyra_params as params
from chains.devnet.artifacts import find
from chains.devnet.context import ChainContext

PACKAGE = "@lyrafinance/protocol"
ROOT = "dist/artifacts/contracts"
QUOTE_KEY = b"sUSD".ljust(32, b"\0")
BASE_KEY = b"sETH".ljust(32, b"\0")
EXCHANGE_RATES = "synthetix.exchange_rates"
"""Key of the real ExchangeRates contract in ``ChainContext.extra``."""


@dataclass
class LyraSystem:
    """Every contract of the market by its Solidity name (tokens: ``Quote``, ``Base``)."""

    ctx: ChainContext
    contracts: dict[str, Contract] = field(default_factory=dict)
    real_rates: bool = False

    def __getitem__(self, name: str) -> Contract:
        return self.contracts[name]

    def make(self, name: str, *arguments: Any, key: str = "", libraries: tuple[str, ...] = ()) -> Contract:
        """Deploy a contract of the package and keep it under its name or ``key``."""
        addresses = {library: str(self[library].address) for library in libraries}
        contract = self.ctx.deployer.deploy(find(PACKAGE, name, ROOT), *arguments, libraries=addresses)
        self.contracts[key or name] = contract
        return contract

    def send(self, name: str, function: str, *arguments: Any) -> None:
        """Call a contract as the owner.

        Contracts among the arguments stand for their addresses, dicts for structs.
        """
        contract = self[name]
        abi: Any = contract.abi
        inputs = next(item["inputs"] for item in abi if item.get("name") == function)
        plain = [_plain(a, i) for a, i in zip(arguments, inputs, strict=True)]
        self.ctx.deployer.send(contract.functions[function](*plain))

    def pick(self, *names: str) -> list[Contract]:
        """Contracts in order."""
        return [self[name] for name in names]


def _plain(value: Any, described: Any) -> Any:
    # Structs by field name: their order in the ABI is not that of anybody's parameter table.
    if isinstance(value, Mapping):
        return tuple(_plain(value[part["name"]], part) for part in described["components"])
    return value.address if isinstance(value, Contract) else value


def build(ctx: ChainContext) -> LyraSystem:
    """Deploy everything and set Lyra's default parameters; no board and no liquidity yet."""
    system = LyraSystem(ctx)
    _deploy_synthetix(system)
    _deploy_market(system)
    _join_synthetix(system)
    _join_market(system)
    _set_parameters(system)
    return system


def _deploy_synthetix(s: LyraSystem) -> None:
    s.make("TestERC20Fail", "Synthetic USD", "sUSD", key="Quote")
    s.make("TestERC20Fail", "Synthetic Ether", "sETH", key="Base")
    for name in ("TestExchanger", "TestSynthetixReturnZero", "TestDelegateApprovals", "TestCollateralShort"):
        s.make(name)
    s.make("TestAddressResolver")
    real = s.ctx.extra.get(EXCHANGE_RATES)
    if real is None:
        s.make("TestExchangeRates", key="ExchangeRates")
        return
    s.contracts["ExchangeRates"], s.real_rates = real, True
    if int(real.functions.aggregators(BASE_KEY).call(), 16) == 0:
        s.send("ExchangeRates", "addAggregator", BASE_KEY, s.ctx.feeds["ETH"])


def _deploy_market(s: LyraSystem) -> None:
    s.make("GWAV")
    s.make("BlackScholes")
    s.make("SynthetixAdapter")
    s.send("SynthetixAdapter", "initialize")
    for name in ("OptionMarket", "OptionMarketPricer", "LiquidityPool", "ShortCollateral", "ShortPoolHedger"):
        s.make(name)
    s.make("OptionGreekCache", libraries=("GWAV", "BlackScholes"))
    s.make("LiquidityToken", "sUSD/sETH Pool Tokens", "LyraELPT")
    s.make("OptionToken", "sUSD/sETH Option Tokens", "LyraEOT")


def _join_synthetix(s: LyraSystem) -> None:
    names = {
        "ProxySynthetix": "TestSynthetixReturnZero",
        "Exchanger": "TestExchanger",
        "ExchangeRates": "ExchangeRates",
        "CollateralShort": "TestCollateralShort",
        "DelegateApprovals": "TestDelegateApprovals",
    }
    keys = [name.encode().ljust(32, b"\0") for name in names]
    s.send("TestAddressResolver", "setAddresses", keys, [s[name].address for name in names.values()])
    adapter, quote, base, market = s.pick("SynthetixAdapter", "Quote", "Base", "OptionMarket")
    s.send("TestSynthetixReturnZero", "init", adapter, quote, s["TestAddressResolver"])
    s.send("TestCollateralShort", "init", adapter, quote)
    for name in ("TestSynthetixReturnZero", "TestCollateralShort"):
        s.send(name, "addBaseAsset", BASE_KEY, base, market)
        s.send("Quote", "permitMint", s[name], True)
        s.send("Base", "permitMint", s[name], True)
    s.send("SynthetixAdapter", "setAddressResolver", s["TestAddressResolver"])
    s.send("TestExchanger", "setFeeRateForExchange", BASE_KEY, QUOTE_KEY, params.BASE_FEE)
    s.send("TestExchanger", "setFeeRateForExchange", QUOTE_KEY, BASE_KEY, params.QUOTE_FEE)
    if not s.real_rates:
        s.send("ExchangeRates", "setRateAndInvalid", BASE_KEY, params.wad(s.ctx.prices["ETH"]), False)


def _join_market(s: LyraSystem) -> None:
    adapter, market, pool, pricer, cache, shorts, token, hedger, quote, base = s.pick(
        "SynthetixAdapter", "OptionMarket", "LiquidityPool", "OptionMarketPricer", "OptionGreekCache",
        "ShortCollateral", "OptionToken", "ShortPoolHedger", "Quote", "Base",
    )  # fmt: skip
    blank = bytes(32)
    s.send("OptionMarket", "init", adapter, pool, pricer, cache, shorts, token, quote, base)
    s.send("OptionMarketPricer", "init", market, cache)
    s.send("OptionGreekCache", "init", adapter, market, pricer)
    s.send("LiquidityPool", "init", adapter, market, s["LiquidityToken"], cache, hedger, shorts, quote, base)
    s.send("LiquidityToken", "init", pool)
    s.send("ShortPoolHedger", "init", adapter, market, cache, pool, quote, base)
    s.send("ShortCollateral", "init", market, pool, token, adapter, quote, base)
    s.send("OptionToken", "init", market, cache, shorts, adapter)
    key = (QUOTE_KEY, BASE_KEY)
    s.send("SynthetixAdapter", "setGlobalsForContract", market, *key, params.SECURITY_MODULE, blank)


def _set_parameters(s: LyraSystem) -> None:
    s.send("OptionMarket", "setOptionMarketParams", params.OPTION_MARKET)
    s.send("LiquidityPool", "setLiquidityPoolParameters", params.LIQUIDITY_POOL)
    s.send("ShortPoolHedger", "setPoolHedgerParams", params.POOL_HEDGER)
    s.send("ShortPoolHedger", "setShortBuffer", params.SHORT_BUFFER)
    s.send("OptionGreekCache", "setGreekCacheParameters", params.GREEK_CACHE)
    s.send("OptionGreekCache", "setMinCollateralParameters", params.MIN_COLLATERAL)
    s.send("OptionGreekCache", "setForceCloseParameters", params.FORCE_CLOSE)
    s.send("OptionMarketPricer", "setPricingParams", params.PRICING)
    s.send("OptionMarketPricer", "setTradeLimitParams", params.TRADE_LIMIT)
    s.send("OptionMarketPricer", "setVarianceFeeParams", params.VARIANCE_FEE)
    s.send("OptionToken", "setPartialCollateralParams", params.PARTIAL_COLLATERAL)
