"""Synthetix v2x with PerpsV2 markets on the devnet: the release's bytecode, priced by the chain's Chainlink feeds.

Creation code and ABIs are those of ``synthetix@2.102.1`` for sepolia-ovm (the mainnet-ovm file holds run-time code
in places), market parameters those of mainnet-ovm. Names of the resolver that perps never call (staking, bridges,
debt shares) point at one empty placeholder.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from eth_utils.crypto import keccak
from web3.contract import Contract

from chains.caip import Address, erc20
from chains.deployments import AssetInfo
from chains.devnet.artifacts import Abi, Artifact
from chains.devnet.context import ChainContext
from chains.devnet.packages import package_dir

EXCHANGE_RATES = "synthetix.exchange_rates"
"""Key of the real ExchangeRates contract in ``ChainContext.extra``; Lyra takes its spot price from it."""
MARKETS = {"sETHPERP": "ETH", "sBTCPERP": "BTC"}
"""Price key of the feed behind each market."""
RATE_STALE_PERIOD_S = 90_000
"""25 h, the package's default. Mainnet has 4,200 s, which a devnet left alone would exceed."""
GLOBALS = {
    "setMinInitialMargin": 40 * 10**18,  # before the keeper fees: the setter compares them
    "setMaxKeeperFee": 100 * 10**18,
    "setMinKeeperFee": 4 * 10**18,
    "setLiquidationFeeRatio": 2 * 10**14,
    "setKeeperLiquidationFee": 2 * 10**18,
}
"""mainnet-ovm/params.json, and index.js defaults where that file is silent (first and last line)."""

_IMPLEMENTATIONS = ("Market", "MarketLiquidate", "MarketDelayedIntent", "MarketDelayedExecution")
_COLLATERAL_LIMITS = (75 * 10**24, 2 * 10**17, 950_662_938, 158_443_823)
"""Debt ceiling, skew rate, borrow and short rate of mainnet-ovm/params.json; no loan is ever taken here."""
_PLACEHOLDER = "EmptyEtherWrapper"
_ZERO = "0x" + "0" * 40
_NO_LIMIT = 2**127


@cache
def _sources() -> dict[str, Artifact]:
    published = package_dir("synthetix") / "publish" / "deployed" / "sepolia-ovm" / "deployment.json"
    sources = json.loads(published.read_text())["sources"]
    wanted = ("function", "constructor")  # events only slow contract objects down
    return {
        name: Artifact(name, [part for part in item["abi"] if part["type"] in wanted], item["bytecode"])
        for name, item in sources.items()
    }


@cache
def _market_parameters() -> dict[str, dict[str, Any]]:
    published = package_dir("synthetix") / "publish" / "deployed" / "mainnet-ovm" / "perpsv2-markets.json"
    return {item["marketKey"]: item for item in json.loads(published.read_text())}


def key32(text: str) -> bytes:
    """Name as Synthetix keys it: ASCII, padded with zero bytes on the right."""
    return text.encode().ljust(32, b"\0")


def _wei(amount: Decimal | int | str) -> int:
    return int(Decimal(amount) * 10**18)


def _functions(name: str) -> Abi:
    """Functions of a market implementation that are its own, that is: not of the proxy and ownership plumbing."""
    plumbing = {f["name"] for f in _sources()["PerpsV2MarketLiquidate"].abi if f["type"] == "function"}
    plumbing -= {"flagPosition", "liquidatePosition", "forceLiquidatePosition"}
    return [f for f in _sources()[name].abi if f["type"] == "function" and f["name"] not in plumbing]


