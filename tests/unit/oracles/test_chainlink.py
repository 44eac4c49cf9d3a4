from decimal import Decimal

import pytest
from eth_abi.abi import encode

from chains.caip import Address, ChainId
from chains.deployments import ChainlinkFeed
from chains.errors import EndpointUnreachable
from chains.types import BlockRef, Call, CallResult, Cut
from oracles.params import SourceParams
from oracles.sources.chainlink import AGGREGATOR, DECIMALS, LATEST, MAX_ANSWER, MIN_ANSWER, ChainlinkSource
from oracles.types import Quotes
from tests.kit.transport import FakeChainClient, a_block

OP = ChainId("eip155:10")
NOW = 1_700_000_000
PROXY = Address("0x" + "11" * 20)
FEED = ChainlinkFeed("ETH", PROXY, heartbeat_s=3600, deviation_bps=50)
CUT = Cut({OP: a_block(OP, 5, NOW)})
ROUND = ["uint80", "int256", "uint256", "uint256", "uint80"]


def a_round(answer: int, started: int, updated: int | None = None, round_id: int = (5 << 64) | 13078) -> bytes:
    return encode(ROUND, [round_id, answer, started, started if updated is None else updated, round_id])


def client(last: bytes, decimals: int = 8) -> FakeChainClient:
    fake = FakeChainClient(OP)
    fake.set(DECIMALS, PROXY, (), encode(["uint8"], [decimals]))
    fake.set(LATEST, PROXY, (), last)
    return fake


async def ask(fake: FakeChainClient, **params: int) -> Quotes:
    source = ChainlinkSource(fake, [FEED], SourceParams(**params))
    return await source.quotes({"ETH", "BTC"}, CUT, NOW + 1.5)


async def test_a_round_is_a_quote_with_the_feeds_own_bounds() -> None:
    (quote,) = (await ask(client(a_round(3000_12345678, NOW - 100, NOW - 90)))).found
    assert quote.price == Decimal("3000.12345678")
    assert quote.half_width == quote.price * 50 / 10_000
    assert (quote.source, quote.group, quote.price_key) == ("chainlink@eip155:10", "chainlink", "ETH")
    assert (quote.observed_at, quote.received_at) == (NOW - 100, NOW + 1.5)
    assert (quote.holds_until, quote.valid_until) == (NOW - 100 + 3600, NOW - 100 + 3600 + 120)
    # the worked example of Chainlink's documentation: 92233720368547771158 is round 13078 of phase 5
    assert (quote.detail["phase"], quote.detail["round"]) == ("5", "13078")


async def test_decimals_come_from_the_contract() -> None:
    (quote,) = (await ask(client(a_round(3000 * 10**18, NOW), decimals=18))).found
    assert quote.price == 3000


@pytest.mark.parametrize(
    ("last", "reason", "detail"),
    [
        (a_round(0, NOW), "invalid", "answer is 0"),
        (a_round(-5, NOW), "invalid", "answer is -5"),
        (a_round(5, 0), "no_answer", "startedAt 0"),
        (a_round(5, NOW, 0), "no_answer", "updatedAt 0"),
        (b"", "undecodable", "latestRoundData: 0 bytes returned"),
        (bytes(64), "undecodable", "latestRoundData: 64 bytes do not decode"),
    ],
)
async def test_a_round_without_a_price_is_a_gap(last: bytes, reason: str, detail: str) -> None:
    answer = await ask(client(last))
    (gap,) = answer.gaps
    assert answer.found == ()
    assert (gap.reason, gap.source, gap.price_key) == (reason, "chainlink@eip155:10", "ETH")
    assert detail in gap.detail


async def test_a_feed_that_never_answered_is_a_gap_with_the_contracts_reason() -> None:
    fake = client(b"")
    refusal = bytes.fromhex("08c379a0") + encode(["string"], ["No data present"])
    fake.answers[PROXY, LATEST.call(PROXY).data] = CallResult(False, refusal)
    (gap,) = (await ask(fake)).gaps
    assert (gap.reason, gap.detail) == ("no_answer", "latestRoundData: reverted: No data present")


async def test_a_chain_without_a_block_is_a_gap_with_the_cuts_reason() -> None:
    source = ChainlinkSource(client(b""), [FEED], SourceParams())
    answer = await source.quotes(["ETH"], Cut({}, {OP: "eip155:10 endpoint 1: no answer in 10 s"}), NOW)
    assert [(gap.reason, gap.detail) for gap in answer.gaps] == [
        ("no_block", "eip155:10 endpoint 1: no answer in 10 s")
    ]


async def test_an_endpoint_that_fails_is_a_gap() -> None:
    class Down(FakeChainClient):
        async def call(self, calls: object, at: BlockRef) -> tuple[CallResult, ...]:
            raise EndpointUnreachable("eip155:10 endpoint 1: HTTP 503")

    (gap,) = (await ask(Down(OP))).gaps
    assert (gap.reason, gap.detail) == ("unreachable", "eip155:10 endpoint 1: HTTP 503")


async def test_keys_without_a_feed_ask_nothing() -> None:
    fake = client(b"")
    assert await ChainlinkSource(fake, [FEED], SourceParams()).quotes(["BTC"], CUT, NOW) == Quotes()
    assert fake.asked == list[Call]()


AGGREGATOR_AT = Address("0x" + "55" * 20)


def bounded(answer: int, low: int, high: int) -> FakeChainClient:
    fake = client(a_round(answer, NOW))
    fake.set(AGGREGATOR, PROXY, (), encode(["address"], [AGGREGATOR_AT]))
    fake.set(MIN_ANSWER, AGGREGATOR_AT, (), encode(["int192"], [low]))
    fake.set(MAX_ANSWER, AGGREGATOR_AT, (), encode(["int192"], [high]))
    return fake


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        # Venus, 2022-05-12: the LUNA feed answered 0.107 with a minAnswer of 0.10, and then no more
        (10_700_000, "answer 10700000 is within 1000 bps of minAnswer 10000000: the feed stops beyond it"),
        (9_500_000_000, "is within 1000 bps of maxAnswer 10000000000"),
        (12_000_000, None),
    ],
)
async def test_an_answer_near_the_feeds_own_bounds_is_warned_about(answer: int, says: str | None) -> None:
    (quote,) = (await ask(bounded(answer, 10_000_000, 10_000_000_000))).found
    if says is None:
        assert "bound" not in quote.detail
    else:
        assert says in quote.detail["bound"]


async def test_bounds_are_read_once_a_phase() -> None:
    fake = bounded(3000_00000000, 1, 10**18)
    source = ChainlinkSource(fake, [FEED], SourceParams())
    for _ in range(3):
        await source.quotes({"ETH"}, CUT, NOW)
    assert sum(call.data == MIN_ANSWER.call(AGGREGATOR_AT).data for call in fake.asked) == 1
    fake.set(LATEST, PROXY, (), a_round(3000_00000000, NOW, round_id=(6 << 64) | 1))
    await source.quotes({"ETH"}, CUT, NOW)
    assert sum(call.data == MIN_ANSWER.call(AGGREGATOR_AT).data for call in fake.asked) == 2
