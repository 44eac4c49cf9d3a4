"""Synthetix v2x with PerpsV2 markets on the devnet: the release's bytecode, priced by the chain's Chainlink feeds.

Creation code and ABIs are those of ``synthetix@2.102.1`` for sepolia-ovm (the mainnet-ovm file holds run-time code
in places), market parameters those of mainnet-ovm. Names of the resolver that perps never call (staking, bridges,
debt shares) point at one empty placeholder.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from typing import Any

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3.contract import Contract

from chains.caip import Address, erc20
from chains.deployments import AssetInfo
from chains.devnet.artifacts import Abi, Artifact
from chains.devnet.context import ChainContext
from chains.devnet.packages import package_dir
from chains.evm.abi import Function
from chains.types import CallResult

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

_MUTABLE = (
    "PerpsV2Market", "PerpsV2MarketLiquidate", "PerpsV2MarketDelayedIntent", "PerpsV2MarketDelayedExecution",
)  # fmt: skip
_VIEWS = "PerpsV2MarketViews"
_DRIVEN = (
    "AddressResolver", "SystemSettings", "SystemStatus", "ExchangeRates", "FuturesMarketManager",
    "PerpsV2MarketSettings", "SynthsUSD",
)  # fmt: skip
"""What the world keeps a handle of."""
_REQUIRED = Function("resolverAddressesRequired()", "(bytes32[])")
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
    """Deploys by name and remembers what the resolver has to know.

    Two hundred transactions: contract objects of web3.py would cost more than the chain does, so calls are encoded
    by signature.
    """

    def __init__(self, ctx: ChainContext) -> None:
        self.d = ctx.deployer
        self.known: dict[str, Address] = {}
        self.sources: dict[str, str] = {}
        """Source of each known name."""
        self.libraries: dict[str, Address] = {}

    def place(self, source: str, *arguments: Any) -> Address:
        """Deploy a source, linked."""
        code = _sources()[source]
        bytecode = code.bytecode.removeprefix("0x")
        for library, address in self.libraries.items():
            # Synthetix' own build links by the hash of "<contract>.sol:<library>".
            mark = f"__${keccak(text=f'{source}.sol:{library}').hex()[:34]}$__"
            bytecode = bytecode.replace(mark, address[2:].lower())
        constructors = (item for item in code.abi if item["type"] == "constructor")
        types = [item["type"] for item in next(constructors, {"inputs": []})["inputs"]]
        receipt = self.d.transact(None, f"0x{bytecode}{encode(types, arguments).hex()}", what=f"deploy {source}")
        return Address(to_checksum_address(receipt["contractAddress"]))

    def name(self, source: str, *arguments: Any, known_as: str | None = None) -> Address:
        """Deploy a source that the resolver knows, by its own name or another."""
        name = known_as or source
        self.sources[name], self.known[name] = source, self.place(source, *arguments)
        return self.known[name]

    def send(self, to: Address, signature: str, *arguments: Any) -> None:
        """Call as the owner of everything."""
        call = Function(signature).call(to, *arguments)
        self.d.transact(to, f"0x{call.data.hex()}", what=signature)

    def contract(self, name: str) -> Contract:
        """Contract object of a known name."""
        return self.d.at(self.known[name], _sources()[self.sources[name]].abi)


def deploy(ctx: ChainContext) -> SynthetixWorld:
    """Deploy the system, sUSD and the markets; register sUSD and the markets' base synths as assets."""
    build = _Build(ctx)
    _system(build)
    for symbol, price_key in {"sUSD": "SUSD", **{f"s{key}": key for key in MARKETS.values()}}.items():
        _synth(build, ctx, symbol, price_key)
    _resolve(build)
    _configure(build, ctx)
    system = {name: build.contract(name) for name in _DRIVEN}
    ctx.extra[EXCHANGE_RATES] = system["ExchangeRates"]
    markets = {market: _market(build, market) for market in MARKETS}
    return SynthetixWorld(ctx, system, ctx.tokens["sUSD"], markets)


def _system(build: _Build) -> None:
    """Contracts that exist once, in the order of their dependencies."""
    owner = build.d.owner
    for library in ("SafeDecimalMath", "SystemSettingsLib", "ExchangeSettlementLib"):
        build.libraries[library] = build.place(library)
    resolver = build.name("AddressResolver", owner)
    build.name("FlexibleStorage", resolver)
    build.name("SystemStatus", owner)
    for name in (
        "SystemSettings", "ExchangeRates", "CircuitBreaker", "Exchanger", "DirectIntegrationManager", "DebtCache",
        "Issuer", "FuturesMarketManager", "PerpsV2MarketSettings", "PerpsV2ExchangeRate",
    ):  # fmt: skip
        build.name(name, owner, resolver)
    build.name("ExchangeState", owner, build.known["Exchanger"])
    build.name("DelegateApprovals", owner, build.place("EternalStorage", owner, _ZERO))
    loans = build.place("CollateralManagerState", owner, _ZERO)
    build.name("CollateralManager", loans, owner, resolver, *_COLLATERAL_LIMITS)
    fee_proxy = build.place("Proxy", owner)
    build.send(fee_proxy, "setTarget(address)", build.name("FeePool", fee_proxy, owner, resolver))
    build.name("FeePoolEternalStorage", owner, build.known["FeePool"])


