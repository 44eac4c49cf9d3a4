"""Prices on the devnet: what each episode of the tape makes of them in the margin report, round after round."""

import asyncio
from decimal import Decimal

import pytest
from typer.testing import CliRunner

from aggregator.clock import utc_now
from aggregator.devnet_settings import devnet_settings
from aggregator.errors import ConfigError
from aggregator.report import MarginReport
from aggregator.service import Service
from aggregator.store.prices import PriceLog
from aggregator.wiring import open_service, wire
from api.cli.main import app
from chains.devnet import sequencer, vault
from chains.devnet.tape import STEPS, play
from chains.evm.client import EvmClient
from chains.evm.rpc import HttpTransport
from chains.forks import node
from chains.forks.spec import ForkSpec
from chains.types import Cut
from oracles.catalogue import sources_of, venue_facts
from oracles.graph import composed
from oracles.params import load_params
from oracles.sources.rates import RateSource
from oracles.sources.stream import STREAMS
from oracles.sources.vol_surfaces import LyraVolSource
from oracles.types import PriceStatus, merge
from risk.status import Status
from tests.kit.price_server import price_server

pytestmark = pytest.mark.devnet
OPTIMISM = "eip155:10"


async def reports_of(wired) -> dict[str, MarginReport]:
    return {report.portfolio.name: report for report in await wired.cycle.run(utc_now())}


def bands(report: MarginReport, key: str) -> set[str]:
    """Statuses of the prices of the positions whose reason or label names the key."""
    return {position.price.status for position in report.positions if key in position.label}


async def test_a_stale_feed_is_stale_in_the_report_and_no_number(devnet):
    async with wire(devnet_settings(devnet.state_dir)) as wired:
        report = (await reports_of(wired))["stale-feed"]
        price = wired.cycle.desk.last.book["LINK"]
    assert price.status is PriceStatus.STALE
    assert (report.status, report.mm_requirement_usd) == (Status.UNKNOWN, None)
    assert bands(report, "LINK") == {"STALE"}
    (fact,) = price.facts
    assert fact.source == "venue:aave-v3@eip155:1"
    assert fact.price > 0


async def test_what_venues_believe_stands_beside_every_price(devnet):
    async with wire(devnet_settings(devnet.state_dir)) as wired:
        book = (await wired.cycle.prices(utc_now())).book
    sources = {fact.source for fact in book["ETH"].facts}
    assert {f"venue:aave-v3@eip155:{n}" for n in (1, 10, 42161, 8453)} <= sources
    assert f"venue:synthetix@{OPTIMISM}" in sources
    assert all(abs(fact.off_bps) < 1 for fact in book["ETH"].facts)


@pytest.mark.slow
async def test_one_memory_through_the_whole_tape_loses_no_portfolio(devnet_snapshot):
    """As the demo runs: no group is held back for following a market that moves."""
    async with wire(devnet_settings(devnet_snapshot.state_dir)) as wired:
        usual = {name for name, report in (await reports_of(wired)).items() if not report.data_quality.complete}
        for step in STEPS:
            play(devnet_snapshot, step)
            reports = await reports_of(wired)
            incomplete = {name for name, report in reports.items() if not report.data_quality.complete}
            assert incomplete <= usual, (step.name, [reports[name].data_quality for name in incomplete - usual])
            book = wired.cycle.desk.last.book
            for key, price in step.prices.items():
                assert abs(book[key].mid / price - 1) < Decimal("0.003"), (step.name, book[key].reason)
            if step.name == "depeg":
                notes = {
                    (item.what, item.reason)
                    for report in reports.values()
                    for item in report.data_quality.degraded
                }
                assert any(what == "price of USDC" and "off its peg: 0.93" in why for what, why in notes)
                assert book["USDC"].mid < Decimal("0.94")
            if step.name == "repeg":
                assert book["USDC"].notes == ()


async def test_a_halted_sequencer_leaves_its_chain_without_a_vote_and_its_own_coin_without_a_price(
    devnet_snapshot,
):
    chain = next(world for world in devnet_snapshot.chains.values() if world.ctx.number == 10)
    sequencer.set_down(chain.ctx, True)
    async with wire(devnet_settings(devnet_snapshot.state_dir)) as wired:
        reports = await reports_of(wired)
        book = wired.cycle.desk.last.book
    assert book["ETH"].status.usable
    silent = {(d.source, d.reason) for d in book["ETH"].dissenters}
    assert {(f"{group}@eip155:10", "sequencer") for group in ("chainlink", "pyth", "uniswap")} <= silent
    assert book["SUSD"].status is PriceStatus.INSUFFICIENT
    assert "sequencer is down since" in book["SUSD"].reason
    hit = [r for r in reports.values() if any("sUSD" in p.label for p in r.positions)]
    assert all(not report.data_quality.complete for report in hit)


async def test_a_fork_pinned_at_a_block_gives_the_same_quotes_as_the_chain(devnet):
    async with wire(devnet_settings(devnet.state_dir)) as wired:
        deployment, client = wired.cycle.deployments[OPTIMISM], wired.clients[OPTIMISM]
        head = await client.head(wired.cycle.finality)
        at = Cut({OPTIMISM: head})
        keys = wired.cycle.maker.registry.price_keys() | {rate.price_key for rate in deployment.feeds.rates}

        async def quotes(reader):
            surface = await LyraVolSource(
                reader, "ETH", deployment.venues["lyra-v1"]["ETH.option_market"]
            ).surface(at)
            sources = (*sources_of(reader, deployment, load_params()), *venue_facts(reader, deployment))
            return merge([await source.quotes(keys, at, 0.0) for source in sources]), surface

        forks = await asyncio.to_thread(node.start, [ForkSpec(OPTIMISM, devnet.rpc_urls[OPTIMISM], head.number)])
        try:
            async with HttpTransport(OPTIMISM, [forks.by_chain[OPTIMISM].node.http_url]) as transport:
                forked = await quotes(EvmClient(OPTIMISM, transport, deployment.multicall3))
        finally:
            forks.stop()
        assert forked == await quotes(client)
    assert len(forked[1].found) >= 3
    assert {quote.group for quote in forked[0].found} >= {"chainlink", "pyth", "uniswap", "rate", "venue:aave-v3"}


