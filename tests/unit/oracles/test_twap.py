from decimal import Decimal

import pytest
from eth_abi.abi import encode

from chains.caip import Address, ChainId
from chains.deployments import ChainDeployment, Feeds, TwapPool
from chains.errors import BadAnswer
from chains.types import CallResult, Cut
from oracles.catalogue import mirrored, sources_of, with_mirrors
from oracles.params import SourceParams
from oracles.sources.twap import OBSERVE, SLOT0, MeanTick, TwapSource, decode_mean_tick, tick_price
from oracles.types import Quotes
from tests.kit.quotes import PARAMS, a_gap, a_quote
from tests.kit.transport import FakeChainClient, a_block

OP = ChainId("eip155:10")
NOW = 1_700_000_000
POOL = TwapPool("ETH", "USDC", Address("0x" + "44" * 20), True, 18, 6, 60)
CUT = Cut({OP: a_block(OP, 5, NOW)})


def observed(*ticks: int) -> CallResult:
    return CallResult(True, encode(["int56[]", "uint160[]"], [list(ticks), [0] * len(ticks)]))


class Legs:
    name = "chainlink@eip155:10"

    def __init__(self, answer: Quotes) -> None:
        self.answer = answer

    async def quotes(self, *_: object) -> Quotes:
        return self.answer


def slot0(cardinality: int) -> bytes:
    types = ["uint160", "int24", "uint16", "uint16", "uint16", "uint8", "bool"]
    return encode(types, [2**96, 0, 0, cardinality, cardinality, 0, True])


async def ask(result: CallResult, legs: Quotes, pool: TwapPool = POOL, cardinality: int = 50) -> Quotes:
    fake = FakeChainClient(OP)
    fake.answers[pool.pool, OBSERVE.call(pool.pool, (60, 30, 0)).data] = result
    fake.set(SLOT0, pool.pool, (), slot0(cardinality))
    return await TwapSource(fake, [pool], Legs(legs), SourceParams()).quotes({pool.price_key}, CUT, NOW)


USDC = a_quote("0.99", "chainlink", 10, "USDC", observed_at=NOW - 500, holds_until=NOW + 99, valid_until=NOW + 70)


@pytest.mark.parametrize(
    ("ticks", "mean"),
    [((0, 30, 60), 1), ((0, -30, -61), -2), ((0, 30, 61), 1), ((0, 0, -1), -1), ((5, 5, 5), 0)],
)
def test_the_mean_tick_is_rounded_toward_minus_infinity(ticks: tuple[int, ...], mean: int) -> None:
    assert decode_mean_tick(observed(*ticks), 60).tick == mean


def test_the_counters_of_the_pool_wrap_around() -> None:
    top = 2**55 - 1
    assert decode_mean_tick(observed(top - 59, top - 29, -(2**55)), 60) == MeanTick(1, 0)


def test_the_drift_is_the_difference_of_the_two_halves() -> None:
    assert decode_mean_tick(observed(0, 300, 900), 60) == MeanTick(15, 10)


def test_a_mean_beyond_the_ticks_of_uniswap_is_refused() -> None:
    with pytest.raises(BadAnswer, match="mean tick 900000 is beyond 887272"):
        decode_mean_tick(observed(0, 900_000 * 30, 900_000 * 60), 60)


def test_a_tick_is_the_price_in_whole_tokens_in_either_order() -> None:
    # Uniswap v3 whitepaper: p(i) = 1.0001^i token1 per token0 in smallest units; -196256 is 3000 USDC for 1 ETH
    assert abs(tick_price(-196_256, POOL) / 3000 - 1) < Decimal("0.0001")
    usdc_first = TwapPool("ETH", "USDC", POOL.pool, False, 18, 6, 60)
    assert abs(tick_price(196_256, usdc_first) / 3000 - 1) < Decimal("0.0001")
    assert tick_price(0, TwapPool("A", "B", POOL.pool, True, 6, 6, 60)) == 1


