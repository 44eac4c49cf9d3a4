from decimal import Decimal

import pytest
from eth_abi.abi import encode

from chains.caip import Address, ChainId
from chains.types import Cut, Log
from oracles.sources.vol_surfaces import (
    BOARD,
    GET_VOL,
    LIVE_BOARDS,
    DeriveVolSource,
    LyraVolSource,
    decode_vol_updated,
)
from oracles.vols import BadSurface, Svi
from tests.kit.transport import FakeChainClient, a_block

OP = ChainId("eip155:10")
NOW = 1_700_000_000
CUT = Cut({OP: a_block(OP, 5, NOW)})
MARKET = Address("0x" + "77" * 20)
STRIKES = [1500.0, 1800.0, 2100.0, 2400.0]
DEFAULT = {
    "a": 0.01,
    "b": 0.01,
    "rho": -0.04,
    "m": 0.03,
    "sigma": 0.05,
    "forward_usd": 2000.0,
    "tau_years": 12 / 365,
}


@pytest.mark.parametrize(
    ("parameters", "vols"),
    [
        # derivexyz/lyra-utils test/math/SVI.t.sol, testGetVols
        (
            (0.00821917808219178, 0.01232876712328767, -0.000821917808219178, -0.000410958904109589,
             0.000410958904109589, 1800.0, 0.00821917808219178),
            (1.1283132838354804, 1.0004355395636404, 1.1097985052091757, 1.1965721054381622),
        ),
        (
            (0.027616438356164386, 0.041424657534246574, 0.003452054794520548, 0.001726027397260274,
             0.000345205479452055, 1805.0, 0.038356164383561646),
            (0.9597244734120128, 0.8513856076969522, 0.939244986304054, 1.0133571334275668),
        ),
        (
            (0.17753424657534247, 0.17753424657534247, 0.05917808219178082, 0.02958904109589041,
             0.0216986301369863, 1830.0, 0.2465753424657534),
            (0.9356728218442784, 0.8687530747337932, 0.8966269017413266, 0.9512721744218694),
        ),
    ],
)  # fmt: skip
def test_svi_gives_derives_volatilities(parameters: tuple[float, ...], vols: tuple[float, ...]) -> None:
    assert Svi(*parameters).vol(STRIKES) == pytest.approx(vols, rel=1e-9)


def test_far_strikes_are_bounded_as_derive_bounds_them() -> None:
    # SVI.t.sol testMaxKShouldBeCapped, testMinKShouldBeCapped, testMaxVarCapped, testZeroStrikeVolIsZero
    low, zero, high = Svi(**DEFAULT).vol([1.0, 0.0, 2_000_000.0])
    assert (round(high, 6), zero) == (0.645049, 0.0)
    assert int(high * 1e6) == 645048
    assert int(low * 1e6) == 666465
    wild = Svi(a=2, b=0.6, sigma=0.3, rho=-0.02, m=0.03, tau_years=0.03835616438, forward_usd=2000)
    assert int(wild.vol([200_000.0])[0] * 1e6) == 11064985


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"a": -10.0}, "a [+] b sigma"), ({"forward_usd": 0.0}, "forward_usd"), ({"tau_years": 0.0}, "tau_years"),
     ({"forward_usd": float("nan")}, "forward_usd"),
     ({"a": 1e-4, "b": 1.0, "sigma": 1e-4, "rho": -3.0}, "variance")],
)  # fmt: skip
def test_parameters_without_a_volatility_are_refused(changes: dict[str, float], says: str) -> None:
    with pytest.raises(BadSurface, match=says):
        Svi(**(DEFAULT | changes)).vol([1500.0, 9000.0])


def wad(value: str) -> int:
    return int(Decimal(value).scaleb(18))


def board(frozen: bool) -> bytes:
    strikes = [(1, wad("1500"), wad("1.1"), *[0] * 5, 7), (2, wad("1800"), wad("0.9"), *[0] * 5, 7)]
    types = [
        "(uint256,uint256,uint256,bool,uint256[])",
        f"({','.join(['uint256'] * 9)})[]",
        "uint256[]",
        "uint256",
    ]
    return encode(types, [(7, NOW + 86_400, wad("0.8"), frozen, [1, 2]), strikes, [1, 1], 0])


@pytest.mark.parametrize(("frozen", "confidence"), [(False, 1), (True, 0)])
async def test_lyras_volatility_is_the_boards_times_the_skew(frozen: bool, confidence: int) -> None:
    fake = FakeChainClient(OP)
    fake.set(LIVE_BOARDS, MARKET, (), encode(["uint256[]"], [[7]]))
    fake.set(BOARD, MARKET, (7,), board(frozen))
    found = (await LyraVolSource(fake, "ETH", MARKET).surface(CUT)).found
    assert [(q.strike_usd, q.vol, q.confidence) for q in found] == [
        (1500, Decimal("0.88"), confidence), (1800, Decimal("0.72"), confidence),
    ]  # fmt: skip
    assert {(q.expiry, q.observed_at) for q in found} == {(NOW + 86_400, NOW)}


async def test_a_market_without_boards_to_read_is_a_gap() -> None:
    answer = await LyraVolSource(FakeChainClient(OP), "ETH", MARKET).surface(CUT)
    assert (answer.found, answer.gaps[0].reason) == ((), "undecodable")
    answer = await LyraVolSource(FakeChainClient(OP), "ETH", MARKET).surface(Cut({}, {OP: "no answer"}))
    assert (answer.gaps[0].reason, answer.gaps[0].detail) == ("no_block", "no answer")


WANTED = [(NOW, Decimal(1500)), (NOW, Decimal(1600))]


async def test_derives_feed_tells_volatility_and_confidence_and_refusals_are_gaps() -> None:
    fake = FakeChainClient(OP)
    fake.set(GET_VOL, MARKET, (wad("1500"), NOW), encode(["uint256", "uint256"], [wad("0.8"), wad("0.95")]))
    answer = await DeriveVolSource(fake, "ETH", MARKET, WANTED).surface(CUT)
    (quote,), (gap,) = answer.found, answer.gaps
    assert (quote.vol, quote.confidence) == (Decimal("0.8"), Decimal("0.95"))
    assert gap.reason == "no_answer"


def test_a_surface_is_decoded_from_its_event() -> None:
    types = ["int256", "uint256", "int256", "int256", "uint256", "uint256", "uint64", "uint64", "uint64"]
    values = [
        *map(wad, ("0.01", "0.01", "-0.04", "0.03", "0.05", "2000")),
        wad("0.0328767123287671"),
        wad("0.9"),
        NOW,
    ]
    topics = (b"\1" * 32, (NOW + 5).to_bytes(32))
    log = Log(MARKET, topics, encode(types, values), 1, "0x", "0x", 0)
    expiry, svi, stamp = decode_vol_updated(log)
    assert (expiry, stamp, svi.confidence) == (NOW + 5, NOW, 0.9)
    assert svi.vol([2_000_000.0])[0] == pytest.approx(0.645048, abs=1e-5)
