"""Rates, venues' beliefs, escrows, recorded and standing prices."""

from decimal import Decimal

import pytest
from eth_abi.abi import encode

from chains.caip import Address, ChainId, erc20
from chains.deployments import AssetInfo, BridgedToken, RateFeed
from chains.errors import EndpointUnreachable
from chains.evm.abi import Function
from chains.types import BlockRef, CallResult, Cut
from oracles.clocks import ClockMeter
from oracles.params import SourceParams
from oracles.reconcile import reconcile
from oracles.sources.backing import BALANCE, SUPPLY, BackingReader
from oracles.sources.rates import GETTERS, RateSource
from oracles.sources.replay import ReplaySource, StaticSource
from oracles.sources.venues import (
    ASSET_PRICE,
    BASE_UNIT,
    GET_ADDRESS,
    PRICE_ORACLE,
    PROVIDER,
    RATE,
    RESOLVER,
    AaveOracleSource,
    SynthetixRatesSource,
)  # fmt: skip
from oracles.types import PriceStatus, Quotes
from tests.kit.quotes import PARAMS, a_quote
from tests.kit.transport import FakeChainClient, a_block

HOME, OP = ChainId("eip155:1"), ChainId("eip155:10")
NOW = 1_700_000_000
CUT = Cut({OP: a_block(OP, 5, NOW), HOME: a_block(HOME, 9, NOW)})


def at(number: int) -> Address:
    return Address(f"0x{number:040x}")


class Down(FakeChainClient):
    async def call(self, calls: object, at: BlockRef) -> tuple[CallResult, ...]:
        raise EndpointUnreachable("eip155:10 endpoint 1: HTTP 503")


def rate_feed(kind: str) -> RateFeed:
    return RateFeed("WSTETH", "ETH", at(1), kind)


@pytest.mark.parametrize("kind", sorted(GETTERS))
async def test_a_rate_is_quoted_in_its_base_and_is_a_group_of_its_own(kind: str) -> None:
    fake = FakeChainClient(OP)
    arguments = (10**18,) if kind == "erc4626" else ()
    fake.set(GETTERS[kind], at(1), arguments, encode(["uint256"], [1_228_200_000_000_000_000]))
    (quote,) = (await RateSource(fake, [rate_feed(kind)], SourceParams()).quotes({"WSTETH"}, CUT, NOW)).found
    assert (quote.price, quote.half_width, quote.in_key) == (Decimal("1.2282"), 0, "ETH")
    assert (quote.group, quote.source, quote.observed_at) == ("rate", "rate@eip155:10", NOW)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(CallResult(True, bytes(32)), "invalid"), (CallResult(True, b""), "undecodable"),
     (CallResult(False, b""), "no_answer")],
)  # fmt: skip
async def test_a_rate_that_is_none_is_a_gap(answer: CallResult, reason: str) -> None:
    fake = FakeChainClient(OP)
    fake.answers[at(1), GETTERS["reth"].call(at(1)).data] = answer
    (gap,) = (await RateSource(fake, [rate_feed("reth")], SourceParams()).quotes({"WSTETH"}, CUT, NOW)).gaps
    assert gap.reason == reason


async def test_rates_of_a_chain_that_does_not_answer_are_gaps() -> None:
    (gap,) = (await RateSource(Down(OP), [rate_feed("reth")], SourceParams()).quotes({"WSTETH"}, CUT, NOW)).gaps
    assert (gap.reason, gap.detail) == ("unreachable", "eip155:10 endpoint 1: HTTP 503")


def test_an_unknown_kind_of_rate_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match=r"rates\.WSTETH\.kind: expected one of \['cbeth'"):
        RateSource(FakeChainClient(OP), [rate_feed("magic")], SourceParams())


def aave(fake: FakeChainClient) -> AaveOracleSource:
    info = AssetInfo(erc20(OP, at(9)), "WETH", 18, "ETH", "ETH")
    return AaveOracleSource(fake, at(1), [info])


async def test_aaves_belief_is_a_fact_in_its_own_unit() -> None:
    fake = FakeChainClient(OP)
    fake.set(PROVIDER, at(1), (), encode(["address"], [at(2)]))
    fake.set(PRICE_ORACLE, at(2), (), encode(["address"], [at(3)]))
    fake.set(BASE_UNIT, at(3), (), encode(["uint256"], [10**8]))
    fake.set(ASSET_PRICE, at(3), (at(9),), encode(["uint256"], [3000_12345678]))
    (quote,) = (await aave(fake).quotes({"ETH"}, CUT, NOW)).found
    assert (quote.price, quote.votes, quote.source) == (Decimal("3000.12345678"), False, "venue:aave-v3@eip155:10")
    fake.set(PRICE_ORACLE, at(2), (), encode(["address"], [at(4)]))
    assert (
        await aave(fake).quotes({"ETH"}, CUT, NOW) == Quotes()
    )  # the new oracle does not answer: no fact, no gap


