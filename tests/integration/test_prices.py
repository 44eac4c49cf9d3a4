"""The price layer against a chain with real Chainlink and Uniswap contracts and the SDK's Pyth."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from chains.caip import Address
from chains.cut import ChainRule, cut
from chains.deployments import ChainDeployment, ChainlinkFeed, Feeds
from chains.devnet import anvil, chainlink, pyth, sequencer, uniswap
from chains.devnet.artifacts import sol_compiler
from chains.devnet.clock import BOOT_LEAD_S, to_present, wall_s
from chains.devnet.context import ChainContext
from chains.devnet.packages import package_dir
from chains.evm.client import EvmClient
from chains.evm.rpc import HttpTransport
from chains.types import Cut, Finality
from oracles.catalogue import sources_of
from oracles.reconcile import reconcile
from oracles.types import PriceBook, PriceStatus, Quotes, merge
from tests.kit.lone_chain import lone_chain
from tests.kit.quotes import PARAMS

pytestmark = pytest.mark.devnet

KEYS = ("ETH", "BTC", "USDC", "DAI")
NOBODY = "0x" + "0" * 40


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[ChainContext, anvil.Anvil]]:
    # Booted in the past, so that the pools are older than their window.
    with lone_chain(10, "--timestamp", str(wall_s() - BOOT_LEAD_S)) as (ctx, node):
        pyth.deploy(ctx, {key: ctx.prices[key] for key in KEYS})
        sequencer.deploy(ctx)
        uniswap.deploy(ctx)
        for symbol in ("WETH", "WBTC", "DAI"):
            uniswap.add_pool(ctx, symbol)
        to_present(ctx)
        for key in KEYS:
            chainlink.submit(ctx, key, ctx.prices[key])
        pyth.update_many(ctx, {key: ctx.prices[key] for key in KEYS})
        yield ctx, node


@pytest.fixture
async def ctx(world: tuple[ChainContext, anvil.Anvil]) -> AsyncIterator[ChainContext]:
    """The chain as it was deployed, whatever the tests before did to it."""
    context, _ = world
    snapshot, prices = context.deployer.rpc("evm_snapshot"), dict(context.prices)
    yield context
    context.deployer.rpc("evm_revert", snapshot)
    context.prices.update(prices)


@pytest.fixture
async def client(ctx: ChainContext, world: tuple[ChainContext, anvil.Anvil]) -> AsyncIterator[EvmClient]:
    async with HttpTransport(ctx.chain, [world[1].http_url]) as transport:
        yield EvmClient(ctx.chain, transport)


def deployment(ctx: ChainContext) -> ChainDeployment:
    feeds = Feeds(
        chainlink=tuple(ChainlinkFeed(key, Address(ctx.feeds[key].address), 3600, 50) for key in KEYS),
        pyth=pyth.feeds(ctx, KEYS),
        twap=ctx.extra[uniswap.EXTRA].twap_pools(),
        sequencer_uptime=Address(ctx.extra[sequencer.EXTRA].address),
    )
    return ChainDeployment(ctx.chain, "optimism", Address(NOBODY), tuple(ctx.assets), feeds=feeds)


def later(ctx: ChainContext, seconds: int) -> None:
    """Let time pass and a block be mined."""
    ctx.deployer.rpc("evm_increaseTime", seconds)
    ctx.deployer.rpc("evm_mine")


async def ask(ctx: ChainContext, client: EvmClient, grace_s: int = 0) -> tuple[Quotes, PriceBook]:
    head = await client.head(Finality.LATEST)
    known = deployment(ctx)
    rule = ChainRule(sequencer_uptime=known.feeds.sequencer_uptime, sequencer_grace_s=grace_s)
    at = await cut({ctx.chain: client}, Finality.LATEST, head.timestamp, rules={ctx.chain: rule})
    sources = sources_of(client, known, PARAMS)
    quotes = merge([await source.quotes(KEYS, at, head.timestamp) for source in sources])
    return quotes, reconcile(quotes, head.timestamp, PARAMS)


async def test_three_sources_agree_on_what_was_deployed(ctx: ChainContext, client: EvmClient) -> None:
    quotes, book = await ask(ctx, client)
    assert quotes.gaps == ()
    for key in KEYS:
        price = book[key]
        assert price.status is PriceStatus.OK, price.reason
        assert price.low is not None
        assert price.mid is not None
        assert price.high is not None
        assert price.low <= ctx.prices[key] <= price.high
        assert abs(price.mid / ctx.prices[key] - 1) < Decimal("0.0002")
        assert [vote.group for vote in price.contributors] == ["chainlink", "pyth", "uniswap"]


async def test_a_crash_is_followed_before_the_pools_mean_is(ctx: ChainContext, client: EvmClient) -> None:
    chainlink.submit(ctx, "ETH", Decimal(2400))
    uniswap.align(ctx, "ETH", Decimal(2400))
    later(ctx, 20)
    pyth.update(ctx, "ETH", Decimal(2398))
    price = (await ask(ctx, client))[1]["ETH"]
    assert price.status is PriceStatus.DEGRADED
    assert price.mid == 2400
    assert [d.reason for d in price.dissenters] == ["outside_band"]


async def test_the_pools_mean_follows_after_its_window(ctx: ChainContext, client: EvmClient) -> None:
    chainlink.submit(ctx, "ETH", Decimal(2400))
    uniswap.align(ctx, "ETH", Decimal(2400))
    later(ctx, 2 * uniswap.WINDOW_S)
    pyth.update(ctx, "ETH", Decimal(2400))
    price = (await ask(ctx, client))[1]["ETH"]
    assert price.status is PriceStatus.OK
    assert price.mid is not None
    assert abs(price.mid / 2400 - 1) < Decimal("0.0002")


async def test_a_depeg_is_believed(ctx: ChainContext, client: EvmClient) -> None:
    chainlink.submit(ctx, "USDC", Decimal("0.9"))
    uniswap.align_all(ctx)
    later(ctx, 2 * uniswap.WINDOW_S)
    pyth.update_many(ctx, {"USDC": Decimal("0.9"), "DAI": Decimal(1), "ETH": Decimal(3000)})
    book = (await ask(ctx, client))[1]
    for key, expected in (("USDC", "0.9"), ("DAI", "1"), ("ETH", "3000")):
        price = book[key]
        assert price.status is PriceStatus.OK, price.reason
        assert price.mid is not None
        assert abs(price.mid / Decimal(expected) - 1) < Decimal("0.0005")


async def test_prices_that_nobody_pushes_become_stale(ctx: ChainContext, client: EvmClient) -> None:
    later(ctx, 1000)
    price = (await ask(ctx, client))[1]["ETH"]
    assert price.status is PriceStatus.STALE
    assert price.mid is None
    assert "pyth@eip155:10: stale" in price.reason


async def test_a_sequencer_that_is_down_leaves_no_price(ctx: ChainContext, client: EvmClient) -> None:
    sequencer.set_down(ctx, True)
    quotes, book = await ask(ctx, client)
    assert {gap.reason for gap in quotes.gaps} == {"sequencer"}
    assert book["ETH"].status is PriceStatus.INSUFFICIENT
    assert "sequencer is down since" in book["ETH"].reason


async def test_the_grace_after_an_outage_is_kept(ctx: ChainContext, client: EvmClient) -> None:
    sequencer.set_down(ctx, True)
    later(ctx, 10)
    sequencer.set_down(ctx, False)
    assert (await ask(ctx, client, grace_s=3600))[1]["ETH"].status is PriceStatus.INSUFFICIENT
    assert (await ask(ctx, client, grace_s=0))[1]["ETH"].status is PriceStatus.OK


async def test_a_feed_without_answer_is_a_gap(ctx: ChainContext, client: EvmClient) -> None:
    d, abi = ctx.deployer, package_dir("@chainlink/contracts") / "abi" / "v0.6"
    flux = sol_compiler(abi / "FluxAggregator.json")
    aggregator = d.deploy(flux, NOBODY, 0, 0, NOBODY, 1, 10**20, 8, "ETH / USD")
    empty = d.deploy(sol_compiler(abi / "EACAggregatorProxy.json"), aggregator.address, NOBODY)
    silent = replace(ctx, feeds={**ctx.feeds, "ETH": empty})
    quotes, book = await ask(silent, client)
    (gap,) = quotes.gaps
    assert (gap.reason, gap.detail) == ("no_answer", "latestRoundData: reverted: No data present")
    assert book["ETH"].status is PriceStatus.INSUFFICIENT
    assert "chainlink@eip155:10: no_answer" in book["ETH"].reason


async def test_an_address_without_a_feed_is_a_gap(ctx: ChainContext, client: EvmClient) -> None:
    head = await client.head(Finality.LATEST)
    lost = ChainlinkFeed("ETH", Address("0x" + "ab" * 20), 3600, 50)
    bare = ChainDeployment(ctx.chain, "optimism", Address(NOBODY), (), feeds=Feeds(chainlink=(lost,)))
    (source,) = sources_of(client, bare, PARAMS)
    (gap,) = (await source.quotes(KEYS, Cut({ctx.chain: head}), head.timestamp)).gaps
    assert (gap.reason, gap.price_key) == ("undecodable", "ETH")
    assert "no such contract" in gap.detail