@dataclass
class SynthetixWorld:
    """Contracts of one chain and what the cast does with them."""

    ctx: ChainContext
    system: Mapping[str, Contract]
    susd: Contract
    """Token proxy."""
    markets: Mapping[str, Contract]
    """Market proxies, with the functions of all their implementations, by market key."""

    @property
    def addresses(self) -> dict[str, Address]:
        """What the reader needs: ``futures_market_manager``, ``settings``, ``system_status``, ``susd``."""
        return {
            "futures_market_manager": Address(self.system["FuturesMarketManager"].address),
            "settings": Address(self.system["PerpsV2MarketSettings"].address),
            "system_status": Address(self.system["SystemStatus"].address),
            "susd": Address(self.susd.address),
        }

    def mint_susd(self, user: str, amount: Decimal | int | str) -> None:
        """Give sUSD, issued as the perps themselves issue it."""
        manager = self.system["FuturesMarketManager"].address
        self.ctx.deployer.impersonate(manager)
        self.ctx.deployer.send(self.system["SynthsUSD"].functions.issue(user, _wei(amount)), sender=manager)

    def deposit(self, user: str, market: str, amount: Decimal | int | str) -> None:
        """Move sUSD of the user into the market's isolated account."""
        self.ctx.deployer.send(self.markets[market].functions.transferMargin(_wei(amount)), sender=user)

    def withdraw(self, user: str, market: str, amount: Decimal | int | str) -> None:
        """Take sUSD out; the market refuses what it finds too much."""
        self.ctx.deployer.send(self.markets[market].functions.transferMargin(-_wei(amount)), sender=user)

    def trade(self, user: str, market: str, size: Decimal | int | str) -> None:
        """Atomic order of a signed size in base units at any price."""
        raw = _wei(size)
        order = self.markets[market].functions.modifyPosition(raw, _NO_LIMIT if raw > 0 else 0)
        self.ctx.deployer.send(order, sender=user)

    def submit_delayed(self, user: str, market: str, size: Decimal | int | str) -> None:
        """Leave a delayed order pending: until it is executed or cancelled the account cannot be touched."""
        raw, wait_s = _wei(size), 60  # the market's minDelayTimeDelta
        order = self.markets[market].functions.submitDelayedOrder(raw, wait_s, _NO_LIMIT if raw > 0 else 0)
        self.ctx.deployer.send(order, sender=user)

    def flag(self, user: str, market: str) -> None:
        """Flag a liquidatable position; nothing but liquidation can happen to it afterwards."""
        self.ctx.deployer.send(self.markets[market].functions.flagPosition(user))

    def liquidate(self, user: str, market: str) -> None:
        """Liquidate a flagged position as an endorsed keeper, whom no price-impact limit binds."""
        d = self.ctx.deployer
        d.send(self.system["FuturesMarketManager"].functions.addEndorsedAddresses([d.owner]))
        d.send(self.markets[market].functions.forceLiquidatePosition(user))


class _Build:
    """Deploys by name and remembers what the resolver has to know."""

    def __init__(self, ctx: ChainContext) -> None:
        self.d = ctx.deployer
        self.known: dict[str, Contract] = {}
        self.libraries: dict[str, str] = {}

    def library(self, name: str) -> None:
        self.libraries[name] = self.new(name, known_as="").address

    def new(self, source: str, *arguments: Any, known_as: str | None = None) -> Contract:
        """Deploy a source, linked; ``known_as`` is its name in the resolver ('' for none)."""
        code = _sources()[source]
        bytecode = code.bytecode.removeprefix("0x")
        for library, address in self.libraries.items():
            # Synthetix' own build links by the hash of "<contract>.sol:<library>".
            mark = f"__${keccak(text=f'{source}.sol:{library}').hex()[:34]}$__"
            bytecode = bytecode.replace(mark, address[2:].lower())
        contract = self.d.deploy(Artifact(source, code.abi, bytecode), *arguments)
        if known_as != "":
            self.known[known_as or source] = contract
        return contract

    def named(self, source: str, *, known_as: str | None = None) -> Contract:
        """Deploy one of the many with the constructor (owner, resolver)."""
        return self.new(source, self.d.owner, self.known["AddressResolver"].address, known_as=known_as)