@pytest.mark.parametrize("fake", [FakeChainClient(OP), Down(OP)])
async def test_a_venue_that_does_not_answer_leaves_no_fact_and_no_doubt(fake: FakeChainClient) -> None:
    assert await aave(fake).quotes({"ETH"}, CUT, NOW) == Quotes()
    assert await SynthetixRatesSource(fake, at(1), {"ETH": "sETH"}).quotes({"ETH"}, CUT, NOW) == Quotes()


async def test_synthetix_belief_carries_the_time_of_its_rate() -> None:
    fake = FakeChainClient(OP)
    fake.set(RESOLVER, at(1), (), encode(["address"], [at(2)]))
    fake.set(GET_ADDRESS, at(2), (b"ExchangeRates".ljust(32, b"\0"),), encode(["address"], [at(3)]))
    fake.set(RATE, at(3), (b"sETH".ljust(32, b"\0"),), encode(["uint256"] * 2, [3000 * 10**18, NOW - 77]))
    (quote,) = (await SynthetixRatesSource(fake, at(1), {"ETH": "sETH"}).quotes({"ETH"}, CUT, NOW)).found
    assert (quote.price, quote.observed_at, quote.votes) == (3000, NOW - 77, False)


def escrow_world(supply: int, held: int) -> dict[ChainId, FakeChainClient]:
    home, away = FakeChainClient(HOME), FakeChainClient(OP)
    away.set(SUPPLY, at(1), (), encode(["uint256"], [supply]))
    home.set(BALANCE, at(2), (at(3),), encode(["uint256"], [held]))
    return {HOME: home, OP: away}


TOKEN = BridgedToken("RSETH", at(1), 18, HOME, at(2), at(3), 6)


async def test_an_escrow_is_counted_against_the_supply_on_the_other_chain() -> None:
    reader = BackingReader(escrow_world(647_200 * 10**18, 530_700 * 10**6), [(OP, TOKEN)])
    (backing,) = await reader.read(CUT)
    assert (backing.escrow, backing.supply) == (530_700, 647_200)
    assert backing.ratio == Decimal(530_700) / 647_200


async def test_supplies_of_several_chains_under_one_escrow_add_up() -> None:
    other = BridgedToken("RSETH", at(7), 18, HOME, at(2), at(3), 6)
    world = escrow_world(60 * 10**18, 100 * 10**6)
    world[OP].set(SUPPLY, at(7), (), encode(["uint256"], [40 * 10**18]))
    (backing,) = await BackingReader(world, [(OP, TOKEN), (OP, other)]).read(CUT)
    assert backing.ratio == 1


async def test_an_escrow_that_cannot_be_read_is_unknown() -> None:
    world = escrow_world(1, 1) | {HOME: Down(HOME)}
    (backing,) = await BackingReader(world, [(OP, TOKEN)]).read(CUT)
    assert backing.ratio is None
    (backing,) = await BackingReader(escrow_world(1, 1), [(OP, TOKEN)]).read(Cut({OP: a_block(OP, 5, NOW)}))
    assert backing.ratio is None


async def test_a_standing_price_is_one_group_and_no_quorum() -> None:
    quotes = await StaticSource({"ETH": Decimal(3000)}).quotes({"ETH", "BTC"}, CUT, NOW)
    assert len(quotes.found) == 1
    assert reconcile(quotes, NOW, PARAMS)["ETH"].status is PriceStatus.INSUFFICIENT


async def test_a_replay_says_what_was_known_by_then() -> None:
    recorded = [a_quote(p, observed_at=NOW + t, received_at=float(NOW + t)) for p, t in (("1", 0), ("2", 60))]
    source = ReplaySource(recorded)
    for after, price in ((-1, None), (0, 1), (59, 1), (60, 2), (999, 2)):
        found = (await source.quotes({"ETH"}, CUT, NOW + after)).found
        assert [q.price for q in found] == ([] if price is None else [price])


def test_a_block_from_the_future_proves_that_the_host_is_behind() -> None:
    meter = ClockMeter()
    for age in (12, 3, 30):
        meter.block("eip155:1", NOW, NOW + age)
        meter.block("eip155:10", NOW + 20, NOW + age)
    one, other = meter.skews()
    assert (one.offset_s, one.doubtful) == (-3, False)
    assert (other.offset_s, other.doubtful) == (17, True)


def test_clocks_say_the_tightest_of_what_they_saw() -> None:
    meter = ClockMeter()
    meter.answer("okx", server_s=100.0, asked_s=99.0, received_s=103.0)
    meter.answer("okx", server_s=100.0, asked_s=100.1, received_s=100.3)
    (skew,) = meter.skews()
    assert skew.offset_s == pytest.approx(-0.3)
    assert skew.within_s == pytest.approx(1.2)


def test_getters_are_functions_of_their_protocols() -> None:
    # selectors: wstETH stEthPerToken 0x035faf82, rETH getExchangeRate 0xe6aa216c, cbETH exchangeRate 0x3ba0b9a9
    wanted = {"wsteth": "035faf82", "reth": "e6aa216c", "cbeth": "3ba0b9a9", "erc4626": "07a2d13a"}
    assert {kind: GETTERS[kind].selector.hex() for kind in wanted} == wanted
    assert isinstance(GETTERS["weeth"], Function)
