"""Aave's integer arithmetic: WadRayMath, PercentageMath and MathUtils of v3.0 and v3.6, with their rounding.

All functions take and give non-negative ints. wad = 1e18, ray = 1e27, percentages in bps.
"""

WAD = 10**18
RAY = 10**27
BPS = 10**4
YEAR_S = 365 * 86400
"""MathUtils.SECONDS_PER_YEAR: leap years are ignored."""


def ray_mul(a: int, b: int) -> int:
    """Product of two rays, rounded half up."""
    return (a * b + RAY // 2) // RAY


def ray_mul_floor(a: int, b: int) -> int:
    """Product of two rays, rounded down."""
    return a * b // RAY


def ray_mul_ceil(a: int, b: int) -> int:
    """Product of two rays, rounded up."""
    return -(-a * b // RAY)


def wad_div(a: int, b: int) -> int:
    """Quotient as a wad, rounded half up; ``b`` is not 0."""
    return (a * WAD + b // 2) // b


def percent_mul(value: int, bps: int) -> int:
    """Share of a value, rounded half up."""
    return (value * bps + BPS // 2) // BPS


def linear_interest(rate: int, elapsed_s: int) -> int:
    """Growth factor (ray) of a yearly rate (ray) without compounding: what suppliers earn between updates."""
    return RAY + rate * elapsed_s // YEAR_S


def compounded_interest(rate: int, elapsed_s: int) -> int:
    """Growth factor (ray) of a yearly rate (ray): the first three binomial terms, as MathUtils approximates it."""
    if elapsed_s == 0:
        return RAY
    squared = ray_mul(rate, rate) // (YEAR_S * YEAR_S)
    cubed = ray_mul(squared, rate) // YEAR_S
    second = elapsed_s * (elapsed_s - 1) * squared // 2
    third = elapsed_s * (elapsed_s - 1) * max(elapsed_s - 2, 0) * cubed // 6
    return RAY + rate * elapsed_s // YEAR_S + second + third


def binomial_interest(rate: int, elapsed_s: int) -> int:
    """Growth factor (ray) as MathUtils of v3.6 approximates it: 1 + x + x²/2 + x³/6, x the rate for the time."""
    if elapsed_s == 0:
        return RAY
    x = rate * elapsed_s // YEAR_S
    return RAY + x + ray_mul(x, x // 2 + ray_mul(x, x // 6))


def income_index(index: int, rate: int, elapsed_s: int) -> int:
    """Liquidity index (ray) accrued since its last update: getReserveNormalizedIncome."""
    return index if elapsed_s == 0 else ray_mul(linear_interest(rate, elapsed_s), index)


def debt_index(index: int, rate: int, elapsed_s: int) -> int:
    """Variable borrow index (ray) accrued since its last update: getReserveNormalizedVariableDebt."""
    return index if elapsed_s == 0 else ray_mul(compounded_interest(rate, elapsed_s), index)
