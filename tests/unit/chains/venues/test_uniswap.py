"""Uniswap v3 arithmetic by hand: amounts, prices of ticks, fees that wrap around."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.accounts import PositionKind
from chains.caip import Address, account_id, chain_id, erc20
from chains.deployments import AssetInfo
from chains.haircuts import Haircuts
from chains.instruments import LpRange, Spot
from chains.venues.uniswap.decode import Nft, PoolState, Tokens, decode_position, price_range, whole_liquidity
from chains.venues.uniswap.liquidity import (
    MAX_TICK,
    Q96,
    WORD,
    FeeGrowth,
    amounts,
    fees_owed,
    growth_inside,
    sqrt_ratio_x96,
    tick_price,
)
from tests.kit.transport import a_block

CHAIN = chain_id(1)
WETH, USDC, POOL = (Address("0x" + digit * 40) for digit in "123")
USER = account_id(CHAIN, Address("0x" + "77" * 20))
TOKENS = Tokens(
    AssetInfo(erc20(CHAIN, WETH), "WETH", 18, "ETH", "ETH"),
    AssetInfo(erc20(CHAIN, USDC), "USDC", 6, "USDC", "USDC", peg="USD"),
)
AT = a_block(CHAIN, 100, 1_700_000_000)
NONE = FeeGrowth(0, 0)


def an_nft(**changes: object) -> Nft:
    terms = {
        "id": 7, "token0": WETH, "token1": USDC, "fee_pips": 3000, "lower": -198_060, "upper": -194_040,
        "liquidity": 10**15, "last": NONE, "credited": (0, 0),
    }  # fmt: skip
    return Nft(**{**terms, **changes})  # type: ignore[arg-type]


def a_pool(tick: int, growth: FeeGrowth = NONE) -> PoolState:
    return PoolState(POOL, sqrt_ratio_x96(tick), tick, growth)


def test_edges_of_the_contract() -> None:
    # TickMath.sol of @uniswap/v3-core 1.0.1: MIN_SQRT_RATIO, MAX_SQRT_RATIO and the ratio at tick 0.
    assert sqrt_ratio_x96(0) == Q96
    assert abs(sqrt_ratio_x96(-MAX_TICK) - 4_295_128_739) <= 1
    top = 1461446703485210103287273052203988822378723970342
    assert abs(sqrt_ratio_x96(MAX_TICK) - top) <= top // 10**17


def test_price_of_a_tick_in_whole_tokens() -> None:
    # 1.0001^-196257 x 10^(18-6) = 3000.0 dollars for one ether (ln(3000e-12)/ln 1.0001 = -196256.4).
    assert abs(tick_price(-196_256, 18, 6) / 3000 - 1) < Decimal("1e-4")
    assert tick_price(0, 6, 6) == 1


def test_amounts_below_inside_and_above() -> None:
    low, high = sqrt_ratio_x96(-1000), sqrt_ratio_x96(1000)
    below, inside, above = (amounts(10**18, sqrt_ratio_x96(tick), low, high) for tick in (-2000, 0, 2000))
    assert below[1] == above[0] == 0
    assert below[0] == above[1]  # a symmetric range around 1
    assert inside[0] == inside[1]
    # 1 - 1.0001^-500 = 1 - exp(-0.049997500) = 4.87682 % of the liquidity on each side in the middle.
    assert inside[0] / 10**18 == pytest.approx(0.0487682, rel=1e-5)


@given(st.integers(-200_000, 200_000), st.integers(1, 5_000), st.integers(1, 2**100), st.integers(-9_000, 9_000))
def test_a_range_never_holds_more_than_its_ends(lower: int, width: int, liquidity: int, away: int) -> None:
    low, high = sqrt_ratio_x96(lower), sqrt_ratio_x96(lower + width)
    now = amounts(liquidity, sqrt_ratio_x96(lower + away), low, high)
    assert 0 <= now[0] <= amounts(liquidity, low, low, high)[0]
    assert 0 <= now[1] <= amounts(liquidity, high, low, high)[1]


def test_fees_survive_counters_that_wrap_around() -> None:
    # Outside values start anywhere; only differences count, modulo 2^256.
    lower, upper = FeeGrowth(WORD - 5, 3), FeeGrowth(10, WORD - 1)
    now = FeeGrowth(2**130, 2**131)
    inside = growth_inside(now, lower, upper, tick=0, ends=(-10, 10))
    assert inside == FeeGrowth((2**130 - (WORD - 5) - 10) % WORD, (2**131 - 3 - (WORD - 1)) % WORD)
    later = growth_inside(FeeGrowth(2**130 + 2**128, 2**131), lower, upper, tick=0, ends=(-10, 10))
    assert fees_owed(1000, later, inside, (7, 8)) == (1007, 8)


def test_growth_outside_the_range_earns_nothing() -> None:
    at_lower, at_upper = FeeGrowth(100, 100), FeeGrowth(30, 30)
    for tick in (-50, 50):
        one = growth_inside(FeeGrowth(10**6, 10**6), at_lower, at_upper, tick=tick, ends=(-10, 10))
        two = growth_inside(FeeGrowth(2 * 10**6, 10**6), at_lower, at_upper, tick=tick, ends=(-10, 10))
        assert one == two


def test_the_account_of_a_position() -> None:
    nft = an_nft(credited=(10**16, 0))
    account = decode_position(USER, nft, a_pool(-196_256), (NONE, NONE), TOKENS, Haircuts(), AT)
    assert (account.sub_account, account.equity_usd, account.liquidatable) == ("7", None, None)
    ranged, fees = account.exposures
    assert ranged.instrument == price_range(nft, TOKENS)
    assert ranged.value == whole_liquidity(nft, TOKENS) == Decimal(1000)  # 10^15 over 10^((18+6)/2)
    assert ranged.equity == Decimal(950)  # the larger haircut of the two
    assert (fees.instrument, fees.value, fees.equity) == (
        Spot(TOKENS.token0.asset),
        Decimal("0.01"),
        Decimal("0.0095"),
    )
    assert {position.kind for position in account.positions} == {PositionKind.LP}
    assert account.positions[0].details["state"] == "in range"


def test_only_fees_are_left() -> None:
    account = decode_position(
        USER, an_nft(liquidity=0, credited=(0, 5)), a_pool(0), (NONE, NONE), TOKENS, Haircuts(), AT
    )
    assert [position.label for position in account.positions] == ["USDC fees of WETH/USDC range"]
    assert not any(isinstance(exposure.instrument, LpRange) for exposure in account.exposures)


def test_odd_decimals_keep_their_digits() -> None:
    odd = Tokens(TOKENS.token0, AssetInfo(TOKENS.token1.asset, "X", 5, "USDC", "USDC"))
    units = whole_liquidity(an_nft(liquidity=10**12), odd)
    assert abs(units * units * 10**23 - 10**24) < Decimal("1e-9")
