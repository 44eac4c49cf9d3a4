"""Integer arithmetic of a Uniswap v3 range: what it holds, and what fees it has earned. No IO.

Formulas: Uniswap v3 whitepaper (2021), sections 6.2 to 6.4; rounding of LiquidityAmounts and PositionValue of
@uniswap/v3-periphery 1.4.4 (amounts down).
"""

from decimal import Decimal, localcontext
from typing import NamedTuple

TICK_BASE = Decimal("1.0001")
MAX_TICK = 887_272
Q96 = 2**96
WORD = 2**256
OWED = 2**128
DIGITS = 90
"""Decimal digits: 1.0001 to the power of any tick, to the last of 160 bits."""


class FeeGrowth(NamedTuple):
    """Fees per unit of liquidity since ever, Q128, modulo 2^256, of token0 and token1."""

    token0: int
    token1: int

    def __sub__(self, other: "FeeGrowth") -> "FeeGrowth":
        return FeeGrowth((self.token0 - other.token0) % WORD, (self.token1 - other.token1) % WORD)


def tick_price(tick: int, decimals0: int, decimals1: int) -> Decimal:
    """Price of a whole token0 in whole token1 at a tick."""
    with localcontext(prec=40):
        return (TICK_BASE**tick).scaleb(decimals0 - decimals1)


def sqrt_ratio_x96(tick: int) -> int:
    """Square root of the raw price at a tick, Q96, rounded up as TickMath does (its last digits may differ)."""
    with localcontext(prec=DIGITS):
        root = (TICK_BASE**tick).sqrt() * Q96
        return int(root) + (root != int(root))


def amounts(liquidity: int, sqrt_price_x96: int, lower_x96: int, upper_x96: int) -> tuple[int, int]:
    """Raw token0 and token1 in a range at a pool price; each rounded down."""
    price = min(max(sqrt_price_x96, lower_x96), upper_x96)
    token0 = (liquidity << 96) * (upper_x96 - price) // upper_x96 // price
    token1 = liquidity * (price - lower_x96) // Q96
    return token0, token1


def growth_inside(
    now: FeeGrowth, at_lower: FeeGrowth, at_upper: FeeGrowth, *, tick: int, ends: tuple[int, int]
) -> FeeGrowth:
    """Fees per unit of liquidity inside a range; ``at_*`` are the ticks' feeGrowthOutside."""
    below = at_lower if tick >= ends[0] else now - at_lower
    above = at_upper if tick < ends[1] else now - at_upper
    return now - below - above


def fees_owed(liquidity: int, inside: FeeGrowth, last: FeeGrowth, credited: tuple[int, int]) -> tuple[int, int]:
    """Raw token0 and token1: what the NFT was credited, and what grew since it was last touched."""
    grown = inside - last
    since = (liquidity * grown.token0 >> 128, liquidity * grown.token1 >> 128)
    return (credited[0] + since[0]) % OWED, (credited[1] + since[1]) % OWED
