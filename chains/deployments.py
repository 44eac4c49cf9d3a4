"""Where things are on each chain: assets, venue contracts, price feeds. Plain data, loaded from JSON or TOML.

The devnet writes one of these after deploying; for public networks it comes from the settings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chains.accounts import VenueId
from chains.caip import Address, AssetId, ChainId


@dataclass(frozen=True, slots=True)
class AssetInfo:
    """One asset on one chain."""

    asset: AssetId
    symbol: str
    decimals: int
    price_key: str
    """What price sources quote it as: ``ETH`` for ether and WETH, ``USDC``, …"""
    factor: str
    """Risk factor that moves it. Wrapped and bridged forms keep the factor and name their own ``basis``."""
    basis: str = ""
    """Name of the basis factor of a wrapped or bridged form; '' for the thing itself."""
    peg: str = ""
    """``USD`` for stablecoins: they carry depeg scenarios."""


@dataclass(frozen=True, slots=True)
class ChainlinkFeed:
    """An EACAggregatorProxy quoting ``price_key`` in US dollars."""

    price_key: str
    proxy: Address
    heartbeat_s: int
    deviation_bps: int


@dataclass(frozen=True, slots=True)
class PythFeeds:
    """The Pyth contract and the ids (0x and 64 hex digits) of its prices by price key, all in US dollars."""

    contract: Address
    ids: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TwapPool:
    """A Uniswap v3 pool that prices ``price_key`` in ``quote_key``."""

    price_key: str
    quote_key: str
    pool: Address
    base_is_token0: bool
    base_decimals: int
    quote_decimals: int
    window_s: int
    fee: int = 3000
    """Fee tier, millionths of what is sold; needed to trade through the pool, not to read its price."""


@dataclass(frozen=True, slots=True)
class RateFeed:
    """A contract that says how much of ``quote_key`` stands behind one ``price_key`` (a staked token's rate)."""

    price_key: str
    quote_key: str
    contract: Address
    kind: str
    """Which function tells it: a name of ``oracles.sources.rates.GETTERS``."""
    decimals: int = 18


@dataclass(frozen=True, slots=True)
class BridgedToken:
    """A token whose backing lies in an escrow on another chain."""

    price_key: str
    token: Address
    decimals: int
    home_chain: ChainId
    home_token: Address
    escrow: Address
    home_decimals: int


@dataclass(frozen=True, slots=True)
class Feeds:
    """Price feeds of one chain."""

    chainlink: tuple[ChainlinkFeed, ...] = ()
    pyth: PythFeeds | None = None
    twap: tuple[TwapPool, ...] = ()
    sequencer_uptime: Address | None = None
    rates: tuple[RateFeed, ...] = ()
    bridged: tuple[BridgedToken, ...] = ()


@dataclass(frozen=True, slots=True)
class ChainDeployment:
    """Everything that is deployed on one chain."""

    chain: ChainId
    name: str
    multicall3: Address
    assets: tuple[AssetInfo, ...]
    venues: Mapping[VenueId, Mapping[str, Address]] = field(default_factory=dict)
    """Contract addresses of each venue by the names that the venue's reader documents."""
    feeds: Feeds = field(default_factory=Feeds)

    def asset(self, asset: AssetId) -> AssetInfo | None:
        """Registered asset, None where the asset is not known."""
        return next((info for info in self.assets if info.asset == asset), None)
