"""Fixed-point exp, ln and normal law with the very rounding of Lyra's contracts.

Lyra computes Black-Scholes in 27 decimals, but exp and ln in 18. To agree with it to the last digit the same
approximations are evaluated with the same roundings: exp and ln by R. Bloemen's rational approximations in 2^96
fixed point (contract FixedPointMathLib), the normal law by Hart's algorithm 5666 as given by G. West, "Better
approximations to cumulative normal functions" (2005), with its 15-digit coefficients (contract BlackScholes).
All values are ints; ``PRECISE`` = 1.
"""

from decimal import Decimal
from math import isqrt
from typing import Final

UNIT: Final = 10**18
PRECISE: Final = 10**27
_TO_PRECISE: Final = 10**9

# Polynomials by falling power, in 2^96 fixed point; the leading coefficient is 1.
_LN_P: Final = (
    3273285459638523848632254066296,
    24828157081833163892658089445524,
    43456485725739037958740375743393,
    -11111509109440967052023855526967,
    -45023709667254063763336534515857,
    -14706773417378608786704636184526,
)
_LN_P_LAST: Final = -795164235651350426258249787498
_LN_Q: Final = (
    5573035233440673466300451813936,
    71694874799317883764090561454958,
    283447036172924575727196451306956,
    401686690394027663651624208769553,
    204048457590392012362485061816622,
    31853899698501571402653359427138,
    909429971244387300277376558375,
)
_LN_SCALE: Final = 1677202110996718588342820967067443963516166
_LN_2: Final = 16597577552685614221487285958193947469193820559219878177908093499208371
_LN_BASE: Final = 600920179829731861736702779321621459595472258049074101567377883020018308

_EXP_P: Final = (
    2772001395605857295435445496992,
    44335888930127919016834873520032,
    398888492587501845352592340339721,
    1993839819670624470859228494792842,
)
_EXP_P_LAST: Final = 4385272521454847904632057985693276
_EXP_LN_2: Final = 54916777467707473351141471128
_EXP_SCALE: Final = 3822833074963236453042738258902158003155416615667
_EXP_LEAST: Final = -42139678854452767551
_EXP_MOST: Final = 135305999368893231589

_CDF_SPLIT: Final = int(Decimal("7.07106781186547").scaleb(27))
_CDF_N: Final = tuple(
    int(Decimal(c).scaleb(27))
    for c in (
        "0.0352624965998911", "0.700383064443688", "6.37396220353165", "33.912866078383", "112.079291497871",
        "221.213596169931", "220.206867912376",
    )
)  # fmt: skip
_CDF_M: Final = tuple(
    int(Decimal(c).scaleb(27))
    for c in (
        "0.0883883476483184", "1.75566716318264", "16.064177579207", "86.7807322029461", "296.564248779674",
        "637.333633378831", "793.826512519948", "440.413735824752",
    )
)  # fmt: skip
_SQRT_2PI: Final = 2506628274631000502415765285


def half_up(numerator: int, denominator: int) -> int:
    """Quotient rounded half away from zero after truncating to one more digit, as Synthetix' decimal maths."""
    tenths = abs(numerator) * 10 // abs(denominator)
    rounded = (tenths + 5) // 10
    return -rounded if (numerator < 0) != (denominator < 0) else rounded


def multiply(x: int, y: int) -> int:
    """Product of two precise numbers."""
    return half_up(x * y, PRECISE)


def divide(x: int, y: int) -> int:
    """Quotient of two precise numbers."""
    return half_up(x * PRECISE, y)


def to_precise(wad: int) -> int:
    """18 decimals to 27."""
    return wad * _TO_PRECISE


def to_wad(precise: int) -> int:
    """27 decimals to 18, rounded."""
    return half_up(precise, _TO_PRECISE)


def sqrt(x: int) -> int:
    """Square root of a precise number, rounded down."""
    return isqrt(x * PRECISE)


def truncated(numerator: int, denominator: int) -> int:
    """Integer quotient towards zero, as the EVM divides."""
    quotient = abs(numerator) // abs(denominator)
    return -quotient if (numerator < 0) != (denominator < 0) else quotient


def ln(x: int) -> int:
    """Natural logarithm of a precise number; the last 9 digits are zero. Raises ValueError below 1e-18."""
    wad = x // _TO_PRECISE
    if wad < 1:
        raise ValueError(f"ln: argument must be at least 1e-18, was {x}e-27")
    exponent = wad.bit_length() - 1 - 96
    mantissa = (wad << (159 - exponent)) >> 159
    numerator = _horner(mantissa, _LN_P) * mantissa + (_LN_P_LAST << 96)
    ratio = truncated(numerator, _horner(mantissa, _LN_Q))
    return ((ratio * _LN_SCALE + _LN_2 * exponent + _LN_BASE) >> 174) * _TO_PRECISE


def exp(x: int) -> int:
    """Exponential of a precise number; the last 9 digits are zero. Raises ValueError above 135."""
    wad = truncated(x, _TO_PRECISE)
    if wad <= _EXP_LEAST:
        return 0
    if wad >= _EXP_MOST:
        raise ValueError(f"exp: argument must be below 135.306, was {x}e-27")
    t = truncated(wad << 78, 5**18)
    twos = (truncated(t << 96, _EXP_LN_2) + 2**95) >> 96
    t -= twos * _EXP_LN_2
    p = _horner(t, _EXP_P) * t + (_EXP_P_LAST << 96)
    ratio = truncated(p, _exp_divisor(t))
    return ((ratio * _EXP_SCALE) >> (195 - twos)) * _TO_PRECISE


def _exp_divisor(t: int) -> int:
    # Knuth's scheme of a degree-6 polynomial with three multiplications.
    z = (((t + 750530180792738023273180420736) * t) >> 96) + 32788456221302202726307501949080
    w = (((t - 2218138959503481824038194425854) * z) >> 96) + 892943633302991980437332862907700
    return (((z + w - 78174809823045304726920794422040) * w) >> 96) + 4203224763890128580604056984195872


def normal_cdf(x: int) -> int:
    """Standard normal distribution function of a precise number."""
    z = abs(x)
    tail = 0
    if z <= 37 * PRECISE:
        density = exp(-multiply(z, z // 2))
        if z < _CDF_SPLIT:
            tail = multiply(divide(_plain_horner(z, _CDF_N), _plain_horner(z, _CDF_M)), density)
        else:
            tail = divide(density, multiply(_mills(z), _SQRT_2PI))
    return tail if x <= 0 else PRECISE - tail


def _mills(z: int) -> int:
    """Continued fraction of the normal tail: z + 1/(z + 2/(z + 3/(z + 4/(z + 0.65))))."""
    value = z + PRECISE * 13 // 20
    for step in (4, 3, 2, 1):
        value = z + divide(step * PRECISE, value)
    return value


def _horner(x: int, coefficients: tuple[int, ...]) -> int:
    """Monic polynomial in 2^96 fixed point."""
    value = x + coefficients[0]
    for coefficient in coefficients[1:]:
        value = ((value * x) >> 96) + coefficient
    return value


def _plain_horner(x: int, coefficients: tuple[int, ...]) -> int:
    """Polynomial of a precise number, truncating after each step."""
    value = coefficients[0]
    for coefficient in coefficients[1:]:
        value = value * x // PRECISE + coefficient
    return value