async def test_the_quote_is_composed_with_its_leg() -> None:
    tick = -196_256
    (quote,) = (await ask(observed(0, tick * 30, tick * 60), Quotes((USDC,)))).found
    assert quote.price == tick_price(tick, POOL) * Decimal("0.99")
    assert (quote.source, quote.group) == ("uniswap@eip155:10", "uniswap")
    assert quote.observed_at == NOW - 500
    assert (quote.holds_until, quote.valid_until) == (NOW, NOW + 70)
    # 400 bps a square root day over 60 s = 10.54 bps, and the leg's 1 bp
    assert abs(quote.half_width / quote.price * 10_000 - Decimal("11.5417")) < Decimal("0.001")
    assert quote.detail["USDC/USD"] == "0.99 by chainlink@eip155:10"


@pytest.mark.parametrize(("ticks", "width_bps"), [(100, "101.0"), (-100, "101.0"), (3000, "151.0")])
async def test_a_window_that_moved_is_as_wide_as_its_move_up_to_a_bound(ticks: int, width_bps: str) -> None:
    tick = -196_256
    moved = observed(0, tick * 30, tick * 60 + ticks * 30)
    (quote,) = (await ask(moved, Quotes((USDC,)))).found
    # 1.0001^100 - 1 = 100.5 bps, and the leg's 1 bp
    assert abs(quote.half_width / quote.price * 10_000 - Decimal(width_bps)) < 1


async def test_a_pool_without_enough_history_is_a_gap() -> None:
    old = CallResult(False, bytes.fromhex("08c379a0") + encode(["string"], ["OLD"]))
    (gap,) = (await ask(old, Quotes((USDC,)))).gaps
    assert (gap.reason, gap.detail) == ("no_answer", "observe: reverted: OLD")


async def test_without_a_price_of_the_quote_token_there_is_no_quote() -> None:
    legs = Quotes(gaps=(a_gap("sequencer", "chainlink", 10, "USDC", "sequencer is down"),))
    (gap,) = (await ask(observed(0, 0, 0), legs)).gaps
    assert gap.reason == "no_leg"
    assert (
        gap.detail
        == "no price of USDC: chainlink@eip155:1".replace(":1", ":10") + ": sequencer, sequencer is down"
    )


def test_a_window_of_nothing_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="twap ETH: window_s must be at least 2, was 0"):
        TwapSource(FakeChainClient(OP), [TwapPool("ETH", "USDC", POOL.pool, True, 18, 6, 0)], Legs(Quotes()),
                   SourceParams())  # fmt: skip


def test_a_pool_of_two_stablecoins_prices_both_and_one_of_ether_does_not() -> None:
    dai = TwapPool("DAI", "USDC", POOL.pool, False, 18, 6, 60)
    pools = with_mirrors((POOL, dai), PARAMS)
    assert [(pool.price_key, pool.quote_key) for pool in pools] == [
        ("ETH", "USDC"),
        ("DAI", "USDC"),
        ("USDC", "DAI"),
    ]
    assert abs(tick_price(276_325, dai) * tick_price(276_325, mirrored(dai)) - 1) < Decimal("1e-20")
    assert with_mirrors((POOL,), PARAMS) == (POOL,)


def test_a_deployment_without_feeds_has_no_sources() -> None:
    bare = ChainDeployment(OP, "optimism", POOL.pool, ())
    assert sources_of(FakeChainClient(OP), bare, PARAMS) == ()
    pools_only = ChainDeployment(OP, "optimism", POOL.pool, (), feeds=Feeds(twap=(POOL,)))
    assert [source.name for source in sources_of(FakeChainClient(OP), pools_only, PARAMS)] == ["uniswap@eip155:10"]


async def test_a_pool_that_keeps_one_observation_has_no_mean() -> None:
    (gap,) = (await ask(observed(0, 0, 0), Quotes((USDC,)), cardinality=1)).gaps
    assert (gap.reason, gap.detail) == (
        "thin_history", "the pool keeps 1 observations, 2 wanted: increase its cardinality",
    )  # fmt: skip


async def test_a_mean_is_an_anchor() -> None:
    (quote,) = (await ask(observed(0, 0, 0), Quotes((USDC,)))).found
    assert quote.anchor
