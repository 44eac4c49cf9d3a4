"""Pyth on the devnet: the SDK's MockPyth (no Wormhole signatures), one price with a confidence per key."""

from collections.abc import Mapping
from decimal import Decimal

from eth_abi.abi import encode
from eth_utils.crypto import keccak
from web3.contract import Contract

from chains.caip import Address
from chains.deployments import PythFeeds
from chains.devnet.artifacts import Artifact
from chains.devnet.context import ChainContext
from chains.devnet.packages import package_dir
from chains.devnet.solc import compile_sources

SOLC = "0.8.26"
EXPO = -8
CONF_RATIO = Decimal("0.0005")
"""Confidence of an undisturbed price, 5 bps: what liquid crypto pairs show on calm days."""
VALID_PERIOD_S = 60
EXTRA = "pyth"
"""Key of the MockPyth contract in ``ChainContext.extra``."""

_FEED = "(bytes32,(int64,uint64,int32,uint256),(int64,uint64,int32,uint256))"


def price_id(price_key: str) -> str:
    """Id of a price on every chain of the devnet: keccak of its name, so that nothing has to be looked up."""
    return "0x" + keccak(text=f"crossmargin devnet {price_key}/USD").hex()


def artifact() -> Artifact:
    """MockPyth, compiled once."""
    base = package_dir("@pythnetwork/pyth-sdk-solidity")
    names = ("AbstractPyth", "IPyth", "IPythEvents", "Math", "MockPyth", "PythErrors", "PythStructs", "PythUtils")
    sources = {f"pyth/{name}.sol": (base / f"{name}.sol").read_text() for name in names}
    settings = {"optimizer": {"enabled": True, "runs": 200}}
    return compile_sources(SOLC, sources, settings, {"MockPyth": "pyth/MockPyth.sol"})["MockPyth"]


def deploy(ctx: ChainContext, prices: Mapping[str, Decimal]) -> Contract:
    """Deploy the contract and publish the first prices."""
    contract = ctx.deployer.deploy(artifact(), VALID_PERIOD_S, 1)
    ctx.extra[EXTRA] = contract
    update_many(ctx, prices)
    return contract


def feeds(ctx: ChainContext, price_keys: tuple[str, ...]) -> PythFeeds:
    """Description of the deployed prices for readers."""
    return PythFeeds(Address(ctx.extra[EXTRA].address), {key: price_id(key) for key in price_keys})


def update(
    ctx: ChainContext, price_key: str, price: Decimal, conf: Decimal | None = None, publish_time: int | None = None
) -> None:
    """Publish one price in US dollars with its confidence (same unit) and publish time (chain clock if None).

    The contract ignores, silently and as the real one does, a price that is not newer than the one it has.
    """
    _send(ctx, [_encoded(price_key, price, conf, publish_time or chain_time(ctx))])


def update_many(ctx: ChainContext, prices: Mapping[str, Decimal], conf_ratio: Decimal = CONF_RATIO) -> None:
    """Publish several prices in one transaction at the chain's clock."""
    now = chain_time(ctx)
    _send(ctx, [_encoded(key, price, price * conf_ratio, now) for key, price in prices.items()])


def published(ctx: ChainContext, price_key: str) -> int:
    """Publish time of the price that the contract holds."""
    return int(ctx.extra[EXTRA].functions.getPriceUnsafe(price_id(price_key)).call()[3])


def chain_time(ctx: ChainContext) -> int:
    """Timestamp that the next block will have."""
    return int(ctx.deployer.rpc("eth_getBlockByNumber", "pending", False)["timestamp"], 16)


def _encoded(price_key: str, price: Decimal, conf: Decimal | None, publish_time: int) -> bytes:
    scaled = int(price.scaleb(-EXPO).to_integral_value())
    width = price * CONF_RATIO if conf is None else conf
    value = (scaled, max(1, int(width.scaleb(-EXPO).to_integral_value())), EXPO, publish_time)
    feed = (bytes.fromhex(price_id(price_key)[2:]), value, value)
    return encode([_FEED, "uint64"], [feed, max(0, publish_time - 1)])


def _send(ctx: ChainContext, updates: list[bytes]) -> None:
    contract = ctx.extra[EXTRA]
    ctx.deployer.send(contract.functions.updatePriceFeeds(updates), value=len(updates))