async def test_a_reward_raises_the_rate_of_a_real_vault_and_its_price_is_composed(devnet_snapshot):
    chain = next(world for world in devnet_snapshot.chains.values() if world.ctx.number == 10)
    staked = chain.ctx.extra[vault.EXTRA]
    async with wire(devnet_settings(devnet_snapshot.state_dir)) as wired:
        client = wired.clients[OPTIMISM]
        source = RateSource(client, [staked.feed], load_params().sources)
        rates = []
        for _ in range(2):
            at = Cut({OPTIMISM: await client.head(wired.cycle.finality)})
            rates += (await source.quotes({vault.PRICE_KEY}, at, 0.0)).found
            staked.reward(10)
        book = (await wired.cycle.prices(utc_now())).book
    assert [quote.price for quote in rates] == [Decimal("1.049999999999999999"), Decimal("1.059999999999999999")]
    price = composed(rates[1], book)
    assert price.price == rates[1].price * book["ETH"].mid
    assert "by rate@eip155:10" in price.detail["STAKED_ETH/ETH"]


async def test_lyras_surface_is_the_board_times_the_skew_of_every_strike(devnet):
    async with wire(devnet_settings(devnet.state_dir)) as wired:
        done = await wired.cycle.prices(utc_now())
        market = wired.cycle.deployments[OPTIMISM].venues["lyra-v1"]["ETH.option_market"]
        client = wired.clients[OPTIMISM]
        head = await client.head(wired.cycle.finality)
        answer = await LyraVolSource(client, "ETH", market).surface(Cut({OPTIMISM: head}))
    lyra = next(world.lyra for world in devnet.chains.values() if world.lyra is not None)
    wanted = {
        (board.expiry, strike.price): board.iv * strike.skew for board in lyra.boards() for strike in board.strikes
    }
    assert {(q.expiry, q.strike_usd): q.vol for q in answer.found} == wanted
    assert answer.gaps == ()
    assert done.clocks
    shown = await asyncio.to_thread(
        CliRunner().invoke, app, ["prices", "vols", "ETH", "--devnet", str(devnet.state_dir)]
    )
    assert shown.exit_code == 0, (shown.output, shown.exception)
    assert shown.stdout.count("lyra-v1@eip155:10") == len(wanted)


async def test_an_exchange_of_the_settings_has_a_vote_and_a_stablecoin_its_own_price(devnet):
    async with price_server() as server:
        server.at_ms = int(utc_now().timestamp() * 1000)
        server.books = {"ETH-USD": ("2999.9", "3000.1"), "ETHUSDT": ("2999.9", "3000.1")}
        exchanges = [
            {"name": "coinbase", "url": server.url, "symbols": {"ETH": "ETH-USD"}},
            {"name": "binance", "url": server.url, "symbols": {"ETH": "ETHUSDT@USDT"}},
        ]
        settings = devnet_settings(devnet.state_dir, prices={"sequencer_grace_s": 0, "exchanges": exchanges})
        async with wire(settings) as wired:
            price = (await wired.cycle.prices(utc_now())).book["ETH"]
    assert "coinbase:ETH-USD" in {vote.source for vote in price.contributors}
    (gap,) = [d for d in price.dissenters if d.group == "binance"]
    assert (gap.reason, gap.detail) == ("no_leg", "no price of USDT: nobody quotes it in US dollars")


@pytest.mark.parametrize(
    ("exchange", "says"),
    [
        ({"name": "mtgox", "symbols": {"ETH": "X"}}, r"prices\.exchanges\.0\.name: expected one of"),
        (
            {"name": "kraken", "stream": True, "symbols": {"ETH": "X"}},
            r"streams are known of \['binance', 'coinbase', 'okx'\]",
        ),
    ],
)
async def test_an_exchange_that_is_not_known_is_named_at_start(devnet, monkeypatch, exchange, says):
    monkeypatch.delitem(STREAMS, "kraken")
    with pytest.raises(ConfigError, match=says):
        async with wire(devnet_settings(devnet.state_dir, prices={"exchanges": [exchange]})):
            pass


async def test_every_scan_stores_its_prices_and_the_command_shows_them(devnet, tmp_path):
    database = f"sqlite+aiosqlite:///{tmp_path / 'scan.db'}"
    async with wire(devnet_settings(devnet.state_dir, database=database)) as wired, open_service(wired) as opened:
        service: Service = opened[0]
        await service.scan()
        await service.scan()
        log = PriceLog(opened[1])
        keys = await log.keys()
        assert {"ETH", "BTC", "USDC", "LINK"} <= set(keys)
        assert len([line async for line in log.lines(["ETH"])]) == 2
        newest = await log.at("ETH")
    assert newest.mid_usd == wired.cycle.desk.last.book["ETH"].mid
    shown = await asyncio.to_thread(
        CliRunner().invoke, app, ["prices", "ETH", "--why", "--devnet", str(devnet.state_dir)]
    )
    assert shown.exit_code == 0, (shown.output, shown.exception)
    for words in ("groups agree", "venues' own oracles", "clock eip155:1", "chainlink@"):
        assert words in shown.output
