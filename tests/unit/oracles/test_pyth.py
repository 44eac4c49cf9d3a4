from decimal import Decimal

import pytest
from eth_abi.abi import encode

from chains.caip import Address, ChainId
from chains.deployments import PythFeeds
from chains.types import CallResult, Cut
from oracles.params import SourceParams
from oracles.sources.pyth import PRICE, PythSource
from oracles.types import Quotes
from tests.kit.transport import FakeChainClient, a_block

OP = ChainId("eip155:10")
NOW = 1_700_000_000
CONTRACT = Address("0x" + "33" * 20)
ID = "0x" + "ab" * 32
CUT = Cut({OP: a_block(OP, 5, NOW)})


async def ask(*price: int, result: CallResult | None = None) -> Quotes:
    fake = FakeChainClient(OP)
    data = encode(["int64", "uint64", "int32", "uint256"], price) if price else b""
    fake.answers[CONTRACT, PRICE.call(CONTRACT, bytes.fromhex(ID[2:])).data] = result or CallResult(True, data)
    source = PythSource(fake, PythFeeds(CONTRACT, {"ETH": ID}), SourceParams())
    return await source.quotes({"ETH"}, CUT, NOW)


async def test_price_and_confidence_are_scaled_by_the_exponent() -> None:
    # Pyth's documentation: 12276250, 1500, -5 is 122.7625 ± 0.015
    (quote,) = (await ask(12276250, 1500, -5, NOW - 3)).found
    assert (quote.price, quote.half_width) == (Decimal("122.7625"), Decimal("0.015"))
    assert (quote.observed_at, quote.valid_until) == (NOW - 3, NOW - 3 + 900)
    assert (quote.source, quote.group) == ("pyth@eip155:10", "pyth")


@pytest.mark.parametrize(
    ("price", "reason", "detail"),
    [
        ((0, 1, -8, NOW), "invalid", "price is 0e-8"),
        ((-7, 1, -8, NOW), "invalid", "price is -7e-8"),
        ((100, 1, -21, NOW), "undecodable", "exponent is -21, allowed -20 to 12"),
        ((100, 1, 13, NOW), "undecodable", "exponent is 13"),
        ((10_000, 501, -8, NOW), "too_wide", "confidence is 501 bps, limit 500 bps"),
        ((100, 1, -8, 0), "no_answer", "publish time is 0"),
    ],
)
async def test_a_price_out_of_bounds_is_a_gap(price: tuple[int, ...], reason: str, detail: str) -> None:
    answer = await ask(*price)
    assert answer.found == ()
    assert answer.gaps[0].reason == reason
    assert detail in answer.gaps[0].detail


async def test_a_price_that_was_never_pushed_is_a_gap() -> None:
    # PriceFeedNotFound()
    (gap,) = (await ask(result=CallResult(False, bytes.fromhex("14aebe68")))).gaps
    assert (gap.reason, gap.detail) == (
        "no_answer", "getPriceUnsafe: reverted: custom error 0x14aebe68 (4 bytes)",
    )  # fmt: skip


async def test_short_data_is_a_gap() -> None:
    assert (await ask(result=CallResult(True, bytes(96)))).gaps[0].reason == "undecodable"


def test_a_malformed_id_is_named_at_start() -> None:
    with pytest.raises(ValueError, match=r"pyth\.ids\.ETH: expected 0x and 64 hex digits"):
        PythSource(FakeChainClient(OP), PythFeeds(CONTRACT, {"ETH": "0xab"}), SourceParams())