def _synth(build: _Build, ctx: ChainContext, symbol: str, price_key: str) -> None:
    """A synth: balances in a token state, the token behind a proxy whose address is the asset."""
    owner, resolver = build.d.owner, build.known["AddressResolver"]
    proxy, state = build.place("ProxyERC20", owner), build.place("TokenState", owner, _ZERO)
    terms = (f"Synth {symbol}", symbol, owner, key32(symbol), 0, resolver)
    synth = build.name("MultiCollateralSynth", proxy, state, *terms, known_as=f"Synth{symbol}")
    build.send(state, "setAssociatedContract(address)", synth)
    build.send(proxy, "setTarget(address)", synth)
    ctx.tokens[symbol] = build.d.at(proxy, _sources()["MultiCollateralSynth"].abi)
    info = AssetInfo(erc20(ctx.chain, proxy), symbol, 18, price_key, price_key)
    ctx.assets.append(replace(info, peg="USD") if symbol == "sUSD" else info)


def _resolve(build: _Build) -> None:
    """Name every contract in the resolver, placeholders included, and let all of them look the names up."""
    mixins = [build.known[name] for name, source in build.sources.items() if _has(source, _REQUIRED.name)]
    required: set[bytes] = set()
    for mixin in mixins:
        answer = build.d.rpc("eth_call", {"to": mixin, "data": f"0x{_REQUIRED.selector.hex()}"}, "latest")
        required |= set(_REQUIRED.decode(CallResult(True, bytes.fromhex(answer[2:])))[0])
    names = {key32(name): address for name, address in build.known.items()}
    names |= dict.fromkeys(required - names.keys(), build.place(_PLACEHOLDER))
    imports = (list(names), list(names.values()))
    build.send(build.known["AddressResolver"], "importAddresses(bytes32[],address[])", *imports)
    for mixin in mixins:
        build.send(mixin, "rebuildCache()")


def _has(source: str, function: str) -> bool:
    return any(item.get("name") == function for item in _sources()[source].abi)


def _configure(build: _Build, ctx: ChainContext) -> None:
    """Stale period, feeds and the settings that all markets share."""
    known = build.known
    build.send(known["SystemSettings"], "setRateStalePeriod(uint256)", RATE_STALE_PERIOD_S)
    build.send(known["SystemSettings"], "setPriceDeviationThresholdFactor(uint256)", 3 * 10**18)  # index.js
    for price_key in MARKETS.values():
        feed = ctx.feeds[price_key].address
        build.send(known["ExchangeRates"], "addAggregator(bytes32,address)", key32(f"s{price_key}"), feed)
    build.send(known["Issuer"], "addSynth(address)", known["SynthsUSD"])
    for setter, value in GLOBALS.items():
        build.send(known["PerpsV2MarketSettings"], f"{setter}(uint256)", value)


def _market(build: _Build, market: str) -> Contract:
    """One market: state, five implementations, and a proxy that routes every function to one of them."""
    owner, known, base_asset = build.d.owner, build.known, _market_parameters()[market]["asset"]
    proxy = build.place("ProxyPerpsV2", owner)
    state = build.place("PerpsV2MarketState", owner, [], key32(base_asset), key32(market), _ZERO)
    governed = (state, owner, known["AddressResolver"])
    parts = {name: build.place(name, proxy, *governed) for name in _MUTABLE}
    build.send(state, "addAssociatedContracts(address[])", list(parts.values()))
    build.send(state, "linkOrInitializeState()")
    execution = parts["PerpsV2MarketDelayedExecution"]
    build.send(known["PerpsV2ExchangeRate"], "addAssociatedContracts(address[])", [execution])
    parts[_VIEWS] = build.place(_VIEWS, *governed)
    for name, part in parts.items():
        build.send(part, "rebuildCache()")
        for function in _functions(name):
            selector, is_view = keccak(text=_signature(function))[:4], function["stateMutability"] == "view"
            build.send(proxy, "addRoute(bytes4,address,bool)", selector, part, is_view)
    build.send(known["FuturesMarketManager"], "addProxiedMarkets(address[])", [proxy])
    settings = build.contract("PerpsV2MarketSettings")
    build.d.send(settings.functions.setParameters(key32(market), _parameters(market)))
    return build.d.at(proxy, _market_abi())


@cache
def _market_abi() -> Abi:
    """Functions of all implementations, as the proxy has them."""
    return [function for name in (*_MUTABLE, _VIEWS) for function in _functions(name)]


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