def deploy(ctx: ChainContext) -> SynthetixWorld:
    """Deploy the system, sUSD and the markets; register sUSD and the markets' base synths as assets."""
    build = _Build(ctx)
    _system(build)
    for symbol, price_key in {"sUSD": "SUSD", **{f"s{key}": key for key in MARKETS.values()}}.items():
        _synth(build, ctx, symbol, price_key)
    _resolve(build)
    _configure(build, ctx)
    ctx.extra[EXCHANGE_RATES] = build.known["ExchangeRates"]
    markets = {market: _market(build, market) for market in MARKETS}
    return SynthetixWorld(ctx, build.known, ctx.tokens["sUSD"], markets)


def _system(build: _Build) -> None:
    """Contracts that exist once, in the order of their dependencies."""
    owner, libraries = build.d.owner, ("SafeDecimalMath", "SystemSettingsLib", "ExchangeSettlementLib")
    for library in libraries:
        build.library(library)
    resolver = build.new("AddressResolver", owner).address
    build.new("FlexibleStorage", resolver)
    build.new("SystemStatus", owner)
    for name in (
        "SystemSettings", "ExchangeRates", "CircuitBreaker", "Exchanger", "DirectIntegrationManager", "DebtCache",
        "Issuer", "FuturesMarketManager", "PerpsV2MarketSettings", "PerpsV2ExchangeRate",
    ):  # fmt: skip
        build.named(name)
    build.new("ExchangeState", owner, build.known["Exchanger"].address)
    approvals = build.new("EternalStorage", owner, _ZERO, known_as="DelegateApprovalsEternalStorage")
    build.new("DelegateApprovals", owner, approvals.address)
    state = build.new("CollateralManagerState", owner, _ZERO, known_as="")
    build.new("CollateralManager", state.address, owner, resolver, *_COLLATERAL_LIMITS)
    fee_proxy = build.new("Proxy", owner, known_as="ProxyFeePool")
    fee_pool = build.new("FeePool", fee_proxy.address, owner, resolver)
    build.d.send(fee_proxy.functions.setTarget(fee_pool.address))
    build.new("FeePoolEternalStorage", owner, fee_pool.address)


def _synth(build: _Build, ctx: ChainContext, symbol: str, price_key: str) -> None:
    """A synth: balances in a token state, the token behind a proxy whose address is the asset."""
    d = build.d
    proxy = build.new("ProxyERC20", d.owner, known_as=f"Proxy{symbol}")
    state = build.new("TokenState", d.owner, _ZERO, known_as="")
    resolver = build.known["AddressResolver"].address
    terms = (f"Synth {symbol}", symbol, d.owner, key32(symbol), 0, resolver)
    synth = build.new("MultiCollateralSynth", proxy.address, state.address, *terms, known_as=f"Synth{symbol}")
    d.send(state.functions.setAssociatedContract(synth.address))
    d.send(proxy.functions.setTarget(synth.address))
    ctx.tokens[symbol] = d.at(proxy.address, _sources()["MultiCollateralSynth"].abi)
    asset = erc20(ctx.chain, Address(proxy.address))
    ctx.assets.append(AssetInfo(asset, symbol, 18, price_key, price_key, peg="USD" if symbol == "sUSD" else ""))


def _resolve(build: _Build) -> None:
    """Name every contract in the resolver, placeholders included, and let all of them look the names up."""
    mixins = [c for c in build.known.values() if _has(c, "resolverAddressesRequired")]
    required = {name for c in mixins for name in c.functions.resolverAddressesRequired().call()}
    names = {key32(name): contract.address for name, contract in build.known.items()}
    placeholder = build.new(_PLACEHOLDER, known_as="").address
    names |= dict.fromkeys(required - names.keys(), placeholder)
    build.d.send(build.known["AddressResolver"].functions.importAddresses(list(names), list(names.values())))
    for contract in mixins:
        build.d.send(contract.functions.rebuildCache())


