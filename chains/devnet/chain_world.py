"""One chain of the devnet: what is deployed there, in which order, and its description for readers."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from chains.accounts import VenueId
from chains.caip import Address
from chains.deployments import ChainDeployment, ChainlinkFeed, Feeds
from chains.devnet import (
    aave,
    aave36,
    across,
    chainlink,
    lyra,
    morpho,
    multicall3,
    perp,
    pyth,
    sequencer,
    synthetix,
    tokens,
    uniswap,
    vault,
)
from chains.devnet.aave import AaveWorld
from chains.devnet.across import AcrossWorld
from chains.devnet.clock import to_present
from chains.devnet.context import PRICES, ChainContext
from chains.devnet.lyra import LyraWorld
from chains.devnet.morpho import MorphoWorld
from chains.devnet.perp import PerpWorld
from chains.devnet.synthetix import SynthetixWorld

CHAINS = {1: "ethereum", 42161: "arbitrum", 10: "optimism", 8453: "base"}
STALE_KEY = "LINK"
"""The asset that exists on one chain only and whose single feed nobody refreshes."""
STALE_CHAIN = 1
SUSD_CHAIN = 10
MORPHO_CHAIN = 8453
VAULT_CHAIN = 10
AAVE36_CHAINS = (8453,)
"""Chains whose Aave market is of v3.6; on the others it is v3.0."""
PERP_CHAINS = (42161, 10)
MARK_WINDOW_S = 15
"""Perp v2's own shortest window; its defaults are 30 and 15 min."""
HEARTBEAT_S = 3600
DEVIATION_BPS = 50
SUSD_STOCK = 100_000_000
"""sUSD of the pool's owner; only Synthetix can mint it."""


@dataclass
class Stages:
    """Seconds by stage of one chain."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Measure a block."""
        begun = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begun


@dataclass
class ChainWorld:
    """A populated chain. Venues that a chain does not have are None."""

    ctx: ChainContext
    aave: AaveWorld | None = None
    perp: PerpWorld | None = None
    synthetix: SynthetixWorld | None = None
    lyra: LyraWorld | None = None
    morpho: MorphoWorld | None = None
    across: AcrossWorld | None = None

    @property
    def venues(self) -> dict[VenueId, Mapping[str, Address]]:
        """Addresses by venue, as the readers want them."""
        found: dict[VenueId, Any] = {
            VenueId("aave-v3"): self.aave, VenueId("perp-v2"): self.perp,
            VenueId("synthetix-perps-v2"): self.synthetix, VenueId("lyra-v1"): self.lyra,
            VenueId("morpho-blue"): self.morpho, VenueId("across"): self.across,
            VenueId("uniswap-v3"): self.ctx.extra.get(uniswap.EXTRA),
        }  # fmt: skip
        return {venue: world.addresses for venue, world in found.items() if world is not None}


def price_keys(number: int) -> tuple[str, ...]:
    """Prices that have feeds on a chain."""
    absent = {STALE_KEY} if number != STALE_CHAIN else set()
    if number != SUSD_CHAIN:
        absent.add("SUSD")
    return tuple(key for key in PRICES if key not in absent)


def fresh_keys(number: int) -> tuple[str, ...]:
    """Prices that the keeper keeps fresh on a chain."""
    return tuple(key for key in price_keys(number) if key != STALE_KEY)


def populate(ctx: ChainContext, stages: Stages) -> ChainWorld:
    """Deploy tokens, feeds and every venue of the chain, then bring its clock to the present."""
    world, keys = ChainWorld(ctx), price_keys(ctx.number)
    with stages.time("tokens and feeds"):
        multicall3.deploy(ctx)
        tokens.deploy(ctx, without=() if ctx.number == STALE_CHAIN else (STALE_KEY,))
        for key in keys:
            chainlink.deploy(ctx, key, PRICES[key])
        pyth.deploy(ctx, {key: PRICES[key] for key in fresh_keys(ctx.number)})
        if ctx.number in sequencer.L2_CHAINS:
            sequencer.deploy(ctx)
    _venues(world, stages)
    with stages.time("uniswap"):
        _pools(world)
    with stages.time("clock and fresh rounds"):
        to_present(ctx)
        refresh(world)
    return world


