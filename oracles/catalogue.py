"""Which sources a deployment has."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from chains.accounts import VenueId
from chains.deployments import ChainDeployment, TwapPool
from chains.protocols import ChainClient
from oracles.params import PriceParams
from oracles.protocols import PriceSource, VolSource
from oracles.sources.chainlink import ChainlinkSource
from oracles.sources.guard import SequencerGuard
from oracles.sources.pyth import PythSource
from oracles.sources.rates import RateSource
from oracles.sources.twap import TwapSource
from oracles.sources.venues import AaveOracleSource, SynthetixRatesSource
from oracles.sources.vol_surfaces import DeriveVolSource, LyraVolSource

SYNTHS = {"ETH": "sETH", "BTC": "sBTC", "LINK": "sLINK", "SUSD": "sUSD"}
"""Synthetix' currency of a price key."""


def sources_of(client: ChainClient, deployment: ChainDeployment, params: PriceParams) -> tuple[PriceSource, ...]:
    """Sources of one chain: Chainlink, then Pyth, the pools and the rates, as far as it has them.

    On a chain with an uptime feed each of them is silent while the sequencer cannot be relied on.
    """
    limits, feeds = params.sources, deployment.feeds
    chainlink = ChainlinkSource(client, feeds.chainlink, limits)
    sources: list[PriceSource] = [chainlink] if feeds.chainlink else []
    if feeds.pyth is not None:
        sources.append(PythSource(client, feeds.pyth, limits))
    if feeds.twap:
        sources.append(TwapSource(client, with_mirrors(feeds.twap, params), chainlink, limits))
    if feeds.rates:
        sources.append(RateSource(client, feeds.rates, limits))
    if feeds.sequencer_uptime is None:
        return tuple(sources)
    return tuple(SequencerGuard(source, deployment.chain) for source in sources)


def venue_facts(client: ChainClient, deployment: ChainDeployment) -> tuple[PriceSource, ...]:
    """What venues on a chain believe: shown beside the prices, without a vote."""
    sources: list[PriceSource] = []
    if (aave := deployment.venues.get(VenueId("aave-v3"))) is not None:
        sources.append(AaveOracleSource(client, aave["pool"], deployment.assets))
    if (synthetix := deployment.venues.get(VenueId("synthetix-perps-v2"))) is not None:
        sources.append(SynthetixRatesSource(client, synthetix["futures_market_manager"], SYNTHS))
    return tuple(sources)


def surfaces_of(
    client: ChainClient, deployment: ChainDeployment, asset: str, wanted: Sequence[tuple[int, Decimal]] = ()
) -> tuple[VolSource, ...]:
    """Volatility surfaces of an asset on a chain.

    ``wanted`` are (expiry, strike in USD): Derive's feed holds a surface without a list of what is traded on it.
    """
    sources: list[VolSource] = []
    if (market := deployment.venues.get(VenueId("lyra-v1"), {}).get(f"{asset}.option_market")) is not None:
        sources.append(LyraVolSource(client, asset, market))
    if (feed := deployment.venues.get(VenueId("derive-v2"), {}).get(f"vol_feed:{asset}")) is not None:
        sources.append(DeriveVolSource(client, asset, feed, wanted))
    return tuple(sources)


def with_mirrors(pools: tuple[TwapPool, ...], params: PriceParams) -> tuple[TwapPool, ...]:
    """The pools, and read the other way round the first pool of its class that prices a quote token.

    A pool of two stablecoins tells the price of either; one of ether and a stablecoin would price the latter
    with the width of ether.
    """
    priced = {pool.price_key for pool in pools}
    mirrors: dict[str, TwapPool] = {}
    for pool in pools:
        alike = params.class_of(pool.price_key) == params.class_of(pool.quote_key)
        if alike and pool.quote_key not in priced:
            mirrors.setdefault(pool.quote_key, mirrored(pool))
    return (*pools, *mirrors.values())


def mirrored(pool: TwapPool) -> TwapPool:
    """The same pool pricing its quote token in its base token."""
    return replace(
        pool,
        price_key=pool.quote_key,
        quote_key=pool.price_key,
        base_is_token0=not pool.base_is_token0,
        base_decimals=pool.quote_decimals,
        quote_decimals=pool.base_decimals,
    )
