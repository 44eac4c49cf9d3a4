"""Sources over arbitrary answers: a quote that can be one or a gap with a reason, never an exception."""

import asyncio
import contextlib
from decimal import Decimal
from typing import Any

from eth_abi.abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.caip import Address, ChainId, erc20
from chains.deployments import AssetInfo, ChainlinkFeed, PythFeeds, RateFeed, TwapPool
from chains.types import BlockRef, Call, CallResult, Cut
from oracles.params import SourceParams, load_params
from oracles.reconcile import reconcile
from oracles.sources.books import EXCHANGES, BadBook
from oracles.sources.chainlink import ChainlinkSource
from oracles.sources.hermes import HermesSource
from oracles.sources.http import Answer
from oracles.sources.onchain import Unread
from oracles.sources.pyth import PythSource
from oracles.sources.rates import RateSource
from oracles.sources.stream import STREAMS
from oracles.sources.twap import TwapSource
from oracles.sources.venues import AaveOracleSource, SynthetixRatesSource
from oracles.sources.vol_surfaces import DeriveVolSource, LyraVolSource
from oracles.types import Quotes
from tests.kit.quotes import a_quote
from tests.kit.transport import a_block

OP = ChainId("eip155:10")
NOW = 1_700_000_000
CUT = Cut({OP: a_block(OP, 5, NOW)})
AT = Address("0x" + "11" * 20)
ID = "0x" + "ab" * 32
LIMITS = SourceParams()

words = st.one_of(
    st.integers(0, 2**256 - 1),
    st.sampled_from([0, 1, 2**255, 2**256 - 1, 2**63, 10**8, 10**18, NOW, NOW - 50, NOW * 1000, 0x20, 0x40, 0x60]),
)
answers = st.builds(
    CallResult,
    st.sampled_from([True, True, True, False]),
    st.one_of(
        st.lists(words, max_size=9).map(lambda ws: b"".join(w.to_bytes(32) for w in ws)), st.binary(max_size=99)
    ),
)


class Anything:
    """A chain whose contracts answer whatever was drawn, in turn."""

    chain = OP

    def __init__(self, drawn: list[CallResult]) -> None:
        self.drawn = drawn
        self.turn = 0

    async def call(self, calls: list[Call], at: BlockRef) -> tuple[CallResult, ...]:
        self.turn += 1
        return tuple(self.drawn[(self.turn + i) % len(self.drawn)] for i in range(len(calls)))


class Legs:
    name = "chainlink@eip155:10"

    async def quotes(self, *_: object) -> Quotes:
        return Quotes((a_quote("1", "chainlink", 10, "USDC"),))


def sources(client: Any) -> list[Any]:
    pool = TwapPool("ETH", "USDC", AT, True, 18, 6, 60)
    info = AssetInfo(erc20(OP, AT), "WETH", 18, "ETH", "ETH")
    return [
        ChainlinkSource(client, [ChainlinkFeed("ETH", AT, 3600, 50)], LIMITS),
        PythSource(client, PythFeeds(AT, {"ETH": ID}), LIMITS),
        TwapSource(client, [pool], Legs(), LIMITS),
        RateSource(client, [RateFeed("ETH", "BASE", AT, "reth")], LIMITS),
        AaveOracleSource(client, AT, [info]),
        SynthetixRatesSource(client, AT, {"ETH": "sETH"}),
    ]


def must_hold(quotes: Quotes) -> None:
    for quote in quotes.found:
        assert quote.price.is_finite()
        assert quote.price > 0
        assert quote.half_width >= 0
    for gap in quotes.gaps:
        assert gap.reason
        assert gap.detail
    reconcile(quotes, NOW, load_params())


@given(st.lists(answers, min_size=1, max_size=8))
@settings(max_examples=60)
def test_contracts_may_answer_anything(drawn: list[CallResult]) -> None:
    for source in sources(Anything(drawn)):
        must_hold(asyncio.run(source.quotes({"ETH"}, CUT, float(NOW))))


@given(st.lists(answers, min_size=1, max_size=8))
@settings(max_examples=50)
def test_surfaces_may_be_anything(drawn: list[CallResult]) -> None:
    for vols in (
        asyncio.run(LyraVolSource(Anything(drawn), "ETH", AT).surface(CUT)),
        asyncio.run(DeriveVolSource(Anything(drawn), "ETH", AT, [(NOW, Decimal(1500))]).surface(CUT)),
    ):
        assert all(quote.vol >= 0 for quote in vols.found)


@given(st.integers(1, 10**28), st.integers(0, 36), st.integers(0, 10**6))
@settings(max_examples=50)
def test_a_chainlink_answer_is_the_number_with_its_decimals(answer: int, decimals: int, age: int) -> None:
    round_types = ["uint80", "int256", "uint256", "uint256", "uint80"]
    stamp = NOW - age
    last = CallResult(True, encode(round_types, [1, answer, stamp, stamp, 1]))
    places = CallResult(True, encode(["uint8"], [decimals]))

    class Two(Anything):
        async def call(self, calls: list[Call], at: BlockRef) -> tuple[CallResult, ...]:
            return tuple((places, last)[i % 2] for i in range(len(calls)))

    source = ChainlinkSource(Two([]), [ChainlinkFeed("ETH", AT, 3600, 50)], LIMITS)
    (quote,) = asyncio.run(source.quotes({"ETH"}, CUT, float(NOW))).found
    assert quote.price.scaleb(decimals) == answer
    assert quote.observed_at == stamp


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
              st.sampled_from(["0", "-1", "NaN", "Infinity", "1e400", "3000", "bid", "ETHUSDT"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(
                st.text(max_size=5),
                st.sampled_from([
                    "bid", "ask", "time", "code", "data", "result", "error", "a", "b", "bidPx", "askPx", "ts",
                    "bidPrice", "askPrice", "closeTime", "symbol", "instId", "ETH", "msg", "parsed", "price",
                    "conf",
                    "expo", "publish_time", "id", "metadata", "type", "product_id", "best_bid", "best_ask", "s",
                ]),
            ),
            inner,
            max_size=6,
        ),
    ),
    max_leaves=20,
)  # fmt: skip


@given(json_values, st.sampled_from(sorted(EXCHANGES)))
@settings(max_examples=150)
def test_exchanges_may_answer_anything(body: Any, name: str) -> None:
    with contextlib.suppress(BadBook):
        book = EXCHANGES[name].decode(body, "ETH")
        assert 0 < book.bid <= book.ask


@given(json_values, st.sampled_from(sorted(STREAMS)))
@settings(max_examples=100)
def test_streams_may_say_anything(message: Any, name: str) -> None:
    with contextlib.suppress(BadBook):
        found = STREAMS[name].decode(message)
        assert found is None or 0 < found[1].bid <= found[1].ask


class Said:
    name = "hermes"

    def __init__(self, body: Any) -> None:
        self.body = body

    async def get(self, *_: object) -> Answer | Unread:
        return Answer(self.body, float(NOW))


@given(st.one_of(json_values, st.builds(lambda p: {"parsed": [{"id": "ab" * 32, "price": p}]}, json_values)))
@settings(max_examples=80)
def test_hermes_may_answer_anything(body: Any) -> None:
    source = HermesSource(Said(body), {"ETH": ID}, LIMITS)  # type: ignore[arg-type]
    must_hold(asyncio.run(source.quotes({"ETH"}, CUT, float(NOW))))