def _venues(world: ChainWorld, stages: Stages) -> None:
    ctx = world.ctx
    with stages.time("aave"):
        world.aave = aave36.deploy(ctx) if ctx.number in AAVE36_CHAINS else aave.deploy(ctx)
    with stages.time("across"):
        world.across = across.deploy(ctx)
    if ctx.number in PERP_CHAINS:
        with stages.time("perp"):
            world.perp = perp.deploy(ctx)
            _quicken(world.perp)
    if ctx.number == MORPHO_CHAIN:
        with stages.time("morpho"):
            world.morpho = morpho.deploy(ctx)
    if ctx.number == SUSD_CHAIN:
        with stages.time("synthetix"):
            world.synthetix = synthetix.deploy(ctx)
        with stages.time("lyra"):
            world.lyra = lyra.deploy(ctx)
    if ctx.number == VAULT_CHAIN:
        with stages.time("vault"):
            vault.deploy(ctx)


def _quicken(venue: PerpWorld) -> None:
    """Let the mark price follow within seconds instead of half an hour.

    The mark is the median of a 15 s pool mean, a longer one, and the index with a mean premium. The tape plays
    hours in seconds, so the two means whose windows the venue lets its owner set become as short as the first.
    """
    config = venue.contracts["config"].functions
    venue.ctx.deployer.send(config.setMarkPriceMarketTwapInterval(MARK_WINDOW_S))
    venue.ctx.deployer.send(config.setMarkPricePremiumInterval(MARK_WINDOW_S))


def _pools(world: ChainWorld) -> None:
    ctx = world.ctx
    uniswap.deploy(ctx)
    for symbol in ("WETH", "WBTC", "DAI"):
        uniswap.add_pool(ctx, symbol)
    if world.synthetix is not None:
        world.synthetix.mint_susd(ctx.deployer.owner, SUSD_STOCK)
        uniswap.add_pool(ctx, "sUSD", stock_base=False)


def refresh(world: ChainWorld) -> None:
    """Keeper: report the present prices once more everywhere but to the feed that is meant to be stale.

    Often enough is every 10 minutes: Pyth counts for 15, Perp v2's feed for 40, Chainlink's heartbeat is an hour,
    Lyra's cached greeks hold 3 hours.
    """
    ctx = world.ctx
    prices = {key: ctx.prices[key] for key in fresh_keys(ctx.number)}
    for key, price in prices.items():
        chainlink.submit(ctx, key, price)
    pyth.update_many(ctx, prices)
    if world.perp is not None:
        world.perp.keeper_update()
    if world.lyra is not None:
        world.lyra.update_greeks()


def describe(world: ChainWorld) -> ChainDeployment:
    """What readers need to know of the chain."""
    ctx = world.ctx
    uptime, staked = ctx.extra.get(sequencer.EXTRA), ctx.extra.get(vault.EXTRA)
    feeds = Feeds(
        chainlink=tuple(
            ChainlinkFeed(key, Address(feed.address), HEARTBEAT_S, DEVIATION_BPS)
            for key, feed in ctx.feeds.items()
        ),
        pyth=pyth.feeds(ctx, fresh_keys(ctx.number)),
        twap=ctx.extra[uniswap.EXTRA].twap_pools(),
        sequencer_uptime=Address(uptime.address) if uptime is not None else None,
        rates=(staked.feed,) if staked is not None else (),
    )
    return ChainDeployment(
        ctx.chain, CHAINS[ctx.number], multicall3.CANONICAL, tuple(ctx.assets), world.venues, feeds
    )