def _has(contract: Contract, function: str) -> bool:
    return any(item.get("name") == function for item in contract.abi)


def _configure(build: _Build, ctx: ChainContext) -> None:
    """Stale period, feeds and the settings that all markets share."""
    d, known = build.d, build.known
    d.send(known["SystemSettings"].functions.setRateStalePeriod(RATE_STALE_PERIOD_S))
    d.send(known["SystemSettings"].functions.setPriceDeviationThresholdFactor(3 * 10**18))  # index.js
    for price_key in MARKETS.values():
        feed = ctx.feeds[price_key].address
        d.send(known["ExchangeRates"].functions.addAggregator(key32(f"s{price_key}"), feed))
    d.send(known["Issuer"].functions.addSynth(known["SynthsUSD"].address))
    for setter, value in GLOBALS.items():
        d.send(known["PerpsV2MarketSettings"].functions[setter](value))


def _market(build: _Build, market: str) -> Contract:
    """One market: state, five implementations, and a proxy that routes every function to one of them."""
    d, known = build.d, build.known
    resolver, base_asset = known["AddressResolver"].address, _market_parameters()[market]["asset"]
    proxy = build.new("ProxyPerpsV2", d.owner, known_as="")
    state = build.new("PerpsV2MarketState", d.owner, [], key32(base_asset), key32(market), _ZERO, known_as="")
    parts = {
        f"PerpsV2{part}": build.new(f"PerpsV2{part}", proxy.address, state.address, d.owner, resolver, known_as="")
        for part in _IMPLEMENTATIONS
    }
    mutable = [part.address for part in parts.values()]
    parts["PerpsV2MarketViews"] = build.new("PerpsV2MarketViews", state.address, d.owner, resolver, known_as="")
    abi: Abi = []
    for name, part in parts.items():
        d.send(part.functions.rebuildCache())
        for function in _functions(name):
            selector = keccak(text=_signature(function))[:4]
            d.send(proxy.functions.addRoute(selector, part.address, function["stateMutability"] == "view"))
            abi.append(function)
    d.send(state.functions.addAssociatedContracts(mutable))
    d.send(state.functions.linkOrInitializeState())
    execution = parts["PerpsV2MarketDelayedExecution"].address
    d.send(known["PerpsV2ExchangeRate"].functions.addAssociatedContracts([execution]))
    d.send(known["FuturesMarketManager"].functions.addProxiedMarkets([proxy.address]))
    terms = _parameters(market)
    d.send(known["PerpsV2MarketSettings"].functions.setParameters(key32(market), terms))
    return d.at(proxy.address, abi)


def _signature(function: Mapping[str, Any]) -> str:
    return f"{function['name']}({','.join(item['type'] for item in function['inputs'])})"


def _parameters(market: str) -> tuple[Any, ...]:
    """Parameters of mainnet-ovm in the order of the setter's struct.

    Atomic orders, switched off on mainnet by a fee of 30 %, cost here what off-chain delayed orders cost there.
    """
    abi = _sources()["PerpsV2MarketSettings"].abi
    (setter,) = (item for item in abi if item.get("name") == "setParameters")
    given = dict(_market_parameters()[market])
    for side in ("maker", "taker"):
        given[f"{side}Fee"] = given[f"{side}FeeDelayedOrder"] = given[f"{side}FeeOffchainDelayedOrder"]
    whole = {"nextPriceConfirmWindow", "delayedOrderConfirmWindow", "minDelayTimeDelta", "maxDelayTimeDelta",
             "offchainDelayedOrderMinAge", "offchainDelayedOrderMaxAge"}  # fmt: skip
    values: list[int | bytes] = []
    for component in setter["inputs"][1]["components"]:
        name = component["name"]
        if component["type"] == "bytes32":
            values.append(key32(given[name]))
        else:
            values.append(int(given[name]) if name in whole else _wei(given[name]))
    return tuple(values)
